"""Where the rows and the fields of a block of JSON Lines are.

Lines are validated one by one (orjson), then the block is indexed as a whole: every structural
character outside strings, then those at depth 1, which bound the fields. The idea is simdjson's
(Langdale, Lemire, Parsing Gigabytes of JSON per Second, 2019), in NumPy; as only valid lines are
indexed, the index has no errors of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from normcli.formats.texts.kernels import slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.formats.texts.kernels import Bytes, Offsets

BOM = b"\xef\xbb\xbf"
SPACE = b" \t\r"  # white space of JSON inside a line
TAKEN_OUT = b"\0"  # all bytes of a line that is left out: no valid line has one
QUOTE, COLON, COMMA, OPEN, CLOSE = 1, 2, 3, 4, 5
NULL, BOOLEAN, INTEGER, LARGE, FLOAT, STRING, ARRAY, OBJECT = range(8)  # kinds of values
KINDS = 8

_STRUCTURE = bytearray(256)
_FIRST = bytearray([INTEGER]) * 256
_FRACTION = bytearray(256)
for _table, _classes in (
    (_STRUCTURE, {b'"': QUOTE, b":": COLON, b",": COMMA, b"{[": OPEN, b"}]": CLOSE}),
    (_FIRST, {b"n": NULL, b"tf": BOOLEAN, b'"': STRING, b"[": ARRAY, b"{": OBJECT}),
    (_FRACTION, {b".eE": 1}),
):
    for _characters, _class in _classes.items():
        for _character in _characters:
            _table[_character] = _class

_ESCAPE = re.compile(rb"\\.")
_NUMBER = re.compile(
    rb'("(?:[^"\\\n]|\\.)*+")|(?<![\w.+-])-?(?:0|[1-9]\d*+)(?:\.\d++)?(?:[eE][+-]?\d++)?(?=[\s,\]}]|$)'
)
_NOT_JSON = re.compile(r"\s*(-?\s*(?:nan|inf(?:inity)?))\b", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Rows:
    """The lines of a block that are not blank: shape (r,) each.

    starts, ends: row i is ``block[starts[i]:ends[i]]``, without byte order mark and line feed.
    lines: how many lines, blank ones too, stand before it in the block.
    """

    starts: Offsets
    ends: Offsets
    lines: Offsets


@dataclass(frozen=True, eq=False)
class Fields:
    """The fields of all objects of a block, in the order in which they stand: shape (f,) each.

    row: of which row it is a field. Its key, as it is written, is the text between the quotes
    ``block[key_starts[i]:key_ends[i]]``, its value ``block[starts[i]:ends[i]]``.
    """

    row: Offsets
    key_starts: Offsets
    key_ends: Offsets
    starts: Offsets
    ends: Offsets


def rows(block: bytes, first: int = 0, blank: bytes = SPACE) -> Rows:
    """The rows of a block of lines, valid or not: those that have other bytes than `blank`.

    The first line starts at byte `first`, after a byte order mark.
    """
    data = np.frombuffer(block, np.uint8)
    feeds = np.flatnonzero(data == ord("\n"))
    starts = np.append(0, feeds + 1)
    ends = np.append(feeds, len(block))
    starts[0] = first
    lines = np.flatnonzero(starts < ends)
    indented = lines[data[starts[lines]] <= ord(" ")]
    spans = zip(indented.tolist(), starts[indented].tolist(), ends[indented].tolist(), strict=True)
    blanks = [line for line, start, end in spans if not block[start:end].strip(blank)]
    starts[blanks] = len(block)
    lines = lines[starts[lines] < len(block)]
    return Rows(starts[lines], ends[lines], lines)


def problems(block: bytes, found: Rows) -> Iterator[tuple[int, str]]:
    """Each row that is not a JSON object, and why."""
    checked = block
    spans = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    for row, (start, end) in enumerate(spans):
        reason = _problem(checked[start:end])
        if reason and "infinity" in reason and checked is block:
            checked = _finite(block)  # 1e999 is JSON, but orjson has no number for it
            reason = _problem(checked[start:end])
        if reason:
            yield row, reason


def _finite(block: bytes) -> bytes:
    """The block with 0 and spaces for every number."""
    return _NUMBER.sub(lambda found: found[1] or b"0".ljust(len(found[0])), block)


def _problem(line: bytes) -> str | None:
    """Why a line is not a JSON object; None where it is one."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _explain(line, error)
    return None if type(value) is dict else f"{_named(value)}, not an object"


