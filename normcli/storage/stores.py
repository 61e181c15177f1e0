"""Object stores and other file systems that are named by a URI: s3, gs, hdfs, file, ...

This module finds the objects that a URI means (`find`), reads their bytes in order or by range
(`Object`), and writes an object as a whole or not at all (`uploading`). pyarrow opens the stores
that it supports, fsspec the others, if it is installed. docs/stores.md is the page for users.
"""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote

from normcli.errors import NormcliError, UsageError
from normcli.words import printable, shown

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from _typeshed import ReadableBuffer, WriteableBuffer
    from pyarrow import NativeFile
    from pyarrow.fs import FileInfo, FileSystem

HEAD = 1 << 16  # bytes of an object that are fetched first, and kept
RANGE = 8 << 20  # bytes of one request after that
AHEAD = 3  # requests in progress while earlier bytes are used

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Options that an S3 URI may have after "?", with Arrow's names: none of them is secret.
_S3_OPTIONS = ("endpoint_override", "region", "scheme")
_BUCKETS = ("s3", "gs", "gcs")  # schemes whose URIs name a bucket first
# File systems where an object appears, complete, when its stream is closed, and not before.
_APPEAR_WHOLE = ("s3", "gcs")
# Here Arrow empties an object when it opens it, and may not be able to rename another.
_NOT_WHOLE = ("abfs",)
_FSSPEC = "py::fsspec"
# What stores call the mark of an object that another of its name does not have.
_VERSIONS = ("etag", "versionid", "version_id", "generation")


def is_uri(name: str) -> bool:
    """Does `name` begin with a scheme? A scheme has at least two letters."""
    found = _SCHEME.match(name)
    return found is not None and len(found[1]) > 1


def local_path(name: str) -> str:
    """The path that a ``file://`` URI means; every other name unchanged.

    >>> local_path("file:///tmp/a%20b.csv"), local_path("s3://bucket/a.csv")
    ('/tmp/a b.csv', 's3://bucket/a.csv')
    """
    if name.lower().startswith("file://"):
        host, slash, path = name[len("file://") :].partition("/")
        if host not in ("", "localhost") or not slash:
            raise UsageError(
                f"{shown(name)}: a file URI has the form file:///PATH, on this machine"
            )
        name = unquote(slash + path)
    if "\0" in name:
        raise UsageError(f"{shown(name)}: a file name cannot contain NUL")
    return name


def object_name(uri: str) -> str:
    """A URI without options and percent-encoding: equal for equal objects, and with their suffix.

    >>> object_name("s3://bucket/a%20b.csv?region=eu-west-1")
    's3://bucket/a b.csv'
    """
    return unquote(uri.partition("?")[0])


# -- places --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """A path in a file system.

    spelled: returns the URI of a path in it.
    """

    uri: str
    filesystem: FileSystem
    path: str
    spelled: Callable[[str], str]

    def info(self, path: str) -> FileInfo:
        return self.filesystem.get_file_info([path])[0]

    def below(self, directory: str, *, recursive: bool) -> list[FileInfo]:
        from pyarrow.fs import FileSelector

        selector = FileSelector(directory, allow_not_found=True, recursive=recursive)
        found: list[FileInfo] = self.filesystem.get_file_info(selector)
        return found

    def version(self, file: NativeFile | None = None) -> str:
        """The ETag or version of the object, or of one that is opened; "" if there is none."""
        if str(self.filesystem.type_name).startswith(_FSSPEC):
            known = self.filesystem.handler.fs
            known.invalidate_cache(known._parent(self.path))
            told = known.info(self.path)
        else:
            told = (file or self.filesystem.open_input_file(self.path)).metadata() or {}
        named = {str(key).lower().replace("-", ""): value for key, value in told.items()}
        return " ".join(str(named[key]) for key in _VERSIONS if key in named)


def _place(uri: str) -> _Place:
    """Where `uri` leads; raises NormcliError if neither pyarrow nor fsspec knows its scheme."""
    _refuse_secret(uri)
    scheme, rest = uri.split("://", 1)
    rest, mark, options = rest.partition("?")
    authority, slash, key = rest.partition("/")
    key = slash + unquote(key) if key else ""
    key = key.rstrip("/")
    with store_errors("open", uri):
        connected = _connected(scheme.lower(), authority, key, options)
    if connected is None:
        return _fsspec_place(uri)
    filesystem, path = connected
    mount = path.removesuffix(key)

    def spelled(path: str) -> str:
        escaped = path.removeprefix(mount).lstrip("/").replace("%", "%25").replace("?", "%3F")
        return f"{scheme}://{authority}/{escaped}{mark}{options}"

    return _Place(uri, filesystem, path, spelled)


def _refuse_secret(uri: str) -> None:
    """Raise UsageError for a URI that contains a password; the message does not repeat it."""
    scheme, _, rest = uri.partition("://")
    authority = rest.partition("/")[0]
    # The name of a bucket has no colon; but the secret before it may have a slash.
    if ":" in authority and ("@" in authority or scheme.lower() in _BUCKETS):
        raise UsageError(
            "a URI must not contain a password: others would see it\n"
            "Credentials come from the environment, such as AWS_ACCESS_KEY_ID"
        )


def _connected(
    scheme: str, authority: str, key: str, options: str
) -> tuple[FileSystem, str] | None:
    """Arrow's file system of a scheme, and the path in it; None if it has none."""
    import pyarrow as pa
    from pyarrow import fs

    if scheme == "s3":
        return _s3(authority, dict(parse_qsl(options))), authority + key
    escaped = f"{scheme}://{authority}{quote(key)}" + (f"?{options}" if options else "")
    try:
        filesystem, path = fs.FileSystem.from_uri(escaped)
    except pa.ArrowInvalid as error:
        if "Unrecognized filesystem type" in str(error):
            return None
        raise
    return filesystem, path


