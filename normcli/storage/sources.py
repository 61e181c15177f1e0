"""Reading: files, pipes, objects in stores, directories of parts.

A `Source` is one input, opened lazily and as often as needed. Every error of the operating system
is raised as a `NormcliError` that names the file as the user wrote it. URIs are found and read by
`normcli.storage.stores`.
"""

from __future__ import annotations

import errno
import glob
import io
import math
import os
import select
import shutil
import stat
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote

from normcli.errors import DataError, NormcliError, UsageError
from normcli.storage import compression as codecs
from normcli.storage import stores
from normcli.storage.compression import MAGIC_BYTES, decompressed, detect
from normcli.storage.faults import system_errors
from normcli.storage.files import File, path_of
from normcli.words import did_you_mean, shown

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from pyarrow import NativeFile

_BUFFER = 1 << 18
PATIENCE = 0.2  # seconds in which more has to come from a pipe, before what came is worked on
_STDIN, _STDOUT, _STDERR = 0, 1, 2


class Source:
    """One input. Cheap to create: nothing is opened until it is needed.

    The first bytes decide whether and how it is decompressed, whatever its name says:
    ``data.csv`` may be gzip. But if the name promises compression, the data must be compressed:
    an uncompressed ``data.csv.gz`` is an error, because it may be a damaged file.

    name: for messages: as the user wrote it, quoted if it has control characters; "stdin"
        for ``-``.
    location: the path or URI by which `source` finds it again, in any process with the same
        current directory. stdin cannot be found again.
    part: its path below the directory that was named, or below the fixed beginning of the glob.
    size: bytes in the file (before decompression), for progress and splitting; None for a pipe.
    written: when it was written, in nanoseconds, or, an object, in seconds; None if unknown.
    """

    def __init__(
        self,
        name: str,
        file: Path | stores.Object | None,
        part: str = "",
    ) -> None:
        """A source of the bytes in `file`, or of stdin if that is None."""
        self.name, self.location = shown(name), name
        # of the format, ".csv" of "a.csv.gz"; and the compression that the name promises
        self.suffix, self._promised = split_suffix(name)
        self.part = part or os.path.basename(name)
        self._file = file
        self._status: os.stat_result | None = None
        self._held: File | None = None  # the regular file, from its first opening on
        self.size: int | None = None
        self.written: int | None = None
        if isinstance(file, stores.Object):
            self.size, self.written = file.size, file.written
        else:
            with system_errors("read", name):
                status = self._status = os.fstat(_STDIN) if file is None else os.stat(file)
            if file and stat.S_ISREG(status.st_mode):
                self.size, self.written = status.st_size, status.st_mtime_ns
        # Anything but a regular file can be read only once: a pipe, a terminal, a device.
        self._once = self.size is None
        self._raw: _Reader | None = None  # the undecompressed bytes of the last opening
        self._waiting: _Reader | None = None  # an opened pipe of which only the head was read
        self._taken = False  # has `open` returned the pipe?
        self._is_spooled = False

    @property
    def partition(self) -> list[str]:
        """The columns in the directories of `part`, as in ``year=2026/month=11/a.csv``."""
        found = (folder.partition("=") for folder in self.part.split("/")[:-1])
        return [unquote(name) for name, equals, _ in found if name and equals]

    @cached_property
    def path(self) -> Path | None:
        """The file, if it is a regular, uncompressed one: any process may open it."""
        return self._file if isinstance(self._file, Path) and self._is_plain() else None

    @cached_property
    def object(self) -> stores.Object | None:
        """The object in a store, if it is uncompressed: ranges of it can be requested."""
        return self._file if isinstance(self._file, stores.Object) and self._is_plain() else None

    def _is_plain(self) -> bool:
        if self._once:
            return False
        with self._open_raw() as raw:
            return self._compression(raw) is None

    @property
    def file(self) -> File:
        """The regular file that was found, which is held open from now on."""
        if self._held is None:
            assert isinstance(self._file, Path)
            assert self._status is not None
            with system_errors("read", self.name):
                self._held = File.found(self._file, self.name, self._status).hold(self)
        return self._held

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells it from another input of its name, size and time; starts with the machine.

        An object is the same on all machines.
        """
        if isinstance(self._file, stores.Object):
            return "", self._file.version
        assert self._status is not None
        return os.uname().nodename, str(self._status.st_dev), str(self._status.st_ino)

    def open(self) -> io.BufferedReader:
        """The decompressed bytes from the first one on. A pipe can be opened only once.

        Reading raises NormcliError if the operating system fails, DataError if compressed data
        are truncated, damaged or followed by garbage.
        """
        reader = self._reader()
        self._taken = self._once
        # What a buffer holds, `ready` would not see.
        return io.BufferedReader(reader, 1 if reader.waits else _BUFFER)

    @property
    def waits(self) -> bool:
        """Is it an opened pipe, which may let us wait? That is not known of a compressed one."""
        return self._raw is not None and self._raw.waits

    def ready(self, seconds: float = 0.0) -> bool:
        """Can more be read, or its end, without waiting for longer than so many seconds?"""
        return self._raw is None or self._raw.ready(seconds)

    def fill(self, stream: io.BufferedReader | io.RawIOBase, view: memoryview) -> int:
        """Read from a stream of this source; how many bytes, 0 only at the end.

        All of `view` is filled, unless a pipe lets us wait for it.
        """
        if not self.waits:
            return stream.readinto(view) or 0
        read = getattr(stream, "readinto1", stream.readinto)
        total = count = read(view) or 0
        until = time.monotonic() + PATIENCE
        with suppress(NormcliError):  # the next reading raises it again
            while count and total < len(view) and self.ready(until - time.monotonic()):
                count = read(view[total:]) or 0
                total += count
        return total

    def head(self, n: int = 4096, *, more: bool = False) -> bytes:
        """The first `n` decompressed bytes, or fewer at the end; `open` returns them again.

        They may also be fewer if a pipe is slow, and end with a line; `paused` then says so.

        more: than were given before.
        """
        reader = self._reader()
        try:
            return reader.look_ahead(n, more=more)
        finally:
            if not self._once:
                reader.close()

    @property
    def paused(self) -> bool:
        """Did `head` give fewer bytes because a pipe is slow?"""
        return self._waiting is not None and self._waiting.paused

    def between(self, start: int, stop: int) -> io.BufferedReader:
        """The bytes from `start` up to but excluding `stop` of the `path` or `object`."""
        with system_errors("read", self.name):
            object_ = self.object
            inner = object_.open(start, stop) if object_ else _Part(self.file, start, stop)
        self._raw = _Reader(inner, self.name)
        return io.BufferedReader(self._raw, _BUFFER)

    def seekable(self) -> Path:
        """A file with the decompressed bytes: the source's own, or a temporary one.

        A pipe or compressed file is copied to a temporary file without a name, which is gone
        when this process ends, however it ends.
        """
        if self.path is None:
            self._spool_to_disk()
        assert isinstance(self._file, Path)
        return self._file

    def random_access(self) -> NativeFile:
        """The decompressed bytes, for random access: of the `object`, or of `seekable`."""
        return self.randomly().open_file()

    def randomly(self) -> File | stores.Object:
        """What any process can open for `random_access`."""
        if self.object:
            return self.object
        self.seekable()
        return self.file

    def spooled(self) -> Source:
        """Itself, which can now be opened many times: a pipe is copied to a temporary file."""
        if self._once:
            self._spool_to_disk()
        return self

    def position(self) -> int:
        """Bytes of the file (before decompression) read since it was last opened."""
        return 0 if self._raw is None else self._raw.taken

    def refuse_changed(self) -> None:
        """Raise NormcliError if this is an object that was replaced since it was found.

        An open file stays the same file, but an object is read with many requests.
        """
        if self.object:
            self.object.refuse_changed()

    def refuse_changed_file(self) -> None:
        """Raise NormcliError if this is a file that was changed or replaced since it was found.

        Reading such a file a second time would mix two tables.
        """
        if self._status is None or self._once or self._is_spooled:
            return
        assert isinstance(self._file, Path)
        with system_errors("read", self.name):
            now = os.stat(self._file)
        if _version(now) != _version(self._status):
            raise NormcliError(f"{self.name} was changed while being read; try again")

    def is_at(self, place: int | Path | str) -> bool:
        """Is this the file, or that of a descriptor, or the object of that name in a store?"""
        if isinstance(place, str):
            return place == stores.object_name(self.location)
        with suppress(OSError):
            return self.is_file(os.stat(place))
        return False

    def is_target(self, target: str) -> bool:
        """Is this the file, or the object, that an output of that name replaces?"""
        target = stores.local_path(target)
        return self.is_at(stores.object_name(target) if stores.is_uri(target) else Path(target))

    def is_file(self, status: os.stat_result) -> bool:
        """Is this the regular file of `status`, under whatever name?"""
        same = self._status is not None and os.path.samestat(self._status, status)
        return same and stat.S_ISREG(status.st_mode)

    def _reader(self) -> _Reader:
        if not self._once:
            return self._decompressed()
        if self._taken:
            raise NormcliError(f"{self.name} is a pipe, which can be read only once")
        if self._waiting is None:
            self._waiting = self._decompressed()
        return self._waiting

    def _decompressed(self) -> _Reader:
        raw = self._raw = self._open_raw()
        try:
            compression = self._compression(raw)
        except BaseException:
            raw.close()
            raise
        if compression is None:
            return raw
        raw.waits = False  # it is not known what the decompressor holds
        return _Reader(decompressed(raw, compression, self.name), self.name)

    def _open_raw(self) -> _Reader:
        with system_errors("read", self.name):
            if isinstance(self._file, stores.Object):
                return _Reader(self._file.open(), self.name)
            if self._file is None:
                return _Reader(io.FileIO(_STDIN, closefd=False), self.name, waits=True)
            if self._once:
                return _Reader(io.FileIO(self._file), self.name, waits=True)
            return _Reader(self.file.open(), self.name)

    def _compression(self, raw: _Reader) -> str | None:
        if self._is_spooled:
            return None
        head = raw.look_ahead(MAGIC_BYTES, more=False)
        found = detect(head)
        if found is None and self._promised is not None:
            begins = f"it begins with {head[:4]!r}" if head else "it is empty"
            raise DataError(
                f"{self.name}: this is not {self._promised} data ({begins})\n"
                "If it is not compressed, rename it or pipe it in."
            )
        return found

    def _spool_to_disk(self) -> None:
        """Make this a source of an uncompressed temporary file."""
        import tempfile

        with (
            self.open() as stream,
            system_errors("spool", self.name, f" to {tempfile.gettempdir()} (TMPDIR)"),
        ):
            spool, path = _temporary_file()
            weakref.finalize(self, _drop, spool)  # at the end of the process at the latest
            self._held = File.found(path, self.name, os.fstat(spool.fileno()))
            shutil.copyfileobj(stream, spool, _BUFFER)
            spool.flush()
        self.path = self._file = path
        self.size = os.stat(path).st_size
        self._is_spooled, self._once = True, False


def sources(inputs: Sequence[str]) -> list[Source]:
    """The sources that `inputs` name, in order.

    An input is ``-`` (stdin), a file, a directory of parts, or a glob if no file of that name
    exists. A directory means all files in it and below, in the order of their paths, a glob
    everything that it matches, in order; both without saved statistics, a directory also
    without names that begin with ``.`` or ``_``. Each may be a URI.

    Raises:
        NormcliError: an input does not exist, or is a directory without files.
        UsageError: stdin is named twice, or is a terminal.
    """
    if inputs.count("-") > 1:
        raise UsageError("stdin (-) can be read only once")
    return [source for name in inputs for source in _sources(name)]


def source(name: str) -> Source:
    """The one input of that name: ``-``, a file, or a URI; wildcards have no meaning.

    Raises: NormcliError if it does not exist.
    """
    name = stores.local_path(name)
    if name == "-":
        return _stdin()
    file = stores.one(name) if stores.is_uri(name) else Path(name)
    if isinstance(file, Path) and not os.path.lexists(file):
        raise _no_such_file(name)
    return Source(name, file)


def _sources(name: str) -> Iterator[Source]:
    name = stores.local_path(name)
    if name == "-":
        yield _stdin()
    elif stores.is_uri(name):
        for found, part in stores.find(name):
            yield Source(found.uri, found, part)
    else:
        root = _root(name)
        for path in _files(name):
            yield Source(path, Path(path), os.path.relpath(path, root))


def _version(status: os.stat_result) -> tuple[int, ...]:
    """Numbers that differ after a file was written to, or replaced."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def split_suffix(name: str) -> tuple[str, str | None]:
    """`compression.split_suffix` of a file or URI."""
    return codecs.split_suffix(stores.object_name(name) if stores.is_uri(name) else name)


