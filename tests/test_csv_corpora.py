"""CSV against files that nobody here made: valid, dirty and fuzzed."""

from __future__ import annotations

import functools
import gzip
import json
import struct
import time
from pathlib import Path

import numpy as np
import orjson

from normcli.errors import NormcliError
from normcli.formats.base import ReadOptions
from normcli.formats.csv.format import Csv
from normcli.numerics.numbers import Numbers
from tests import csv_oracle
from tests.corpora import corpus
from tests.read_options import read_options
from tests.test_csv import CHUNKS, Memory, outcome, transform

# What the manifest, made by others from the bytes alone, calls a file that is no table.
BAD = {
    "empty",
    "nul_byte",
    "not_utf8",
    "quote_inside_unquoted_field",
    "ragged",
    "text_after_closing_quote",
    "unterminated_quote",
    "utf16_bom",
}
PADDED = {"14512.csv", "all_quotes.csv"}  # have blanks around quotes, which the manifest refuses


@functools.cache
def files() -> list[tuple[Path, str, bool]]:
    """All files that are not compressed, the delimiter of each, and whether it is a table."""
    root = corpus("csv")
    manifest = json.loads((root / "manifest.json").read_text())
    found = []
    for name, entry in manifest.items():
        delimiter = entry.get("delimiter_guess") or ","
        if (root / name).exists() and not entry.get("compressed") and not delimiter.isalnum():
            valid = bool(entry.get("records")) and not BAD & set(entry["flags"])
            valid |= Path(name).name in PADDED
            found.append((root / name, delimiter, valid))
    return found


def names(paths) -> list[str]:
    return sorted(path.name for path in paths)


def test_with_no_column_chosen_every_valid_file_comes_back_and_every_other_is_refused():
    wrong = []
    for path, delimiter, valid in files():
        data, start = path.read_bytes(), time.monotonic()
        found = outcome(data, (), delimiter=delimiter, header=True)
        if found != (data, []) if valid else found[0] != "DataError":
            wrong.append((path.name, found))
        assert time.monotonic() - start < 10
    assert not wrong
    assert sum(valid for _, _, valid in files()) > 300


def test_every_outcome_is_the_same_at_every_chunk_size():
    for path, delimiter, _ in files():
        if path.stat().st_size < 20_000:
            data = path.read_bytes()
            options = {"delimiter": delimiter, "header": True}
            found = [outcome(data, (), chunk_rows=rows, **options) for rows in CHUNKS]
            assert found == [found[0]] * len(CHUNKS), path.name


def numeric(data: bytes, **options) -> list[int]:
    """The columns that `observe` takes for numbers in all chunks."""
    table = Csv().open(Memory(data), read_options(**options))
    alive = list(range(len(table.columns)))
    for chunk in table.chunks():
        found = chunk.observe(alive)
        alive = [c for c, x in zip(alive, found, strict=True) if isinstance(x, Numbers)]
    return alive


def test_in_every_valid_file_only_the_numbers_of_the_chosen_columns_change():
    scaled = 0
    for path, delimiter, valid in files():
        data = path.read_bytes()
        if not valid or len(data) > 100_000:
            continue
        rows = csv_oracle.parse(data, delimiter.encode())
        columns = numeric(data, delimiter=delimiter, header=True)
        header = [csv_oracle.text(data, cell) for cell in rows[0].cells]
        columns = [c for c in columns if header.count(header[c]) == 1]
        new = csv_oracle.replaced(data, rows[1:], columns, scaled_text)
        chosen = [header[c].removeprefix("\ufeff") for c in columns]
        if not any(len(t) > 15 for row in rows[1:] for t in texts(data, row, columns)):
            assert transform(data, chosen, delimiter=delimiter, header=True) == new, path.name
            scaled += bool(columns) and len(rows) > 1
    assert scaled > 100


def texts(data: bytes, row: csv_oracle.Row, columns) -> list[str]:
    return [csv_oracle.text(data, row.cells[c]) for c in columns]


def scaled_text(text: str) -> str:
    value = float(text) * 2 + 1
    return orjson.dumps(value).decode() if np.isfinite(value) else text


def test_no_file_ends_in_anything_but_success_or_an_error_in_words():
    messages = set()
    for path, delimiter, _ in files():
        for options in ({}, {"no_header": True}, {"no_quoting": True}, {"comment": "#"}):
            data, start = path.read_bytes(), time.monotonic()
            try:
                numeric(data, delimiter=delimiter, **options)
            except NormcliError as error:
                messages.add(str(error))
            assert time.monotonic() - start < 10, path.name
    assert all(m.count("\n") < 2 and m.replace("\n", "").isprintable() for m in messages)


def test_bad_rows_are_skipped_alike_at_every_chunk_size_and_what_is_left_is_a_table():
    for path, delimiter, _ in files():
        data = path.read_bytes()
        if len(data) < 5_000:
            options = {"delimiter": delimiter, "skip": True, "header": True}
            found = [outcome(data, (), chunk_rows=rows, **options) for rows in CHUNKS]
            assert found == [found[0]] * len(CHUNKS), path.name
            if found[0][0] not in ("DataError", "LimitError"):
                again = outcome(found[0][0], (), delimiter=delimiter, header=True)
                assert again == (found[0][0], [])


def test_a_table_in_utf16_or_latin1_comes_back_byte_for_byte():
    folder = corpus("csv/duckdb/encodings")
    for name, encoding in (("latin1.csv", "latin-1"), ("utf16.csv.gz", "utf-16")):
        data = (folder / name).read_bytes()
        data = gzip.decompress(data) if name.endswith(".gz") else data
        assert transform(data, (), encoding=encoding) == data
        assert outcome(data)[0] == "DataError"


def test_every_decimal_text_is_read_as_the_float64_it_stands_for():
    for path in sorted(corpus("float_parse").glob("*.txt")):
        if path.name == "SOURCE.txt":
            continue
        lines = [line.split() for line in path.read_text().splitlines()]
        lines = [line for line in lines if len(line) == 4]
        data = "x\n" + "\n".join(line[3] for line in lines)
        want = [struct.unpack(">d", bytes.fromhex(line[2]))[0] for line in lines]
        got: list[float] = []
        for chunk in Csv().open(Memory(data.encode()), ReadOptions()).chunks():
            (x,) = chunk.numbers([0])
            got += x.parts.sum(axis=0).tolist()  # integers beyond 2**53 are exact: rounded here
        assert len(got) > 3000
        assert [v.hex() for v in got] == [v.hex() for v in want], path.name
