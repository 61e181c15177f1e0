"""Statistics of groups of rows: what a chunk's labels become, down to the sidecar."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from normcli.formats.columnar.chunk import ArrowChunk
from normcli.formats.memory import table
from normcli.methods.spelling import Asked, method_of
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import Tables, fit
from normcli.sidecar import read, write
from normcli.sidecar.model import Statistics
from normcli.statistics.base import Labels

FRAME = pd.DataFrame(
    {
        "shop": ["b", "a", "b", "b", "a", "a", "b"],
        "x": [1.5, 2.0, np.nan, 4.25, 1e300, 0.1, -7.0],
        "y": [1, 2, 3, 4, 5, 6, 2**53 + 1],
    }
)


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks hand over the shop of every row."""

    def labels(chunk: ArrowChunk) -> Labels:
        shops = chunk.to_arrow({}, None)["shop"].to_pylist()
        groups = sorted(set(shops))
        codes = np.array([groups.index(shop) for shop in shops])
        return Labels([(shop,) for shop in groups], codes)

    monkeypatch.setattr(ArrowChunk, "labels", labels)


def statistics_of(*frames: pd.DataFrame, method: str = "zscore") -> Statistics:
    tables = Tables(lambda: iter([table(frame) for frame in frames]))
    return fit(tables, Choice(), Asked(method_of(method)))[0]


@pytest.mark.parametrize("method", ["zscore", "asinh+zscore"])
def test_a_group_has_the_statistics_of_its_rows_alone(labelled: None, method: str) -> None:
    found = statistics_of(FRAME, method=method)
    assert list(found.groups) == [("a",), ("b",)]
    for (shop,), group in found.groups.items():
        alone = FRAME[FRAME["shop"] == shop]
        assert group.rows == len(alone)
        assert group.columns == statistics_of(alone, method=method).columns


def test_groups_change_nothing_in_the_statistics_of_all_rows(
    labelled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = statistics_of(FRAME)
    monkeypatch.undo()
    assert found.columns == statistics_of(FRAME).columns


def test_chunks_with_other_groups_are_folded_into_the_same(labelled: None) -> None:
    whole = statistics_of(FRAME)
    assert statistics_of(FRAME[:1], FRAME[1:2], FRAME[2:]) == whole
    assert statistics_of(FRAME[:4]).merge(statistics_of(FRAME[4:])) == whole


def test_the_sidecar_keeps_them_sorted_by_key(labelled: None) -> None:
    found = statistics_of(FRAME)
    text = write.dumps(found)
    groups = json.loads(text)["groups"]
    assert [group["key"] for group in groups] == [["a"], ["b"]]
    assert groups[0]["rows"] == 3
    assert groups[1]["columns"]["y"]["max"] == 2**53 + 1
    assert read.loads(text) == found
