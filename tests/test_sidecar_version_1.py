"""Sidecars of version 1 give the results that they gave before version 2.

`version_1.stats.json` and the SHA-256 of the results were recorded with the last program that wrote
version 1: ``transform sample_data/train.csv --exclude year --method batch --batch-size 32
--save-stats version_1.stats.json``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.conftest import Cli

FIRST = Path(__file__).with_name("version_1.stats.json")
SAMPLE = Path(__file__).parents[1] / "sample_data"


@pytest.mark.parametrize(
    ("command", "digest"),
    [
        (
            "transform --method zscore",
            "cbf1ffd1bb61ff82219a45eb12259852ae16f5e1b5732dd50d2919964660f14a",
        ),
        (
            "transform --method zscore --ddof 1",
            "7c8ac5200208550dcf228a47a3de5b04ff5d32836e87f9846915a5388077c18c",
        ),
        (
            "transform --method minmax --range -1 1",
            "9f3f26e26bd3f6903ecf11ad435f92dc776ebbd56537ed0bc48affb6271a20d8",
        ),
        (
            "transform --precision 12",
            "8da2a7fc02b0cf5a22a462db3d3e431dd157452f4f3ddcf353875aff6aa21f83",
        ),
        (
            "transform --running --precision 12",
            "a239d5531232c9079b875ff7f48d422f92c932dad81fb37390ee266cddc75102",
        ),
        (
            "inverse --method zscore",
            "cb96d3430652678dbee5e50682c28cf3ddce99c996b68a2d1d2b342f98f4f5c0",
        ),
    ],
)
def test_a_sidecar_of_version_1_gives_the_bytes_that_it_gave(
    normcli: Cli, command: str, digest: str
) -> None:
    """Batch normalization to 12 digits: its last ones are not those of that time."""
    verb, *options = command.split()
    result = normcli(verb, SAMPLE / "test.csv", "--stats", FIRST, "-q", *options)
    assert (result.code, result.err) == (0, "")
    assert hashlib.sha256(result.out).hexdigest() == digest


def test_a_sidecar_of_version_1_merges_with_one_of_version_2(normcli: Cli, tmp_path: Path) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    document = json.loads(FIRST.read_bytes())
    for column in document["columns"].values():
        del column["running"]  # depends on the order of batches: never merged
    first.write_text(json.dumps(document))
    batch = ("--method", "batch", "--exclude", "year", "-q")
    assert normcli("fit", SAMPLE / "test.csv", *batch, "-o", second).code == 0
    merged = normcli("merge", first, second, "-q", "-o", "-").out
    both = normcli("fit", SAMPLE / "train.csv", SAMPLE / "test.csv", *batch, "-o", "-").out
    merged_columns, columns = (json.loads(each)["columns"] for each in (merged, both))
    for column in [*merged_columns.values(), *columns.values()]:
        column.pop("whole", None)  # version 1 does not say whether all numbers are whole
    assert merged_columns == columns
