"""JSON Lines are read exactly and come back byte for byte; bad ones are refused with a message."""

import io
import json
import math
import pickle
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.errors import DataError, LimitError, UsageError
from normcli.formats.base import NotNumbers, ReadOptions, Style
from normcli.formats.jsonl import table as jsonl
from normcli.formats.jsonl import text as jsonl_text
from normcli.formats.jsonl.chunk import JsonLinesChunk
from normcli.formats.jsonl.format import JsonLines
from normcli.numerics.numbers import Scaled
from normcli.storage.sources import Source
from tests.read_options import read_options
from tests.storage import Memory

from .corpora import CORPORA, corpus

FORMAT = JsonLines()


class Bytes(Memory):
    """A source of these bytes; `times` they can be opened."""

    def __init__(self, data, times=99):
        super().__init__(data, "t.jsonl")
        self.times = times

    def open(self):
        self.times -= 1
        assert self.times >= 0
        return super().open()

    def spooled(self):
        return self


def table(data, **options):
    return FORMAT.open(Bytes(data), read_options(**options))


def chunk_of(data, **options):
    return JsonLinesChunk.concat(list(table(data, **options).chunks()))


def doubled(chunk, columns):
    """The columns times two, as a method would hand them back."""
    return {
        c: Scaled(2 * (x.parts[0] if len(x.parts) == 1 else x.parts.sum(axis=0)), x.missing)
        for c, x in zip(columns, chunk.numbers(columns), strict=True)
    }


def transformed(data, chosen, style=Style(), **options):  # noqa: B008  # frozen
    t = table(data, **options)
    encoder = FORMAT.encoder(t, chosen, style, read_options(**options))
    out = io.BytesIO()
    writer = FORMAT.writer(out, encoder)
    for chunk in t.chunks():
        if options.get("skip_bad_rows"):
            chunk, _ = chunk.without_bad_rows(chosen)
        writer.write(encoder.encode(chunk, doubled(chunk, chosen)))
    writer.close()
    return out.getvalue()


# An oracle: the fields of one line, by the standard library ------------------------------


def fields_of(line):
    """(key, start, end) of each field of a JSON object, where start:end is its value."""
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    i = line.index("{") + 1
    while (i := skip(line, i)) < len(line) and line[i] == '"':
        key, i = json.decoder.scanstring(line, i + 1)
        start = skip(line, skip(line, i) + 1)
        _, end = decoder.raw_decode(line, start)
        yield key, start, end
        i = skip(line, skip(line, end) + 1)


def skip(line, i):
    while i < len(line) and line[i] in " \t\r":
        i += 1
    return i


def oracle(data, name, change):
    """`data` with each number of the field `name` changed, done line by line."""
    bom = "\ufeff" if data.startswith(b"\xef\xbb\xbf") else ""
    lines = data.decode()[len(bom) :].split("\n")
    for n, line in enumerate(lines):
        for key, start, end in reversed(list(fields_of(line)) if line.strip(" \t\r") else []):
            if key == name and line[start] in "-0123456789":
                lines[n] = line = line[:start] + change(line[start:end]) + line[end:]
    return (bom + "\n".join(lines)).encode()


SPACES = st.text(" \t", max_size=2)
NUMBERS = st.one_of(
    st.integers(-(10**31), 10**31).map(str),
    st.integers(-99, 99).map(str),
    st.floats(-1e300, 1e300).map(repr),
    st.sampled_from(
        ["-0", "1e5", "1E+5", "1.10", "0.000", "-1.5e-300", "9007199254740993", "1e-999"]
    ),
)
STRINGS = st.one_of(
    st.text(max_size=6),
    st.text('\\"{}[],:\n\r/ü', max_size=8),
).map(lambda s: json.dumps(s, ensure_ascii=len(s) % 2 == 0))
VALUES = st.one_of(
    NUMBERS, STRINGS, st.sampled_from(["null", "true", "[]", "{}", '[1,{"x":"}"}]', '{"x":2}'])
)
CHOSEN = st.one_of(NUMBERS, st.just("null"))
SPELT = st.sampled_from(['"x"', '"\\u0078"'])


@st.composite
def objects(draw):
    fields = draw(
        st.lists(st.tuples(STRINGS.filter(lambda k: json.loads(k) != "x"), VALUES), max_size=4)
    )
    if draw(st.booleans()):
        place = draw(st.integers(0, len(fields)))
        fields.insert(place, (draw(SPELT), draw(CHOSEN)))
    gap = draw(SPACES)
    inner = ",".join(f"{gap}{k}{draw(SPACES)}:{draw(SPACES)}{v}{gap}" for k, v in fields)
    return f"{draw(SPACES)}{{{inner or gap}}}{gap}"


