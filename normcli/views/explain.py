"""What would be done to each column, and why: what --explain prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from normcli.pipeline import Choice, Scaling
from normcli.pipeline.check import Limits, wanted
from normcli.sidecar.model import Statistics
from normcli.statistics.drift import missing_share
from normcli.views.screen import NAMES, Cell, Column, Grid
from normcli.words import name, number, percent


def fit(statistics: Statistics, left: Mapping[str, str]) -> Grid:
    """Which columns fit chooses, and for which method; which not, and why."""
    grid = Grid([NAMES, Column("is"), Column("because", least=20)])
    for n in statistics.columns:
        method = statistics.method_for(n)
        why = f"all cells are numbers or missing; method {method.spelling}"
        grid.rows.append([name(n), ("fitted", "bold"), why])
    grid.rows.extend([name(n), "left alone", why] for n, why in left.items())
    return grid


def scaling(scaling: Scaling, left: Mapping[str, str]) -> Grid:
    """The formula of every column that is scaled or restored, and why the others are not.

    left: column -> why it is left alone, where more is known than `scaling` does.
    """
    grid = Grid([NAMES, Column("method"), Column("becomes", least=20)])
    plans = {plan.position: plan for plan in scaling.plans}
    reasons = {**scaling.left(), **left}
    for i, n in enumerate(scaling.table.columns):
        if plan := plans.get(i):
            row: list[Cell] = [
                name(n),
                plan.method,
                plan.mapping.formula("y" if scaling.job.inverse else "x"),
            ]
        else:
            row = [name(n), "-", f"as it is: {reasons[n]}"]
        grid.rows.append(row)
    return grid


def check(columns: Sequence[str], statistics: Statistics, choice: Choice, limits: Limits) -> Grid:
    """What has to be true of each column; `columns`: those that the data have."""
    inside = f"{percent(1 - limits.out_of_range)} within" if limits.out_of_range < 1 else "range"
    titles = (inside, "mean", "std", "missing")
    grid = Grid([NAMES, *map(Column, titles)])
    for n in wanted(columns, statistics, choice):
        if n not in statistics.columns:
            grid.rows.append([name(n), "not compared", "-", "-", "-"])
        elif n not in columns:
            grid.rows.append([name(n), ("there is no such column", "bold red"), "-", "-", "-"])
        else:
            grid.rows.append([name(n), *_allowed(n, statistics, limits)])
    return grid


def _allowed(n: str, statistics: Statistics, limits: Limits) -> list[Cell]:
    """What range, mean, std and share of missing cells a column may have."""
    c, std = statistics.columns[n], statistics.std(n)
    missing = _missing(missing_share(c), limits.missing_change)
    if c.mean is None or std is None:
        return ["none", "-", "-", missing]
    shift, ratio = limits.mean_shift * std, limits.spread_ratio
    return [
        _from_to(number(c.min, std), number(c.max, std), limits.out_of_range),
        _from_to(number(c.mean - shift, std), number(c.mean + shift, std), limits.mean_shift),
        _from_to(number(std / ratio), number(std * ratio), ratio),
        missing,
    ]


def _missing(share: float | None, change: float) -> str:
    if share is None:
        return "-"
    return _from_to(percent(max(0.0, share - change)), percent(min(1.0, share + change)), change)


def _from_to(low: str, high: str, limit: float) -> str:
    return "any" if math.isinf(limit) else f"{low} to {high}"
