"""Arrow tables as CSV text, for tables that come from other formats."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as t

from normcli.errors import DataError
from normcli.formats.base import Style
from normcli.formats.csv.cells import joined
from normcli.formats.texts.kernels import slices
from normcli.formats.texts.write import format_rows
from normcli.words import printable

if TYPE_CHECKING:
    from normcli.numerics.numbers import Scaled

PLAIN = Style()


def rows(
    table: pa.Table, replaced: Mapping[int, Scaled], style: Style, delimiter: str, decimal: str
) -> memoryview:
    """The rows of a table as CSV: text quoted where it has to be, null as an empty cell.

    In a table of one column null is ``""``, because a blank line is not a row. Floats come out
    shortest (those `replaced` as `style` says), nested values as JSON.
    """
    cells = []
    for i, column in enumerate(table.columns):
        shown = style.of(replaced[i]) if i in replaced else PLAIN
        found = texts(column, table.column_names[i], shown, decimal)
        is_bare = pa.types.is_floating(column.type) and decimal != delimiter
        cells.append(found if is_bare else _where_needed(found, delimiter))
    if len(cells) == 1:
        cells = [pc.fill_null(cells[0], '""')]
    line_end, mark, nothing = (pa.scalar(text, pa.large_string()) for text in ("\n", delimiter, ""))
    fill = {"null_handling": "replace", "null_replacement": ""}
    cells[-1] = pc.binary_join_element_wise(cells[-1], line_end, nothing, **fill)
    return joined(pc.binary_join_element_wise(*cells, mark, **fill))


def _where_needed(texts: pa.LargeStringArray, delimiter: str) -> pa.LargeStringArray:
    """The texts, in quotes where they have to be."""
    special = pc.match_substring_regex(texts, rf'["\r\n{re.escape(delimiter)}]|^$')
    if not pc.any(special).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    quote, nothing = (pa.scalar(mark, texts.type) for mark in ('"', ""))
    return pc.if_else(special, pc.binary_join_element_wise(quote, doubled, quote, nothing), texts)


def texts(
    column: pa.ChunkedArray, name: str, style: Style = PLAIN, decimal: str = "."
) -> pa.LargeStringArray:
    """One column as text; null stays null."""
    kind = column.type
    if t.is_dictionary(kind):
        return texts(column.cast(kind.value_type), name, style, decimal)
    if t.is_floating(kind):
        return _float_texts(column, style, decimal)
    if t.is_nested(kind):
        lines = [None if v is None else json.dumps(v, default=str) for v in column.to_pylist()]
        column = pa.chunked_array([pa.array(lines, pa.large_string())])
    try:
        found = column.cast(pa.large_string()).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"column {printable(name)} ({kind}) cannot be written as text: {error}\n"
            "Write a .parquet or .arrow file instead"
        ) from error
    return pc.replace_substring(found, ".", decimal) if t.is_decimal(kind) else found


def _float_texts(column: pa.ChunkedArray, style: Style, decimal: str) -> pa.LargeStringArray:
    """A float column as text: shortest, ``NaN``, ``inf``; null stays null."""
    narrow = column.type.bit_width < 64
    values = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    style = replace(style, float32=narrow or style.float32)
    new = format_rows(values[:, np.newaxis], style, decimal=decimal)
    texts = slices(new.buffer, new.starts, new.ends)
    finite = np.isfinite(values)
    if finite.all():
        return texts
    odd = np.where(np.isnan(values), "NaN", np.where(values > 0, "inf", "-inf"))
    texts = pc.if_else(pa.array(finite), texts, pa.array(odd, pa.large_string()))
    null = pc.is_null(column).combine_chunks()
    return pc.if_else(null, pa.scalar(None, pa.large_string()), texts)
