"""Real numbers: sums without rounding, and rounding to binary32."""

from decimal import Context, MAX_EMAX, MIN_EMIN
from fractions import Fraction

from floats import INFINITY, NAN


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
    """Decimal numbers of so many digits, whose exponents are as good as unlimited."""
    return Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN)


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
