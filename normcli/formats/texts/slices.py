"""Slices of a block of text as Arrow arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from normcli.formats.texts import kernels

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Offsets = NDArray[np.int64]  # of bytes in a block
    Bytes = NDArray[np.uint8]


def slices(data: Bytes, starts: Offsets, ends: Offsets) -> pa.LargeStringArray:
    """The texts ``data[starts[i]:ends[i]]`` as one compact Arrow array (ascending slices).

    The slices and the gaps between them make one Arrow array that shares `data`'s memory;
    taking every other element copies only the slices.
    """
    import numpy as np
    import pyarrow as pa

    bounds = np.empty(2 * len(starts), np.int64)
    bounds[0::2], bounds[1::2] = starts, ends
    pieces = max(len(bounds) - 1, 0)
    offsets = pa.py_buffer(bounds if pieces else np.zeros(1, np.int64))
    array = pa.LargeStringArray.from_buffers(pieces, offsets, pa.py_buffer(data))
    return kernels.take(array, np.arange(0, pieces, 2))
