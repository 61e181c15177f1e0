"""The strong claims of docs/why-batch-normalization.md hold, with margins, on a small scale."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("sklearn")

from tools.batchnorm import claims
from tools.batchnorm.network import CLASSES, Network, Plan, accuracy, digits

DOCS = Path(__file__).parents[1] / "docs"


def quick(plans):
    """Accuracies after few epochs."""
    return [accuracy(plan.but(epochs=5)) for plan in plans]


def test_ten_layers_are_better_by_more_than_a_twentieth_with_batch_normalization():
    plans = [Plan(10, normalized=normalized) for normalized in (False, True)]
    without, normalized = claims.best(quick, plans, (0.03, 0.1, 0.3), 1)
    assert normalized - without > 0.05
    assert normalized > 0.9


def test_a_sigmoid_network_of_six_layers_learns_only_with_batch_normalization():
    without, normalized = quick([Plan(6, "sigmoid", n, rate=0.3) for n in (False, True)])
    assert without < 0.2 < 0.9 < normalized


def test_the_gradient_of_a_batch_of_one_row_is_exactly_zero():
    x, y, _, _ = digits()
    network = Network(Plan(), x.shape[1])
    for i in range(20):
        assert network.gradients(x[i : i + 1], y[i : i + 1]) == [0.0] * 4
    assert min(network.gradients(x[:2], y[:2])) > 0
    assert min(Network(Plan(normalized=False), x.shape[1]).gradients(x[:1], y[:1])) > 0


def test_one_learning_rate_serves_layers_that_are_a_hundredfold_apart():
    plans = [Plan(normalized=n, uneven=True, rate=r) for n in (False, True) for r in (0.01, 0.1, 1)]
    found = quick(plans)
    assert sorted(found[:3])[1] < 0.3
    assert min(found[3:]) > 0.9


@pytest.mark.parametrize("claim", [claims.gradients, claims.one_row, claims.modes])
def test_the_measurements_that_are_quick_bear_their_verdicts(claim):
    assert claim().verdict.startswith("**Yes")


def test_a_verdict_that_is_not_borne_out_stops_the_program():
    with pytest.raises(RuntimeError, match="no longer bear this verdict: it helps"):
        claims.bears(0.1 > 0.2, "it helps")


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("normalized", [True, False])
def test_the_gradients_of_a_network_are_those_of_central_differences(activation, normalized):
    x, y, _, _ = digits()
    x, y = x[:32], y[:32]
    network = Network(Plan(3, activation, normalized), x.shape[1])

    def loss():
        logits = network.forward(x, True)
        return -np.mean(logits[np.arange(32), y] - np.log(np.exp(logits).sum(axis=1)))

    network.gradients(x, y)
    for layer in network.hidden:
        place = np.unravel_index(np.abs(layer.gradient).argmax(), layer.gradient.shape)
        values = []
        for step in (1e-5, -2e-5):
            layer.weights[place] += step
            values.append(loss())
        layer.weights[place] += 1e-5
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(layer.gradient[place], rel=1e-4)


def test_a_network_whose_training_fails_is_as_good_as_guessing():
    assert accuracy(Plan(10, normalized=False, rate=1e200, epochs=1)) <= 2 / CLASSES


def test_the_pictures_of_the_page_are_well_formed_and_transparent():
    page = (DOCS / "why-batch-normalization.md").read_text()
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+\.svg)\)", page)
    assert len(pictures) == 4
    for name in pictures:
        root = ElementTree.parse(DOCS / name).getroot()
        assert len(root.findall("{*}polyline")) >= 4  # of the lines, and of the legend
        sizes = [float(r.get("width")) for r in root.findall("{*}rect")]
        assert max(sizes) < 10  # marks, no background
