"""What exact statistics cost beside NumPy's two passes, in nanoseconds a value."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from normcli.numbers import Numbers
from normcli.statistics import ColumnStatistics

N = 1 << 20
BLOCK = 1 << 14  # values: 128 KiB, which stay in a core's cache between the passes


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    normal = rng.normal(100, 10, N)
    return {
        "all digits": normal,
        "three decimals": normal.round(3),
        "uniform in [0, 1]": rng.random(N),
        "N(1e9, 1)": rng.normal(1e9, 1, N),
        "integers below 1000": rng.integers(0, 1000, N).astype(float),
    }


def exact(x: np.ndarray) -> None:
    ColumnStatistics.of(Numbers(x[None]))


def two_passes(x: np.ndarray) -> None:
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        mean = block.mean()
        d = block - mean
        np.vdot(d, d) / len(d)


def nanoseconds(work: Callable[[np.ndarray], None], x: np.ndarray) -> float:
    start = time.perf_counter()
    work(x)
    return (time.perf_counter() - start) * 1e9 / len(x)


@dataclass(frozen=True)
class Cost:
    """Medians over the rounds: nanoseconds a value, and the ratio of both."""

    data: str
    exact: float
    two_passes: float
    ratio: float

    @classmethod
    def of(cls, name: str, x: np.ndarray, rounds: int) -> Cost:
        pairs = [(nanoseconds(exact, x), nanoseconds(two_passes, x)) for _ in range(rounds + 1)]
        timed = pairs[1:]
        return cls(
            name,
            statistics.median(a for a, _ in timed),
            statistics.median(b for _, b in timed),
            statistics.median(a / b for a, b in timed),
        )


def costs(rounds: int) -> list[Cost]:
    return [Cost.of(name, x, rounds) for name, x in data().items()]
