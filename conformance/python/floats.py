"""binary32 and its halves: rounding, and the bits of many numbers at once."""

import struct
import sys
from array import array

INFINITY = float("inf")
NAN = float("nan")
NAN_BYTES = b"\x00\x00\xc0\x7f"
#: From here on a number rounds to infinity in binary32.
OVERFLOW = 2.0**128 - 2.0**103
MOST = 2.0**128 - 2.0**104


def from_bits(bits):
    """The binary32 of 32 bits; NaN for every NaN."""
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def to_bits(x):
    """The 32 bits of a binary32."""
    return struct.unpack("<I", pack([x]))[0]


def f32(x):
    """A binary64 rounded to binary32."""
    return array("f", (x,))[0]


def results(values):
    """`result` of many numbers: rounded, zeros +0."""
    return array("f", [x + 0.0 for x in array("f", values)])


def pack(values):
    """The bytes of binary32 numbers, little-endian, with the one NaN."""
    values = values if isinstance(values, array) else array("f", values)
    data = values
    if sys.byteorder == "big":
        data = array("f", values)
        data.byteswap()
    data = data.tobytes()
    if any(x != x for x in values):
        data = b"".join(NAN_BYTES if x != x else data[4 * i : 4 * i + 4] for i, x in enumerate(values))
    return data


def bits64(x):
    """The 64 bits of a binary64."""
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def bf16_value(bits):
    return from_bits(bits << 16)


def f16_value(bits):
    return struct.unpack("<e", struct.pack("<H", bits))[0]


def bf16_bits(x):
    """A binary32 rounded to bf16: its bits, zeros positive."""
    if x != x:
        return 0x7FC0
    bits = to_bits(x)
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return 0 if bits == 0x8000 else bits


def f16_bits(x):
    """A binary32 rounded to binary16: its bits, zeros positive."""
    if x != x:
        return 0x7E00
    if abs(x) >= 65520.0:
        return 0x7C00 if x > 0 else 0xFC00
    bits = struct.unpack("<H", struct.pack("<e", x))[0]
    return 0 if bits == 0x8000 else bits
