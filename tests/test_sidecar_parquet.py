"""Sidecars of many groups: the same content in a Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.errors import LimitError, SidecarError
from normcli.formats.memory import table as in_memory
from normcli.methods.spelling import Asked, column_method, method_of
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import fit
from normcli.pipeline.roles import Roles
from normcli.sidecar import loads, parquet, write
from normcli.sidecar.model import Statistics
from tests.conftest import Cli

TABLE = pa.table(
    {
        "shop": ["b", "a", None, "b", "a"],
        "x": [1.5, 1e300, float("nan"), -1e300, None],
        "large": [2**53 + 1, 2**62, 3, None, 5],
        "price": pa.array([Decimal("0.10"), Decimal("3.00"), None, Decimal("7.25"), Decimal(1)]),
        "y": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
)


def statistics() -> Statistics:
    """Of groups with every kind of number, of mapped and of given ones."""
    named = [column_method("y=log1p+zscore"), column_method("large=zscore:mean=0,std=1")]
    return fit(
        [in_memory(TABLE)], Choice(roles=Roles(by=("shop",))), Asked(method_of("zscore"), named)
    )[0]


def test_it_has_the_content_of_the_json() -> None:
    found = statistics()
    data = write.dumps(found, "s.stats.parquet")
    assert data.startswith(b"PAR1")
    read = loads(data)
    assert write.dumps(read) == write.dumps(found)
    assert read == found
    assert write.dumps(read, "s.parquet") == data


def test_other_programs_can_read_it() -> None:
    table = pq.read_table(io.BytesIO(write.dumps(statistics(), "s.parquet")))
    rows = table.filter(pa.compute.equal(table["column"], "y")).to_pylist()
    assert [(row["key"], row["rows"], row["mean"], row["sum"]) for row in rows] == [
        ([None], 1, 3.0, [3.0]),
        (["a"], 2, 3.5, [7.0]),
        (["b"], 2, 2.5, [5.0]),
    ]


def changed(change: Callable[[pa.Table], pa.Table]) -> bytes:
    """The bytes of the sidecar of `statistics`, changed."""
    buffer = io.BytesIO()
    table = pq.read_table(io.BytesIO(write.dumps(statistics(), "s.parquet")))
    pq.write_table(change(table), buffer)
    return buffer.getvalue()


def with_column(name: str, value: Callable[[list], list]) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        place = table.schema.names.index(name)
        array = pa.array(value(table[name].to_pylist()), table.schema.field(name).type)
        return table.set_column(place, table.schema.field(place), array)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace_schema_metadata({}), "this Parquet file is not a sidecar"),
        (lambda t: t.drop_columns(["mean"]), "this Parquet file is not a sidecar"),
        (lambda t: t.slice(0, 7), "not those of the columns in each group"),
        (lambda t: t.slice(0, 8), "do not add up to 'rows'"),
        (lambda t: pa.concat_tables([t.slice(4), t.slice(0, 4)]), "the keys are not sorted"),
        (with_column("column", lambda v: v[::-1]), "not those of the columns in each group"),
        (with_column("key", lambda v: [["a", "b"]] * len(v)), "a text for each column of 'by'"),
        (with_column("key", lambda v: [["q"], *v[1:]]), "not those of the columns in each group"),
        (with_column("rows", lambda v: [9, *v[1:]]), "do not add up to 'rows'"),
        (with_column("count", lambda v: [9, *v[1:]]), "'count': the groups do not add up"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    change: Callable[[pa.Table], pa.Table], words: str
) -> None:
    with pytest.raises(SidecarError) as error:
        loads(changed(change), "s.parquet")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_column("mean", lambda v: [7.0] * len(v)), "does not match the exact sums"),
        (with_column("sum", lambda v: [[2.0, 9.0]] * len(v)), "not the canonical form"),
        (with_column("sum", lambda v: [None] * len(v)), "'sum'"),
        (with_column("more", lambda v: ["[]"] * len(v)), "'more': it is not an object"),
        (with_column("more", lambda v: ['{"odd": 1}'] * len(v)), "unknown field 'odd'"),
        (with_column("more", lambda v: ['{"min": 1e400}'] * len(v)), "'min'"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused_when_it_is_asked_for(
    change: Callable[[pa.Table], pa.Table], words: str
) -> None:
    read = loads(changed(change), "s.parquet")
    with pytest.raises(SidecarError, match=r"s\.parquet: group \['a'\]: column 'y'") as error:
        read.groups["a",].columns["y"]
    assert words in str(error.value)


def test_bytes_that_are_no_parquet_and_too_large_ones_are_refused() -> None:
    with pytest.raises(SidecarError, match="damaged, or not a sidecar"):
        loads(b"PAR1 and nothing else", "s.parquet")
    data = write.dumps(statistics(), "s.parquet")
    with pytest.raises(LimitError, match="unpacks to more than 32 bytes"):
        parquet.loads(data, "s.parquet", limit=1)


SHOPS = "shop,x,y\n" + "".join(f"s{i % 7},{i},{i * i}\n" for i in range(50))


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of 7 shops and 2 columns, where JSON holds only 10 of both."""
    monkeypatch.setattr(write, "MOST", 10)
    path = tmp_path / "shops.csv"
    path.write_text(SHOPS)
    return path


