"""What is said of batch normalization, and what networks measure of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from tools.batchnorm.chart import Chart, Line
from tools.batchnorm.network import Network, Plan, digits, trained

Measure = Callable[[Sequence[Plan]], list[float]]  # the test accuracy of each plan

DEPTHS = (2, 4, 6, 8, 10)
SERIES = [(a, normalized) for a in ("relu", "sigmoid") for normalized in (False, True)]
BOTH = (False, True)
RATES = (0.03, 0.1, 0.3, 1.0)
MANY_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
UNEVEN_RATES = (0.01, 0.1, 1.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Claim:
    """A section of the page: what is said, how it was measured, what came out, the verdict.

    name: of the file of the chart.
    """

    title: str
    setting: str
    table: str
    verdict: str
    chart: Chart | None = None
    name: str = ""


def all_claims(measure: Measure) -> list[Claim]:
    """All of them, measured."""
    return [
        depth(measure),
        gradients(),
        rates(measure),
        uneven(measure),
        batch_sizes(measure),
        one_row(),
        modes(),
        learned(measure),
    ]


def bears(condition: object, verdict: str) -> str:
    """The verdict, if the measurements bear it; else an error, as the words must be changed."""
    if not condition:
        raise RuntimeError(f"the measurements no longer bear this verdict: {verdict}")
    return verdict


def best(
    measure: Measure, plans: Sequence[Plan], rates: Sequence[float], seeds: int
) -> list[float]:
    """The mean accuracy of each plan over seeds, with the learning rate that makes it largest."""
    tried = [p.but(rate=r, seed=s) for p in plans for r in rates for s in range(seeds)]
    found = np.reshape(measure(tried), (len(plans), len(rates), seeds))
    return found.mean(axis=2).max(axis=1).tolist()


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def shares(values: Sequence[float]) -> list[str]:
    """Accuracies, as the tables have them."""
    return [f"{value:.3f}" for value in values]


def listed(numbers: Sequence[float]) -> str:
    """Numbers in a sentence."""
    return ", ".join(f"{n:g}" for n in numbers)


def label(activation: str, normalized: bool) -> str:
    """Of a line of a chart, and of a column of a table."""
    return f"{activation}, {'with' if normalized else 'without'}"


def lines(values: Sequence[Sequence[float]]) -> list[Line]:
    """One for each of `SERIES`."""
    return [
        Line(f"{label(*each)} batch normalization", v, each[1], each[0] == "sigmoid")
        for each, v in zip(SERIES, values, strict=True)
    ]


def two_lines(without: Sequence[float], normalized: Sequence[float]) -> list[Line]:
    """Without and with batch normalization."""
    return [
        Line("without batch normalization", without, False),
        Line("with batch normalization", normalized, True),
    ]


def depth(measure: Measure) -> Claim:
    """Accuracy by depth."""
    plans = [Plan(d, activation, normalized) for activation, normalized in SERIES for d in DEPTHS]
    found = np.reshape(best(measure, plans, RATES, 3), (len(SERIES), -1))
    relu, relu_bn, sigmoid, sigmoid_bn = found
    gain = relu_bn - relu
    return Claim(
        "The deeper the network, the more it helps",
        f"Networks of 2 to 10 hidden layers: the mean of three seeds, for each network with the "
        f"best of the learning rates {listed(RATES)}.",
        table(
            ["hidden layers", *(label(*each) for each in SERIES)],
            [[d, *shares(row)] for d, row in zip(DEPTHS, found.T, strict=True)],
        ),
        bears(
            gain[-1] > 0.05
            and gain[-1] == gain.max()
            and max(abs(gain[:-1])) < 0.05
            and sigmoid[1:].max() < 0.15
            and min(sigmoid_bn.min(), relu_bn.min()) > 0.95,
            f"**Yes: from 4 layers on with sigmoid, at 10 with relu.** With sigmoid, networks of 4 "
            f"layers and more learn nothing without batch normalization (guessing gives 0.1); with "
            f"it they are as good as those with relu. With relu the gain is {gain[0]:+.3f} at 2 "
            f"layers, at most {gain[:-1].max():+.3f} up to 8, and {gain[-1]:+.3f} at 10: good "
            "initial weights do much of the same, until a network is deep.",
        ),
        Chart("Accuracy by depth", "hidden layers", DEPTHS, "test accuracy", (0, 1), lines(found)),
        "depth",
    )


def gradients() -> Claim:
    """Norms of the gradients of the first and last hidden layer."""
    norms = np.array([[_first_and_last(Plan(d, *each)) for d in DEPTHS] for each in SERIES])
    ratios = norms[..., 0] / norms[..., 1]
    relu, relu_bn, sigmoid, sigmoid_bn = ratios[:, -1]
    return Claim(
        "It keeps gradients from vanishing",
        "The norms of the gradients of the first / of the last hidden layer's weights, before any "
        "training, from a batch of 64: the geometric mean of five seeds. The picture shows their "
        "ratio.",
        table(
            ["hidden layers", *(label(*each) for each in SERIES)],
            [
                [d, *(f"{first:.2g} / {last:.2g}" for first, last in row)]
                for d, row in zip(DEPTHS, norms.transpose(1, 0, 2), strict=True)
            ],
        ),
        bears(
            sigmoid < 1e-4 and 0.1 < sigmoid_bn < 10 and 0.1 < relu < 10 and relu_bn > 2 * relu,
            f"**Yes for sigmoid, the reverse for relu.** With 10 layers of sigmoid the first "
            f"gradient is {sigmoid:.1g} times the last; batch normalization makes that "
            f"{sigmoid_bn:.2g}. With relu and good initial weights nothing vanishes "
            f"({relu:.2g}), and batch normalization makes the gradients of early layers larger "
            f"({relu_bn:.2g}). So vanishing gradients are not why it helps there; "
            "Santurkar et al. [3] find the reason in a smoother loss.",
        ),
        Chart(
            "Gradient of the first hidden layer, divided by that of the last",
            "hidden layers",
            DEPTHS,
            "first / last gradient norm",
            (1e-6, 100),
            lines(ratios),
            log=True,
        ),
        "gradients",
    )


def _first_and_last(plan: Plan) -> tuple[float, float]:
    x, y, _, _ = digits()
    found = [
        Network(plan.but(seed=seed), x.shape[1]).gradients(x[:64], y[:64]) for seed in range(5)
    ]
    first, *_, last = np.exp(np.log(found).mean(axis=0))
    return first, last


def rates(measure: Measure) -> Claim:
    """Accuracy over learning rates."""
    plans = [
        Plan(8, normalized=n, rate=r, seed=s) for n in BOTH for r in MANY_RATES for s in (0, 1)
    ]
    without, normalized = np.reshape(measure(plans), (2, -1, 2)).mean(axis=2)
    usable = [
        [r for r, a in zip(MANY_RATES, v, strict=True) if a > 0.9] for v in (without, normalized)
    ]
    spans = [max(u) / min(u) for u in usable]
    return Claim(
        "It lets you choose the learning rate freely",
        "Eight hidden layers with relu, the mean of two seeds.",
        table(
            ["learning rate", "without", "with"],
            [
                [f"{r:g}", *shares(row)]
                for r, *row in zip(MANY_RATES, without, normalized, strict=True)
            ],
        ),
        bears(
            spans[1] >= 10 * spans[0],
            f"**Yes, strongly.** More than 0.9 is reached without batch normalization at "
            f"{listed(usable[0])}, with it at {listed(usable[1])}: a range of a factor "
            f"{spans[1]:.0f} instead of {spans[0]:.0f}.",
        ),
        Chart(
            "Accuracy over learning rates, eight hidden layers",
            "learning rate",
            [f"{r:g}" for r in MANY_RATES],
            "test accuracy",
            (0, 1),
            two_lines(without, normalized),
        ),
        "rates",
    )


def uneven(measure: Measure) -> Claim:
    """Accuracy where the weights of layers differ by a factor of 100."""
    plans = [
        Plan(normalized=n, uneven=True, rate=r, seed=s)
        for n in BOTH
        for r in UNEVEN_RATES
        for s in range(3)
    ]
    without, normalized = np.reshape(measure(plans), (2, -1, 3)).mean(axis=2)
    return Claim(
        "One learning rate serves all layers",
        "Four hidden layers with relu, whose initial weights are multiplied by 10, 0.1, 10 and "
        "0.1: neighbours are 100-fold apart. The mean of three seeds.",
        table(
            ["learning rate", "without", "with"],
            [
                [f"{r:g}", *shares(row)]
                for r, *row in zip(UNEVEN_RATES, without, normalized, strict=True)
            ],
        ),
        bears(
            normalized.min() > 0.93 and (without < 0.2).sum() == 2,
            f"**Yes, strongly.** Without batch normalization one of the three rates works. With it "
            f"every rate gives at least {normalized.min():.3f}: the scale of a layer's weights "
            f"is divided out of what it gives to the next.",
        ),
    )


def batch_sizes(measure: Measure) -> Claim:
    """Accuracy over batch sizes."""
    plans = [Plan(3, normalized=n, batch=size, epochs=5) for n in BOTH for size in SIZES]
    tried = (0.01, 0.1, 1.0)
    without, normalized = np.reshape(best(measure, plans, tried, 2), (2, -1))
    gain = dict(zip(SIZES, normalized - without, strict=True))
    return Claim(
        "With batch normalization, batch size matters more",
        f"Three hidden layers with relu and five epochs: the mean of two seeds, for each network "
        f"with the best of the learning rates {listed(tried)}.",
        table(
            ["rows of a batch", "without", "with"],
            [[s, *shares(row)] for s, *row in zip(SIZES, without, normalized, strict=True)],
        ),
        bears(
            normalized[0] < 0.2
            and gain[2] < -0.2
            and max(abs(gain[size]) for size in (8, 16, 32)) < 0.03
            and gain[128] > 0.05
            and gain[256] > 0.05,
            f"**Yes for small batches, the reverse for large ones.** A batch of one teaches "
            f"nothing, one of two little ({gain[2]:+.3f}), as its statistics say next to nothing "
            f"of the data. From 8 rows to 32 there is hardly a difference. Above that the network "
            f"without batch normalization suffers more ({gain[256]:+.3f} at 256): five epochs are "
            f"few steps then, and only the other one can take larger steps.",
        ),
        Chart(
            "Accuracy over batch sizes",
            "rows of a batch",
            SIZES,
            "test accuracy",
            (0, 1),
            two_lines(without, normalized),
        ),
        "batch-sizes",
    )


def one_row() -> Claim:
    """Gradients and logits in batches of one row."""
    x, y, _, _ = digits()
    rows = []
    for normalized in BOTH:
        network = Network(Plan(normalized=normalized), x.shape[1])
        found = [network.gradients(x[i : i + 1], y[i : i + 1]) for i in range(100)]
        logits = {tuple(network.forward(x[i : i + 1], True)[0].tolist()) for i in range(100)}
        rows.append((np.min(found), np.max(found), len(logits)))
    (_, _, usual), (_, largest, results) = rows
    return Claim(
        "A batch of one row teaches nothing",
        "Four hidden layers with relu, before any training; 100 batches of one row each. "
        "(`normcli.BatchNorm` refuses such a batch; here the check was switched off.)",
        table(
            ["", "without", "with"],
            [
                [name, *(f"{row[i]:.2g}" if i < 2 else row[i] for row in rows)]
                for i, name in enumerate(
                    [
                        "smallest gradient norm of a hidden layer",
                        "largest gradient norm of a hidden layer",
                        "different outputs for 100 different rows",
                    ]
                )
            ],
        ),
        bears(
            largest == 0 and results == 1 and usual == 100,
            "**Yes, exactly.** Every gradient of a hidden layer is 0, not just small, and the "
            "output does not depend on the row: each value is its own mean, so all become beta.",
        ),
    )


def modes() -> Claim:
    """Training against prediction."""
    x, _, test_x, test_y = digits()
    network = trained(Plan())
    running = network.accuracy(test_x, test_y)
    network.calibrate(x)
    exact = network.accuracy(test_x, test_y)
    moves = [_moves(network, training) for training in (True, False)]
    network.calibrate(x)
    batches = {size: _by_batches(network, size) for size in (1, 2, 16, 64)}
    return Claim(
        "Training and prediction are two things",
        "Four hidden layers with relu, trained; accuracy on the 450 test rows by the statistics "
        "of batches of test rows, by the running statistics, and by the exact ones of all training "
        "rows (`calibrate`).",
        table(
            ["statistics", "test accuracy"],
            [
                *([f"of batches of {size}", *shares([a])] for size, a in batches.items()),
                ["running, momentum 0.1", *shares([running])],
                ["exact, of the training rows", *shares([exact])],
            ],
        ),
        bears(
            moves[0] > 1 > 1e-9 > moves[1]
            and batches[1] < 0.2
            and batches[2] < 0.7
            and abs(running - exact) < 0.02,
            f"**Yes.** In training, an output (a logit) of the same row moves by up to "
            f"{moves[0]:.1f} with the 31 rows that stand beside it; in prediction it does not "
            f"move. By the statistics of few rows a trained network is bad. Running and exact "
            f"statistics are alike here, after {len(x) // 64 * Plan().epochs} batches in random "
            f"order.",
        ),
    )


def _moves(network: Network, training: bool) -> float:
    """The largest range of a logit of one test row, over 100 batches that it is in."""
    _, _, x, _ = digits()
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        batch = np.concatenate([x[:1], x[rng.choice(np.arange(1, len(x)), 31, replace=False)]])
        found.append(network.forward(batch, training)[0])
    return float(np.ptp(found, axis=0).max())


def _by_batches(network: Network, size: int) -> float:
    """The accuracy on batches of test rows, each normalized by its own statistics."""
    _, _, x, y = digits()
    starts = range(0, len(x) - size + 1, size)
    return mean(network.accuracy(x[i : i + size], y[i : i + size], True) for i in starts)


def learned(measure: Measure) -> Claim:
    """Trained gamma and beta against fixed ones."""
    cases = [(2, "relu"), (6, "relu"), (6, "sigmoid")]
    plans = [
        Plan(layers, activation, rate=0.3, learns=learns, seed=seed)
        for layers, activation in cases
        for learns in BOTH
        for seed in range(5)
    ]
    found = np.reshape(measure(plans), (len(cases), 2, 5))
    differences = (found[:, 1] - found[:, 0]).ravel().tolist()
    return Claim(
        "Gamma and beta should be trained",
        "Learning rate 0.3; mean and standard deviation of five seeds.",
        table(
            ["network", "fixed: gamma 1, beta 0", "trained"],
            [
                [
                    f"{d} hidden layers, {a}",
                    *(f"{mean(v):.4f} ± {stdev(v):.4f}" for v in row.tolist()),
                ]
                for (d, a), row in zip(cases, found, strict=True)
            ],
        ),
        bears(
            abs(mean(differences)) < 0.01 and abs(mean(differences)) < 2 * stdev(differences),
            f"**Not seen here.** The difference is {mean(differences):+.4f} on average, and from "
            f"seed to seed it varies by {stdev(differences):.4f}: within noise. On this small task "
            "the weights of the next layer can do what gamma and beta do. They cost little, "
            "and without them a layer could not pass on its input unchanged.",
        ),
    )
