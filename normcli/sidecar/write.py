"""Statistics as the bytes of a sidecar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from normcli.errors import DataError
from normcli.methods.base import Method
from normcli.numerics.total import Exact, Total
from normcli.sidecar.model import Statistics
from normcli.sidecar.read import VERSION, _ddof
from normcli.words import printable


def dumps(statistics: Statistics) -> bytes:
    """The sidecar of `statistics`: equal statistics give equal bytes.

    Raises: DataError for a column whose standard deviation is beyond float64, or whose name
    is not valid Unicode.
    """
    ddof = _ddof(statistics.method)
    columns = (
        f"    {_json(name)}: {_block(_entry(statistics, name, ddof), '    ')}"
        for name in statistics.columns
    )
    head = {
        "normcli": _json(VERSION),
        "rows": _json(statistics.rows),
        "method": _method_json(statistics.method),
        "ddof": _json(ddof),
        "columns": _braces(columns, "  "),
    }
    text = _block(head, "") + "\n"
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        near = printable(text[max(0, error.start - 20) : error.start + 20])
        raise DataError(f"not valid Unicode: {near}; rename that column") from error


def _entry(statistics: Statistics, name: str, ddof: int) -> dict[str, str]:
    """Field -> JSON of one column."""
    c = statistics.columns[name]
    try:
        std = c.std(ddof)
    except OverflowError as error:
        raise DataError(
            f"column {printable(name)}: its standard deviation with ddof {ddof} is beyond the "
            "largest float64, about 1.8e308"
        ) from error
    entry: dict[str, str] = {
        "count": _json(c.count),
        "missing": _json(c.missing),
        "nan": _json(c.nan),
        "inf": _json(c.inf),
        "mean": _json(c.mean),
        "std": _json(std),
        "min": _exact_json(c.min),
        "max": _exact_json(c.max),
        **_total_json("sum", c.sum),
        **_total_json("sum_of_squares", c.sum_of_squares),
    }
    if name in statistics.column_methods:
        entry["method"] = _method_json(statistics.column_methods[name])
    if name in statistics.running:
        entry["running"] = _json(asdict(statistics.running[name]))
    return entry


def _total_json(field: str, total: Total) -> dict[str, str]:
    scale = {f"{field}_scale": _json(total.scale)} if total.scale else {}
    return {field: _json(total.to_floats()), **scale}


def _exact_json(value: Exact | None) -> str:
    return _json(value if value is None or isinstance(value, float | int) else format(value, "f"))


def _method_json(method: Method) -> str:
    return _json({"name": method.name, **method.parameters()})


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _block(fields: Mapping[str, str], indent: str) -> str:
    return _braces((f"{indent}  {_json(key)}: {value}" for key, value in fields.items()), indent)


def _braces(lines: Iterator[str], indent: str) -> str:
    inside = ",\n".join(lines)
    return f"{{\n{inside}\n{indent}}}" if inside else "{}"
