"""The kernels of Arrow that most runs on CSV need, without the cost of `pyarrow.compute`.

Importing that module makes a Python function, with signature and documentation, for each of
Arrow's 300 kernels: 25 ms, a tenth of the time for a small table. The methods of Arrow's
arrays import it too, and `pa.array` of a NumPy array imports `numpy.ma`, for 8 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.numerics.numbers import Mask

    Bytes = NDArray[np.uint8]
    Offsets = NDArray[np.int64]  # of bytes in a block


def cast(array: pa.Array, to: pa.DataType) -> pa.Array:
    """The array in another type; raises pa.ArrowInvalid where a value has none there."""
    kernels = _kernels()
    return kernels.call_function("cast", [array], kernels.CastOptions.safe(to))


def take(array: pa.Array, chosen: Offsets) -> pa.Array:
    """The elements of these numbers, which are not checked."""
    kernels = _kernels()
    buffers = [None, pa.py_buffer(np.ascontiguousarray(chosen, np.int64))]
    indices = pa.Array.from_buffers(pa.int64(), len(chosen), buffers)
    options = kernels.TakeOptions(boundscheck=False)
    return kernels.call_function("array_take", [array, indices], options)


def filtered(array: pa.Array, mask: Mask) -> pa.Array:
    """The elements where the mask is True."""
    kernels = _kernels()
    return kernels.call_function(
        "array_filter", [array, booleans(mask)], kernels.FilterOptions("drop")
    )


def is_in(array: pa.Array, values: pa.Array) -> pa.BooleanArray:
    """Which elements are among the values."""
    kernels = _kernels()
    return kernels.call_function("is_in", [array], kernels.SetLookupOptions(value_set=values))


def matches(texts: pa.Array, pattern: str) -> pa.BooleanArray:
    """Which texts contain what the regular expression (RE2) describes."""
    kernels = _kernels()
    options = kernels.MatchSubstringOptions(pattern)
    return kernels.call_function("match_substring_regex", [texts], options)


def slices(data: Bytes, starts: Offsets, ends: Offsets) -> pa.LargeStringArray:
    """The texts ``data[starts[i]:ends[i]]`` as one compact Arrow array (ascending slices).

    The slices and the gaps between them make one Arrow array that shares `data`'s memory;
    taking every other element copies only the slices.
    """
    bounds = np.empty(2 * len(starts), np.int64)
    bounds[0::2], bounds[1::2] = starts, ends
    pieces = max(len(bounds) - 1, 0)
    offsets = pa.py_buffer(bounds if pieces else np.zeros(1, np.int64))
    array = pa.LargeStringArray.from_buffers(pieces, offsets, pa.py_buffer(data))
    return take(array, np.arange(0, pieces, 2))


def booleans(mask: Mask) -> pa.BooleanArray:
    """The mask as an Arrow array."""
    bits = pa.py_buffer(np.packbits(mask, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(mask), [None, bits])


def _kernels() -> Any:
    """What `pyarrow.compute` makes its functions from; it has the names used here too."""
    try:
        import pyarrow._compute as kernels
    except ImportError:  # it is private, so another version may have it elsewhere
        import pyarrow.compute as kernels
    return kernels
