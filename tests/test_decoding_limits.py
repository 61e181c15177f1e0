"""A small Parquet or Arrow file that means gigabytes is refused, or scaled, in little memory."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from normcli.formats.parquet.footer import read_footer
from normcli.formats.parquet.thrift import I64, LIST, STRUCT, List
from tests.conftest import Cli
from tests.test_hostile import Case, assert_harmless

MB = 1_000_000
Files = dict[str, Callable[[Path, int], object]]


def parquet(path: Path, columns: dict[str, object], **options: object) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd", **options)


def one_page(path: Path, columns: dict[str, object]) -> None:
    """Each column as one page, without a dictionary."""
    pages = {"data_page_size": 1 << 30, "write_batch_size": 1 << 28, "max_rows_per_page": 1 << 30}
    parquet(path, columns, use_dictionary=False, row_group_size=1 << 30, **pages)


def repeated(path: Path, times: int, columns: dict[str, object]) -> None:
    """The same row group so many times, all in the same bytes."""
    parquet(path, columns)
    with path.open("rb") as file:
        footer, end = read_footer(file)
    group = footer[4][0]
    footer.put(4, LIST, List(STRUCT, [group] * times))
    footer.put(3, I64, group[3] * times)
    new = bytes(footer)
    path.write_bytes(path.read_bytes()[:end] + new + struct.pack("<I", len(new)) + b"PAR1")


def arrow(path: Path, columns: dict[str, object], codec: str | None = "zstd") -> None:
    (batch,) = pa.table(columns).to_batches()
    new = pa.ipc.new_file if path.suffix == ".arrow" else pa.ipc.new_stream
    with new(path, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(batch)


def same_text(rows: int, size: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), ["x" * size])


def numbers(rows: int) -> dict[str, object]:
    return {"v": np.arange(float(rows))}


PARQUET: Files = {
    "a cell": lambda p, mb: parquet(p, {"s": ["y" * 100 * mb, "b"], **numbers(2)}),
    "cells of a dictionary": lambda p, mb: parquet(p, {"s": same_text(6000, mb), **numbers(6000)}),
    "cells of a dictionary that Arrow reads as texts": lambda p, mb: parquet(
        p, {"s": same_text(6000, mb), **numbers(6000)}, store_schema=False
    ),
    "texts that begin as the one before": lambda p, mb: parquet(
        p, {"s": ["x" * mb] * 200, **numbers(200)}, use_dictionary=False,
        column_encoding={"s": "DELTA_BYTE_ARRAY"},
    ),
    "pages side by side": lambda p, mb: one_page(p, dict.fromkeys("abcdefgh", np.zeros(4 * mb))),
    "a page": lambda p, mb: one_page(p, {"v": np.zeros(12 * mb)}),
    "runs": lambda p, mb: repeated(p, 12, {"v": np.zeros(5 * mb)}),
    "more runs than can be read in 10 s": lambda p, mb: repeated(p, 1000, {"v": np.zeros(5 * mb)}),
    "a long list": lambda p, mb: parquet(
        p, {"l": pa.array([np.zeros(20 * mb), [1]]), **numbers(2)}
    ),
    "many lists": lambda p, mb: parquet(
        p, {"l": pa.array([np.zeros(3000)] * 5000), **numbers(5000)}
    ),
}  # fmt: skip
ARROW: Files = {
    "numbers.arrow": lambda p, mb: arrow(p, {"v": np.zeros(30 * mb)}),
    "numbers.arrows": lambda p, mb: arrow(p, {"v": np.zeros(30 * mb)}),
    "numbers by lz4.arrows": lambda p, mb: arrow(p, {"v": np.zeros(15 * mb)}, "lz4"),
    "a cell.arrow": lambda p, mb: arrow(p, {"s": ["x" * 100 * mb], "v": [1.0]}),
    "a cell of a dictionary.arrow": lambda p, mb: arrow(
        p, {"s": same_text(9, 100 * mb), **numbers(9)}
    ),
    "a cell of a dictionary.arrows": lambda p, mb: arrow(
        p, {"s": same_text(9, 99 * mb), **numbers(9)}
    ),
    "cells of a dictionary.arrow": lambda p, mb: arrow(
        p, {"s": same_text(9999, mb), **numbers(9999)}
    ),
    "nulls.arrow": lambda p, mb: arrow(p, {"n": pa.nulls(2000 * mb)}, None),
    "nulls.arrows": lambda p, mb: arrow(p, {"n": pa.nulls(2000 * mb)}, None),
    "runs.arrow": lambda p, mb: arrow(
        p, {"r": pa.RunEndEncodedArray.from_arrays([20 * mb], [1.5]), "n": pa.nulls(20 * mb)}, None
    ),
    "lists of nulls.arrow": lambda p, mb: arrow(
        p, {"l": pa.FixedSizeListArray.from_arrays(pa.nulls(2000 * mb), 1000 * mb), **numbers(2)}
    ),
    "views of lists.arrow": lambda p, mb: arrow(p, {"l": pa.ListViewArray.from_arrays(
        pa.array(np.zeros(9999, np.int32)), pa.array(np.full(9999, 9999, np.int32)), np.zeros(9999)
    ), **numbers(9999)}),
}  # fmt: skip


def commands(kind: str, size: int, folder: Path) -> Iterator[Case]:
    """All that can be done with the file; size: 1, or how many times smaller all is."""
    path = folder / (f"{kind}.parquet" if kind in PARQUET else kind)
    {**PARQUET, **ARROW}[kind](path, MB // size)
    assert path.stat().st_size < 5 * MB
    limit = ("--max-record-bytes", str((64 << 20) // size))
    for suffix in (".json", path.suffix, ".csv", ".jsonl", ".arrow", ".parquet"):
        target = folder / f"{kind}.out{suffix}"
        command = "fit" if suffix == ".json" else "fit-transform"
        yield Case((command, str(path), *limit, "-o", str(target), "-q"), target)


def test_small_files_that_mean_much_are_harmless(tmp_path: Path) -> None:
    kinds = [*PARQUET, *ARROW]
    assert_harmless(case for kind in kinds for case in commands(kind, 16, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*PARQUET, *ARROW])
def test_a_small_file_that_means_gigabytes_is_harmless(kind: str, tmp_path: Path) -> None:
    assert_harmless(commands(kind, 1, tmp_path))


@pytest.mark.parametrize("kind", ["a cell", "cells of a dictionary", "a long list", "many lists"])
def test_columns_that_are_not_scaled_are_copied_however_large_they_are(
    kind: str, tmp_path: Path, normcli: Cli
) -> None:
    path = tmp_path / "in.parquet"
    PARQUET[kind](path, MB)
    assert normcli("fit-transform", path, "-o", tmp_path / "out.parquet", "-q").code == 0


def test_the_limit_can_be_raised(tmp_path: Path, normcli: Cli) -> None:
    path, saved = tmp_path / "in.parquet", tmp_path / "s.json"
    PARQUET["a page"](path, MB)
    result = normcli("fit", path, "-o", saved)
    assert result.code == 1
    assert " bytes that have to be in memory together" in result.err
    assert normcli("fit", path, "-o", saved, "--max-record-bytes", 100 * MB).code == 0
    for kind in ("numbers.arrow", "numbers.arrows"):
        ARROW[kind](tmp_path / kind, MB)
        assert normcli("fit", tmp_path / kind, "-o", saved).code == 1
        assert (
            normcli("fit", tmp_path / kind, "-o", saved, "--max-record-bytes", 300 * MB).code == 0
        )


def test_a_large_file_is_not_taken_for_a_bomb(tmp_path: Path, normcli: Cli) -> None:
    path = tmp_path / "in.parquet"  # one page of 80 MB: fastparquet writes such files
    one_page(path, {"v": np.random.default_rng(1).normal(size=10 * MB)})
    assert normcli("fit", path, "-o", tmp_path / "s.json").code == 0


@pytest.mark.parametrize("type_", [pl.Int128, pl.UInt128])
def test_a_column_that_arrow_does_not_know_is_kept(
    type_: type[pl.DataType], tmp_path: Path, normcli: Cli
) -> None:
    frame = pl.DataFrame(
        {"i": pl.Series([1, 2**100, None], dtype=type_), "v": [1.0, 2.0, 3.0], "t": ["a", "b", "c"],
         "d": pl.Series([1, 2, 3], dtype=pl.Duration("us"))}
    )  # fmt: skip
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame.write_parquet(path)
    result = normcli("fit-transform", path, "-o", out)
    assert "i (unknown to Arrow: integers of 128 bits)" in result.err
    assert "d (duration[us])" in result.err
    after = pl.read_parquet(out)
    assert after.schema == frame.schema
    assert after.drop("v").equals(frame.drop("v"))
    refused = normcli("fit-transform", path, "--to", "csv")
    assert refused.code == 1
    assert "does not know the type of column 'i'" in refused.err
    assert "'i' is of type" in normcli("fit", path, "-s", "i", "-o", "-").err
