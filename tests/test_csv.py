"""CSV: only the chosen cells change, whatever the file looks like and wherever it is cut."""

from __future__ import annotations

import csv
import io
import pickle
import random
import time
from contextlib import ExitStack
from itertools import takewhile
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normcli import kernel
from normcli.errors import DataError, LimitError, NormcliError, UsageError
from normcli.formats.base import TOLD, UNTOLD, NotNumbers, ReadOptions, Style
from normcli.formats.csv import blocks as csv_blocks
from normcli.formats.csv import cells as csv_cells
from normcli.formats.csv import head as csv_head
from normcli.formats.csv import index as csv_index
from normcli.formats.csv import records as csv_records
from normcli.formats.csv import text as csv_text
from normcli.formats.csv import transcode
from normcli.formats.csv.format import Csv, Tsv
from normcli.formats.csv.records import Dialect
from normcli.formats.csv.table import CsvChunk
from normcli.numerics.numbers import Numbers, Scaled
from normcli.storage.sources import Source
from tests import csv_oracle
from tests.read_options import read_options
from tests.storage import Memory

CHUNKS = (None, 1, 2, 7)


def reading(block: int) -> ExitStack:
    """Read files this many bytes at a time."""
    stack = ExitStack()
    stack.enter_context(patch.object(csv_blocks, "BLOCK", block))
    stack.enter_context(patch.object(csv_blocks, "WIDE", 0))
    stack.enter_context(patch.object(csv_index, "WINDOW", block))
    stack.enter_context(patch.object(transcode, "BLOCK", block))
    stack.enter_context(patch.object(csv_head, "FIRST", block))
    return stack


def doubled(x: Numbers) -> Scaled:
    """Twice every number plus one; what is missing or infinite stays."""
    keep = ~np.isfinite(x.parts[0])
    return Scaled(x.parts.sum(axis=0) * 2 + 1, keep if keep.any() else None)


def transform(data: bytes, columns=None, format_=None, skip=False, **options) -> bytes:
    """`data` with some columns `doubled`, by names."""
    return run(data, columns, format_, skip, **options)[0]


def run(data: bytes, columns=(), format_=None, skip=False, **options):
    """What comes out, and the bad rows."""
    format_ = format_ or Csv()
    read = read_options(skip_bad_rows=skip, **options)
    table = format_.open(Memory(data), read)
    chosen = [table.columns.index(name) for name in columns]
    encoder = format_.encoder(table, chosen, Style(), read)
    stream, bad = io.BytesIO(), []
    writer = format_.writer(stream, encoder)
    for chunk in table.chunks():
        chunk = pickle.loads(pickle.dumps(chunk))
        if skip:
            chunk, more = chunk.without_bad_rows(chosen)
            bad += more
        numbers = chunk.numbers(chosen)
        assert all(len(x) == chunk.rows for x in numbers)
        writer.write(
            encoder.encode(chunk, {c: doubled(x) for c, x in zip(chosen, numbers, strict=True)})
        )
    writer.close()
    return stream.getvalue(), bad[:TOLD] + [UNTOLD] * len(bad[TOLD:])


def outcome(data: bytes, columns=(), **options):
    """The result of `run`, or the error it ends with."""
    try:
        return run(data, columns, **options)
    except NormcliError as error:
        kind = DataError if isinstance(error, DataError) else type(error)
        return kind.__name__, str(error)


def same_outcome(data: bytes, columns=(), blocks=(1, 3, 1 << 22), **options):
    """The one outcome at all chunk sizes and all read sizes."""
    outcomes = []
    for block in blocks:
        for rows in CHUNKS:
            with reading(block):
                outcomes.append(outcome(data, columns, chunk_rows=rows, **options))
    assert all(each == outcomes[0] for each in outcomes), outcomes
    return outcomes[0]


def error_of(data: bytes, columns=(), **options) -> str:
    """The one message at all chunk sizes."""
    kind, message = same_outcome(data, columns, **options)
    assert kind in ("DataError", "LimitError"), kind
    return message


# -- faithful ------------------------------------------------------------------------------

NUMBERS = ["0", "1", "-2", "3.5", "007", "+4", "1e2", "1.50", ".5", "5.", "123456", "-0.25"]
MISSING = ["", "NA", "nan", "null", "  ", "\t"]
TEXT = st.text(alphabet='ab,;\t|"\r\n #é€😀 ', max_size=5)


