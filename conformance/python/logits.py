"""Rows of logits: log-sum-exp, log-probabilities, statistics, gradients."""

import math
from fractions import Fraction

from elementary import exp_neg, expm1, log1p, log_of, tanh
from exact import Sum
from floats import (
    INFINITY, NAN, bf16_bits, bf16_value, bits64, f16_bits, f16_value, from_bits, pack, results, to_bits,
)  # fmt: skip
from page import constants, number

C = constants("logits")
POWERS = C["POWERS"]
Q0, Q1, Q2, Q3 = C["QUARTIC"]
H, D = C["SIXTEENTHS"]
SIXTEENTH, WIDE, GIANT, LN_2 = C["SIXTEENTH"], C["WIDE"], C["GIANT"], C["LN_2"]
SOFTMAX_FLOOR = C["SOFTMAX_FLOOR"]
ldexp, nearest = math.ldexp, round


def lowered(x, bits):
    """x with its lowest bits set to 0."""
    return number(bits64(x) >> bits << bits)


class Scaling:
    """Temperature, logit scale, soft cap or None; and what follows from them."""

    def __init__(self, temperature, logit_scale, cap):
        self.cap = cap is not None
        self.slope = logit_scale / temperature
        self.scale = self.slope
        if self.cap:
            self.inner, self.scale = logit_scale / cap, cap / temperature
        scale = self.scale
        self.k = k = H * scale
        a, c = lowered(H, 27), lowered(scale, 27)
        b, d = H - a, scale - c
        lost = ((a * c - k + a * d) + b * c) + b * d
        self.k_high = lowered(k, 24)
        self.k_low = (k - self.k_high) + (lost + D * scale)
        self.near = WIDE / scale

    def map(self, x):
        return tanh(x * self.inner) if self.cap and x != -INFINITY else x

    def shape(self, x):
        if not self.cap:
            return 1.0
        a = abs(x * self.inner)
        e = exp_neg(a + a)
        one = e + 1.0
        return (4.0 * e) / (one * one)

    def sixteenths(self, v):
        """n and f."""
        if abs(v) < self.near:
            t = v * self.k
            n = nearest(t)
            return n, t - n
        t, low = v * self.k_high, v * self.k_low
        n = nearest(t + low)
        return n, (t - n) + low

    def is_giant(self, v):
        return abs(v * self.scale) >= GIANT

    def window(self, v):
        return ((self.sixteenths(v)[0] >> 4) + 1) // 50

    def term(self, v, window):
        """e, divided by 2^(50 window)."""
        n, f = self.sixteenths(v)
        return ldexp(POWERS[n & 15], (n >> 4) - 50 * window) * quartic(f)


def quartic(f):
    return (((f + Q3) * f + Q2) * f + Q1) * f + Q0


class Total:
    """Integers of two scales."""

    def __init__(self):
        self.high = self.low = 0

    def add(self, e):
        high = nearest(e)
        self.high += high
        self.low += nearest((e - high) * 2.0**50)

    def units(self):
        return float(self.high) * 2.0**50 + float(self.low)


def log_sum_exp(row, scaling):
    """M and rest, or None for a row that has none."""
    if any(x != x or x == INFINITY for x in row):
        return None
    most = max(row) + 0.0
    if most == -INFINITY:
        return None
    return most, on_grid(log1p(ratio(row, most, scaling)))


def ratio(row, most, scaling):
    v = scaling.map(most)
    others = list(row)
    others.remove(most)
    if scaling.is_giant(v):
        return float(others.count(most))
    second = max(others, default=-INFINITY)
    if second == -INFINITY or scaling.is_giant(scaling.map(second)):
        return 0.0
    window_of_most, window = scaling.window(v), scaling.window(scaling.map(second))
    floor = (16 * (50 * window - 60)) / scaling.k
    total = Total()
    for x in others:
        y = scaling.map(x)
        if y >= floor and y != -INFINITY:
            total.add(scaling.term(y, window))
    exponent = 50 * (window - 1 - window_of_most)
    if exponent < -1000:
        return 0.0
    return total.units() / scaling.term(v, window_of_most) * 2.0**exponent


def on_grid(rest):
    d = 19 if rest < 16.0 else 18
    bits = bits64(rest)
    return number((bits + (1 << d - 1) - 1 + (bits >> d & 1)) >> d << d)


