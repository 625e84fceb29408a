"""Real numbers: sums without rounding, exact values to any number of digits, and their rounding to binary32."""

import math
from decimal import Context, Decimal, MAX_EMAX, MIN_EMIN
from fractions import Fraction

from floats import INFINITY, NAN, results

#: |z| from which e^-|z| is less than anything that a rounding could hang on.
FAR = 1000
#: A stand-in for such an e^-|z|: below every distance of a rational value here from a midpoint.
TINY = Fraction(1, 1 << 5000)
#: A stand-in for an infinite log-ratio.
HUGE = Fraction(1 << 20000)


def nearest(x):
    """A real number (a Fraction) as `result` has it: the nearest binary32, ties to even, zeros +0."""
    numerator, denominator = abs(x.numerator), x.denominator
    if numerator == 0:
        return 0.0
    exponent = numerator.bit_length() - denominator.bit_length()
    if numerator << max(-exponent, 0) < denominator << max(exponent, 0):
        exponent -= 1
    # 2^exponent <= |x| < 2^(exponent + 1)
    unit = max(exponent - 23, -149)
    quotient, rest = divmod(numerator << max(-unit, 0), denominator << max(unit, 0))
    double = 2 * rest
    whole = denominator << max(unit, 0)
    if double > whole or double == whole and quotient & 1:
        quotient += 1
    if quotient == 0:
        return 0.0
    if unit + quotient.bit_length() > 128:
        magnitude = INFINITY
    else:
        magnitude = quotient * 2.0**unit
    return -magnitude if x < 0 else magnitude


def context(digits):
    return Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN)


class Transcendental:
    """A positive real number that is known to any number of digits: `at` takes a context and gives it to all but the last ten
    digits. `near` is it to 2^-42 of itself, or to 1e-300."""

    def __init__(self, near, at):
        self.near, self.at = near, at
        self.digits = 0

    def bounds(self, digits):
        """Two Fractions around it, nearer than 10^(12 - digits) of itself."""
        if self.digits != digits:
            value = Fraction(self.at(context(digits)))
            # Made short: the numbers of bits do the work, not the digits.
            shift = 4 * digits - (value.numerator.bit_length() - value.denominator.bit_length())
            error = Fraction(1, 10 ** (digits - 11))
            low, high = value * (1 - error), value * (1 + error)
            scale = Fraction(1 << shift) if shift >= 0 else Fraction(1, 1 << -shift)
            self.around = (Fraction(low * scale // 1) / scale, Fraction(high * scale // 1 + 1) / scale)
            self.digits = digits
        return self.around


def nearest_sum(rational, factor, number):
    """`result` of rational + factor * number, with number a Transcendental or a Fraction."""
    if isinstance(number, Fraction) or factor == 0:
        return nearest(rational + (factor * number if factor else 0))
    quick = nearly(rational, factor, number.near)
    if quick is not None:
        return quick
    digits = 40
    while True:
        low, high = (nearest(rational + factor * bound) for bound in number.bounds(digits))
        if low == high:
            return low
        digits *= 2


def nearly(rational, factor, near):
    """`result` of rational + factor * near, if an error of 2^-40 of the two terms does not matter."""
    try:
        a, b = float(rational), float(factor) * near
    except OverflowError:
        return None
    value, error = a + b, (abs(a) + abs(b)) * 2.0**-40
    low, high = results((value - error, value + error))
    return low if low == high else None


def decimal(x, c):
    """A Fraction in a context."""
    return c.divide(Decimal(x.numerator), Decimal(x.denominator))


def exponential(z):
    """A function that gives e^-|z| in a context."""
    z = abs(z)

    def at(c):
        # The argument's own error counts |z| times.
        more = context(c.prec + 8)
        return c.exp(decimal(z, more).copy_negate())

    return at


def log1p_exp(z):
    """ln(1 + e^-|z|) of a Fraction."""
    if abs(z) > FAR:
        return TINY
    e = exponential(z)
    near = math.log1p(math.exp(-abs(float(z))))

    def at(c):
        # 1 + e drops digits of a small e: as many more.
        lost = int(abs(z) * 4343 // 10000) + 2
        more = context(c.prec + lost + 8)
        return c.plus(more.ln(more.add(1, e(more))))

    return Transcendental(near, at)


def sigmoid(z):
    """1/(1 + e^-z) of a Fraction: a Fraction for 0, and rational for the other end of a large z."""
    if z == 0:
        return Fraction(1, 2)
    if abs(z) > FAR:
        return TINY if z < 0 else 1 - TINY
    e = exponential(z)
    near = math.exp(-abs(float(z)))
    if z < 0:
        return Transcendental(near / (1.0 + near), lambda c: c.divide(e(c), c.add(1, e(c))))
    return Transcendental(1.0 / (1.0 + near), lambda c: c.divide(1, c.add(1, e(c))))


class Sum:
    """The exact sum of binary32 numbers, in units of 2^-149."""

    UNIT = 2.0**149

    def __init__(self):
        self.units = 0
        self.nan = self.up = self.down = False

    def add(self, x):
        if x - x == 0:
            self.units += int(x * self.UNIT)
        elif x != x:
            self.nan = True
        elif x > 0:
            self.up = True
        else:
            self.down = True

    def add_all(self, values):
        if all(x - x == 0 for x in values):
            unit = self.UNIT
            self.units += sum([int(x * unit) for x in values])
        else:
            for x in values:
                self.add(x)

    def merge(self, other):
        self.units += other.units
        self.nan |= other.nan
        self.up |= other.up
        self.down |= other.down

    def mean(self, count):
        if count == 0 or self.nan or self.up and self.down:
            return NAN
        if self.up or self.down:
            return INFINITY if self.up else -INFINITY
        return nearest(Fraction(self.units, count << 149))

    def sum(self):
        return self.mean(1)


def share(count, of):
    return NAN if of == 0 else nearest(Fraction(count, of))
