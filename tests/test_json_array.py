"""Arrays of JSON objects are read and written as arrays, byte for byte but for the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.formats.jsonl.index import on_lines
from tests.conftest import Cli

PRETTY = b"""\xef\xbb\xbf
[
  {"a": 1, "b": "x, \\"{]"},
  {
    "b": null, "c": [1, {"a": 7}],
    "a": 2.50
  } ,\r
  {"a": 6}
]\r
"""
SCALED = PRETTY.replace(b'"a": 1,', b'"a": 0.0,').replace(b"2.50", b"0.3").replace(b"6}", b"1.0}")
MINMAX = ("--method", "minmax", "-q")


@pytest.mark.parametrize("chunk_rows", [None, 1, 2, 100])
def test_an_array_comes_back_as_it_was_written(
    chunk_rows: int | None, tmp_path: Path, normcli: Cli
) -> None:
    (tmp_path / "in.json").write_bytes(PRETTY)
    cut = ("--chunk-rows", chunk_rows) if chunk_rows else ()
    assert normcli("fit-transform", tmp_path / "in.json", *MINMAX, *cut).out == SCALED
    saved, out = tmp_path / "s.json", tmp_path / "out.json"
    normcli("fit", tmp_path / "in.json", "--method", "minmax", "-o", saved)
    normcli("transform", tmp_path / "in.json", "--stats", saved, "-o", out, *cut)
    assert out.read_bytes() == SCALED
    restored = json.loads(
        normcli("inverse", out, "--stats", saved, "-q", *cut).out.decode("utf-8-sig")
    )
    assert [row["a"] for row in restored] == [1, 2.5, 6]
    assert normcli("check", tmp_path / "in.json", "--stats", saved, "-q").code == 0
    assert normcli("transform", "--stats", saved, "-q", *cut, stdin=PRETTY).out == SCALED


def test_the_statistics_are_those_of_the_same_rows_in_lines(tmp_path: Path, normcli: Cli) -> None:
    frame = pd.DataFrame({"v": [1.5, None, -2e300, 2**60], "t": list("abcd")})
    saved = []
    for suffix, lines in ((".json", False), (".jsonl", True)):
        path = tmp_path / f"in{suffix}"
        frame.to_json(path, orient="records", lines=lines)
        saved.append(normcli("fit", path, "-o", "-").out)
    assert saved[0] == saved[1]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".arrow"])
def test_arrays_become_other_formats_and_these_arrays(
    suffix: str, tmp_path: Path, normcli: Cli
) -> None:
    rows = [{"a": 1, "t": "x\n,{"}, {"a": 3, "t": "[]"}]
    path, other, back = (tmp_path / name for name in ("in.json", f"o{suffix}", "back.json"))
    path.write_text(json.dumps(rows, indent=1))
    normcli("fit-transform", path, *MINMAX, "-o", other)
    normcli("fit-transform", other, *MINMAX, "--to", "json", "-o", back)
    assert json.loads(back.read_bytes()) == [{"a": 0, "t": "x\n,{"}, {"a": 1, "t": "[]"}]
    if suffix == ".jsonl":
        assert [json.loads(line)["a"] for line in other.read_bytes().splitlines()] == [0, 1]


def test_rows_that_are_left_out_leave_an_array(tmp_path: Path, normcli: Cli) -> None:
    for bad in range(4):
        rows = [{"a": n} for n in (1, 2, 3, 5)]
        rows[bad] = {"a": "bad"}
        path = tmp_path / "in.json"
        for indent in (None, 2):
            path.write_text(json.dumps(rows, indent=indent))
            for cut in ((), ("--chunk-rows", 1), ("--chunk-rows", 3)):
                skip = ("-s", "a", "--on-bad-row", "skip", *cut)
                done = normcli("fit-transform", path, *MINMAX, *skip)
                assert len(json.loads(done.out)) == 3, (bad, indent, cut, done.out)
    path.write_text(json.dumps([{"a": n} for n in (1, 2, 3, 5, 8)], indent=2))
    batch = ("--method", "batch", "--batch-size", 2, "--last-batch", "drop", "-q")
    for cut in ((), ("--chunk-rows", 1)):
        assert len(json.loads(normcli("transform", path, *batch, *cut).out)) == 4


def test_no_element_is_an_empty_array(tmp_path: Path, normcli: Cli) -> None:
    normcli("fit", "-o", tmp_path / "s.json", "-q", stdin=b'[{"a": 1}, {"a": 3}]')
    for text in (b"[]", b"[ ]\n", b"\n[\n]"):
        done = normcli("transform", "--from", "json", "--stats", tmp_path / "s.json", stdin=text)
        assert json.loads(done.out) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"a":1},,{"a":2}]', "element 2 is empty: there is a comma too many"),
        ('[{"a":1},]', "element 2 is empty"),
        ('[,{"a":1}]', "element 1 is empty"),
        ('[{"a":1}', "the array does not end; is the file cut short?"),
        ('[{"a":1},', "the array does not end"),
        ('[{"a":1}] x', "there is something after the end of the array"),
        ('[{"a":1}][{"a":1}]', "there is something after the end of the array"),
        ('[{"a":1} {"a":2}]', "element 1: not valid JSON"),
        ('[{"a":1}, 2]', "element 2: a number, not an object"),
        ('[{"a":1}, {"b":"x\ny"}]', "element 2: the object is not complete"),
        ('[{"a":1}}, {"a":2}]', "in.json"),
        ('{"a": 1,\n"b": 2}', "the object is not complete"),
        ('{\n"a": 1}', "this is not an array of JSON objects"),
        ("3", "this is not an array of JSON objects"),
    ],
)
def test_what_is_not_an_array_of_objects_is_refused(
    text: str, words: str, tmp_path: Path, normcli: Cli
) -> None:
    (tmp_path / "in.json").write_text(text)
    result = normcli("fit-transform", tmp_path / "in.json", "-o", tmp_path / "out.json")
    assert (result.code, words in result.err) == (1, True), result.err
    assert not (tmp_path / "out.json").exists()


def test_an_array_is_not_taken_for_lines(tmp_path: Path, normcli: Cli) -> None:
    (tmp_path / "in.json").write_text('[{"a":1},\n{"a":2},\n{"a":6}]')
    skip = ("--from", "jsonl", "--on-bad-row", "skip")
    result = normcli("fit-transform", tmp_path / "in.json", *skip)
    assert (result.code, "read it with --from json" in result.err) == (1, True)


def test_json_lines_in_a_file_with_the_suffix_json_stay_lines(tmp_path: Path, normcli: Cli) -> None:
    (tmp_path / "in.json").write_text('{"a": 1}\n{"a": 3}\n')
    normcli("fit-transform", tmp_path / "in.json", *MINMAX, "-o", tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text() == '{"a": 0.0}\n{"a": 1.0}\n'


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v, max_size=3)
    | st.dictionaries(st.text(), v, max_size=3), max_leaves=5,
)  # fmt: skip


@given(
    rows=st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
def test_each_element_is_on_a_line_of_its_own(
    rows: list[dict[str, object]], indent: int | None, *, ascii_only: bool
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode()
    lines, cut, ended = on_lines(text, 1)
    assert (len(lines), cut, ended) == (len(text), len(text), True)
    assert [json.loads(line) for line in lines.split(b"\n")] == rows