def test_a_default_output_becomes_parquet_and_says_so(normcli: Cli, shops: Path) -> None:
    done = normcli("fit", shops, "--by", "shop")
    assert done.code == 0
    stats = shops.with_name("shops.stats.parquet")
    assert f"saved in {stats}, because JSON does not hold so many groups" in done.err
    scaled = normcli("transform", shops, "--stats", stats, "-q").out
    assert scaled == normcli("fit-transform", shops, "--by", "shop", "-q").out
    back = normcli("inverse", "--stats", stats, "-q", stdin=scaled).text
    assert [round(float(line.split(",")[1])) for line in back.splitlines()[1:]] == [*range(50)]
    assert normcli("merge", stats, "-o", stats.with_name("m.stats.parquet")).code == 0
    assert stats.with_name("m.stats.parquet").read_bytes() == stats.read_bytes()
    assert normcli("show", stats, "--json").code == 0
    assert normcli("check", shops, "--stats", stats).code == 0
    assert normcli("check", stats, "--stats", stats).code == 0


@pytest.mark.parametrize("target", ["s.json", "-"])
def test_an_explicit_json_stops_as_soon_as_there_are_too_many(
    normcli: Cli, shops: Path, tmp_path: Path, target: str
) -> None:
    """Before the bad row at the end of the table is read."""
    shops.write_text(f"{SHOPS}s0,oops,1\n")
    path = tmp_path / target if target != "-" else target
    done = normcli("fit", shops, "-s", "x,y", "--by", "shop", "--chunk-rows", 10, "-o", path)
    assert done.code == 1
    assert "7 groups of 2 columns are too many for JSON: it holds 10 in all" in done.err
    assert "-o NAME.stats.parquet" in done.err
    assert not (tmp_path / "s.json").exists()


def test_save_stats_and_merge_say_the_same(normcli: Cli, shops: Path, tmp_path: Path) -> None:
    arguments = ("fit-transform", shops, "--by", "shop", "-q", "-o", tmp_path / "o.csv")
    refused = normcli(*arguments, "--save-stats", tmp_path / "s.json")
    assert (refused.code, "too many for JSON" in refused.err) == (1, True)
    assert not (tmp_path / "o.csv").exists()
    assert normcli(*arguments, "--save-stats", tmp_path / "s.stats.parquet").code == 0
    merged = normcli("merge", tmp_path / "s.stats.parquet", "-o", tmp_path / "m.json")
    assert "too many for JSON" in merged.err
    document = json.loads(write.json_bytes(loads((tmp_path / "s.stats.parquet").read_bytes())))
    assert len(document["groups"]) == 7
