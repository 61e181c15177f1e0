"""What `show` says of groups: the largest, the smallest and the oddest ones, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import nlargest, nsmallest
from typing import Any

from normcli.sidecar.model import GroupStatistics, Statistics
from normcli.statistics.base import Group
from normcli.words import listed, many, name, printable

MOST = 3  # groups of each kind


def title(key: Group) -> str:
    """A key for people."""
    return ", ".join("(empty)" if text is None else printable(text, 30) for text in key)


def notes(statistics: Statistics) -> list[str]:
    """A line about all groups, and one for each kind of them."""
    found = as_json(statistics)
    if not found:
        return []
    by = " and ".join(map(name, found["by"]))
    lines = [f"{many(found['count'], 'group')} by {by}"]
    for kind in ("largest", "smallest"):
        sizes = [f"{title(tuple(g['key']))} ({many(g['rows'], 'row')})" for g in found[kind]]
        lines += [f"{kind}: {listed(sizes)}"] if sizes else []
    odd = [
        f"{title(tuple(g['key']))} (mean of {name(g['column'])} {g['mean_shift']:+.2f} std)"
        for g in found["oddest"]
    ]
    return [*lines, f"oddest: {listed(odd)}"] if odd else lines


def as_json(statistics: Statistics) -> dict[str, Any]:
    """The same for programs; nothing where there are no groups.

    The oddest are those whose mean is farthest from that of all rows, in its std.
    """
    groups = statistics.groups
    if not groups:
        return {}
    sizes = [(group.rows, key) for key, group in groups.items()]
    large = nlargest(MOST, sizes, key=lambda pair: pair[0])
    small = nsmallest(MOST, sizes, key=lambda pair: pair[0]) if len(sizes) > MOST else []
    odd = nlargest(MOST, _shifts(statistics, groups), key=lambda found: abs(found[0]))
    return {
        "by": list(statistics.options["by"]),
        "count": len(groups),
        "largest": [{"key": list(key), "rows": rows} for rows, key in large],
        "smallest": [{"key": list(key), "rows": rows} for rows, key in small],
        "oddest": [
            {"key": list(key), "column": column, "mean_shift": shift} for shift, key, column in odd
        ],
    }


def _shifts(
    statistics: Statistics, groups: Mapping[Group, GroupStatistics]
) -> Iterator[tuple[float, Group, str]]:
    """(distance of the mean from that of all rows, group, column)."""
    for column, known in statistics.columns.items():
        mean, std = known.mean, statistics.std(column)
        if mean is None or not std or known.given:
            continue
        for key, group in groups.items():
            here = group.columns[column].mean
            if here is not None:
                yield (here - mean) / std, key, column
