"""Measure, draw and write docs/why-batch-normalization.md."""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: processes share the cores

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from textwrap import fill

from tools.batchnorm.claims import Claim, all_claims
from tools.batchnorm.network import TRAINING_ROWS, WIDTH, Plan, accuracy, digits

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "why-batch-normalization.md"
PROCESSES = 2

HEAD = """\
# Why batch normalization

What is said of batch normalization [1], and what comes out when it is measured. This page, with its
figures and pictures, is made by `python -m tools.batchnorm` in less than two minutes on two cores;
the program stops where its measurements no longer bear a verdict. On another machine the last
digits may differ.

The networks are written in NumPy, with
[`normcli.BatchNorm`](batch-normalization.md#a-layer-that-learns) before every activation or
without it. They read the handwritten digits of scikit-learn: images of 8 x 8 pixels in ten
classes, {training} for training and {test} for testing. All hidden layers have
{width} units. Training is plain stochastic gradient descent on the cross entropy, in batches of
{batch} rows for {epochs} epochs where nothing else is said. Initial weights are those of He et al.
[2] for relu, and of variance 1 / inputs for sigmoid. Prediction uses the exact statistics of the
training rows. All accuracies are of the test rows, and where the best of several learning rates is
shown, it is the best on these. The task is small: one test row is {share:.4f} of them, and
differences below 0.01 mean little."""

TAIL = """\
## Sources

1. S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing
   internal covariate shift", ICML 2015, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167).
2. K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers: surpassing human-level
   performance on ImageNet classification", ICCV 2015,
   [arXiv:1502.01852](https://arxiv.org/abs/1502.01852).
3. S. Santurkar, D. Tsipras, A. Ilyas, A. Madry, "How does batch normalization help optimization?",
   NeurIPS 2018, [arXiv:1805.11604](https://arxiv.org/abs/1805.11604).
"""


def main() -> None:
    """Write the page and its pictures."""
    start = time.perf_counter()
    x, _, test, _ = digits()  # before the processes: they share it
    with ProcessPoolExecutor(PROCESSES) as pool:

        def measure(plans: Sequence[Plan]) -> list[float]:
            return list(pool.map(accuracy, plans))

        claims = all_claims(measure)
    for claim in claims:
        if claim.chart:
            (DOCS / _picture(claim)).write_text(claim.chart.svg())
    assert len(x) == TRAINING_ROWS
    PAGE.write_text(_page(claims, len(test)))
    print(f"{PAGE.name}: {time.perf_counter() - start:.0f} s")


def _page(claims: Sequence[Claim], test: int) -> str:
    plan = Plan()
    head = HEAD.format(
        training=TRAINING_ROWS,
        test=test,
        width=WIDTH,
        batch=plan.batch,
        epochs=plan.epochs,
        share=1 / test,
    )
    rows = "\n\n| claim | verdict |\n|---|---|\n" + "".join(
        f"| [{claim.title}](#{_anchor(claim.title)}) | {claim.verdict.split('**')[1]} |\n"
        for claim in claims
    )
    return _wrapped(head) + rows + "\n" + "".join(map(_section, claims)) + TAIL


def _wrapped(text: str) -> str:
    """Paragraphs in lines of a usual length."""
    return "\n\n".join(
        fill(each, 100, break_long_words=False, break_on_hyphens=False)
        for each in text.strip().split("\n\n")
    )


def _section(claim: Claim) -> str:
    picture = f"![{claim.chart.title}]({_picture(claim)})\n\n" if claim.chart else ""
    setting, verdict = map(_wrapped, (claim.setting, claim.verdict))
    return f"## {claim.title}\n\n{setting}\n\n{picture}{claim.table}\n\n{verdict}\n\n"


def _picture(claim: Claim) -> str:
    return f"why-batch-normalization-{claim.name}.svg"


def _anchor(title: str) -> str:
    return title.lower().replace(",", "").replace(" ", "-")


if __name__ == "__main__":
    main()
