"""Arrow columns as exact numbers, and scaled numbers as Arrow columns again.

Numbers are read from Arrow's buffers in place where the type and the absence of nulls
allow it: a float64 column without nulls is not copied.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError
from normcli.numerics.numbers import Numbers
from normcli.words import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from normcli.formats.marks import Mark
    from normcli.numerics.numbers import Floats, Mask, Scaled

EXACT = 2**53  # every integer up to here is a float64


def not_numbers(type_: pa.DataType) -> str | None:
    """Why a column of this type does not hold numbers (the type's name), or None.

    A column of Arrow's type null is a column of numbers, all of them missing, as an empty
    column of a text file is.
    """
    import pyarrow.types as t

    value = type_.value_type if t.is_dictionary(type_) else type_
    if t.is_integer(value) or t.is_floating(value) or t.is_decimal(value) or t.is_null(type_):
        return None
    return printable(str(type_))[1:-1]


def numbers_of(column: pa.ChunkedArray, marks: Sequence[Mark] = ()) -> Numbers:
    """The n cells of a column of numbers; nulls and `marks` are missing, NaN is not.

    One part for floats and for integers within 2**53, two for larger ones, and as many as
    it has limbs of 32 bits for a decimal beyond 64 bits; highest part first.

    >>> import pyarrow as pa
    >>> numbers_of(pa.chunked_array([[2**62 + 1, 3]])).parts.tolist()
    [[4.611686018427388e+18, 0.0], [1.0, 3.0]]
    """
    import numpy as np

    array = _one_array(column)
    n = len(array)
    if n == array.null_count:
        return Numbers(np.full((1, n), np.nan), np.ones(n, np.bool_) if n else None)
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    for mark in marks:
        found = equal(array, mark)
        missing = found if missing is None else missing | found
    if missing is not None and not missing.any():
        missing = None
    parts, scale = _parts(array, missing)
    if missing is not None:
        in_place = parts.flags.writeable and not marks  # a mark stays in Arrow's buffer
        parts = parts if in_place else parts.copy()
        parts[:, missing] = 0.0
        parts[0, missing] = np.nan
    return Numbers(parts, missing, scale)


def equal(array: pa.Array, mark: Mark) -> Mask:
    """The cells that are a number, as the type of the array has it; NaN equals NaN."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False)
        nearest = values.dtype.type(mark)
        found: Mask = np.isnan(values) if np.isnan(nearest) else values == nearest
        return found
    none = np.zeros(len(array), bool)
    if not isinstance(mark, int) and not t.is_decimal(array.type):
        return none
    try:
        value = Decimal(repr(mark)) if t.is_decimal(array.type) else mark
        cell = pa.scalar(value, array.type)
    except (pa.ArrowInvalid, OverflowError):  # the type does not have the number
        return none
    none |= pc.fill_null(pc.equal(array, cell), False).to_numpy(zero_copy_only=False)
    return none


def as_floats(x: Numbers, cells: Mask) -> Floats:
    """The float64 nearest to each number; other cells than the given ones may hold anything."""
    import numpy as np

    values: Floats = x.parts[0]
    if len(x.parts) == 1 and not x.scale:
        return values
    values = values.copy()
    here = cells & np.isfinite(values)
    if here.any():  # few different ones: those that mark missing values
        each, places = np.unique(x.parts[:, here], axis=1, return_inverse=True)
        unit = Fraction(10) ** x.scale
        nearest = [float(sum(map(Fraction, parts)) / unit) for parts in each.T.tolist()]
        values[here] = np.array(nearest)[places.ravel()]
    return values


def scaled_array(
    where: str, target: pa.Field, read: Callable[[], Numbers], scaled: Scaled
) -> pa.Array:
    """A column with its numbers `scaled`, of the type of `target` (float32, float64 or int64).

    read: what the column was; asked only where cells are kept, which stay what they were:
        null, NaN, an infinity or a number that marks a missing value.

    Raises: DataError, opened by `where`, where a number is too large for float32 or where
    a null would stand in a column declared without.
    """
    import numpy as np
    import pyarrow as pa

    values, nulls = scaled.values, [scaled.null]
    if scaled.keep is not None:
        x = read()
        values = np.where(scaled.keep, as_floats(x, scaled.keep), values)
        nulls.append(None if x.missing is None else x.missing & scaled.keep)
    masks = [mask for mask in nulls if mask is not None]
    null = np.logical_or.reduce(masks) if masks else None
    if null is not None and not target.nullable and null.any():
        raise DataError(f"{where} is declared without nulls, but would have some")
    if pa.types.is_integer(target.type):
        return pa.array(_integers(where, values, null), target.type, mask=null)
    single = pa.types.is_float32(target.type)
    return pa.array(_rounded(where, values, null) if single else values, target.type, mask=null)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array, without dictionary and without negative decimal scale."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if t.is_decimal(column.type) and column.type.scale < 0:
        column = column.cast(pa.decimal256(76, 0))
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _parts(array: pa.Array, missing: Mask | None) -> tuple[Floats, int]:
    """Parts, shape (p, n), and scale; in missing cells stands whatever there was."""
    import numpy as np
    import pyarrow.types as t

    if t.is_decimal(array.type):
        return _decimal_parts(_values(array, np.dtype("<i4"), missing)), array.type.scale
    dtype = np.dtype(array.type.to_pandas_dtype())
    if dtype.kind in "iu" and dtype.itemsize == 8:
        return _integer_parts(_values(array, dtype, missing)[:, 0]), 0
    return _values(array, dtype).T.astype(np.float64, copy=False), 0


def _values(array: pa.Array, dtype: np.dtype[Any], missing: Mask | None = None) -> NDArray[Any]:
    """The values of a fixed-width array, shape (n, words of `dtype` in a value).

    A view of Arrow's buffer; a copy with zeros in the `missing` cells where these are given.
    """
    import numpy as np

    width = array.type.byte_width // dtype.itemsize
    start = array.offset * array.type.byte_width
    values = np.frombuffer(array.buffers()[1], dtype, len(array) * width, start)
    values = values.reshape(-1, width)
    if missing is None:
        return values
    values = values.copy()
    values[missing] = 0
    return values


def _integer_parts(x: NDArray[Any]) -> Floats:
    """64-bit integers, shape (n,), as one part where all are float64 numbers, else as two."""
    import numpy as np

    if int(x.min()) >= -EXACT and int(x.max()) <= EXACT:
        return x.astype(np.float64).reshape(1, -1)
    high = (x >> x.dtype.type(32)).astype(np.float64) * 2.0**32
    low = (x & x.dtype.type(0xFFFFFFFF)).astype(np.float64)
    return np.stack([high, low])


def _decimal_parts(limbs: NDArray[np.int32]) -> Floats:
    """Two's complement integers of 32-bit limbs, lowest first, shape (n, limbs)."""
    import numpy as np

    width = limbs.shape[1]
    if width == 1:
        return limbs.T.astype(np.float64)
    sign = limbs[:, 1] >> np.int32(31)
    if all(np.array_equal(limbs[:, k], sign) for k in range(2, width)):
        return _integer_parts(np.ascontiguousarray(limbs[:, :2]).view("<i8")[:, 0])
    parts = limbs.view("<u4").T[::-1].astype(np.float64)
    parts[0] = limbs[:, -1]
    parts *= 2.0 ** (32 * np.arange(width)[::-1, None])
    return parts


def _integers(where: str, values: Floats, null: Mask | None) -> NDArray[np.int64]:
    """`values` as int64; a DataError where a cell that is not `null` is NaN or infinite."""
    import numpy as np

    lost = ~np.isfinite(values)
    if null is not None:
        lost &= ~null
    if lost.any():
        raise DataError(
            f"{where} has {values[lost][0]:g}, which no integer can be. With --missing null, NaN "
            "becomes null"
        )
    return np.where(np.isfinite(values), values, 0.0).astype(np.int64)


def _rounded(where: str, values: Floats, null: Mask | None) -> NDArray[np.float32]:
    """`values` as float32; a DataError where a number that is not `null` becomes infinite."""
    import numpy as np

    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    lost = np.isinf(rounded) & np.isfinite(values)
    if null is not None:
        lost &= ~null
    if lost.any():
        raise DataError(f"{where}: {float(values[lost][0])!r} is too large for float32")
    return rounded
