"""`normcli export`: what other programs make of the files is what `transform` makes."""

from __future__ import annotations

import csv
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from normcli.bridges.export import names, target_named
from normcli.bridges.to_sql import DIALECTS
from normcli.methods import methods
from tests.conftest import Cli, Outcome

NODE = pytest.mark.skipif(not shutil.which("node"), reason="node is not here")
WAYS = [
    ("python",),
    pytest.param(("js",), marks=NODE),
    ("sql", "--dialect", "sqlite"),
    ("sql", "--dialect", "duckdb"),
]
NAMES = [
    "a,b",
    'q"uote',
    "it's",
    "new\nline",
    "select",
    "__proto__",
    "constructor",
    "🧮",
    "a`b]c[d",
    "back\\slash ${1} {0} %s",
    "*/ -- ; DROP TABLE data; --",
    "p0",
    "key0",
]
NUMBERS = ["0.1", "0.25", "0.5", "0.75", "0.9", "0.3", "0.3", "1e-3", "0.999", "", "0.7"]


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def verified(done: Outcome) -> tuple[int, int, float]:
    """Rows, cells that differ, and the largest difference."""
    plain = re.sub(r"(?<=\d)\s(?=\d)", "", done.err)  # 1 000 rows
    found = re.search(
        r": (\d+) rows?, (\d+) of \d+ cells? differ(?:, by at most (\S+) ulp)?", plain
    )
    assert found, done.err
    return int(found[1]), int(found[2]), float(found[3] or 0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [["x", "y"], *([v, v and str(-1e4 * float(v))] for v in NUMBERS)]
    return write(tmp_path / "t.csv", rows)


SPELLINGS = [
    *(s for m in methods().values() for s in m.examples if "running" not in s),
    *(
        "log1p+zscore",
        "sqrt+minmax:-1,1",
        "minmax:-1.5,1.5",
        "minmax:-7,0.1",
        "clip:0.2,0.6+zscore",
    ),
    *("zscore+tanh", "asinh+robust", "symlog+minmax:-5,2.5,out-of-range=clip"),
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_every_method_is_exported_within_its_tolerance_or_refused_by_name(
    way: tuple[str, ...], table: Path, tmp_path: Path, normcli: Cli
) -> None:
    stats = tmp_path / "s.json"
    for spelling in SPELLINGS:
        if normcli("fit", "-q", table, "-s", "x", "--method", spelling, "-o", stats).code:
            normcli("fit", "-q", table, "-s", "x", "-o", stats)
        arguments = [
            stats,
            "--to",
            *way,
            "--method",
            spelling,
            "--verify",
            table,
            "-o",
            tmp_path / "o",
        ]
        done = normcli("export", *arguments)
        if done.code == 2:
            told = re.search(
                r"column 'x', (\S+): (what a number becomes|the normal quantile)", done.err
            )
            assert told, done.err
            assert told[1] in ("quantile", "unit", "layer", "rms")
            assert told[1] != "quantile" or "normal" in spelling
            continue
        assert done.code == 0, (spelling, done.err)
        assert verified(done)[0] == len(NUMBERS)


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("policy", ["keep", "clip", "null"])
def test_numbers_out_of_range_follow_the_policy(
    way: tuple[str, ...], policy: str, table: Path, tmp_path: Path, normcli: Cli
) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "--method", "minmax:-1,3", "-o", stats)
    others = write(tmp_path / "o.csv", [["x", "y"], ["-5", "1e9"], ["7", "-1e300"], ["", "0"]])
    options = ("--out-of-range", policy, "--verify", others)
    done = normcli("export", stats, "--to", *way, *options, "-o", tmp_path / "o")
    assert (done.code, verified(done)[0]) == (0, 3), done.err


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_what_transform_refuses_stops_the_export(
    way: tuple[str, ...], table: Path, tmp_path: Path, normcli: Cli
) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "-s", "x", "--method", "minmax", "-o", stats)
    done = normcli("export", stats, "--to", *way, "--method", "minmax:out-of-range=error")
    if way[0] == "python":
        space: dict[str, object] = {}
        exec(done.text, space)
        with pytest.raises(ValueError, match=r"7.0 is outside the fitted range"):
            space["scale"]({"x": 7.0})
    elif way[0] == "js":
        program = done.text + "\nscale({x: 7});"
        run = subprocess.run(
            ["node", "--input-type=module", "-e", program], capture_output=True, check=False
        )
        assert b"RangeError: 7 is outside the fitted range" in run.stderr
    elif way[-1] == "sqlite":
        with sqlite3.connect(":memory:") as connection:
            connection.execute("CREATE TABLE data (x REAL)")
            connection.execute("INSERT INTO data VALUES (7)")
            with pytest.raises(sqlite3.OperationalError, match="malformed JSON"):
                connection.execute(done.text).fetchall()
    else:
        duckdb = pytest.importorskip("duckdb")
        query = done.text.replace("FROM data", "FROM (SELECT 7.0 AS x)")
        with pytest.raises(duckdb.Error, match="is outside the fitted range"):
            duckdb.sql(query).fetchall()


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("missing", ["keep", "null", "mean", "median", "-3.5"])
def test_missing_cells_are_treated_as_transform_does(
    way: tuple[str, ...], missing: str, table: Path, tmp_path: Path, normcli: Cli
) -> None:
    stats = tmp_path / "s.json"
    assert normcli("fit", "-q", table, "--missing", missing, "-o", stats).code == 0
    done = normcli("export", stats, "--to", *way, "--verify", table, "-o", tmp_path / "o")
    assert (done.code, verified(done)[0]) == (0, len(NUMBERS)), done.err


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_names_and_keys_may_have_any_characters(
    way: tuple[str, ...], tmp_path: Path, normcli: Cli
) -> None:
    head = ["the key", *NAMES]
    rows = [[name, *(str(i * j) for j in range(len(NAMES)))] for i, name in enumerate([*NAMES, ""])]
    table = write(tmp_path / "t.csv", [head, *rows, *rows[::-1]])
    stats = tmp_path / "s.json"
    assert normcli("fit", "-q", table, "--by", "the key", "-o", stats).code == 0
    done = normcli("export", stats, "--to", *way, "--verify", table, "-o", tmp_path / "o")
    assert done.code == 0, done.err
    assert verified(done)[:2] == (2 * len(rows), 0)


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("groups", [3, 101])
@pytest.mark.parametrize("unseen", ["global", "keep", "null"])
def test_groups_are_cases_or_a_lookup_and_unseen_ones_follow_the_policy(
    way: tuple[str, ...], groups: int, unseen: str, tmp_path: Path, normcli: Cli
) -> None:
    rows = [[f"g{i % groups}", str(i % 7), str(i * i % 1013)] for i in range(3 * groups)]
    table = write(tmp_path / "t.csv", [["g", "x", "p0_0"], *rows])
    stats = tmp_path / "s.json"
    fit = normcli(
        "fit", "-q", table, "--by", "g", "-s", "x,p0_0", "--method", "minmax", "-o", stats
    )
    assert fit.code == 0, fit.err
    more = write(tmp_path / "m.csv", [["g", "x", "p0_0"], *rows, ["new", "5", "6"], ["", "1", ""]])
    done = normcli(
        *("export", stats, "--to", *way, "--unseen", unseen),
        *("--verify", more, "-o", tmp_path / "o"),
    )
    assert done.code == 0, done.err
    assert verified(done)[0] == len(rows) + 2
    if way[0] == "sql":
        text = (tmp_path / "o").read_text()
        assert ("LEFT JOIN lookup" in text) == (groups > 100)


