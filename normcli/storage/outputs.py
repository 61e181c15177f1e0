"""Writing: files that are replaced as a whole, pipes, objects in stores.

`output` returns a stream to write to, and moves a file to its place only when all of it is on the
disk. URIs are written by `normcli.storage.stores`.
"""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from normcli.errors import NormcliError, UsageError
from normcli.storage import stores
from normcli.storage.compression import compressed
from normcli.storage.faults import system_errors
from normcli.storage.leftovers import created, temporary_in
from normcli.storage.sources import _BUFFER, _STDERR, _STDOUT, Source, split_suffix
from normcli.storage.stores import Writer
from normcli.words import shown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_SENT = 4 << 20  # bytes of a new file that are sent to the disk at a time


@contextmanager
def output(
    target: str, *, inputs: Sequence[Source] = (), compression: str | None = None
) -> Iterator[BinaryIO]:
    """A stream that writes `target`: on success it has all of the output, else its old content.

    The new file is written beside the old one under an unpredictable name, with the mode (and,
    if permitted, owner and group) of the file that it will replace or those of a new file. It
    is then fsynced and renamed; a link stays a link, and the file it leads to is replaced. So a
    target may also be an input. Pipes, devices, and descriptors (``-`` is stdout) are written
    directly. A URI is an object in a store, see `stores.uploading`.

    compression: "gzip", "zstd", "bzip2", "xz" or "lz4"; None: according to the target's suffix.
    inputs: a descriptor that leads to one of them is refused.

    Raises NormcliError, on entry for everything that can be known by then; BrokenPipeError if
    the reader of a pipe has gone, in which case the command should end quietly.
    """
    target = stores.local_path(target)
    with _opened(target, inputs) as writer:
        buffer = io.BufferedWriter(writer, _BUFFER)
        stream = compressed(buffer, compression or split_suffix(target)[1])
        try:
            yield stream
            stream.close()
            buffer.close()
        except BaseException:
            writer.abandoned = True
            stream.close()
            buffer.close()
            raise


def _opened(target: str, inputs: Sequence[Source]) -> AbstractContextManager[Writer]:
    if stores.is_uri(target):
        return stores.uploading(target)
    descriptor = _descriptor(target)
    if descriptor is not None:
        return _open_descriptor(descriptor, inputs)
    real, old = _destination(target)
    special = old is not None and not stat.S_ISREG(old.st_mode)
    return _open_special(target) if special else _replacing(target, real, old)


def is_seen_at_once(target: str) -> bool:
    """Are bytes that `output` writes there seen at once, as in a pipe or on a terminal?"""
    target = stores.local_path(target)
    if stores.is_uri(target) or split_suffix(target)[1]:
        return False
    return _descriptor(target) is not None or (
        os.path.exists(target) and not os.path.isfile(target)
    )


def refuse_targets(targets: Mapping[str, str]) -> None:
    """Raise the errors that can be known before writing to `targets` (option -> target).

    Raises: UsageError if two of them are the same file, NormcliError if one cannot be written.
    """
    places: dict[int | Path | str, str] = {}
    for option, target in targets.items():
        place = _place(target)
        first = option if place is None else places.setdefault(place, option)
        if first != option:
            raise UsageError(f"{first} and {option} both write to {shown(target)}")


def refuse_replacing(
    targets: Mapping[str, str], inputs: Sequence[Source], what: str = "input"
) -> None:
    """Raise UsageError if one of `targets` (option -> target) is one of `inputs`; `what` they are.

    Under whatever name: a path, a link, a hard link, or a descriptor that is open for writing.
    """
    for option, target in targets.items():
        place = _place(target)
        if place is not None and any(source.is_at(place) for source in inputs):
            raise UsageError(f"{option} would replace the {what} {shown(target)}")


