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


@dataclass
class Marks:
    """The characters that mean something; with `runs` any number of blanks parts cells."""

    delimiter: bytes = b","
    quote: bytes = b'"'
    comment: bytes = b""
    escape: bytes = b""
    runs: bool = False


def parse(
    data: bytes, delimiter: bytes = b",", quoting: bool = True, comment: bytes = b""
) -> list[Row]:
    """The records of `data` that are rows, including the header."""
    return rows_of(data, Marks(delimiter, b'"' if quoting else b"", comment))


def rows_of(data: bytes, marks: Marks) -> list[Row]:
    """`parse`, with any marks."""
    rows: list[Row] = []
    i, line = 3 if data.startswith(b"\xef\xbb\xbf") else 0, 1
    while i < len(data):
        row, i, ends, is_row = record(data, i, line, marks)
        line += ends
        if is_row:
            rows.append(row)
    return rows


def record(data: bytes, i: int, line: int, marks: Marks) -> tuple[Row, int, int, bool]:
    """The record at `i`; where the next starts; its line ends; is it a row?"""
    if marks.runs:
        i = after_blanks(data, i)
    first, start, ends = i, i, 0
    cells: list[tuple[int, int]] = []
    state = "comment" if marks.comment and data[i : i + 1] == marks.comment else "start"
    while True:
        byte = data[i : i + 1]
        run = marks.runs and state not in ("quoted", "comment") and after_blanks(data, i)
        at_end = (data[run : run + 1] if run else byte) in (b"\n", b"\r", b"")
        parts = run and run > i if marks.runs else byte == marks.delimiter
        last = data[i + 1 :] in (b"", b"\n", b"\r", b"\r\n")  # then it escapes nothing
        if byte and byte == marks.escape and state not in ("comment", "start", "plain") and last:
            if state != "quoted":
                raise BadError("text after quote")
        elif byte and byte == marks.escape and state != "comment" and not last:
            if state in ("closed", "padded"):
                raise BadError("text after quote")
            i += 1
            ends += data[i : i + 1] in (b"\n", b"\r")
            i += data[i : i + 2] == b"\r\n"
            state = "quoted" if state == "quoted" else "plain"
        elif state == "quoted":
            if not byte:
                raise BadError("open quote")
            if byte == marks.quote:
                state = "closed"
            elif byte == b"\n" or (byte == b"\r" and data[i + 1 : i + 2] != b"\n"):
                ends += 1
        elif state == "closed" and byte == marks.quote:
            state = "quoted"
        elif state in ("closed", "padded") and not (at_end or parts):
            if byte not in (b" ", b"\t"):
                raise BadError("text after quote")
            state = "padded"
        elif state == "comment" and not at_end:
            pass
        elif at_end:
            cells.append((start, min(i, len(data))))
            i = run or i
            after = i + (2 if data[i : i + 2] == b"\r\n" else 1)
            blank = len(cells) == 1 and cells[0] == (first, first)
            is_row = not blank and state != "comment"
            return Row(line, cells), after, ends + (i < len(data)), is_row
        elif parts:
            cells.append((start, i))
            start, state = run or i + 1, "start"
            i = start - 1
        elif byte == marks.quote:
            if state != "start":
                raise BadError("quote inside")
            state = "quoted"
        elif byte in (b" ", b"\t") and state == "start":
            pass
        else:
            state = "plain"
        i += 1


def after_blanks(data: bytes, i: int) -> int:
    """Where the blanks at `i` end."""
    while data[i : i + 1] in (b" ", b"\t"):
        i += 1
    return i


def bare(data: bytes, cell: tuple[int, int], quoting: bool = True) -> tuple[int, int]:
    """Where the text of a cell lies: without quotes and outer blanks."""
    start, end = cell
    inner = data[start:end].strip(b" \t")
    if quoting and inner.startswith(b'"'):
        start = data.index(b'"', start) + 1
        end = start + len(inner) - 2
    while start < end and data[start : start + 1] in (b" ", b"\t"):
        start += 1
    while start < end and data[end - 1 : end] in (b" ", b"\t"):
        end -= 1
    return start, end


def text(data: bytes, cell: tuple[int, int], quoting: bool = True) -> str:
    """The text of a cell, quotes undone."""
    return text_of(data, cell, Marks(quote=b'"' if quoting else b""))


def text_of(data: bytes, cell: tuple[int, int], marks: Marks) -> str:
    """`text`, with any marks; what is escaped without need keeps its escape."""
    raw = data[slice(*cell)]
    inner = raw.strip(b" \t".replace(b"" if marks.runs else marks.delimiter, b""))
    if marks.quote and inner.startswith(marks.quote):
        raw = inner[1:-1].replace(marks.quote * 2, marks.quote)
    meaning = marks.quote + marks.escape + (b" \t" if marks.runs else marks.delimiter) + b"\r\n"
    undone, i = b"", 0
    while i < len(raw):
        i += raw[i : i + 1] == marks.escape and raw[i + 1 : i + 2] in set_of(meaning)
        undone += raw[i : i + 1]
        i += 1
    return undone.decode()


def set_of(marks: bytes) -> list[bytes]:
    """Each of the characters."""
    return [marks[i : i + 1] for i in range(len(marks))]


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
