"""The sidecar, and the statistics in it."""

import copy
import functools
import itertools
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from normcli import sidecar
from normcli.errors import DataError, LimitError, NormcliError, SidecarError
from normcli.methods import methods
from normcli.methods.spelling import method_of
from normcli.numerics.numbers import Numbers
from normcli.numerics.total import MAX_FLOATS, MAX_SCALE, Total
from normcli.sidecar.model import GroupStatistics, Statistics
from normcli.statistics.base import Rows, Value
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.moments import Moments
from normcli.statistics.quantiles import QuantilesRecipe, Wants
from normcli.statistics.running import Running
from normcli.statistics.weight import Weighted
from tests.corpora import corpus
from tools.sessions import fenced

METHODS = methods()
ZSCORE, SAMPLE = (METHODS["zscore"].from_parameters({"ddof": ddof}) for ddof in (0, 1))
MINMAX = METHODS["minmax"].from_parameters({})


def column(values: Sequence[float | None], scale: int = 0) -> ColumnStatistics:
    """The statistics of some cells; None is missing."""
    parts = np.array([[math.nan if v is None else v for v in values]], dtype=float)
    missing = np.array([v is None for v in values], dtype=bool)
    return ColumnStatistics.of(Numbers(parts, missing, scale))


def table(columns: dict[str, Sequence[float | None]], **more: Any) -> Statistics:
    rows = len(next(iter(columns.values()), ()))
    return Statistics(rows, {name: column(values) for name, values in columns.items()}, **more)


def also(statistics: ColumnStatistics, value: Value) -> ColumnStatistics:
    """The statistics with a running mean and variance, or with quantiles."""
    name = "running" if isinstance(value, Running) else "quantiles"
    return replace(statistics, values={**statistics.values, name: value})


PRICES = [11.0, 25.0, 31.0, None]
WITH_QUANTILES = (
    QuantilesRecipe(Wants((Fraction(1, 4),), table=3, deviation=True))
    .of(Rows({0: Numbers(np.array([PRICES], float), scale=1)}))
    .values()[(), 0]
)
TINY = {"age": [1.0, 2.0, None, 4.5], "ratio": [0.1, 0.2, math.nan, math.inf]}
WEIGHED = ColumnStatistics(
    {
        "moments": replace(column([1.0, 2.0, 3.0]).moments, left_out=1),
        "weight": Weighted("frequency", *(Total.of(n) for n in (3, 3, 6, 14))),
    }
)
GROUP = {
    **{name: column(values) for name, values in TINY.items()},
    "price": column([11.0, 25.0, 31.0, None], scale=1),
    "level": ColumnStatistics(given={"mean": 0.5, "std": 2.0}),
    "weighed": WEIGHED,
}


@functools.cache
def tiny_sidecar() -> bytes:
    """A small valid sidecar that has every field."""
    statistics = Statistics(
        4,
        {
            "age": replace(column(TINY["age"]), mapped={"log1p": column([0.5, None, 1.5, 2.5])}),
            "ratio": also(column(TINY["ratio"]), Running(0.5, 1.25, 7)),
            "price": also(column(PRICES, scale=1), WITH_QUANTILES),
            "level": ColumnStatistics(given={"mean": 0.5, "std": 2.0}),
            "weighed": WEIGHED,
        },
        ZSCORE,
        {"age": MINMAX},
        {("a", "b"): GroupStatistics(4, GROUP)},
        {
            "by": ["shop", "day"],
            "default_null": False,
            "null": ["-999"],
            "missing": "median",
            "share": [["age", "ratio"]],
            "weight": {"column": "w", "kind": "frequency"},
            "where": "age > 3",
        },
    )
    return sidecar.dumps(statistics)


def tiny() -> Any:
    """The document of `tiny_sidecar`."""
    return json.loads(tiny_sidecar())


def loads(document: Any) -> Statistics:
    return sidecar.loads(json.dumps(document).encode(), "s.json")


