"""Arrow tables as JSON Lines, for tables that come from other formats.

Numbers come out shortest (those replaced as the style says), decimals with all their digits,
NaN as null (counted), infinities as 1e999, which readers take for infinity; dates and times in
ISO 8601 (those with a zone in UTC), durations as their number of units, binary in base64, maps
as lists of key and value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as t

from normcli.errors import DataError
from normcli.formats.base import Style
from normcli.formats.texts.kernels import slices
from normcli.formats.texts.write import format_rows
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Scaled

_SPECIAL = r'["\\\x00-\x1f]'  # characters that JSON strings escape


def rows(table: pa.Table, replaced: Mapping[int, Scaled], style: Style) -> tuple[bytes, int]:
    """One object a row and line, and how many NaN were written as null.

    Raises: DataError that names a column whose type JSON cannot carry.
    """
    spelling = _Spelling()
    pieces: list[pa.Array | str] = []
    for i, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        shown = style.of(replaced[i]) if i in replaced else Style()
        try:
            texts = spelling.texts(column.combine_chunks(), shown)
        except _NoJsonError as error:
            raise DataError(
                f"column {printable(name)} is of type {error}, which JSON Lines cannot store"
            ) from None
        except pa.ArrowException as error:
            raise DataError(f"column {printable(name)} cannot be written: {error}") from error
        pieces += [f"{',' if i else '{'}{_string(name)}:", texts]
    if not table.num_columns:
        return b"{}\n" * table.num_rows, 0
    lines = _joined(*pieces, "}\n")
    length = pc.sum(pc.binary_length(lines)).as_py()
    return (memoryview(lines.buffers()[2])[:length].tobytes() if length else b""), spelling.nan


class _NoJsonError(Exception):
    """A type that JSON does not have."""


def _string(text: str) -> str:
    return orjson.dumps(text).decode()


@dataclass
class _Spelling:
    """Spells arrays in JSON, and counts the NaN."""

    nan: int = 0

    def texts(self, array: pa.Array, style: Style) -> pa.LargeStringArray:
        """Each value as JSON text, null as ``null``."""
        return pc.fill_null(self._spelled(array, style), "null")

    def _spelled(self, array: pa.Array, style: Style) -> pa.LargeStringArray:
        """Each value as JSON text; what stands for null does not matter where it is null."""
        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            return self._spelled(array.storage, style)
        if t.is_dictionary(kind):
            return self._spelled(array.cast(kind.value_type), style)
        if t.is_floating(kind):
            return self._floats(array, style)
        if t.is_struct(kind):
            return self._objects(array, style)
        if t.is_map(kind):
            return self._lists(_entries(array), style)
        if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
            return self._lists(array, style)
        return _plain(array)

    def _floats(self, array: pa.Array, style: Style) -> pa.LargeStringArray:
        narrow = array.type.bit_width < 64
        values = pc.fill_null(array.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        self.nan += int(np.isnan(values).sum())
        style = replace(style, float32=narrow or style.float32)
        new = format_rows(values[:, np.newaxis], style)
        texts = slices(new.buffer, new.starts, new.ends)
        if np.isinf(values).any():
            infinite = pa.array(np.where(values > 0, "1e999", "-1e999"), pa.large_string())
            texts = pc.if_else(pa.array(np.isinf(values)), infinite, texts)
        return _with_nulls_of(array, texts)

    def _objects(self, array: pa.StructArray, style: Style) -> pa.LargeStringArray:
        pieces: list[pa.Array | str] = []
        for i, values in enumerate(array.flatten()):
            name = _string(array.type.field(i).name)
            pieces += [f"{',' if i else '{'}{name}:", self.texts(values, style)]
        if not pieces:
            return _with_nulls_of(array, pa.array(["{}"] * len(array), pa.large_string()))
        return _with_nulls_of(array, _joined(*pieces, "}"))

    def _lists(self, array: pa.ListArray, style: Style) -> pa.LargeStringArray:
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.append(0, np.cumsum(lengths, dtype=np.int64)))
        values = self.texts(array.flatten(), style)
        joined = pc.binary_join(
            pa.LargeListArray.from_arrays(offsets, values), pa.scalar(",", pa.large_string())
        )
        return _with_nulls_of(array, _joined("[", joined, "]"))


def _joined(*pieces: pa.Array | str) -> pa.LargeStringArray:
    """The pieces of each value together; null where one is null."""
    text = pa.large_string()
    same = [pa.scalar(piece, text) if isinstance(piece, str) else piece for piece in pieces]
    return pc.binary_join_element_wise(*same, pa.scalar("", text))


def _with_nulls_of(array: pa.Array, texts: pa.Array) -> pa.LargeStringArray:
    texts = texts.cast(pa.large_string())
    if not array.null_count:
        return texts
    return pc.if_else(array.is_null(), pa.scalar(None, pa.large_string()), texts)


def _entries(array: pa.MapArray) -> pa.ListArray:
    """A map as a list of objects with key and value."""
    kind = array.type
    entry = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
    return array.cast(pa.list_(entry))


def _plain(array: pa.Array) -> pa.LargeStringArray:
    """Values of all types that are neither nested nor floats."""
    kind, text = array.type, pa.large_string()
    if t.is_boolean(kind) or t.is_integer(kind) or t.is_decimal(kind) or t.is_null(kind):
        return array.cast(text)
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return _quoted(array.cast(text))
    if t.is_timestamp(kind):
        if kind.tz is not None:
            array = array.cast(pa.timestamp(kind.unit, "UTC"))  # Arrow spells others +0100
        return _quoted(pc.replace_substring(array.cast(text), " ", "T", max_replacements=1))
    if t.is_date(kind) or t.is_time(kind):
        return _quoted(array.cast(text))
    if t.is_duration(kind):
        return array.cast(pa.int64()).cast(text)
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind):
        return _base64(array)
    raise _NoJsonError(printable(str(kind))[1:-1])


def _quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts as JSON strings."""
    quoted = _joined('"', texts, '"')
    special = pc.fill_null(pc.match_substring_regex(texts, _SPECIAL), False)
    if not pc.any(special).as_py():
        return quoted
    escaped = [_string(value) for value in texts.filter(special).to_pylist()]
    return pc.replace_with_mask(quoted, special, pa.array(escaped, pa.large_string()))


def _base64(array: pa.Array) -> pa.LargeStringArray:
    import base64

    values = (None if v is None else base64.b64encode(v).decode() for v in array.to_pylist())
    return _quoted(pa.array(list(values), pa.large_string()))