@st.composite
def files(draw):
    lines = draw(st.lists(st.one_of(objects(), objects(), SPACES), max_size=8))
    ends = draw(st.lists(st.sampled_from(["\n", "\r\n"]), min_size=len(lines), max_size=len(lines)))
    text = "".join(line + end for line, end in zip(lines, ends, strict=True))
    text = draw(st.sampled_from(["", "\ufeff"])) + text + draw(st.one_of(objects(), st.just("")))
    return text.encode()


@given(files(), st.integers(1, 64), st.one_of(st.none(), st.integers(1, 5)))
def test_with_no_column_chosen_the_output_is_the_input_at_every_block_and_chunk_size(
    data, block, rows
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "BLOCK", block)
        if data:
            assert transformed(data, [], chunk_rows=rows) == data


@given(files(), st.integers(1, 64), st.one_of(st.none(), st.integers(1, 5)))
def test_only_the_numbers_of_the_chosen_field_change(data, block, rows):
    def change(number):
        return json.dumps(2 * float(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "BLOCK", block)
        names = table(data).columns if data else []
        if "x" in names:
            expected = oracle(data, "x", change)
            got = transformed(data, [names.index("x")], chunk_rows=rows)
            assert numbers_respelt(got) == numbers_respelt(expected)


def numbers_respelt(data):
    """`data` with 0.00001 as 1e-5, where Python has 1e-05; other numbers are spelt alike."""
    data = re.sub(rb"(?<![\w.])-?0\.0000\d+", lambda m: repr(float(m[0])).encode(), data)
    return re.sub(rb"(?<=\de[-+])0(?=\d)", b"", data)


@given(files())
def test_numbers_are_read_exactly_and_what_lacks_is_missing(data):
    chunk = chunk_of(data) if data else None
    if chunk and "x" in chunk.layout.names:
        lines = [line for line in data.decode("utf-8-sig").split("\n") if line.strip(" \t\r")]
        rows = [dict(fields(line)) for line in lines]
        (x,) = chunk.numbers([chunk.layout.names.index("x")])
        assert len(x) == len(rows) == chunk.rows
        missing = np.zeros(len(x), bool) if x.missing is None else x.missing
        for i, row in enumerate(rows):
            text = row.get("x", "null")
            assert missing[i] == (text == "null")
            if text != "null":
                assert sum(map(Fraction, x.parts[:, i].tolist())) == exact(text)


def fields(line):
    return ((key, line[start:end]) for key, start, end in fields_of(line))


def exact(text):
    """An integer of up to 31 digits as it is, else the nearest float64."""
    digits = text.lstrip("-")
    return Fraction(int(text) if digits.isdigit() and len(digits) <= 31 else float(text))


def test_an_integer_beyond_two_to_the_53_keeps_its_rest_and_a_huge_one_is_the_nearest_float():
    numbers = ["9007199254740993", "-18446744073709551617", "9" * 31, "9" * 40, "0.1"]
    (x,) = chunk_of("".join(f'{{"x":{n}}}\n' for n in numbers).encode()).numbers([0])
    sums = [sum(map(Fraction, x.parts[:, i].tolist())) for i in range(len(numbers))]
    assert sums == [exact(n) for n in numbers]
    assert sums[3] == Fraction(1e40)


def test_numbers_beyond_float64_are_infinite_and_pass_untouched():
    data = b'{"x":1e999,"y":1}\n{"x":-1E400,"y":2}\n{"x":%s,"y":3}\n' % (b"9" * 5000)
    (x,) = chunk_of(data).numbers([0])
    assert x.parts.tolist() == [[math.inf, -math.inf, math.inf]]
    assert transformed(data, [1]) == re.sub(
        rb'"y":(\d)', lambda m: b'"y":%d.0' % (2 * int(m[1])), data
    )


# Columns ---------------------------------------------------------------------------------


def test_a_key_that_comes_late_is_a_column_and_missing_in_all_rows_before():
    data = b'{"a":1}\n' * 5000 + b'{"b":7,"a":2}\n'
    chunk = chunk_of(data)
    assert chunk.layout.names == ("a", "b")
    a, b = chunk.numbers([0, 1])
    assert a.missing is None
    assert b.missing.sum() == 5000
    assert b.parts[0, -1] == 7


def test_columns_stand_in_the_order_of_their_first_appearance():
    assert table(b'{"b":1,"a":2}\n{"c":3,"a":1}\n').columns == ["b", "a", "c"]


def test_with_the_columns_given_the_source_is_read_once():
    source = Bytes(b'{"id":"007","x":1.50}\n{"new":[1,2],"x":2}\n', times=1)
    opened = FORMAT.open(source, read_options(columns=("x",)))
    (chunk,) = opened.chunks()
    (x,) = chunk.numbers([0])
    assert x.parts.tolist() == [[1.5, 2.0]]
    encoder = FORMAT.encoder(opened, [0], Style(), ReadOptions())
    lines, _ = encoder.encode(chunk, doubled(chunk, [0]))
    assert lines == b'{"id":"007","x":3.0}\n{"new":[1,2],"x":4.0}\n'


def test_a_pipe_is_spooled_and_a_compressed_file_is_read_twice(tmp_path):
    import gzip

    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"x":1}\n') + gzip.compress(b'{"y":2}\n'))
    opened = FORMAT.open(Source(str(path), path), ReadOptions())
    assert opened.columns == ["x", "y"]
    assert sum(chunk.rows for chunk in opened.chunks()) == 2