def _root(name: str) -> str:
    """The directory `name`, or the directories of a glob before its first wildcard."""
    if os.path.lexists(name):
        return name if os.path.isdir(name) else os.path.dirname(name) or "."
    fixed = takewhile(lambda each: not glob.has_magic(each), _components(name))
    return os.sep.join(fixed) or (os.sep if name.startswith(os.sep) else ".")


def _stdin() -> Source:
    if sys.__stdin__ is None:  # it was closed when Python started
        raise NormcliError("stdin is closed: name an INPUT file, or pipe the data in")
    with system_errors("read", "stdin"):
        status = os.fstat(_STDIN)
    if os.isatty(_STDIN):
        raise UsageError("stdin is a terminal: name an INPUT file, or pipe the data in")
    redirected = stat.S_ISREG(status.st_mode) and os.lseek(_STDIN, 0, os.SEEK_CUR) == 0
    path = path_of(_STDIN) if redirected else None
    return Source("stdin", Path(path) if path else None)


def _temporary_file() -> tuple[BinaryIO, Path]:
    """A temporary file and its path; it is deleted when it is closed."""
    import tempfile

    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with its Source
    path = path_of(file.fileno())
    if path is not None:
        return file, Path(path)
    file.close()
    named = tempfile.NamedTemporaryFile(prefix="normcli-")  # noqa: SIM115  # as above
    return cast(BinaryIO, named), Path(named.name)