@st.composite
def tables(draw, quoting: bool = True):
    """The bytes of a valid table; its delimiter; which columns hold numbers."""
    delimiter = draw(st.sampled_from(",;\t|"))
    numeric = draw(st.lists(st.booleans(), min_size=1, max_size=4))
    comment = draw(st.sampled_from(["", "#"]))
    ends = st.sampled_from(draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n", "\r"]])))
    lines = [delimiter.join(f"c{i}" for i in range(len(numeric)))]
    for _ in range(draw(st.integers(0, 6))):
        odd = draw(st.integers(0, 9))
        if odd == 0:
            lines.append("")
        elif odd == 1 and comment:
            lines.append('#,"' + draw(st.text(alphabet='ab," é', max_size=4)))
        else:
            row = delimiter.join(draw(cells(is_, delimiter, quoting)) for is_ in numeric)
            lines.append("x" + row if comment and row.startswith("#") else row)
    data = draw(st.sampled_from(["", "\ufeff"])) + "".join(line + draw(ends) for line in lines)
    if draw(st.booleans()):
        data = data.removesuffix("\n").removesuffix("\r")
    return data.encode(), delimiter, comment, [i for i, is_ in enumerate(numeric) if is_]


@st.composite
def cells(draw, numeric: bool, delimiter: str, quoting: bool):
    """One cell as it stands in the file."""
    if numeric:
        cell = draw(st.sampled_from(NUMBERS * 2 + MISSING))
        cell = draw(st.sampled_from(["", " "])) + cell + draw(st.sampled_from(["", " "]))
        cell = cell.replace(delimiter, "")
    else:
        cell = draw(TEXT)
    if not quoting:
        return "".join(c for c in cell if c not in "\r\n" + delimiter)
    needs = any(c in cell for c in '"\r\n' + delimiter)
    quoted = '"' + cell.replace('"', '""') + '"'
    return quoted if needs or draw(st.booleans()) else cell


def expected(data: bytes, delimiter: str, comment: str, columns, quoting=True) -> bytes:
    rows = csv_oracle.parse(data, delimiter.encode(), quoting, comment.encode())[1:]
    return csv_oracle.replaced(data, rows, columns, lambda t: repr(float(t) * 2 + 1), quoting)


@given(tables(), st.sampled_from([1, 2, 3, 5, 64]), st.sampled_from(CHUNKS))
def test_only_the_chosen_cells_change_wherever_the_file_is_cut(table, block, rows):
    data, delimiter, comment, columns = table
    options = {"delimiter": delimiter, "comment": comment or None, "chunk_rows": rows}
    names = [f"c{i}" for i in columns]
    with reading(block):
        assert transform(data, names, **options) == expected(data, delimiter, comment, columns)
        assert transform(data, (), **options) == data


@given(tables(quoting=False), st.sampled_from([1, 2, 64]), st.sampled_from(CHUNKS))
def test_without_quoting_a_quote_is_a_character_like_others(table, block, rows):
    data, delimiter, comment, columns = table
    options = {"delimiter": delimiter, "comment": comment or None, "chunk_rows": rows}
    new = expected(data, delimiter, comment, columns, quoting=False)
    with reading(block):
        got = transform(data, [f"c{i}" for i in columns], no_quoting=True, **options)
        assert got == new
        assert transform(data, (), no_quoting=True, **options) == data


@given(tables(), st.sampled_from(["utf-16", "utf-16-be", "utf-32", "gb18030"]))
def test_another_encoding_comes_back_in_that_encoding(table, encoding):
    data, delimiter, comment, columns = table
    text = data.decode().removeprefix("\ufeff")
    options = {"delimiter": delimiter, "comment": comment or None, "encoding": encoding}
    new = expected(text.encode(), delimiter, comment, columns).decode()
    for rows in CHUNKS:
        with reading(3):
            got = transform(
                text.encode(encoding), [f"c{i}" for i in columns], chunk_rows=rows, **options
            )
        assert got == new.encode(encoding)


@settings(max_examples=200)
@given(st.text(alphabet='a1,,""\r\n\n# é', max_size=24), st.sampled_from([None, "#"]))
def test_any_text_comes_back_whole_or_is_refused_alike_at_every_chunk_size(text, comment):
    data = text.encode()
    found = same_outcome(data, blocks=(1, 2, 64), comment=comment, header=True)
    try:
        rows = csv_oracle.parse(data, comment=(comment or "").encode())
        valid = rows and all(len(row.cells) == len(rows[0].cells) for row in rows)
    except csv_oracle.BadError:
        valid = False
    assert (found == (data, [])) == bool(valid), found


@settings(max_examples=200)
@given(st.binary(max_size=30) | st.text(alphabet='a1,"\r\n\0', max_size=30).map(str.encode))
def test_any_bytes_are_read_or_refused_alike_at_every_chunk_size(data):
    same_outcome(b"x,y\n" + data, ["x"], blocks=(1, 64))


@settings(max_examples=200)
@given(st.text(alphabet='a1,,""\r\n\n# ', max_size=24), st.sampled_from([b"", b"#"]))
def test_the_index_and_the_records_and_the_oracle_see_the_same_cells(text, comment):
    block = text.encode() + b"\n"
    dialect = Dialect(comment=comment or None)
    try:
        rows = csv_oracle.parse(block, comment=comment)
    except csv_oracle.BadError:
        assert any(record.problem for record in csv_records.records(block, dialect))
        return
    found = [r for r in csv_records.records(block, dialect) if r.cells is not None]
    assert [r.line for r in found] == [row.line for row in rows]
    texts = [[csv_oracle.text(block, cell).encode() for cell in row.cells] for row in rows]
    assert [list(r.cells or ()) for r in found] == texts
    for width in {len(row.cells) for row in rows}:
        good = [row.cells for row in rows]
        while good and any(len(cells) != width for cells in good):
            good.pop()
        index = csv_index.index(block, dialect, width)
        assert np.stack([index.starts, index.ends], 2).tolist() == [
            [list(c) for c in r] for r in good
        ]
        assert (index.problem is None) == (len(good) == len(rows))


DIALECTS = [
    Dialect(),
    Dialect(b";", b"'", b"#"),
    Dialect(b",", b'"', None, b"\\"),
    Dialect(b"\t", None, b"#", b"\\"),
    Dialect(b" ", b'"', b"#", b"\\"),
    Dialect(b" ", b'"', b"#", runs=True),
    Dialect(b" ", b"'", b"#", b"\\", runs=True),
    Dialect(b" ", None, None, runs=True),
]


@settings(max_examples=500)
@given(st.text(alphabet='a1,;\t  \'""\r\n\n#\\\\', max_size=24), st.sampled_from(DIALECTS))
def test_in_every_dialect_the_index_the_records_and_the_oracle_see_the_same_texts(text, dialect):
    block = text.encode() + b"\n"
    quote, comment, escape = (m or b"" for m in (dialect.quote, dialect.comment, dialect.escape))
    marks = csv_oracle.Marks(dialect.delimiter, quote, comment, escape, dialect.runs)
    found = list(csv_records.records(block, dialect))
    try:
        rows = csv_oracle.rows_of(block, marks)
    except csv_oracle.BadError:
        assert any(record.problem for record in found)
        assert csv_index.index(block, dialect, 1).problem
        return
    want = [[csv_oracle.text_of(block, cell, marks) for cell in row.cells] for row in rows]
    kept = [record for record in found if record.cells is not None]
    assert [[cell.decode() for cell in record.cells] for record in kept] == want
    assert [record.line for record in kept] == [row.line for row in rows]
    for width in {len(row.cells) for row in rows}:
        good = list(takewhile(lambda row: len(row) == width, want))  # noqa: B023
        index = csv_index.index(block, dialect, width)
        texts = [csv_cells.texts(index, c).to_pylist() for c in range(width)]
        assert [[text or "" for text in row] for row in zip(*texts, strict=True)] == good
        assert (index.problem is None) == (len(good) == len(rows))
    ends = csv_index.record_ends(block, dialect).tolist()
    assert ends == [record.end for record in found]


@settings(max_examples=200)
@given(st.text(alphabet="a1,  '\"\r\n\n#\\", max_size=24), st.sampled_from(["\\", None]))
def test_any_text_in_any_dialect_comes_back_or_is_refused_alike(text, escape):
    data = b"x\n" + text.encode()
    for delimiter in ("space+", " ", ","):
        options = {"delimiter": delimiter, "quote": "'", "escape": escape, "comment": "#"}
        found = same_outcome(data, blocks=(1, 2, 64), **options)
        assert found == (data, []) or found[0] == "DataError"


def test_quotes_blanks_tokens_zeros_bom_and_mixed_line_ends_stay():
    data = b'\xef\xbb\xbfid,x,y,z\r\n007,1.50, 2 ,"3"\r\n\r\n008,,NA,""\n"0""9",5,6, 7\r1e5,5,6,"7"'
    new = data.replace(b"1.50, 2 ", b"4.0, 5.0 ").replace(b'"3"', b'"7.0"')
    new = new.replace(b'5,6, 7\r1e5,5,6,"7"', b'11.0,13.0, 15.0\r1e5,11.0,13.0,"15.0"')
    assert same_outcome(data, ["x", "y", "z"]) == (new, [])


@pytest.mark.parametrize(
    "data", [b"a,b\n", b"a,b", b"a,b\r\n", b"\xef\xbb\xbfa,b\r", b'\n\n"a",b\n\n']
)
def test_a_header_alone_is_a_table_without_rows(data):
    assert same_outcome(data, ["a"]) == (data, [])


@pytest.mark.parametrize("data", [b"", b"\n\r\n\r", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"#a,b\n"])
def test_a_file_without_header_and_rows_is_refused_in_its_own_words(data):
    assert error_of(data, comment="#") == "t.csv: there is no header and no row in it"


def test_without_header_the_columns_are_numbered_and_the_first_row_is_scaled():
    assert same_outcome(b"1,2\n3,4", ["2"], no_header=True) == (b"1,5.0\n3,9.0", [])
    assert same_outcome(b"\xef\xbb\xbf\n1", ["1"], no_header=True) == (b"\xef\xbb\xbf\n3.0", [])


def test_names_may_hold_quotes_delimiters_line_ends_and_may_repeat():
    data = b'"a ""b""","c,\r\nd",x,x\n1,2,3,4\n'
    assert Csv().open(Memory(data), ReadOptions()).columns == ['a "b"', "c,\r\nd", "x", "x"]
    assert same_outcome(data, ['a "b"', "c,\r\nd"]) == (data.replace(b"1,2,", b"3.0,5.0,"), [])


def test_a_header_of_a_million_columns_takes_seconds():
    header = b",".join(b'"c%d"' % i for i in range(1_000_000)) + b"\n"
    start = time.monotonic()
    table = Csv().open(Memory(header), read_options(max_columns=1_000_000))
    assert len(table.columns) == 1_000_000
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " ", "]", "^", "\\", "*", "~"])
def test_any_mark_may_be_the_delimiter(delimiter):
    data = f'a{delimiter}b\n1{delimiter}"x{delimiter}y"\n'.encode()
    assert same_outcome(data, ["a"], delimiter=delimiter) == (data.replace(b"1", b"3.0"), [])
    tsv = transform(data, ["a"], delimiter=delimiter)
    assert tsv == data.replace(b"1", b"3.0")


