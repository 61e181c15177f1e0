"""Errors of the operating system as NormcliErrors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from normcli.errors import NormcliError
from normcli.words import shown


@contextmanager
def system_errors(verb: str, name: str, where: str = "") -> Iterator[None]:
    """Turn an error of the operating system into a NormcliError: what failed, and why."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise NormcliError(f"cannot {verb} {shown(name)}{where}: {reason}") from error
