"""Rows that have weights (--weight): exact sums, and what numpy and scikit-learn make of them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.preprocessing import StandardScaler

from normcli.errors import SidecarError
from normcli.numerics.digits import GRID
from normcli.numerics.grouped import weighted_sums_by
from normcli.sidecar import loads
from tests.conftest import Cli

RNG = np.random.default_rng(17)
X = np.round(RNG.normal(50, 9, 200), 3)
REAL = np.round(RNG.exponential(2.0, 200), 2)  # some are 0
WHOLE = RNG.integers(0, 4, 200)
SHOP = RNG.choice(["a", "b", "c"], 200)


def csv_text(weights: np.ndarray, x: np.ndarray = X, shop: np.ndarray = SHOP) -> bytes:
    rows = zip(shop.tolist(), weights.tolist(), x.tolist(), strict=True)
    return ("shop,w,x\n" + "".join(f"{s},{w},{v}\n" for s, w, v in rows)).encode()


def fitted(normcli: Cli, data: bytes, *options: object) -> dict:
    done = normcli("fit", "--weight", "w", "-q", *options, stdin=data)
    assert done.code == 0, done.err
    return json.loads(done.out)


def anything(n: int) -> np.ndarray:
    """Sizes over the whole range of float64."""
    return 10.0 ** RNG.integers(-320, 308, n)


@pytest.mark.parametrize(
    "weight",
    [
        pytest.param(lambda n: RNG.random(n)[None], id="usual"),
        pytest.param(
            lambda n: (RNG.random(n) * 10.0 ** RNG.integers(-320, 308, n))[None], id="all"
        ),
        pytest.param(lambda n: RNG.integers(0, 9, n)[None].astype(float), id="whole"),
    ],
)
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(lambda n: RNG.normal(100, 15, n)[None], id="usual"),
        pytest.param(
            lambda n: (RNG.normal(size=n) * 10.0 ** RNG.integers(-320, 308, n))[None], id="all"
        ),
        pytest.param(
            lambda n: np.stack([RNG.integers(-9, 9, n) * 2.0**60, RNG.integers(0, 99, n) * 1.0]),
            id="in parts",
        ),
    ],
)
def test_the_four_sums_are_exact(
    weight: Callable[[int], np.ndarray], number: Callable[[int], np.ndarray]
) -> None:
    w, parts, codes = weight(300), number(300), RNG.integers(0, 5, 300)
    cells = [sum(map(Fraction, column)) for column in parts.T.tolist()]
    weights = [Fraction(v) for v in w[0].tolist()]
    powers = ((1, 0), (2, 0), (1, 1), (1, 2))
    for (a, b), found in zip(powers, weighted_sums_by(parts, w, codes, 6), strict=True):
        expected = [Fraction()] * 6
        for v, x, code in zip(weights, cells, codes.tolist(), strict=True):
            expected[code] += v**a * x**b
        assert [n * Fraction(2) ** (GRID * found.low) for n in found.integers()] == expected


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(
    ("kind", "weights", "numpy_s"),
    [("frequency", WHOLE, "fweights"), ("reliability", REAL, "aweights")],
)
def test_mean_and_std_are_those_of_numpy(
    normcli: Cli, kind: str, weights: np.ndarray, numpy_s: str, ddof: int
) -> None:
    options = ("--weight-kind", kind, "--ddof", ddof)
    found = fitted(normcli, csv_text(weights), *options)["columns"]["x"]["weight"]
    assert found["mean"] == pytest.approx(np.average(X, weights=weights), rel=1e-14)
    variance = np.cov(X, ddof=ddof, **{numpy_s: weights})
    assert found["std"] == pytest.approx(math.sqrt(variance), rel=1e-13)


def test_the_known_answers(normcli: Cli) -> None:
    """x = 1, 2, 2, 3, 10 with the weights 1, 2, 3, 1, 1."""
    data = b"w,x\n1,1\n2,2\n3,2\n1,3\n1,10\n"
    found = {
        (kind, ddof): fitted(normcli, data, "--weight-kind", kind, "--ddof", ddof)["columns"]["x"]
        for kind in ("frequency", "reliability")
        for ddof in (0, 1)
    }
    assert all(column["weight"]["mean"] == 3.0 for column in found.values())
    variances = {key: column["weight"]["std"] ** 2 for key, column in found.items()}
    assert variances == pytest.approx(
        {
            ("frequency", 0): 7.25,
            ("reliability", 0): 7.25,
            ("frequency", 1): 8.285714285714285,
            ("reliability", 1): 9.666666666666666,
        },
        rel=1e-14,
    )


def test_scaled_is_what_scikit_learn_says(normcli: Cli) -> None:
    done = normcli("fit-transform", "--weight", "w", "-q", stdin=csv_text(REAL))
    scaler = StandardScaler().fit(X[:, None], sample_weight=REAL)
    found = [float(row["x"]) for row in csv.DictReader(io.StringIO(done.text))]
    np.testing.assert_allclose(found, scaler.transform(X[:, None])[:, 0], rtol=1e-12, atol=1e-12)


def test_whole_frequencies_are_rows_that_are_repeated(normcli: Cli) -> None:
    weighted = fitted(normcli, csv_text(WHOLE), "--weight-kind", "frequency", "--ddof", 1)
    repeated = np.repeat(X, WHOLE)
    plain = json.loads(
        normcli(
            "fit", "-s", "x", "-q", "--ddof", 1, stdin=csv_text(repeated, repeated, repeated)
        ).out
    )["columns"]["x"]
    section = weighted["columns"]["x"]["weight"]
    assert (section["mean"], section["std"]) == (plain["mean"], plain["std"])
    assert (section["wx"], section["wx2"]) == (plain["sum"], plain["sum_of_squares"])


@pytest.mark.parametrize("method", ["robust", "robust:scale=mad", "quantile:n=20", "winsorize"])
@pytest.mark.parametrize("by", [[], ["--by", "shop"]])
def test_quantiles_of_frequencies_are_those_of_repeated_rows(
    normcli: Cli, tmp_path: Path, method: str, by: list[str]
) -> None:
    weighted, plain = tmp_path / "w.json", tmp_path / "p.json"
    options = ("-s", "x", "--method", method, *by, "-q", "-o")
    kind = ("--weight", "w", "--weight-kind", "frequency")
    assert normcli("fit", *options, weighted, *kind, stdin=csv_text(WHOLE)).code == 0
    repeated = csv_text(*(np.repeat(each, WHOLE) for each in (WHOLE, X, SHOP)))
    assert normcli("fit", *options, plain, stdin=repeated).code == 0
    found, expected = (
        normcli("transform", "--stats", stats, "-q", stdin=csv_text(WHOLE)).out
        for stats in (weighted, plain)
    )
    assert found == expected


def test_rows_are_counted_and_those_of_weight_zero_are_left_out(
    normcli: Cli, tmp_path: Path
) -> None:
    report = tmp_path / "r.json"
    data = b"w,x,y\n1,2,a\n0,99,3\n0,,4\n2,4,5\n1,,6\n"
    document = fitted(normcli, data, "--json-summary", report, "-s", "x")
    column = document["columns"]["x"]
    assert document["rows"] == 5
    assert {k: column[k] for k in ("count", "missing", "nan", "inf", "left_out")} == {
        "count": 2,
        "missing": 1,
        "nan": 0,
        "inf": 0,
        "left_out": 2,
    }
    assert (column["min"], column["max"]) == (2.0, 4.0)
    assert column["weight"]["w"] == [3.0]  # of the numbers, not of the missing cell
    assert json.loads(report.read_text())["cells"]["zero_weight"] == {"x": 2}


def test_every_format_chunk_and_job_gives_the_same_sidecar(normcli: Cli, tmp_path: Path) -> None:
    table = pa.table({"shop": SHOP, "w": REAL, "x": X})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=37)
    (tmp_path / "t.csv").write_bytes(csv_text(REAL))
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in table.to_pylist()))
    found = {
        normcli("fit", tmp_path / name, "--weight", "w", *by, "-q", "-o", "-", *more).out
        for name in ("t.parquet", "t.csv", "t.jsonl")
        for by in ([], ["--by", "shop"])
        for more in ([], ["--chunk-rows", 7], ["--jobs", 2, "--chunk-rows", 11])
    }
    assert len(found) == 2  # without and with groups


def test_each_group_has_the_sums_of_its_rows_alone(normcli: Cli) -> None:
    document = fitted(normcli, csv_text(REAL), "--by", "shop")
    for group in document["groups"]:
        own = group["key"][0] == SHOP
        alone = fitted(normcli, csv_text(REAL[own], X[own], SHOP[own]))
        assert group["columns"] == alone["columns"]


def test_decimal_weights_are_exact(normcli: Cli, tmp_path: Path) -> None:
    weights = [Decimal("0.10"), Decimal("0.20"), Decimal("0.30")]
    pq.write_table(pa.table({"w": weights, "x": [1.0, 2.0, 4.0]}), tmp_path / "t.parquet")
    done = normcli("fit", tmp_path / "t.parquet", "--weight", "w", "-q", "-o", "-")
    section = json.loads(done.out)["columns"]["x"]["weight"]
    assert (section["w"], section["w_scale"]) == ([6.0], 1)
    assert (section["wx"], section["wx_scale"]) == ([17.0], 1)


def test_maps_weigh_what_they_make(normcli: Cli) -> None:
    done = normcli(
        "fit-transform", "--weight", "w", "--method", "log1p+zscore", "-q", stdin=csv_text(REAL)
    )
    y = np.log1p(X)
    scaler = StandardScaler().fit(y[:, None], sample_weight=REAL)
    found = [float(row["x"]) for row in csv.DictReader(io.StringIO(done.text))]
    np.testing.assert_allclose(found, scaler.transform(y[:, None])[:, 0], rtol=1e-10, atol=1e-10)


def test_merging_parts_gives_the_whole(normcli: Cli, tmp_path: Path) -> None:
    paths = []
    for i, some in enumerate((slice(0, 50), slice(50, 51), slice(51, None))):
        paths.append(tmp_path / f"{i}.json")
        data = csv_text(REAL[some], X[some], SHOP[some])
        assert normcli("fit", "--weight", "w", "-q", "-o", paths[-1], stdin=data).code == 0
    whole = normcli("fit", "--weight", "w", "-q", stdin=csv_text(REAL)).out
    assert normcli("merge", *reversed(paths), "-q").out == whole
    other = tmp_path / "f.json"
    options = ("--weight", "w", "--weight-kind", "frequency")
    assert normcli("fit", *options, "-q", "-o", other, stdin=csv_text(WHOLE)).code == 0
    assert "cannot merge: fitted with weight" in normcli("merge", paths[0], other).err


@pytest.mark.parametrize(
    ("cell", "options", "words"),
    [
        ("-1", [], "line 3, column 'w': '-1' is not a weight: it must be a number, 0 or more"),
        ("", [], "line 3, column 'w': '' is not a weight"),
        ("NaN", [], "line 3, column 'w': 'NaN' is not a weight"),
        ("inf", [], "line 3, column 'w': 'inf' is not a weight"),
        ("oops", [], "line 3, column 'w': 'oops' is not a number"),
        ("1.5", ["--weight-kind", "frequency"], "line 3, column 'w': '1.5' is not a whole number"),
    ],
)
def test_a_bad_weight_is_an_error_with_its_line(
    normcli: Cli, cell: str, options: list[str], words: str
) -> None:
    data = f"w,x\n1,2\n{cell},3\n1,4\n".encode()
    for chunk in (1, 100):
        done = normcli("fit", "--weight", "w", *options, "--chunk-rows", chunk, stdin=data)
        assert (done.code, words in done.err) == (1, True), done.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--weight", "v"], 1, "no column is named 'v', the column of weights"),
        (["--weight", "w", "-s", "w,x"], 2, "--select 'w': this column is the column of weights"),
        (["--weight", "w", "--by", "w"], 2, "--weight 'w': this column is the key of the groups"),
        (["--weight", "w", "--method", "robust"], 2, "--weight does not go with robust"),
        (
            ["--weight", "w", "--weight-kind", "frequency", "--method", "boxcox"],
            2,
            "--weight does not go with boxcox",
        ),
        (["--weight", "w", "--missing", "median"], 2, "--weight does not go with quantiles"),
        (["--weight", "w", "--method", "batch"], 2, "--weight does not go with batch"),
    ],
)
def test_refusals(normcli: Cli, options: list[str], code: int, words: str) -> None:
    done = normcli("fit", *options, stdin=b"w,x\n1,2\n")
    assert (done.code, words in done.err) == (code, True), done.err


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("w", [-1.0], "weights are not negative"),
        ("w2", [1e300], "no weights with this sum can have it"),
        ("wx2", [1e-9], "no numbers with these weights and this sum can have it"),
        ("mean", 7.0, "does not match the exact sums"),
        ("std", 7.0, "does not match the exact sums"),
        ("kind", "odd", "field 'weight.kind': 'odd' is not valid"),
        ("w", [1.0, 2.0], "not the canonical form"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(
    normcli: Cli, field: str, value: object, words: str
) -> None:
    document = fitted(normcli, csv_text(REAL))
    document["columns"]["x"]["weight"][field] = value
    with pytest.raises(SidecarError, match=re.escape(words)):
        loads(json.dumps(document).encode())
