"""Limits on what typed formats hold in memory: a few bytes of them may mean gigabytes.

What is limited is what a small file becomes. A file that really is large is not refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from normcli.errors import LimitError
from normcli.formats.texts.options import MAX_RECORD
from normcli.words import grouped

if TYPE_CHECKING:
    import pyarrow as pa

    from normcli.formats.columnar.chunk import Segment

HELD_RATIO = 16  # what is held in memory at a time may always be so many times as it is stored
NUMBERS = 32  # times the limit: bytes of numbers that any table may have, one after the other
WHOLE = 8  # the same of a table of which all columns are decoded
TOTAL_RATIO = 400  # of the bytes of a table to those of its file, where there are more
HINT = f"If this is intended, raise the limit with --{MAX_RECORD.name}"


def refuse_held(where: str, size: float, stored: int, limit: int) -> None:
    """Raise LimitError where so many bytes, `stored` in few, are too many to hold at a time."""
    if size > max(limit, HELD_RATIO * stored):
        raise LimitError(
            f"{where}: {grouped(stored)} bytes decode to {grouped(int(size))} bytes that have to be"
            f" in memory together; is this a decompression bomb?\n{HINT}"
        )


def refuse_total(name: str, size: int, stored: int, limit: int) -> None:
    """Raise LimitError where a small file has more bytes than can be worked on in some seconds."""
    if size > max(limit, TOTAL_RATIO * stored):
        raise LimitError(
            f"{name}: {grouped(stored)} bytes decode to {grouped(size)} bytes or more; is this a"
            f" decompression bomb?\n{HINT}"
        )


def in_small_pieces(segment: Segment, size: int) -> Iterator[tuple[Segment, int]]:
    """The rows in pieces of no more than `size` bytes, if they are several; and their bytes.

    What many cells share, as the texts of a dictionary, counts for each of them.
    """
    written = sum(_bytes_of(array) for c in segment.table.columns for array in c.chunks)
    if segment.rows <= 1 or written <= size:
        yield segment, written
        return
    middle = segment.rows // 2
    yield from in_small_pieces(segment.slice(0, middle), size)
    yield from in_small_pieces(segment.slice(middle, segment.rows), size)


def _bytes_of(array: pa.Array) -> int:
    """Bytes of the values of an array, about, those that cells share once for each cell."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind, cells = array.type, len(array)
    if isinstance(array, pa.ExtensionArray):
        return _bytes_of(array.storage)
    if t.is_null(kind):
        return 4 * cells
    if t.is_dictionary(kind):
        return _taken(array.indices.drop_null(), array.dictionary)
    if t.is_run_end_encoded(kind):
        return cells * _most(array.values)
    if t.is_string_view(kind) or t.is_binary_view(kind):
        return int(pc.sum(pc.binary_length(array)).as_py() or 0)
    if t.is_list_view(kind) or t.is_large_list_view(kind):
        return int(pc.sum(pc.list_value_length(array)).as_py() or 0) * _most(array.values)
    if t.is_struct(kind):
        return sum(map(_bytes_of, array.flatten()))
    if t.is_union(kind):  # no format of text has it
        return 16 * cells
    return 2 * cells + (_bytes_of(array.flatten()) if t.is_nested(kind) else int(array.nbytes))


def _taken(indices: pa.Array, values: pa.Array) -> int:
    """Bytes of the values that are taken, each as often as it is."""
    import pyarrow.compute as pc

    if not _is_text(values.type):
        return len(indices) * _most(values)
    lengths = pc.binary_length(values).cast("int64").fill_null(0)
    return int(pc.sum(lengths.take(indices)).as_py() or 0)


def _most(values: pa.Array) -> int:
    """Bytes of one of the values, at most."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    if _is_text(values.type):
        return int(pc.max(pc.binary_length(values)).as_py() or 0)
    size = _bytes_of(values)
    return size // max(len(values), 1) + 1 if t.is_primitive(values.type) else size


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as t

    tests = (t.is_string, t.is_binary, t.is_large_string, t.is_large_binary)
    return any(is_text(kind) for is_text in tests)
