"""Statistics as the bytes of a sidecar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from normcli.errors import DataError
from normcli.methods.base import Method
from normcli.sidecar.model import Columns, GroupStatistics, Statistics
from normcli.sidecar.schema import VERSION
from normcli.statistics.base import Facts, Group
from normcli.statistics.column import ColumnStatistics
from normcli.words import grouped, many, printable

MOST = 10_000  # groups times columns in JSON


def dumps(statistics: Statistics, target: str = "") -> bytes:
    """The sidecar of `statistics` for a file of that name: equal statistics give equal bytes.

    It is a Parquet file if the name says so, else JSON.

    Raises: DataError as `json_bytes`, and where JSON would have too many groups.
    """
    if is_parquet(target):
        from normcli.sidecar import parquet

        return parquet.dumps(statistics)
    refuse_many(len(statistics.groups), len(statistics.columns))
    return json_bytes(statistics)


def is_parquet(target: str) -> bool:
    """Does the name of a sidecar say that it is a Parquet file?"""
    return target.partition("?")[0].endswith(".parquet")


def fits_json(statistics: Statistics) -> bool:
    """Are there few enough groups for JSON?"""
    return len(statistics.groups) * len(statistics.columns) <= MOST


def refuse_many(groups: int, columns: int) -> None:
    """Raise DataError where there are more groups than JSON should hold."""
    if groups * columns > MOST:
        raise DataError(
            f"{many(groups, 'group')} of {many(columns, 'column')} are too many for JSON: "
            f"it holds {grouped(MOST)} in all\nWrite them to Parquet: -o NAME.stats.parquet"
        )


def json_bytes(statistics: Statistics) -> bytes:
    """The sidecar as JSON.

    Raises: DataError for a column whose statistics are beyond float64, or whose name is not
    valid Unicode.
    """
    facts, own = statistics.facts, statistics.column_methods
    head = {
        "normcli": _json(VERSION),
        "rows": _json(statistics.rows),
        "method": _json(method_entry(statistics.method)),
        "ddof": _json(facts.ddof),
        **{key: _json(value) for key, value in sorted(statistics.options.items())},
        "columns": _columns(statistics.columns, facts, own, "  "),
    }
    if statistics.groups:
        groups = (f"    {_group(key, g, facts)}" for key, g in statistics.groups.items())
        head["groups"] = _between("[", ",\n".join(groups), "]", "  ")
    text = _block(head, "") + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        near = printable(text[max(0, error.start - 20) : error.start + 20])
        raise DataError(f"not valid Unicode: {near}; rename that column") from error


def _group(key: Group, group: GroupStatistics, facts: Facts) -> str:
    fields = {
        "key": _json(list(key)),
        "rows": _json(group.rows),
        "columns": _columns(group.columns, Facts(group.rows, facts.ddof), {}, "      "),
    }
    return _block(fields, "    ")


def _columns(columns: Columns, facts: Facts, own: Mapping[str, Method], indent: str) -> str:
    lines = (
        f"{indent}  {_json(name)}: {_block(_named(name, column, facts, own), indent + '  ')}"
        for name, column in columns.items()
    )
    return _braces(lines, indent)


def _named(
    name: str, column: ColumnStatistics, facts: Facts, own: Mapping[str, Method]
) -> dict[str, str]:
    """Field -> JSON of one column; errors name it."""
    try:
        entry = column_entry(column, facts)
    except DataError as error:
        raise DataError(f"column {printable(name)}: {error}") from error
    if name in own:
        entry["method"] = method_entry(own[name])
    return {field: _json(value) for field, value in entry.items()}


def column_entry(column: ColumnStatistics, facts: Facts) -> dict[str, Any]:
    """What the sidecar says of a column, but for its method: JSON values by field."""
    entry: dict[str, Any] = {"given": dict(column.given)} if column.given else {}
    for name, value in column.values.items():
        found = value.dump(facts)
        entry |= found if value.inline else {name: found}
    if column.mapped:
        mapped = column.mapped.items()
        entry["of"] = {spelling: column_entry(c, facts) for spelling, c in mapped}
    return entry


def method_entry(method: Method) -> dict[str, Any]:
    """A method as the sidecar has it."""
    return {"name": method.spelling, **method.parameters()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _block(fields: Mapping[str, str], indent: str) -> str:
    return _braces((f"{indent}  {_json(key)}: {value}" for key, value in fields.items()), indent)


def _braces(lines: Iterable[str], indent: str) -> str:
    return _between("{", ",\n".join(lines), "}", indent)


def _between(opening: str, inside: str, closing: str, indent: str) -> str:
    return f"{opening}\n{inside}\n{indent}{closing}" if inside else opening + closing
