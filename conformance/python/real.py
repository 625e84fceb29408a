"""Numbers of formulas: an expression in them gives the value and all derivatives, exactly enough to be rounded to binary32.

A `Dual` is a value with derivatives. What it is made of is `Near`, a binary64 with a bound of its error, which decides most rows; or
`Real`, which is `q + r`: an exact fraction and a remainder between two bounds that close in as the digits are doubled. Rational
formulas have no remainder, so that ties are seen; and where a number is next to a rational one (softplus of 60, sigmoid of 1e30), what is between the
two stays apart, however small it is."""

import contextlib
import functools
import math
from decimal import Decimal, ROUND_CEILING, ROUND_FLOOR
from fractions import Fraction

from exact import context, nearest
from floats import INFINITY, NAN, results


class Undecided(ArithmeticError):
    """A comparison or a rounding that takes more digits."""


class Nowhere(Exception):
    """An expression is not defined at a row."""


class Skipped(Exception):
    """There is nothing to compare in a row."""


# Binary64 with a bound of the error.

#: Twice the error of an operation, so that the operations on bounds need none of their own.
UNIT = 2.0**-52
#: Beside which what an operation loses below the smallest numbers is nothing.
FAINT = 2.0**-1000
#: The error of the platform's own functions, amply.
FUNCTION = 2.0**-47


class Near:
    """A number within `error` of `value`."""

    __slots__ = ("value", "error")

    def __repr__(self):
        return repr(self.value)

    def __init__(self, value, error=0.0):
        self.value, self.error = value, error

    @staticmethod
    def of(x):
        """A number, taken exactly."""
        value = float(x)
        return Near(value, 0.0 if value == x else abs(value) * UNIT + FAINT)

    def is_zero(self):
        return self.value == 0.0 and self.error == 0.0

    def sign(self):
        if abs(self.value) > self.error or self.error == 0.0:
            return (self.value > 0.0) - (self.value < 0.0)
        raise Undecided

    def __neg__(self):
        return Near(-self.value, self.error)

    def __add__(self, other):
        value = self.value + other.value
        return Near(value, self.error + other.error + abs(value) * UNIT)

    def __sub__(self, other):
        value = self.value - other.value
        return Near(value, self.error + other.error + abs(value) * UNIT)

    def __mul__(self, other):
        a, b = self.value, other.value
        value = a * b
        return Near(value, abs(a) * other.error + (abs(b) + other.error) * self.error + abs(value) * UNIT + FAINT)

    def __truediv__(self, other):
        b = abs(other.value) - other.error
        if b <= 0.0:
            raise Undecided
        value = self.value / other.value
        return Near(value, (self.error + abs(value) * other.error) / b + abs(value) * UNIT + FAINT)

    def function(self, value, slope):
        """A function's value here, and a bound of its derivative nearby."""
        return Near(value, abs(value) * FUNCTION + slope * self.error + FAINT)

    def small(self):
        """The value, if it is known to 1."""
        if self.error < 1.0:
            return self.value
        raise Undecided

    def exp(self):
        value = math.exp(self.small())
        return self.function(value, 3.0 * value)

    def expm1(self):
        value = math.expm1(self.small())
        return self.function(value, 3.0 * (value + 1.0))

    def ln(self):
        x = self.value
        if not x > 2.0 * self.error:
            raise Undecided
        return self.function(math.log(x), 2.0 / x)

    def log1p(self):
        x = self.value
        if not x + 1.0 > 2.0 * self.error:
            raise Undecided
        return self.function(math.log1p(x), 2.0 / (x + 1.0))

    def sigmoid(self):
        e = math.exp(-abs(self.small()))
        return self.function((1.0 if self.value > 0.0 else e) / (1.0 + e), 3.0 * e)

    def softplus(self):
        x = self.small()
        e = math.exp(-abs(x))
        log = math.log1p(e)
        return self.function(x + log, 1.0) if x > 0.0 else self.function(log, 3.0 * e)

    def rounded(self, weight, bits=None):
        """`result` of it times a binary32, if that is decided."""
        value, error = self.value * weight, self.error * weight
        error += error * UNIT + abs(value) * UNIT + FAINT
        low, high = results((value - error, value + error))
        if low == high:
            return low
        raise Undecided


# Exact numbers with remainders.