def _s3(bucket: str, options: dict[str, str]) -> FileSystem:
    """As `FileSystem.from_uri`, but with three attempts where that makes ten.

    A server that accepts connections and sends nothing would block the program for 100 s.
    """
    from pyarrow import fs

    for option in options:
        if option not in _S3_OPTIONS:
            known = ", ".join(_S3_OPTIONS)
            raise UsageError(f"an s3 URI has no option {shown(option)}; it has {known}")
    if not bucket:
        raise UsageError("an s3 URI must name a bucket: s3://bucket/key")
    endpoints = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    usual = next((url for name in endpoints if (url := os.environ.get(name))), None)
    if usual and "endpoint_override" not in options:
        options = {**options, "endpoint_override": usual}
    if not {"region", "endpoint_override"} & options.keys():
        options = {**options, "region": fs.resolve_s3_region(bucket)}
    return fs.S3FileSystem(**options)


def _fsspec_place(uri: str) -> _Place:
    """The same for a URI that fsspec knows, which receives it unchanged."""
    scheme = uri.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise NormcliError(
            f"cannot open {shown(uri)}: {scheme} is not one of file, s3, gs, hdfs\n"
            "fsspec knows other stores; to install it: pip install 'normcli[fsspec]'"
        ) from error
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    with store_errors("open", uri):
        known, path = url_to_fs(uri)
        return _Place(uri, PyFileSystem(FSSpecHandler(known)), path, known.unstrip_protocol)


# -- finding -------------------------------------------------------------------------------


def find(uri: str) -> list[tuple[Object, str]]:
    """The objects that `uri` means, sorted, each with its path below the named place.

    `uri` names an object, or a directory (a prefix of keys that is followed by ``/``), or else
    it is a glob with the wildcards ``*``, ``[...]`` and, for directories at any depth, ``**``
    (``?`` begins options).

    Raises: NormcliError if there is no such object, or the store cannot be read.
    """
    place = _place(uri)
    with store_errors("read", uri):
        info = place.info(place.path)
        if info.is_file:
            return [(Object.of(place, info), _base(info.path))]
        if info.type.name == "Directory":
            root, found = place.path, _parts(place, place.path)
        else:
            root, found = _glob(place)
    if not found:
        raise NormcliError(_nothing(place, info))
    found.sort(key=lambda each: each.path.split("/"))
    return [(Object.of(place, each), _under(root, each)) for each in found]


def one(uri: str) -> Object:
    """The object that `uri` names; raises NormcliError if it does not exist."""
    place = _place(uri)
    with store_errors("read", uri):
        info = place.info(place.path)
    if not info.is_file:
        raise NormcliError(_nothing(place, info))
    return Object.of(place, info)


