"""Lines of text, which end with LF, CRLF or a lone CR."""

from __future__ import annotations

import re

LINE_END = re.compile(rb"\r\n|\n|\r")


def line_end(block: bytes, start: int) -> int:
    """Where the line that is at `start` ends, whatever quotes there are."""
    match = LINE_END.search(block, start)
    return match.end() if match else len(block)


def count_line_ends(block: bytes) -> int:
    """How many line ends (LF, CRLF, lone CR) there are in `block`."""
    lines = count(block, b"\n")
    if b"\r" in block:
        lines += count(block, b"\r") - block.count(b"\r\n")
    return lines


def count(block: bytes | memoryview, byte: bytes) -> int:
    """``block.count(byte)``; NumPy is ten times as fast where there are many."""
    if len(block) < 10_000:
        return bytes(block).count(byte)
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == byte[0]))
