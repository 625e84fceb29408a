"""A right `max(0, 1 - z)` in the protocol, in the arithmetic of a small type: every operation is rounded to it. half.py TYPE"""

import math
import struct
import sys

kind = sys.argv[1]


def single(x):
    try:
        return struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def half(x):
    try:
        return struct.unpack("<e", struct.pack("<e", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def brain(x):
    """The upper half of a float, to nearest, ties to even. (Through f32: twice rounded, by less than a unit.)"""
    x = single(x)
    if not math.isfinite(x):
        return x
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    bits += 0x7FFF + (bits >> 16 & 1)
    return struct.unpack("<f", struct.pack("<I", bits >> 16 << 16 & 0xFFFFFFFF))[0]


r = {"f16": half, "bf16": brain, "f32": single, "f64": float}[kind]
print("preflane-stress 1 pairs", kind, flush=True)
for head in sys.stdin:
    words = head.split()
    beta = r(float(words[2].split("=")[1]))
    for _ in range(int(words[1])):
        pc, pr, rc, rr = map(float, sys.stdin.readline().split())
        h = r(r(pc - pr) - r(rc - rr))
        loss = r(1 - r(beta * h))
        g = 0.0 if loss < 0 else -beta
        print(*(repr(x) for x in (max(loss, 0.0), g, -g, -g, g)))
    sys.stdout.flush()
