"""The JSON Schema (draft 2020-12) of a sidecar: `schema.json`, and a section for every recipe.

`schema.json` is written by hand, but for the sections of the recipes of this package:
`python -m tools` brings those up to date, so that the file alone is the whole schema.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from normcli.statistics.base import Recipe, recipes

VERSION = 2
FIRST = 1  # the oldest version that is read
SINCE_2 = ("left_out", "whole", "given", "of")  # fields of a column that version 1 does not have


@cache
def schema(version: int = VERSION) -> dict[str, Any]:
    """The schema of a version of the format."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_bytes())
    column = found["$defs"]["column"]
    if version == FIRST:
        _go_back_to_version_1(found, column)
    else:
        for name, recipe in recipes().items():
            if name != "moments":
                section = recipe.fields if recipe.inline else {name: _section(recipe)}
                column["properties"] |= section
    return found


def _go_back_to_version_1(found: dict[str, Any], column: dict[str, Any]) -> None:
    """Leave out what version 1 did not have: every column had moments, and none had more."""
    found["title"] = "normcli sidecar, version 1"
    found["properties"]["normcli"]["const"] = 1
    found["properties"] = {name: found["properties"][name] for name in found["required"]}
    column["required"] = column["else"]["required"]
    for keyword in ("if", "then", "else"):
        del column[keyword]
    for name in SINCE_2:
        del column["properties"][name]


def _section(recipe: type[Recipe]) -> dict[str, Any]:
    return {
        "description": (recipe.__doc__ or "").split("\n")[0],
        "type": "object",
        "required": list(recipe.required),
        "additionalProperties": False,
        "properties": dict(recipe.fields),
    }