def test_an_escaped_key_is_the_key_it_stands_for():
    data = b'{"a":1}\n{"\\u0061":2}\n{"\\u00e4\\"\\\\":3}\n'
    chunk = chunk_of(data)
    assert chunk.layout.names == ("a", 'ä"\\')
    assert transformed(data, [0]) == data.replace(b":2", b":4.0").replace(b":1", b":2.0")


def test_keys_that_differ_from_row_to_row_are_refused_before_they_fill_the_memory():
    data = b"".join(b'{"k%d":1}\n' % i for i in range(3000))
    with pytest.raises(LimitError, match=r"3000 different keys in 3000 objects .*\n.*--select"):
        table(data)


def test_a_hundred_thousand_columns_in_one_row_are_fine():
    data = b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(100_000)) + b"}"
    chunk = chunk_of(data)
    assert chunk.numbers([99_999])[0].parts.tolist() == [[99_999]]


def test_wide_tables_come_in_chunks_of_few_rows(monkeypatch):
    monkeypatch.setattr(jsonl, "CELLS", 30)
    data = b'{"a":1,"b":2,"c":3}\n' * 25
    chunks = list(table(data).chunks())
    assert [c.rows for c in chunks] == [10, 10, 5]
    assert b"".join(c.block for c in chunks) == data


# Chunks ----------------------------------------------------------------------------------


@given(files().filter(bool), st.data())
def test_slices_put_together_are_the_chunk_and_each_knows_its_lines(data, draw):
    chunk = chunk_of(data)
    cut = draw.draw(st.integers(0, chunk.rows))
    parts = (
        [chunk.slice(0, cut), chunk.slice(cut, chunk.rows)] if chunk.rows else [chunk.slice(0, 0)]
    )
    whole = JsonLinesChunk.concat(parts)
    assert (whole.block, whole.line) == (data, 1)
    assert [p.rows for p in parts] == ([cut, chunk.rows - cut] if chunk.rows else [0])
    lines = [p._line_of(row) for p in parts for row in range(p.rows)]
    assert lines == [chunk._line_of(row) for row in range(chunk.rows)]


def test_chunk_rows_is_kept_exactly_whatever_the_block_size(monkeypatch):
    data = b'\n{"x":1}\n\n' * 10 + b'{"x":2}'
    for block in (1, 7, 1000):
        monkeypatch.setattr(jsonl, "BLOCK", block)
        chunks = list(table(data, chunk_rows=4).chunks())
        assert [c.rows for c in chunks] == [4, 4, 3]
        assert b"".join(c.block for c in chunks) == data
        assert [c.line for c in chunks] == [1, 14, 26]


def test_a_chunk_pickles_as_its_bytes_alone():
    chunk = chunk_of(b'{"x":1}\n' * 1000)
    small = len(pickle.dumps(chunk))
    chunk.numbers([0])
    assert len(pickle.dumps(chunk)) == small < 9000
    assert pickle.loads(pickle.dumps(chunk)).numbers([0])[0].parts.sum() == 1000