def test_any_number_of_blanks_around_a_number_stays():
    for blank in ("      ", "\t" * 9, " \t " * 50):
        data = f'{blank}x,y\n{blank},{blank}1{blank}\n"{blank}","{blank}2{blank}"\n5,6\n'
        new = data.replace("1", "3.0").replace("2", "5.0").replace("5,6", "11.0,13.0")
        names = [blank + "x", "y"]
        assert same_outcome(data.encode(), names) == (new.encode(), [])


def test_utf16_of_either_byte_order_with_or_without_its_mark_comes_back():
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        family = encoding[:6]
        for mark in ("\ufeff", ""):
            data = f"{mark}a,é\n1,2\n".encode(encoding)
            new = f"{mark}a,é\n1,5.0\n".encode(encoding)
            name = encoding if not mark else family
            assert same_outcome(data, ["é"], encoding=name) == (new, [])


def test_tsv_is_csv_with_tabs():
    assert transform(b"a\tb\n 1\t2,5\n", ["a"], Tsv()) == b"a\tb\n 3.0\t2,5\n"


def test_blanks_around_quotes_are_not_part_of_the_text_and_stay():
    data = b'n,x,y\na, "b, c", "2"\nd,"e" ,\t"3"  \n'
    assert same_outcome(data, ["y"]) == (data.replace(b"2", b"5.0").replace(b"3", b"7.0"), [])
    assert run_to_arrow(data)["x"] == ["b, c", "e"]


def test_what_is_escaped_is_an_ordinary_character_and_its_escape_stays():
    data = b'x,note\n1,"say \\"hi\\", Ann"\n3,a\\,b\\\\\n5,"c\\\n"\n7,\\N\n'
    new = data.replace(b"\n3", b"\n7.0").replace(b"\n1", b"\n3.0")
    new = new.replace(b"\n5", b"\n11.0").replace(b"\n7,", b"\n15.0,")
    assert same_outcome(data, ["x"], escape="\\") == (new, [])
    texts = ['say "hi", Ann', "a,b\\", "c\n", "\\N"]
    assert run_to_arrow(data, escape="\\")["note"] == texts
    assert "line 2: text after a closing quote" in error_of(data, ["x"])