def version_of(uri: str) -> str | None:
    """The version of the object that `uri` names now; None where there is none."""
    place = _place(uri)
    with store_errors("read", uri):
        info = place.info(place.path)
    return Object.of(place, info).version if info.is_file else None


def _nothing(place: _Place, info: FileInfo) -> str:
    """The message that there is nothing at a place."""
    uri = shown(place.uri)
    bucket = place.path.partition("/")[0]
    if place.filesystem.type_name in _APPEAR_WHOLE and bucket:
        with suppress(Exception):  # asking may be forbidden, and only improves the message
            if not place.info(bucket).type:
                return f"cannot read {uri}: there is no bucket {shown(bucket)}"
    if info.type.name == "Directory":
        return f"there is no object to read in {uri}"
    wild = glob.has_magic(place.path)
    return f"no object matches {uri}" if wild else f"no such object: {uri}"


def _parts(place: _Place, directory: str) -> list[FileInfo]:
    """The files in a directory and below, without hidden ones and sidecars."""
    found = place.below(directory, recursive=True)
    return [
        each
        for each in found
        if each.is_file
        and not is_sidecar(each.path)
        and not any(name.startswith((".", "_")) for name in _under(directory, each).split("/"))
    ]


def _under(directory: str, info: FileInfo) -> str:
    """The path of a file relative to `directory`."""
    return str(info.path).removeprefix(directory).lstrip("/")


def _glob(place: _Place) -> tuple[str, list[FileInfo]]:
    """The directories before the first wildcard, and the files that match below them."""
    names = place.path.split("/")
    wild = next((i for i, name in enumerate(names) if glob.has_magic(name)), len(names))
    if wild == len(names):
        return "", []
    root = "/".join(names[:wild])
    found = [info for info in _matches(place, root, names[wild:]) if not is_sidecar(info.path)]
    nested = ([each] if each.is_file else _parts(place, each.path) for each in found)
    return root, list({each.path: each for group in nested for each in group}.values())


def _matches(place: _Place, directory: str, names: list[str]) -> Iterator[FileInfo]:
    """What the remaining `names` of a glob match in `directory`, one level after the other."""
    name, *rest = names
    if name == "**":
        inside = [each for each in place.below(directory, recursive=True) if not each.is_file]
        visible = (each.path for each in inside if "/." not in f"/{_under(directory, each)}")
        for deep in [directory, *visible]:
            yield from _matches(place, deep, rest or ["*"])
    elif glob.has_magic(name):
        for each in place.below(directory, recursive=False):
            base = _base(each.path)
            hidden = base.startswith(".") and not name.startswith(".")
            if fnmatch.fnmatchcase(base, name) and not hidden:
                yield from _deeper(place, each, rest)
    else:
        yield from _deeper(place, place.info(f"{directory.rstrip('/')}/{name}"), rest)


def _deeper(place: _Place, info: FileInfo, rest: list[str]) -> Iterator[FileInfo]:
    if rest and not info.is_file:
        yield from _matches(place, info.path, rest)
    elif info.type and not rest:
        yield info


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def is_sidecar(path: str) -> bool:
    """Is this the path of saved statistics, which are no input?"""
    return path.endswith((".stats.json", ".stats.parquet"))