# What is no number, and what is no JSON --------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('"a"', "text"),
        ("true", "boolean"),
        ("[1]", "array"),
        ('{"y":1}', "object"),
        ('"1.5"', "a number with --number-strings"),
    ],
)
def test_a_field_that_is_no_number_is_observed_with_reason_and_line(value, reason):
    (seen,) = chunk_of(f'{{"x":1}}\n\n{{"x":{value}}}\n{{"x":"later"}}'.encode()).observe([0])
    assert isinstance(seen, NotNumbers)
    assert (seen.reason, seen.where, seen.order) == (reason, "line 3", 3)


def test_text_in_a_chosen_column_is_an_error_with_line_column_and_what_to_try():
    chunk = chunk_of(b'{"x":1,"y":2}\n{"x":2,"y":"n/a"}\n{"x":"b","y":1}\n')
    with pytest.raises(DataError) as error:
        chunk.numbers([0, 1])
    first, hint = str(error.value).split("\n")
    assert first == "t.jsonl: line 2, column 'y': 'n/a' is not a number"
    assert "--null n/a" in hint
    assert "--exclude y" in hint


def test_a_boolean_in_a_chosen_column_is_an_error_too():
    with pytest.raises(
        DataError, match=r"line 1, column 'x': 'true' is not a number\n.*--exclude x"
    ):
        chunk_of(b'{"x":true}').numbers([0])


def test_null_tokens_are_missing_as_strings_and_as_numbers_and_stay_as_written():
    data = b'{"x":1}\n{"x":"n\\u002fa"}\n{"x":-999}\n{"x":3}\n'
    (x,) = chunk_of(data, null=("n/a", "-999")).numbers([0])
    assert x.missing.tolist() == [False, True, True, False]
    expected = data.replace(b"1}", b"2.0}").replace(b"3}", b"6.0}")
    assert transformed(data, [0], null=("n/a", "-999")) == expected
    with pytest.raises(DataError, match="'n/a' is not a number"):
        chunk_of(data).numbers([0])


def test_a_chosen_key_twice_in_one_object_is_refused_any_other_passes():
    data = b'{"x":1,"y":1,"y":2}\n{"y":3,"\\u0079":4,"x":5}\n'
    chunk = chunk_of(data)
    assert chunk.observe([1])[0].reason == "written twice in one object"
    with pytest.raises(DataError, match="line 1, column 'y' is written twice in one object\n"):
        chunk.numbers([1])
    assert transformed(data, [0]) == data.replace(b'"x":1', b'"x":2.0').replace(b"5", b"10.0")
    with pytest.raises(DataError, match="line 1, column 'y' is written twice"):
        chunk.to_arrow({}, Style())


