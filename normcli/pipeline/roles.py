"""Columns that say something of rows: the keys of their groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from normcli.errors import DataError, LimitError, UsageError
from normcli.formats.base import BadRowError
from normcli.pipeline.select import select
from normcli.sidecar.write import refuse_many
from normcli.statistics.base import Labels
from normcli.statistics.moments import fractions
from normcli.words import did_you_mean, many, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from normcli.formats.base import Chunk, Table, Texts
    from normcli.numerics.numbers import Numbers
    from normcli.pipeline.where import Condition
    from normcli.statistics.base import Recipe

MAX_GROUPS = 1_000_000
KEY = "key of the groups"
WEIGHT = "column of weights"


@dataclass(frozen=True)
class Roles:
    """The columns that say something of rows, by name. They are not scaled.

    by: their texts are the key of the group of a row.
    max_groups: how many groups there may be.
    json: the statistics go to JSON, which does not hold many.
    where: the rows that are fitted; None: all. Its columns may be scaled.
    weight: the weights of the rows; weight_kind: of which kind they are.
    share: names and globs of columns; those of each text have one scale together.
    """

    by: tuple[str, ...] = ()
    max_groups: int = MAX_GROUPS
    json: bool = False
    where: Condition | None = None
    weight: str | None = None
    weight_kind: str = "reliability"
    share: tuple[str, ...] = ()

    def shared(self, columns: Sequence[str]) -> list[list[str]]:
        """The columns that have one scale together: sorted lists of names.

        Raises: UsageError where a text names fewer than two of the columns, or one that
            another text names too.
        """
        found: list[list[str]] = []
        for text in self.share:
            names = [columns[i] for i in select([text], columns)]
            if len(names) < 2:
                raise UsageError(
                    f"--share {printable(text)}: {printable(names[0])} is the only column of "
                    "numbers that it names; two or more have one scale together"
                )
            for name in names:
                if any(name in others for others in found):
                    raise UsageError(f"--share: {printable(name)} is named twice")
            found.append(sorted(names))
        return sorted(found)

    @property
    def names(self) -> dict[str, str]:
        """Each column, and what it is for."""
        weight = {self.weight: WEIGHT} if self.weight else {}
        return {**dict.fromkeys(self.by, KEY), **weight}

    @property
    def beside(self) -> tuple[Recipe, ...]:
        """What is collected wherever moments are."""
        if self.weight is None:
            return ()
        from normcli.statistics.weight import WeightRecipe

        return (WeightRecipe(self.weight_kind),)

    @property
    def options(self) -> dict[str, Any]:
        """What the top of a sidecar says of them."""
        where = {"where": self.where.text} if self.where else {}
        weight = {"weight": {"column": self.weight, "kind": self.weight_kind}}
        by = {"by": list(self.by)} if self.by else {}
        return {**by, **where, **(weight if self.weight else {})}

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
        found = Places(by, {name: positions[name] for name in compared}, self.where)
        if self.weight is None:
            return found
        return replace(found, weight=positions[self.weight], whole=self.weight_kind == "frequency")

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
class Chosen:
    """The rows of a chunk that are fitted.

    chunk: those of them whose weight is not 0. rows: how many they are, with the others.
    labels, weights, left_out: of `Rows`.
    """

    chunk: Chunk
    rows: int
    labels: Labels | None = None
    weights: Numbers | None = None
    left_out: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Places:
    """The positions of these columns in a table.

    where: the condition on the columns that are `compared`.
    whole: must weights be whole numbers?
    """

    by: tuple[int, ...] = ()
    compared: Mapping[str, int] = field(default_factory=dict)
    where: Condition | None = None
    weight: int | None = None
    whole: bool = False

    def __iter__(self) -> Iterator[int]:
        weight = () if self.weight is None else (self.weight,)
        return iter((*self.by, *self.compared.values(), *weight))

    def chosen(self, chunk: Chunk) -> Chosen:
        """The rows of a chunk that are fitted.

        Raises: BadRowError where a condition or a weight cannot be read.
        """
        if self.where is not None:
            chunk = chunk.only(self.where.selected(chunk, self.compared).nonzero()[0])
        labels = labels_of([chunk.texts(i) for i in self.by]) if self.by else None
        if self.weight is None:
            return Chosen(chunk, chunk.rows, labels)
        return _weighed(chunk, labels, self._weights(chunk, self.weight))

    def _weights(self, chunk: Chunk, position: int) -> Numbers:
        """The weights of the rows, from 0 on."""
        import numpy as np

        (x,) = chunk.numbers([position])
        with np.errstate(invalid="ignore"):
            good = (x.parts[0] >= 0) & np.isfinite(x.parts[0])
        why = "is not a weight: it must be a number, 0 or more"
        if good.all() and self.whole:
            good = ~fractions(x.parts, x.scale)
            why = "is not a whole number, as --weight-kind frequency demands"
        if not good.all():
            row = int(good.argmin())
            raise BadRowError.at(row, f"{chunk.place(row, position)} {why}")
        return x


def _weighed(chunk: Chunk, labels: Labels | None, weights: Numbers) -> Chosen:
    """The rows whose weight is not 0, and how many others there are in each group."""
    import numpy as np

    zero = weights.parts[0] == 0
    count = chunk.rows
    if labels is None:
        left_out = np.array([np.count_nonzero(zero)])
    else:
        left_out = np.bincount(labels.codes[zero], minlength=len(labels.groups))
    if zero.any():
        rows = np.flatnonzero(~zero)
        chunk, weights = chunk.only(rows), weights.at(rows)
        labels = None if labels is None else Labels(labels.groups, labels.codes[rows])
    return Chosen(chunk, count, labels, weights, left_out)


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