def test_infinite_numbers_stay_and_squash_draws_them_in(tmp_path: Path, normcli: Cli) -> None:
    table = write(tmp_path / "t.csv", [["x"], *([str(i)] for i in range(9))])
    others = write(tmp_path / "o.csv", [["x"], ["inf"], ["-inf"], ["nan"], [""], ["1e300"]])
    for method in ("zscore", "minmax:out-of-range=clip", "squash", "asinh"):
        stats = tmp_path / "s.json"
        normcli("fit", "-q", table, "--method", method, "--at", "25%,50%,75%", "-o", stats)
        for way in ("python",), ("sql", "--dialect", "sqlite"), ("sql", "--dialect", "duckdb"):
            done = normcli(
                *("export", stats, "--to", *way, "--method", method, "--on-inf", "ignore"),
                *("--verify", others, "-o", tmp_path / "o"),
            )
            assert done.code == 0, (method, way, done.err)


def test_numbers_that_float64_cannot_tell_apart_are_a_difference(
    tmp_path: Path, normcli: Cli
) -> None:
    big = 2**53
    table = write(tmp_path / "t.csv", [["x"], *([str(big + i)] for i in (0, 1, 2, 3))])
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "-o", stats)
    arguments = ("export", stats, "--to", "python", "--verify", table, "-o", tmp_path / "o")
    done = normcli(*arguments)
    assert done.code == 3, done.err
    assert re.search(r"ulp in column 'x'; 4 are allowed", done.err)
    done = normcli(*arguments, "--tolerance-ulp", "1e20")
    assert done.code == 0, done.err


def test_neither_the_statistics_nor_the_table_are_replaced(
    table: Path, tmp_path: Path, normcli: Cli
) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "-o", stats)
    for path in (stats, table):
        before = path.read_bytes()
        done = normcli("export", stats, "--to", "js", "--verify", table, "-o", path)
        assert done.code in (1, 2), done.err
        assert path.read_bytes() == before