class Digits:
    """The precision of remainders."""

    def __init__(self):
        self.set(40)

    def set(self, digits, last=False):
        """`last`: what these digits leave open is equal."""
        self.digits, self.last = digits, last
        self.down, self.up = context(digits), context(digits)
        self.down.rounding, self.up.rounding = ROUND_FLOOR, ROUND_CEILING
        #: What was computed, by operation and operands: what is computed twice is the same object, and its difference exactly 0.
        self.known = {}


    @contextlib.contextmanager
    def more(self, digits):
        """With as many digits more."""
        before = self.down, self.up, self.known
        self.known = {}
        self.down, self.up = context(self.digits + digits), context(self.digits + digits)
        self.down.rounding, self.up.rounding = ROUND_FLOOR, ROUND_CEILING
        try:
            yield
        finally:
            self.down, self.up, self.known = before


def once(operation):
    """An operation on operands, each a Between or a Fraction, that is computed once."""

    @functools.wraps(operation)
    def known(*operands):
        key = operation, *(id(x) if isinstance(x, Between) else x for x in operands)
        found = DIGITS.known.get(key)
        if found is None:
            # The operands too, for as long as they are there no other has their id.
            found = DIGITS.known[key] = operation(*operands), operands
        return found[0]

    return known


DIGITS = Digits()
#: The digits that are tried in turn.
LADDER = (40, 120, 400, 1600)
#: What the last of them leave open must be narrower than 10^-NARROW: a tie, and not an expression that loses all digits.
NARROW = 1000
#: From where an exponential's exponent is kept as an integer beside the decimal number.
WIDE = 10**14
#: From 10^300 on a stand-in is taken, tiny or enormous: of an exponential of an exponential.
ENORMOUS = 300
ENORMOUS_EXPONENT = 10**400
#: Decimal numbers have exponents up to 10^18; theirs stay far below this one.
FAR = 10**17
ZERO, ONE = Decimal(0), Decimal(1)


