"""Rows that --where selects: its grammar, its three values, and what is fitted."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.errors import UsageError
from normcli.formats.memory import table as in_memory
from normcli.pipeline.roles import Roles
from normcli.pipeline.where import DEPTH, condition
from tests.conftest import Cli

ROWS = {
    "split": ["train", "test", "train", None, "a'b", "NA", ""],
    "age": [20, None, 17, 40, 2**53 + 1, 18, -3],
    "x": [1.5, 0.1, None, 2.0, 1e300, -0.0, 7.0],
    "b c": ["1", "1.0", "01", None, " 1", "é", "z"],
}


@pytest.fixture(scope="module")
def sqlite() -> sqlite3.Connection:
    """The same rows in SQLite, which has three-valued logic too; an empty text is null here."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (split text, age integer, x real, `b c` text)")
    rows = [
        [None if cell == "" else cell for cell in row] for row in zip(*ROWS.values(), strict=True)
    ]
    connection.executemany("insert into t values (?, ?, ?, ?)", rows)
    return connection


def selected(text: str) -> list[int]:
    """The numbers of the rows that a condition selects."""
    table = in_memory(pa.table({name: pa.array(cells) for name, cells in ROWS.items()}))
    places = Roles(where=condition(text)).places(table)
    (chunk,) = table.chunks()
    return condition(text).selected(chunk, places.compared).nonzero()[0].tolist()


def by_sqlite(sqlite: sqlite3.Connection, text: str) -> list[int]:
    found = sqlite.execute(f"select rowid - 1 from t where {text} order by rowid")
    return [row for (row,) in found]


CONDITIONS = [
    "split == 'train' and age >= 18",
    "split = 'train' or x < 2",
    "not (split = 'train' or x < 2)",
    "split != 'train'",
    "not split == 'train'",
    "split in ('train', 'a''b')",
    "split not in ('train', 'NA')",
    "age in (17, 18, -3)",
    "x is null or split is null",
    "x is not null and not (age is null)",
    "age > 9007199254740992",
    "age == 9007199254740993",
    "x == 0.1",
    "x >= -0",
    "x > 1e299",
    "`b c` == '1'",
    "`b c` > '1' and `b c` <= 'é'",
    "((age > 17)) and not not (x is not null)",
    "AGE_IS_NOT_THERE = 1 or age = 1",
]


@pytest.mark.parametrize("text", CONDITIONS[:-1])
def test_it_selects_the_rows_that_sqlite_selects(sqlite: sqlite3.Connection, text: str) -> None:
    assert selected(text) == by_sqlite(sqlite, text)


TESTS = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["age", "x"]),
        st.sampled_from(["==", "=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["17", "0.1", "-3", "2", "1e300", "9007199254740993"]),
    ),
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["split", "`b c`"]),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["'train'", "'1'", "'a''b'", "'é'"]),
    ),
    st.sampled_from(["split is null", "x is not null", "age not in (17, 18)", "split in ('test')"]),
)
TREES = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        inner.map("not ({})".format),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("{} and {}".format, inner, inner),
    ),
)


@given(text=TREES)
def test_any_condition_selects_what_sqlite_selects(sqlite: sqlite3.Connection, text: str) -> None:
    assert selected(text) == by_sqlite(sqlite, text)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("age >> 18", 6, "expected a number, or a text in single quotes, not '>'"),
        ("age", 4, "expected a comparison such as ==, not the end"),
        ("", 1, "expected the name of a column, not the end"),
        ("age == 'a", 8, "this ' is never closed"),
        ('age == "a"', 8, "write texts in single quotes"),
        ("`age == 1", 1, "this ` is never closed"),
        ("(age == 1", 10, "expected a closing parenthesis, not the end"),
        ("age == 1)", 9, "expected and, or, or the end, not ')'"),
        ("age == 1 x == 2", 10, "expected and, or, or the end, not 'x'"),
        ("age in 1", 8, "expected an opening parenthesis"),
        ("age in (1 2)", 11, "expected a comma or a closing parenthesis"),
        ("age is 1", 8, "expected null, not '1'"),
        ("age not 1", 9, "expected in, not '1'"),
        ("1 == age", 1, "expected the name of a column"),
        ("age == x", 8, "expected a number, or a text in single quotes, not 'x'"),
        ("age == 1e999", 8, "beyond float64"),
        ("age == 1e99999999999", 8, "beyond float64"),
        ("age == 1.2.3", 8, "'1' does not belong here"),
        ("__import__('os')", 11, "expected a comparison such as ==, not '('"),
        ("age == 1; drop table t", 9, "';' does not belong here"),
        ("not " * (DEPTH + 1) + "age == 1", 4 * (DEPTH + 1) + 1, "nested deeper than 50 levels"),
        ("(" * 100_000, DEPTH + 2, "nested deeper than 50 levels"),
    ],
)
def test_errors_say_where(text: str, place: int, words: str) -> None:
    with pytest.raises(UsageError) as error:
        condition(text)
    assert f"--where, character {place}: " in str(error.value)
    assert words in str(error.value)


# -- fit and fit-transform -------------------------------------------------------------------

