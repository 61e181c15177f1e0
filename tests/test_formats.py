"""What holds for every format: the contract, the options that it declares, one folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.formats import formats, options
from normcli.formats.base import Chunk, Divisible, Encoder, Format, Table, Writer
from tests.conftest import Cli

LINES = '''
"""One number a line."""

from normcli.formats.base import Encoder, Format, Option, Writer
from normcli.formats.memory import MemoryTable

SKIP = Option("skip-lines", 0, "Lines before the first number.", "COUNT")


class Lines(Format):
    name = "lines"
    suffixes = (".lines",)
    options = (SKIP,)

    def open(self, source, options):
        import pyarrow as pa

        with source.open() as stream:
            lines = stream.read().decode().split()[options[SKIP] :]
        data = pa.table({"x": [float(line) for line in lines]})
        return MemoryTable.of("lines", source.name, data.schema, data=data)

    def encoder(self, table, replaced, style, options):
        return LinesEncoder()

    def writer(self, stream, encoder):
        return LinesWriter(stream)


class LinesEncoder(Encoder):
    def encode(self, chunk, replaced):
        values = replaced[0].values.tolist()
        return "".join(f"{value}\\n" for value in values).encode()


class LinesWriter(Writer):
    def __init__(self, stream):
        self.stream = stream

    def write(self, payload):
        self.stream.write(payload)


FORMATS = (Lines(),)
'''
WITH_FOLDER = """
import sys, normcli.formats
normcli.formats.__path__.append(sys.argv.pop(1))
from normcli.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("x;y\n1;2\n5;6\n")
    Path("t.jsonl").write_text('{"x": 1}\n{"x": 5}\n')
    pq.write_table(pa.table({"x": [1.0, 5.0]}), "t.parquet")
    return tmp_path


@pytest.mark.parametrize("base", [Chunk, Table, Encoder, Writer, Format, Divisible])
def test_a_class_that_lacks_a_method_is_refused_when_it_is_made(base: type) -> None:
    with pytest.raises(TypeError, match=r"Unfinished lacks \w+"):
        type("Unfinished", (base,), {})
    assert type("Unfinished", (base,), {}, abstract=True)


def test_a_format_is_one_folder_and_brings_an_option_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "more" / "lines"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "format.py").write_text(LINES)
    (tmp_path / "t.lines").write_text("values\n1\n5\n")
    (tmp_path / "t.csv").write_text("x\n1\n5\n")

    def normcli(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITH_FOLDER, str(folder.parent), *args]
        path = os.pathsep.join(sys.path)
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    fitted = normcli("fit", "t.lines", "--skip-lines", "1", "-o", "s.json", "-q")
    assert (fitted.returncode, fitted.stderr) == (0, "")
    scaled = normcli("transform", "t.lines", "--skip-lines", "1", "--stats", "s.json", "-q")
    assert (scaled.stdout, scaled.stderr) == ("-1.0\n1.0\n", "")
    assert normcli("transform", "t.csv", "--stats", "s.json", "--to", "lines", "-q").stdout == (
        "-1.0\n1.0\n"
    )
    help_ = " ".join(normcli("fit", "--help").stdout.split())
    assert "--skip-lines COUNT Lines before the first number." in help_
    refused = normcli("fit", "t.csv", "--skip-lines", "1")
    assert refused.returncode == 2
    assert refused.stderr == "normcli: --skip-lines is an option of lines, but t.csv is csv\n"


def test_every_declared_option_has_a_name_of_its_own() -> None:
    names = [each.name for each in options()]
    assert len(set(names)) == len(names) > 0
    for each in formats().values():
        assert set(each.output_options) <= set(each.options)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("fit t.parquet -d ;", "--delimiter is an option of csv and tsv, but t.parquet is parquet"),
        ("fit t.jsonl --tabs", "--tabs is an option of csv and tsv, but t.jsonl is jsonl"),
        (
            "check t.parquet --null x --stats s.json",
            "--null must be a number here: t.parquet is parquet, whose columns of numbers",
        ),
        (
            "transform t.parquet --null x --stats s.json -o t.csv",
            "--null must be a number here: t.parquet is parquet, whose columns of numbers",
        ),
        (
            "transform t.parquet --decimal , --stats s.json --output-dir parts",
            "--decimal is an option of csv, tsv, jsonl and json, but t.parquet is parquet",
        ),
        (
            "fit-transform --from parquet --comment # -o t.arrow",
            "--comment is an option of csv and tsv, but stdin is parquet",
        ),
        (
            "fit t.parquet t.jsonl --no-header",
            "--no-header is an option of csv and tsv, but t.parq",
        ),
        (
            "fit t.parquet --on-bad-row skip",
            "--on-bad-row skip is for rows of text; parquet has no bad rows",
        ),
        (
            "transform t.csv -d ; --stats s.json --precision 3 -o t.arrow",
            "--precision shortens numbers of text; in arrow, add --float32",
        ),
        (
            "fit-transform t.parquet --precision 3 --output-dir parts",
            "--precision shortens numbers of text; in parquet, add --float32",
        ),
    ],
)
def test_an_option_that_no_format_of_the_run_uses_is_a_usage_error(
    normcli: Cli, tables: Path, command: str, message: str
) -> None:
    assert normcli("fit", "t.csv", "-d", ";", "-o", "s.json", "-s", "x").code == 0
    result = normcli(*command.split(), stdin=Path("t.parquet").read_bytes())
    assert result.code == 2
    assert result.err.startswith(f"normcli: {message}")


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("transform t.parquet -t --stats s.json --to csv", b"x\n-1.0\n1.0\n"),
        ("transform t.jsonl --decimal , -d ; --stats s.json --to csv", b"x\n-1,0\n1,0\n"),
        (
            "transform t.csv -d ; --stats s.json --to jsonl",
            b'{"x":-1.0,"y":"2"}\n{"x":1.0,"y":"6"}\n',
        ),
        ("transform t.parquet -d , --encoding utf-8 --stats s.json --to csv", b"x\n-1.0\n1.0\n"),
        ("fit t.parquet t.csv -d ; -s x -o s2.json", b""),
    ],
)
def test_an_option_that_some_format_of_the_run_uses_is_taken(
    normcli: Cli, tables: Path, command: str, output: bytes
) -> None:
    assert normcli("fit", "t.csv", "-d", ";", "-o", "s.json", "-s", "x").code == 0
    result = normcli(*command.split(), "-q")
    assert (result.code, result.err, result.out) == (0, "", output)


def test_the_value_that_is_the_default_counts_as_not_given(normcli: Cli, tables: Path) -> None:
    assert normcli("fit", "t.parquet", "-o", "-", "--encoding", "utf-8").code == 0
