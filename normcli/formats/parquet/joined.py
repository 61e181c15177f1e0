"""Column chunks that are made of several: what a footer says about their pages, added up."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence

from normcli.formats.parquet.original import place_of
from normcli.formats.parquet.thrift import I32, I64, LIST, STRUCT, List, Struct

FIRST = 4  # byte of a file, behind its magic


def joined(metas: Sequence[Struct]) -> Struct:
    """The ColumnMetaData of pages one after the other, the first at byte FIRST."""
    first = metas[0]
    start, _ = place_of(first)
    for field in (9, 11):
        if first.get(field, 0) > 0:
            first.put(field, I64, first[field] - start + FIRST)
    first.put(2, LIST, List(I32, sorted({encoding for meta in metas for encoding in meta[2]})))
    for field in (5, 6, 7):  # values, uncompressed and compressed bytes
        first.put(field, I64, sum(meta[field] for meta in metas))
    _join_statistics(first, metas)
    _join_page_counts(first, metas)
    _join_sizes(first, metas)
    return first


def _join_statistics(first: Struct, metas: Sequence[Struct]) -> None:
    """Put bounds and number of nulls of all pages into the first one's Statistics."""
    found = [meta[12] for meta in metas if 12 in meta]
    if len(found) < len(metas):
        return first.drop(12)
    result, kind = Struct(), "<f" if first[1] == 4 else "<d"
    for field, choose in ((1, max), (2, min), (5, max), (6, min)):
        bounds = [each for each in found if field in each]
        if bounds:
            result.take(choose(bounds, key=lambda s: struct.unpack(kind, s[field])), field)
    result.put(3, I64, sum(each.get(3, 0) for each in found))
    bounded = next((each for each in found if 5 in each), found[0])
    result.take(bounded, 7, 8)
    return first.put(12, STRUCT, result)


def _join_page_counts(first: Struct, metas: Sequence[Struct]) -> None:
    """Add up the PageEncodingStats."""
    pages: Counter[tuple[int, int]] = Counter()
    for meta in metas:
        for each in meta.get(13, ()):
            pages[each[1], each[2]] += each[3]
    found = [
        Struct({1: (I32, page), 2: (I32, encoding), 3: (I32, count)})
        for (page, encoding), count in pages.items()
    ]
    first.put(13, LIST, List(STRUCT, found))


def _join_sizes(first: Struct, metas: Sequence[Struct]) -> None:
    """Add up how many values have each definition level, in the SizeStatistics."""
    levels = [meta[16].get(3) for meta in metas if 16 in meta]
    if len(levels) == len(metas) and all(levels):
        first[16].put(3, LIST, List(I64, map(sum, zip(*levels, strict=True))))
    else:
        first.drop(16)