def test_any_character_may_quote():
    data = b"x,y\n'1','it''s \"5\", see'\n2,\"\n"
    new = data.replace(b"'1'", b"'3.0'").replace(b"\n2", b"\n5.0")
    assert same_outcome(data, ["x"], quote="'") == (new, [])
    assert run_to_arrow(data, quote="'")["y"] == ['it\'s "5", see', '"']


def test_any_number_of_blanks_may_part_cells_and_those_around_a_line_mean_nothing():
    data = b'  x   y\tz \r\n 1   "a  b"  2\n\n  \t\n  # 1\n3 c 4  \n'
    new = data.replace(b" 1   ", b" 3.0   ").replace(b"  2\n", b"  5.0\n")
    new = new.replace(b"3 c 4", b"7.0 c 9.0")
    assert same_outcome(data, ["x", "z"], delimiter="space+", comment="#") == (new, [])
    assert run_to_arrow(data, delimiter="space+", comment="#")["y"] == ["a  b", "c"]
    assert "line 3: 2 cells where the header has 3" in error_of(
        b"a b c\n1 2 3\n4  5\n", ["a"], delimiter="space+"
    )


def test_a_number_that_becomes_missing_between_blanks_stays_a_cell():
    table = Csv().open(Memory(b"x y\n1 2\n"), read_options(delimiter="space+"))
    (chunk,) = table.chunks()
    missing = Scaled(np.zeros(1), None, np.array([True]))
    assert bytes(chunk.splice({0: missing}, Style())) == b"NaN 2\n"


def run_to_arrow(data: bytes, **options) -> dict[str, list[str | None]]:
    """The texts of the columns, as other formats get them."""
    table = Csv().open(Memory(data), read_options(**options))
    return pa.concat_tables(chunk.to_arrow({}, Style()) for chunk in table.chunks()).to_pydict()


def test_with_a_decimal_comma_numbers_are_read_and_written_so():
    data = b'a;b\n1,5;"-0,25"\n2;NA\n;1e3\n'
    new = b'a;b\n4,0;"0,5"\n5,0;NA\n;2001,0\n'
    assert same_outcome(data, ["a", "b"], delimiter=";", decimal=",") == (new, [])


def test_tokens_mark_missing_values_besides_empty_cells_and_the_default_ones():
    """A token that is a number marks them however it is written."""
    data = b"x,y\n-999,1\n,2\nx,-999.0\nNA,-9.99e2\n"
    assert same_outcome(data, ["x", "y"], null=("-999", "x")) == (
        b"x,y\n-999,3.0\n,5.0\nx,-999.0\nNA,-9.99e2\n",
        [],
    )
    told = error_of(b"x,y\nNA,1\n", ["x"], null=("-999",), no_default_null=True)
    assert "'NA' is not a number" in told


def test_comment_lines_stay_and_their_quotes_and_delimiters_mean_nothing():
    data = b'# "first, ""\na,b\n1,2\n#,"\n"#",4\n'
    new = b'# "first, ""\na,b\n1,5.0\n#,"\n"#",9.0\n'
    assert same_outcome(data, ["b"], comment="#") == (new, [])


def test_integers_beyond_2_to_53_are_exact():
    texts = [2**53 + 1, -(2**63), 2**63 - 1, 2**64 - 1, 10**30 + 7, -(10**30) - 7, 12345]
    for part in (texts, texts[:3]):
        data = "x,y\n" + "".join(f"{t},1.5\n" for t in part)
        (chunk,) = Csv().open(Memory(data.encode()), ReadOptions()).chunks()
        (x,) = chunk.numbers([0])
        assert [sum(int(p) for p in parts) for parts in x.parts.T.tolist()] == part


def test_what_overflows_is_infinite_and_nan_that_is_no_token_is_not_missing():
    (chunk,) = Csv().open(Memory(b"x\n1e999\n-inf\nNAN\nnan\n"), ReadOptions()).chunks()
    (x,) = chunk.numbers([0])
    assert str(x.parts.tolist()) == "[[inf, -inf, nan, nan]]"
    assert x.missing is not None
    assert x.missing.tolist() == [False, False, False, True]
    assert chunk.place(1, 0) == "t.csv: line 3, column 'x': '-inf'"


@pytest.mark.parametrize(
    ("cells", "reason", "line"),
    [
        ("1\n007\nx", "leading zeros", 3),
        ("1\nx\n007", "text", 3),
        ("-01\n", "leading zeros", 2),
        ("0\n-0\n0.5\n00.5", "leading zeros", 5),
        ("+49 30\n", "text", 2),
        ("+49\n", "a leading plus sign", 2),
        ("1,5\n", "a number with --decimal ,", 2),
        ("0x1F\n", "text", 2),
        ("true\n", "text", 2),
        ("2024-01-01\n", "text", 2),
        ("nan(1)\n", "text", 2),
        ("1_000\n", "text", 2),
        ("١\n", "text", 2),
    ],
)
def test_codes_and_texts_are_no_numbers_when_columns_are_looked_for(cells, reason, line):
    data = ("x;y\n" + cells.replace("\n", ";1\n")).encode() + b";1\n"
    for rows in CHUNKS:
        table = Csv().open(Memory(data), read_options(delimiter=";", chunk_rows=rows))
        found = [chunk.observe([0])[0] for chunk in table.chunks()]
        first = next(x for x in found if isinstance(x, NotNumbers))
        assert (first.reason, first.order, first.where) == (reason, line, f"line {line}")


# -- bad tables ----------------------------------------------------------------------------