def _drop(file: BinaryIO) -> None:
    with suppress(OSError):  # it could not be written, which was reported already
        file.close()


def _files(name: str) -> list[str]:
    """The files that `name` means, sorted."""
    with system_errors("read", name):
        try:
            mode = os.stat(name).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return _matches(name)
        return _parts(name) if stat.S_ISDIR(mode) else [name]


def _matches(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        raise _no_such_file(pattern)
    found = [path for path in glob.glob(pattern, recursive=True) if not stores.is_sidecar(path)]
    if not found:
        raise NormcliError(f"no file matches {shown(pattern)}")
    nested = (_parts(path) if os.path.isdir(path) else [path] for path in found)
    # "**" matches a directory and what is in it: no file may be read twice.
    return sorted({file for files in nested for file in files}, key=_components)


def _parts(directory: str) -> list[str]:
    def fail(error: OSError) -> None:
        raise error

    parts = []
    for folder, folders, files in os.walk(directory, onerror=fail):
        folders[:] = [f for f in folders if not f.startswith((".", "_"))]
        wanted = (f for f in files if not f.startswith((".", "_")) and not stores.is_sidecar(f))
        parts += [path for f in wanted if os.path.isfile(path := os.path.join(folder, f))]
    if not parts:
        raise NormcliError(f"there is no file to read in the directory {shown(directory)}")
    return sorted(parts, key=_components)


def _components(path: str) -> list[str]:
    return path.split(os.sep)


def _no_such_file(path: str) -> NormcliError:
    """The error, which suggests a similar name in the same directory if there is one."""
    (folder, name), near = os.path.split(path), ""
    with suppress(OSError), os.scandir(folder or ".") as entries:
        near = did_you_mean(name, [entry.name for entry in islice(entries, 1000)])
    return NormcliError(f"no such file: {shown(path)}.{near}")


class _Reader(io.RawIOBase):
    """A raw stream that counts bytes and can look ahead; its errors are NormcliErrors.

    waits: may it let its reader wait for what somebody else has to send?
    """

    def __init__(self, inner: io.RawIOBase, name: str, *, waits: bool = False) -> None:
        self._inner, self._name, self.waits = inner, name, waits
        self._ahead = b""
        self._started = math.inf  # when the first bytes came
        self.paused = False  # did looking ahead end because they came slowly?
        self.taken = 0  # bytes read from `inner`

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._ahead:
            return self._pull(buffer)
        view = memoryview(buffer)
        count = min(len(view), len(self._ahead))
        view[:count], self._ahead = self._ahead[:count], self._ahead[count:]
        return count

    def ready(self, seconds: float) -> bool:
        return not self.waits or bool(self._ahead) or self.closed or self._comes(seconds)

    def _comes(self, seconds: float) -> bool:
        """Does something come, or the end, within so many seconds?"""
        poll = select.poll()
        poll.register(self._inner.fileno(), select.POLLIN)
        return seconds >= 0 and bool(poll.poll(seconds * 1000))

    def look_ahead(self, n: int, *, more: bool) -> bytes:
        """The next `n` bytes, or fewer as `Source.head` says; reading returns them again."""
        least, self.paused = len(self._ahead) if more else 0, False
        while len(self._ahead) < n and not (len(self._ahead) > least and self._pauses()):
            found = bytearray(n - len(self._ahead))
            count = self._pull(found)
            if count == 0:
                break
            self._ahead += found[:count]
        return self._ahead[:n]

    def _pauses(self) -> bool:
        """Has the sender written whole lines, and is it slow with the next?"""
        if not self.waits or not self._ahead.endswith(b"\n"):
            return False
        left = self._started + PATIENCE - time.monotonic()
        self.paused = left < 0 or not self._comes(left)
        return self.paused

    def _pull(self, buffer: WriteableBuffer) -> int:
        with system_errors("read", self._name):
            count = self._inner.readinto(buffer)
            if count is None:  # a descriptor in non-blocking mode: not the end of the data
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.taken += count
        self._started = min(self._started, time.monotonic())
        return count

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Part(io.RawIOBase):
    """The bytes from `start` up to but excluding `stop` of a file; all of them must exist."""

    def __init__(self, file: File, start: int, stop: int) -> None:
        self._name, self._file, self._left = file.name, file.open(), stop - start
        self._file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)[: self._left]
        count = self._file.readinto(view) or 0
        if view and not count:
            raise DataError(f"{self._name} has become shorter while being read; try again")
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
