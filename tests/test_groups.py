"""Statistics of groups of rows (--by): from the keys in a file to the bytes that come out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from normcli.formats.memory import table as in_memory
from normcli.methods.spelling import Asked, method_of
from normcli.numerics.digits import GRID, FixedPoint
from normcli.numerics.grouped import sums_and_squares_by
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import Tables, fit
from normcli.pipeline.roles import Roles
from normcli.sidecar import read, write
from normcli.sidecar.model import Statistics
from tests.conftest import Cli

ODD = ['a"b', "a,b", "a\nb", " a", "a ", "a", "NA", "nan", "NULL", "1", "1.0", "01", "\u00e9", None]
RNG = np.random.default_rng(16)
KEYS = [ODD[i] for i in RNG.integers(0, len(ODD), 300)]
X = [float(x) if i % 9 else None for i, x in enumerate(np.round(RNG.normal(50, 9, 300), 3))]


def csv_text(*columns: list[object]) -> bytes:
    """A CSV file of a key and numbers; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["key", "x", "y"][: len(columns)])
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One table in every format."""
    arrow = pa.table({"key": KEYS, "x": X})
    lines = [
        json.dumps({k: v for k, v in row.items() if v is not None}) for row in arrow.to_pylist()
    ]
    paths = {name: tmp_path / f"t.{name}" for name in ("csv", "jsonl", "parquet", "arrow")}
    paths["csv"].write_bytes(csv_text(KEYS, X))
    paths["jsonl"].write_text("\n".join(lines) + "\n")
    pq.write_table(arrow, paths["parquet"], row_group_size=37)
    pyarrow.feather.write_feather(arrow, paths["arrow"])
    return paths


def statistics_of(*frames: pd.DataFrame, method: str = "zscore", by: str = "shop") -> Statistics:
    tables = Tables(lambda: iter([in_memory(frame) for frame in frames]))
    return fit(tables, Choice(roles=Roles(by=(by,))), Asked(method_of(method)))[0]


FRAME = pd.DataFrame(
    {
        "shop": ["b", "a", "b", "b", "a", "a", "b"],
        "x": [1.5, 2.0, np.nan, 4.25, 1e300, 0.1, -7.0],
        "y": [1, 2, 3, 4, 5, 6, 2**53 + 1],
    }
)


# -- statistics ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["zscore", "asinh+zscore"])
def test_a_group_has_the_statistics_of_its_rows_alone(method: str) -> None:
    found = statistics_of(FRAME, method=method)
    assert list(found.groups) == [("a",), ("b",)]
    for (shop,), group in found.groups.items():
        alone = FRAME[FRAME["shop"] == shop].drop(columns="shop")
        expected = fit([in_memory(alone)], Choice(), Asked(method_of(method)))[0]
        assert group.rows == len(alone)
        assert group.columns == expected.columns


def test_groups_change_nothing_in_the_statistics_of_all_rows() -> None:
    alone = fit([in_memory(FRAME)], Choice(), Asked(method_of("zscore")))[0]
    assert statistics_of(FRAME).columns == alone.columns


def test_chunks_with_other_groups_are_folded_into_the_same() -> None:
    whole = statistics_of(FRAME)
    assert statistics_of(FRAME[:1], FRAME[1:2], FRAME[2:]) == whole
    assert statistics_of(FRAME[:4]).merge(statistics_of(FRAME[4:])) == whole


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(lambda n: RNG.normal(100, 15, n)[None], id="usual"),
        pytest.param(lambda n: np.full((1, n), 1.7e308), id="huge"),
        pytest.param(lambda n: np.full((1, n), 5e-324), id="tiny"),
        pytest.param(
            lambda n: (RNG.normal(size=n) * 10.0 ** RNG.integers(-320, 308, n))[None], id="all"
        ),
        pytest.param(
            lambda n: np.stack([RNG.integers(-9, 9, n) * 2.0**60, RNG.integers(0, 99, n) * 1.0]),
            id="in parts",
        ),
    ],
)
def test_sums_by_group_are_exact(number: Callable[[int], np.ndarray]) -> None:
    """Fractions say what they are; float64 sums differ."""
    parts, codes = number(500), RNG.integers(0, 7, 500)
    cells = [sum(map(Fraction, column)) for column in parts.T.tolist()]
    for power, found in enumerate(sums_and_squares_by(parts, codes, 8), 1):
        expected = [
            sum((x**power for x, c in zip(cells, codes.tolist(), strict=True) if c == code), 0)
            for code in range(8)
        ]
        assert exactly(found) == expected


def exactly(sums: FixedPoint) -> list[Fraction]:
    return [number * Fraction(2) ** (GRID * sums.low) for number in sums.integers()]


@pytest.mark.parametrize("type_", [pa.decimal128(20, 2), pa.decimal256(60, 2), pa.int64()])
def test_extremes_of_groups_are_exact_where_a_float64_is_not(type_: pa.DataType) -> None:
    numbers = [10**17 + 1, 10**17, 5, -(10**17) - 3, 7, 10**17 + 1]
    cells = [Decimal(n) if pa.types.is_decimal(type_) else n for n in numbers]
    table = pa.table({"shop": list("aabbcc"), "x": pa.array(cells, type_)})
    found = statistics_of(table)
    ends = [(g.columns["x"].min, g.columns["x"].max) for g in found.groups.values()]
    assert ends == [(10**17, 10**17 + 1), (-(10**17) - 3, 5), (7, 10**17 + 1)]


# -- keys ------------------------------------------------------------------------------------


def test_every_format_chunk_and_job_gives_the_same_sidecar(
    normcli: Cli, files: dict[str, Path]
) -> None:
    sidecars = {
        normcli("fit", path, "--by", "key", "-q", "-o", "-", *more).out
        for path in files.values()
        for more in ([], ["--chunk-rows", 7], ["--jobs", 2, "--chunk-rows", 11])
    }
    (sidecar,) = sidecars
    groups = json.loads(sidecar)["groups"]
    assert [g["key"][0] for g in groups] == [None, *sorted(set(KEYS) - {None})]
    for group in groups:
        own = [x for key, x in zip(KEYS, X, strict=True) if key == group["key"][0]]
        assert group["rows"] == len(own)
        assert group["columns"]["x"]["missing"] == own.count(None)
        alone = normcli("fit", "-q", "-s", "x", stdin=csv_text([0] * len(own), own))
        assert json.loads(alone.out)["columns"] == group["columns"]


TYPED = {
    "int64": (pa.array([2**62 + 1, 7, 2**62 + 1]), ["4611686018427387905", "7"]),
    "float": (pa.array([1.0, 0.1, 1.0]), ["0.1", "1.0"]),
    "float32": (pa.array([1.0, 0.1, 1.0], pa.float32()), ["0.1", "1.0"]),
    "nan": (pa.array([1.0, float("nan"), 1.0]), ["1.0", "NaN"]),
    "bool": (pa.array([True, False, True]), ["false", "true"]),
    "date": (pa.array([date(2026, 1, 5), date(1, 1, 1)] * 2)[:3], ["0001-01-01", "2026-01-05"]),
    "decimal": (pa.array([Decimal("1.10"), Decimal("2.00")] * 2)[:3], ["1.10", "2.00"]),
    "dictionary": (pa.array(["z", "y", "z"]).dictionary_encode(), ["y", "z"]),
    "null": (pa.array([None, "a", None]), [None, "a"]),
    "nothing": (pa.nulls(3), [None]),
    "empty": (pa.array(["", "a", ""]), [None, "a"]),
}


@pytest.mark.parametrize("name", TYPED)
def test_a_typed_value_has_the_text_that_csv_has_for_it(
    normcli: Cli, tmp_path: Path, name: str
) -> None:
    """So statistics of a Parquet file serve the CSV file that is made from it."""
    keys, texts = TYPED[name]
    path, stats = tmp_path / "t.parquet", tmp_path / "s.json"
    pq.write_table(pa.table({"key": keys, "x": [1.0, 2.0, 3.0], "text": ["a"] * 3}), path)
    assert normcli("fit", path, "--by", "key", "-s", "x", "-q", "-o", stats).code == 0
    groups = json.loads(stats.read_text())["groups"]
    assert [group["key"] for group in groups] == [[text] for text in texts]
    as_csv = normcli("transform", path, "-q", "--stats", stats, "--to", "csv").out
    back = normcli("inverse", "-q", "--stats", stats, stdin=as_csv)
    assert [row["x"] for row in csv.DictReader(io.StringIO(back.text))] == ["1", "2", "3"]


def test_json_values_have_the_same_texts(normcli: Cli) -> None:
    values = ["1", "1.0", '"1"', "1e0", '"\\u0031"', "true", "12345678901234567890123", "null"]
    lines = "".join(f'{{"key": {value}, "x": 1}}\n' for value in values).encode()
    done = normcli("fit", "--from", "jsonl", "--by", "key", "-q", stdin=lines + b'{"x": 1}\n')
    keys = {group["key"][0]: group["rows"] for group in json.loads(done.out)["groups"]}
    assert keys == {None: 2, "1": 3, "1.0": 2, "12345678901234567890123": 1, "true": 1}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"key": [1], "x": 1}', "line 2, column 'key' is an array, which has no text"),
        (b'{"key": "a", "x": 1, "key": "b"}', "line 2, column 'key' is written twice"),
    ],
)
def test_a_value_without_text_is_an_error(normcli: Cli, line: bytes, words: str) -> None:
    lines = b'{"key": "a", "x": 1}\n' + line
    done = normcli("fit", "--from", "jsonl", "--by", "key", "-s", "x", stdin=lines)
    assert done.code == 1
    assert words in done.err


def test_a_key_of_a_type_without_text_is_an_error(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"key": [[1], [2]], "x": [1.0, 2.0]}), path)
    done = normcli("fit", path, "--by", "key")
    assert (done.code, "column 'key' is of type list<" in done.err) == (1, True), done.err


def test_several_keys_make_one_group(normcli: Cli) -> None:
    frame = pd.DataFrame(
        {"shop": [*"aabba"], "day": [1, 2, 1, 1, 1], "x": [1.0, 2.0, 3.0, 5.0, 2.0]}
    )
    done = normcli("fit-transform", "--by", "shop,day", stdin=frame.to_csv(index=False).encode())
    expected = frame.groupby(["shop", "day"])["x"].transform(
        lambda x: (x - x.mean()) / (x.std(ddof=0) or 1)
    )
    assert list(pd.read_csv(io.BytesIO(done.out))["x"]) == expected.to_list()


# -- transform and inverse -------------------------------------------------------------------


@pytest.mark.parametrize("method", ["zscore", "minmax", "zscore:ddof=1"])
def test_scaled_is_what_pandas_says_in_every_format(
    normcli: Cli, files: dict[str, Path], tmp_path: Path, method: str
) -> None:
    frame = pd.DataFrame({"key": KEYS, "x": X})
    by_key = frame.groupby("key", dropna=False)["x"]
    expected = {
        "zscore": lambda x: (x - x.mean()) / x.std(ddof=0),
        "zscore:ddof=1": lambda x: (x - x.mean()) / x.std(ddof=1),
        "minmax": lambda x: (x - x.min()) / (x.max() - x.min()),
    }[method]
    wanted = by_key.transform(expected).to_numpy()
    outputs = set()
    for name, path in files.items():
        target = tmp_path / f"scaled.{name}"
        done = normcli("fit-transform", path, "--by", "key", "--method", method, "-o", target)
        assert done.code == 0, done.err
        outputs.add(tuple(numbers(target)))
    (scaled,) = outputs
    found = np.array([np.nan if x is None else x for x in scaled])
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def numbers(path: Path) -> list[float | None]:
    """The column x of a table of any format."""
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(path.read_text()))
        return [float(row["x"]) if row["x"] else None for row in rows]
    if path.suffix == ".jsonl":
        return [json.loads(line).get("x") for line in path.read_text().splitlines()]
    read = pq.read_table if path.suffix == ".parquet" else pyarrow.feather.read_table
    return read(path)["x"].to_pylist()


def test_scaled_is_what_the_group_alone_would_be(normcli: Cli) -> None:
    """To the last digit, and whatever the chunks."""
    whole = csv_text(KEYS, X)
    found = normcli("fit-transform", "--by", "key", "-q", stdin=whole).out
    for chunk in (1, 13):
        assert (
            normcli("fit-transform", "--by", "key", "-q", "--chunk-rows", chunk, stdin=whole).out
            == found
        )
    rows = list(csv.DictReader(io.StringIO(found.decode())))
    for key in ("1", "1.0", "01", "a\nb"):
        own = [x for k, x in zip(KEYS, X, strict=True) if k == key]
        alone = normcli("fit-transform", "-s", "x", "-q", stdin=csv_text([0] * len(own), own))
        expected = [row["x"] for row in csv.DictReader(io.StringIO(alone.text))]
        assert [row["x"] for row in rows if row["key"] == key] == expected


def test_untouched_bytes_stay_and_inverse_leads_back(normcli: Cli, tmp_path: Path) -> None:
    stats = tmp_path / "s.json"
    table = b'id,shop,x\r\n007,"a",1.5\r\n008,b,2.0\r\n009,"a",4.5\r\n010,,7.0'
    assert normcli("fit", "--by", "shop", "-q", "-o", stats, stdin=table).code == 0
    scaled = normcli("transform", "-q", "--stats", stats, stdin=table).out
    assert scaled == b'id,shop,x\r\n007,"a",-1.0\r\n008,b,0.0\r\n009,"a",1.0\r\n010,,0.0'
    assert normcli("inverse", "-q", "--stats", stats, stdin=scaled).out == table


NEW = b"shop,x\na,3\nc,4\nb,5\nd,\nc,6\n"


@pytest.fixture
def stats(normcli: Cli, tmp_path: Path) -> Path:
    """The statistics of two shops: a has 1 and 3, b has 5, 6 and 7."""
    path = tmp_path / "shops.json"
    table = b"shop,x\na,1\na,3\nb,5\nb,6\nb,7\n"
    assert normcli("fit", "--by", "shop", "-q", "-o", path, stdin=table).code == 0
    return path


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_unseen_groups_are_named_with_their_lines_and_counts(
    normcli: Cli, stats: Path, chunk: int
) -> None:
    done = normcli("transform", "--stats", stats, "--chunk-rows", chunk, stdin=NEW)
    assert done.code == 1
    assert done.err.splitlines()[:3] == [
        "normcli: 3 rows of groups that are not in the statistics:",
        "  stdin: line 3, column 'shop': 'c' (2 rows)",
        "  stdin: line 5, column 'shop': 'd' (1 row)",
    ]


@pytest.mark.parametrize(
    ("policy", "expected", "counted"),
    [
        ("global", ["1.0", "-0.18", "-1.22", "", "0.74"], 2),
        ("keep", ["1.0", "4", "-1.22", "", "6"], 2),
        ("null", ["1.0", "", "-1.22", "", ""], 2),
    ],
)
def test_unseen_groups_are_scaled_as_asked_and_counted(
    normcli: Cli, stats: Path, tmp_path: Path, policy: str, expected: list[str], counted: int
) -> None:
    report = tmp_path / "report.json"
    done = normcli(
        *("transform", "--stats", stats, "--unseen", policy, "--json-summary", report), stdin=NEW
    )
    found = [
        line.split(",")[1][: len(e)]
        for line, e in zip(done.text.split()[1:], expected, strict=True)
    ]
    assert found == expected
    assert json.loads(report.read_text())["cells"]["unseen_group"] == {"x": counted}


def test_a_smaller_group_than_asked_for_is_unseen(normcli: Cli, stats: Path) -> None:
    table = b"shop,x\na,3\nb,5\n"
    arguments = ("transform", "-q", "--stats", stats, "--min-group")
    assert normcli(*arguments, 2, stdin=table).code == 0
    refused = normcli(*arguments, 3, stdin=table)
    assert "or have fewer than 3 rows there" in refused.err
    assert "line 2, column 'shop': 'a' (1 row)" in refused.err
    assert normcli(*arguments, 3, "--unseen", "keep", stdin=table).text.startswith("shop,x\na,3\n")


def test_a_group_without_numbers_is_unseen_in_that_column(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    assert (
        normcli("fit", "--by", "shop", "-q", "-o", path, stdin=b"shop,x\na,\nb,2\nb,4\n").code == 0
    )
    refused = normcli("transform", "--stats", path, stdin=b"shop,x\na,\na,2\n")
    assert "line 3, column 'x': '2' cannot be scaled: its group had no number" in refused.err
    kept = normcli("transform", "--stats", path, "--unseen", "global", stdin=b"shop,x\na,\na,2\n")
    assert kept.text == "shop,x\na,\na,-1.0\n"


def test_of_an_unseen_group_and_a_bad_row_the_first_is_told(normcli: Cli, stats: Path) -> None:
    for chunk in (1, 100):
        options = ("transform", "--stats", stats, "--chunk-rows", chunk)
        bad_later = normcli(*options, stdin=b"shop,x\na,3\nc,4\nb,oops\n")
        assert "'c' (1 row)" in bad_later.err
        bad_first = normcli(*options, stdin=b"shop,x\na,3\nb,oops\nc,4\n")
        assert "'oops' is not a number" in bad_first.err


# -- the sidecar -----------------------------------------------------------------------------


def test_the_sidecar_keeps_groups_sorted_by_key() -> None:
    found = statistics_of(FRAME)
    text = write.dumps(found)
    document = json.loads(text)
    assert document["by"] == ["shop"]
    assert [group["key"] for group in document["groups"]] == [["a"], ["b"]]
    assert document["groups"][0]["rows"] == 3
    assert document["groups"][1]["columns"]["y"]["max"] == 2**53 + 1
    assert read.loads(text) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["groups"].reverse(), "item 2, field 'key': the keys are not sorted"),
        (lambda d: d["groups"][0]["key"].append("x"), "2 texts, but 'by' has 1 column"),
        (lambda d: d["groups"][0]["key"].__setitem__(0, 1), "field 'key', item 1: 1 is not"),
        (lambda d: d["groups"].pop(), "rows do not add up"),
        (lambda d: d["groups"][0]["columns"].pop("x"), "the columns are not those of all rows"),
        (lambda d: d["groups"][0]["columns"]["x"].update(max=1e301), "'x'"),
        (
            lambda d: d["columns"]["y"].update(whole=False),
            "'y', field 'whole': the groups do not add up",
        ),
        (lambda d: d.pop("by"), "1 text, but 'by' has 0 columns"),
    ],
)
def test_a_sidecar_whose_groups_make_no_sense_is_refused(
    change: Callable[[dict], object], words: str
) -> None:
    document = json.loads(write.dumps(statistics_of(FRAME)))
    change(document)
    with pytest.raises(read.SidecarError, match=re.escape(words)):
        read.loads(json.dumps(document).encode())


def test_merging_parts_gives_the_sidecar_of_the_whole(normcli: Cli, tmp_path: Path) -> None:
    whole = normcli("fit", "--by", "key", "-q", stdin=csv_text(KEYS, X)).out
    parts = []
    for i, some in enumerate((slice(0, 40), slice(40, 41), slice(41, None))):
        parts.append(tmp_path / f"{i}.json")
        table = csv_text(KEYS[some], X[some])
        assert normcli("fit", "--by", "key", "-q", "-o", parts[-1], stdin=table).code == 0
    assert normcli("merge", *reversed(parts), "-q").out == whole


def test_merging_statistics_of_other_keys_is_refused(normcli: Cli, tmp_path: Path) -> None:
    paths = []
    for by in ("shop", "day"):
        paths.append(tmp_path / f"{by}.json")
        table = b"shop,day,x\na,mon,1\n"
        assert normcli("fit", "--by", by, "-q", "-o", paths[-1], stdin=table).code == 0
    assert "fitted with by ['shop'] in one, ['day'] in the other" in normcli("merge", *paths).err


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--by", "shop", "-s", "shop,x"], 2, "--select 'shop': this column is the key"),
        (["--by", "shp"], 1, "no column is named 'shp', the key of the groups. Did you mean"),
        (["--by", "shop,shop"], 2, "the column 'shop' is named twice"),
        (["--by", "shop,"], 2, "the column '' is empty"),
        (["--by", "shop", "--max-groups", "1"], 1, "more than 1 group: is 'shop' a key?"),
    ],
)
def test_refusals(normcli: Cli, options: list[str], code: int, words: str) -> None:
    done = normcli("fit", *options, stdin=b"shop,x\na,1\nb,2\n")
    assert (done.code, words in done.err) == (code, True), done.err


def test_batch_training_is_refused(normcli: Cli) -> None:
    done = normcli(
        "fit-transform", "--by", "shop", "--method", "batch", "--batch-size", 2, stdin=NEW
    )
    assert (done.code, "--by does not go with batch in training mode" in done.err) == (2, True), (
        done.err
    )


def test_a_table_without_the_key_cannot_be_scaled(normcli: Cli, stats: Path) -> None:
    done = normcli("transform", "--stats", stats, stdin=b"x,y\n1,2\n")
    assert "no column is named 'shop', the key of the groups" in done.err
    assert done.code == 1


# -- show and check --------------------------------------------------------------------------


def test_show_tells_the_largest_the_smallest_and_the_oddest_groups(
    normcli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "s.json"
    rows = "".join(f"s{i % 5},{100 if i == 4 else i % 3}\n" * (i % 5 + 1) for i in range(20))
    assert (
        normcli("fit", "--by", "shop", "-q", "-o", path, stdin=f"shop,x\n{rows}".encode()).code == 0
    )
    shown = normcli("show", path).text
    assert "5 groups by shop" in shown
    assert "largest: 's4' (20 rows), 's3' (16 rows), 's2' (12 rows)" in shown
    assert "smallest: 's0' (4 rows), 's1' (8 rows), 's2' (12 rows)" in shown
    assert "oddest: 's4' (mean of x +" in shown
    document = json.loads(normcli("show", path, "--json").text)["groups"]
    assert (document["by"], document["count"], document["largest"][0]) == (
        ["shop"],
        5,
        {"key": ["s4"], "rows": 20},
    )


def test_check_compares_all_rows_and_with_by_group_every_group(normcli: Cli, stats: Path) -> None:
    """All rows together fit, where two groups have changed places."""
    table = b"shop,x\nb,1\nb,3\na,5\na,6\na,7\n"
    assert normcli("check", "--stats", stats, stdin=table).code == 0
    done = normcli("check", "--stats", stats, "--by-group", stdin=table)
    assert done.code == 3
    assert "x in 'a': 33.3% out of 1 to 3" in done.text  # at least: 7 is the max, 5 the min
    found = json.loads(normcli("check", "--stats", stats, "--by-group", "--json", stdin=table).text)
    faults = [(c["column"], c.get("group")) for c in found["columns"] if not c["fits"]]
    assert faults == [("x", ["a"]), ("x", ["b"])]


def test_check_by_group_names_groups_that_the_statistics_do_not_have(
    normcli: Cli, stats: Path
) -> None:
    table = b"shop,x\na,1\na,3\nb,5\nb,6\nb,7\nc,4\n"
    assert normcli("check", "--stats", stats, stdin=table).code == 0
    done = normcli("check", "--stats", stats, "--by-group", stdin=table)
    assert (done.code, "'c': 1 row of a group that the statistics do not have" in done.text) == (
        3,
        True,
    )


def test_check_by_group_needs_groups(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    assert normcli("fit", "-q", "-o", path, stdin=b"x\n1\n2\n").code == 0
    done = normcli("check", "--stats", path, "--by-group", stdin=b"x\n1\n2\n")
    assert (done.code, "have no groups" in done.err) == (2, True)


# -- quantiles and filled cells --------------------------------------------------------------


@pytest.mark.parametrize("options", [["--method", "robust"], ["--missing", "median"]])
def test_quantiles_of_a_group_are_those_of_its_rows_alone(normcli: Cli, options: list[str]) -> None:
    done = normcli("fit-transform", "--by", "key", *options, "-q", stdin=csv_text(KEYS, X))
    rows = list(csv.DictReader(io.StringIO(done.text)))
    for key in ("1", "1.0", "01"):
        own = [x for k, x in zip(KEYS, X, strict=True) if k == key]
        alone = normcli(
            "fit-transform", "-s", "x", *options, "-q", stdin=csv_text([0] * len(own), own)
        )
        expected = [row["x"] for row in csv.DictReader(io.StringIO(alone.text))]
        assert [row["x"] for row in rows if row["key"] == key] == expected
