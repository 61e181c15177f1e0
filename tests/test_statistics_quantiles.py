"""Quantiles are those of the sorted numbers, exactly, however the numbers come."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli import sidecar
from normcli.errors import SidecarError, UsageError
from normcli.numerics.cells import Cells, Spans, finite_floats, floats_of, keys_of
from normcli.numerics.numbers import Numbers
from normcli.pipeline import fitting
from normcli.statistics import quantiles as module
from normcli.statistics.base import Folded, Means, Rows
from normcli.statistics.quantiles import (
    Quantiles,
    QuantilesRecipe,
    Wants,
    level_of,
    level_text,
)
from tests.conftest import Cli

HALF = Fraction(1, 2)
LEVELS = tuple(map(level_of, ("0", "1%", "0.25", "1/3", "0.5", "0.75", "0.999", "1")))
WANTS = Wants(LEVELS, table=11, deviation=True)

rng = np.random.default_rng(14)
COLUMNS: dict[str, np.ndarray[Any, Any]] = {
    "normal": rng.normal(100, 15, 1000),
    "around 0": rng.normal(0, 1, 1000),
    "wild exponents": rng.normal(size=1000) * 10.0 ** rng.integers(-300, 300, 1000),
    "ties": np.repeat(rng.normal(size=50), 20),
    "two values": rng.integers(0, 2, 1000) * 0.1,
    "one value": np.full(100, 7.25),
    "signed zeros": np.array([0.0, -0.0] * 50 + [1e-300, -1e-300]),
    "subnormal": rng.integers(-300, 300, 1000) * 5e-324,
    "largest": np.array([-1.7e308, 1.7e308, 1.0, -1.0, 1.7976931348623157e308]),
    "close to 1e9": 1e9 + rng.normal(size=1000),
    "integers": rng.integers(-99, 100, 1000) * 1.0,
    "prices": np.round(rng.lognormal(3, 1, 1000), 2),
    "five": np.array([1.0, 2.0, 2.0, 3.0, 10.0]),
    "one": np.array([3.5]),
    "none": np.array([]),
}
every_column = pytest.mark.parametrize("x", COLUMNS.values(), ids=COLUMNS)


def quantile(x: Sequence[float], level: Fraction) -> Fraction:
    """Type 7, the slow way."""
    ordered = [Fraction(v) for v in sorted(x)]
    h = (len(ordered) - 1) * level
    j = math.floor(h)
    if j + 1 == len(ordered):
        return ordered[j]
    return ordered[j] + (h - j) * (ordered[j + 1] - ordered[j])


def deviation(x: Sequence[float]) -> Fraction:
    median = quantile(x, HALF)
    distances = sorted(abs(Fraction(v) - median) for v in x)
    return (distances[(len(x) - 1) // 2] + distances[len(x) // 2]) / 2


def passes(
    recipe: QuantilesRecipe, chunks: Sequence[np.ndarray[Any, Any]]
) -> tuple[Quantiles, int]:
    """The value of one column in chunks, and how often they were read."""
    known: Quantiles | None = None
    more: QuantilesRecipe | None = recipe
    count = 0
    while more is not None:
        folded, count = Folded(), count + 1
        for chunk in chunks:
            folded.add(more.of(Rows({0: Numbers(chunk[np.newaxis])})))
        value = folded.values()[(), 0]
        assert isinstance(value, Quantiles)
        known = value if known is None else known.then(value)
        more = more.next({((), 0): known})
    assert known is not None
    return known, count


def cut(x: np.ndarray[Any, Any], seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """The numbers in another order, in some pieces."""
    order = np.random.default_rng(seed)
    return np.array_split(order.permutation(x), int(order.integers(1, 8)))


def check(found: Quantiles, x: np.ndarray[Any, Any]) -> None:
    """Is everything that is wanted exact?"""
    values, n = x.tolist(), len(x)
    assert found.exact
    assert found.count == n
    if n == 0:
        return
    for level in LEVELS:
        interval = found.quantile(level)
        assert interval.low == interval.high == quantile(values, level)
    size = min(11, n)
    steps = [Fraction(i, size - 1) for i in range(size)] if size > 1 else [HALF]
    assert list(found.table) == [float(quantile(values, p)) for p in steps]
    assert found.deviation().low == deviation(values)


@every_column
@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_the_sorted_numbers_where_these_fit_in_memory(
    x: np.ndarray[Any, Any], seed: int
) -> None:
    found, count = passes(QuantilesRecipe(WANTS).prepared(Means(1 << 20)), cut(x, seed))
    assert count == 1
    check(found, x)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few cells, and little room, so that a few thousand numbers need several passes."""
    monkeypatch.setattr(module, "WORKING", 64)
    monkeypatch.setattr(module, "GATHERED", 100)
    monkeypatch.setattr(module, "FINER", 4)