class Between:
    """A real number from low to high, times 10^scale."""

    __slots__ = ("low", "high", "scale")

    def __init__(self, low, high, scale=0):
        self.low, self.high, self.scale = low, high, scale

    @staticmethod
    @once
    def of(q):
        """A fraction."""
        a, b = Decimal(q.numerator), Decimal(q.denominator)
        return Between(DIGITS.down.divide(a, b), DIGITS.up.divide(a, b))

    @staticmethod
    def widened(value, scale=0):
        """What a context says to its last digit."""
        return Between(DIGITS.down.next_minus(value), DIGITS.up.next_plus(value), scale)

    def at(self, scale):
        """Between bounds at a larger scale."""
        if scale == self.scale:
            return self
        less = self.scale - scale
        if less > -FAR:
            return Between(self.low.scaleb(less, DIGITS.down), self.high.scaleb(less, DIGITS.up), scale)
        # Nothing beside a number of that scale, but for its sign.
        faint = Decimal((0, (1,), -FAR // 2))
        low = -faint if self.low < 0 else faint * 0
        return Between(low, faint if self.high > 0 else faint * 0, scale)

    @once
    def __neg__(self):
        return Between(self.high.copy_negate(), self.low.copy_negate(), self.scale)

    @once
    def __add__(self, other):
        if self.scale != other.scale:
            scale = max(self.scale, other.scale)
            return self.at(scale) + other.at(scale)
        return Between(DIGITS.down.add(self.low, other.low), DIGITS.up.add(self.high, other.high), self.scale)

    @once
    def __mul__(self, other):
        a, b, c, d = self.low, self.high, other.low, other.high
        scale = self.scale + other.scale
        down, up = DIGITS.down.multiply, DIGITS.up.multiply
        if a >= 0 and c >= 0:
            return Between(down(a, c), up(b, d), scale)
        return Between(
            min(down(a, c), down(a, d), down(b, c), down(b, d)), max(up(a, c), up(a, d), up(b, c), up(b, d)), scale
        )

    @once
    def reciprocal(self):
        if self.low <= 0 <= self.high:
            raise Undecided
        return Between(DIGITS.down.divide(ONE, self.high), DIGITS.up.divide(ONE, self.low), -self.scale)

    def sign(self):
        if self.low > 0:
            return 1
        if self.high < 0:
            return -1
        if self.low == self.high == 0 or DIGITS.last:
            return 0
        raise Undecided

    def magnitude(self):
        """An exponent of ten that it stays below; None for 0."""
        most = max(self.low.copy_abs(), self.high.copy_abs())
        return None if most == 0 else most.adjusted() + 1 + self.scale

    def is_below(self, exponent):
        """Whether it is less than 10^exponent in magnitude."""
        magnitude = self.magnitude()
        return magnitude is None or magnitude <= exponent

    def increasing(self, function):
        """A function that increases, given for one decimal number and its scale."""
        low = function(self.low, self.scale)
        if self.low == self.high:
            return low
        high = function(self.high, self.scale)
        if low.scale == high.scale:
            return Between(low.low, high.high, low.scale)
        # Where they are far apart (of an exponential), the lower says little beside the other.
        return Between(low.at(high.scale).low if low.scale < high.scale else ZERO, high.high, high.scale)

    @once
    def exp(self):
        return self.increasing(exp_at)

    @once
    def expm1(self):
        """Of a number within 1/2 of 0."""
        return self.increasing(expm1_at)

    @once
    def log1p(self):
        """Of a number from -1/2 on."""
        return self.increasing(log1p_at)

    @once
    def ln(self):
        return self.increasing(ln_at)


def plain(x, scale):
    """A decimal number without its scale."""
    return x.scaleb(scale, context(max(len(x.as_tuple().digits), 1))) if scale and x else x


def exp_at(x, scale):
    adjusted = x.adjusted() + scale
    if x == 0 or adjusted < -DIGITS.digits:
        # 1 + x to more than the digits
        return Between.widened(ONE)
    if adjusted >= ENORMOUS:
        return Between(ONE, ONE, ENORMOUS_EXPONENT if x > 0 else -ENORMOUS_EXPONENT)
    x = plain(x, scale)
    # The definition's ends.
    if x >= 1 << 21:
        return Between.widened(context(DIGITS.digits + 10).power(Decimal(2), 1 << 22))
    if x <= -(1 << 24):
        return Between.widened(context(DIGITS.digits + 10).power(Decimal(2), -(1 << 25)))
    more = context(DIGITS.digits + max(adjusted, 0) + 10)
    if abs(x) < WIDE:
        return Between.widened(DIGITS.up.plus(more.exp(x)))
    ten = more.ln(Decimal(10))
    tens = int(more.divide(x, ten))
    rest = more.subtract(x, more.multiply(tens, ten))
    return Between.widened(DIGITS.up.plus(more.exp(rest)), tens)


def is_tiny(x, scale):
    """Whether the square of x is nothing beside x."""
    return x == 0 or x.adjusted() + scale < -DIGITS.digits - 5


def expm1_at(x, scale):
    if is_tiny(x, scale):
        return Between(x, x if x == 0 else DIGITS.up.next_plus(DIGITS.up.plus(x)), scale)
    x = plain(x, scale)
    more = context(DIGITS.digits + 15)
    if x.adjusted() < -2:
        # x + x^2/2! + ...
        term, n, total = x, 1, x
        while not is_tiny(more.divide(term, x), 8):
            n += 1
            term = more.divide(more.multiply(term, x), n)
            total = more.add(total, term)
        return Between.widened(DIGITS.up.plus(total))
    return Between.widened(DIGITS.up.plus(more.subtract(more.exp(x), ONE)))


def log1p_at(x, scale):
    if is_tiny(x, scale):
        return Between(x if x == 0 else DIGITS.down.next_minus(DIGITS.down.plus(x)), x, scale)
    if x.adjusted() + scale > DIGITS.digits + 5:
        # ln x, and less than a unit of its last digit above it
        log = ln_at(x, scale)
        return Between(log.low, DIGITS.up.next_plus(log.high))
    x = plain(x, scale)
    if x.adjusted() < -2:
        # 2 (s + s^3/3 + ...) with s = x/(2 + x)
        more = context(DIGITS.digits + 15)
        s = more.divide(x, more.add(2, x))
        term, n, total = s, 1, s
        while not is_tiny(more.divide(term, s), 8):
            n += 2
            term = more.multiply(term, more.multiply(s, s))
            total = more.add(total, more.divide(term, n))
        return Between.widened(DIGITS.up.plus(more.add(total, total)))
    more = context(DIGITS.digits + abs(x.adjusted()) + 15)
    return Between.widened(DIGITS.up.plus(more.ln(more.add(ONE, x))))


def ln_at(x, scale):
    if x <= 0:
        raise Undecided
    more = context(DIGITS.digits + 10 + len(str(scale)))
    if abs(scale) < FAR:
        x, scale = plain(x, scale), 0
    log = more.ln(x)
    if scale:
        log = more.add(log, more.multiply(scale, more.ln(Decimal(10))))
    return Between.widened(DIGITS.up.plus(log))


# What is infinite. A log-ratio that is infinite counts as the limit of ever larger numbers. HUGE stands for it, beyond what finite rows give, and an
# exponential of it is exact, 0 or VAST.
HUGE = Between(ONE, ONE, 10**480)
VAST = Between(ONE, ONE, 10**500)
#: A scale that both are above, and all finite numbers below.
ENDLESS = 10**450


class Real:
    """`q + r`: r is a Between, or None for 0. Of a sum of derivatives, `terms` are what it is of."""

    __slots__ = ("q", "r", "terms")

    def __init__(self, q, r=None):
        self.q, self.r, self.terms = q, r, ()

    @staticmethod
    def of(x):
        """A number, taken exactly."""
        return Real(Fraction(x))

    def is_zero(self):
        return self.r is None and not self.q

    def total(self):
        """All of it as one Between."""
        if self.r is None:
            return Between.of(self.q)
        return Between.of(self.q) + self.r if self.q else self.r

    def sign(self):
        if self.r is None:
            return (self.q > 0) - (self.q < 0)
        return self.total().sign()

    def infinite(self):
        """The sign of what stands for infinity, else 0."""
        return self.r.sign() if self.r is not None and self.r.scale > ENDLESS else 0

    def __neg__(self):
        return Real(-self.q, None if self.r is None else -self.r)

    def __add__(self, other):
        a, b = self.r, other.r
        if a is None or b is None:
            return Real(self.q + other.q, b if a is None else a)
        # As both are kept, the opposite of a negative is not the number itself.
        return Real(self.q + other.q, None if a is -b or b is -a else a + b)

    def __sub__(self, other):
        if self.r is other.r:
            return Real(self.q - other.q)
        return self + -other

    def __mul__(self, other):
        a, b = self, other
        if a.r is None:
            a, b = b, a
        if b.r is None:
            if a.r is None or not b.q:
                return Real(a.q * b.q)
            if b.q == 1:
                return a
            return Real(a.q * b.q, a.r * Between.of(b.q))
        if not a.q:
            a, b = b, a
        # (p + a)(q + b) = p q + (p b + q a + a b)
        remainder = a.total() * b.r
        if b.q:
            remainder = remainder + a.r * Between.of(b.q)
        return Real(a.q * b.q, remainder)

    def __truediv__(self, other):
        return self * other.reciprocal()

    def reciprocal(self):
        if self.r is None:
            # 1/0 is the limit from above.
            return Real(1 / self.q) if self.q else Real(self.q, VAST)
        if self.q:
            # 1/(q + r) = 1/q - r/(q (q + r)), where r is the lesser
            part = self.r * Between.of(1 / self.q)
            if part.is_below(-1):
                whole = Between(ONE, ONE) + part
                return Real(1 / self.q, -(part * whole.reciprocal() * Between.of(1 / self.q)))
        return Real(Fraction(0), self.total().reciprocal())

    def exp(self):
        infinite = self.infinite()
        if infinite:
            return Real(Fraction(0), VAST if infinite > 0 else None)
        if self.r is None:
            if not self.q:
                return Real(Fraction(1))
        elif not self.q and self.r.is_below(-1):
            return Real(Fraction(1), self.r.expm1())
        return Real(Fraction(0), wide(self.q, self.r).exp())

    def expm1(self):
        total = self.total()
        if not self.infinite() and total.is_below(-1):
            return self if self.is_zero() else Real(Fraction(0), total.expm1())
        return self.exp() + MINUS_ONE

    def ln(self):
        if self.sign() <= 0:
            raise ValueError("ln of a number that is not positive")
        if self.infinite():
            return Real(Fraction(0), HUGE)
        if self.r is not None and self.q > 0:
            part = self.r * Between.of(1 / self.q)
            if part.is_below(-1):
                return Real(self.q).ln() + Real(Fraction(0), part.log1p())
        if self.r is None:
            less = self.q - 1
            if abs(less) < Fraction(1, 2):
                return Real(Fraction(0), Between.of(less).log1p()) if less else Real(less)
        return Real(Fraction(0), self.total().ln())

    def log1p(self):
        if not self.q and self.r is not None and self.r.is_below(-1):
            return Real(Fraction(0), self.r.log1p())
        return (self + PLUS_ONE).ln()

    def sigmoid(self):
        if self.r is None and not self.q:
            return Real(Fraction(1, 2))
        if self.sign() > 0:
            return PLUS_ONE - (-self).sigmoid()
        e = self.exp()
        if e.is_zero():
            return e
        # e/(1 + e), which increases
        return e * (PLUS_ONE + e).reciprocal()

    def softplus(self):
        if self.sign() > 0:
            return self + (-self).softplus()
        e = self.exp()
        return e if e.is_zero() else e.log1p()

    def rounded(self, weight, bits=None):
        """`result` of it times a binary32, if that is decided; of what is left of it in so many bits, if they are given."""
        if not weight:
            return 0.0
        x = self if weight == 1.0 else self * Real.of(weight)
        if bits is not None and bits < 0:
            # Bits of the largest term, in place of the value's own.
            bits = -bits
            if self.terms:
                bits -= max(size(term * Real.of(weight)) for term in self.terms) - size(x)
        if x.r is None:
            return nearest(x.q if bits is None else cut(x.q, bits))
        low, high = (beside(x.q, bound, x.r.scale, bits) for bound in (x.r.low, x.r.high))
        if low == high:
            return low
        if not DIGITS.last:
            raise Undecided
        # A tie: a rational value, from which the last digits differ.
        spread = Between(ZERO, DIGITS.up.subtract(x.r.high, x.r.low), x.r.scale)
        if not spread.is_below(-NARROW):
            raise Undecided
        if x.r.low <= 0 <= x.r.high:
            return nearest(x.q)
        return nearest((x.q + Fraction(plain(x.r.low, x.r.scale))).limit_denominator(1 << 1200))


@once
def wide(q, r):
    """q + r with as many digits more as it is large: its exponential hangs on its last place before the point."""
    if not q:
        return r
    if r is not None and r.scale:
        return Real(q, r).total()
    size = q.numerator.bit_length() - q.denominator.bit_length()
    with DIGITS.more(max(size, 0) * 3 // 10 + 5):
        return Real(q, r).total()


PLUS_ONE, MINUS_ONE = Real(Fraction(1)), Real(Fraction(-1))


def size(x):
    """The exponent of the least power of two above a Real, if it is not of an extreme size."""
    q = x.q
    if x.r is not None:
        total = x.total()
        if not abs(total.high.adjusted() + total.scale) < 20000:
            return 0
        q = Fraction(plain(total.high, total.scale))
    if not q:
        return 0
    n = abs(q.numerator).bit_length() - q.denominator.bit_length()
    return n + (abs(q) >= Fraction(2) ** n)


def cut(x, bits):
    """The nearest number of so many bits, ties away from 0."""
    if not x:
        return x
    size = abs(x.numerator).bit_length() - x.denominator.bit_length()
    # 2^size is the least power of two above x, or half of that.
    size += abs(x) >= Fraction(2) ** size
    unit = Fraction(2) ** (size - bits)
    units = (abs(x) / unit + Fraction(1, 2)).__floor__()
    return unit * (units if x > 0 else -units)


def beside(q, r, scale, bits=None):
    """`result` of q + r 10^scale."""
    if bits is not None and (r == 0 or r.adjusted() + scale < 20000):
        # Nothing that small counts.
        faint = r == 0 or r.adjusted() + scale < -20000
        return nearest(cut(q + (0 if faint else Fraction(plain(r, scale))), bits))
    if r == 0:
        return nearest(q)
    exponent = r.adjusted() + scale
    if exponent > 20000:
        return INFINITY if r > 0 else -INFINITY
    # From a midpoint, an integer over 2^150, q differs by 0 or by no less than 1 over 2^150 times its denominator.
    if exponent * 3 < -(q.denominator.bit_length() + 160):
        tiny = Fraction(1, q.denominator << 160)
        return nearest(q + tiny if r > 0 else q - tiny)
    return nearest(q + Fraction(plain(r, scale)))


# Values with derivatives.


class Dual:
    """A value and its derivatives, None for 0. Other numbers join in as constants."""

    __slots__ = ("value", "parts")

    def __repr__(self):
        return repr(self.value)

    def __init__(self, value, parts=None):
        self.value, self.parts = value, parts

    def constant(self, x):
        return x if isinstance(x, Dual) else Dual(type(self.value).of(x))

    def mapped(self, value, slope):
        """A function's value, and its derivative where that is asked for."""
        if self.parts is None:
            return Dual(value)
        slope = slope()
        return Dual(value, [None if part is None else part * slope for part in self.parts])

    def __neg__(self):
        return Dual(-self.value, self.parts and [None if part is None else -part for part in self.parts])

    def __add__(self, other):
        other = self.constant(other)
        return Dual(self.value + other.value, added(self.parts, other.parts))

    __radd__ = __add__

    def __sub__(self, other):
        other = self.constant(other)
        return Dual(self.value - other.value, added(self.parts, (-other).parts))

    def __rsub__(self, other):
        return self.constant(other) - self

    def __mul__(self, other):
        other = self.constant(other)
        return Dual(self.value * other.value, added(scaled(self.parts, other.value), scaled(other.parts, self.value)))

    __rmul__ = __mul__

    def __truediv__(self, other):
        return self * reciprocal(self.constant(other))

    def __rtruediv__(self, other):
        return self.constant(other) * reciprocal(self)

    def __gt__(self, other):
        return (self.value - self.constant(other).value).sign() > 0

    def __lt__(self, other):
        return (self.value - self.constant(other).value).sign() < 0

    def __eq__(self, other):
        return (self.value - self.constant(other).value).sign() == 0

    def __ge__(self, other):
        return not self < other

    def __le__(self, other):
        return not self > other

    def __abs__(self):
        """With a derivative of 0 at 0."""
        sign = self.value.sign()
        return self if sign > 0 else -self if sign < 0 else Dual(self.value)


def added(a, b):
    if a is None or b is None:
        return b if a is None else a
    return [y if x is None else x if y is None else summed(x, y) for x, y in zip(a, b)]


def summed(a, b):
    total = a + b
    if isinstance(total, Real):
        total.terms = (a.terms or (a,)) + (b.terms or (b,))
    return total


def scaled(parts, factor):
    return parts and [None if part is None else part * factor for part in parts]


def reciprocal(x):
    value = type(x.value).of(1) / x.value
    return x.mapped(value, lambda: -(value * value))


# What expressions are made of.


def square(x):
    return x.mapped(x.value * x.value, lambda: x.value + x.value)


def exp(x):
    value = x.value.exp()
    return x.mapped(value, lambda: value)


def expm1(x):
    """e^x - 1."""
    return x.mapped(x.value.expm1(), x.value.exp)


def ln(x):
    return x.mapped(x.value.ln(), lambda: type(x.value).of(1) / x.value)


def log1p(x):
    """ln(1 + x)."""
    one = type(x.value).of(1)
    return x.mapped(x.value.log1p(), lambda: one / (one + x.value))


def sigmoid(x):
    """1/(1 + e^-x)."""
    value = x.value.sigmoid()
    return x.mapped(value, lambda: value * (-x.value).sigmoid())


def softplus(x):
    """ln(1 + e^x)."""
    return x.mapped(x.value.softplus(), x.value.sigmoid)


def log_sigmoid(x):
    return -softplus(-x)


def relu(x):
    """max(0, x), with a derivative of 0 at 0."""
    return x if x.value.sign() > 0 else Dual(type(x.value).of(0))


def maximum(a, b):
    """The larger, the second where they are equal."""
    return a if a > b else b


def minimum(a, b):
    """The smaller, the first where they are equal."""
    return b if a > b else a


def constant(x):
    """The value, whose derivatives do not count."""
    return Dual(x.value)


def log_sum_exp(numbers):
    """ln of the sum of e^x: its largest number, and what the others add."""
    most = numbers[0]
    for x in numbers[1:]:
        most = maximum(x, most)
    total = None
    for x in numbers:
        if x is not most:
            e = exp(x - most)
            total = e if total is None else total + e
    return most if total is None else most + log1p(total)


# Results.


def settle(expression, row, weights, variables, bits=None):
    """The value of an expression at a row and its derivatives by all variables, times each of the weights, as `result`s, or as those of what is
    left of them in so many bits. `row` gives the numbers of the row in a kind of number, `expression` a Dual of them."""

    def all_rounded(kind):
        found = expression(row(kind))
        if not isinstance(found, Dual):
            found = Dual(kind.of(found))
        parts = found.parts or [None] * variables
        return [[found.value.rounded(w, bits), *(0.0 if x is None else x.rounded(w, bits) for x in parts)] for w in weights]

    try:
        return all_rounded(Near)
    except (ArithmeticError, ValueError):
        pass
    except Nowhere:
        return [[NAN] * (1 + variables)] * len(weights)
    try:
        for digits in LADDER:
            DIGITS.set(digits, digits == LADDER[-1])
            try:
                return all_rounded(Real)
            except Nowhere:
                return [[NAN] * (1 + variables)] * len(weights)
            except Undecided:
                if DIGITS.last:
                    raise Undecided(f"no digits decide it at {vars(row(Near))}") from None
    finally:
        DIGITS.set(LADDER[0])