NOT_OBJECTS = [
    (b"[1]", "an array, not an object"),
    (b"1", "a number, not an object"),
    (b"1e999", "a number, not an object"),
    (b'"a"', "a string, not an object"),
    (b"null", "null, not an object"),
    (b"true", "a boolean, not an object"),
    (b'{"x":1} y', "unexpected content after document (character 9)"),
    (b'{"x":1}{"x":2}', "unexpected content after document (character 8)"),
    (b'{"x":1}\r{"x":2}', "end with CR alone"),
    (b'{"x":NaN}', "NaN is not JSON: write null for a missing number"),
    (b'{"x": -Infinity}', "-Infinity is not JSON"),
    (b'{"x":01}', "not valid JSON"),
    (b'{"x":+1}', "not valid JSON"),
    (b'{"x":.5}', "not valid JSON"),
    (b'{"x":1.}', "not valid JSON"),
    (b'{"x":1e999,"y":1.5.5}', "not valid JSON"),
    (b'{"x":1e999,"y":01}', "not valid JSON"),
    (b'{"x":1e999 2}', "not valid JSON"),
    (b'{"x":1e999x}', "not valid JSON"),
    (b'{"x":1e999,"y":-1e999.}', "not valid JSON"),
    (b'{"x":1,}', "not valid JSON"),
    (b'{"x":1', "the object is not complete"),
    (b'{"x":"a', "the object is not complete|not valid JSON"),
    (b"{x:1}", "not valid JSON"),
    (b"{'x':1}", "not valid JSON"),
    (b'{"x":1}\0', "a NUL byte"),
    (b'{"\xc3\xa4":"\xff"}', "byte 0xff, byte 8 of the line, is not UTF-8"),
    (b'{"x":"\\ud800"}', "surrogate"),
    (b'{"x":"\\q"}', "not valid JSON"),
    (b"[" * 100_000, "nested deeper than 1024 levels"),
    (b'{"x":' * 100_000, "nested deeper than 1024 levels"),
    (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 1024 levels"),
    (b"\xef\xbb\xbf{}", "not valid JSON"),
    (b"\x0b", "not valid JSON"),
    (b"\xa0", "is not UTF-8"),
]


@pytest.mark.parametrize(("line", "message"), NOT_OBJECTS, ids=range(len(NOT_OBJECTS)))
@pytest.mark.parametrize("block", [3, 20, 4 << 20])
def test_a_line_that_is_no_object_is_refused_with_its_number(line, message, block, monkeypatch):
    monkeypatch.setattr(jsonl, "BLOCK", block if len(line) < 1000 else 4 << 20)
    data = b'{"x":1}\r\n\r\n' + line + b'\n{"x":3}\n'
    for columns in (None, ("x",)):
        with pytest.raises(DataError) as error:
            transformed(data, [], columns=columns)
        assert str(error.value).startswith("t.jsonl: line 3: ")
        assert any(words in str(error.value) for words in message.split("|"))
        assert "--on-bad-row skip" in str(error.value)


@pytest.mark.parametrize(("line", "message"), NOT_OBJECTS, ids=range(len(NOT_OBJECTS)))
def test_such_a_line_can_be_skipped_and_the_lines_after_it_keep_their_numbers(line, message):
    data = b'\xef\xbb\xbf{"x":1}\n\n' + line + b'\r\n{"x":3}\n{"x":"b"}\n{"x":5}'
    chunk = chunk_of(data, skip_bad_rows=True)
    good, bad = chunk.without_bad_rows([0])
    assert [number for number, _ in bad] == [3, 5]
    assert any(words in bad[0][1] for words in message.split("|"))
    assert bad[1][1] == "column 'x': 'b' is not a number"
    assert good.rows == 3
    assert good.place(1, 0) == "t.jsonl: line 4, column 'x': '3'"
    halves = [good.slice(0, 2), good.slice(2, 3)]
    assert [h.place(0, 0)[9:15] for h in halves] == ["line 1", "line 6"]
    assert JsonLinesChunk.concat(halves).splice({}, Style()) == good.splice({}, Style())
    kept = b'\xef\xbb\xbf{"x":2.0}\n\n{"x":6.0}\n{"x":10.0}'
    assert transformed(data, [0], skip_bad_rows=True) == kept


def test_skipping_leaves_good_files_alone():
    data = b'\n{"x":1}\n\n{"y":2}'
    good, bad = chunk_of(data).without_bad_rows([0])
    assert bad == []
    assert good.splice({}, Style()) == data


def test_a_line_beyond_the_limit_is_refused_at_every_block_size(monkeypatch):
    data = b'{"x":1}\n{"x":"%s"}\n{"x":2}\n' % (b"a" * 50)
    assert table(data, max_record_bytes=58).columns == ["x"]
    for block in (1, 20, 1000):
        monkeypatch.setattr(jsonl, "BLOCK", block)
        with pytest.raises(
            LimitError, match=r"line 2 is longer than 57 bytes.*\n.*--max-record-bytes"
        ):
            table(data, max_record_bytes=57)


def test_a_line_without_end_is_refused_without_reading_all_of_it(monkeypatch):
    class Endless(io.RawIOBase):
        read_so_far = 0

        def readinto(self, buffer):
            self.read_so_far += len(buffer)
            buffer[:] = b"1" * len(buffer)
            return len(buffer)

    stream = Endless()
    monkeypatch.setattr(jsonl, "BLOCK", 100)
    monkeypatch.setattr(Bytes, "open", lambda self: stream)
    with pytest.raises(LimitError, match="line 1 is longer"):
        table(b"{", max_record_bytes=1000)
    assert stream.read_so_far < 1500


def test_an_empty_input_has_its_own_words_and_blank_lines_pass():
    with pytest.raises(DataError, match="there is no row in it"):
        table(b"")
    assert table(b"\n \n").columns == []
    assert transformed(b"\n \n", []) == b"\n \n"
    assert transformed(b"{}\n{ }", []) == b"{}\n{ }"


def test_an_encoding_other_than_utf8_is_a_usage_error():
    for encoding in ("latin-1", "utf-16", "no such"):
        with pytest.raises(UsageError, match="always UTF-8"):
            table(b"{}", encoding=encoding)


def test_only_an_object_at_the_start_is_recognized_for_sure():
    for head in (b'{"a":1}\n', b"{}", b'\xef\xbb\xbf { "a"', b"\n{}"):
        assert FORMAT.sniff(head)
    for head in (b"", b"[1]", b"a,b\n", b"{a}", b"PAR1", b"{1,2}"):
        assert not FORMAT.sniff(head)


# Numbers out -----------------------------------------------------------------------------


def test_precision_float32_and_nulls_apply_to_replaced_columns_only():
    data = b'{"x":0.1234567,"y":0.1234567}\n{"x":3,"y":null}\n'
    chunk = chunk_of(data)
    scaled = {0: Scaled(np.array([1 / 3, 5.0]), None, np.array([False, True]))}
    spliced = chunk.splice(scaled, Style(precision=3))
    assert spliced == b'{"x":0.333,"y":0.1234567}\n{"x":null,"y":null}\n'
    assert b'"x":0.33333334,"y":0.1234567' in chunk.splice(scaled, Style(float32=True))


def test_a_number_too_large_for_float32_is_an_error_not_a_null():
    scaled = {0: Scaled(np.array([1e300]))}
    with pytest.raises(DataError, match="column 'x': a scaled number is too large for float32"):
        chunk_of(b'{"x":1}').splice(scaled, Style(float32=True))


# To Arrow --------------------------------------------------------------------------------


def test_types_are_those_that_hold_the_values_of_all_rows():
    data = (
        b'{"i":1,"f":1,"b":true,"s":"a\\n","n":null,"big":1,"mixed":1,"list":[1, 2],'
        b'"o":{"a":1.0}}\n'
        b'{"i":-9223372036854775808,"f":2.50,"s":null,"big":9223372036854775808,"mixed":"a"}\n'
        b'{"f":1e999,"late":"x"}\n'
    )
    opened = table(data)
    (chunk,) = opened.chunks()
    arrow = chunk.to_arrow({}, Style())
    assert arrow.schema == opened.schema([], Style())
    kinds = [
        "int64",
        "double",
        "bool",
        "string",
        "null",
        "string",
        "string",
        "string",
        "string",
        "string",
    ]
    assert [str(t) for t in arrow.schema.types] == kinds
    assert arrow.to_pydict() == {
        "i": [1, -(2**63), None],
        "f": [1.0, 2.5, math.inf],
        "b": [True, None, None],
        "s": ["a\n", None, None],
        "n": [None] * 3,
        "big": ["1", "9223372036854775808", None],
        "mixed": ["1", '"a"', None],
        "list": ["[1, 2]", None, None],
        "o": ['{"a":1.0}', None, None],
        "late": [None, None, "x"],
    }


def test_types_do_not_depend_on_the_block_size(monkeypatch):
    data = b'{"a":1,"b":1}\n{"a":1.5,"b":2}\n{"c":true,"a":2,"b":"x"}\n{"c":null}\n'
    for block in (1, 30, 4 << 20):
        monkeypatch.setattr(jsonl, "BLOCK", block)
        types = table(data).schema([], Style()).types
        assert [str(t) for t in types] == ["double", "string", "bool"]


def test_replaced_columns_are_floats_whatever_they_were():
    opened = table(b'{"x":1,"y":"a"}\n{"y":"b"}\n{"x":1e999}\n')
    (chunk,) = opened.chunks()
    scaled = {0: Scaled(np.array([0.5, 9.0, 9.0]), np.array([False, True, True]))}
    for style, type_ in ((Style(), "double"), (Style(float32=True), "float")):
        arrow = chunk.to_arrow(scaled, style)
        assert arrow.schema == opened.schema([0], style)
        assert str(arrow.schema.field("x").type) == type_
        assert arrow["x"].to_pylist() == [0.5, None, math.inf]


# From Arrow ------------------------------------------------------------------------------

ARROW = pa.table(
    {
        "i": pa.array([1, None, 2**63 - 1]),
        "u": pa.array([1, None, 2**64 - 1], pa.uint64()),
        "f": [0.1, None, -1e-7],
        "f32": pa.array([0.1, None, 3.0], pa.float32()),
        "b": [True, None, False],
        "s": ['a"\\\n', None, "ü\u2028"],
        "n": pa.nulls(3),
        "d": pa.array(
            [Decimal("1.10"), None, Decimal("-12345678901234567.89")], pa.decimal128(38, 2)
        ),
        "day": [date(2024, 2, 29), None, date(1969, 1, 1)],
        "t": pa.array(
            [datetime(2024, 1, 1, 12, 0, 0, 5), None, datetime(1, 1, 1)], pa.timestamp("us")
        ),
        "tz": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None, None], pa.timestamp("ms", "UTC")),
        "took": pa.array([timedelta(seconds=2), None, None], pa.duration("ms")),
        "raw": pa.array([b"\xff\x00", None, b""]),
        "dict": pa.array(["x", None, "x"]).dictionary_encode(),
        "list": [[1.5, None], None, []],
        "struct": pa.array([{"p": 1, "q": [{"r": "s"}]}, None, {"p": None, "q": None}]),
        "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    }
)


