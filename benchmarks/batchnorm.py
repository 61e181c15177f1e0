"""Time of `normcli.BatchNorm` beside the plain formula in NumPy: python -m benchmarks.batchnorm.

Forward and backward pass in training, the best of rounds that are taken in turns.
"""

from __future__ import annotations

import time

import numpy as np

from normcli import BatchNorm

SHAPES = ((32, 64), (256, 64), (1024, 256), (8192, 256))
ROUNDS = 15


class Plain:
    """The formulas as textbooks have them."""

    def __init__(self, features: int) -> None:
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.mean, self.var = np.zeros(features), np.ones(features)

    def forward(self, x, training):
        mean, var, n = x.mean(axis=0), x.var(axis=0), len(x)
        self.root = np.sqrt(var + 1e-5)
        self.z = (x - mean) / self.root
        self.mean = 0.9 * self.mean + 0.1 * mean
        self.var = 0.9 * self.var + 0.1 * var * n / (n - 1)
        return self.gamma * self.z + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.z).sum(axis=0), dy.sum(axis=0)
        n = len(dy)
        return self.gamma / self.root / n * (n * dy - self.dbeta - self.z * self.dgamma)


def seconds(layer, x, dy, calls: int) -> float:
    """Of one forward and backward pass."""
    start = time.perf_counter()
    for _ in range(calls):
        layer.forward(x, True)
        layer.backward(dy)
    return (time.perf_counter() - start) / calls


def measured(n: int, m: int) -> str:
    """A row of the table."""
    x, dy = np.random.default_rng(1).normal(size=(2, n, m))
    calls = max(1, 1_000_000 // (n * m))
    narrow = [a.astype(np.float32) for a in (x, dy)]
    cases = [(Plain(m), x, dy), (BatchNorm(m), x, dy), (BatchNorm(m), *narrow)]
    rounds = [[seconds(*case, calls) for case in cases] for _ in range(ROUNDS)]
    plain, wide, single = np.min(rounds, axis=0) * 1e6
    return (
        f"| {n} x {m} | {plain:.0f} | {wide:.0f} ({wide / plain:.2f}) "
        f"| {single:.0f} ({single / plain:.2f}) |"
    )


def main() -> None:
    print("| rows x features | plain formula, us | BatchNorm, float64 (ratio) | float32 (ratio) |")
    print("|---|---|---|---|")
    for n, m in SHAPES:
        print(measured(n, m), flush=True)


if __name__ == "__main__":
    main()
