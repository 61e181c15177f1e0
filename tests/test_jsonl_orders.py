"""The order of columns in a sidecar does not tell the order of rows."""

from __future__ import annotations

import json
import tempfile
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli import sidecar
from normcli.errors import DataError
from normcli.formats.base import ReadOptions
from normcli.formats.jsonl.format import JsonLines
from normcli.formats.jsonl.orders import MANY, MOST, orders_of
from normcli.methods.spelling import Asked
from normcli.methods.zscore import ZScore
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import fit
from normcli.sidecar.model import Statistics
from normcli.storage.sources import sources
from tests.conftest import Cli

Row = dict[str, object]


def fitted(*tables: list[Row], rows: int | None = None) -> Statistics:
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"{i}.jsonl")) for i in range(len(tables))]
        for path, table in zip(paths, tables, strict=True):
            Path(path).write_text("".join(json.dumps(row) + "\n" for row in table))
        opened = (JsonLines().open(s, ReadOptions(chunk_rows=rows)) for s in sources(paths))
        return fit(opened, Choice(), Asked(ZScore()))[0]


KEYS = ("y", "x", "z", "t")
ROWS = st.lists(
    st.permutations(KEYS).flatmap(
        lambda keys: st.integers(1, 4).map(
            lambda n: {key: ("text" if key == "t" else n) for key in keys[:n]}
        )
    ),
    min_size=2,
    max_size=6,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_rows_in_any_order_have_the_same_sidecar(rows: list[Row], random) -> None:
    shuffled = rows[:]
    random.shuffle(shuffled)
    try:
        expected = sidecar.dumps(fitted(rows))
    except DataError:  # no column of numbers
        return
    assert sidecar.dumps(fitted(shuffled)) == expected
    assert sidecar.dumps(fitted(rows, rows=1)) == expected


@given(st.lists(st.permutations(KEYS), min_size=2, max_size=5), st.integers(1, 4))
def test_parts_with_keys_in_other_orders_merge_to_the_whole(orders, cut: int) -> None:
    """Also where only a column of text, which no sidecar has, is in another place."""
    rows: list[Row] = [
        {key: ("text" if key == "t" else i) for key in keys} for i, keys in enumerate(orders)
    ]
    cut = min(cut, len(rows) - 1)
    a, b = rows[:cut], rows[cut:]
    whole = sidecar.dumps(fitted(rows))
    assert sidecar.dumps(fitted(a, b)) == whole
    assert sidecar.dumps(fitted(a).merge(fitted(b))) == whole


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        ({"y": 1, "x": 2}, {"y": 3, "x": 5}, ["y", "x"]),
        ({"y": 1, "x": 2}, {"x": 3, "y": 5}, ["x", "y"]),
        ({"y": 1, "x": 2}, {"y": 3}, ["x", "y"]),
        ({"t": "a", "y": 1, "x": 2}, {"y": 3, "t": "b", "x": 5}, ["y", "x"]),
    ],
)
def test_columns_keep_their_order_where_all_rows_have_it(
    normcli: Cli, first: Row, second: Row, order: list[str]
) -> None:
    table = f"{json.dumps(first)}\n{json.dumps(second)}\n".encode()
    done = normcli("fit", stdin=table)
    assert list(json.loads(done.out)["columns"]) == order


def test_fit_transform_saves_what_fit_saves(normcli: Cli, tmp_path) -> None:
    path, saved = tmp_path / "t.jsonl", tmp_path / "s.json"
    path.write_bytes(b'{"y": 1, "x": 2}\n{"x": 3, "y": 5}\n')
    expected = normcli("fit", path, "-o", "-").out
    assert normcli("fit-transform", path, "--save-stats", saved).code == 0
    assert saved.read_bytes() == expected
    cut = ("--output-dir", tmp_path / "parts", "--fragment-bytes", 5)
    assert normcli("fit-transform", path, *cut, "--save-stats", saved).code == 0
    assert saved.read_bytes() == expected


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=8))
def test_the_orders_of_keys_are_those_of_the_rows(rows: list[list[int]]) -> None:
    row = np.repeat(np.arange(len(rows)), [len(keys) for keys in rows])
    keys = np.array([key for each in rows for key in each], np.int64)
    orders = {tuple(each) for each in rows}
    assert orders_of(row, keys, len(rows)) == (MANY if () in orders else orders)


def test_more_orders_than_are_told_apart_are_many() -> None:
    rows = list(permutations(range(7)))[: MOST + 1]
    row = np.repeat(np.arange(len(rows)), 7)
    assert orders_of(row, np.array(rows).ravel(), len(rows)) == MANY
