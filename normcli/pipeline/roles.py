"""Columns that say something of rows: the keys of their groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, LimitError, UsageError
from normcli.sidecar.write import refuse_many
from normcli.statistics.base import Labels
from normcli.words import did_you_mean, many, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from normcli.formats.base import Chunk, Table, Texts
    from normcli.pipeline.where import Condition

MAX_GROUPS = 1_000_000
KEY = "key of the groups"


@dataclass(frozen=True)
class Roles:
    """The columns that say something of rows, by name. They are not scaled.

    by: their texts are the key of the group of a row.
    max_groups: how many groups there may be.
    json: the statistics go to JSON, which does not hold many.
    where: the rows that are fitted; None: all. Its columns may be scaled.
    """

    by: tuple[str, ...] = ()
    max_groups: int = MAX_GROUPS
    json: bool = False
    where: Condition | None = None

    @property
    def names(self) -> dict[str, str]:
        """Each column, and what it is for."""
        return dict.fromkeys(self.by, KEY)

    @property
    def options(self) -> dict[str, Any]:
        """What the top of a sidecar says of them."""
        where = {"where": self.where.text} if self.where else {}
        return {**({"by": list(self.by)} if self.by else {}), **where}

    def places(self, table: Table) -> Places:
        """Where they are in a table; raises DataError where one is not there, or there twice."""
        count = Counter(table.columns)
        compared = self.where.columns if self.where else ()
        roles = {**dict.fromkeys(compared, "column that --where compares"), **self.names}
        for name, role in roles.items():
            if name in table.partition:
                raise DataError(
                    f"{table.name}: {printable(name)}, the {role}, is a folder in the path of the "
                    "file, not a column\nOnly columns of the file can be used"
                )
            if count[name] != 1:
                has = f"{count[name]} columns are" if count[name] else "no column is"
                raise DataError(
                    f"{table.name}: {has} named {printable(name)}, the {role}."
                    + did_you_mean(name, table.columns)
                )
        positions = {name: table.columns.index(name) for name in roles}
        by = tuple(positions[name] for name in self.by)
        return Places(by, {name: positions[name] for name in compared}, self.where)

    def refuse_many(self, groups: int, columns: int) -> None:
        """Raise NormcliError where there are more groups than are allowed, or than JSON holds."""
        if self.json:
            refuse_many(groups, columns)
        if groups > self.max_groups:
            raise LimitError(
                f"there are more than {many(self.max_groups, 'group')}: "
                f"is {' and '.join(map(printable, self.by))} a key?\n"
                "If so, allow more with --max-groups; each takes some 200 bytes a column"
            )


@dataclass(frozen=True)
class Places:
    """The positions of these columns in a table."""

    by: tuple[int, ...] = ()
    compared: Mapping[str, int] = field(default_factory=dict)
    where: Condition | None = None

    def __iter__(self) -> Iterator[int]:
        return iter((*self.by, *self.compared.values()))

    def selected(self, chunk: Chunk) -> tuple[Chunk, int]:
        """The rows of a chunk that are fitted, and how many others there are."""
        if self.where is None:
            return chunk, 0
        rows = self.where.selected(chunk, self.compared).nonzero()[0]
        return chunk.only(rows), chunk.rows - len(rows)

    def labels(self, chunk: Chunk) -> Labels | None:
        """The groups of the rows of a chunk; None where there are none."""
        return labels_of([chunk.texts(i) for i in self.by]) if self.by else None


def labels_of(keys: Sequence[Texts]) -> Labels:
    """The groups of rows, in the order of their first rows."""
    first, *others = keys
    codes, groups = first.codes, [(value,) for value in first.values]
    for key in others:
        codes, pairs = _distinct(codes * len(key.values) + key.codes)
        old, new = pairs // len(key.values), pairs % len(key.values)
        found = zip(old.tolist(), new.tolist(), strict=True)
        groups = [(*groups[i], key.values[j]) for i, j in found]
    return Labels(groups, codes)


def _distinct(x: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each value among the distinct ones, and these."""
    import numpy as np
    import pyarrow as pa

    found = pa.array(x).dictionary_encode()
    return found.indices.to_numpy().astype(np.int64), found.dictionary.to_numpy()


def keys_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The columns that --by names: several separated by commas, or given one by one.

    Raises: UsageError where one is named twice, or is empty.
    """
    names = [name for text in texts for name in text.split(",")]
    for name, count in Counter(names).items():
        if not name or count > 1:
            why = "is named twice" if name else "is empty"
            raise UsageError(f"--by {','.join(texts)}: the column {printable(name)} {why}.")
    return tuple(names)