def refusal(data: bytes, **options: Any) -> str:
    """The message that refuses a sidecar: printable, one or two lines."""
    with pytest.raises((SidecarError, LimitError)) as caught:
        sidecar.loads(data, "s.json", **options)
    message = str(caught.value)
    assert message.startswith("s.json: ")
    assert all(line.isprintable() for line in message.split("\n"))
    assert message.count("\n") <= 1
    assert len(message) < 400
    return message


# ---------------------------------------------------------------------- strategies

floats = st.floats(allow_subnormal=True)
cells = st.one_of(st.none(), floats, st.integers(-(10**6), 10**6).map(float))
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# The type says that columns of these names exist, not that every method has each parameter.
some_methods = st.sampled_from([ZSCORE, MINMAX])


@st.composite
def long_integers(draw: st.DrawFn, rows: int) -> ColumnStatistics:
    """Integers beyond 2**53, as two parts."""
    values = draw(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=rows, max_size=rows))
    high = [float(v >> 32 << 32) for v in values]
    low = [float(v & 0xFFFFFFFF) for v in values]
    return ColumnStatistics.of(Numbers(np.array([high, low], dtype=float).reshape(2, rows)))


@st.composite
def tables(draw: st.DrawFn) -> Statistics:
    """Statistics of a few rows with all kinds of columns."""
    rows = draw(st.integers(0, 4))
    a_list = st.lists(cells, min_size=rows, max_size=rows)
    decimals = st.builds(
        column,
        st.lists(st.none() | st.integers(-999, 999), min_size=rows, max_size=rows),
        st.integers(1, 40),
    )
    kinds = st.one_of(st.builds(column, a_list), decimals, long_integers(rows))
    columns = draw(st.dictionaries(names, kinds, max_size=4))
    own = draw(st.dictionaries(st.sampled_from([*columns]), some_methods)) if columns else {}
    finite = st.floats(allow_nan=False, allow_infinity=False)
    runs = st.builds(Running, finite, finite.map(abs), st.integers(0, 2**70))
    running = draw(st.dictionaries(st.sampled_from([*columns]), runs)) if columns else {}
    columns |= {name: also(columns[name], value) for name, value in running.items()}
    return Statistics(rows, columns, draw(some_methods), own)


# ---------------------------------------------------------------------- there and back


@given(tables())
def test_loads_undoes_dumps_and_dumps_undoes_loads(statistics):
    data = sidecar.dumps(statistics)
    loaded = sidecar.loads(data)
    assert loaded == statistics
    assert list(loaded.columns) == list(statistics.columns)
    assert sidecar.dumps(loaded) == data


@given(tables())
def test_every_sidecar_is_valid_by_the_shipped_schema(statistics):
    document = json.loads(sidecar.dumps(statistics))
    jsonschema_rs.validate(sidecar.schema(), document)


def test_the_schema_is_a_draft_2020_12_schema_and_describes_every_field():
    schema = sidecar.schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)
    of_column = schema["$defs"]["column"]["properties"]
    assert set(schema["properties"]) == set(tiny())
    assert set(of_column) == {f for entry in tiny()["columns"].values() for f in entry}
    assert all("description" in field for field in (schema["properties"] | of_column).values())


def test_the_schema_that_ships_is_that_of_the_program():
    shipped = Path(sidecar.__file__).with_name("schema.json")
    assert shipped.read_text("utf-8") == json.dumps(sidecar.schema(), indent=2) + "\n"


def test_the_schema_allows_as_long_sums_as_the_program_makes():
    kinds = sidecar.schema()["$defs"]
    assert kinds["total"]["maxItems"] == MAX_FLOATS
    assert kinds["scale"]["maximum"] == MAX_SCALE


