"""The Python interface: the same words as on the command line, for files and DataFrames.

>>> import pandas as pd
>>> train = pd.DataFrame({"id": ["007", "008", "009"], "x": [1.0, 2.0, 6.0]})
>>> statistics = fit(train, method="minmax", range=(-1, 1))
>>> statistics.columns["x"].mean
3.0
>>> statistics.transform(train)
    id    x
0  007 -1.0
1  008 -0.6
2  009  1.0
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from normcli import sidecar
from normcli.errors import UsageError
from normcli.formats import memory
from normcli.formats.base import ReadOptions, Style, Table
from normcli.formats.marks import Marks
from normcli.methods.base import one_of
from normcli.methods.filled import missing_of, recipes_for
from normcli.methods.spelling import Asked, method_with
from normcli.pipeline import files, frames
from normcli.pipeline.choice import Choice
from normcli.pipeline.enough import MostBad
from normcli.pipeline.fitting import fit as fit_tables
from normcli.pipeline.scaling import Job, Scaling
from normcli.pipeline.summary import Summary
from normcli.sidecar import model
from normcli.storage.outputs import write_atomic
from normcli.storage.sources import sources
from normcli.views.report import skipped
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Path = str | os.PathLike[str]
    Frame = TypeVar("Frame", pd.DataFrame, pa.Table)


NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Statistics(model.Statistics):
    """Exact statistics of a table's columns, and how they are to be scaled."""

    def save(self, path: Path) -> None:
        """Write the sidecar, atomically."""
        write_atomic(path, sidecar.dumps(self, os.fspath(path)))

    @overload
    def transform(
        self,
        data: Frame,
        *,
        on_inf: str = ...,
        missing: str | float | None = ...,
        suffix: str = ...,
        as_: Mapping[str, str] = ...,
    ) -> Frame: ...
    @overload
    def transform(
        self,
        data: Path,
        output: Path,
        *,
        on_inf: str = ...,
        on_bad_row: str = ...,
        max_bad_rows: int | str | None = ...,
        missing: str | float | None = ...,
        suffix: str = ...,
        as_: Mapping[str, str] = ...,
    ) -> None: ...

    def transform(
        self,
        data: Any,
        output: Path | None = None,
        *,
        on_inf: str = "error",
        on_bad_row: str = "error",
        max_bad_rows: int | str | None = None,
        missing: str | float | None = None,
        suffix: str = "",
        as_: Mapping[str, str] = NOTHING,
    ) -> Any:
        """`data` with its columns scaled; a new DataFrame or Table, or the file `output`.

        data: a pandas DataFrame or pyarrow Table (index, column order and the types of what is
            not scaled stay), or a path, for which `output` names the file to write.
        on_inf, on_bad_row, max_bad_rows, missing: as of `fit`; missing is as `fit` was told, unless
            it is given.
        suffix: leave the columns as they are, and add the scaled ones, with this at the end of
            their names.
        as_: column -> another one, by whose statistics it is scaled.

        Raises DataError where a column is missing, or a cell in it is not a number.
        """
        choice = _choice((), (), on_inf, on_bad_row, max_bad_rows)
        style = Style(suffix=suffix)
        return self._scale(data, output, choice, style, as_, missing=missing, inverse=False)

    @overload
    def inverse(
        self,
        data: Frame,
        *,
        on_inf: str = ...,
        integers: bool = ...,
        suffix: str = ...,
        as_: Mapping[str, str] = ...,
    ) -> Frame: ...
    @overload
    def inverse(
        self,
        data: Path,
        output: Path,
        *,
        on_inf: str = ...,
        on_bad_row: str = ...,
        max_bad_rows: int | str | None = ...,
        integers: bool = ...,
        suffix: str = ...,
        as_: Mapping[str, str] = ...,
    ) -> None: ...

    def inverse(
        self,
        data: Any,
        output: Path | None = None,
        *,
        on_inf: str = "error",
        on_bad_row: str = "error",
        max_bad_rows: int | str | None = None,
        integers: bool = False,
        suffix: str = "",
        as_: Mapping[str, str] = NOTHING,
    ) -> Any:
        """`data` in original units, for those of its columns that are in the statistics.

        integers: round all results to whole numbers, and store them as int64.
        suffix: restore the columns that have this at the end of their names, in place.
        as_: column -> another one, by whose statistics it was scaled.
        """
        choice = _choice((), (), on_inf, on_bad_row, max_bad_rows)
        style = Style(integers=integers, suffix=suffix)
        return self._scale(data, output, choice, style, as_, inverse=True)

    def _scale(
        self,
        data: Any,
        output: Path | None,
        choice: Choice,
        style: Style,
        alias: Mapping[str, str],
        *,
        missing: str | float | None = None,
        inverse: bool,
    ) -> Any:
        choice = replace(choice, marks=Marks.kept(self.options))
        missing = (
            self.options.get("missing", "keep") if missing is None else missing_of(str(missing))
        )
        asked = Asked(self.method, kept=self.column_methods, missing=missing).with_statistics()
        for fitted in alias.values():
            if fitted not in self.columns:
                raise UsageError(
                    f"the statistics have no column {printable(fitted)}."
                    + did_you_mean(fitted, self.columns)
                )
        job = Job(asked, self, inverse, choice, style, alias=alias)
        if memory.is_frame(data):
            return frames.scale(data, job)
        if output is None:
            raise UsageError("transform and inverse of a path need the path of the output")
        return _scale_file(os.fspath(data), os.fspath(output), job)

    def with_method(self, method: str, **parameters: Any) -> Self:
        """The same statistics, to be applied by another method to all columns."""
        return replace(self, method=method_with(method, parameters), column_methods={})


