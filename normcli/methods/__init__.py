"""The methods, by name: those of every module of this package that has METHODS."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from normcli.methods.base import Method

DEFAULT = "zscore"


@cache
def methods() -> dict[str, type[Method]]:
    """All methods by their name: the default one, then in alphabetical order."""
    modules = (
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    )
    found = [method for module in modules for method in getattr(module, "METHODS", ())]
    return {
        method.name: method for method in sorted(found, key=lambda m: (m.name != DEFAULT, m.name))
    }
