"""Scaled numbers that would be taken for missing values, because they equal a mark of these."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from normcli.formats.base import BadRowError, Chunk, Style
from normcli.formats.marks import Marks, spelled
from normcli.formats.texts.write import shorten

if TYPE_CHECKING:
    from normcli.numerics.numbers import Mask, Scaled


def refuse_collisions(
    chunk: Chunk,
    columns: Mapping[int, Scaled],
    marks: Marks,
    style: Style,
    single: Collection[int] = (),
) -> None:
    """Raise BadRowError for the first scaled number that equals a mark as it is written.

    columns: position -> what its numbers have become. single: those written as float32.
    """
    found = []
    for position, scaled in columns.items():
        columns_style = replace(style, float32=style.float32 or position in single)
        for mark in marks.numbers:
            equal = _equal(scaled, mark, columns_style)
            if equal.any():
                found.append((int(equal.argmax()), position, spelled(mark)))
    for row, position, text in sorted(found):
        raise BadRowError.at(
            row,
            f"{chunk.place(row, position)} becomes {text}, which marks a missing value\n"
            "To write missing cells empty instead, add --missing null",
        )


def _equal(scaled: Scaled, mark: float, style: Style) -> Mask:
    """The cells with a number that is written as the mark."""
    with np.errstate(all="ignore"):
        written = shorten(scaled.values, style)
        equal: Mask = written == written.dtype.type(mark)
    for others in (scaled.keep, scaled.null):
        equal &= True if others is None else ~others
    return equal
