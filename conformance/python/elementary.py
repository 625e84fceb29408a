"""The elementary functions: those of binary64 as sequences of operations, and the public ones, which are the nearest numbers."""

import math
from array import array
from decimal import Decimal
from fractions import Fraction

from exact import context, nearest
from floats import INFINITY, NAN, bits64
from page import constants, number

C = constants("elementary")
TO_INTEGER, LOG2_E, LN2_HI, LN2_LO = C["TO_INTEGER"], C["LOG2_E"], C["LN2_HI"], C["LN2_LO"]
E0, E1, E2, E3, E4, E5, E6, E7, E8 = C["EXP"]
L0, L1, L2, L3, L4, L5, L6, L7 = C["LOG"]
SQRT_STEP = bits64(C["SQRT_STEP"])
EXP_NEG_END, EXP_END = C["EXP_NEG_END"], C["EXP_END"]
ONE_BITS = bits64(1.0)
ldexp = math.ldexp


def exponential(x):
    """k and p."""
    k = (x * LOG2_E + TO_INTEGER) - TO_INTEGER
    r = (x - k * LN2_HI) - k * LN2_LO
    r2 = r * r
    r4 = r2 * r2
    low = (E0 + E1 * r) + (E2 + E3 * r) * r2
    high = (E4 + E5 * r) + (E6 + E7 * r) * r2
    return int(k), r + (r * r) * (low + (high + E8 * r4) * r4)


def exp_neg(x):
    if not x < EXP_NEG_END:
        return 0.0
    k, p = exponential(0.0 - x)
    return ldexp(1.0 + p, k)


def expm1(x):
    if abs(x) < EXP_END:
        k, p = exponential(x)
        scale = ldexp(1.0, k)
        return p * scale + (scale - 1.0)
    return -1.0 if x < 0.0 else INFINITY


def log1p_by(f, s):
    w = s * s
    w2 = w * w
    w4 = w2 * w2
    low = (L0 + L1 * w) + (L2 + L3 * w) * w2
    high = (L4 + L5 * w) + (L6 + L7 * w) * w2
    return f - s * (f - w * (low + high * w4))


def logistic(x):
    """ln(1 + e^-|x|) and sigmoid(-x)."""
    e = exp_neg(abs(x))
    one = e + 1.0
    two = e + 2.0
    q = 1.0 / (one * two)
    recip = two * q
    return log1p_by(e, (e * one) * q), recip if x < 0.0 else e * recip


def log_of(y, less_one=None):
    bits = bits64(y)
    biased = (bits + SQRT_STEP) >> 52
    m = number(bits - (biased << 52) + ONE_BITS)
    k = float(biased - 1023)
    f = less_one if less_one is not None and k == 0.0 else m - 1.0
    return k * LN2_HI + (log1p_by(f, f / (f + 2.0)) + k * LN2_LO)


def log1p(x):
    return log_of(x + 1.0, x)


def tanh(x):
    m = expm1(-2.0 * abs(x))
    t = (0.0 - m) / (m + 2.0)
    return 0.0 - t if x < 0.0 else t


# The public functions. Each: an approximation to 2^-45 (of the platform's own functions), and the value in a context of decimal
# numbers to all but the last 60 digits; where the approximation leaves the rounding open, the latter decides.


def approximate_softplus(x):
    return x + math.log1p(math.exp(-x)) if x > 0.0 else math.log1p(math.exp(x))


def approximate_log1mexp(x):
    if x >= 0.0:
        return -INFINITY if x == 0.0 else NAN
    return math.log(-math.expm1(x)) if x > -0.7 else math.log1p(-math.exp(x))


def approximate_log1p(x):
    if x <= -1.0:
        return -INFINITY if x == -1.0 else NAN
    return math.log1p(x)


def approximate_log(x):
    if x <= 0.0:
        return -INFINITY if x == 0.0 else NAN
    return math.log(x)


def approximate_sigmoid(x):
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def decimal_softplus(c, x):
    return c.ln(c.add(1, c.exp(x)))


FUNCTIONS = {
    "exp": (lambda x: INFINITY if x > 100.0 else math.exp(x), lambda c, x: c.exp(x)),
    "log": (approximate_log, lambda c, x: c.ln(x)),
    "log1p": (approximate_log1p, lambda c, x: c.ln(c.add(1, x))),
    "expm1": (lambda x: INFINITY if x > 100.0 else math.expm1(x), lambda c, x: c.subtract(c.exp(x), 1)),
    "log1mexp": (approximate_log1mexp, lambda c, x: c.ln(c.subtract(1, c.exp(x)))),
    "sigmoid": (approximate_sigmoid, lambda c, x: c.divide(1, c.add(1, c.exp(x.copy_negate())))),
    "log_sigmoid": (lambda x: -approximate_softplus(-x), lambda c, x: decimal_softplus(c, x.copy_negate()).copy_negate()),
    "softplus": (approximate_softplus, decimal_softplus),
}


def evaluate(name, arguments):
    """A public function at many binary32 numbers."""
    approximation, value = FUNCTIONS[name]
    values = [NAN if x != x else approximation(x) for x in arguments]
    low = array("f", [y - y * 2.0**-45 for y in values])
    high = array("f", [y + y * 2.0**-45 for y in values])
    out = array("f", values)
    for i, (a, b) in enumerate(zip(low, high)):
        if a != b and values[i] - values[i] == 0.0:
            out[i] = settled(value, arguments[i], values[i])
    return out


def settled(value, x, near):
    """The nearest number to a value that is no tie."""
    digits = 160
    while True:
        exact = Fraction(value(context(digits), Decimal(x)))
        error = abs(exact) / 10 ** (digits - 60)
        low, high = nearest(exact - error), nearest(exact + error)
        if low == high:
            # A zero keeps the sign of what rounds to it.
            return math.copysign(low, near)
        digits *= 2