# -- reading -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Object:
    """A file in a store, as it was when it was found.

    size: in bytes. written: when, in seconds; None if the store does not report it.
    """

    place: _Place
    size: int
    written: int | None

    @cached_property
    def version(self) -> str:
        """The ETag, or what else the store has that tells two objects of one name apart."""
        with store_errors("read", self.uri):
            return self.place.version()

    @classmethod
    def of(cls, place: _Place, info: FileInfo) -> Object:
        """The object of `info`, which was found through `place`."""
        uri = place.uri if info.path == place.path else place.spelled(info.path)
        if info.size is None:
            raise NormcliError(f"cannot read {shown(uri)}: the store does not report its size")
        there = _Place(uri, place.filesystem, info.path, place.spelled)
        return cls(there, int(info.size), _seconds(info))

    @property
    def uri(self) -> str:
        """Its name, by which `one` finds it."""
        return self.place.uri

    @cached_property
    def file(self) -> NativeFile:
        """The bytes, for `read_at` from any thread; each call is a request of that range."""
        return self.open_file()

    def open_file(self) -> NativeFile:
        """The bytes, for reading and seeking."""
        with store_errors("read", self.uri):
            file = self.place.filesystem.open_input_file(self.place.path)
            version = self.place.version(file)
        if self.__dict__.setdefault("version", version) != version:
            raise NormcliError(f"{shown(self.uri)} was replaced while being read; try again")
        return file

    @cached_property
    def head(self) -> bytes:
        """The first bytes, fetched once."""
        return self.range(0, min(HEAD, self.size))

    def range(self, start: int, length: int) -> bytes:
        """Some of the bytes."""
        with store_errors("read", self.uri):
            data: bytes = self.file.read_at(length, start)
        if len(data) < length:
            raise NormcliError(f"{shown(self.uri)} was replaced while being read; try again")
        return data

    def open(self, start: int = 0, stop: int | None = None) -> io.RawIOBase:
        """The bytes from `start` up to but excluding `stop`, or all, in order.

        Reading them raises NormcliError if the object has changed.
        """
        return _Stream(self, start, self.size if stop is None else stop)

    def delete(self) -> None:
        """Delete it."""
        with store_errors("delete", self.uri):
            self.place.filesystem.delete_file(self.place.path)

    def refuse_changed(self) -> None:
        """Raise NormcliError if the object has been replaced.

        It is read with several requests, which may have met two different objects.
        """
        with store_errors("read", self.uri):
            now = self.place.info(self.place.path)
        known = self.__dict__.get("version")  # None: it was not opened
        same = known is None or Object.of(self.place, now).version == known
        if not same or (now.size, _seconds(now)) != (self.size, self.written):
            raise NormcliError(f"{shown(self.uri)} was replaced while being read; try again")