def test_a_sidecar_of_version_1_is_read_and_has_no_field_of_version_2():
    document = json.loads(sidecar.dumps(table(TINY)))
    first = {**document, "normcli": 1}
    for entry in first["columns"].values():
        del entry["whole"]
    assert loads(first).columns["age"].moments == replace(
        loads(document).columns["age"].moments, whole=None
    )
    for extra in ({"by": ["shop"]}, {"groups": []}):
        assert "unknown field" in refusal(json.dumps(first | extra).encode())
    first["columns"]["age"]["whole"] = True
    assert "unknown field 'whole'" in refusal(json.dumps(first).encode())


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        [1.7976931348623157e308, -1.7976931348623157e308, 1.7976931348623157e308],
        [5e-324, -5e-324, 1e-200],
        [1e300, 1e-300, -1e300],
        [-0.0],
        [1e15, 1e15 + 0.125],
        [math.inf, math.nan, None],
    ],
)
def test_extreme_columns_come_back_bit_for_bit(values):
    statistics = table({"x": values})
    assert sidecar.loads(sidecar.dumps(statistics)) == statistics


def test_counts_beyond_2_to_the_53_come_back():
    statistics = table({"x": [1.0, 3.0, None]})
    for _ in range(60):
        statistics = statistics.merge(statistics)
    loaded = sidecar.loads(sidecar.dumps(statistics))
    assert loaded == statistics
    assert (loaded.rows, loaded.columns["x"].count) == (3 << 60, 2 << 60)


def test_exact_extremes_have_all_their_digits():
    low, high = 9007199254740993, Decimal("9007199254740993.1")
    total = Total.of(low * 10 + 90071992547409931, scale=1)
    squares = Total.of((low * 10) ** 2 + 90071992547409931**2, scale=2)
    found = Moments(2, 0, 0, 0, low, high, total, squares, False)
    statistics = Statistics(2, {"x": ColumnStatistics({"moments": found})})
    data = sidecar.dumps(statistics)
    assert b'"min": 9007199254740993,' in data
    assert b'"max": "9007199254740993.1",' in data
    assert sidecar.loads(data) == statistics


def test_std_has_the_ddof_that_the_file_states():
    statistics = table({"x": [1.0, 3.0]}, method=SAMPLE)
    document = json.loads(sidecar.dumps(statistics))
    assert (document["ddof"], document["columns"]["x"]["std"]) == (1, math.sqrt(2))
    document = json.loads(sidecar.dumps(replace(statistics, method=MINMAX)))
    assert (document["ddof"], document["columns"]["x"]["std"]) == (0, 1.0)


def test_columns_may_have_any_name():
    lines = json.loads((corpus("naughty_strings") / "blns.json").read_text("utf-8"))
    statistics = table({name: [1.0, 2.0] for name in [*lines, "", "\x00", "\x1b[31m", "a\nb"]})
    assert sidecar.loads(sidecar.dumps(statistics)) == statistics


def test_a_name_that_is_not_unicode_is_refused_on_writing():
    with pytest.raises(DataError, match=r"not valid Unicode.*rename that column"):
        sidecar.dumps(table({"a\ud800": [1.0]}))


def test_a_std_beyond_float64_is_refused_on_writing_by_name():
    largest = sys.float_info.max
    statistics = table({"big": [-largest, largest]}, method=SAMPLE)
    with pytest.raises(DataError, match="column 'big': its standard deviation"):
        sidecar.dumps(statistics)
    assert sidecar.dumps(replace(statistics, method=ZSCORE))


@given(st.binary(max_size=6), st.data())
def test_a_damaged_sidecar_is_loaded_whole_or_refused(noise, data):
    whole = sidecar.dumps(table(TINY))
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, min(start + 6, len(whole))))
    damaged = whole[:start] + noise + whole[stop:]
    try:
        statistics = sidecar.loads(damaged)
    except SidecarError:
        refusal(damaged)
    else:
        assert sidecar.loads(sidecar.dumps(statistics)) == statistics


def test_json_tools_may_respell_a_sidecar():
    document = tiny()
    respelled = json.dumps(document, sort_keys=True).replace(".0,", ",").replace(".0]", "]")
    assert respelled.count(".0") < json.dumps(document).count(".0")
    assert sidecar.loads(respelled.encode()) == loads(document)
    document["rows"] = 4.0
    assert loads(document) == loads(tiny())


