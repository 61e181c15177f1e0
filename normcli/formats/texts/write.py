"""Float64 numbers as text: the shortest that reads back to the same number, or shorter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.formats.base import Style
    from normcli.formats.texts.kernels import Bytes, Offsets
    from normcli.numerics.numbers import Floats, Mask

INT64 = 2.0**63


@dataclass(frozen=True, eq=False)
class Texts:
    """n texts in one buffer: text i is ``buffer[starts[i]:ends[i]]``."""

    buffer: Bytes
    starts: Offsets
    ends: Offsets


def format_rows(values: Floats, style: Style, delimiter: bytes = b",", decimal: str = ".") -> Texts:
    """One text a row of `values`, shape (n, k): its k numbers, joined by `delimiter`.

    NaN and infinities come out as ``null``: the caller replaces them.
    """
    shaped: NDArray[Any] = shorten(values, style)
    whole = style.whole if style.whole is not None and style.whole.any() else None
    if whole is not None and whole.all() and _fit_int64(shaped):
        shaped, whole = shaped.astype(np.int64), None
    column = shaped.shape[1] == 1
    text = orjson.dumps(
        np.ascontiguousarray(shaped[:, 0] if column else shaped),
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    buffer = np.frombuffer(_respell(text, delimiter, decimal, column), np.uint8)
    if not len(shaped):
        return Texts(buffer, np.zeros(0, np.int64), np.zeros(0, np.int64))
    if column:  # [1.0,2.0]
        ends = np.append(np.flatnonzero(np.frombuffer(text, np.uint8) == ord(",")), len(text) - 1)
        starts = np.concatenate(([1], ends[:-1] + 1))
    else:  # [[1.0,2.0],[3.0,4.0]]
        ends = np.flatnonzero(buffer == ord("]"))[:-1]
        starts = np.concatenate(([2], ends[:-1] + 3))
    if whole is None:
        return Texts(buffer, starts, ends)
    plain = column & (buffer[ends - 1] == ord("0")) & (buffer[ends - 2] == ord(decimal))
    if (whole & ~plain).any():
        return _mixed(shaped, whole, delimiter, decimal)
    return Texts(buffer, starts, ends - 2 * whole)


def _fit_int64(values: NDArray[Any]) -> bool:
    return bool((values >= -INT64).all() and (values < INT64).all())


def _mixed(values: NDArray[Any], whole: Mask, delimiter: bytes, decimal: str) -> Texts:
    """`format_rows` where floats print large whole numbers otherwise, as 1e+16."""
    texts = [
        delimiter.join(number_text(v, w).replace(b".", decimal.encode()) for v in row)
        for row, w in zip(values, whole.tolist(), strict=True)
    ]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    buffer = np.frombuffer(b"".join(texts), np.uint8)
    return Texts(buffer, np.concatenate(([0], ends[:-1])), ends)


def number_text(value: Any, whole: bool) -> bytes:
    """A number of NumPy as JSON has it; without a fraction if it is whole."""
    if whole and -INT64 <= value < INT64:
        return b"%d" % int(value)
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _respell(text: bytes, delimiter: bytes, decimal: str, column: bool) -> bytes:
    """JSON's commas and points as this file writes them."""
    if decimal != ".":
        commas = b"," if column else delimiter
        return text.translate(bytes.maketrans(b",.", commas + decimal.encode()))
    return text if column or delimiter == b"," else text.replace(b",", delimiter)


def shorten(values: Floats, style: Style) -> NDArray[np.floating]:
    """`values` rounded to what `style` keeps of them: float32, and significant digits."""
    if style.precision is not None:
        values = round_significant(values, style.precision)
    return values.astype(np.float32) if style.float32 else values


def round_significant(values: Floats, digits: int) -> Floats:
    """The float64 nearest to each number's decimal of so many significant digits.

    As ``float(format(x, f".{digits}g"))`` does it, but for whole arrays: scaling to an
    integer is done in floats where its result cannot be in doubt, else number by number.
    """
    if digits >= 17:
        return values
    size = np.abs(values)
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(size))
        places = digits - 1 - exponent
        power = 10.0 ** np.minimum(np.abs(places), 22)
        scaled = np.where(places >= 0, values * power, values / power)
        whole = np.rint(scaled)
        rounded = np.where(places >= 0, whole / power, whole * power)
        plain = (np.abs(places) <= 22) & (digits <= 15)
        plain &= np.abs(np.abs(scaled - whole) - 0.5) > 4e-16 * 10.0**digits  # no tie in doubt
        plain &= (np.abs(whole) >= 10.0 ** (digits - 1)) & (np.abs(whole) < 10.0**digits)
    doubtful = np.flatnonzero(~plain.ravel() & np.isfinite(values.ravel()) & (size.ravel() > 0))
    result = np.where(np.isfinite(values) & (size > 0), rounded, values)
    flat, exact = result.reshape(-1), values.reshape(-1)
    for i in doubtful:
        flat[i] = float(format(exact[i], f".{digits}g"))
    return flat.reshape(values.shape)
