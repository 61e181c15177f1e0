"""The JSON Schema (draft 2020-12) of a sidecar: the frame, and what every recipe says of its own.

`normcli/sidecar/schema.json` is the same, for others: `python -m tools` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from normcli.statistics.base import recipes
from normcli.statistics.moments import COUNT, EXACT, SCALE, TOTAL

VERSION = 2
FIRST = 1  # the oldest version that is read

_COLUMNS = {"type": "object", "additionalProperties": {"$ref": "#/$defs/column"}}
_OPTIONS = {
    "null": {
        "description": "Marks of missing values.",
        "type": "array",
        "items": {"type": "string"},
    },
    "by": {
        "description": "The columns whose values are the keys of the groups.",
        "type": "array",
        "items": {"type": "string"},
    },
    "where": {"description": "The condition that the rows fulfil.", "type": "string"},
    "weight": {
        "description": "The column of weights, and their kind.",
        "type": "object",
        "required": ["column", "kind"],
        "additionalProperties": False,
        "properties": {"column": {"type": "string"}, "kind": {"type": "string"}},
    },
    "share": {
        "description": "Columns that have one scale together.",
        "type": "array",
        "items": {"type": "array", "items": {"type": "string"}},
    },
}
_TOP: dict[str, Any] = {
    "normcli": {"description": "Version of this format.", "const": VERSION},
    "rows": {"description": "Rows of the table.", **COUNT},
    "method": {
        "description": "Scales the columns that have no method of their own.",
        "$ref": "#/$defs/method",
    },
    "ddof": {
        "description": "Every std in this file has the divisor count - ddof.",
        "type": "integer",
        "minimum": 0,
        "maximum": 1,
    },
    "columns": {"description": "Name to statistics of all rows, in table order.", **_COLUMNS},
}
_GROUPS = {
    "description": "The statistics of every group, sorted by key.",
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "rows", "columns"],
        "additionalProperties": False,
        "properties": {
            "key": {"type": "array", "items": {"type": "string"}},
            "rows": COUNT,
            "columns": _COLUMNS,
        },
    },
}
_METHOD = {
    "description": "A method by name; its parameters are beside the name.",
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 1000}},
}
_GIVEN = {
    "description": "Numbers that were given by hand, imported, or trained, instead of statistics.",
    "type": "object",
    "minProperties": 1,
    "properties": {
        "std": {"type": "number", "exclusiveMinimum": 0},
        "var": {"type": "number", "minimum": 0},
    },
    "additionalProperties": {"type": "number"},
}
_MAPPED = {
    "description": "The spelling of maps to the statistics of the numbers that they make.",
    "type": "object",
    "additionalProperties": {"$ref": "#/$defs/column"},
}


@cache
def schema(version: int = VERSION) -> dict[str, Any]:
    """The schema of a version of the format."""
    top = {**_TOP, "normcli": {**_TOP["normcli"], "const": version}}
    if version > 1:
        top = {**top, **_OPTIONS, "groups": _GROUPS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"normcli sidecar, version {version}",
        "description": "The statistics of a table, as `normcli fit` writes them. docs/sidecar.md "
        "tells what the program checks beyond this schema.",
        "type": "object",
        "required": list(_TOP),
        "additionalProperties": False,
        "properties": top,
        "$defs": {
            "column": _column(version),
            "exact": EXACT,
            "total": TOTAL,
            "scale": SCALE,
            "method": _METHOD,
        },
    }


def _column(version: int) -> dict[str, Any]:
    """Moments, or given numbers; and the sections of all other recipes."""
    own = recipes()["moments"]
    sections = {name: _section(name) for name in recipes() if name != own.name}
    own_method = {"description": "The method of this column, where it has its own."}
    fields = {**own.fields, "method": {**own_method, "$ref": "#/$defs/method"}}
    if version == 1:
        del fields["whole"]
        fields["running"] = sections["running"]
        return _object(fields, own.required)
    either = {
        "if": {"required": ["given"]},
        "then": {"not": {"anyOf": [{"required": [field]} for field in own.fields]}},
        "else": {"required": list(own.required)},
    }
    return {**_object({**fields, "given": _GIVEN, "of": _MAPPED, **sections}, ()), **either}


def _section(name: str) -> dict[str, Any]:
    recipe = recipes()[name]
    return {"description": (recipe.__doc__ or "").split("\n")[0]} | _object(
        recipe.fields, recipe.required
    )


def _object(fields: Mapping[str, Any], required: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": dict(fields),
    }