def _place(target: str) -> int | Path | str | None:
    """The descriptor, file or object name that `target` stands for.

    None for a device, to which anything may be written.
    """
    target = stores.local_path(target)
    if stores.is_uri(target):
        stores.refuse_target(target)
        return stores.object_name(target)
    descriptor = _descriptor(target)
    if descriptor is not None:
        _refuse_closed_stdout(descriptor)
        return descriptor
    real, old = _destination(target)
    return real if old is None or stat.S_ISREG(old.st_mode) else None


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to the file `path`, as `output` does."""
    with output(os.fspath(path)) as stream:
        stream.write(data)


def _writer(descriptor: int, name: str) -> Writer:
    """A raw stream to a descriptor; its errors are NormcliErrors."""
    return Writer(system_errors("write", name)(partial(os.write, descriptor)))


class _FileWriter(Writer):
    """A writer of a new file that sends bytes to the disk while more are being written."""

    def __init__(self, descriptor: int, name: str) -> None:
        super().__init__(system_errors("write", name)(partial(os.write, descriptor)))
        self._descriptor = descriptor
        self._written = self._sent = 0

    def write(self, data: ReadableBuffer) -> int:
        count = super().write(data)
        self._written += count
        if self._written - self._sent >= _SENT and not self.abandoned:
            self._flush()
        return count

    def _flush(self) -> None:
        """Let Linux write its part of the file, so that fsync need not wait for all of it.

        The advice says that the bytes are not needed in memory. As a result, Linux writes those
        that are not on the disk yet, without making us wait.
        """
        if sys.platform == "linux":
            with suppress(OSError):
                length = self._written - self._sent
                os.posix_fadvise(self._descriptor, self._sent, length, os.POSIX_FADV_DONTNEED)
        self._sent = self._written


def _descriptor(target: str) -> int | None:
    """The number of the open descriptor that `target` names, or None."""
    names = {"-": _STDOUT, "/dev/stdout": _STDOUT, "/dev/stderr": _STDERR}
    numbered = re.fullmatch(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)", target)
    return int(numbered[1] or numbered[2]) if numbered else names.get(target)


@contextmanager
def _open_descriptor(descriptor: int, inputs: Sequence[Source]) -> Iterator[Writer]:
    name = {_STDOUT: "stdout", _STDERR: "stderr"}.get(descriptor, f"/dev/fd/{descriptor}")
    _refuse_closed_stdout(descriptor)
    with system_errors("write", name):
        _refuse_input(os.fstat(descriptor), name, inputs)
        copy = os.dup(descriptor)
    try:
        with _closing(copy, name) as writer:
            yield writer
    except BrokenPipeError:
        if descriptor == _STDOUT:  # else Python complains when it flushes stdout at exit
            _point_at_null(descriptor)
        raise


def _refuse_closed_stdout(descriptor: int) -> None:
    if descriptor == _STDOUT and sys.__stdout__ is None:  # it was closed when Python started
        raise NormcliError("stdout is closed: give a file with -o, or redirect stdout")


def _refuse_input(status: os.stat_result, name: str, inputs: Sequence[Source]) -> None:
    for source in inputs if stat.S_ISREG(status.st_mode) else ():
        if source.is_file(status):
            raise NormcliError(
                f"{name} is redirected to the input {source.name}, which would be overwritten "
                "before it is read\nName the file with -o, which replaces it only at the end"
            )


def _point_at_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


@contextmanager
def _open_special(target: str) -> Iterator[Writer]:
    """A writer to a fifo, a terminal or a device: nothing is replaced."""
    with system_errors("write", target):
        descriptor = os.open(target, os.O_WRONLY)
    with _closing(descriptor, target) as writer:
        yield writer


@contextmanager
def _closing(
    descriptor: int, name: str, kind: Callable[[int, str], Writer] = _writer
) -> Iterator[Writer]:
    """A writer on `descriptor`, which is closed at the end; some errors occur only then."""
    try:
        yield kind(descriptor, name)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    with system_errors("write", name):
        os.close(descriptor)


def _destination(target: str) -> tuple[Path, os.stat_result | None]:
    """The file that `target` leads to through all links, and its status if it exists."""
    real = Path(os.path.realpath(target))
    with system_errors("write", target):
        try:
            old = os.stat(real)
        except FileNotFoundError:
            old = None
    if target.endswith(os.sep) or target == "" or (old and stat.S_ISDIR(old.st_mode)):
        raise NormcliError(f"cannot write {shown(target)}: it is a directory; name a file in it")
    if old is None and not real.parent.is_dir():
        folder = shown(os.path.dirname(target) or str(real.parent))
        raise NormcliError(f"cannot write {shown(target)}: there is no directory {folder}")
    if old is not None and not os.access(real, os.W_OK):
        raise NormcliError(f"cannot write {shown(target)}: it is write-protected")
    replaced = old is None or stat.S_ISREG(old.st_mode)
    if replaced and not os.access(real.parent, os.W_OK | os.X_OK):
        raise NormcliError(
            f"cannot write {shown(target)}: a new file is written beside it first, "
            "and its directory is write-protected"
        )
    return real, old


@contextmanager
def _replacing(target: str, real: Path, old: os.stat_result | None) -> Iterator[Writer]:
    """A writer on a new file that replaces `real` if there is no error."""
    temporary = temporary_in(real.parent)
    try:
        descriptor = _create(temporary, target, old)
        with _locked(descriptor, target):
            with _closing(descriptor, target, _FileWriter) as writer:
                yield writer
                with system_errors("write", target):
                    os.fsync(descriptor)
            with system_errors("write", target):
                os.replace(temporary, real)
                sync_directory(real.parent)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


@contextmanager
def _locked(descriptor: int, target: str) -> Iterator[None]:
    """A context at whose end the lock of a new file is given up: it has its final name by then."""
    copy = os.dup(descriptor)
    try:
        yield
    finally:
        with system_errors("write", target):
            os.close(copy)


def _create(temporary: Path, target: str, old: os.stat_result | None) -> int:
    """A descriptor of the new file `temporary`, which has the owner and mode of `old`."""
    # The umask (and the directory's default ACL) determine the mode of a really new file. One
    # that replaces another cannot be opened by others until it has the owner and mode of that.
    mode, flags = 0o666 if old is None else 0o600, os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with system_errors("write", target, " (a new file is written beside it first)"):
        descriptor = created(temporary, partial(os.open, temporary, flags, mode))
    try:
        with system_errors("write", target):
            if old is not None:
                _inherit(descriptor, old)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _inherit(descriptor: int, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def sync_directory(directory: Path) -> None:
    """Flush the entries of `directory` (which files it has, by which names) to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
