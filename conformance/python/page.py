"""The constants of the definition, as docs/definition.md states them."""

import pathlib
import struct

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "definition.md"


def number(bits):
    """The binary64 of 64 bits."""
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def block(name):
    """The lines of a fenced block, without its fences; none if there is no such block."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    if "```" + name not in lines:
        return []
    start = lines.index("```" + name) + 1
    return lines[start : lines.index("```", start)]


def constants(name):
    """The constants of a block: a number each, or a list where a name comes with places."""
    found = {}
    for line in block("constants " + name):
        key, bits = line.split()[:2]
        value = number(int(bits, 16))
        if "[" in key:
            found.setdefault(key[: key.index("[")], []).append(value)
        else:
            found[key] = value
    return found