def test_rows_of_an_arrow_table_come_out_as_objects_with_all_digits():
    lines, nan = jsonl_text.rows(ARROW, (), Style())
    first, second, third = (
        json.loads(line, parse_float=str) for line in lines.decode().split("\n")[:-1]
    )
    assert nan == 0
    assert first == {
        "i": 1, "u": 1, "f": "0.1", "f32": "0.1", "b": True, "s": 'a"\\\n', "n": None, "d": "1.10",
        "day": "2024-02-29", "t": "2024-01-01T12:00:00.000005", "tz": "2024-01-01T00:00:00.000Z",
        "took": 2000, "raw": "/wA=", "dict": "x", "list": ["1.5", None],
        "struct": {"p": 1, "q": [{"r": "s"}]}, "map": [{"key": "k", "value": 1}],
    }  # fmt: skip
    assert second == dict.fromkeys(ARROW.column_names)
    assert third["u"] == 2**64 - 1
    assert third["d"] == "-12345678901234567.89"
    assert third["s"] == "ü\u2028"
    assert third["struct"] == {"p": None, "q": None}


def test_slices_of_arrow_tables_come_out_as_what_they_show():
    whole = jsonl_text.rows(ARROW, (), Style())[0].splitlines(keepends=True)
    for i in range(3):
        assert jsonl_text.rows(ARROW.slice(i, 1), (), Style())[0] == whole[i]
    assert jsonl_text.rows(ARROW.slice(0, 0), (), Style())[0] == b""


