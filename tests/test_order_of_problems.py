"""Of several problems of a table the first is told, wherever its chunks are cut."""

from __future__ import annotations

import random
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import normcli as library
from normcli.engines import Engine, Processes, Serial
from normcli.errors import DataError, NormcliError
from normcli.files import sources
from normcli.formats import open_table
from normcli.formats.base import ReadOptions
from normcli.fragments import fragments
from normcli.methods import methods
from normcli.pipeline import Choice, fit
from normcli.pipeline.fragmented import Observe, fit_fragments
from normcli.report import Summary
from normcli.sidecar import dumps
from tests.conftest import Cli

ROWS = [f"{i},{i}.5" for i in range(12)]
SIZES = [
    (),
    ("--chunk-rows", "1", "-j", "1"),
    ("--chunk-rows", "3", "-j", "2"),
    ("--chunk-rows", "7", "-j", "1"),
]
COMMANDS = [
    ("fit", "-s", "x"),
    ("fit",),
    ("fit-transform", "-s", "x"),
    ("fit-transform", "-s", "x", "--method", "batch", "--batch-size", "4"),
]


def csv_of(changes):
    rows = [changes.get(i, row) for i, row in enumerate(ROWS)]
    return "\n".join(["id,x", *rows, ""])


def jsonl_of(changes):
    rows = [f'{{"id":{i},"x":{i}.5}}' for i in range(12)]
    return "\n".join([*(changes.get(i, row) for i, row in enumerate(rows)), ""])


CSV_PROBLEMS = {
    "infinite": ("4,1e999", "is infinite"),
    "ragged": ("4,1,2", "3 cells where the header has 2"),
    "quote": ('4,1"', "a quote inside an unquoted cell"),
    "text": ("4,five", "'five' is not a number"),
}
JSONL_PROBLEMS = {
    "infinite": ('{"id":4,"x":1e999}', "is infinite"),
    "malformed": ('{"id":4,"x":1', "line"),
    "text": ('{"id":4,"x":"five"}', "'five' is not a number"),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("suffix", "table", "problems"),
    [("csv", csv_of, CSV_PROBLEMS), ("jsonl", jsonl_of, JSONL_PROBLEMS)],
    ids=["csv", "jsonl"],
)
def test_the_first_problem_is_told_at_every_chunk_size(
    normcli, tmp_path, command, suffix, table, problems
):
    path = tmp_path / f"t.{suffix}"
    for first, later in product(problems, problems):
        looking = command == ("fit",)
        if "text" in (first, later) and "-s" not in command:
            continue  # no problem, but a column that is left alone
        path.write_text(table({5: problems[first][0], 9: problems[later][0]}))
        # The keys of all JSON lines come first. An infinite number is a problem when all rows
        # have been read: only then it is known whether its column is one of numbers.
        ahead = first != later and (later == "malformed" or (looking and first == "infinite"))
        row, words = (9, problems[later][1]) if ahead else (5, problems[first][1])
        for size in SIZES:
            result = normcli(*command, str(path), *size, "-o", "-", "-q")
            assert result.code == 1, (first, later, size)
            assert words in result.err, (first, later, size)
            assert f"line {row + (suffix == 'csv') + 1}" in result.err, (first, later, size)


# -- looking for the columns of numbers ----------------------------------------------------

METHOD = methods()["zscore"]()
CELLS = ["1", "2.5", "-3", "", "4", "7", "8", "9"]
ODD_CELLS = ["1e999", "-inf", "1e400", "007", "text", "1,2", '"5"', 'y"z', "\xe9"]
VALUES = ["1", "2.5", "-3", "null", "4"]
ODD_VALUES = ["1e999", "-1e400", '"text"', "true", "[1]", "01", "1,", '1,"d":1e999']
COLUMNS = "abc"


def random_csv(r: random.Random) -> str:
    rows = [[r.choice(CELLS) for _ in COLUMNS] for _ in range(r.randint(1, 24))]
    for _ in range(r.randint(0, 4)):
        r.choice(rows)[r.randrange(3)] = r.choice(ODD_CELLS)
    return "".join(",".join(row) + "\n" for row in [list(COLUMNS), *rows])


def random_jsonl(r: random.Random) -> str:
    rows = [{name: r.choice(VALUES) for name in COLUMNS} for _ in range(r.randint(1, 24))]
    for _ in range(r.randint(0, 4)):
        r.choice(rows)[r.choice(COLUMNS)] = r.choice(ODD_VALUES)
    pairs = ((f'"{name}":{value}' for name, value in row.items()) for row in rows)
    return "".join("{" + ",".join(row) + "}\n" for row in pairs)


def looked(path: str, rows: int | None, engine: Engine) -> object:
    """What a fit that looks for columns says: the sidecar and why it left others, or an error."""
    try:
        (source,) = sources([path])
        table = open_table(source, ReadOptions(chunk_rows=rows))
        statistics, summary = fit([table], Choice(), METHOD, {}, engine)
    except NormcliError as error:
        return str(error)
    return dumps(statistics), summary.left