def logp(x, found, scaling):
    most, rest = found
    return (scaling.map(x) - scaling.map(most)) * scaling.scale - rest


class Probabilities:
    """Weighted probabilities of a row's columns."""

    def __init__(self, found, scaling, factor):
        most, rest = found
        self.scaling, self.most, self.rest = scaling, scaling.map(most), rest * H
        self.powers = [power * factor for power in POWERS]

    def at(self, x):
        """t and p."""
        t = (self.scaling.map(x) - self.most) * self.scaling.k - self.rest
        if t < SOFTMAX_FLOOR:
            t = SOFTMAX_FLOOR
        n = nearest(t)
        return t, ldexp(self.powers[n & 15], n >> 4) * quartic(t - n)


def statistics(row, found, scaling):
    """Entropy, and the logarithm of the sum of squares, before they are rounded."""
    most, rest = found
    peaked = rest < LN_2
    exponent = min(max(1023 - (bits64(rest) >> 52), 0), 400) if peaked else 0
    up, down = 2.0**exponent, 2.0**-exponent
    probabilities = Probabilities(found, scaling, up)
    entropy, squares = Total(), Total()
    for x in row:
        if x < most:
            t, p = probabilities.at(x)
            entropy.add(p * (t * (0.0 - SIXTEENTH)))
            squares.add(p * (1.0 - p * down if peaked else p))
    largest = float(row.count(most))
    unit = down * 2.0**-50
    p = exp_neg(rest)
    h = entropy.units() * unit + largest * (p * rest)
    s = squares.units() * unit
    if peaked:
        return h, log1p(0.0 - (s + largest * (p * (0.0 - expm1(0.0 - rest)))))
    return h, log_of(s + largest * (p * p))


def gradient(row, target, found, seed, scaling, before=None):
    """The gradient of a row that has a log-sum-exp, before it is rounded; added to `before` if that is given."""
    seed = seed * scaling.slope
    probabilities = Probabilities(found, scaling, 0.0 - seed)
    values = []
    for column, x in enumerate(row):
        start = before[column] if before else 0.0
        if column == target:
            values.append(start - expm1(logp(x, found, scaling)) * (seed * scaling.shape(x)))
            continue
        _, value = probabilities.at(x)
        if scaling.cap:
            value = value * scaling.shape(x)
        values.append(start + value if before else value)
    return results(values)


def forward(row, target, scaling, digest):
    """What a row gives forwards, into a digest; and its log-sum-exp."""
    found = log_sum_exp(row, scaling)
    mean = Sum()
    mean.add_all(row)
    mean = mean.mean(len(row))
    if found is None:
        digest.integers((1 << 64) - 1)
        digest.floats([NAN, NAN, NAN, NAN, mean])
        digest.integers(0)
        return None
    most, rest = found
    digest.integers(bits64(rest))
    digest.floats([most])
    digest.floats(results([logp(row[target], found, scaling), *statistics(row, found, scaling), mean]))
    digest.integers(row[target] == most and max(row[:target], default=-INFINITY) < most)
    return found


SCALINGS = (
    Scaling(1.0, 1.0, None),
    Scaling(1.0, 1.0, None),
    Scaling(0.7, 1.0, None),
    Scaling(1.5, 1.25, 30.0),
)


def digest(make, rows, columns, digest):
    """All results of a family of rows."""
    for at in range(rows):
        scaling = SCALINGS[at % 4]
        single = [make(at, column) for column in range(columns)]
        patterns = [to_bits(x) for x in single]
        brain = [bf16_value(x >> 16) for x in patterns]
        half = [f16_value(x >> 9 & 0xFBFF) for x in patterns]
        target = at * 7 % columns
        seed = from_bits(0x3C000000 + 0x01010101 * (at % 3)) * (1.0 if at % 2 == 0 else -1.0)
        found = forward(single, target, scaling, digest)
        forward(brain, target, scaling, digest)
        forward(half, target, scaling, digest)
        grads = gradient(single, target, found, seed, scaling)
        digest.floats(grads)
        digest.floats(gradient(single, target, found, seed, scaling, grads))
        digest.shorts(map(bf16_bits, gradient(single, target, found, seed, scaling, brain)))
        digest.shorts(map(f16_bits, gradient(single, target, found, seed, scaling, half)))
        digest.floats(grads)
