"""Numbers inside of JSON objects are columns, where these are asked for by a dotted name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import normcli as library
from normcli import sidecar
from normcli.formats.jsonl.chunk import JsonLinesChunk, Layout
from tests.conftest import Cli

LINES = (
    b'{"a": {"b": 1 ,"c":{"d":[1],"\\u0065":5}},"y":1}\n\n'
    b'{"y":3,"z":"{","a":{"c":{"e":7.50},"t":"\\"a\\":{","b":2}}\r\n'
)
SCALED = (
    b'{"a": {"b": -1.0 ,"c":{"d":[1],"\\u0065":-1.0}},"y":1}\n\n'
    b'{"y":3,"z":"{","a":{"c":{"e":1.0},"t":"\\"a\\":{","b":1.0}}\r\n'
)
ARRAY = b'[\n {"a": {"b":1,\n  "c": {"e": 5}}},\n {"a": {"c": {"e" :7.50}, "b": 2}} ]\n'
SCALED_ARRAY = (
    b'[\n {"a": {"b":-1.0,\n  "c": {"e": -1.0}}},\n {"a": {"c": {"e" :1.0}, "b": 1.0}} ]\n'
)
BOTH = ("-s", "a.b,a.c.e", "-q")


@pytest.mark.parametrize("rows", [(), ("--chunk-rows", 1), ("--jobs", 2)])
@pytest.mark.parametrize(
    ("suffix", "table", "scaled"),
    [(".jsonl", LINES, SCALED), (".json", ARRAY, SCALED_ARRAY)],
    ids=["lines", "array"],
)
def test_numbers_inside_of_objects_are_scaled_where_they_stand(
    suffix: str, table: bytes, scaled: bytes, rows: Any, tmp_path: Path, normcli: Cli
) -> None:
    path, saved, out = (tmp_path / name for name in (f"in{suffix}", "s.json", f"out{suffix}"))
    path.write_bytes(table)
    assert normcli("fit-transform", path, *BOTH, *rows).out == scaled
    assert normcli("fit", path, *BOTH, "-o", saved, *rows).code == 0
    assert list(json.loads(saved.read_bytes())["columns"]) == ["a.b", "a.c.e"]
    assert normcli("transform", path, "--stats", saved, "-q", "-o", out, *rows).code == 0
    assert out.read_bytes() == scaled
    assert normcli("transform", "--stats", saved, "-q", *rows, stdin=table).out == scaled
    restored = normcli("inverse", out, "--stats", saved, "-q", *rows).out
    assert restored == table.replace(b"7.50", b"7.5").replace(b"5}", b"5.0}").replace(
        b"7.5.0", b"7.5"
    )
    assert normcli("check", path, "--stats", saved, "-q").code == 0


def test_objects_are_left_alone_unless_they_are_asked_for(normcli: Cli) -> None:
    done = normcli("fit-transform", stdin=LINES)
    assert done.out == LINES.replace(b'"y":1', b'"y":-1.0').replace(b'"y":3', b'"y":1.0')
    assert "scaled 1 of 3 columns: y" in done.err


def test_a_key_with_a_dot_goes_before_a_path(normcli: Cli) -> None:
    table = b'{"a.b":10,"a":{"b":"x"}}\n{"a":{"b":20,"b.c":1}}\n{"a":[{"b":1}]}\n{"a":null}\n'
    scaled = table.replace(b"10", b"-1.0").replace(b"20", b"1.0")
    assert normcli("fit-transform", "-q", "-s", "a.b", stdin=table).out == scaled
    assert normcli("fit-transform", "-q", stdin=table).out == scaled  # as its statistics do
    assert "no column 'a.b.c'" in normcli("fit", "-s", "a.b.c", stdin=table).err


def test_a_plain_fit_and_transform_agree_on_both_forms_of_a_column(
    tmp_path: Path, normcli: Cli
) -> None:
    table, saved = b'{"a.b":10}\n{"a":{"b":20}}\n', tmp_path / "s.json"
    normcli("fit", "-q", "-o", saved, stdin=table)
    one, two = (
        normcli("fit-transform", "-q", stdin=table),
        normcli("transform", "-q", "--stats", saved, stdin=table),
    )
    assert one.out == two.out == b'{"a.b":-1.0}\n{"a":{"b":1.0}}\n'


def test_a_row_without_the_object_gets_a_key_where_one_is_filled_or_added(normcli: Cli) -> None:
    table = b'{"a":{"b":1}}\n{"a":{"b":null}}\n{"a":{}}\n{"a":{"b":3}}\n'
    filled = normcli("fit-transform", "-q", "-s", "a.b", "--missing", "mean", stdin=table)
    assert filled.out.split(b"\n")[1:3] == [b'{"a":{"b":0.0}}', b'{"a":{},"a.b":0.0}']
    added = normcli("fit-transform", "-q", "-s", "a.b", "--suffix", "_z", stdin=table)
    assert added.out.split(b"\n")[0] == b'{"a":{"b":1},"a.b_z":-1.0}'


def test_in_other_formats_it_is_a_column_beside_the_object(tmp_path: Path, normcli: Cli) -> None:
    table = b'{"a":{"b":1}}\n{"y":2,"a":{"b":3}}\n'
    saved = tmp_path / "s.json"
    out = b'a,y,a.b\n"{""b"":1}",,-1.0\n"{""b"":3}",2,1.0\n'
    assert normcli("fit-transform", "-q", "-s", "a.b", "--to", "csv", stdin=table).out == out
    normcli("fit", "-q", "-s", "a.b", "-o", saved, stdin=table)
    assert normcli("transform", "-q", "--stats", saved, "--to", "csv", stdin=table).out == out
    left = ("transform", "-q", "--stats", saved, "--to", "csv", "-s", "y,a.b", "--exclude", "y")
    assert normcli(*left, stdin=table).out == out


def test_statistics_of_a_flat_table_find_the_numbers_in_objects(
    tmp_path: Path, normcli: Cli
) -> None:
    saved = tmp_path / "s.json"
    normcli("fit", "-q", "-o", saved, stdin=b"a.b\n1\n3\n")
    done = normcli("transform", "-q", "--stats", saved, stdin=b'{"a":{"b":3,"c":0}}\n')
    assert done.out == b'{"a":{"b":1.0,"c":0}}\n'


@pytest.mark.parametrize(
    ("table", "column", "message"),
    [
        (b'{"a":{"b":1}}\n{"a":{"b":"x"}}\n', "a.b", "line 2, column 'a.b': 'x' is not a number"),
        (b'{"a":{"b":{"c":1}}}\n', "a.b", "line 1, column 'a.b': '{\"c\":1}' is not a number"),
        (b'{"a":{"b":1,"b":2}}\n', "a.b", "line 1, column 'a.b' is written twice in one object"),
        (b'{"a":{"b":1},"a":{"b":2}}\n', "a.b", "column 'a.b' is written twice in one object"),
        (b'{"a":{"b":1}}\n', "a.c", "no column 'a.c'. The table has 'a'\nTo use a number that is "
         "inside of an object, --select 'a.KEY'"),
        (b'{"a":{"b":1}}\n', "a" + ".b" * 5000, "no column"),
        (b'{"a":1}\n', "a.", "no column 'a.'"),
        (b'{"a":1}\n', ".", "no column '.'"),
    ],
)  # fmt: skip
def test_a_bad_choice_says_what_and_where(
    table: bytes, column: str, message: str, normcli: Cli
) -> None:
    done = normcli("fit", "-s", column, stdin=table)
    assert done.code in (1, 2)
    assert message in done.err


def test_a_table_of_objects_only_says_how_to_reach_the_numbers(normcli: Cli) -> None:
    assert "--select 'a.KEY'" in normcli("fit", stdin=b'{"a":{"b":1}}\n').err


def test_the_library_finds_them_too(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(LINES)
    found = library.fit(tmp_path / "t.jsonl", select=["a.c.e"])
    assert json.loads(sidecar.dumps(found, "x.json"))["columns"]["a.c.e"]["mean"] == 6.25


KEYS = st.sampled_from(["a", "b", "a.b", 'q"{', "é", ""])
VALUES = st.recursive(
    st.integers(-99, 99) | st.sampled_from(['{"a":1}', "x,:[", "\\"]) | st.none(),
    lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=12,
)
ROWS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=6)
PATHS = st.lists(st.lists(KEYS, min_size=1, max_size=3).map(".".join), unique=True, max_size=6)


def _found(row: Any, name: str) -> list[Any]:
    """What a walk along the path finds."""
    if name in row:
        return [row[name]]
    for key in name.split("."):
        if not isinstance(row, dict) or key not in row:
            return []
        row = row[key]
    return [row]


@given(ROWS, PATHS, st.booleans())
def test_fields_are_those_that_a_walk_along_the_path_finds(
    rows: list[Any], names: list[str], spaced: bool
) -> None:
    separators = (" , ", " : ") if spaced else (",", ":")
    lines = [json.dumps(row, separators=separators, ensure_ascii=spaced) for row in rows]
    chunk = JsonLinesChunk(Layout("t", tuple(names)), "\n".join(lines).encode(), 1)
    for position, name in enumerate(names):
        cells = chunk._cells(position).tolist()
        found = [(int(chunk.fields.row[i]), json.loads(chunk._value(i))) for i in cells]
        assert found == [(i, value) for i, row in enumerate(rows) for value in _found(row, name)]
    assert (np.diff(chunk.fields.row) >= 0).all()
