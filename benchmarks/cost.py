"""What exact statistics cost beside NumPy's two passes, in nanoseconds of CPU time a value.

    python -m benchmarks.cost [ROUNDS]

The same values as one long column, and cut into chunks of columns and into batches. All take
turns in one process; the figures are medians over the rounds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from normcli.numerics.numbers import Numbers
from normcli.statistics.base import Rows
from normcli.statistics.batches import batch_statistics
from normcli.statistics.moments import MomentsState

N = 1 << 20
BLOCK = 1 << 14  # values: 128 KiB, which stay in a core's cache between the passes
LONG = "one long column"


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = rng.normal(100, 10, N)
    uniform = rng.random(N)
    return {
        "all digits": normal,
        "three decimals": normal.round(3),
        "uniform in [0, 1]": uniform,
        "N(1e9, 1)": rng.normal(1e9, 1, N),
        "N(0, 1)": rng.normal(size=N),
        "integers below 1000": rng.integers(0, 1000, N).astype(float),
        "float32": uniform.astype(np.float32).astype(float),
        "log-normal, σ = 3": rng.lognormal(0, 3, N),
        "uniform, 5 % missing": np.where(rng.random(N) < 0.05, np.nan, uniform),
    }


def two_passes(x: np.ndarray) -> None:
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        block.mean()
        block.var()


Work = Callable[[], object]


def chunks(x: np.ndarray, rows: int, columns: int) -> Work:
    """The statistics of a table of so many columns, in chunks of so many rows."""
    size = rows * columns
    tables = x[: len(x) // size * size].reshape(-1, columns, rows)
    found = [Rows(dict(enumerate(map(_column, table)))) for table in tables]
    return lambda: reduce(MomentsState.merge, map(MomentsState.of, found))


def _column(x: np.ndarray) -> Numbers:
    missing = np.isnan(x)
    return Numbers(x[None], missing if missing.any() else None)


def works(x: np.ndarray) -> dict[str, Work]:
    return {
        LONG: chunks(x, N, 1),
        "10 columns of 28,000": chunks(x, 28_000, 10),
        "2,000 columns of 500": chunks(x, 500, 2000),
        "2,000 columns of 100": chunks(x, 100, 2000),
        "batches of 256": lambda: batch_statistics(_column(x), 256),
    }


def nanoseconds(work: Work) -> float:
    start = time.process_time_ns()
    work()
    return (time.process_time_ns() - start) / N


@dataclass(frozen=True)
class Cost:
    """Medians over the rounds, in nanoseconds a value."""

    data: str
    exact: dict[str, float]  # shape -> statistics of the values in this shape
    two_passes: float

    @property
    def ratio(self) -> float:
        """How many times NumPy's cost that of one long column is."""
        return self.exact[LONG] / self.two_passes

    @classmethod
    def of(cls, name: str, x: np.ndarray, rounds: int) -> Cost:
        timed = {"": lambda: two_passes(x), **works(x)}
        found = [{shape: nanoseconds(w) for shape, w in timed.items()} for _ in range(rounds + 1)]
        median = {shape: statistics.median(f[shape] for f in found[1:]) for shape in timed}
        return cls(name, median, median.pop(""))


def costs(rounds: int) -> list[Cost]:
    return [Cost.of(name, x, rounds) for name, x in data().items()]


def table(found: list[Cost]) -> list[list[str]]:
    """Head and rows: the costs, and in brackets how many times NumPy's they are."""
    head = ["data", *found[0].exact, "NumPy, two passes"]
    return [head] + [
        [
            c.data,
            *(f"{ns:.1f} ({ns / c.two_passes:.1f})" for ns in c.exact.values()),
            f"{c.two_passes:.1f}",
        ]
        for c in found
    ]


if __name__ == "__main__":
    for row in table(costs(int(sys.argv[1]) if len(sys.argv) > 1 else 9)):
        print("| " + " | ".join(row) + " |")
