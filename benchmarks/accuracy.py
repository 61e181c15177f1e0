"""Print, as a Markdown table, how far the standard deviations of several tools are from the truth.

Each tool gets the same float64 values. A cell is the relative error of the population standard
deviation against exact rational arithmetic (the deviation itself where the true one is zero),
and a star where the tool gives other bits for the same values in another order. Tools that are
not installed are left out.

    python benchmarks/accuracy.py
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from normcli.numerics.numbers import Numbers
from normcli.statistics.moments import ColumnStatistics

N = 20_000


def data() -> dict[str, np.ndarray]:
    normal = np.random.default_rng(0).normal(size=N)
    return {
        "N(0, 1)": normal,
        "N(1e9, 1)": 1e9 + normal,
        "N(1e15, 1)": 1e15 + normal,
        "N(0, 1) * 1e200": normal * 1e200,
        "N(0, 1) * 1e-200": normal * 1e-200,
        "0.1 everywhere": np.full(N, 0.1),
    }


def numpy_std(x):
    return np.std(x)


def pandas_std(x):
    import pandas

    return pandas.Series(x).std(ddof=0)


def polars_std(x):
    import polars

    return polars.Series(x).std(ddof=0)


def duckdb_std(x):
    import duckdb
    import pandas

    table = pandas.DataFrame({"x": x})
    with duckdb.connect() as connection:
        connection.register("data", table)
        return connection.sql("select stddev_pop(x) from data").fetchall()[0][0]


def sklearn_std(rows):
    def std(x):
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        for start in range(0, len(x), rows):
            scaler.partial_fit(x[start : start + rows, None])
        return math.sqrt(scaler.var_[0])

    return std


def naive_std(x):
    values = x.tolist()
    mean = sum(values) / len(values)
    return math.sqrt(max(0.0, sum(v * v for v in values) / len(values) - mean * mean))


def welford_std(x):
    mean = squares = 0.0
    for k, v in enumerate(x.tolist(), 1):
        delta = v - mean
        mean += delta / k
        squares += delta * (v - mean)
    return math.sqrt(squares / len(x))


def normcli_std(x):
    return ColumnStatistics.of(Numbers(x[None])).std()


TOOLS: list[tuple[str, str, Callable]] = [
    ("mean of squares - square of mean", "math", naive_std),
    ("Welford", "math", welford_std),
    ("NumPy `std`", "numpy", numpy_std),
    ("pandas `std`", "pandas", pandas_std),
    ("scikit-learn `partial_fit`, 1000 rows", "sklearn", sklearn_std(1000)),
    ("scikit-learn `partial_fit`, 37 rows", "sklearn", sklearn_std(37)),
    ("polars `std`", "polars", polars_std),
    ("DuckDB `stddev_pop`", "duckdb", duckdb_std),
    ("normcli", "normcli", normcli_std),
]


def true_std(x: np.ndarray) -> Fraction:
    """The standard deviation to 60 digits and more, in rational arithmetic."""
    values = [Fraction(v) for v in x.tolist()]
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / len(values)
    shift = 2 * (220 - (variance.numerator.bit_length() - variance.denominator.bit_length()) // 2)
    root = math.isqrt(int(variance * Fraction(2) ** shift))
    return Fraction(root) / Fraction(2) ** (shift // 2)


def judged(std: Callable, x: np.ndarray, truth: Fraction) -> str:
    """The cell of a tool: its relative error on x, starred if the order of x matters."""
    try:
        found = float(std(x))
        other = float(std(np.random.default_rng(1).permutation(x)))
    except Exception as error:  # whatever a tool raises is its result here
        return type(error).__name__
    star = "" if math.isnan(found) or found == other else "*"
    return error_of(found, truth) + star


def error_of(found: float, truth: Fraction) -> str:
    if not math.isfinite(found):
        return str(found)
    if truth == 0:
        return f"{found:.0e}" if found else "0"
    if found == truth.numerator / truth.denominator:
        return "exact"
    return f"{float(abs(Fraction(found) - truth) / truth):.0e}"


def main() -> None:
    columns = {name: (x, true_std(x)) for name, x in data().items()}
    print("| tool |", " | ".join(columns), "|")
    print("|---|", "---|" * len(columns), sep="")
    for name, module, std in TOOLS:
        if importlib.util.find_spec(module) is None:
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            cells = [judged(std, x, truth) for x, truth in columns.values()]
        print(f"| {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