# ---------------------------------------------------------------------- from where


def test_a_sidecar_is_loaded_from_a_path_and_from_stdin(tmp_path):
    path = tmp_path / "s.json"
    data = sidecar.dumps(table(TINY))
    path.write_bytes(data)
    assert sidecar.load(path) == sidecar.load(str(path)) == table(TINY)
    script = "import sys; from normcli import sidecar as s; "
    script += "sys.stdout.buffer.write(s.dumps(s.load('-')))"
    run = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True)
    assert (run.stdout, run.stderr) == (data, b"")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(NormcliError, match=r"absent\.json"):
        sidecar.load(tmp_path / "absent.json")
    with pytest.raises(NormcliError, match="directory"):
        sidecar.load(tmp_path)


def test_a_sidecar_beyond_the_limit_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "s.json"
    path.write_bytes(b"[" * 101)
    with pytest.raises(LimitError, match=r"more than 100 bytes.*--max-sidecar"):
        sidecar.load(path, limit=100)
    with pytest.raises(SidecarError):
        sidecar.load(path, limit=101)


# ---------------------------------------------------------------------- hostile files


def test_every_hostile_json_file_is_refused_in_plain_words():
    folder = corpus("json_hostile") / "JSONTestSuite"
    files = sorted(path for path in folder.rglob("*.json"))
    assert len(files) > 100
    for path in files:
        refusal(path.read_bytes())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON: Expecting value (line 1 column 1)"),
        (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
        ("{}".encode("utf-16"), "not UTF-8 text (byte 0)"),
        (b'{"a": "\xff"}', "not UTF-8 text (byte 7)"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"method":' * 100_000, "nested too deeply"),
        (b"[" * 900 + b"]" * 900, "nested too deeply"),
        (b'{"rows": 1, "a": 2, "rows": 3}', "the name 'rows' occurs twice in one object"),
        (b'{"a\\u001b": 1, "a\\u001b": 3}', r"the name 'a\x1b' occurs twice in one object"),
        (b'{"normcli": 3}', "made by a newer normcli: version 3; this one reads 2"),
        (b"[]", "a list is not an object"),
        (b"{}", "the field 'normcli' is missing"),
        (b'{"normcli": 1, "\\ud800": 1}', "not valid Unicode"),
        (b"1" * 5000, "is not an object"),
    ],
)
def test_a_file_that_is_not_a_sidecar_has_its_own_message(data, words):
    assert words in refusal(data)


# ---------------------------------------------------------------------- hostile fields

HOSTILE = [
    "null", "true", "false", '""', '"x"', '"NaN"', '"\\u001b[31m"', "[]", "{}", "[[]]", "[null]",
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "-1", "-1e308", "1e308", "0.5", "1e-320",
    "9" * 309, "9" * 5000, "-" + "9" * 5000, "9" * 390, "0." + "1" * 5000, "[NaN]", "[1e999]",
    '["0x1p+9999"]', '["0x1p+99999999"]', '["1.5"]', "[1, 1]", "[0.0]", "[" + "1," * 500 + "1]",
    '"9007199254740993.1"', '"1e999"', f'"{"9" * 5000}"', f'"{"9" * 390}"', '"0x1p+1"',
    '{"name": "pickle"}', '{"name": 5}', '{"name": NaN}', '{"name": "zscore", "ddof": 2}',
    '{"name": "zscore", "x": 1}', '{"name": "minmax", "range": [1e999, 2]}', "1000000000",
    '{"mean": 1, "var": -1, "batches": 1}', '{"mean": NaN, "var": 1, "batches": 1}',
]  # fmt: skip


def fields_of(document: Any) -> list[tuple[str, ...]]:
    """The path to every field of a sidecar."""
    top = [(field,) for field in document]
    entries = document["columns"].items()
    inner = [("columns", name, field) for name, entry in entries for field in entry]
    return [*top, *inner]


