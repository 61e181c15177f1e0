"""Of several problems in a table the first is reported, wherever its chunks are cut."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import product
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import normcli as library
from normcli.engines.fragments import fragments
from normcli.engines.local import Serial, engine
from normcli.errors import DataError, NormcliError
from normcli.formats import open_table
from normcli.formats.base import ReadOptions
from normcli.formats.jsonl import table as jsonl
from normcli.methods import methods
from normcli.methods.spelling import Asked
from normcli.pipeline import Choice, Job, fit
from normcli.pipeline.fragmented import ScaleToPart, fit_fragments
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import dumps
from normcli.storage.sources import sources
from normcli.views.report import as_json
from tests.conftest import Cli
from tests.test_csv import reading

ROWS = [f"{i},{i}.5" for i in range(12)]
SIZES = [(), *(("--chunk-rows", rows, "-j", "1") for rows in ("1", "5"))]
FORKED = ("--chunk-rows", "1", "-j", "2")  # starting processes takes most of the time of a test
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
    for i, (first, later) in enumerate(product(problems, problems)):
        looking = command == ("fit",)
        if "text" in (first, later) and "-s" not in command:
            continue  # no problem, but a column that is left alone
        path.write_text(table({5: problems[first][0], 9: problems[later][0]}))
        # The keys of all JSON lines come first. An infinite number is a problem when all rows
        # have been read: only then it is known whether its column is one of numbers.
        ahead = first != later and (later == "malformed" or (looking and first == "infinite"))
        row, words = (9, problems[later][1]) if ahead else (5, problems[first][1])
        for size in [*SIZES, FORKED] if i % 5 == 1 else SIZES:
            result = normcli(*command, str(path), *size, "-o", "-", "-q")
            assert result.code == 1, (first, later, size)
            assert words in result.err, (first, later, size)
            assert f"line {row + (suffix == 'csv') + 1}" in result.err, (first, later, size)


# -- random tables, read in every way ------------------------------------------------------

ZSCORE = methods()["zscore"]()
STRICT = methods()["minmax"].from_parameters({"out_of_range": "error"})
COLUMNS = "abc"
NINE = library.fit(pa.table({name: [-9.0, 9.0] for name in COLUMNS})).columns
CELLS = ["1", "2.5", "-3", "", "4", "7", "8", "9"]
ODD_CELLS = ["1e999", "-inf", "99", "007", "text", "1,2", '"5"', 'y"z', '"\n"', '"', "\xe9", "\0"]
VALUES = ["1", "2.5", "-3", "null", "4"]
ODD_VALUES = ["1e999", "-1e400", "99", '"text"', "true", "[1]", "01", "1,", '1,"d":1e999', "\0"]


@dataclass(frozen=True)
class Way:
    """How a table is read: rows of a chunk, jobs, bytes of a fragment, bytes read at a time."""

    rows: int | None = None
    jobs: int = 1
    fragment: int | None = None
    block: int = 1 << 12  # all of it


WAYS = [
    *(Way(rows=rows) for rows in (1, 2, 7)),
    *(Way(fragment=size) for size in (7, 40, 100)),
    *(Way(rows=2, block=block) for block in (1, 33)),
]


@dataclass(frozen=True)
class Case:
    """Some inputs, and what is done with them."""

    paths: list[str]
    choice: Choice
    limit: int  # bytes of a record

    def fitted(self, way: Way) -> object:
        """The result of a fit, and its report."""
        summary, options = Summary(), self._options(way)
        if way.fragment:
            pieces = fragments(sources(self.paths), options, None, way.fragment, Serial())
            statistics = fit_fragments(pieces, self.choice, Asked(ZSCORE), Serial(), summary)
        else:
            tables = (open_table(source, options) for source in sources(self.paths))
            statistics, _ = fit(tables, self.choice, Asked(ZSCORE), engine(way.jobs), summary)
        return dumps(statistics), told(summary)

    def scaled(self, way: Way) -> object:
        """The result of a transform of the first input, and its report."""
        summary, rows = Summary(), b""
        options = replace(self._options(way), columns=tuple(COLUMNS))
        job = Job(Asked(STRICT), statistics=Statistics(2, NINE, STRICT), choice=self.choice)
        work = ScaleToPart(job, self.paths[0].rpartition(".")[2])
        size = way.fragment or 1 << 30
        for piece in fragments(sources(self.paths[:1]), options, None, size, Serial()):
            scaling, stream = work.prepare(piece), BytesIO()
            scaling.run(stream, engine(way.jobs))
            rows += stream.getvalue().removeprefix(getattr(scaling.encoder, "head", b""))
            summary.add(scaling.summary)
        return rows, told(summary)

    def _options(self, way: Way) -> ReadOptions:
        skips = self.choice.skip_bad_rows
        return ReadOptions(
            {"max-record-bytes": self.limit}, chunk_rows=way.rows, skip_bad_rows=skips
        )


def told(summary: Summary) -> str:
    """Everything in a report except the time, in order."""
    summary.bytes = None
    return json.dumps(as_json(summary))


def outcome(work: Callable[[Way], object], way: Way) -> object:
    """The result of some work, or its error."""
    with reading(way.block), patch.object(jsonl, "BLOCK", way.block):
        try:
            return work(way)
        except NormcliError as error:
            return str(error)


def random_csv(r: random.Random) -> str:
    rows = [[r.choice(CELLS) for _ in COLUMNS] for _ in range(r.randint(1, 24))]
    for _ in range(r.randint(0, 4)):
        r.choice(rows)[r.randrange(3)] = r.choice(ODD_CELLS)
    names = r.choice([COLUMNS] * 8 + ["cab", "abd"])
    return "".join(",".join(row) + "\n" for row in [list(names), *rows])


def random_jsonl(r: random.Random) -> str:
    rows = [{name: r.choice(VALUES) for name in COLUMNS} for _ in range(r.randint(1, 24))]
    for _ in range(r.randint(0, 4)):
        r.choice(rows)[r.choice(COLUMNS * 3 + "d")] = r.choice(ODD_VALUES)
    pairs = ((f'"{name}":{value}' for name, value in row.items()) for row in rows)
    return "".join("{" + ",".join(row) + "}\n" for row in pairs)


def random_case(r: random.Random, directory: Path) -> Case:
    format_, make = r.choice([("csv", random_csv), ("jsonl", random_jsonl)])
    paths = [directory / f"{i}.{format_}" for i in range(r.choice([1, 1, 2, 3]))]
    for path in paths:
        path.write_text(make(r), encoding="latin-1")
    choice = Choice(
        select=r.choice([(), (), ("b",), ("a", "c")]),
        ignore_infinite=r.random() < 0.2,
        skip_bad_rows=r.random() < 0.4,
    )
    return Case([str(path) for path in paths], choice, r.choice([1 << 26, 1 << 26, 25]))


def assert_all_ways_agree(seed: int, directory: Path) -> None:
    """In every tenth case worker processes do the work, too."""
    r = random.Random(seed)
    case = random_case(r, directory)
    for work in (case.fitted, case.scaled):
        whole = outcome(work, Way())
        for way in r.sample(WAYS, 4):
            assert outcome(work, way) == whole, way
        if seed % 10 == 0:
            assert outcome(work, Way(rows=1, jobs=2)) == whole


@pytest.mark.parametrize("seed", range(20))
def test_what_is_done_and_told_does_not_depend_on_chunks_jobs_or_fragments(
    tmp_path: Path, seed: int
) -> None:
    assert_all_ways_agree(seed, tmp_path)


@pytest.mark.slow
def test_what_is_done_and_told_never_depends_on_them(tmp_path: Path) -> None:
    for seed in range(20, 1000):
        (tmp_path / str(seed)).mkdir()
        assert_all_ways_agree(seed, tmp_path / str(seed))


# -- looking for the columns of numbers ----------------------------------------------------


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
        case = Case([str(tmp_path / name)], Choice(), 1 << 26)
        message = outcome(case.fitted, Way(fragment=1))
        assert f"{name}: {group} 2, row 2, column 'x': -inf is infinite" in str(message)
    for frame in (table, table.to_pandas()):
        with pytest.raises(DataError, match=r"row 6, column 'x': -inf is infinite"):
            library.fit(frame)


# -- bad rows that are skipped -------------------------------------------------------------


@pytest.mark.parametrize("size", [*SIZES, FORKED], ids=" ".join)
def test_before_a_quote_that_is_never_closed_other_problems_are_told(
    normcli: Cli, tmp_path: Path, size: tuple[str, ...]
) -> None:
    path = tmp_path / "t.csv"
    skipping = ("--on-bad-row", "skip", *size, "-q")
    rows = {1: "1,five", 6: "6", 7: "7,1e999", 8: '8,"1'}
    path.write_text(csv_of(rows))
    for verb in (("fit", "-o", "-"), ("fit-transform",)):
        result = normcli(*verb, path, "-s", "x", *skipping)
        assert "t.csv: line 9, column 'x': '1e999' is infinite" in result.err
    batches = ("transform", "--method", "batch", "--batch-size", "2")
    texts = (csv_of({**rows, 7: "7,1"}), csv_of({8: '8,"1'}))
    for text, verb in product(texts, (("fit-transform",), batches)):
        path.write_text(text)
        result = normcli(*verb, path, "-s", "x", *skipping)
        assert (result.code, "line 10: a quote opened at line 10" in result.err) == (1, True)


# -- several inputs ------------------------------------------------------------------------


def error_in(paths: list[Path], columns: tuple[str, ...] = ()) -> str:
    """The one error of a fit of whole inputs and of fragments."""
    case = Case([str(path) for path in paths], Choice(columns), 1 << 26)
    errors = {str(outcome(case.fitted, Way(fragment=size))) for size in (None, 30, 100)}
    assert len(errors) == 1, errors
    return errors.pop()


def test_what_is_wrong_in_an_input_is_told_before_what_is_wrong_in_the_next(
    tmp_path: Path,
) -> None:
    good, text, bad, odd = (tmp_path / f"{name}.jsonl" for name in ("good", "text", "bad", "odd"))
    good.write_text(jsonl_of({}))
    text.write_text(jsonl_of({5: JSONL_PROBLEMS["text"][0]}))
    bad.write_text(jsonl_of({3: JSONL_PROBLEMS["malformed"][0]}))
    odd.write_text(jsonl_of({7: '{"id":1,"x":2,"more":3}', 9: JSONL_PROBLEMS["text"][0]}))
    assert "text.jsonl: line 6" in error_in([good, text, bad], ("x",))
    assert "bad.jsonl: line 4" in error_in([good, bad, text], ("x",))
    assert "odd.jsonl: this table alone has the column 'more'" in error_in([good, odd, bad])
    head = tmp_path / "head.csv"
    head.write_text('id,"x\n' + "1,2\n" * 50)
    ragged = tmp_path / "ragged.csv"
    ragged.write_text(csv_of({5: CSV_PROBLEMS["ragged"][0]}))
    assert "ragged.csv: line 7" in error_in([ragged, head])
    assert "head.csv: line 1" in error_in([head, ragged])


def test_parts_are_refused_for_the_first_input_that_is_wrong(normcli: Cli, tmp_path: Path) -> None:
    inputs, sidecar = tmp_path / "in", tmp_path / "s.json"
    inputs.mkdir()
    (inputs / "1.jsonl").write_text(jsonl_of({}))
    assert normcli("fit", inputs, "-o", sidecar).code == 0
    text, malformed = JSONL_PROBLEMS["text"][0], JSONL_PROBLEMS["malformed"][0]
    (inputs / "2.jsonl").write_text(jsonl_of({5: text, 9: malformed}))
    (inputs / "3.jsonl").write_text(jsonl_of({3: malformed}))
    arguments = ("transform", inputs, "--stats", sidecar, "--output-dir", tmp_path / "out")
    for size in ("30", "100", "1000000"):
        for to in ((), ("--to", "jsonl")):
            result = normcli(*arguments, *to, "--fragment-bytes", size)
            assert "2.jsonl: line 6, column 'x'" in result.err


def test_long_lines_of_json_are_told_after_what_comes_before_them(
    normcli: Cli, tmp_path: Path
) -> None:
    path, sidecar = tmp_path / "t.jsonl", tmp_path / "s.json"
    path.write_text(jsonl_of({}))
    assert normcli("fit", path, "-o", sidecar).code == 0
    long = '{"id":9,"x":1,"text":"' + "z" * 100 + '"}'
    transform = ("transform", path, "--stats", sidecar)
    for command, (row, words) in (
        (transform, JSONL_PROBLEMS["text"]),
        (("fit", path, "-s", "x"), JSONL_PROBLEMS["malformed"]),
        (transform, ("", "line 10 is longer than 80 bytes")),
    ):
        path.write_text(jsonl_of({5: row, 9: long}))
        for size in SIZES:
            result = normcli(*command, "--max-record-bytes", "80", *size)
            assert words in result.err
            assert f"t.jsonl: line {6 if row else 10}" in result.err


# -- scaling -------------------------------------------------------------------------------

CANNOT = {
    "out of range": ("{},99", "'99' is outside the fitted range"),
    "infinite": ("{},-inf", "'-inf' is infinite"),
    "text": ("{},five", "'five' is not a number"),
    "ragged": ("{}", "1 cell where the header has 2"),
    "the other column": ("-1,5", "'-1' is outside the fitted range"),
}


@pytest.mark.parametrize("size", [*SIZES, FORKED])
def test_of_several_reasons_not_to_scale_the_first_is_told_at_every_chunk_size(
    normcli: Cli, tmp_path, size: tuple[str, ...]
) -> None:
    path, sidecar = tmp_path / "t.csv", tmp_path / "s.json"
    path.write_text(csv_of({}))
    assert normcli("fit", path, "-o", sidecar).code == 0
    scale = ("transform", path, "--stats", sidecar, "--method", "minmax", "--out-of-range", "error")
    problems = list(CANNOT.values())
    pairs = [*zip(problems * 2, problems[1:] + problems * 2, strict=False)]
    for (line, words), (later, _) in pairs[:: 3 if size == FORKED else 1]:
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


def test_a_column_option_is_looked_up_in_the_first_input(tmp_path: Path, normcli: Cli) -> None:
    """A column that a later input lacks is reported for that input, not for the option."""
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("x,y\n1,2\n")
    second.write_text("x,z\n1,2\n")
    done = normcli("fit", first, second, "--column", "y=minmax", "-o", tmp_path / "s.json")
    assert done.code == 1
    assert done.err.startswith(f"normcli: {second}: this table has no column 'y'; all inputs")
