"""What learned gamma does for the k nearest neighbours: the table in docs/batch-normalization.md.

    python -m tools.gamma

In each of five folds, the training rows are fitted, gamma is learned from them, and the test rows
are scaled by z-score, without gamma and with it. Then k-NN (k = 5) predicts the test rows. Noise is
drawn five times. It takes under a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from normcli.formats import memory
from normcli.formats.base import ReadOptions
from normcli.pipeline.learning import Lesson, learn

if TYPE_CHECKING:
    import pandas as pd

    from normcli.numerics.numbers import Floats

DATA = ("iris", "wine", "breast_cancer", "digits", "diabetes")
NOISE = (0, 10)  # columns of random numbers
DRAWS = 5  # of the noise


def main() -> None:
    """Print the table."""
    print("| data | columns | of noise | without | with gamma |\n| --- | --- | --- | --- | --- |")
    for name in DATA:
        for noise in NOISE:
            plain, learned = scores(name, noise)
            size = dataset(name)[0].shape[1]
            shown = name.replace("_", " ") + (" (R²)" if name == "diabetes" else "")
            print(f"| {shown} | {size} | {noise} | {plain:.3f} | {learned:.3f} |")


def dataset(name: str, noise: int = 0, seed: int = 0) -> tuple[pd.DataFrame, Any]:
    """The columns of a data set of scikit-learn, with some of noise, and the target."""
    import pandas as pd
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")(as_frame=True)
    more = np.random.default_rng(seed).normal(size=(len(data.target), noise))
    columns = [f"noise{i}" for i in range(noise)]
    return pd.concat([data.data, pd.DataFrame(more, columns=columns)], axis=1), data.target


def scores(name: str, noise: int) -> tuple[float, float]:
    """Mean score of k-NN over five folds: the share of right classes, or R² of numbers."""
    draws = range(DRAWS if noise else 1)
    found = np.array([fold for seed in draws for fold in _folds(name, noise, seed)])
    plain, learned = found.mean(axis=0).tolist()
    return plain, learned


def _folds(name: str, noise: int, seed: int) -> Iterator[tuple[float, float]]:
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    x, y = dataset(name, noise, seed)
    numbers = name == "diabetes"
    kind, model = (
        (KFold, KNeighborsRegressor) if numbers else (StratifiedKFold, KNeighborsClassifier)
    )
    for train, test in kind(5, shuffle=True, random_state=0).split(x, y):
        gamma, z, unseen = _scaled(x.iloc[train], y.iloc[train], x.iloc[test], classes=not numbers)
        each = (
            model(5).fit(z * scale, y.iloc[train]).score(unseen * scale, y.iloc[test])
            for scale in (1.0, gamma)
        )
        yield next(each), next(each)


def _scaled(
    train: pd.DataFrame, target: pd.Series, test: pd.DataFrame, *, classes: bool
) -> tuple[Floats, Floats, Floats]:
    """Gamma, and the z-scores of training and test rows."""
    import normcli

    statistics = normcli.fit(train)
    lesson = Lesson(statistics, "target", classes=classes)
    table = memory.table(train.assign(target=target))
    gamma = learn([table], lesson, ReadOptions()).gamma
    z, unseen = (statistics.transform(part).to_numpy(float) for part in (train, test))
    return np.array([gamma.get(name, 0.0) for name in train]), z, unseen


if __name__ == "__main__":
    main()
