"""Arrow tables whose scaled columns stand in place of others, or behind all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from normcli.formats.base import Chunk, Style, Table
    from normcli.numerics.numbers import Scaled


def laid_out(
    chunk: Chunk, replaced: Mapping[int, Scaled], style: Style
) -> tuple[pa.Table, Mapping[int, Scaled]]:
    """The rows with their scaled columns, and where these are: in place, or at the end."""
    import pyarrow as pa

    if not style.suffix:
        return chunk.to_arrow(replaced, style), replaced
    plain = replace(style, suffix="")
    old, new = chunk.to_arrow({}, plain), chunk.to_arrow(replaced, plain)
    columns = [*old.columns, *(new.column(i) for i in replaced)]
    schema = _longer(old.schema, new.schema, list(replaced), style)
    places = range(old.num_columns, len(columns))
    return (
        pa.Table.from_arrays(columns, schema=schema),
        dict(zip(places, replaced.values(), strict=True)),
    )


def schema_of(table: Table, replaced: Sequence[int], style: Style) -> pa.Schema:
    """The schema of what `laid_out` makes of the chunks of a table."""
    if not style.suffix:
        return table.schema(replaced, style)
    plain = replace(style, suffix="")
    return _longer(table.schema((), plain), table.schema(replaced, plain), replaced, style)


def _longer(old: pa.Schema, new: pa.Schema, added: Sequence[int], style: Style) -> pa.Schema:
    import pyarrow as pa

    fields = [pa.field(f"{new.field(i).name}{style.suffix}", new.field(i).type) for i in added]
    return pa.schema([*old, *fields], old.metadata)