def substituted(document: Any, path: Sequence[str], text: str) -> bytes:
    """The document with one field replaced by raw JSON text."""
    document = copy.deepcopy(document)
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = "@@@"
    return json.dumps(document).replace('"@@@"', text).encode()


@pytest.mark.parametrize("path", fields_of(tiny()), ids="/".join)
def test_a_hostile_value_is_refused_by_column_and_field_or_means_the_same(path):
    for text in HOSTILE:
        data = substituted(tiny(), path, text)
        if path[-1] in FREE or path == MISSING:
            with suppress(SidecarError):
                sidecar.loads(data)
                continue
        message = refusal(data)
        if path == ("columns",):
            assert "column" in message
        else:
            assert path[-1] in message, (text, message)
            assert len(path) == 1 or f"column {path[1]!r}" in message, (text, message)


# Fields of which other values may be good ones, too.
FREE = ("by", "default_null", "null", "share", "weight", "where", "groups", "given", "of", "whole")
MISSING = ("missing",)  # at the top; that of a column is a count


@pytest.mark.parametrize("path", fields_of(tiny()), ids="/".join)
def test_a_field_that_is_missing_or_unknown_is_named(path):
    document = tiny()
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    value = holder.pop(path[-1])
    if (
        path != MISSING
        and path[-1] not in (*FREE, "running", "quantiles")
        and path[2:] != ("method",)
    ):
        assert path[-1].removesuffix("_scale") in refusal(json.dumps(document).encode())
    holder |= {path[-1]: value, "unheard\x1b": 1}
    message = refusal(json.dumps(document).encode())
    assert r"unknown field 'unheard\x1b'" in message


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        (("columns", "age", "count"), "-1",
         "s.json: column 'age', field 'count': -1 is less than the minimum of 0"),
        (("columns", "age", "count"), "2",
         "s.json: column 'age', field 'count': "
         "count, missing, nan, inf and left_out add up to 3 cells, but there are 4 rows"),
        (("columns", "age", "mean"), "2.6",
         "s.json: column 'age', field 'mean': 2.6 does not match the exact sums, which give 2.5: "
         "was it edited? To change the statistics, fit again"),
        (("columns", "age", "min"), "4.75",
         "s.json: column 'age', field 'min': the min is greater than the max"),
        (("columns", "age", "min"), "null",
         "s.json: column 'age', field 'min': the groups do not add up to what all rows have"),
        (("columns", "age", "max"), "1e999",
         "s.json: column 'age', field 'max': '1e999' is not a number"),
        (("columns", "age", "std"), "NaN",
         "s.json: column 'age', field 'std': 'NaN' is not a finite number or null"),
        (("columns", "age", "sum"), "[1.0, \"x\"]",
         "s.json: column 'age', field 'sum', item 2: 'x' is not a number"),
        (("columns", "age", "sum"), "[99.0]",
         "s.json: column 'age', field 'sum': it gives a mean that is not between min and max"),
        (("columns", "age", "sum"), "[7.0, 0.5]",
         "s.json: column 'age', field 'sum': not the canonical form of an exact total"),
        (("columns", "age", "sum_of_squares"), "[18.0]",
         "s.json: column 'age', field 'sum_of_squares': "
         "no numbers with this count, min, max and sum can have it"),
        (("columns", "ratio", "running", "var"), "-1",
         "s.json: column 'ratio', field 'running.var': -1 is less than the minimum of 0"),
        (("columns", "age", "method", "name"), '"minmx"',
         "s.json: column 'age', field 'method': "
         "no method 'minmx'. Did you mean 'minmax'? For the list, run: normcli methods"),
        (("normcli",), "0", "s.json: field 'normcli': 0 is not 2"),
        (("normcli",), "true", "s.json: field 'normcli': true is not 2"),
        (("normcli",), '"1"', "s.json: field 'normcli': '1' is not 2"),
        (("ddof",), "1", "s.json: field 'ddof': 1 does not match 'method': it must be 0"),
    ],
)  # fmt: skip
def test_an_error_names_file_column_and_field(path, text, words):
    assert refusal(substituted(tiny(), path, text)) == words