def _named(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _explain(line: bytes, error: ValueError) -> str:
    """What is wrong with a line that is not JSON, and where."""
    try:
        text = line.decode()
    except UnicodeDecodeError as bad:
        return f"byte 0x{line[bad.start]:02x}, byte {bad.start + 1} of the line, is not UTF-8"
    at: int = error.pos  # type: ignore[attr-defined]  # orjson declares it as a ValueError
    if "\0" in text:
        return "a NUL byte: this is not JSON Lines, or it is UTF-16 (JSON Lines are UTF-8)"
    if "depth" in str(error):
        return "values nested deeper than 1024 levels"
    token = _NOT_JSON.match(text, max(at - 1, 0)) or _NOT_JSON.match(text, at)
    if token:
        return f"{token[1]} is not JSON: write null for a missing number"
    if "\r" in text.strip() and "after document" in str(error):
        return "lines that end with CR alone; JSON Lines end with LF"
    if "end of data" in str(error) and text.lstrip().startswith("{"):
        return "the object is not complete; a line has a whole one (jq -c . makes them so)"
    return f"not valid JSON: {error.msg} (character {at + 1})"  # type: ignore[attr-defined]  # as above


def on_lines(block: bytes, start: int) -> tuple[bytes, int, bool]:
    """The elements of an array that begins before byte `start`, each on a line of its own.

    In as many bytes, up to where the last whole element, with its comma, ends; and is that the
    end of the array?
    """
    offsets, kinds, quotes = _structure(block)
    later = offsets >= start
    offsets, kinds, inside = offsets[later], kinds[later], _odd(quotes, offsets[later])
    offsets, kinds = offsets[~inside & (kinds != QUOTE)], kinds[~inside & (kinds != QUOTE)]
    depth = np.cumsum(np.array([0, 0, 0, 0, 1, -1], np.int8)[kinds], dtype=np.int32)
    ends = offsets[depth < 0]
    commas = offsets[(kinds == COMMA) & (depth == 0)]
    ended = len(ends) > 0
    lines = np.frombuffer(block, np.uint8).copy()
    feeds = np.flatnonzero((lines == ord("\n")) | (lines == ord("\r")))
    lines[feeds[~_odd(quotes, feeds)]] = ord(" ")  # in a string it stays: it is an error
    lines[:start] = ord(" ")
    if ended:
        commas = commas[commas < ends[0]]
        lines[ends[0] :] = ord(" ")
    lines[commas] = ord("\n")
    cut = int(ends[0]) + 1 if ended else int(commas[-1]) + 1 if len(commas) else 0
    return lines.tobytes(), cut, ended


def _structure(block: bytes) -> tuple[Offsets, Bytes, Offsets]:
    """Where structural characters are, which, and where those that are quotes are."""
    text = _ESCAPE.sub(b"__", block) if b"\\" in block else block  # leaves quotes that are quotes
    classes = np.frombuffer(text.translate(_STRUCTURE), np.uint8)
    offsets = np.flatnonzero(classes != 0)
    kinds = classes[offsets]
    return offsets, kinds, offsets[kinds == QUOTE]


def _odd(quotes: Offsets, offsets: Offsets) -> NDArray[np.bool_]:
    """Is the number of quotes before each byte odd: is it in a string?"""
    odd: NDArray[np.bool_] = np.searchsorted(quotes, offsets) & 1 == 1
    return odd


def fields(block: bytes) -> Fields:
    """The fields of a block whose lines are all blank or valid JSON objects."""
    offsets, kinds, quotes = _structure(block)
    quotes_before = np.cumsum(kinds == QUOTE)
    outside = np.flatnonzero((kinds != QUOTE) & (quotes_before & 1 == 0))
    offsets, kinds, quotes_before = offsets[outside], kinds[outside], quotes_before[outside]
    steps = np.array([0, 0, 0, 0, 1, -1], np.int8)
    depth = np.cumsum(steps[kinds], dtype=np.int32)  # after the character
    closes = (kinds == CLOSE) & (depth == 0)
    bounds = np.flatnonzero(((kinds == COLON) | (kinds == COMMA)) & (depth == 1) | closes)
    first = np.flatnonzero(kinds[bounds] == COLON)
    colons = bounds[first]
    keys = quotes_before[colons]
    starts, ends = _trim(block, offsets[colons] + 1, offsets[bounds[first + 1]])
    row = np.cumsum(closes)[colons]
    return Fields(row, quotes[keys - 2] + 1, quotes[keys - 1], starts, ends)


def _trim(block: bytes, starts: Offsets, ends: Offsets) -> tuple[Offsets, Offsets]:
    """The slices without the white space around the values in them."""
    data = np.frombuffer(block, np.uint8)
    starts = starts + (data[starts] <= ord(" "))  # the usual one at once
    for i in np.flatnonzero((data[starts] <= ord(" ")) | (data[ends - 1] <= ord(" "))).tolist():
        value = block[starts[i] : ends[i]]
        starts[i] += len(value) - len(value.lstrip(SPACE))
        ends[i] -= len(value) - len(value.rstrip(SPACE))
    return starts, ends


def value_kinds(block: bytes, starts: Offsets, ends: Offsets) -> Bytes:
    """What each value is: NULL, BOOLEAN, INTEGER (fits int64), LARGE (does not), FLOAT ..."""
    kinds = first_kinds(block, starts)
    numbers = np.flatnonzero(kinds == INTEGER)
    if len(numbers):
        bounds = np.stack([starts[numbers], ends[numbers]], axis=1).ravel()
        fraction = np.frombuffer(block.translate(_FRACTION), np.uint8)
        kinds[numbers[np.maximum.reduceat(fraction, bounds)[::2] > 0]] = FLOAT
    for i in np.flatnonzero((kinds == INTEGER) & (ends - starts >= 19)).tolist():
        digits = block[starts[i] : ends[i]]
        if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
            kinds[i] = LARGE
    return kinds


def first_kinds(block: bytes, starts: Offsets) -> Bytes:
    """What the first character of each value says: INTEGER stands for all numbers."""
    kinds: Bytes = np.frombuffer(_FIRST, np.uint8)[np.frombuffer(block, np.uint8)[starts]]
    return kinds


def positions(
    block: bytes, found: Fields, names: dict[str, int], *, grow: bool = False
) -> NDArray[np.int32]:
    r"""The position of the column of each field; a key is the text it stands for: "\u0061" is "a".

    Keys that are not in `names` get -1, or with `grow` the next number and a place in `names`.
    """
    texts = slices(np.frombuffer(block, np.uint8), found.key_starts, found.key_ends)
    keys = texts.dictionary_encode()  # the many keys of the block are few different texts
    numbers = []
    for key in keys.dictionary.to_pylist():
        name = orjson.loads(f'"{key}"') if "\\" in key else key
        number = names.setdefault(name, len(names)) if grow else names.get(name, -1)
        numbers.append(number)
    found_numbers: NDArray[np.int32] = np.array(numbers, np.int32)[keys.indices.to_numpy()]
    return found_numbers
