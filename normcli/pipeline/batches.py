"""Chunks cut anew, so that each holds whole batches."""

from __future__ import annotations

from collections.abc import Iterator

from normcli.errors import DataError
from normcli.formats.base import Chunk
from normcli.statistics.batching import Batching


def batched(chunks: Iterator[Chunk], batching: Batching, name: str) -> Iterator[tuple[Chunk, int]]:
    """The chunks cut anew, so that each holds whole batches; only the last may have a rest.

    With each comes the number of rows that were dropped before its end. A last batch that is
    short is kept, merged (the last chunk then ends with a longer batch), dropped or refused.
    """
    size = batching.size
    pending: list[Chunk] = []
    rows = 0
    for chunk in chunks:
        pending.append(chunk)
        try:
            rows += chunk.rows
        except DataError:  # but what is wrong in the rows before comes first
            yield _concat(pending), 0
            raise
        ready = (rows - 1) // size * size  # at least one row stays, for what comes last
        if batching.last == "merge":
            ready -= size  # and the batch that it may have to join
        if ready > 0:
            whole = _concat(pending)
            yield whole.slice(0, ready), 0
            pending, rows = [whole.slice(ready, rows)], rows - ready
    if pending:
        yield from _last_batch(_concat(pending), batching, name)


def _concat(chunks: list[Chunk]) -> Chunk:
    return type(chunks[0]).concat(chunks)


def _last_batch(last: Chunk, batching: Batching, name: str) -> Iterator[tuple[Chunk, int]]:
    rest = last.rows % batching.size
    if rest and batching.last == "drop":
        yield last.slice(0, last.rows - rest), rest
    elif rest and batching.last == "error":
        raise DataError(
            f"{name}: the last batch has {rest} of {batching.size} rows\n"
            "Choose what becomes of it with --last-batch keep, merge or drop"
        )
    elif rest == 1 and (batching.last == "keep" or last.rows == 1):
        raise DataError(
            f"{name}: the last batch has one row, which carries no information: the result "
            "would be beta everywhere\nUse --last-batch merge or drop, or another --batch-size"
        )
    else:
        yield last, 0