def test_a_column_without_numbers_has_no_statistics():
    document = json.loads(sidecar.dumps(table({"x": [None]})))
    assert loads(document) == table({"x": [None]})
    for field, value in [("min", 0), ("max", 0), ("sum", [1.0]), ("mean", 0), ("std", 0)]:
        wrong = copy.deepcopy(document)
        wrong["columns"]["x"][field] = value
        assert f"column 'x', field '{field}'" in refusal(json.dumps(wrong).encode())


def test_numbers_beyond_float64_are_refused_however_consistent():
    value = int("9" * 390)
    total, squares = Total.of(value), Total.of(value * value)
    document = json.loads(sidecar.dumps(table({"x": [1.0]})))
    document["columns"]["x"] |= {"min": str(value), "max": str(value)}
    document["columns"]["x"] |= {"sum": total.to_floats(), "sum_of_squares": squares.to_floats()}
    assert "'x', field 'min': '999" in refusal(json.dumps(document).encode())


finite = st.floats(-1e6, 1e6) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=5), st.integers(1, 60))
@example([0.1, 0.2, 0.3], 52)
def test_no_other_sum_of_squares_passes_for_a_constant_column(values, bit):
    constant = column([values[0]] * 3).moments
    squares = constant.sum_of_squares + Total.of(1, constant.sum_of_squares.exponent - bit)
    odd = replace(constant, sum_of_squares=squares)
    statistics = Statistics(3, {"x": ColumnStatistics({"moments": odd})})
    message = refusal(sidecar.dumps(statistics))
    assert "column 'x', field 'sum_of_squares'" in message


def test_usual_columns_are_checked_without_slow_arithmetic(monkeypatch):
    values = [3.7, -1.25, 1e9, 0.1, 5.5, 7.0, 0.0]
    columns = {
        "x": values,
        "equal": [0.1] * 7,
        "two": [0, 1] * 3 + [0],
        "whole": [1, 2, 9] * 2 + [4],
    }
    data = sidecar.dumps(table(columns))

    def refused(*_: object) -> None:
        raise AssertionError("slow")

    monkeypatch.setattr(Total, "to_floats", refused)
    monkeypatch.setattr(Total, "as_fraction", refused)
    assert sidecar.loads(data).columns["x"].count == 7


@pytest.mark.parametrize("name", sorted(METHODS))
def test_parameters_of_every_method_are_kept_and_hostile_ones_refused(name):
    example = method_of(METHODS[name].examples[0])
    method = type(example).from_parameters(example.parameters())
    statistics = table({"x": [1.0, 2.0], "y": [1.0, 2.0]}, method=method)
    mixed = replace(statistics, method=ZSCORE, column_methods={"x": method})
    assert sidecar.loads(sidecar.dumps(statistics)) == statistics
    assert sidecar.loads(sidecar.dumps(mixed)) == mixed
    document = json.loads(sidecar.dumps(statistics))
    for parameter, text in itertools.product(method.parameters(), HOSTILE):
        data = substituted(document, ("method", parameter), text)
        try:
            loaded = sidecar.loads(data, "s.json")
        except SidecarError:
            assert "method" in refusal(data) or "ddof" in refusal(data)
        else:
            assert sidecar.loads(sidecar.dumps(loaded)) == loaded


# ---------------------------------------------------------------------- merging


def outcome(merged: Callable[[], Statistics]) -> bytes | None:
    """The bytes of a merge, or None if it is refused."""
    try:
        return sidecar.dumps(merged())
    except DataError:
        return None


