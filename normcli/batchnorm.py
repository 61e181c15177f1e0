"""Batch normalization as a layer that learns: forward, backward and running statistics.

>>> import numpy as np
>>> layer = BatchNorm(2)
>>> x = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0], [4.0, 10.0]])
>>> layer.forward(x, training=True).round(8)
array([[-1.34163542,  0.        ],
       [-0.44721181,  0.        ],
       [ 0.44721181,  0.        ],
       [ 1.34163542,  0.        ]])
>>> layer.running_mean
array([0.25, 1.  ])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from normcli import sidecar
from normcli.bridges.arrays import to_safetensors
from normcli.bridges.base import Wanted
from normcli.bridges.files import imported, naming
from normcli.errors import DataError, UsageError
from normcli.methods.base import finite_number, momentum_weight, whole_number
from normcli.methods.spelling import method_with
from normcli.numerics.numbers import Numbers
from normcli.statistics.base import Rows
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.moments import Moments, MomentsState
from normcli.statistics.running import Running
from normcli.storage.outputs import write_atomic
from normcli.storage.sources import source
from normcli.words import did_you_mean, listed, printable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from normcli.methods.base import Method
    from normcli.numerics.numbers import Floats

    Array = NDArray[np.floating[Any]]  # float64 or float32

ONES = (1.0, 0.0, 0.0, 1.0)  # what a new layer has of each of these
STATE = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class _Forward(NamedTuple):
    """What `backward` needs of the forward pass."""

    centered: Floats
    inverse_std: Floats
    scale: Floats
    training: bool


class BatchNorm:
    """y = gamma * (x - mean) / sqrt(var + eps) + beta, for each of m features.

    In training, mean and biased variance are those of the batch, and the running ones follow
    as in PyTorch's BatchNorm1d: running = (1 - momentum) * running + momentum * batch, from
    mean 0 and variance 1, with the unbiased variance of the batch. In prediction the running
    ones take the place of the batch's; `calibrate` sets them to the exact ones of a data set.
    See Ioffe and Szegedy, Batch normalization (2015).

    The arithmetic is float64. An array of float32 is computed in float64 and the result is
    rounded once to float32, which is at least as accurate as PyTorch's float32.

    features: m, or the names of the m features, under which `save` writes them; without names
        these are x0, x1 and so on.
    eps: added to the variance, greater than 0.
    momentum: the weight of a new batch, or "cumulative" for the plain average of all batches.

    gamma, beta, dgamma, dbeta, running_mean, running_var: float64, shape (m,). An optimizer
        changes gamma and beta in place, by the gradients that `backward` leaves.
    columns: the names of the features.
    batches: how many training batches the layer has seen.
    """

    def __init__(
        self, features: int | Iterable[str], *, eps: float = 1e-5, momentum: float | str = 0.1
    ) -> None:
        self.columns = _names(features)
        self.eps = finite_number(eps, "eps")
        if self.eps <= 0:
            raise UsageError(f"eps must be greater than 0, not {eps}.")
        self.momentum = momentum_weight(momentum, "momentum")
        m = len(self.columns)
        self.gamma, self.beta = np.ones(m), np.zeros(m)
        self.dgamma, self.dbeta = np.zeros(m), np.zeros(m)
        self.running_mean, self.running_var = np.zeros(m), np.ones(m)
        self.batches = 0
        self._forward: _Forward | None = None

    def __repr__(self) -> str:
        return f"BatchNorm({len(self.gamma)}, eps={self.eps!r}, momentum={self.momentum!r})"

    def forward(self, x: Array, training: bool) -> Array:
        """`x` normalized: by its own statistics in training, else by the running ones.

        x: float64 or float32, shape (n, m), n >= 2 in training. The result has its type. In
            prediction NaN stays NaN.

        Raises: UsageError for another shape or type, and for a training batch of one row.
            DataError where a training batch holds NaN, infinities, or numbers whose variance
            is beyond float64.
        """
        wide = self._checked(x, "x")
        if training:
            self._refuse_one_row(len(x))
            centered, mean, var = _moments(wide)
            self._track(mean, var, len(x))
        else:
            centered, var = wide - self.running_mean, self.running_var
        inverse_std = 1 / np.sqrt(var + self.eps)
        scale = self.gamma * inverse_std
        self._forward = _Forward(centered, inverse_std, scale, training)
        y = centered * scale
        y += self.beta
        result: Array = y.astype(x.dtype, copy=False)
        return result

    def backward(self, dy: Array) -> Array:
        """The gradient of x, from that of the last result; leaves `dgamma` and `dbeta`.

        After a forward pass in training the batch's mean and variance are functions of x:

            dx = gamma / sqrt(var + eps) * (dy - mean(dy) - z * mean(dy * z))

        with z = (x - mean) / sqrt(var + eps). In prediction they are constants.

        Raises: UsageError where there was no forward pass, or its result has another shape.
        """
        if self._forward is None:
            raise UsageError("backward needs a forward pass before it.")
        centered, inverse_std, scale, training = self._forward
        wide = self._checked(dy, "dy")
        if dy.shape != centered.shape:
            raise UsageError(
                f"dy must have the shape of the last result, {centered.shape}, not {dy.shape}."
            )
        self.dbeta = np.add.reduce(wide, 0)
        self.dgamma = np.einsum("ij,ij->j", wide, centered) * inverse_std
        if training:
            dx = centered * (inverse_std * self.dgamma / -len(dy))
            dx += wide
            dx -= self.dbeta / len(dy)
            dx *= scale
        else:
            dx = wide * scale
        result: Array = dx.astype(dy.dtype, copy=False)
        return result

    def calibrate(self, x: Array) -> None:
        """Set the running mean and variance to the exact ones of a data set.

        They are the correctly rounded mean and biased variance of the columns of `x`, so the
        order of its rows makes no difference. For a layer inside a network, x is what comes
        to the layer when the whole data set goes through those before it.

        Raises: UsageError for another shape or type or no row, DataError for NaN and
            infinities, and for a variance beyond float64.
        """
        columns = np.ascontiguousarray(self._checked(x, "x").T)
        if not len(x):
            raise UsageError("x has no rows, so it has no mean and no variance.")
        rows = Rows({i: Numbers(column[None]) for i, column in enumerate(columns)})
        found = MomentsState.of(rows).moments()
        mean, var = zip(*(_exact(m, len(x), i) for i, m in enumerate(found)), strict=True)
        self.running_mean, self.running_var = np.array(mean), np.array(var)

    def state_dict(self) -> dict[str, Any]:
        """The state of the layer as NumPy arrays with the names of PyTorch's BatchNorm1d.

        ``bn.load_state_dict({k: torch.tensor(v) for k, v in layer.state_dict().items()})``
        brings it to PyTorch.
        """
        arrays = (self.gamma, self.beta, self.running_mean, self.running_var)
        count = np.array(self.batches, np.int64)
        return dict(zip(STATE, [*(a.copy() for a in arrays), count], strict=True))

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Take gamma, beta and running statistics from arrays with PyTorch's names.

        ``layer.load_state_dict(bn.state_dict())`` brings them from PyTorch: NumPy reads its
        tensors. Nothing changes where an error is raised.

        Raises: UsageError where a name is absent or unknown, a length is not that of the
            layer, or a number is not finite, or a variance or the count is negative.
        """
        for name in state:
            if name not in STATE:
                raise UsageError(
                    f"{printable(str(name))} is not part of the state: it has {listed(STATE)}."
                    + did_you_mean(str(name), STATE)
                )
        absent = [name for name in STATE if name not in state]
        if absent:
            raise UsageError(f"the state has no {listed(absent)}.")
        *arrays, var = (self._loaded(name, state[name]) for name in STATE[:-1])
        count = np.asarray(state[STATE[-1]])
        if count.size != 1 or count.dtype.kind not in "iu" or count.item() < 0:
            raise UsageError("num_batches_tracked must be one integer that is not negative.")
        if (var < 0).any():
            raise UsageError("running_var must not be negative.")
        self.gamma, self.beta, self.running_mean = arrays
        self.running_var, self.batches = var, count.item()

    def save(self, path: str | PathLike[str]) -> None:
        """Write the layer to a sidecar: `normcli transform --stats` predicts with it.

        Raises: UsageError where a number of the layer is not finite, or a variance is negative.
        """
        type(self)(self.columns).load_state_dict(self.state_dict())  # refuses such numbers
        arrays = (self.gamma, self.beta, self.running_mean, self.running_var)
        gamma, beta, means, variances = (
            dict(zip(self.columns, array.tolist(), strict=True)) for array in arrays
        )
        columns = {
            name: ColumnStatistics(
                {"running": Running(means[name], variances[name], self.batches)},
                {"mean": means[name], "var": variances[name]},
            )
            for name in self.columns
        }
        settings = {"gamma": gamma, "beta": beta, "eps": self.eps, "momentum": self.momentum}
        method = method_with("batch", settings)
        write_atomic(path, sidecar.dumps(sidecar.Statistics(columns=columns, method=method)))

    @classmethod
    def load(cls, path: str | PathLike[str], *, running: bool = False) -> Self:
        """The layer in a sidecar, which `save` wrote or `normcli` made for the method batch.

        running: take the running mean and variance of training on the command line, and not
            those of the whole data set; like the option ``--running``.

        Raises: SidecarError where the file is not a sidecar, DataError where it is not one of
            batch normalization with the same eps and momentum for all columns, or where a
            column has no mean and variance.
        """
        statistics = sidecar.load(path)
        found = [_parameters(statistics.method_for(name), name) for name in statistics.columns]
        settings = {(each["eps"], each["momentum"]) for each in found}
        if len(settings) != 1:
            raise DataError("the columns of a layer must have the same eps and momentum.")
        eps, momentum = settings.pop()
        layer = cls(statistics.columns, eps=eps, momentum=momentum)
        known = [_known(column, name, running) for name, column in statistics.columns.items()]
        layer.gamma, layer.beta = np.array([[f["gamma"], f["beta"]] for f in found]).T.copy()
        layer.running_mean, layer.running_var = np.array([[k.mean, k.var] for k in known]).T.copy()
        layer.batches = max(k.batches for k in known)
        return layer

    def to_safetensors(self, path: str | PathLike[str], prefix: str = "") -> None:
        """Write the state for PyTorch: ``bn.load_state_dict(safetensors.torch.load_file(path))``.

        prefix: of the layer in a network, such as "bn1", to be loaded with ``strict=False``.
        """
        dot = "." if prefix else ""
        state = {f"{prefix}{dot}{name}": array for name, array in self.state_dict().items()}
        write_atomic(path, to_safetensors(state))

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        features: Iterable[str] | None = None,
        *,
        prefix: str | None = None,
        eps: float | None = None,
    ) -> Self:
        """The layer in a file of PyTorch or Keras: safetensors, .npz, .npy or JSON.

        features: their names. prefix: of the layer, where the file has several: "bn1" for
            ``bn1.running_mean``. eps, which such files do not have: 1e-5 for PyTorch and 1e-3 for
            Keras by default.

        Raises: DataError and UsageError like ``normcli import``.
        """
        opened = source(fspath(path))
        with naming(opened):
            found = imported(opened, Wanted(prefix=prefix, eps=eps))
            if found.method != "batch":
                raise DataError("this is not a layer of batch normalization")
        columns = found.columns
        layer = cls(len(columns) if features is None else features, **found.settings)
        state = {
            name: [each.get(ours, default) for each in columns]
            for name, ours, default in zip(
                STATE, ("gamma", "beta", "mean", "var"), ONES, strict=False
            )
        }
        layer.load_state_dict({**state, STATE[-1]: found.batches or 0})
        return layer

    def _loaded(self, name: str, values: ArrayLike) -> Floats:
        array = np.array(values, np.float64)
        if array.shape != self.gamma.shape:
            raise UsageError(
                f"{name} must have shape {self.gamma.shape}, as the layer has "
                f"{len(self.gamma)} features, not {array.shape}."
            )
        if not np.isfinite(array).all():
            raise UsageError(f"{name} holds NaN or an infinity.")
        return array

    def _checked(self, x: Array, name: str) -> Floats:
        """`x` as float64, if its type and shape are right."""
        if not isinstance(x, np.ndarray) or x.dtype not in (np.float64, np.float32):
            kind = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
            raise UsageError(
                f"{name} must be a NumPy array of float64 or float32, not {kind}. "
                f"Try np.asarray({name}, float)."
            )
        if x.ndim != 2 or x.shape[1] != len(self.gamma):
            raise UsageError(
                f"{name} must have shape (n, {len(self.gamma)}), a row for each example and a "
                f"column for each feature, not {x.shape}."
            )
        return x.astype(np.float64, copy=False)

    def _refuse_one_row(self, rows: int) -> None:
        if rows < 2:
            raise UsageError(
                f"a training batch needs at least two rows, not {rows}: one row is its own mean "
                "and has no variance, so every result would be beta and every gradient of x 0. "
                "Use training=False to predict."
            )

    def _track(self, mean: Floats, var: Floats, rows: int) -> None:
        """Let the running statistics follow a batch."""
        self.batches += 1
        m = 1 / self.batches if isinstance(self.momentum, str) else self.momentum
        self.running_mean = (1 - m) * self.running_mean + m * mean
        self.running_var = (1 - m) * self.running_var + m * (rows / (rows - 1)) * var