RAGGED = (
    "Fix the line, skip such rows with --on-bad-row skip, keep them as they are with "
    "--on-bad-row keep, or check --delimiter"
)
SKIP = "Fix the line, or skip such rows with --on-bad-row skip"
QUOTES = "If quotes are ordinary characters in this file, add --no-quoting"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n1,2\n3\n", f"line 3: 1 cell where the header has 2\n{RAGGED}"),
        (b'a,b\r\n"1\r\n",2\r\n\r\n3,4,5\r\n', f"line 5: 3 cells where the header has 2\n{RAGGED}"),
        (b'a,b\n1,2\n3,"4\n5,6\n', f"line 3: a quote opened at line 3 is never closed\n{QUOTES}"),
        (b'a,b\n"1\n2","4\n5,6', f"line 3: a quote opened at line 3 is never closed\n{QUOTES}"),
        (b'a,b\n1,2\n3,4"5\n6,7\n', f"line 3: a quote inside an unquoted cell\n{QUOTES}"),
        (b'a,b\n1,2\n3, x"4"\n6,7\n', f"line 3: a quote inside an unquoted cell\n{QUOTES}"),
        (b'a,b\r"\r1" x,2\r3,4\r', f"line 3: text after a closing quote\n{SKIP}"),
        (
            b"a,b\n1,2\n3,\0\n",
            "line 3: a NUL byte at offset 10: this is not text, or it is UTF-16\n"
            "If it is UTF-16, add --encoding utf-16",
        ),
        (
            b'a,b\n1,2\n"\xc3\xa4\n\xe9t\xe9",2\n',
            "line 4: byte 0xe9 at offset 12 is not UTF-8\n"
            "If the file is in another encoding, add --encoding latin-1",
        ),
        (
            b"a,\xfc\n1,2\n",
            "line 1: byte 0xfc at offset 2 is not UTF-8\n"
            "If the file is in another encoding, add --encoding latin-1",
        ),
        (
            b"\xff\xfea\0,\0b\0",
            "line 1: byte 0xff at offset 0 is not UTF-8\n"
            "If the file is in another encoding, add --encoding utf-16",
        ),
        (
            b"a,b\n1,2\n3,x'y\n",
            "line 3, column 'b': \"x'y\" is not a number\nIf it marks a missing value, "
            "add --null 'x'\"'\"'y'; to leave the column alone, --exclude b",
        ),
        (
            b'a,b\n1,"1,234,567.5"\n',
            "line 2, column 'b': '1,234,567.5' is not a number\nIt is a number with --thousands ,; "
            "to leave the column alone, --exclude b",
        ),
        (
            b'a,b\n1,"1,5"\n',
            "line 2, column 'b': '1,5' is not a number\nIt is a number with --decimal ,; "
            "to leave the column alone, --exclude b",
        ),
        (
            b'a,b\n1,"\x1b[31m\n"\n',
            "line 2, column 'b': '\\x1b[31m\\n' is not a number\nIf it marks a missing value, "
            "add --null TEXT; to leave the column alone, --exclude b",
        ),
    ],
)
def test_a_bad_table_is_refused_with_line_and_column(data, message):
    assert error_of(
        data, ["b"] if b"\n" in data and b"\xfc" not in data and b",b" in data else ()
    ) == (f"t.csv: {message}")


PROBLEMS = {
    "1 cell where": b"7\n",
    "a quote inside": b'1,2"2\n',
    "text after": b'1,"2"2\n',
    "never closed": b'1,"2\n',
    "NUL": b"1,\0\n",
    "not UTF-8": b"1,\xff\n",
    "not a number": b"1,x\n",
    "'y' is not": b"y,1\n",
}


def test_of_several_problems_the_first_in_the_file_is_told_at_every_chunk_size():
    for first, one in PROBLEMS.items():
        for other in PROBLEMS.values():
            data = b"a,b\n" + b"1,2\n" * 3 + one + b"1,2\n" * 5 + other + b"1,2\n"
            message = error_of(data, ["a", "b"], blocks=(5, 1 << 22))
            # A quote after it closes one that was open: then there is text behind that.
            assert first in message or (first == "never closed" and "text after" in message)
            assert "line 5" in message or "text after" in message


def test_text_in_two_columns_of_a_row_is_told_of_the_first_column_asked_in_any_order():
    for columns in (["a", "b"], ["b", "a"]):
        assert "column 'a': 'x'" in error_of(b"a,b\n1,2\nx,y\n", columns)


def test_invalid_text_in_another_encoding_is_refused_after_what_is_before_it():
    data = b"a,b\n1,2\n3,\x81\n"
    message = error_of(data, ["a"], encoding="cp1252")
    assert message == (
        "t.csv: byte 0x81 at offset 10 is not cp1252\n"
        "If the file is in another encoding, name it with --encoding"
    )
    assert "line 2: 1 cell" in error_of(b"a,b\n1\n3,\x81\n", ["a"], encoding="cp1252")
    assert "odd" not in error_of("a,b\n1,2\n".encode("utf-16")[:-1], encoding="utf-16")


def test_text_that_would_not_come_back_in_its_encoding_is_refused():
    data = b"a,b\n1,+AGE-\n"  # UTF-7 for "a", which is written as such
    assert "would not come back as the same utf-7 bytes" in error_of(data, encoding="utf-7")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"delimiter": ""}, "--delimiter must be one"),
        ({"delimiter": ",,"}, "--delimiter must be one"),
        ({"delimiter": "é"}, "--delimiter must be one"),
        ({"delimiter": '"'}, "--delimiter must be one"),
        ({"delimiter": "-"}, "--delimiter must be one"),
        ({"delimiter": "e"}, "--delimiter must be one"),
        ({"decimal": ",", "no_quoting": True}, "try --delimiter ';'"),
        ({"decimal": "·"}, "--decimal must be . or ,"),
        ({"comment": "//"}, "--comment must be one"),
        ({"comment": ","}, "--comment and the delimiter are both ','"),
        ({"escape": '"'}, "--escape must be one"),
        ({"escape": "#", "comment": "#"}, "--escape and --comment are both '#'"),
        ({"quote": "'", "no_quoting": True}, "--quote and --no-quoting say two things"),
        ({"quote": ","}, "--quote and the delimiter are both ','"),
        ({"encoding": "utf-9"}, "--encoding 'utf-9' is not known"),
        ({"encoding": "base64"}, "--encoding 'base64' is not known"),
        ({"encoding": "rot13"}, "--encoding 'rot13' is not known"),
    ],
)
def test_impossible_options_are_usage_errors(options, word):
    with pytest.raises(UsageError, match=word.replace(".", "[.]")):
        Csv().open(Memory(b"a,b\n1,2\n"), read_options(**options))