@st.composite
def shards(draw: st.DrawFn) -> Statistics:
    """Statistics of one part of a table, with columns in any order, some blank, some absent."""
    rows = draw(st.integers(0, 2))
    blank, filled = st.just([None] * rows), st.lists(finite, min_size=rows, max_size=rows)
    absent = st.none()
    columns = {
        "a": draw(filled),
        "b": draw(filled | blank),
        "t": draw(blank | absent),
        "s": draw(blank | absent | blank | absent | filled),
    }
    present = [name for name in columns if columns[name] is not None]
    order = draw(st.permutations(present) | st.just(present))
    own = draw(st.sampled_from([{}] * 6 + [{"a": MINMAX}, {"b": ZSCORE}]))
    found = {name: column(columns[name]) for name in order}
    if rows and draw(st.integers(0, 20)) == 20:
        found["a"] = also(found["a"], Running(0.5, 1.0, 2))
    return Statistics(rows, found, ZSCORE, own)


@given(shards(), shards(), shards())
def test_merging_is_associative_refusals_included(a, b, c):
    left = outcome(lambda: a.merge(b).merge(c))
    assert left == outcome(lambda: a.merge(b.merge(c)))


@given(shards(), shards())
def test_merging_is_commutative(a, b):
    assert outcome(lambda: a.merge(b)) == outcome(lambda: b.merge(a))


@given(shards())
def test_a_table_without_rows_is_the_identity(a):
    if a.rows:
        empty = Statistics(method=a.method, column_methods=a.column_methods)
        assert outcome(lambda: a.merge(empty)) == sidecar.dumps(a)
        header_only = replace(a, rows=0, columns={n: ColumnStatistics() for n in a.columns})
        assert outcome(lambda: header_only.merge(a)) == sidecar.dumps(a)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=12), st.data())
def test_shards_merged_in_any_order_give_the_sidecar_of_the_whole(rows, data):
    def fit(part: Sequence[tuple[Any, Any]]) -> Statistics:
        x, y = ([row[i] for row in part] for i in (0, 1))
        return table({"y": y, "x": x})

    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=4)))
    bounds = itertools.pairwise([0, *cuts, len(rows)])
    parts = data.draw(st.permutations([fit(rows[i:j]) for i, j in bounds]))
    merged = parts[0]
    for part in parts[1:]:
        merged = part.merge(merged) if data.draw(st.booleans()) else merged.merge(part)
    assert sidecar.dumps(merged) == sidecar.dumps(fit(rows))


def test_merged_statistics_are_those_of_all_rows_by_an_outside_oracle():
    halves = [table({"x": [1e300, 3.0]}), table({"x": [-1e300, 4.0, None]})]
    x = halves[0].merge(halves[1]).columns["x"]
    assert x.moments.sum.as_fraction() == sum(map(Fraction, [1e300, 3.0, -1e300, 4.0]))
    assert (x.count, x.missing, x.mean) == (4, 1, 1.75)


def test_a_column_all_missing_here_and_absent_there_is_left_out():
    merged = table({"x": [1.0], "note": [None]}).merge(table({"x": [2.0]}))
    assert list(merged.columns) == ["x"]
    assert merged.rows == 2


@pytest.mark.parametrize("value", [1.0, math.nan, math.inf])
def test_a_column_with_numbers_here_and_absent_there_is_refused_by_name(value):
    with pytest.raises(DataError, match="cannot merge: column 'y' has numbers in one table"):
        table({"x": [1.0], "y": [value]}).merge(table({"x": [2.0]}))


def test_columns_keep_a_common_order_and_are_sorted_otherwise():
    ba, ab = table({"b": [1.0], "a": [2.0]}), table({"a": [1.0], "b": [2.0]})
    assert list(ba.merge(ba).columns) == ["b", "a"]
    assert list(ba.merge(ab).columns) == ["a", "b"] == list(ab.merge(ba).columns)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"method": SAMPLE}, "fitted for zscore with ddof 0 in one, 1 in the other"),
        ({"method": MINMAX}, "fitted for zscore in one, for minmax in the other"),
        ({"column_methods": {"x": SAMPLE}},
         "column 'x' fitted for zscore with ddof 0 in one, 1 in the other"),
    ],
)  # fmt: skip
def test_what_cannot_be_merged_is_named(other, words):
    with pytest.raises(DataError) as caught:
        table({"x": [1.0]}).merge(table({"x": [2.0]}, **other))
    assert str(caught.value).startswith("cannot merge: " + words)


