"""Parts are taken out of statistics again, exactly."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.errors import DataError, UsageError
from normcli.numerics.numbers import Numbers
from normcli.sidecar.read import loads
from normcli.sidecar.write import dumps
from normcli.statistics.moments import Moments

numbers = st.one_of(
    st.floats(), st.integers(-3, 3).map(float), st.sampled_from([1e308, 5e-324, -0.0])
)
columns = st.lists(numbers, max_size=8)


def moments(column: list[float]) -> Moments:
    return Moments.of(Numbers(np.array([column], float).reshape(1, -1)))


@given(columns, columns)
def test_what_is_left_are_the_moments_of_the_rows_that_are_left(part, rest):
    left, want = moments(part + rest).without(moments(part)), moments(rest)
    ends = {"min": want.min, "max": want.max, "whole": want.whole}
    assert replace(left, **ends) == want
    assert left.min in (want.min, None)
    assert left.max in (want.max, None)
    assert left.whole in (want.whole, None)
    if want.constant or not part:
        assert (left.min, left.max) == (want.min, want.max)


@given(columns, columns, columns)
def test_in_any_order(a, b, c):
    whole = moments(a + b + c)
    assert whole.without(moments(a)).without(moments(b)) == whole.without(moments(a + b))
    assert moments(a + b).without(moments(a)).merge(moments(c)).sum == moments(b + c).sum


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ([1.0, 2, 3, 4, 5], "its count is larger than that of the whole"),
        ([9.0, 1], "its max is outside the range of the whole"),
        ([-9.0, 1], "its min is outside the range of the whole"),
        ([1.5, 1.5, 1.5], "its sums are not those of some rows of the whole"),
        ([float("nan")], "its nan is larger than that of the whole"),
    ],
)
def test_what_cannot_be_a_part_is_refused(part, why):
    with pytest.raises(DataError, match=why):
        moments([1.0, 2, 3, 4]).without(moments(part))


@pytest.fixture
def days(normcli, tmp_path):
    """Three tables of a day each, their sidecars, and that of all."""
    rng = np.random.default_rng(0)
    for day in range(3):
        x, y = np.round(rng.normal(10, 2, 50), 7), rng.integers(0, 9, 50)
        rows = "".join(f"{a},{b},{'abc'[b % (3 - day)]}\n" for a, b in zip(x, y, strict=True))
        (tmp_path / f"{day}.csv").write_text(f"x,y,g\n{rows}")
    return tmp_path


def fitted(normcli, days, *names: int, options: tuple[str, ...] = ()) -> bytes:
    paths = [days / f"{name}.csv" for name in names]
    outcome = normcli("fit", *paths, "-q", "-o", "-", *options)
    assert outcome.code == 0, outcome.err
    return outcome.out


def without(normcli, days, options: tuple[str, ...] = ()) -> bytes:
    (days / "all.json").write_bytes(fitted(normcli, days, 0, 1, 2, options=options))
    (days / "0.json").write_bytes(fitted(normcli, days, 0, options=options))
    done = normcli("merge", days / "all.json", "--without", days / "0.json", "-q")
    assert done.code == 0, done.err
    return done.out


def test_a_day_leaves_a_window_and_only_unknown_extremes_differ(normcli, days):
    left, want = (
        json.loads(each) for each in (without(normcli, days), fitted(normcli, days, 1, 2))
    )
    for column in want["columns"]:
        for field in ("min", "max", "whole"):
            if left["columns"][column].get(field) is None:
                want["columns"][column][field] = None
                left["columns"][column][field] = None
    assert left == want
    assert left["columns"]["y"]["min"] is None


def test_cells_that_are_the_numbers_tell_the_extremes(normcli, days):
    options = ("--method", "robust", "--select", "y")
    left = json.loads(without(normcli, days, options))
    want = json.loads(fitted(normcli, days, 1, 2, options=options))
    assert left.pop("columns")["y"] | {"whole": True} == want.pop("columns")["y"] | {"whole": True}
    assert left == want


def test_groups_without_rows_are_gone(normcli, days):
    options = ("--by", "g")
    left, want = (
        loads(without(normcli, days, options)),
        loads(fitted(normcli, days, 1, 2, options=options)),
    )
    assert list(left.groups) == list(want.groups) == [("a",), ("b",)]
    for key in want.groups:
        assert left.groups[key].rows == want.groups[key].rows
        assert left.groups[key].columns["x"].mean == want.groups[key].columns["x"].mean


def test_methods_that_need_an_unknown_extreme_say_so_and_others_work(normcli, days):
    sidecar = days / "left.json"
    sidecar.write_bytes(without(normcli, days))
    assert loads(dumps(loads(sidecar.read_bytes()))) == loads(sidecar.read_bytes())
    with pytest.raises(UsageError, match="the smallest number of a column is not known"):
        _ = loads(sidecar.read_bytes()).columns["y"].min
    table = days / "1.csv"
    assert normcli("transform", table, "--stats", sidecar, "-q").code == 0
    assert normcli("show", sidecar).code == 0
    assert normcli("check", days / "2.csv", "--stats", sidecar).code in (0, 3)
    refused = normcli("transform", table, "--stats", sidecar, "-q", "--method", "minmax")
    assert refused.code == 2
    assert "column 'y': the smallest number" in refused.err
    assert "rows that may have had it were taken out" in refused.err
    again = normcli("merge", sidecar, days / "0.json", "-q")
    assert json.loads(again.out)["columns"]["y"]["min"] is None


def test_statistics_of_other_data_are_not_a_part(normcli, days):
    for day in (0, 1):
        (days / f"{day}.json").write_bytes(fitted(normcli, days, day))
    refused = normcli("merge", days / "0.json", "--without", days / "1.json")
    assert refused.code == 1
    assert "this is not a part of the whole: column 'x'" in refused.err