def _seconds(info: FileInfo) -> int | None:
    """When a file was written. Some stores list milliseconds, others seconds."""
    return None if info.mtime_ns is None else int(info.mtime_ns // 10**9)


class _Stream(io.RawIOBase):
    """Bytes of an object in order; the next requests are always in progress."""

    def __init__(self, object_: Object, start: int, stop: int) -> None:
        self._object, self._stop = object_, stop
        self._ready = memoryview(b"" if start else object_.head[:stop])
        self._next = start + len(self._ready)  # the first byte that is not requested yet
        self._asked: deque[Future[bytes]] = deque()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(AHEAD, "normcli-range")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        if not self._ready and view:
            self._ready = memoryview(self._fetched())
        count = min(len(view), len(self._ready))
        view[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _fetched(self) -> bytes:
        """The next range; empty at the end."""
        while len(self._asked) < AHEAD and self._next < self._stop:
            length = min(RANGE, self._stop - self._next)
            self._asked.append(self._threads.submit(self._object.range, self._next, length))
            self._next += length
        if not self._asked:
            self._object.refuse_changed()
            return b""
        return self._asked.popleft().result()

    def close(self) -> None:
        if "_threads" in self.__dict__:
            self._threads.shutdown(wait=False, cancel_futures=True)
        super().close()


# -- writing -------------------------------------------------------------------------------


class Writer(io.RawIOBase):
    """A raw stream to what it does not own: `send` sends some of the bytes (None: all)."""

    def __init__(self, send: Callable[[ReadableBuffer], int | None]) -> None:
        self._send = send
        self.abandoned = False  # discard what is still in buffers: it will not be needed

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Send some of `data`; how many bytes."""
        sent = None if self.abandoned else self._send(data)
        return memoryview(data).nbytes if sent is None else sent


def _upload(stream: Any, uri: str) -> Writer:
    return Writer(store_errors("write", uri)(stream.write))


def uploading(uri: str) -> AbstractContextManager[Writer]:
    """A stream that writes `uri`: on success it has all of the output, else its old content.

    Raises NormcliError, already on entry if writing is denied or there is no such bucket.
    """
    refuse_target(uri)
    place = _place(uri)
    kind = str(place.filesystem.type_name)
    if kind.startswith(_FSSPEC):
        return _committed(place)
    if kind in _APPEAR_WHOLE:
        return _appearing(place)
    if kind in _NOT_WHOLE:
        raise NormcliError(
            f"cannot write {shown(uri)}: that store shows objects before they are complete\n"
            "Write to a file and copy it"
        )
    return _renamed(place)


def refuse_target(uri: str) -> None:
    """Raise NormcliError if `uri` cannot name an object; no store is asked."""
    _refuse_secret(uri)
    scheme, _, rest = object_name(uri).partition("://")
    bucket_only = scheme.lower() in _BUCKETS and "/" not in rest
    if not rest or rest.endswith("/") or bucket_only:
        raise NormcliError(f"cannot write {shown(uri)}: it is a directory; name an object in it")


@contextmanager
def _appearing(place: _Place) -> Iterator[Writer]:
    """An upload to a store where closing the stream replaces the old object by the new one.

    Arrow's streams cannot be cancelled (apache/arrow#40502): one that is garbage-collected, even
    after an exception, closes itself, and half an object would appear. So it is kept for ever.
    """
    create = partial(place.filesystem.open_output_stream, compression=None)
    opened: list[NativeFile] = []
    try:
        with store_errors("write", place.uri):
            # Opening it and adding it to the list is one step: Ctrl-C cannot come in between.
            opened.extend(map(create, [place.path]))
        yield _upload(opened[0], place.uri)
        with store_errors("write", place.uri):
            opened[0].close()
    except BaseException:
        _keep_for_ever(opened)
        raise


def _keep_for_ever(streams: list[NativeFile]) -> None:
    """Never release `streams`, not even at the end of the process."""
    import ctypes

    for stream in streams:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


@contextmanager
def _committed(place: _Place) -> Iterator[Writer]:
    """An upload by fsspec: a file that is not committed is discarded, if the store supports it."""
    filesystem = place.filesystem.handler.fs
    with store_errors("write", place.uri), filesystem.transaction as transaction:
        stream = filesystem.open(place.path, "wb")
        transaction.files.clear()  # each file is committed on its own: several are open
    try:
        yield _upload(stream, place.uri)
        with store_errors("write", place.uri):
            stream.close()
            stream.commit()
    except BaseException:
        with suppress(Exception):  # the first error is the one that matters
            stream.close()
            stream.discard()
        raise


@contextmanager
def _renamed(place: _Place) -> Iterator[Writer]:
    """An upload to a new file beside the old one, which it replaces at the end.

    HDFS does not rename onto an existing file, so the old one is deleted just before.
    """
    folder, _, name = place.path.rpartition("/")
    temporary = f"{folder}/.{name}.{os.urandom(8).hex()}.tmp"
    filesystem = place.filesystem
    try:
        with store_errors("write", place.uri):
            stream = filesystem.open_output_stream(temporary, compression=None)
        yield _upload(stream, place.uri)
        with store_errors("write", place.uri):
            stream.close()
            if place.info(place.path).is_file:
                filesystem.delete_file(place.path)
            filesystem.move(temporary, place.path)
    except BaseException:
        with suppress(Exception):  # the first error is the one that matters
            stream.close()
            filesystem.delete_file(temporary)
        raise


# -- messages ------------------------------------------------------------------------------


@contextmanager
def store_errors(verb: str, uri: str) -> Iterator[None]:
    """Turn an error of a store into a NormcliError: what failed, and why."""
    try:
        yield
    except NormcliError:
        raise
    except Exception as error:  # each file system of fsspec has its own exceptions
        raise NormcliError(f"cannot {verb} {shown(uri)}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """The reason of an error, in the words of Arrow or its libraries if need be."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    first = str(error.args[0]).strip().split("\n")[0] if error.args else ""
    text = first or type(error).__name__
    if found := re.search(r"AWS Error (.+?) during \w+ operation: (.*)", text):
        return _aws_reason(found[1], found[2])
    return _plain(text)


_DENIED = ("DENIED", "ACCESS_KEY", "SIGNATURE", "TOKEN", "HTTP status 401", "HTTP status 403")


def _aws_reason(kind: str, details: str) -> str:
    if kind == "NETWORK_CONNECTION":
        return f"the store does not answer ({_plain(details.rpartition('Details: ')[2])})"
    if kind == "NO_SUCH_BUCKET":
        return "there is no such bucket"
    if any(word in kind for word in _DENIED):
        return (
            f"the store denies access ({_plain(kind)})\nCredentials come from the environment: "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        )
    return _plain(f"{kind}: {details}")


def _plain(text: str) -> str:
    return printable(text, 200)[1:-1]
