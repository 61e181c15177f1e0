"""A slow CSV reader, byte by byte, that the tests compare the fast one with.

Shares nothing with normcli: a state machine over single bytes, after RFC 4180.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

NULL = ["NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>"]


@dataclass
class Row:
    """line: of its start. cells: (start, end) of each, quotes included."""

    line: int
    cells: list[tuple[int, int]]


class BadError(Exception):
    """This is not valid CSV."""


def parse(
    data: bytes, delimiter: bytes = b",", quoting: bool = True, comment: bytes = b""
) -> list[Row]:
    """The records of `data` that are rows, including the header."""
    rows: list[Row] = []
    i, line = 3 if data.startswith(b"\xef\xbb\xbf") else 0, 1
    while i < len(data):
        row, i, ends, is_row = record(data, i, line, delimiter, quoting, comment)
        line += ends
        if is_row:
            rows.append(row)
    return rows


def record(
    data: bytes, i: int, line: int, delimiter: bytes, quoting: bool, comment: bytes
) -> tuple[Row, int, int, bool]:
    """The record at `i`; where the next starts; its line ends; is it a row?"""
    first, start, ends = i, i, 0
    cells: list[tuple[int, int]] = []
    state = "comment" if comment and data[i : i + 1] == comment else "start"
    while True:
        byte = data[i : i + 1]
        at_end = byte in (b"\n", b"\r", b"")
        if state == "quoted":
            if not byte:
                raise BadError("open quote")
            if byte == b'"':
                state = "closed"
            elif byte == b"\n" or (byte == b"\r" and data[i + 1 : i + 2] != b"\n"):
                ends += 1
        elif state == "closed" and byte == b'"':
            state = "quoted"
        elif state == "closed" and not (at_end or byte == delimiter):
            raise BadError("text after quote")
        elif state == "comment" and not at_end:
            pass
        elif at_end:
            cells.append((start, i))
            after = i + (2 if data[i : i + 2] == b"\r\n" else len(byte))
            blank = len(cells) == 1 and first == i
            return Row(line, cells), after, ends + bool(byte), not blank and state != "comment"
        elif byte == delimiter:
            cells.append((start, i))
            start, state = i + 1, "start"
        elif byte == b'"' and quoting:
            if state != "start":
                raise BadError("quote inside")
            state = "quoted"
        else:
            state = "plain"
        i += 1


def bare(data: bytes, cell: tuple[int, int], quoting: bool = True) -> tuple[int, int]:
    """Where the text of a cell lies: without quotes and outer blanks."""
    start, end = cell
    if quoting and data[start:end].startswith(b'"'):
        start, end = start + 1, end - 1
    while start < end and data[start : start + 1] in (b" ", b"\t"):
        start += 1
    while start < end and data[end - 1 : end] in (b" ", b"\t"):
        end -= 1
    return start, end


def text(data: bytes, cell: tuple[int, int], quoting: bool = True) -> str:
    """The text of a cell, quotes undone."""
    raw = data[slice(*cell)]
    if quoting and raw.startswith(b'"'):
        raw = raw[1:-1].replace(b'""', b'"')
    return raw.decode()


def replaced(
    data: bytes,
    rows: list[Row],
    columns: list[int],
    new: Callable[[str], str],
    quoting: bool = True,
) -> bytes:
    """`data` with ``new(text)`` in the cells of some columns of the rows; missing cells stay."""
    result, done = b"", 0
    for row in rows:
        for column in sorted(columns):
            start, end = bare(data, row.cells[column], quoting)
            word = data[start:end].decode()
            if word and word not in NULL:
                result += data[done:start] + new(word).encode()
                done = end
    return result + data[done:]