def test_nan_becomes_null_and_is_counted_and_infinity_reads_back_as_infinity():
    values = pa.table(
        {"x": [1.0, math.nan, None, -math.inf], "y": [[math.nan], [], None, [math.inf]]}
    )
    lines, nan = jsonl_text.rows(values, (), Style())
    assert nan == 2
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["x"] for row in rows] == [1.0, None, None, -math.inf]
    assert [row["y"] for row in rows] == [[None], [], None, [math.inf]]


def test_a_column_of_the_statistics_that_no_line_has_is_an_error(tmp_path, normcli):
    """A field that some row lacks is missing there; one that is null in all rows is missing."""
    table, statistics = tmp_path / "t.jsonl", tmp_path / "s.json"
    table.write_bytes(b'{"x":1,"y":2}\n{"x":3,"y":5}\n')
    assert normcli("fit", "-q", table, "-o", statistics).code == 0
    table.write_bytes(b'{"x":1,"z":2}\n{"x":3}\n')
    done = normcli("transform", table, "--stats", statistics)
    assert done.code == 1
    assert "t.jsonl: no row has a field 'y', which the statistics have\n" in done.err
    parts = normcli("transform", table, "--stats", statistics, "--output-dir", tmp_path / "parts")
    assert (parts.code, (tmp_path / "parts").exists()) == (1, False)
    without = normcli("transform", table, "--stats", statistics, "--exclude", "y")
    assert without.out == b'{"x":-1.0,"z":2}\n{"x":1.0}\n'
    table.write_bytes(b'{"x":1,"y":null}\n{"x":3}\n')
    done = normcli("transform", table, "--stats", statistics)
    assert done.out == b'{"x":-1.0,"y":null}\n{"x":1.0}\n'
    assert "missing in every row: 1 column: y\n" in done.err


def test_an_inverse_needs_one_column_of_the_statistics_in_some_line(tmp_path, normcli):
    statistics = tmp_path / "s.json"
    normcli("fit", "-q", "-o", statistics, stdin=b'{"x":1,"y":2}\n{"x":3,"y":5}\n')
    some = normcli("inverse", "--stats", statistics, "--from", "jsonl", stdin=b'{"x":-1}\n')
    assert (some.code, some.out) == (0, b'{"x":1}\n')
    none = normcli("inverse", "--stats", statistics, "--from", "jsonl", stdin=b'{"z":-1}\n')
    assert "stdin: no row has any of the fields 'x', 'y', which the statistics have" in none.err
    assert none.code == 1


