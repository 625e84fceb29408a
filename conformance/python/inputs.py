"""The inputs of the digests, as conformance/README.md describes them."""

import pathlib
import struct

from floats import from_bits, to_bits

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
MASK = (1 << 64) - 1
INFINITY = float("inf")


class Random:
    """SplitMix64, one stream for each family and index."""

    def __init__(self, family, index):
        self.state = family << 48 ^ index
        self.state = self.next()

    def next(self):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31

    def word(self):
        return self.next() >> 32

    def below(self, bound):
        return self.word() * bound >> 32

    def around(self, bound):
        return self.below(2 * bound + 1) - bound

    def pick(self, bits):
        return from_bits(bits[self.below(len(bits))])

    def pattern(self):
        bits = self.word()
        kind = self.below(32)
        if kind == 0:
            bits |= 0x7F800000
        elif kind == 1:
            bits &= 0x807FFFFF
        elif kind == 2:
            bits = bits & 0x80000000 | 0x7F800000
        elif kind == 3:
            bits &= 0x80000000
        return from_bits(bits)

    def scale(self, low, high):
        exponent = low + self.below(high - low)
        return from_bits(self.word() & 0x807FFFFF | exponent << 23)

    def weight(self):
        kind = self.below(16)
        if kind < 2:
            return 0.0
        if kind < 4:
            return 1.0
        if kind == 4:
            return from_bits(self.below(1 << 23))
        if kind == 5:
            return from_bits(127 + 40 << 23 | self.below(1 << 23))
        return fixed(self.below(1 << 24), 22)


def fixed(value, fraction):
    return value / 2.0**fraction


def random(index):
    r = Random(1, index)

    def side():
        policy = r.below(1 << 24)
        reach = 20 if r.below(4) == 0 else 16
        reference = min(max(policy + r.around(1 << reach), 0), (1 << 24) - 1)
        return -policy / 2.0**15 + 0.0, -reference / 2.0**15 + 0.0

    pc, rc = side()
    pr, rr = side()
    return pc, pr, rc, rr, r.weight()


def bits(index):
    r = Random(2, index)
    weight = r.word() & 0x7FFFFFFF
    if weight >= 0x7F800000:
        weight ^= 0x40000000
    return r.pattern(), r.pattern(), r.pattern(), r.pattern(), from_bits(weight)


def scales(index):
    r = Random(3, index)
    low, high = (0, 187) if r.below(2) == 0 else (97, 137)
    alone = r.below(4) == 0
    rc, rr = (0.0, 0.0) if alone else (r.scale(low, high), r.scale(low, high))
    return r.scale(low, high), r.scale(low, high), rc, rr, r.weight()


def ties(index):
    r = Random(4, index)
    if r.below(2) == 0:

        def side():
            policy = r.scale(119, 137)
            return policy, from_bits(to_bits(policy) + r.around(3))

        pc, rc = side()
        pr, rr = side()
        return pc, pr, rc, rr, r.weight()
    knee = (0, 1, 2, 5, 10, 20)[r.below(6)] << 14
    chosen, rejected = r.below(1 << 22), r.below(1 << 22)
    pc = fixed(knee + r.around(2) - chosen, 14)
    pr = fixed(r.around(2) - rejected, 14)
    return pc, pr, fixed(-chosen, 14) + 0.0, fixed(-rejected, 14) + 0.0, r.weight()


ZERO_VALUES = (0, 0x80000000, 0, 0x80000000, 0xBF800000, 0xBF000000, 0xC0200000, 0x3F800000)


def zeros(index):
    r = Random(9, index)
    values = [r.pick(ZERO_VALUES) for _ in range(4)]
    return *values, r.pick((0, 0x80000000, 0x3F800000, 0x3F000000))


