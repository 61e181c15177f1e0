"""Fragments: large pieces of the inputs, which any process can open on its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, LimitError, NormcliError, UsageError
from normcli.formats import format_named, input_format, open_table
from normcli.formats.base import Divisible, DivisibleText
from normcli.storage import sources as storage
from normcli.storage import stores
from normcli.words import shown

if TYPE_CHECKING:
    from normcli.engines.local import Engine
    from normcli.formats.base import ReadOptions, Table
    from normcli.storage.sources import Source

IDENTIFIED = 16  # inputs at a time
SIZE = 128 << 20  # bytes of a fragment, about: a second or so of work
BAD_TABLE = (DataError, LimitError)

Watch = Callable[[int, int], None]  # called with the bytes read so far, and the total


@dataclass(frozen=True)
class Fragment:
    """Some consecutive rows of one input: plain data that say where the rows are.

    location: an absolute path, or a URI. name, part: as in `Source`.
    size, written, identity: of the input when it was found, as in `Source`.
    bytes: the approximate size of the fragment.
    format: of the input, if already known; None: to be recognized from the input.
    piece: the format's description of this piece of the input; None: all of it.
    """

    location: str
    name: str
    part: str
    size: int
    written: int | None
    identity: tuple[str, ...]
    bytes: int
    format: str | None
    options: ReadOptions
    piece: Any = None

    def __str__(self) -> str:
        return self.name if self.piece is None else f"{self.name} ({self.piece})"

    def open(self) -> Table:
        """The rows as a table; raises NormcliError if this process cannot see the input."""
        return self.table(self.source())

    def table(self, source: Source) -> Table:
        """The rows as a table, read from its `source`."""
        return open_table(source, self.options, self.format, self.piece)

    def source(self) -> Source:
        """The input; raises NormcliError if this process cannot see it, or sees a different one."""
        here = f"on {socket.gethostname()} {shown(self.location)}"
        hint = "Every worker must find the inputs under the same names"
        try:
            found = storage.source(self.location)
        except NormcliError as error:
            raise NormcliError(f"{self} cannot be opened {here}: {error}\n{hint}") from error
        if found.size != self.size:
            raise NormcliError(
                f"{self} was changed, or is a different file, {here}: {found.size} bytes, not "
                f"{self.size} as at the start of the run\n{hint}"
            )
        identity = found.identity
        comparable = identity[0] == self.identity[0]  # of one machine, or of a store
        if found.written != self.written or (comparable and identity != self.identity):
            raise NormcliError(
                f"{self} was replaced since the run began, or is a different file, {here}; "
                f"try again\n{hint}, with their times"
            )
        found.name, found.part = self.name, self.part
        return found


def fragments(
    sources: Sequence[Source],
    options: ReadOptions,
    forced: str | None,
    size: int,
    engine: Engine,
    watch: Watch | None = None,
) -> list[Fragment]:
    """All rows of all sources in order, in fragments of about `size` bytes.

    Smaller inputs are not opened here, and an input that its format cannot cut is one fragment.
    Text must be read once before it can be cut; the engine does this, and `watch` receives the
    progress. A bad table is one fragment too: whoever opens it reports what is wrong, after the
    problems of the tables before it.

    Raises: UsageError for an input that no other process can open, such as a pipe.
    """
    with ThreadPoolExecutor(IDENTIFIED) as threads:  # each object is a request
        wholes = list(threads.map(lambda source: _whole(source, options, forced), sources))
    ranges = [
        _ranges(whole, source, size) if whole.size > size else [whole]
        for whole, source in zip(wholes, sources, strict=True)
    ]
    asked = [each for group in ranges if _text_format(group[0]) for each in group]
    with closing(_looked(asked, engine, watch)) as looked:
        return [each for group in ranges for each in _cut(group, looked)]


def _whole(source: Source, options: ReadOptions, forced: str | None) -> Fragment:
    if source.size is None:
        raise UsageError(
            f"{source.name} is a pipe, which other processes cannot open\n"
            "Save it to a file first, or leave out --engine and --output-dir"
        )
    is_uri = stores.is_uri(source.location)
    location = source.location if is_uri else os.path.abspath(source.location)
    size, written, part, identity = source.size, source.written, source.part, source.identity
    return Fragment(location, source.name, part, size, written, identity, size, forced, options)


def _ranges(whole: Fragment, source: Source, size: int) -> list[Fragment]:
    """A large input, cut into the ranges that its format gives, or whole."""
    try:
        format_ = input_format(source, whole.format)
        if not isinstance(format_, Divisible):
            return [whole]
        pieces = format_.ranges(source, whole.options, size)
    except BAD_TABLE:
        return [whole]
    return _pieces(whole, format_.name, pieces) or [whole]


def _pieces(whole: Fragment, format_: str, pieces: Sequence[Any]) -> list[Fragment]:
    share = whole.size // max(1, len(pieces))
    return [replace(whole, format=format_, bytes=share, piece=piece) for piece in pieces]


def _text_format(range_: Fragment) -> DivisibleText | None:
    """The format of a range that has to be looked at before it can be cut; None for others."""
    format_ = None if range_.piece is None else format_named(range_.format or "")
    return format_ if isinstance(format_, DivisibleText) else None


def _looked(
    asked: Sequence[Fragment], engine: Engine, watch: Watch | None
) -> Generator[Any, None, None]:
    """The findings of `_look` for each range, in order, up to a bad table."""
    read, total = 0, sum(fragment.bytes for fragment in asked)
    with suppress(*BAD_TABLE), closing(engine.map(_look, asked)) as results:
        for fragment, found in zip(asked, results, strict=True):
            read += fragment.bytes
            if watch is not None:
                watch(read, total)
            yield found


def _look(fragment: Fragment) -> Any:
    """Work: what has to be known of a range, before the input can be cut."""
    format_ = _text_format(fragment)
    assert format_ is not None
    return format_.look(fragment.source(), fragment.options, fragment.piece)


def _cut(ranges: Sequence[Fragment], looked: Iterator[Any]) -> Sequence[Fragment]:
    """The fragments of one input; of ranges of text `looked` tells next, if all were seen."""
    text = _text_format(ranges[0])
    if text is None:
        return ranges
    whole = replace(ranges[0], piece=None)
    found = list(islice(looked, len(ranges)))
    if len(found) < len(ranges):
        return [replace(whole, bytes=whole.size)]
    return _pieces(whole, text.name, text.cut([r.piece for r in ranges], found))