@every_column
@pytest.mark.usefixtures("narrow")
def test_they_are_by_other_passes_where_the_numbers_do_not_fit(x: np.ndarray[Any, Any]) -> None:
    found, count = passes(QuantilesRecipe(WANTS), cut(x))
    check(found, x)
    assert count > 1 or len(set(x.tolist())) <= 128


@every_column
@pytest.mark.usefixtures("narrow")
def test_they_are_by_a_spool_in_one_pass(x: np.ndarray[Any, Any]) -> None:
    found, count = passes(QuantilesRecipe(WANTS).prepared(Means(64, spools=True)), cut(x))
    assert count == 1
    check(found, x)


@pytest.mark.usefixtures("narrow")
def test_a_gathered_cell_that_is_too_large_is_narrowed_again() -> None:
    x = 1e9 + np.arange(20_000.0) / 1000
    found, count = passes(QuantilesRecipe(Wants((HALF,))), np.array_split(x, 50))
    assert found.quantile(HALF).middle == float(quantile(x.tolist(), HALF))
    assert count == 3


@every_column
def test_cells_are_the_same_for_every_cut_order_and_tree(x: np.ndarray[Any, Any]) -> None:
    whole = Cells.of(x).limited(64)
    for seed in range(5):
        waiting = [Cells.of(part).limited(64) for part in cut(x, seed)]
        order = random.Random(seed)  # any order does
        while len(waiting) > 1:
            order.shuffle(waiting)
            waiting.append(Cells.joined([waiting.pop(), waiting.pop()], 64))
        assert waiting == [whole]


@every_column
def test_the_shift_of_cells_is_the_smallest_that_does_it(x: np.ndarray[Any, Any]) -> None:
    cells = Cells.of(x).limited(64)
    assert len(cells) <= 64
    assert cells.shift == 0 or len(Cells.of(x).coarser(cells.shift - 1)) > 64
    assert Cells.of(x).limited(512).limited(64) == cells


@every_column
def test_every_number_is_in_its_cell(x: np.ndarray[Any, Any]) -> None:
    spans = Spans.of(Cells.of(x).limited(64))
    lows, highs = (floats_of(end[spans.places(range(len(x)))]) for end in spans.keys)
    ordered = np.sort(x + 0.0)
    assert (lows <= ordered).all()
    assert (ordered <= highs).all()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_keys_have_the_order_of_the_numbers(values: list[float]) -> None:
    x = np.array(values)
    assert floats_of(np.sort(keys_of(x))).tolist() == sorted(v + 0.0 for v in values)


@every_column
@pytest.mark.parametrize("seed", range(3))
def test_quantiles_are_between_what_cells_tell(x: np.ndarray[Any, Any], seed: int) -> None:
    sketch = QuantilesRecipe(WANTS).prepared(Means(exact=False))
    found = passes(sketch, cut(x, seed))[0].kept(1 << 20)
    assert found.most == 64
    for level in LEVELS if len(x) else ():
        interval = found.quantile(level)
        assert interval.low <= quantile(x.tolist(), level) <= interval.high
    if len(x):
        assert found.deviation().low <= deviation(x.tolist()) <= found.deviation().high


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9), st.integers(0, 25))
def test_wide_numbers_are_rounded_once(values: list[int], scale: int) -> None:
    high = [float(v) for v in values]
    low = [float(v - int(h)) for v, h in zip(values, high, strict=True)]
    found = finite_floats(Numbers(np.array([high, low]), scale=scale))
    assert found.tolist() == [v / 10**scale for v in values]


def test_levels_are_exact() -> None:
    assert [level_text(level_of(text)) for text in ("5%", "0.050", "1/20", "2/3", "1", ".001")] == [
        *("0.05", "0.05", "0.05", "2/3", "1", "0.001")
    ]
    for text in ("", "x", "-1%", "1.1", "1/0", "nan", "1e-3", "101%"):
        with pytest.raises(ValueError, match="not a level"):
            level_of(text)