# -- limits --------------------------------------------------------------------------------


class Endless(io.RawIOBase):
    """``a,b``, and then one cell without end."""

    def __init__(self, start: bytes) -> None:
        self.start, self.given = start, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = len(buffer)
        data, self.start = self.start[:size], self.start[size:]
        self.given += size
        buffer[:] = data + b"1" * (size - len(data))
        return size


@pytest.mark.parametrize("start", [b"a,b\n", b'a,b\n1,2\n"', b"a,b\n1,2\n3,"])
def test_a_record_without_end_is_refused_before_much_of_it_is_read(start):
    stream = Endless(start)
    source = Memory(start)
    source.open = lambda: stream
    table = Csv().open(source, read_options(max_record_bytes=1 << 20))
    with (
        reading(1 << 16),
        pytest.raises(LimitError, match=r"1 048 576 bytes.*\n.*--max-record-bytes"),
    ):
        list(table.chunks())
    assert stream.given < 3 << 20


def test_the_longest_record_is_the_limit_whatever_is_read_at_once():
    data = b"a,b\n1,2\n" + b"3" * 98 + b",4\n5,6\n"
    assert error_of(data, ["b"], max_record_bytes=100) == (
        "t.csv: the record at line 3 is longer than 100 bytes; perhaps a quote is not closed\n"
        "If this is intended, raise the limit with --max-record-bytes"
    )
    assert same_outcome(data, ["b"], max_record_bytes=101)[1] == []
    assert "header is longer than 2 bytes" in error_of(data, max_record_bytes=2)
    assert "line 2: 1 cell" in error_of(data.replace(b"1,2", b"1"), max_record_bytes=100)
    quote = data.replace(b"1,2", b'1,2"')
    assert "line 2: a quote inside" in error_of(quote, max_record_bytes=100, blocks=(1, 1 << 22))