def looked_by_fragments(path: str, size: int) -> object:
    summary = Summary()
    try:
        pieces = fragments(sources([path]), ReadOptions(), None, size, Serial())
        statistics = fit_fragments(pieces, Observe(Choice()), METHOD, {}, Serial(), summary)
    except NormcliError as error:
        return str(error)
    return dumps(statistics), summary.left


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("make", [random_csv, random_jsonl])
def test_what_looking_finds_does_not_depend_on_chunks_jobs_or_fragments(tmp_path, make, seed):
    path = tmp_path / ("t." + make.__name__.removeprefix("random_"))
    path.write_text(make(random.Random(seed)))
    whole = looked(str(path), None, Serial())
    for rows in (1, 2, 7):
        assert looked(str(path), rows, Serial()) == whole, rows
    for size in (7, 40, 100):
        assert looked_by_fragments(str(path), size) == whole, size
    if seed % 10 == 0:
        for rows, jobs in ((1, 2), (1, 3), (2, 2)):
            assert looked(str(path), rows, Processes(jobs)) == whole, (rows, jobs)


@pytest.mark.parametrize("text_first", [True, False])
def test_an_infinite_number_in_a_column_that_is_not_one_of_numbers_is_no_problem(
    normcli: Cli, tmp_path, text_first: bool
) -> None:
    odd = ["text", "1e999"] if text_first else ["1e999", "text"]
    path = tmp_path / "t.csv"
    path.write_text(csv_of({2: f"2,{odd[0]}", 9: f"9,{odd[1]}"}))
    for size in SIZES:
        result = normcli("fit", path, *size, "-o", "-", "-q")
        assert (result.code, result.err) == (0, ""), size


def test_of_infinite_numbers_the_first_in_a_column_of_numbers_is_told(tmp_path) -> None:
    paths = [tmp_path / "1.csv", tmp_path / "2.csv"]
    paths[0].write_text("a,b,c\ninf,1,1\n1,1,inf\n1,inf,1\n")
    paths[1].write_text("c,b,a\n1,inf,1\n1,1,text\n")
    with pytest.raises(DataError, match=r"1\.csv: line 3, column 'c': 'inf' is infinite"):
        library.fit(paths)
    with pytest.raises(DataError, match=r"1\.csv: line 4, column 'b': 'inf' is infinite"):
        library.fit(paths, exclude=["c"])


def test_an_infinite_number_in_typed_data_is_told_by_its_place(normcli: Cli, tmp_path) -> None:
    table = pa.table({"id": list("abcdefg"), "x": [1.0, 2, 3, 4, 5, float("-inf"), 7]})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=4)
    with pa.ipc.new_file(tmp_path / "t.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=4)
    for name, group in (("t.parquet", "row group"), ("t.arrow", "record batch")):
        for size in ((), ("--chunk-rows", "1"), ("--chunk-rows", "5")):
            result = normcli("fit", tmp_path / name, *size, "-o", "-")
            assert result.code == 1
            assert f"{name}: {group} 2, row 2, column 'x': -inf is infinite" in result.err, size
        message = looked_by_fragments(str(tmp_path / name), 1)
        assert f"{name}: {group} 2, row 2, column 'x': -inf is infinite" in str(message)
    for frame in (table, table.to_pandas()):
        with pytest.raises(DataError, match=r"row 6, column 'x': -inf is infinite"):
            library.fit(frame)


# -- scaling -------------------------------------------------------------------------------

CANNOT = {
    "out of range": ("{},99", "'99' is outside the fitted range"),
    "infinite": ("{},-inf", "'-inf' is infinite"),
    "text": ("{},five", "'five' is not a number"),
    "ragged": ("{}", "1 cell where the header has 2"),
    "the other column": ("-1,5", "'-1' is outside the fitted range"),
}


@pytest.mark.parametrize(
    "size", [(), ("--chunk-rows", "1"), ("--chunk-rows", "3"), ("--chunk-rows", "1", "-j", "2")]
)
def test_of_several_reasons_not_to_scale_the_first_is_told_at_every_chunk_size(
    normcli: Cli, tmp_path, size: tuple[str, ...]
) -> None:
    path, sidecar = tmp_path / "t.csv", tmp_path / "s.json"
    path.write_text(csv_of({}))
    assert normcli("fit", path, "-o", sidecar).code == 0
    scale = ("transform", path, "--stats", sidecar, "--method", "minmax", "--out-of-range", "error")
    problems = list(CANNOT.values())
    for (line, words), (later, _) in zip(problems * 2, problems[1:] + problems * 2, strict=False):
        path.write_text(csv_of({5: line.format(5), 9: later.format(9)}))
        result = normcli(*scale, *size)
        assert result.code == 1
        assert "t.csv: line 7" in result.err
        assert words in result.err


def test_a_number_too_large_for_a_float32_is_told_by_its_place(normcli: Cli, tmp_path) -> None:
    path, sidecar = tmp_path / "t.csv", tmp_path / "s.json"
    path.write_text("x,y\n0,0\n1,1\n")
    assert normcli("fit", path, "--method", "minmax", "-o", sidecar).code == 0
    path.write_text("x,y\n1,1\n2,1e300\n1e200,3\n")
    for size in ((), ("--chunk-rows", "1")):
        result = normcli("transform", path, "--stats", sidecar, "--float32", *size)
        words = (
            "t.csv: line 3, column 'y': '1e300' becomes 1e+300, which is too large for a float32"
        )
        assert words in result.err
