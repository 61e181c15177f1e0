"""A directory of parts, each a file of the same kind: ``part-00000.csv``, ``part-00001.csv`` ..."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from normcli.errors import UsageError
from normcli.storage import stores
from normcli.storage.faults import system_errors
from normcli.storage.leftovers import created, temporary_in
from normcli.storage.outputs import sync_directory
from normcli.words import shown

PART = re.compile(r"part-\d{5,}\.[a-z]+")


@contextmanager
def parts(directory: str, suffix: str, count: int) -> Iterator[list[str]]:
    """The files to write for `count` parts in `directory`, which is created if necessary.

    Their names sort in the order of the parts. On success the directory has these parts and
    none of an earlier run; other files in it stay. Unless it is in an object store, the parts
    are written to a hidden directory in it and moved to their places when all of them are
    complete; until then, and after a failure, the directory has its old content. In a store
    each part appears when it is written.

    Raises: NormcliError if the directory cannot be written, or a directory has the name of a
    part.
    """
    digits = max(5, len(str(count - 1)))
    names = [f"part-{i:0{digits}}{suffix}" for i in range(count)]
    directory = stores.local_path(directory)
    if stores.is_uri(directory):
        folder, mark, options = directory.partition("?")
        yield [f"{folder.rstrip('/')}/{name}{mark}{options}" for name in names]
        for found, below in stores.find(directory):
            if PART.fullmatch(below) and below not in names:
                found.delete()
    else:
        with _staged(Path(directory).absolute(), names) as targets:
            yield targets


def refuse_inputs_in(directory: str, locations: Sequence[str]) -> None:
    """Raise UsageError if an input is in the directory that will be written."""
    for location in locations:
        if _is_below(location, directory):
            raise UsageError(
                f"--output-dir {shown(directory)} contains the input {shown(location)}, "
                "which a part would replace"
            )


def refuse_names_of_parts(directory: str, files: Mapping[str, str]) -> None:
    """Raise UsageError if one of `files` (option -> name) would be taken for a part."""
    for option, name in files.items():
        if PART.fullmatch(os.path.basename(stores.local_path(name))) and _is_below(name, directory):
            raise UsageError(
                f"{option} {shown(name)} has the name of a part in --output-dir, "
                "where it would be replaced or deleted"
            )


def _is_below(location: str, directory: str) -> bool:
    location, directory = stores.local_path(location), stores.local_path(directory)
    if stores.is_uri(location) or stores.is_uri(directory):
        return stores.object_name(location).startswith(directory.rstrip("/") + "/")
    return Path(os.path.realpath(location)).is_relative_to(os.path.realpath(directory))


@contextmanager
def _staged(directory: Path, names: Sequence[str]) -> Iterator[list[str]]:
    """Files in a new directory below `directory`, which are moved up to it at the end."""
    with system_errors("write parts to", str(directory)):
        is_new = not directory.is_dir()
        if is_new:
            if os.path.lexists(directory):
                raise NotADirectoryError(errno.ENOTDIR, "it is not a directory")
            directory.mkdir()
        _refuse_directories(directory, names)
        staging = temporary_in(directory)
        lock = created(staging, partial(_new_directory, staging))
    try:
        yield [str(staging / name) for name in names]
        with system_errors("write parts to", str(directory)):
            for name in names:
                os.replace(staging / name, directory / name)
            for old in directory.iterdir():
                if PART.fullmatch(old.name) and old.name not in names and not _is_directory(old):
                    old.unlink()
            staging.rmdir()
            sync_directory(directory)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        if is_new:
            with suppress(OSError):
                directory.rmdir()
        raise
    finally:
        os.close(lock)


def _new_directory(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def _refuse_directories(directory: Path, names: Sequence[str]) -> None:
    """Raise OSError if a part could not be moved to its place at the end."""
    for name in names:
        if _is_directory(directory / name):
            raise IsADirectoryError(errno.EISDIR, f"{name} is a directory")


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
