"""Maps and chains, from the command line to the bytes: scikit-learn and NumPy say what is right."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from normcli.methods import methods
from normcli.methods.maps import Map
from tests.conftest import Cli

NUMBERS = [0.125, 0.5, 0.75, 0.0625, 0.875]
TABLE = "id,x\n" + "".join(f"{i:03},{x}\n" for i, x in enumerate(NUMBERS))
MAPS = {name: method for name, method in methods().items() if issubclass(method, Map)}
# Functions of NumPy or SciPy of the same name, and what else a map is called there.
PEERS = {"asinh": "arcsinh", "symlog": None, "logit": None}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    return path


def column(text: str) -> list[float]:
    return [float(row["x"]) for row in csv.DictReader(text.splitlines())]


@pytest.mark.parametrize("name", MAPS)
def test_a_map_is_the_function_of_its_name(normcli: Cli, table: Path, name: str) -> None:
    peer = PEERS.get(name, name)
    if peer is None:
        special = pytest.importorskip("scipy.special")
        x = np.array(NUMBERS)
        expected = special.logit(x) if name == "logit" else np.sign(x) * np.log1p(np.abs(x))
    else:
        expected = getattr(np, peer)(NUMBERS)
    done = normcli("transform", table, "-q", "--column", f"x={name}")
    np.testing.assert_allclose(column(done.text), expected, rtol=4e-16)
    assert [line[:4] for line in done.text.splitlines()[1:]] == [f"{i:03}," for i in range(5)]


@pytest.mark.parametrize("name", MAPS)
def test_inverse_undoes_a_chain(normcli: Cli, table: Path, name: str) -> None:
    stats = table.with_suffix(".json")
    assert normcli("fit", table, "-q", "--method", f"{name}+zscore", "-o", stats).code == 0
    scaled = normcli("transform", table, "-q", "--stats", stats).out
    back = normcli("inverse", "-q", "--stats", stats, stdin=scaled)
    np.testing.assert_allclose(column(back.text), NUMBERS, rtol=1e-14)


@pytest.mark.parametrize(
    ("spelling", "scaler"),
    [("log1p+zscore", "StandardScaler"), ("sqrt+minmax", "MinMaxScaler")],
)
def test_a_chain_is_a_pipeline_of_scikit_learn(
    normcli: Cli, table: Path, spelling: str, scaler: str
) -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    mapped = getattr(np, spelling.partition("+")[0])(np.array(NUMBERS).reshape(-1, 1))
    expected = getattr(preprocessing, scaler)().fit_transform(mapped).ravel()
    done = normcli("fit-transform", table, "-q", "--method", spelling)
    np.testing.assert_allclose(column(done.text), expected, rtol=1e-14, atol=1e-15)


def test_statistics_of_mapped_numbers_are_exact_and_stand_apart(normcli: Cli, table: Path) -> None:
    stats = table.with_suffix(".json")
    normcli("fit", table, "-q", "--method", "log1p+zscore", "-o", stats)
    entry = json.loads(stats.read_text())["columns"]["x"]
    assert entry["mean"] == float(sum(map(Fraction, NUMBERS)) / 5)
    mapped = [Fraction(float(x)) for x in np.log1p(NUMBERS)]
    assert entry["of"]["log1p"]["mean"] == float(sum(mapped) / 5)
    assert sum(map(Fraction, entry["of"]["log1p"]["sum"])) == sum(mapped)


def test_statistics_of_other_numbers_are_never_taken(normcli: Cli, table: Path) -> None:
    stats = table.with_suffix(".json")
    normcli("fit", table, "-q", "--method", "log1p+zscore", "-o", stats)
    done = normcli("transform", table, "--stats", stats, "--method", "sqrt+zscore")
    assert (done.code, done.out) == (2, b"")
    assert "column 'x': the statistics have no moments of sqrt" in done.err
    assert "normcli fit TABLE --method sqrt+zscore" in done.err


def test_raw_statistics_serve_any_method_without_maps(normcli: Cli, table: Path) -> None:
    stats, raw = table.with_suffix(".json"), table.with_suffix(".raw.json")
    normcli("fit", table, "-q", "--method", "log1p+zscore", "-o", stats)
    normcli("fit", table, "-q", "-o", raw)
    scaled = [
        normcli("transform", table, "-q", "--stats", each, "--method", "minmax:-1,1").out
        for each in (stats, raw)
    ]
    assert scaled[0] == scaled[1]


@pytest.mark.parametrize("how", ["transform", "fit"])
def test_a_number_outside_the_domain_is_told_with_its_place(
    normcli: Cli, tmp_path: Path, how: str
) -> None:
    path, target = tmp_path / "t.csv", tmp_path / "target"
    path.write_text("id,x\na,1\nb,-3\n")
    done = normcli(
        how, path, "-o", target, "--method", "log1p" if how == "transform" else "log1p+zscore"
    )
    assert done.code == 1
    assert f"{path}: line 3, column 'x'" in done.err
    assert "-3" in done.err
    assert "domain of log1p, which is > -1" in done.err
    assert not target.exists()


def test_maps_may_follow_the_method_that_is_fitted(normcli: Cli, table: Path) -> None:
    done = normcli("fit-transform", table, "-q", "--method", "zscore+clip:-1,1")
    plain = normcli("fit-transform", table, "-q")
    np.testing.assert_array_equal(column(done.text), np.clip(column(plain.text), -1, 1))


def test_a_chain_of_maps_alone_needs_no_statistics(normcli: Cli, table: Path) -> None:
    done = normcli("transform", table, "-q", "--method", "sqrt+log")
    np.testing.assert_allclose(column(done.text), np.log(np.sqrt(NUMBERS)), rtol=1e-15)


def test_one_method_is_fitted_in_a_chain(normcli: Cli, table: Path) -> None:
    done = normcli("fit", table, "--method", "zscore+minmax")
    assert done.code == 2
    assert "a chain has one method that is fitted, not zscore and minmax" in done.err


def test_batch_normalization_in_a_chain_is_that_of_prediction(normcli: Cli, table: Path) -> None:
    done = normcli("fit-transform", table, "-q", "--method", "log1p+batch")
    x = np.log1p(NUMBERS)
    expected = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    np.testing.assert_allclose(column(done.text), expected, rtol=1e-13)
    done = normcli("fit-transform", table, "--method", "log1p+batch:mode=train,batch-size=2")
    assert done.code == 2
    assert "batch in training mode cannot be part of a chain" in done.err


@pytest.mark.parametrize("options", [(), ("--engine", "dask", "--jobs", "1")])
def test_parts_have_the_rows_of_the_whole(
    normcli: Cli, table: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    if options:
        pytest.importorskip("distributed")
    whole = normcli("transform", table, "-q", "--method", "log1p").out
    assert whole.startswith(b"id,x\n000,")  # numbers with leading zeros are labels
    for name, method in (("all", ("--method", "log1p")), ("one", ("--column", "x=log1p"))):
        parts = tmp_path / name
        done = normcli("transform", table, "-q", *method, "--output-dir", parts, *options)
        assert done.code == 0, done.err
        assert b"".join(path.read_bytes() for path in sorted(parts.iterdir())) == whole


def test_inverse_of_a_map_needs_no_statistics(normcli: Cli, table: Path) -> None:
    scaled = normcli("transform", table, "-q", "--method", "log1p").out
    back = normcli("inverse", "-q", "--method", "log1p", stdin=scaled)
    np.testing.assert_allclose(column(back.text), NUMBERS, rtol=1e-15)
    done = normcli("inverse", table, "--method", "clip:0,1")
    assert (done.code, done.out) == (2, b"")
    assert "clip loses how far numbers are outside its range" in done.err


OUTSIDE = {
    "log": "0",
    "log1p": "-1",
    "log2": "-3",
    "log10": "-0.0",
    "sqrt": "-1e-300",
    "logit": "1",
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_number_outside_the_domain_becomes_missing_where_that_is_asked_for(
    normcli: Cli, table: Path, name: str
) -> None:
    table.write_text(f"{TABLE}005,{OUTSIDE[name]}\n006,\n")
    told = "1 cell outside the domain, made missing ('x')"
    refused = normcli("transform", table, "--column", f"x={name}")
    assert (refused.code, "--on-domain null" in refused.err) == (1, True)
    done = normcli("transform", table, "--column", f"x={name}:on-domain=null")
    assert (done.code, done.text.splitlines()[-2:]) == (0, ["005,", "006,"])
    assert told in done.err
    asked = ("--method", f"{name}+zscore", "--on-domain", "null")
    stats = table.with_suffix(".json")
    fit = normcli("fit", table, "-o", stats, *asked)
    assert told in fit.err
    mapped = json.loads(stats.read_text())["columns"]["x"]["of"][name]
    assert (mapped["count"], mapped["missing"]) == (5, 2)
    both = normcli("fit-transform", table, "-q", *asked)
    again = normcli("transform", table, "-q", "--stats", stats, "--on-domain", "null")
    assert both.out == again.out
    np.testing.assert_allclose(np.mean(column(both.text[: both.text.index("005")])), 0, atol=1e-15)
    assert normcli("transform", table, "-q", "--stats", stats).code == 1  # a policy of one run


def test_inverses_have_domains_too(normcli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x\n0\n2\n")
    assert normcli("inverse", table, "--column", "x=tanh").code == 1
    done = normcli("inverse", table, "--column", "x=tanh:on-domain=null")
    assert done.text == 'x\n0.0\n""\n'


def test_only_maps_that_have_a_domain_take_the_option(normcli: Cli, table: Path) -> None:
    done = normcli("transform", table, "--column", "x=cbrt:on-domain=null")
    assert (done.code, "cbrt has no option 'on-domain'" in done.err) == (2, True)
    done = normcli("fit", table, "-o", "-", "--on-domain", "null")
    assert (done.code, "--on-domain belongs to --method log" in done.err) == (2, True)


def test_explain_tells_what_becomes_missing(normcli: Cli, table: Path) -> None:
    chain = "log:on-domain=null+tanh"
    done = normcli("transform", table, "--explain", "--column", f"x={chain}")
    assert "tanh(log(x)), missing where log is not defined" in done.text
