"""Numbers in strings of JSON, such as "1.5", for those who ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pyarrow as pa

from normcli.formats.jsonl.index import INTEGER, NULL, STRING
from normcli.formats.texts import kernels
from normcli.formats.texts.notation import NUMBER, Notation
from normcli.formats.texts.read import CODE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from normcli.formats.jsonl.index import Fields
    from normcli.formats.texts.kernels import Bytes, Offsets
    from normcli.numerics.numbers import Mask


@dataclass(frozen=True, eq=False)
class Cells:
    """What the fields of a chunk hold, and where: field i is ``data[starts[i]:ends[i]]``.

    coded: strings that look like codes (007).
    """

    kinds: NDArray[np.uint8]
    data: Bytes
    starts: Offsets
    ends: Offsets
    coded: Mask | None = None


def read_strings(
    block: bytes, fields: Fields, kinds: NDArray[np.uint8], notation: Notation
) -> Cells:
    """The fields, with strings that are numbers in the notation as if they were plain numbers.

    An empty string is null, as an empty cell of CSV is.
    """
    cells = np.flatnonzero(kinds == STRING)
    starts, ends = fields.starts.copy(), fields.ends.copy()
    texts = _unescaped(block, starts[cells] + 1, ends[cells] - 1)
    plain = notation.plain_texts(texts)
    numbers = _matches(plain, NUMBER)
    kinds = kinds.copy()
    kinds[cells[ends[cells] - starts[cells] == 2]] = NULL
    here, plain = cells[numbers], kernels.filtered(plain, numbers)
    kinds[here] = INTEGER
    coded = np.zeros(len(kinds), bool)
    coded[here] = _matches(plain, CODE)
    written = [text.encode() for text in plain.to_pylist()]
    bounds = len(block) + np.cumsum([0, *map(len, written)], dtype=np.int64)
    starts[here], ends[here] = bounds[:-1], bounds[1:]
    data = np.frombuffer(b"".join([block, *written]), np.uint8)
    return Cells(kinds, data, starts, ends, coded)


def _unescaped(block: bytes, starts: Offsets, ends: Offsets) -> pa.LargeStringArray:
    """The texts between the quotes of strings."""
    texts = kernels.slices(np.frombuffer(block, np.uint8), starts, ends)
    escaped = _matches(texts, r"\\")
    if not escaped.any():
        return texts
    found = texts.to_pylist()
    for i in np.flatnonzero(escaped).tolist():
        found[i] = orjson.loads(f'"{found[i]}"')
    return pa.array(found, pa.large_string())


def _matches(texts: pa.LargeStringArray, pattern: str) -> Mask:
    mask: Mask = kernels.matches(texts, pattern).to_numpy(zero_copy_only=False)
    return mask
