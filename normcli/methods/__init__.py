"""The methods, by name: every module of this package that has a METHOD."""

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
    found = (module.METHOD for module in modules if hasattr(module, "METHOD"))
    return {
        method.name: method for method in sorted(found, key=lambda m: (m.name != DEFAULT, m.name))
    }
