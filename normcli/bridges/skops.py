"""Scalers of scikit-learn in skops files, read as zip, JSON and arrays: no class is loaded.

The format: https://github.com/skops-dev/skops, skops/io. A node of its ``schema.json`` names a
class and what it is made of; the names are only compared with those of the scalers here.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from normcli.bridges import layers
from normcli.bridges.arrays import member, npy
from normcli.bridges.base import Imported
from normcli.errors import DataError
from normcli.words import listed, printable

SCHEMA = "schema.json"
Node = Mapping[str, Any]


def imported(archive: zipfile.ZipFile) -> Imported:
    """The scaler in a skops file; a pipeline of one step is that step."""
    try:
        return _scaler(archive, json.loads(member(archive, SCHEMA)))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise DataError(
            "the skops file is not complete, or of a version that is unknown"
        ) from error


def _scaler(archive: zipfile.ZipFile, node: Node) -> Imported:
    name = str(node["__class__"])
    if name == "Pipeline":
        steps = node["content"]["content"]["steps"]["content"]
        if len(steps) != 1:
            raise DataError(
                f"the skops file holds a pipeline of {len(steps)} steps. Save its scaler by "
                "itself: skops.io.dump(pipeline[0], 'scaler.skops')"
            )
        return _scaler(archive, steps[0]["content"][1])
    if name not in SCALERS or not str(node["__module__"]).startswith("sklearn.preprocessing."):
        raise DataError(
            f"the skops file holds a {printable(name)}: {listed([*SCALERS])} are read. If scalers "
            "are parts of it, save each by itself"
        )
    fitted = Fitted(archive, node["content"]["content"])
    found = SCALERS[name](fitted)
    names = fitted.get("feature_names_in_")
    return found if names is None else _named(found, list(names))


def _named(found: Imported, names: list[Any]) -> Imported:
    if not all(isinstance(name, str) for name in names) or len(names) != len(found.columns):
        raise DataError(f"{found.what} has names that are not those of its columns")
    return replace(found, names=names)


@dataclass(frozen=True)
class Fitted:
    """A fitted scaler: what it is made of, by name."""

    archive: zipfile.ZipFile
    nodes: Mapping[str, Node]

    def get(self, name: str) -> Any:
        """An attribute: JSON, a list, or an array; None where there is none."""
        return self._value(self.nodes[name]) if name in self.nodes else None

    def _value(self, node: Node) -> Any:
        loader, content = node["__loader__"], node.get("content")
        if loader == "JsonNode":
            return json.loads(node["content"])
        if loader == "NdArrayNode" and node["type"] == "numpy":
            return npy(member(self.archive, node["file"]), "an array in the skops file")
        if loader in ("NdArrayNode", "ListNode", "TupleNode") and isinstance(content, list):
            return [self._value(each) for each in content]
        raise DataError(f"the skops file has a {printable(str(loader))} where numbers should be")

    def columns(self, what: str, **attributes: str) -> list[dict[str, float]]:
        """Numbers by name, for each column, of attributes; raises DataError where not fitted."""
        arrays = {}
        for name, attribute in attributes.items():
            value = self.get(attribute)
            if not isinstance(value, np.ndarray):
                raise DataError(f"{what} has no {attribute}: was it fitted before it was saved?")
            arrays[name] = partial(np.copy, value)
        return layers.columns(arrays, what)


def _standard(fitted: Fitted) -> Imported:
    what = "the StandardScaler"
    center, scale = bool(fitted.get("with_mean")), bool(fitted.get("with_std"))
    if not center and not scale:
        raise DataError(f"{what} has neither with_mean nor with_std: it changes nothing")
    wanted = {"mean": "mean_"} if center else {}
    wanted |= {"std": "scale_"} if scale else {}
    settings = {"center": False} if not center else {} if scale else {"scale": False}
    return Imported(what, fitted.columns(what, **wanted), method="zscore", settings=settings)


def _min_max(fitted: Fitted) -> Imported:
    what = "the MinMaxScaler"
    columns = fitted.columns(what, min="data_min_", max="data_max_")
    low, high = fitted.get("feature_range")
    clips = ("it clips: add --out-of-range clip to transform",) if fitted.get("clip") else ()
    return Imported(what, columns, method="minmax", settings={"range": [low, high]}, notes=clips)


def _max_abs(fitted: Fitted) -> Imported:
    what = "the MaxAbsScaler"
    columns = [{"max": each["max"] or 1.0} for each in fitted.columns(what, max="max_abs_")]
    clips = ("it clips: add +clip:-1,1 to the method",) if fitted.get("clip") else ()
    return Imported(what, columns, method="maxabs", notes=clips)


SCALERS: Mapping[str, Callable[[Fitted], Imported]] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "MaxAbsScaler": _max_abs,
}
