"""A network for handwritten digits in NumPy, with `normcli.BatchNorm` or without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from normcli import BatchNorm, DataError

WIDTH = 64  # of every hidden layer
CLASSES = 10
TRAINING_ROWS = 1347  # of 1,797; the others are for testing


@dataclass(frozen=True)
class Plan:
    """A network and how it is trained, by stochastic gradient descent without any extras.

    layers: hidden ones, each of `WIDTH` units; one more layer gives the 10 classes.
    activation: "relu" with the initial weights of He et al. (2015), or "sigmoid" with
        weights of variance 1 / inputs.
    normalized: batch normalization before every activation, in the place of the bias.
    learns: whether gamma and beta are trained. uneven: initial weights of the hidden layers
        are multiplied by 10 and 0.1 in turns.
    """

    layers: int = 4
    activation: str = "relu"
    normalized: bool = True
    rate: float = 0.1
    epochs: int = 8
    batch: int = 64
    seed: int = 0
    learns: bool = True
    uneven: bool = False

    def but(self, **changes: Any) -> Plan:
        """The plan with some changes."""
        return replace(self, **changes)


class OneRow(BatchNorm):
    """Batch normalization that takes a training batch of one row, to show what comes of it."""

    def _refuse_one_row(self, rows: int) -> None:
        pass

    def _track(self, mean: Any, var: Any, rows: int) -> None:
        if rows > 1:
            super()._track(mean, var, rows)


class Bias:
    """What stands in the place of batch normalization in a network without it."""

    def __init__(self, features: int) -> None:
        self.beta = np.zeros(features)

    def forward(self, x, training):
        """`x` and the bias."""
        return x + self.beta

    def backward(self, dy):
        """The gradient of x; leaves that of the bias."""
        self.dbeta = dy.sum(axis=0)
        return dy

    def calibrate(self, x):
        """There are no statistics."""


class Hidden:
    """Weights, then batch normalization or a bias, then the activation."""

    def __init__(self, weights, plan: Plan) -> None:
        self.weights, self.sigmoid = weights, plan.activation == "sigmoid"
        self.norm = OneRow(WIDTH) if plan.normalized else Bias(WIDTH)
        self.learned = [*["gamma"] * plan.normalized, "beta"] if plan.learns else []

    def forward(self, x, training):
        """What the next layer gets."""
        self.x = x
        a = self.norm.forward(x @ self.weights, training)
        self.y = 1 / (1 + np.exp(-a)) if self.sigmoid else np.maximum(a, 0)
        return self.y

    def backward(self, dy):
        """The gradient of x; leaves those of the weights and of what is normalized."""
        slope = self.y * (1 - self.y) if self.sigmoid else self.y > 0
        da = self.norm.backward(dy * slope)
        self.gradient = self.x.T @ da
        return da @ self.weights.T

    def step(self, rate):
        """One step down the gradients."""
        self.weights -= rate * self.gradient
        for name in self.learned:
            array = getattr(self.norm, name)
            array -= rate * getattr(self.norm, f"d{name}")


class Network:
    """Hidden layers and a last one, whose numbers are the logits of the classes."""

    def __init__(self, plan: Plan, inputs: int) -> None:
        rng = np.random.default_rng(plan.seed)
        gain = 2 if plan.activation == "relu" else 1
        self.hidden = []
        for i in range(plan.layers):
            size = (inputs, WIDTH)
            weights = rng.normal(0, np.sqrt(gain / inputs), size)
            weights *= (0.1 if i % 2 else 10.0) if plan.uneven else 1
            self.hidden.append(Hidden(weights, plan))
            inputs = WIDTH
        self.weights = rng.normal(0, np.sqrt(1 / inputs), (inputs, CLASSES))
        self.bias = np.zeros(CLASSES)

    def forward(self, x, training):
        """The logits."""
        for layer in self.hidden:
            x = layer.forward(x, training)
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, dlogits):
        """Leave the gradients of all weights."""
        self.gradient, self.bias_gradient = self.x.T @ dlogits, dlogits.sum(axis=0)
        dy = dlogits @ self.weights.T
        for layer in reversed(self.hidden):
            dy = layer.backward(dy)

    def learn(self, x, y, rate):
        """One step of gradient descent on the mean cross entropy of a batch."""
        self.backward(_slope(self.forward(x, training=True), y))
        self.weights -= rate * self.gradient
        self.bias -= rate * self.bias_gradient
        for layer in self.hidden:
            layer.step(rate)

    def gradients(self, x, y):
        """The norm of the gradient of the weights of each hidden layer, from one batch."""
        self.backward(_slope(self.forward(x, training=True), y))
        return [float(np.linalg.norm(layer.gradient)) for layer in self.hidden]

    def calibrate(self, x):
        """Predict by the exact statistics of `x`, in all layers."""
        for layer in self.hidden:
            layer.norm.calibrate(x @ layer.weights)
            x = layer.forward(x, training=False)

    def accuracy(self, x, y, training=False):
        """The share of rows whose class has the largest logit."""
        return float(np.mean(self.forward(x, training).argmax(axis=1) == y))


def _slope(logits, y):
    """The gradient of the mean cross entropy of the logits."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    odds[np.arange(len(y)), y] -= 1
    return odds / len(y)


@cache
def digits():
    """Pixels in [-1, 1] and classes of the training rows, then those of the test rows."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order] / 8 - 1, y[order]
    return x[:TRAINING_ROWS], y[:TRAINING_ROWS], x[TRAINING_ROWS:], y[TRAINING_ROWS:]


def trained(plan: Plan) -> Network:
    """A network after its epochs; it stops early where its weights are no longer finite."""
    x, y, _, _ = digits()
    network = Network(plan, x.shape[1])
    rng = np.random.default_rng(plan.seed)
    for _ in range(plan.epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - len(x) % plan.batch, plan.batch):
            rows = order[start : start + plan.batch]
            network.learn(x[rows], y[rows], plan.rate)
        if not np.isfinite(network.weights).all():
            break
    return network


def accuracy(plan: Plan) -> float:
    """On the test rows, after training, by the exact statistics of the training rows.

    Where training failed because numbers grew beyond float64, it is that of guessing.
    """
    x, _, test_x, test_y = digits()
    with np.errstate(all="ignore"):
        try:
            network = trained(plan)
            network.calibrate(x)
        except DataError:
            return 1 / CLASSES
        return network.accuracy(test_x, test_y)
