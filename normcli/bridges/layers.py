"""Numbers of columns in named arrays: layers of batch normalization, or means and the like.

A file of a network has many arrays, ``bn1.running_mean`` or ``bn1/moving_mean``: what comes before
the last point or stroke is the prefix, which all arrays of a layer have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from normcli.bridges.arrays import Arrays
from normcli.bridges.base import NUMBERS, Imported, Wanted
from normcli.errors import DataError, UsageError
from normcli.words import did_you_mean, listed, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Convention:
    """How a library calls the arrays of a layer, and what it takes for granted.

    names: its names -> ours. sign: the array that shows that it is such a layer.
    eps, momentum: usual in the library; momentum is the weight of the new batch.
    """

    library: str
    names: Mapping[str, str]
    sign: str
    eps: float = 1e-5
    momentum: float = 0.1


TORCH = Convention(
    "PyTorch",
    {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "mean",
        "running_var": "var",
        "num_batches_tracked": "batches",
    },
    "running_mean",
)
KERAS = Convention(
    "Keras",
    {"gamma": "gamma", "beta": "beta", "moving_mean": "mean", "moving_variance": "var"},
    "moving_mean",
    eps=1e-3,
    momentum=0.01,
)
LAYERS = (TORCH, KERAS)
PAIRS = (("mean", "std"), ("mean", "var"), ("min", "max"))  # that scale a column
Group = dict[str, "Callable[[], NDArray[Any]]"]  # the arrays of one prefix, without it


def imported(arrays: Arrays, wanted: Wanted) -> Imported:
    """The layer, or the numbers, with the wanted prefix, or the only ones that there are."""
    groups = _groups(arrays)
    found = {p: group for p, group in groups.items() if _convention(group) or _plain(group)}
    if wanted.prefix is not None:
        prefix = wanted.prefix.rstrip("./")
        if prefix not in found:
            near = did_you_mean(prefix, found) or _there_are(found, groups)
            raise UsageError(f"there is no layer with the prefix {printable(prefix)}.{near}")
    elif len(found) != 1:
        which = "Choose one with --prefix." if found else ""
        what = "several layers" if found else "no layer of batch normalization"
        raise UsageError(f"the file has {what}.{_there_are(found, groups)} {which}".rstrip())
    else:
        (prefix,) = found
    convention = _convention(found[prefix])
    if convention is None:
        return _numbers(found[prefix], prefix)
    return _layer(found[prefix], prefix, convention, wanted.eps)


def _there_are(found: Mapping[str, Group], groups: Mapping[str, Group]) -> str:
    if found:
        return f" There are {listed([printable(p) for p in found])}."
    names = [f"{p}.{name}" if p else name for p, group in groups.items() for name in group]
    return f" Its arrays are {listed(names)}." if names else " It has no array."


def _groups(arrays: Arrays) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for name, array in arrays.items():
        name = name.removesuffix(":0")  # as TensorFlow writes it
        cut = max(name.rfind("."), name.rfind("/"))
        groups.setdefault(name[: max(cut, 0)], {})[name[cut + 1 :]] = array
    return groups


def _convention(group: Group) -> Convention | None:
    return next((each for each in LAYERS if each.sign in group), None)


def _plain(group: Group) -> bool:
    return any(set(pair) <= group.keys() for pair in PAIRS)


def _layer(group: Group, prefix: str, convention: Convention, eps: float | None) -> Imported:
    where = f" {printable(prefix)}" if prefix else ""
    what = f"the layer{where} of {convention.library}"
    known = {ours: group[name] for name, ours in convention.names.items() if name in group}
    if "var" not in known:
        raise DataError(f"{what} has no variance beside {convention.sign}")
    batches = known.pop("batches", None)
    settings = {
        "eps": convention.eps if eps is None else eps,
        "momentum": convention.momentum,
    }
    return Imported(
        what,
        columns(known, what),
        method="batch",
        settings=settings,
        batches=None if batches is None else _count(batches()),
    )


def _numbers(group: Group, prefix: str) -> Imported:
    where = f" of {printable(prefix)}" if prefix else ""
    known = {name: array for name, array in group.items() if name in NUMBERS}
    what = f"the arrays {listed([*known])}{where}"
    scales = "batch" if {"gamma", "beta"} & known.keys() else ""
    return Imported(what, columns(known, what), method=scales)


def columns(arrays: Arrays, what: str) -> list[dict[str, float]]:
    """Numbers by name, for each column, of arrays of one length; raises DataError."""
    found = {name: _vector(array(), f"{name} of {what}") for name, array in arrays.items()}
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"the arrays of {what} have different lengths: {told}")
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _vector(values: NDArray[Any], what: str) -> list[float]:
    if values.ndim == 0 or sum(size != 1 for size in values.shape) > 1:
        raise DataError(f"{what} has shape {values.shape}, not one number for each column")
    if values.dtype.kind not in "fiu":
        raise DataError(f"{what} holds {values.dtype}, not numbers")
    found: list[float] = values.astype(np.float64).ravel().tolist()
    return found


def _count(values: NDArray[Any]) -> int:
    if values.size != 1 or values.dtype.kind not in "iu" or values.item() < 0:
        raise DataError("num_batches_tracked is not one integer that is 0 or greater")
    return int(values.item())