EDGE_BITS = (
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x80800000,
    0x33800000, 0xB3800000, 0x3F800000, 0xBF800000, 0x3F800001, 0xBF7FFFFF, 0x3F317218, 0xBF317218,
    0x3EB17218, 0xBEB17218, 0x3DCCCCCD, 0xBDCCCCCD, 0x418AA123, 0xC18AA123, 0x42B17217, 0xC2B17217,
    0x42AEAC50, 0xC2AEAC50, 0x42CFF1B4, 0xC2CFF1B4, 0x4B800000, 0xCB800000, 0x7149F2CA, 0xF149F2CA,
    0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC01234, 0x7F800001, 0xFFBFFFFF,
)  # fmt: skip
EDGE_LARGE = (0x7149F2CA, 0xF149F2CA, 0x7F7FFFFF)
EDGE_WEIGHTS = (0, 0x80000000, 1, 0x00800000, 0x3F800000, 0x3F000000, 0x7149F2CA, 0x7F7FFFFF)


def edges(index):
    r = Random(5, index)
    kind = r.below(4)
    corners = EDGE_BITS[: 40 if kind == 0 else 36 if kind == 1 else 34]
    if index % 4 == 0:
        chosen = r.pick(EDGE_LARGE)
        rejected = chosen if r.below(2) == 0 else r.pick(corners)
        near, far = r.pick(corners), r.pick(corners)
        weight = r.pick(EDGE_WEIGHTS)
        kind = r.below(3)
        if kind == 0:
            return chosen, near, chosen, far, weight
        if kind == 1:
            return chosen, chosen, near, far, weight
        return chosen, rejected, chosen, rejected, weight
    pc, pr, rc, rr = (r.pick(corners) for _ in range(4))
    return pc, pr, rc, rr, r.pick(EDGE_WEIGHTS)


REAL = struct.unpack("<1200f", (DATA / "pairs.f32le").read_bytes())
MIDPOINTS = struct.unpack("<236f", (DATA / "midpoints.f32le").read_bytes())


def real(index):
    return *REAL[index::300], Random(6, index).weight()


def midpoints(index):
    return MIDPOINTS[2 * index], MIDPOINTS[2 * index + 1], 0.0, 0.0, 1.0


def mixed(index):
    return (scales, ties)[index % 16](index) if index % 16 < 2 else random(index)


def all(index):
    kind = index % 8
    if kind < 6:
        return (random, bits, scales, ties, zeros, edges)[kind](index)
    return real(index % 300) if kind == 6 else midpoints(index % 118)


ROWS = {
    "core": (
        (random, 250), (bits, 250), (scales, 250), (ties, 250), (zeros, 250), (edges, 300), (real, 300), (midpoints, 118),
        (all, 304),
    ),
    "wide": ((random, 2111), (bits, 1111), (scales, 2111), (ties, 2111), (edges, 1511)),
    "long": ((mixed, 70001),),
}  # fmt: skip


def model(row, column):
    r = Random(9, row << 20 ^ column)
    return fixed(sum(r.around(1 << 17) for _ in range(4)), 15)


def certain(row, column):
    r = Random(10, row << 20 ^ column)
    below = fixed(-abs(r.around(1 << 12)) - (row * 9 << 12), 12) + 0.0
    return fixed(1 + row, 3) if column == row * 7 % 33 else below


def spread(row, column):
    r = Random(11, row << 20 ^ column)
    kind = r.below(16)
    if kind == 0:
        return -INFINITY
    if kind == 1:
        return 0.0
    return r.scale(1, (130, 140, 150, 165, 254)[row % 5])


def few(row, column):
    return fixed(Random(12, row << 20 ^ column).around(2) * (1 + row), 1) + 0.0


LOGITS = {
    "core": ((model, 12, 96), (certain, 12, 33), (spread, 12, 64), (few, 12, 5)),
    "wide": ((model, 40, 300), (certain, 40, 129), (spread, 60, 257)),
    "long": ((model, 8, 5003),),
}


def argument_range(index):
    r = Random(7, index)
    kind = r.below(4)
    if kind < 2:
        return fixed(r.around((1 << 24) - 1), 17)
    if kind == 2:
        return fixed(r.around((1 << 24) - 1), 23)
    return r.scale(0, 135)


def argument_bits(index):
    return Random(8, index).pattern()


def argument_edges(index):
    return from_bits(EDGE_BITS[index // 8] + index % 8 - 4 & 0xFFFFFFFF)


ARGUMENTS = {
    "core": (("range", argument_range, 1000), ("bits", argument_bits, 1000), ("edges", argument_edges, 320)),
    "wide": (("range", argument_range, 50021), ("bits", argument_bits, 50021)),
    "long": (),
}