# ---------------------------------------------------------------------- the value


def test_statistics_are_values_that_nothing_changes():
    columns = {"x": column([1.0, 2.0])}
    statistics = Statistics(2, columns)
    columns.clear()
    assert list(statistics.columns) == ["x"]
    with pytest.raises(TypeError):
        statistics.columns["y"] = ColumnStatistics()


@given(tables())
def test_statistics_can_be_sent_to_other_processes(statistics):
    there = pickle.loads(pickle.dumps(statistics))
    assert there == statistics == copy.deepcopy(statistics)
    assert sidecar.dumps(there) == sidecar.dumps(statistics)


def test_running_statistics_cannot_be_merged():
    trained = Statistics(1, {"x": also(column([1.0]), Running(0.0, 1.0, 1))})
    with pytest.raises(DataError, match="cannot merge: column 'x': a running mean and variance"):
        trained.merge(trained)
    with pytest.raises(DataError, match="cannot merge: column 'x': only one of them has running"):
        trained.merge(table({"x": [1.0]}))


def test_given_numbers_merge_with_equal_ones_only():
    here, same, other = (
        Statistics(1, {"x": ColumnStatistics(given={"mean": mean})}) for mean in (1.0, 1.0, 2.0)
    )
    assert here.merge(same).columns["x"] == here.columns["x"]
    with pytest.raises(DataError, match="cannot merge: column 'x': the given numbers differ"):
        here.merge(other)


def test_groups_merge_by_their_keys():
    def part(key: str, values: list[float]) -> Statistics:
        columns = {"x": column(values)}
        group = GroupStatistics(len(values), columns)
        return Statistics(len(values), columns, groups={(key,): group}, options={"by": ["shop"]})

    merged = part("b", [1.0, 3.0]).merge(part("a", [2.0])).merge(part("b", [5.0]))
    assert [(key, g.rows, g.columns["x"].mean) for key, g in merged.groups.items()] == [
        (("a",), 1, 2.0),
        (("b",), 3, 3.0),
    ]
    assert merged.columns["x"].mean == 2.75
    assert sidecar.loads(sidecar.dumps(merged)) == merged
    with pytest.raises(DataError, match=r"fitted with by .* in one, None in the other"):
        merged.merge(table({"x": [1.0]}))


def test_a_column_has_its_own_method_or_the_default():
    statistics = table({"x": [1.0], "y": [2.0]}, column_methods={"x": MINMAX, "y": ZSCORE})
    assert statistics.method_for("x") == MINMAX
    assert statistics.method_for("y") == ZSCORE
    assert statistics.column_methods == {"x": MINMAX}


# ---------------------------------------------------------------------- the documentation


def test_the_example_of_the_documentation_is_what_the_program_writes():
    page = (Path(__file__).parents[1] / "docs" / "sidecar.md").read_text("utf-8")
    (table_of_it,), (sidecar_of_it,) = (fenced(kind).findall(page) for kind in ("csv", "json"))
    header, *lines = table_of_it.splitlines()
    rows = [[float(cell) if cell else None for cell in line.split(",")[1:]] for line in lines]
    columns = dict(zip(header.split(",")[1:], zip(*rows, strict=True), strict=True))
    assert sidecar.dumps(table(columns)).decode() == sidecar_of_it


def test_the_documentation_describes_every_field():
    page = (Path(__file__).parents[1] / "docs" / "sidecar.md").read_text("utf-8")
    schema = sidecar.schema()
    for field in [*schema["properties"], *schema["$defs"]["column"]["properties"]]:
        assert f"`{field}`" in page