def test_type_7_is_that_of_r_and_exact_where_numpy_is_not() -> None:
    def found(level: str, *x: float) -> float:
        value, _ = passes(QuantilesRecipe(Wants((level_of(level),))), [np.array(x)])
        return value.quantile(level_of(level)).middle

    r = (3.0, 6.0, 7.0, 8.0, 8.0, 10.0, 13.0, 15.0, 16.0, 20.0)
    assert [found(level, *r) for level in ("0.25", "0.5", "0.75")] == [7.25, 9.0, 14.5]
    assert found("0.25", -1.7e308, 1.7e308) == -8.5e307
    with np.errstate(over="ignore"):
        assert np.isinf(np.quantile([-1.7e308, 1.7e308], 0.25))


# -- through files ----------------------------------------------------------------------------

Fit = Callable[..., bytes]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The columns above, of which the shorter ones are missing in the other rows."""
    path = tmp_path / "t.csv"
    rows = max(map(len, COLUMNS.values()))
    cells = [[*map(repr, x.tolist()), *[""] * (rows - len(x))] for x in COLUMNS.values()]
    lines = [",".join(COLUMNS), *map(",".join, zip(*cells, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def fit(normcli: Cli, tmp_path: Path) -> Fit:
    def run(*arguments: object, **options: Any) -> bytes:
        target = tmp_path / "fitted.json"
        done = normcli("fit", "-q", "-o", target, "--method", "robust", *arguments, **options)
        assert done.code == 0, done.err
        return target.read_bytes()

    return run


@pytest.mark.usefixtures("narrow")
def test_the_sidecar_is_the_same_for_files_pipes_chunks_jobs_and_passes(
    fit: Fit, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(table, "--at", "0.1,1/3")
    monkeypatch.setattr(fitting, "MEMORY", 1000)
    assert fit(table, "--at", "0.1,1/3") == whole
    assert fit(table, "--at", "0.1,1/3", "--chunk-rows", "77", "--jobs", "2") == whole
    assert fit("--at", "0.1,1/3", stdin=table.read_bytes()) == whole


@pytest.mark.usefixtures("narrow")
def test_a_pipe_is_spooled_as_numbers_not_as_text(
    fit: Fit, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MEMORY", 1000)
    sizes = []
    write = module.Spool.write

    def counted(spool: Any, key: Any, x: Any) -> None:
        write(spool, key, x)
        sizes.append(spool.file.tell())

    monkeypatch.setattr(module.Spool, "write", counted)
    fit(stdin=table.read_bytes())
    numbers = sum(map(len, COLUMNS.values()))
    assert 0 < sizes[-1] <= 8 * numbers


def parts_of(table: Path) -> list[Path]:
    """The rows in three files."""
    head, *rows = table.read_text().splitlines()
    found = []
    for i in range(3):
        path = table.with_name(f"part{i}.csv")
        path.write_text("\n".join([head, *rows[i::3]]) + "\n")
        found.append(path)
    return found


def merged(normcli: Cli, target: Path, *sidecars: Path) -> bytes:
    assert normcli("merge", "-q", "-o", target, *sidecars).code == 0
    return target.read_bytes()


@pytest.mark.parametrize("quantiles", ["exact", "sketch"])
def test_merging_gives_the_sketch_of_the_whole_byte_for_byte(
    fit: Fit,
    normcli: Cli,
    table: Path,
    tmp_path: Path,
    quantiles: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "KEPT", 100)
    saved = []
    for i, part in enumerate(parts_of(table)):
        saved.append(tmp_path / f"{i}.json")
        saved[-1].write_bytes(fit(part, "--quantiles", quantiles))
    whole = fit(table, "--quantiles", "sketch")
    a, b, c = saved
    ab, bc = tmp_path / "ab.json", tmp_path / "bc.json"
    merged(normcli, ab, b, a)
    merged(normcli, bc, c, b)
    target = tmp_path / "all.json"
    assert merged(normcli, target, a, b, c) == whole
    assert merged(normcli, target, c, ab) == whole
    assert merged(normcli, target, bc, a) == whole
    assert whole != fit(table)


def test_merging_gives_the_fit_of_the_whole_where_cells_are_the_numbers(
    fit: Fit, normcli: Cli, table: Path, tmp_path: Path
) -> None:
    saved = []
    for i, part in enumerate(parts_of(table)):
        saved.append(tmp_path / f"{i}.json")
        saved[-1].write_bytes(fit(part))
    found = json.loads(merged(normcli, tmp_path / "all.json", *saved))
    whole = json.loads(fit(table))
    assert all(c["quantiles"]["exact"] for c in found["columns"].values())
    assert found == whole


def test_a_part_without_numbers_leaves_quantiles_exact(
    fit: Fit, normcli: Cli, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 100)
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    empty = tmp_path / "empty.csv"
    empty.write_text(",".join(COLUMNS) + "\n" + "," * (len(COLUMNS) - 1) + "\n")
    one.write_bytes(fit(table))
    two.write_bytes(fit(empty, "--allow-empty"))
    both = tmp_path / "both.csv"
    both.write_text(table.read_text() + "," * (len(COLUMNS) - 1) + "\n")
    assert merged(normcli, tmp_path / "all.json", two, one) == fit(both)


def test_the_more_columns_the_fewer_cells(fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    x = np.random.default_rng(1).normal(size=(3000, 600))
    np.savetxt(path, x, delimiter=",", header=",".join(f"c{i}" for i in range(600)), comments="")
    found = json.loads(fit(path))["columns"]
    assert {c["cells"]["most"] for c in found.values()} == {(1 << 20) // 600}
    assert sum(len(c["cells"]["counts"]) for c in found.values()) <= 1 << 20


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("quantiles", "at", "0.25"), [5.0, 5.0], "fit again"),
        (("quantiles", "exact"), False, "fit again"),
        (("quantiles", "at"), {"0.50": [2.0, 2.0]}, "is written 0.5"),
        (("quantiles", "at"), {"x": [2.0, 2.0]}, "is not a level"),
        (("cells", "counts"), [1, 2, 1, 2], "add up to 6"),
        (("cells", "counts"), [1, 2, 2], "3 counts of 4 cells"),
        (("cells", "values"), [1.0, 3.0, 2.0, 10.0], "not in ascending order"),
        (("cells", "values"), [0.0, 2.0, 3.0, 10.0], "does not have the min"),
        (("cells", "bits"), 51, "does not go with these fields"),
        (("cells", "most"), 1, "less than the minimum"),
        (("cells",), None, "no cells"),
    ],
)
def test_a_sidecar_that_is_not_consistent_is_refused(
    fit: Fit, tmp_path: Path, place: Sequence[str], value: Any, told: str
) -> None:
    path = tmp_path / "five.csv"
    path.write_text("x\n1\n2\n2\n3\n10\n")
    document = json.loads(fit(path))
    *way, last = place
    entry = document["columns"]["x"]
    for step in way:
        entry = entry[step]
    entry[last] = value
    if value is None:
        del entry[last]
    with pytest.raises(SidecarError, match=told):
        sidecar.loads(json.dumps(document).encode())


def test_exact_quantiles_that_no_cell_has_are_refused(
    fit: Fit, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 100)
    data = fit(table)
    assert sidecar.dumps(sidecar.loads(data)) == data
    document = json.loads(data)
    document["columns"]["normal"]["quantiles"]["at"]["0.25"][0] -= 5
    with pytest.raises(SidecarError, match="not in the cell"):
        sidecar.loads(json.dumps(document).encode())


def test_nothing_is_collected_unless_it_is_asked_for(fit: Fit, table: Path) -> None:
    plain = json.loads(fit(table, "--method", "zscore"))["columns"]["normal"]
    assert plain.keys().isdisjoint({"quantiles", "cells"})


@pytest.mark.parametrize("level", ["2", "x", "0.5,-1", ""])
def test_levels_that_are_none_are_a_usage_error(normcli: Cli, table: Path, level: str) -> None:
    done = normcli("fit", table, "--at", level)
    assert done.code == 2
    assert "--at takes levels" in done.err


def test_python_asks_for_quantiles_as_the_command_line_does(fit: Fit, table: Path) -> None:
    import normcli

    found = normcli.fit(table, method="robust", at=["5%", 0.5])
    assert sidecar.dumps(found) == fit(table, "--at", "0.05,0.5")
    found = normcli.fit(table, method="robust", quantiles="sketch")
    assert sidecar.dumps(found) == fit(table, "--quantiles", "sketch")
    with pytest.raises(UsageError, match="levels from 0 to 1"):
        normcli.fit(table, at=[5])