@pytest.mark.parametrize("cell", [b" ", b'""', b'\n""', b"\r", b"x\n"])
def test_a_large_cell_takes_seconds(cell):
    data = b'a,b\n"' + cell * (8_000_000 // len(cell)) + b'",1\n'
    start = time.monotonic()
    assert transform(data, ["b"]) == data[:-2] + b"3.0\n"
    assert time.monotonic() - start < 10


# -- bad rows ------------------------------------------------------------------------------


def test_bad_rows_are_left_out_and_told_with_their_lines_and_the_rest_stays():
    data = (
        b'a,b\n1,2\n\n3\n# "c\n4,x\n5,"6"7\n8,9"\n"\n",10\n11,\xff\n12,\0\n13,14,15\n"16",NA\n17,18'
    )
    new = b'a,b\n1,5.0\n\n# "c\n"16",NA\n17,37.0'
    bad = [
        (4, "1 cell where the header has 2"),
        (6, "column 'b': 'x' is not a number"),
        (7, "text after a closing quote"),
        (8, "a quote inside an unquoted cell"),
        (11, "byte 0xff at offset 42 is not UTF-8"),
        (12, "a NUL byte at offset 47: this is not text, or it is UTF-16"),
        (13, "3 cells where the header has 2"),
    ]
    bad.insert(4, (9, "column 'a': '\\n' is not a number"))
    assert (data.index(b"\xff"), data.index(b"\0")) == (42, 47)
    assert same_outcome(data, ["a", "b"], skip=True, comment="#") == (
        new.replace(b"1,5.0", b"3.0,5.0").replace(b'"16"', b'"33.0"').replace(b"17,", b"35.0,"),
        bad,
    )


def test_when_the_last_row_is_bad_the_one_before_keeps_its_line_end():
    assert same_outcome(b"a,b\n1,2\r\n3", ["a"], skip=True)[0] == b"a,b\n3.0,2\r\n"
    assert same_outcome(b"a,b\n1,x\n3,4", ["b"], skip=True)[0] == b"a,b\n3,9.0"


def test_a_quote_that_is_never_closed_cannot_be_skipped():
    message = error_of(b'a,b\n1,2\nx\n3,"4\n5,6\n', ["a"], skip=True)
    assert message == f"t.csv: line 4: a quote opened at line 4 is never closed\n{QUOTES}"


def test_bad_rows_are_found_alike_in_long_and_short_chunks():
    pick = random.Random(0)
    kinds = {b"1,2\n": b"1,5.0\n", b'"\n",3\n': b'"\n",7.0\n', b"3\n": b"", b"4,x\n": b""}
    rows = [pick.choice([*[b"1,2\n"] * 20, *kinds]) for _ in range(1500)]
    data = b"a,b\n" + b"".join(rows)
    good, bad = same_outcome(data, ["b"], blocks=(1000, 1 << 22), skip=True)
    assert good == b"a,b\n" + b"".join(kinds[row] for row in rows)
    lines = data.split(b"\n")
    assert len(bad) == rows.count(b"3\n") + rows.count(b"4,x\n") > 100
    assert all(lines[line - 1] in (b"3", b"4,x") for line, _ in bad[:TOLD])


def test_rows_with_other_cells_are_skipped_without_a_look_at_each(monkeypatch):
    seen, real = [], csv_records.records
    monkeypatch.setattr(csv_records, "records", lambda *a: seen.append(1) or real(*a))
    data = b"a,b\n" + b'1,2\n3\n4,x\n"5\n",6\n7,8,9\n' * 10_000
    good, bad = run(data, ["b"], skip=True)
    assert good == b"a,b\n" + b'1,5.0\n"5\n",13.0\n' * 10_000
    assert len(bad) == 30_000
    assert bad[:5] == [
        (3, "1 cell where the header has 2"),
        (4, "column 'b': 'x' is not a number"),
        (7, "3 cells where the header has 2"),
        (9, "1 cell where the header has 2"),
        (10, "column 'b': 'x' is not a number"),
    ]
    assert len(seen) <= 2 * TOLD  # one for each that is told in a block


@given(
    st.lists(
        st.sampled_from(
            [b"1,2\n", b"3\r\n", b"4,x\n", b'5,6"\n', b'"7"7,\n', b'"\n\n",1\n', b"\n"]
        ),
        max_size=12,
    )
)
def test_skipping_is_the_same_at_every_chunk_size(rows):
    data = b"a,b\n" + b"".join(rows)
    good, bad = same_outcome(data, ["b"], skip=True, blocks=(1, 1 << 22))
    assert len(bad) == sum(row in (b"3\r\n", b"4,x\n", b'5,6"\n', b'"7"7,\n') for row in rows)
    assert same_outcome(good, (), blocks=(1 << 22,)) == (good, [])


@pytest.mark.parametrize(
    ("data", "places"),
    [
        (b"a,b\n1,2\nx,2\n3,4\nx,2\n5,6\nx,2\n7,8\n", (2, 4, 6, 8)),
        # The blank lines end with an LF, and what is before them, without bad rows, with a CR.
        (b"a,b\n1,2\rx,2\r\n\n3,4\rx,2\n3\n\n5,6\n7,8\rx\n\n", (2, 5, 9, 10)),
    ],
)
def test_lines_are_right_after_rows_were_skipped(data, places):
    for rows in CHUNKS:
        table = Csv().open(Memory(data), read_options(chunk_rows=rows, skip_bad_rows=True))
        parts = [chunk.without_bad_rows([0])[0] for chunk in table.chunks()]
        whole = pickle.loads(pickle.dumps(CsvChunk.concat(parts)))
        for chunk in (whole, CsvChunk.concat([whole.slice(i, i + 1) for i in range(4)])):
            lines = [chunk.place(row, 0).split(",")[0] for row in range(4)]
            assert lines == [f"t.csv: line {line}" for line in places]


# -- chunks --------------------------------------------------------------------------------


@given(tables(), st.integers(1, 3))
def test_slices_of_a_chunk_put_together_are_the_chunk(table, size):
    data, delimiter, comment, columns = table
    options = read_options(delimiter=delimiter, comment=comment or None)
    for chunk in Csv().open(Memory(data), options).chunks():
        parts = [chunk.slice(i, i + size) for i in range(0, max(chunk.rows, 1), size)]
        assert [part.rows for part in parts[:-1]] == [size] * (len(parts) - 1)
        whole = CsvChunk.concat(parts)
        assert (whole.block, whole.line, whole.offset) == (chunk.block, chunk.line, chunk.offset)
        for column in columns:
            cells = [cell for part in parts for cell in place_of_all(part, column)]
            assert cells == place_of_all(chunk, column)


def place_of_all(chunk: CsvChunk, column: int) -> list[str]:
    return [chunk.place(row, column) for row in range(chunk.rows)]


def test_a_chunk_of_a_file_is_pickled_without_its_bytes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n" + b"1,2\n" * 10_000)
    source = Source(str(path), path)
    (chunk,) = Csv().open(source, ReadOptions()).chunks()
    for part in (
        chunk,
        chunk.slice(5, 9000),
        CsvChunk.concat([chunk.slice(0, 9), chunk.slice(9, 50)]),
    ):
        pickled = pickle.dumps(part)
        assert len(pickled) < 2000
        assert pickle.loads(pickled).block == part.block
    path.write_bytes(b"a,b\n")
    with pytest.raises(DataError, match="has become shorter while being read"):
        _ = pickle.loads(pickled).block


def test_a_table_of_many_columns_is_read_like_its_columns_one_by_one():
    pick = random.Random(1)
    names = [f"c{i}" for i in range(1000)]
    cells = ["1.5", "NA", "", '"7"', " 8 ", str(2**60 + 1), "2"]
    rows = [[pick.choice(cells) for _ in names] for _ in range(3)]
    rows[1][17], rows[2][400], rows[0][433] = "x", "y", "007"
    data = "\n".join(",".join(row) for row in [names, *rows]) + "\n"
    (chunk,) = Csv().open(Memory(data.encode()), ReadOptions()).chunks()
    columns = [*range(0, 1000, 2), *range(1, 1000, 2)]
    without_kernel = patch.object(kernel, "library", lambda: None)
    with without_kernel, patch.object(csv_cells, "read", wraps=csv_cells.read) as read:
        together = chunk.observe(columns)
        assert read.call_count < 100
        with patch.object(csv_cells, "TOGETHER", 1):
            single = chunk.observe(columns)
        assert read.call_count > 500  # the others are plain numbers
    bad = [c for c, x in zip(columns, single, strict=True) if isinstance(x, NotNumbers)]
    assert bad == [400, 17, 433]
    assert [repr(x) for x in together] == [repr(x) for x in single]


# -- conversion ----------------------------------------------------------------------------


def test_as_arrow_untouched_cells_are_text_and_an_empty_cell_is_null_unless_quoted():
    data = b'id,t,x\n007,,1\n"0""8","",NA\n9," a ",2\n'
    (chunk,) = Csv().open(Memory(data), ReadOptions()).chunks()
    (x,) = chunk.numbers([2])
    table = chunk.to_arrow({2: doubled(x)}, Style())
    assert table.to_pydict() == {
        "id": ["007", '0"8', "9"],
        "t": [None, "", " a "],
        "x": [3.0, None, 5.0],
    }
    assert table.schema.types == [pa.large_string(), pa.large_string(), pa.float64()]
    assert table.schema == Csv().open(Memory(data), ReadOptions()).schema([2], Style())


def csv_of(table: pa.Table, delimiter: str = ",", decimal: str = ".") -> list[list[str]]:
    text = bytes(csv_text.rows(table, (), Style(), delimiter, decimal)).decode()
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " ", "]", "^", "\\", ":"])
def test_arrow_tables_of_all_types_are_written_as_csv_that_reads_back(delimiter):
    import datetime
    from decimal import Decimal

    columns = {
        "text": pa.array(['a"b', "c,d;e\tf|g h]i^j\\k:l", "m\r\nn", None, ""]),
        "dictionary": pa.array(["x y", "z", None, "x y", "z"]).dictionary_encode(),
        "float": pa.array([1.5, float("nan"), float("inf"), None, -1e-300]),
        "half": pa.array(np.array([1.5, 0.1, 2, 3, 4], np.float16)),
        "single": pa.array([0.1, None, 2, 3, 4], pa.float32()),
        "int": pa.array([2**63, 0, None, 1, 2], pa.uint64()),
        "bool": pa.array([True, False, None, True, True]),
        "decimal": pa.array([Decimal("1.10"), None, Decimal("-2.00"), Decimal(0), Decimal(1)]),
        "date": pa.array([datetime.date(2024, 2, 29), None] * 2 + [None]),
        "time": pa.array([datetime.time(1, 2, 3), None] * 2 + [None]),
        "timestamp": pa.array([datetime.datetime(2024, 2, 29, 1, 2, 3), None] * 2 + [None]),
        "list": pa.array([[1, 2], None, [], [3], [4]]),
        "struct": pa.array([{"a": "x"}, None, {"a": None}, {"a": "y"}, {"a": '"'}]),
        "null": pa.nulls(5),
    }
    rows = csv_of(pa.table(columns), delimiter)
    got = dict(zip(columns, zip(*rows, strict=True), strict=True))
    assert got["text"] == ('a"b', "c,d;e\tf|g h]i^j\\k:l", "m\r\nn", "", "")
    assert got["dictionary"] == ("x y", "z", "", "x y", "z")
    assert got["float"] == ("1.5", "NaN", "inf", "", "-1e-300")
    assert [np.float16(t) for t in got["half"]] == columns["half"].to_pylist()
    assert got["single"] == ("0.1", "", "2.0", "3.0", "4.0")
    assert got["int"] == ("9223372036854775808", "0", "", "1", "2")
    assert got["bool"] == ("true", "false", "", "true", "true")
    assert got["decimal"] == ("1.10", "", "-2.00", "0.00", "1.00")
    assert got["date"][0], got["time"][0] == ("2024-02-29", "01:02:03.000000")
    assert got["timestamp"][0].startswith("2024-02-29 01:02:03")
    assert got["list"] == ("[1, 2]", "", "[]", "[3]", "[4]")
    assert got["struct"][4] == '{"a": "\\""}'
    assert got["null"] == ("",) * 5


