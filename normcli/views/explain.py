"""What --explain prints: what would be done to each column, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from normcli.pipeline.check import Limits, wanted
from normcli.pipeline.choice import Choice
from normcli.pipeline.scaling import Scaling
from normcli.sidecar.model import Statistics
from normcli.statistics.drift import missing_share
from normcli.views.screen import NAMES, Cell, Column, Grid
from normcli.words import name, number, percent


def fit(statistics: Statistics, left: Mapping[str, str]) -> Grid:
    """Which columns fit chooses, and for which method; which it does not, and why.

    left: column -> why it is not fitted.
    """
    grid = Grid([NAMES, Column("fitted"), Column("why", "text")])
    for n in statistics.columns:
        method = statistics.method_for(n)
        why = f"all cells are numbers or missing; method {method.spelling}"
        grid.rows.append([name(n), ("yes", "bold"), why])
    grid.rows.extend([name(n), "no", why] for n, why in left.items())
    return grid


def scaling(scaling: Scaling, left: Mapping[str, str]) -> Grid:
    """The formula of every column that is scaled or restored, and why the others are not.

    left: column -> why it is not scaled, in addition to what `scaling` knows.
    """
    grid = Grid([NAMES, Column("method"), Column("becomes", "text")])
    plans = {plan.position: plan for plan in scaling.plans}
    reasons = {**scaling.left(), **left}
    for i, n in enumerate(scaling.table.columns):
        if plan := plans.get(i):
            formula = plan.mapping.formula("y" if scaling.job.inverse else "x")
            suffix = "" if scaling.job.inverse else scaling.job.style.suffix
            formula = f"{name(n + suffix)} = {formula}" if suffix else formula
            told = ", ".join(filter(None, (formula, plan.mapping.note(), plan.warning)))
            grid.rows.append([name(n), plan.method, told])
        else:
            grid.rows.append([name(n), "-", f"unchanged: {reasons[n]}"])
    return grid


def check(columns: Sequence[str], statistics: Statistics, choice: Choice, limits: Limits) -> Grid:
    """What must be true of each column; `columns`: those of the data."""
    inside = f"{percent(1 - limits.out_of_range)} within" if limits.out_of_range < 1 else "range"
    titles = (inside, "mean", "std", "missing")
    grid = Grid([NAMES, *(Column(title, "text") for title in titles)])
    for n in wanted(columns, statistics, choice):
        if n not in statistics.columns:
            grid.rows.append([name(n), "not compared", "-", "-", "-"])
        elif n not in columns:
            grid.rows.append([name(n), ("there is no such column", "bold red"), "-", "-", "-"])
        else:
            grid.rows.append([name(n), *_allowed(n, statistics, limits)])
    return grid


def _allowed(n: str, statistics: Statistics, limits: Limits) -> list[Cell]:
    """The range, mean, std and share of missing cells that a column may have."""
    c, std = statistics.columns[n], statistics.std(n)
    missing = _missing(missing_share(c), limits.missing_change)
    if c.mean is None or std is None:
        return ["none", "-", "-", missing]
    shift, ratio = limits.mean_shift * std, limits.spread_ratio
    low, high = c.ends
    return [
        _from_to(number(low, std), number(high, std), limits.out_of_range),
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
