"""Scale the numeric columns of tables: fit once, keep the statistics, apply them anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, LimitError, NormcliError, SidecarError, UsageError

if TYPE_CHECKING:
    from normcli.api import Statistics, fit, load
    from normcli.batchnorm import BatchNorm

__all__ = [
    "BatchNorm",
    "DataError",
    "LimitError",
    "NormcliError",
    "SidecarError",
    "Statistics",
    "UsageError",
    "fit",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in ("Statistics", "fit", "load"):  # they bring NumPy and Arrow: when asked for
        from normcli import api

        return getattr(api, name)
    if name == "BatchNorm":
        from normcli.batchnorm import BatchNorm

        return BatchNorm
    raise AttributeError(f"module 'normcli' has no attribute {name!r}")