def _moments(x: Floats) -> tuple[Floats, Floats, Floats]:
    """``x - mean``, the mean and the biased variance of the columns.

    Everything is taken of the differences from the first row. They are 0 in a constant
    column, and small where the numbers are large against their spread.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        centered = x - x[0]
        shift = np.add.reduce(centered, 0) / len(x)
        centered -= shift
        var = np.einsum("ij,ij->j", centered, centered) / len(x)
    if not np.isfinite(var).all():
        raise _not_finite(int(np.isfinite(var).argmin()), bool(np.isfinite(x).all()))
    return centered, x[0] + shift, var


def _exact(moments: Moments, rows: int, feature: int) -> tuple[float, float]:
    """Mean and biased variance, correctly rounded."""
    if moments.count < rows:
        raise _not_finite(feature, False)
    try:
        mean, var = moments.mean, moments.variance()
    except OverflowError as error:
        raise _not_finite(feature, True) from error
    assert mean is not None
    assert var is not None
    return mean, var


def _not_finite(feature: int, numbers: bool) -> DataError:
    if numbers:
        return _too_large(f"feature {feature}")
    return DataError(
        f"feature {feature}: the batch holds NaN or an infinity, so it has no mean and no variance."
    )


def _too_large(where: str) -> DataError:
    return DataError(
        f"{where}: the variance is larger than the largest float64 (1.8e308). "
        "Scale the numbers down."
    )


def _names(features: int | Iterable[str]) -> tuple[str, ...]:
    """The names of features; raises UsageError where there is none, or two are the same."""
    if isinstance(features, Iterable) and not isinstance(features, str):
        names = tuple(features)
    else:
        names = tuple(f"x{i}" for i in range(whole_number(features, "features")))
    if not names:
        raise UsageError(f"features must be at least 1, not {features}.")
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise UsageError("the names of features must be texts, each different from the others.")
    return names


def _parameters(method: Method, column: str) -> dict[str, Any]:
    """Those of the method of a column; raises DataError where that is not batch."""
    if method.spelling != "batch":
        raise DataError(
            f"column {printable(column)} was fitted for the method {method.spelling}, not batch."
        )
    return method.parameters()


def _known(column: ColumnStatistics, name: str, running: bool) -> Running:
    """Mean and variance of a column of a sidecar, and how many training batches it had."""
    found = column.values.get("running")
    if running and not found:
        raise DataError(f"column {printable(name)} has no running mean and variance.")
    trained = found if isinstance(found, Running) else Running()
    if running:
        return trained
    try:
        mean, var = column.mean, column.variance()
    except OverflowError as error:
        raise _too_large(f"column {printable(name)}") from error
    if mean is None or var is None:
        raise DataError(f"column {printable(name)} has no numbers, so it has no mean.")
    return Running(mean, var, trained.batches)
