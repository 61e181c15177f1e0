"""Numbers in strings of JSON are read on request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli import sidecar
from normcli.formats.base import ReadOptions
from normcli.formats.jsonl.format import JsonLines
from normcli.methods.spelling import Asked
from normcli.methods.zscore import ZScore
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import fit
from normcli.storage.sources import sources
from tests.conftest import Cli

TABLE = b'{"id":"007","x":"\\u22123","y":""}\n{"id":"008","x":4,"y":"2"}\n{"x":null,"y":"3"}\n'


def test_strings_are_text_unless_numbers_in_them_are_asked_for(normcli: Cli) -> None:
    table = b'{"x":"1.5"}\n{"x":"2"}\n'
    refused = normcli("fit", "-s", "x", stdin=table)
    assert "'1.5' is not a number\nIt is a number with --number-strings; to" in refused.err
    left = normcli("fit", stdin=table)
    assert "'x' (a number with --number-strings: '1.5' at line 1)" in left.err
    done = normcli("fit-transform", "--number-strings", stdin=table)
    assert done.out == b'{"x":-1.0}\n{"x":1.0}\n'


def test_other_notations_are_read_in_strings_too(normcli: Cli) -> None:
    table = b'{"x":"1,234.5"}\n{"x":"$2"}\n{"x":3}\n'
    refused = normcli("fit", "-s", "x", stdin=table)
    assert "It is a number with --thousands ,; to leave" in refused.err
    found = normcli("fit", "--thousands", ",", "--strip", "$", stdin=table)
    assert json.loads(found.out)["columns"]["x"]["max"] == 1234.5


@pytest.mark.parametrize("rows", [[], ["--chunk-rows", 1]])
def test_codes_escapes_and_empty_strings_are_what_they_are_in_csv(
    normcli: Cli, rows: list[object]
) -> None:
    done = normcli("fit-transform", "--loose-numbers", *rows, stdin=TABLE)
    assert done.out == (
        b'{"id":"007","x":-1.0,"y":""}\n{"id":"008","x":1.0,"y":-1.0}\n{"x":null,"y":1.0}\n'
    )
    assert "id (leading zeros: '007' at line 1)" in done.err
    other = normcli("fit-transform", "--loose-numbers", *rows, "--to", "csv", stdin=TABLE)
    assert other.out == b"id,x,y\n007,-1.0,\n008,1.0,-1.0\n,,1.0\n"


def test_a_mark_is_found_in_strings(normcli: Cli) -> None:
    table = b'{"x":"-999.0"}\n{"x":"1"}\n{"x":3}\n{"x":-999}\n{"x":"n.d."}\n'
    marks = ("--null", "-999", "--null", "n.d.")
    done = normcli("fit-transform", "--number-strings", *marks, stdin=table)
    assert done.out == b'{"x":"-999.0"}\n{"x":-1.0}\n{"x":1.0}\n{"x":-999}\n{"x":"n.d."}\n'


@given(
    st.lists(
        st.lists(
            st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False),
            min_size=3,
            max_size=3,
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.booleans(), min_size=24, max_size=24),
)
def test_numbers_are_the_same_in_strings_and_bare(tmp_path_factory, table, quoted) -> None:
    folder = tmp_path_factory.mktemp("t")
    rows = [dict(zip("abc", row, strict=True)) for row in table]
    in_strings = [
        {k: str(v) if quoted[3 * i + j] else v for j, (k, v) in enumerate(row.items())}
        for i, row in enumerate(rows)
    ]
    bare = fitted(folder / "bare.jsonl", rows, {})
    assert fitted(folder / "strings.jsonl", in_strings, {"number-strings": True}) == bare


def fitted(path: Path, rows: list[dict[str, object]], options: dict[str, object]) -> bytes:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables = [JsonLines().open(source, ReadOptions(options)) for source in sources([str(path)])]
    try:
        return sidecar.dumps(fit(tables, Choice(), Asked(ZScore()))[0])
    except Exception as error:  # the same for both, such as a std beyond float64
        return str(type(error)).encode()