def test_python_gives_a_copy_of_the_row(table: Path, tmp_path: Path, normcli: Cli) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "-s", "x", "--method", "minmax", "-o", stats)
    (tmp_path / "scaler.py").write_bytes(normcli("export", stats, "--to", "python").out)
    code = "import scaler; row = {'x': 0.999, 'id': '007'}; print(scaler.scale(row), row)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'x': 1.0, 'id': '007'} {'x': 0.999, 'id': '007'}\n"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_parses(dialect: str, tmp_path: Path, normcli: Cli) -> None:
    sqlglot = pytest.importorskip("sqlglot", reason="sqlglot, which parses dialects, is not here")
    rows = [[str(i % 200), str(i), str(1 + i % 9)] for i in range(600)]
    table = write(tmp_path / "t.csv", [["g", "x", "order"], *rows])
    stats = tmp_path / "s.json"
    name = {"postgresql": "postgres", "sqlserver": "tsql"}.get(dialect, dialect)
    for by in ((), ("--by", "g")):
        normcli("fit", "-q", table, *by, "-s", "x,order", "--method", "log1p+minmax", "-o", stats)
        done = normcli("export", stats, "--to", "sql", "--dialect", dialect)
        assert done.code == 0, done.err
        assert sqlglot.parse_one(done.text, dialect=name).sql(dialect=name)


def test_the_first_character_of_a_case_does_not_matter_to_some_databases(
    tmp_path: Path, normcli: Cli
) -> None:
    table = write(tmp_path / "t.csv", [["Age", "age"], ["1", "2"], ["3", "5"]])
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "-o", stats)
    done = normcli("export", stats, "--to", "sql", "--dialect", "sqlite")
    assert (done.code, done.out) == (2, b"")
    assert "sqlite takes the columns 'Age' and 'age' for the same" in done.err
    assert normcli("export", stats, "--to", "sql").code == 0


def test_training_and_unknown_targets_are_refused(
    table: Path, tmp_path: Path, normcli: Cli
) -> None:
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "-o", stats)
    train = ("--method", "batch:mode=train,batch-size=2")
    for arguments, told in (
        (("--to", "pyhton"), "Did you mean 'python'?"),
        (("--to", "sql", "--dialect", "oracle"), "--dialect is one of postgresql"),
        (
            ("--to", "sql", *train),
            "column 'x', batch: in training every batch is scaled by its own",
        ),
        (("--to", "js", "--method", "quantile:normal"), "quantile"),
    ):
        done = normcli("export", stats, *arguments, "-o", tmp_path / "o")
        assert (done.code, done.out) == (2, b""), done.err
        assert told in done.err
        assert not (tmp_path / "o").exists()


def test_the_help_lists_all_targets(normcli: Cli) -> None:
    text = " ".join(normcli("export", "--help").text.split())
    assert f"The program: {', '.join(names())}." in text
    assert all(target_named(name).what for name in names())


def test_torch_gets_a_state_of_batch_normalization(
    table: Path, tmp_path: Path, normcli: Cli
) -> None:
    stats, state, back = (tmp_path / name for name in ("s.json", "l.safetensors", "b.json"))
    normcli("fit", "-q", table, "-o", stats)
    done = normcli("export", stats, "--to", "torch", "-o", state)
    assert done.code == 0, done.err
    assert normcli("import", state, "--columns", "x,y", "-o", back).code == 0
    ours, theirs = (
        normcli("transform", "-q", table, "--stats", each).text.split() for each in (stats, back)
    )
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        for a, b in zip(one.split(","), other.split(","), strict=True):
            assert a == b == "" or float(a) == pytest.approx(float(b), rel=1e-5, abs=1e-6)
    for method, told in (
        ("log", "can only multiply and add"),
        ("minmax:out-of-range=clip", "use --out-of-range keep"),
        ("minmax:out-of-range=null", "use --out-of-range keep"),
    ):
        done = normcli("export", stats, "--to", "torch", "--method", method)
        assert (done.code, told in done.err) == (2, True), done.err


def test_a_layer_of_torch_computes_what_transform_does(
    table: Path, tmp_path: Path, normcli: Cli
) -> None:
    pytest.importorskip("torch", reason="the extra normcli[torch] is not installed")
    stats = tmp_path / "s.json"
    normcli("fit", "-q", table, "-o", stats)
    for method in ("zscore", "minmax:-1,3", "maxabs", "batch:mode=predict,gamma=2,beta=-1"):
        done = normcli(
            *("export", stats, "--to", "torch", "--method", method),
            *("--verify", table, "-o", tmp_path / "o", "--tolerance-ulp", "1e5"),
        )
        assert done.code == 0, done.err