def test_a_null_in_a_table_of_one_column_is_not_a_blank_line():
    text = csv_text.rows(pa.table({"x": [1.5, None]}), (), Style(), ",", ".")
    assert text == b'1.5\n""\n'


def test_a_number_that_becomes_missing_leaves_no_blank_line_and_no_odd_quote():
    data = b'x\n1\n"2"\n 3 \n4\n'
    (chunk,) = Csv().open(Memory(data), ReadOptions()).chunks()
    null = np.array([True, True, True, False])
    new = chunk.splice({0: Scaled(np.array([0, 0, 0, 9.0]), null=null)}, Style())
    assert new == b'""\n""\n  \n9.0\n'
    assert same_outcome(b"x\n" + new, ["x"])[0] == b'x\n""\n""\n  \n19.0\n'
    two = CsvChunk(chunk.layout, b"1\n", 1, 0)
    assert two.splice({0: Scaled(np.zeros(1), null=np.array([True]))}, Style()) == b'""\n'


def test_a_decimal_comma_is_kept_when_csv_becomes_tsv_and_quoted_where_it_parts_cells():
    numbers = pa.table({"a": [1.5, 2.0], "b": ["x", "y"]})
    assert csv_of(numbers, "\t", ",") == [["1,5", "x"], ["2,0", "y"]]
    assert csv_text.rows(numbers, (), Style(), ",", ",") == b'"1,5",x\n"2,0",y\n'


def test_csv_to_tsv_keeps_the_text_and_scales_the_numbers():
    options = read_options(delimiter=";")
    table = Csv().open(Memory(b'a b;"n\tn"\n1;007\n;"x""\ty"\n'), options)
    encoder = Tsv().encoder(table, [0], Style(), options)
    stream = io.BytesIO()
    writer = Tsv().writer(stream, encoder)
    for chunk in table.chunks():
        (x,) = chunk.numbers([0])
        writer.write(encoder.encode(chunk, {0: doubled(x)}))
    assert stream.getvalue() == b'a b\t"n\tn"\n3.0\t007\n\t"x""\ty"\n'


def test_text_that_the_encoding_cannot_write_is_refused():
    options = read_options(encoding="latin-1")
    table = Csv().open(Memory(b"a\n1\n"), ReadOptions())
    encoder = Tsv().encoder(table, [0], Style(), options)
    with pytest.raises(DataError, match="'€' cannot be written as iso8859-1"):
        Tsv().writer(io.BytesIO(), encoder).write("€".encode())


@pytest.mark.parametrize(("digits", "exact"), [(31, True), (32, False)])
def test_integers_are_exact_up_to_31_digits(digits, exact):
    """docs/numerics.md says so: longer ones are the float64 nearest to them."""
    texts = [10 ** (digits - 1) + 1, 10 ** (digits - 1) + 3]
    data = "".join(f"{text}\n" for text in ["x", *texts]).encode()
    (chunk,) = Csv().open(Memory(data), ReadOptions()).chunks()
    (x,) = chunk.numbers([0])
    found = [sum(int(p) for p in parts) for parts in x.parts.T.tolist()]
    assert found == (texts if exact else [int(float(text)) for text in texts])