def _scale_file(path: str, target: str, job: Job) -> None:
    (source,) = sources([path])
    reading, writing = _reading(job.choice), files.Writing(target)
    table = files.open_for(job, source, reading, writing)
    scaling = Scaling.prepare(table, job, writing.format_for(table.format), reading.options)
    files.write(scaling, source, writing)
    _warn_of_skipped(scaling.summary, 5)


def _reading(choice: Choice) -> files.Reading:
    return files.Reading(ReadOptions(skip_bad_rows=choice.skip_bad_rows, marks=choice.marks))


def fit(
    data: pd.DataFrame | pa.Table | Path | Sequence[Path],
    *,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    method: str = "zscore",
    on_inf: str = "error",
    on_bad_row: str = "error",
    max_bad_rows: int | str | None = None,
    null: str | float | Sequence[str | float] = (),
    allow_empty: bool = False,
    missing: str | float = "keep",
    **parameters: Any,
) -> Statistics:
    """The exact statistics of the columns of numbers of `data`.

    data: a pandas DataFrame, a pyarrow Table, a path (file, glob or directory) or several.
    select, exclude: columns by name, position, glob or /regex/; by default all columns of
        numbers.
    on_inf: "error", or "ignore": infinite numbers are not counted, and are not changed.
    on_bad_row: "error", or "skip": rows of text files that have too many or too few cells, or
        text for a number, are left out; a UserWarning tells how many, and the first of them.
    max_bad_rows: how many of them are too many: a number, a text as "5%", or "off".  By default
        more than 10 that are more than 1% of the rows.
    null: texts and numbers that mark missing values, as in --null; `Statistics` keep them.
    allow_empty: may there be no number at all in the data?
    missing: what `Statistics.transform` does with missing cells: "keep", "null", or fill them with
        the "mean", the "median" or a number.
    method, parameters: how `Statistics.transform` will scale; one fit serves all methods.

    Raises DataError where the data are not such a table, UsageError where the call is wrong.
    """
    choice = _choice(select, exclude, on_inf, on_bad_row, max_bad_rows)
    tokens = [null] if isinstance(null, str | float | int) else null
    choice = replace(choice, allow_empty=allow_empty, marks=Marks.of(map(str, tokens)))
    missing = missing_of(str(missing))
    asked = Asked(method_with(method, parameters), more=recipes_for(missing), missing=missing)
    statistics, summary = fit_tables(_tables(data, _reading(choice)), choice, asked)
    _warn_of_skipped(summary, 3)
    return _public(statistics)


def _choice(
    select: Sequence[str],
    exclude: Sequence[str],
    on_inf: str,
    on_bad_row: str,
    max_bad_rows: int | str | None,
) -> Choice:
    ignore = one_of(on_inf, ("error", "ignore"), "on_inf") == "ignore"
    skip = one_of(on_bad_row, ("error", "skip"), "on_bad_row") == "skip"
    most = MostBad() if max_bad_rows is None else MostBad.of(str(max_bad_rows))
    return Choice(_texts(select), _texts(exclude), ignore, skip, most_bad=most)


def _warn_of_skipped(summary: Summary, stacklevel: int) -> None:
    """Warn of bad rows, at the line of the user's code that is so many calls above."""
    if summary.skipped_rows:
        warnings.warn("\n".join(skipped(summary)), stacklevel=stacklevel)


def _texts(selectors: Sequence[str]) -> tuple[str, ...]:
    return (selectors,) if isinstance(selectors, str) else tuple(selectors)


def _tables(data: Any, reading: files.Reading) -> list[Table]:
    if memory.is_frame(data):
        return [replace(memory.table(data), marks=reading.options.marks or Marks())]
    paths = [data] if isinstance(data, str | os.PathLike) else list(data)
    return [reading.open(source) for source in sources([os.fspath(path) for path in paths])]


def load(path: Path) -> Statistics:
    """The statistics in a sidecar; raises SidecarError where the file is not one."""
    return _public(sidecar.load(path))


def _public(statistics: model.Statistics) -> Statistics:
    return Statistics(**vars(statistics))
