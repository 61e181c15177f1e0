"""``normcli learn``: gamma is scikit-learn's ridge coefficient, the same bytes in any order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from tests.conftest import Cli
from tools import gamma


def ridge(frame, target, l2=1.0):
    """The standardized coefficients by scikit-learn, of root mean square 1."""
    classes = not isinstance(target.iloc[0], float)
    y = pd.get_dummies(target).to_numpy(float) if classes else target
    found = Ridge(l2, solver="cholesky").fit(StandardScaler().fit_transform(frame), y).coef_
    found = np.sqrt((found**2).sum(axis=0)) if classes else found
    return dict(zip(frame, found / np.sqrt((found**2).mean()), strict=True))


@pytest.fixture
def iris(tmp_path: Path) -> Path:
    data = load_iris(as_frame=True)
    frame = data.data.assign(name=[data.target_names[i] for i in data.target])
    path = tmp_path / "iris.csv"
    frame.to_csv(path, index=False)
    return path


def fitted(normcli: Cli, table: Path, *options: object) -> Path:
    stats = table.with_suffix(".stats.json")
    assert normcli("fit", "-q", table, "-o", stats, *options).code == 0
    return stats


def learned(normcli: Cli, *arguments: object, **options: bytes) -> dict[str, float]:
    done = normcli("learn", "-q", *arguments, **options)
    assert done.code == 0, done.err
    found: dict[str, float] = json.loads(done.out)
    return found


def assert_near(found, expected):
    assert list(found) == list(expected)
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("l2", [1, 0, 1000.5])
def test_numbers_give_the_coefficients_of_ridge(normcli: Cli, tmp_path: Path, l2: float) -> None:
    frame = load_diabetes(as_frame=True, scaled=False).frame
    table = tmp_path / "t.csv"
    frame.to_csv(table, index=False)
    found = learned(
        normcli, table, "--stats", fitted(normcli, table), "--target", "target", "--l2", l2
    )
    assert_near(found, ridge(frame.drop(columns="target"), frame["target"], l2))


def test_text_is_classes_of_whose_coefficients_the_norm_is_taken(normcli: Cli, iris: Path) -> None:
    frame = pd.read_csv(iris)
    found = learned(normcli, iris, "--stats", fitted(normcli, iris), "--target", "name")
    assert_near(found, ridge(frame.drop(columns="name"), frame["name"]))


def test_numbers_are_classes_where_that_is_asked_for(normcli: Cli, iris: Path) -> None:
    stats = fitted(normcli, iris)
    expected = learned(normcli, iris, "--stats", stats, "--target", "name")
    frame = pd.read_csv(iris)
    frame["name"] = pd.factorize(frame["name"])[0]
    frame.to_csv(iris, index=False)
    arguments = (iris, "--stats", stats, "--target", "name")
    assert learned(normcli, *arguments, "--classes") == expected
    assert learned(normcli, *arguments) != expected


def test_the_bytes_are_the_same_for_any_order_chunks_jobs_format_and_cut(
    normcli: Cli, iris: Path, tmp_path: Path
) -> None:
    stats = fitted(normcli, iris)
    frame = pd.read_csv(iris)
    expected = normcli("learn", "-q", iris, "--stats", stats, "--target", "name").out
    assert expected
    shuffled = frame.sample(frac=1, random_state=1)[list(frame)[::-1]]
    parts = [tmp_path / f"part{i}.csv" for i in range(3)]
    for part, rows in zip(parts, np.array_split(np.arange(150), 3), strict=True):
        shuffled.iloc[rows].to_csv(part, index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for inputs in (
        [*parts, "--chunk-rows", 7, "-j", 2],
        [parts[2], parts[0], parts[1]],
        [tmp_path / "t.parquet"],
        [tmp_path / "t.jsonl"],
    ):
        done = normcli("learn", "-q", *inputs, "--stats", stats, "--target", "name")
        assert done.out == expected
    piped = normcli("learn", "-q", "--stats", stats, "--target", "name", stdin=iris.read_bytes())
    assert piped.out == expected


def test_the_order_in_which_classes_come_makes_no_difference(normcli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 8)), columns=list("abcdefgh"))
    frame["y"] = [f"class {i}" for i in rng.integers(0, 20, 300)]
    table, found = tmp_path / "t.csv", set()
    frame.to_csv(table, index=False)
    stats = fitted(normcli, table)
    for seed in range(5):
        frame.sample(frac=1, random_state=seed).to_csv(table, index=False)
        found.add(normcli("learn", "-q", table, "--stats", stats, "--target", "y").out)
    assert len(found) == 1


def test_a_text_after_many_numbers_makes_all_of_them_classes(normcli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = [f"{i % 7},{i % 3},{i % 3}" for i in range(50)]
    table.write_text("\n".join(["x,z,y", *rows, "1,2,other"]) + "\n")
    stats = fitted(normcli, table)
    for order in (table.read_text(), "\n".join(["x,z,y", "1,2,other", *rows]) + "\n"):
        table.write_text(order)
        done = normcli("learn", table, "--stats", stats, "--target", "y", "--chunk-rows", 5)
        assert "from 4 classes of 'y'" in done.err


def test_rows_with_a_missing_cell_are_left_out_and_counted(normcli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "y"])
    whole = frame.copy()
    frame.loc[3, "a"] = frame.loc[9, "y"] = np.nan
    frame.loc[5] = np.nan
    table = tmp_path / "t.csv"
    frame.to_csv(table, index=False)
    summary = tmp_path / "summary.json"
    options = ("--stats", fitted(normcli, table), "--target", "y", "--json-summary", summary)
    done = normcli("learn", table, *options, "-v")
    assert done.err.splitlines()[0] == f"read {table} as csv"
    assert "60 rows in" in done.err
    assert "3 rows left out: a cell is missing" in done.err
    assert json.loads(summary.read_text())["dropped_rows"] == 3
    kept = frame.dropna()
    z = (kept[["a", "b"]] - frame[["a", "b"]].mean()) / frame[["a", "b"]].std(ddof=0)
    coefficients = Ridge(1.0).fit(z, kept["y"]).coef_
    found = np.array(list(json.loads(done.out).values()))
    assert found / found[0] == pytest.approx(coefficients / coefficients[0], rel=1e-10)
    assert len(whole) - len(kept) == 3


def test_a_constant_column_gets_0_and_the_target_is_not_among_the_columns(
    normcli: Cli, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x,c,y\n1,5,1\n2,5,3\n4,5,2\n")
    done = normcli("learn", table, "--stats", fitted(normcli, table), "--target", "y")
    found = json.loads(done.out)
    assert found == {"x": pytest.approx(2**0.5), "c": 0}
    assert "constant, so gamma is 0: c" in done.err


def test_the_result_is_taken_by_gamma_and_the_statistics_are_not_changed(
    normcli: Cli, iris: Path, tmp_path: Path
) -> None:
    stats, learned_gamma = fitted(normcli, iris), tmp_path / "gamma.json"
    before = stats.read_bytes()
    done = normcli("learn", iris, "--stats", stats, "--target", "name", "-o", learned_gamma)
    assert done.err.splitlines()[-1] == f"saved in {learned_gamma}"
    assert stats.read_bytes() == before
    options = ("--stats", stats, "--method", "batch", "--gamma", f"@{learned_gamma}")
    out = tmp_path / "out.csv"
    assert normcli("transform", "-q", iris, *options, "-o", out).code == 0
    scaled = pd.read_csv(out).drop(columns="name")
    assert scaled.std(ddof=0).to_dict() == pytest.approx(
        json.loads(learned_gamma.read_text()), rel=1e-4
    )


def test_maps_before_the_method_of_a_column_come_first(normcli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.lognormal(size=80), "b": rng.normal(size=80)})
    frame["y"] = np.log1p(frame["a"]) + frame["b"] / 2 + rng.normal(size=80)
    table = tmp_path / "t.csv"
    frame.to_csv(table, index=False)
    stats = fitted(normcli, table, "--column", "a=log1p+minmax")
    found = learned(normcli, table, "--stats", stats, "--target", "y")
    frame["a"] = np.log1p(frame["a"])
    assert_near(found, ridge(frame[["a", "b"]], frame["y"]))


def test_numbers_beside_a_large_offset_keep_their_digits(normcli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 99, 80), "b": rng.integers(0, 99, 80)})
    frame["y"] = 2.0 * frame["a"] - frame["b"] + rng.normal(size=80)
    table = tmp_path / "t.csv"
    found = []
    for offset in (0, 2**60):
        frame.assign(a=frame["a"] + offset).to_csv(table, index=False)
        found.append(learned(normcli, table, "--stats", fitted(normcli, table), "--target", "y"))
    assert list(found[0].values()) == pytest.approx(list(found[1].values()), rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "arguments", "code", "words"),
    [
        ("1,2,3", ["--target", "z"], 2, "no column 'z' for --target"),
        ("1,2,3", [], 2, "learn needs --target"),
        ("1,2,3", ["--target", "y", "--l2", "-1"], 2, "--l2 must be 0 or a positive number"),
        ("1,2,3", ["--target", "y", "--l2", "inf"], 2, "--l2 must be 0 or a positive number"),
        ("1,2,3", ["--target", "y", "-s", "q"], 2, "no column 'q'"),
        ("1,2,3", ["--target", "y"], 1, "only 1 of 1 row have a number in every column"),
        ("1,,3\n,2,4", ["--target", "y"], 1, "only 0 of 2 rows have a number"),
        ("1,2,3\n2,2,3", ["--target", "y"], 1, "no column says anything about the target 'y'"),
        ("1,2,3\n2,4,4\n3,6,6", ["--target", "y", "--l2", "0"], 1, "some columns follow from"),
        ("1,1e300,3\n2,4,4", ["--target", "y"], 1, "Are these the statistics of another table?"),
        ("1,2,1e299\n2,5,4", ["--target", "y"], 1, "too large to learn from"),
        ("1,2,inf\n2,5,4", ["--target", "y"], 1, "line 2, column 'y': 'inf' is infinite"),
        ("1,oops,3\n2,5,4", ["--target", "y"], 1, "line 2, column 'b'"),
    ],
)
def test_what_cannot_be_learned_is_refused_and_the_old_file_stays(
    normcli: Cli, tmp_path: Path, rows: str, arguments: list[str], code: int, words: str
) -> None:
    table, target = tmp_path / "t.csv", tmp_path / "gamma.json"
    table.write_text("a,b,y\n1,2,3\n2,5,4\n7,1,9\n")
    stats = fitted(normcli, table)
    table.write_text(f"a,b,y\n{rows}\n")
    target.write_text("old")
    done = normcli("learn", table, "--stats", stats, "-o", target, *arguments)
    assert (done.code, words in done.err) == (code, True), done.err
    assert target.read_text() == "old"


def test_a_target_of_names_is_refused(normcli: Cli, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x,y\n" + "".join(f"{i},name{i}\n" for i in range(1500)))
    done = normcli("learn", table, "--stats", fitted(normcli, table), "--target", "y")
    assert done.code == 1
    assert "'y' has more than 1000 different texts. Is it a name or an id" in done.err


def test_an_infinite_target_that_is_ignored_leaves_its_row_out(
    normcli: Cli, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("x,y\n1,2\n2,inf\n3,3\n5,7\n")
    stats = fitted(normcli, table, "--on-inf", "ignore")
    options = ("--stats", stats, "--target", "y", "--on-inf", "ignore")
    done = normcli("learn", table, *options)
    assert json.loads(done.out) == {"x": 1}
    assert "1 row left out" in done.err


PAGES = Path(__file__).parents[1] / "docs"


def test_the_figures_of_the_page_and_the_help_come_out_again() -> None:
    plain, with_gamma = gamma.scores("iris", 10)
    page = (PAGES / "batch-normalization.md").read_text("utf-8")
    assert f"| iris | 4 | 10 | {plain:.3f} | {with_gamma:.3f} |" in page
    assert with_gamma > plain + 0.1
    text = " ".join((PAGES / "reference.md").read_text("utf-8").split())
    assert f"rises from {plain:.2f} to {with_gamma:.2f}" in text
    plain, with_gamma = gamma.scores("breast_cancer", 0)
    assert f"breast cancer: {plain:.3f} without, {with_gamma:.3f} with gamma" in text