@pytest.mark.parametrize("more", [[], ["--output-dir", "parts", "--fragment-bytes", "1"]])
def test_nan_that_becomes_null_is_told(more, tmp_path, monkeypatch, normcli):
    monkeypatch.chdir(tmp_path)
    nan = pa.table({"x": [1.0, 3.0, math.nan], "y": [math.nan, 0.0, None]})
    pq.write_table(nan, "t.parquet", row_group_size=1)
    assert normcli("fit", "-q", "t.parquet", "--select", "x", "-o", "s.json").code == 0
    done = normcli("transform", "t.parquet", "--stats", "s.json", "--to", "jsonl", *more)
    assert "2 NaN cells written as null: JSON has no NaN\n" in done.err
    done = normcli("transform", "t.parquet", "--stats", "s.json", "-o", "t.arrow")
    assert "written as null" not in done.err


def test_style_shortens_replaced_columns_only():
    table, scaled = pa.table({"x": [1 / 3], "y": [1 / 3]}), {1: Scaled(np.array([1 / 3]))}
    lines, _ = jsonl_text.rows(table, scaled, Style(precision=2))
    assert lines == b'{"x":0.3333333333333333,"y":0.33}\n'


def test_what_json_cannot_carry_is_refused_by_name_before_anything_is_read():
    class Other:
        name = "o.parquet"
        columns = ("a", "span")
        interval = pa.schema([("a", pa.int64()), ("span", pa.month_day_nano_interval())])

        def schema(self, replaced, style):
            return self.interval

    with pytest.raises(DataError, match="column 'span' is of type month_day_nano_interval"):
        FORMAT.encoder(Other(), [], Style(), ReadOptions())
    other = Other()
    other.columns = ("a", "a")
    with pytest.raises(DataError, match="two columns are named 'a'"):
        FORMAT.encoder(other, [], Style(), ReadOptions())


def test_lines_to_arrow_and_back_are_the_same_values():
    data = (
        b'{"a":1,"b":"x","c":true,"d":1.5,"e":null}\n{"a":2,"b":null,"c":false,"d":-0.0,"e":null}\n'
    )
    lines, _ = jsonl_text.rows(chunk_of(data).to_arrow({}, Style()), (), Style())
    assert lines == data


# The corpora -----------------------------------------------------------------------------


def test_naughty_strings_pass_as_keys_and_as_values():
    strings = json.loads(corpus("naughty_strings/blns.json").read_text())
    for ascii_only in (True, False):
        rows = [{s: i, "x": i, f"v{s}": s} for i, s in enumerate(strings)]
        data = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows).encode()
        opened = table(data)
        assert set(opened.columns) == {key for row in rows for key in row}
        assert transformed(data, []) == data
        chosen = [opened.columns.index(s) for s in dict.fromkeys(strings)]
        out = [json.loads(line) for line in transformed(data, chosen).decode().split("\n")[:-1]]
        assert out == [{**row, s: 2 * row[s]} for s, row in zip(strings, rows, strict=True)]


def files_of(*folders):
    found = [p for folder in folders for p in sorted((CORPORA / folder).rglob("*")) if p.is_file()]
    return found or [Path("absent")]


@pytest.mark.parametrize(
    "path", files_of("jsonl", "json_hostile", "naughty_strings"), ids=lambda p: p.name
)
def test_every_file_of_the_corpora_comes_back_the_same_or_is_refused_in_two_lines(path):
    corpus("json_hostile")
    data = path.read_bytes()
    try:
        opened = table(data)
        numeric = [
            c
            for c, x in enumerate(chunk_of(data).observe(range(len(opened.columns))))
            if not isinstance(x, NotNumbers)
        ]
        assert transformed(data, []) == data
        for line in [*transformed(data, numeric).splitlines(), *data.splitlines()]:
            assert not line.strip() or json.loads(line.removeprefix(b"\xef\xbb\xbf")) is not None
    except (DataError, LimitError) as error:
        message = str(error)
    else:
        message = ""
    assert message.count("\n") <= 1
    assert message.replace("\n", "").isprintable()