TABLE = "split,age,x\ntrain,20,1\ntest,30,oops\ntrain,17,5\ntrain,,7\ntrain,40,3\n"
TRAIN = "split == 'train' and age >= 18"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The table without the text, in three formats."""
    split, age = ["train", "test", *["train"] * 3], [20, 30, 17, None, 40]
    arrow = pa.table({"split": split, "age": age, "x": [1, 9, 5, 7, 3]})
    paths = {name: tmp_path / f"t.{name}" for name in ("csv", "jsonl", "parquet")}
    paths["csv"].write_text(TABLE.replace("oops", "9"))
    lines = [{k: v for k, v in row.items() if v is not None} for row in arrow.to_pylist()]
    paths["jsonl"].write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    pq.write_table(arrow, paths["parquet"], row_group_size=2)
    return paths


def test_statistics_are_those_of_the_selected_rows_in_every_format(
    normcli: Cli, files: dict[str, Path]
) -> None:
    found = {
        normcli("fit", path, "--where", TRAIN, "-q", "-o", "-", *more).out
        for path in files.values()
        for more in ([], ["--chunk-rows", 1], ["--chunk-rows", 2, "--jobs", 2])
    }
    (sidecar,) = found
    document = json.loads(sidecar)
    alone = normcli("fit", "-q", stdin=b"split,age,x\ntrain,20,1\ntrain,40,3\n").out
    assert document.pop("where") == TRAIN
    assert document == json.loads(alone)


def test_the_selected_rows_decide_which_columns_are_numbers(normcli: Cli) -> None:
    arguments, table = ("fit", "--where", TRAIN, "-o", "-"), TABLE.encode()
    done = normcli(*arguments, stdin=table)
    assert list(json.loads(done.out)["columns"]) == ["age", "x"]
    assert "3 rows left out of the statistics by --where" in done.err
    for chunk in (1, 2, 3):
        again = normcli(
            "fit", "--where", TRAIN, "-o", "-", "--chunk-rows", chunk, stdin=TABLE.encode()
        )
        assert again.out == done.out


def test_fit_transform_scales_all_rows_by_the_selected_ones(normcli: Cli, tmp_path: Path) -> None:
    table = TABLE.replace("oops", "9").encode()
    stats, report = tmp_path / "s.json", tmp_path / "r.json"
    done = normcli(
        *("fit-transform", "-s", "x", "--where", TRAIN),
        *("--save-stats", stats, "--json-summary", report),
        stdin=table,
    )
    scaled = [line.split(",")[2] for line in done.text.split()]
    assert scaled == ["x", "-1.0", "7.0", "3.0", "5.0", "1.0"]
    assert json.loads(stats.read_text())["rows"] == 2
    assert json.loads(report.read_text())["unselected_rows"] == 3
    assert normcli("transform", "--stats", stats, stdin=table).out == done.out  # of all rows
    assert normcli("inverse", "--stats", stats, "-q", stdin=done.out).out == table


def test_text_elsewhere_in_a_chosen_column_is_an_error_with_its_line(normcli: Cli) -> None:
    done = normcli("fit-transform", "--where", TRAIN, stdin=TABLE.encode())
    assert (done.code, done.err.split("\n")[0]) == (
        1,
        "normcli: stdin: line 3, column 'x': 'oops' is not a number",
    )


def test_messages_name_the_line_in_the_file(normcli: Cli, files: dict[str, Path]) -> None:
    infinite = files["csv"].read_text().replace("train,40,3", "train,40,inf")
    files["csv"].write_text(infinite)
    for more in ([], ["-s", "x"], ["--chunk-rows", 2]):
        done = normcli("fit", files["csv"], "--where", TRAIN, *more)
        assert "line 6, column 'x': 'inf' is infinite" in done.err
    table = pa.table({"k": ["a", "b", "a", "a"], "x": [1.0, 2.0, 3.0, float("inf")]})
    pq.write_table(table, files["parquet"])
    done = normcli("fit", files["parquet"], "--where", "k == 'a'")
    assert "row group 1, row 4, column 'x': inf is infinite" in done.err


@pytest.mark.parametrize(
    ("where", "code", "words"),
    [
        ("split == 'train' and", 2, "--where, character 21: expected the name of a column"),
        ("splt == 'train'", 1, "no column is named 'splt', the column that --where compares."),
        ("split == 'dev'", 1, "--where: none of the rows fulfils the condition"),
        ("split > 3", 1, "line 2, column 'split': 'train' is not a number"),
    ],
)
def test_refusals(normcli: Cli, where: str, code: int, words: str) -> None:
    done = normcli("fit", "--where", where, stdin=TABLE.encode())
    assert (done.code, words in done.err) == (code, True), done.err


def test_merge_demands_the_same_condition(normcli: Cli, tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    for path, where in zip(paths, ("x > 0", "x > 0", "x > 1"), strict=True):
        assert normcli("fit", "-q", "-o", path, "--where", where, stdin=b"x\n1\n2\n").code == 0
    assert json.loads(normcli("merge", "-q", *paths[:2]).out)["where"] == "x > 0"
    assert "fitted with where x > 0 in one, x > 1 in the other" in normcli("merge", *paths).err


def test_it_goes_with_groups(normcli: Cli) -> None:
    options = ("--by", "split", "--where", "age >= 18", "-s", "age")
    done = normcli("fit", *options, "-q", stdin=TABLE.encode())
    groups = {g["key"][0]: g["rows"] for g in json.loads(done.out)["groups"]}
    assert groups == {"test": 1, "train": 2}
