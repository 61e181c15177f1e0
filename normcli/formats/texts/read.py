"""Numbers in text, read exactly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from normcli.formats.base import NotNumbers, ReadOptions
from normcli.formats.marks import TOKENS, Mark
from normcli.formats.texts import kernels
from normcli.formats.texts.kernels import slices
from normcli.formats.texts.notation import MINUS, NUMBER, Notation, needed, notation_of
from normcli.formats.texts.options import marks_of
from normcli.numerics.numbers import Numbers, without
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.formats.texts.kernels import Bytes, Offsets
    from normcli.numerics.numbers import Floats, Mask

CODE = r"^(\+|-?0[0-9])"  # 007, and +49 30 as phone numbers have it
INTEGER = r"^[+-]?[0-9]{16,31}$"  # longer ones need more than two float64 parts
EXACT = 2.0**53  # integers up to here are float64
TEXT = "text"  # not a number, and nothing that may be one
NUMBER_WITH = "a number with "  # the options that follow


@dataclass(frozen=True)
class Reading:
    """How a cell is read; an empty one is missing, whatever `null` says.

    null: texts that mark a missing value. marks: numbers that do, however they are written.
    """

    null: tuple[str, ...] = TOKENS
    marks: tuple[Mark, ...] = ()
    notation: Notation = field(default_factory=Notation)

    @classmethod
    def of(cls, options: ReadOptions, tokens: tuple[str, ...]) -> Reading:
        """The reading that the options describe; `tokens` mark missing values by default."""
        marks = marks_of(options)
        texts = (*marks.texts, *(tokens if marks.default else ()))
        return cls(texts, marks.numbers, notation_of(options))

    @property
    def plain(self) -> bool:
        """Is every cell that Arrow reads as a number one?"""
        return self.notation.decimal == "."

    def is_number(self, text: str) -> bool:
        """Is a text a number, and not a word for one, such as inf?"""
        return any(map(str.isdigit, text)) and self.notation.takes(text.strip())

    def takes(self, text: str) -> bool:
        """Is a text a number or missing? The plain twin of `read`."""
        return not text or text in self.null or self.notation.takes(text)


@dataclass(frozen=True)
class Unreadable:
    """The first cell of a column that is not a number."""

    reason: str
    start: int
    end: int


def read(
    data: Bytes, starts: Offsets, ends: Offsets, reading: Reading, *, codes: bool
) -> Numbers | Unreadable:
    """The cells ``data[starts[i]:ends[i]]`` as numbers, or the first that is not.

    Exact: the float64 nearest to the text, and integers of up to 31 digits as they are. With
    `codes`, leading zeros and plus signs count as numbers, not as codes.
    """
    missing = ends == starts
    if missing.any():
        starts, ends = starts[~missing], ends[~missing]
    texts = slices(data, starts, ends)
    values = _cast(texts) if reading.plain else None
    dressed = values is None
    if values is None or np.isnan(values).any():  # a token, a text, or a NaN that is a token
        token = _is_token(texts, reading)
        missing[~missing] = token
        starts, ends, texts = starts[~token], ends[~token], kernels.filtered(texts, ~token)
        plain = reading.notation.plain_texts(texts)
        values = _parsed(plain)
    else:
        plain = texts
    coded = values is not None and not codes and _codes(data, starts, plain, dressed=dressed)
    if values is None or coded:
        row, reason = _first_unreadable(texts, plain, reading, codes)
        return Unreadable(reason, int(starts[row]), int(ends[row]))
    return without(_spread(_exact(values, plain), missing), reading.marks)


def _codes(data: Bytes, starts: Offsets, plain: pa.LargeStringArray, *, dressed: bool) -> bool:
    """Is one of the numbers a `CODE`? `dressed`: they may be written otherwise in `data`."""
    return bool(_matches(plain, CODE).any()) if dressed else not without_codes(data, starts)


def surely_readable(data: Bytes, starts: Offsets, ends: Offsets, reading: Reading) -> Mask:
    """Cells that `Reading.takes`; others may be some, too."""
    texts = slices(data, starts, ends)
    numbers = _matches(reading.notation.plain_texts(texts), NUMBER)
    sure: Mask = (starts == ends) | _is_token(texts, reading) | numbers
    return sure


def _spread(parts: Floats, missing: Mask) -> Numbers:
    """The numbers of the cells that are not missing, each in its row."""
    if not missing.any():
        return Numbers(parts)
    full = np.zeros((len(parts), len(missing)))
    full[0] = np.nan
    full[:, ~missing] = parts
    return Numbers(full, missing)


def _is_token(texts: pa.LargeStringArray, reading: Reading) -> Mask:
    """Which texts mark a missing value."""
    tokens = pa.array(reading.null, pa.large_string())
    mask: Mask = kernels.is_in(texts, tokens).to_numpy(zero_copy_only=False)
    return mask


def _parsed(plain: pa.LargeStringArray) -> Floats | None:
    """The float64 nearest to each text; None where one is not a number."""
    values = _cast(plain)
    if values is None:
        return None
    nan = kernels.filtered(plain, np.isnan(values))
    return values if _matches(nan, NUMBER).all() else None  # Arrow reads nan(1) as a number


def _cast(texts: pa.LargeStringArray) -> Floats | None:
    """The float64 nearest to each text; None where one is not a number to Arrow."""
    try:
        values: Floats = kernels.cast(texts, pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return values


def _matches(texts: pa.LargeStringArray, pattern: str) -> Mask:
    mask: Mask = kernels.matches(texts, pattern).to_numpy(zero_copy_only=False)
    return mask


def without_codes(data: Bytes, starts: Offsets) -> bool:
    """Is none of the numbers that start here a `CODE`?"""
    starts = np.ascontiguousarray(starts)
    first, second = data.take(starts), data[1:].take(starts, mode="clip")
    signed = first == ord("-")
    code = (first == ord("+")) | (first == ord("0")) & _is_digit(second)
    if (signed & (second == ord("0"))).any():
        third = data[2:].take(starts, mode="clip")
        code |= signed & (second == ord("0")) & _is_digit(third)
    return not bool(code.any())  # the byte behind a cell is never a digit


def _is_digit(text: Bytes) -> Mask:
    digit: Mask = text - ord("0") < 10  # bytes below "0" wrap around
    return digit


def _first_unreadable(
    texts: pa.LargeStringArray, plain: pa.LargeStringArray, reading: Reading, codes: bool
) -> tuple[int, str]:
    """The first text that is not a number, or is a code unless `codes`; and what it is.

    plain: the texts as plain numbers are written.
    """
    numbers = _matches(plain, NUMBER)
    fits = numbers if codes else numbers & ~_matches(plain, CODE)
    row = int(fits.argmin())
    if numbers[row]:
        return row, code_of(plain[row].as_py())
    return row, looks_like(texts[row].as_py(), reading.notation)


def code_of(text: str) -> str:
    """Why a number is taken for a code."""
    return "a leading plus sign" if text.startswith("+") else "leading zeros"


def looks_like(text: str, notation: Notation | None, plainly: str = "") -> str:
    """What a text that is not a number looks like.

    notation: that in which it was read; None: it was not read. plainly: the option that is needed
        for a plain number.
    """
    base = notation or Notation()
    options = [plainly] if notation is None and base.takes(text) else needed(text, base)
    minus = "; its minus sign is U+2212" if MINUS in text else ""
    return f"{NUMBER_WITH}{' or '.join(options)}{minus}" if options else TEXT


def _exact(values: Floats, texts: pa.LargeStringArray) -> Floats:
    """The numbers as parts (see `Numbers`): a second part where integers exceed 2**53."""
    large = np.flatnonzero(np.abs(values) >= EXACT)
    if not len(large):
        return values[np.newaxis]
    candidates = kernels.take(texts, large)
    whole = _matches(candidates, INTEGER)
    parts = np.stack([values, np.zeros(len(values))])
    parts[:, large[whole]] = _integers(values[large[whole]], kernels.filtered(candidates, whole))
    return parts if parts[1].any() else parts[:1]


def _integers(values: Floats, texts: pa.LargeStringArray) -> Floats:
    """Whole numbers as two parts; `values` are the nearest float64."""
    try:
        integers = kernels.cast(texts, pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # some are larger
        rest = [
            int(text) - int(value)
            for text, value in zip(texts.to_pylist(), values.tolist(), strict=True)
        ]
        return np.stack([values, np.array(rest, float)])
    low = integers & 0xFFFF  # leaves 47 bits for the high part
    return np.stack([(integers - low).astype(float), low.astype(float)])


def not_a_number(table: str, column: str, cell: NotNumbers) -> str:
    """The message for a cell of a chosen column that is not a number."""
    place = f"{table}: {cell.where}, column {printable(column)}"
    hint = f"If it marks a missing value, add --null {_shell(cell.text)}"
    if cell.reason != TEXT:
        hint = f"It is {cell.reason}"
    elif re.fullmatch(r"\([^()]*[0-9][^()]*\)", cell.text):
        hint = "If the parentheses mean a minus sign, write one in their place"
    return (
        f"{place}: {printable(cell.text)} is not a number\n"
        f"{hint}; to leave the column alone, --exclude {_shell(column)}"
    )


def _shell(text: str) -> str:
    """`text` as a word for the shell, short enough for a message."""
    import shlex

    return shlex.quote(text) if len(text) <= 40 and text.isprintable() else "TEXT"
