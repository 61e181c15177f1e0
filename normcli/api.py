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
from normcli.formats import memory, options, refuse_unused_options
from normcli.formats.base import ReadOptions, Style, Table
from normcli.formats.marks import Marks
from normcli.methods.base import one_of
from normcli.methods.filled import missing_of, recipes_for
from normcli.methods.levels import levels_of
from normcli.methods.spelling import Asked, method_with
from normcli.pipeline import files, frames
from normcli.pipeline.choice import Choice
from normcli.pipeline.enough import MostBad
from normcli.pipeline.fitting import fit as fit_tables
from normcli.pipeline.scaling import Job, Scaling
from normcli.pipeline.select import possible_names
from normcli.pipeline.summary import Summary
from normcli.sidecar import model
from normcli.storage.outputs import write_atomic
from normcli.storage.sources import sources
from normcli.views.report import notes, skipped
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
        read: Mapping[str, Any] = ...,
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
        read: Mapping[str, Any] = NOTHING,
        missing: str | float | None = None,
        suffix: str = "",
        as_: Mapping[str, str] = NOTHING,
    ) -> Any:
        """`data` with its columns scaled; a new DataFrame or Table, or the file `output`.

        data: a pandas DataFrame or pyarrow Table (index, column order and the types of what is
            not scaled stay), or a path, for which `output` names the file to write.
        on_inf, on_bad_row, max_bad_rows, read, missing: as of `fit`; missing is as `fit` was told,
            unless it is given.
        suffix: leave the columns as they are, and add the scaled ones, with this at the end of
            their names.
        as_: column -> another one, by whose statistics it is scaled.

        Raises DataError where a column is missing, or a cell in it is not a number.
        """
        choice = _choice((), (), on_inf, on_bad_row, max_bad_rows)
        style, reading = Style(suffix=suffix), _reading(choice, on_bad_row, read)
        return self._scale(
            data, output, choice, style, as_, reading, missing=missing, inverse=False
        )

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
        read: Mapping[str, Any] = ...,
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
        read: Mapping[str, Any] = NOTHING,
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
        reading = _reading(choice, on_bad_row, read)
        return self._scale(data, output, choice, style, as_, reading, inverse=True)

    def _scale(
        self,
        data: Any,
        output: Path | None,
        choice: Choice,
        style: Style,
        alias: Mapping[str, str],
        reading: files.Reading,
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
            _refuse_for_frames(reading)
            return frames.scale(data, job)
        if output is None:
            raise UsageError("transform and inverse of a path need the path of the output")
        reading = replace(reading, options=replace(reading.options, marks=choice.marks))
        return _scale_file(os.fspath(data), os.fspath(output), job, reading)

    def with_method(self, method: str, **parameters: Any) -> Self:
        """The same statistics, to be applied by another method to all columns."""
        return replace(self, method=method_with(method, parameters), column_methods={})


def _scale_file(path: str, target: str, job: Job, reading: files.Reading) -> None:
    found, writing = sources([path]), files.Writing(target)
    (source,) = found
    refuse_unused_options(reading.options.given, found, None, None)
    table = files.open_for(job, source, reading, writing)
    scaling = Scaling.prepare(table, job, writing.format_for(table.format), reading.options)
    files.write(scaling, source, writing)
    _warn(scaling.summary, 5)


def _reading(choice: Choice, on_bad_row: str, read: Mapping[str, Any]) -> files.Reading:
    """How files are read; raises UsageError for an option that no format has."""
    known = {each.name.replace("-", "_"): each for each in options()}
    for name, value in read.items():
        if name not in known:
            raise UsageError(f"read: no option {printable(name)}.{did_you_mean(name, known)}")
        kind = str if known[name].default is None else type(known[name].default)
        if type(value) is not kind:
            raise UsageError(f"read: {name} must be of type {kind.__name__}, not {value!r}")
    keep = on_bad_row == "keep"
    given = {known[name].name: value for name, value in read.items()}
    skip = choice.skip_bad_rows
    return files.Reading(
        ReadOptions(
            given,
            skip_bad_rows=skip,
            keep_bad_rows=keep,
            marks=choice.marks,
            asked=possible_names(choice.select),
        )
    )


def _refuse_for_frames(reading: files.Reading) -> None:
    if reading.options.given:
        raise UsageError("read is for files; a DataFrame or Table has been read already")


def fit(
    data: pd.DataFrame | pa.Table | Path | Sequence[Path],
    *,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    method: str = "zscore",
    on_inf: str = "error",
    on_bad_row: str = "error",
    max_bad_rows: int | str | None = None,
    read: Mapping[str, Any] = NOTHING,
    null: str | float | Sequence[str | float] = (),
    allow_empty: bool = False,
    missing: str | float = "keep",
    quantiles: str = "exact",
    at: Sequence[float | str] = (),
    **parameters: Any,
) -> Statistics:
    """The exact statistics of the columns of numbers of `data`.

    data: a pandas DataFrame, a pyarrow Table, a path (file, glob or directory) or several.
    select, exclude: columns by name, position, glob or /regex/; by default all columns of
        numbers.
    on_inf: "error", or "ignore": infinite numbers are not counted, and are not changed.
    on_bad_row: "error", or "skip": rows of text files that have too many or too few cells, or
        text for a number, are left out; a UserWarning tells how many, and the first of them.
        "keep": those with too many or too few cells are kept, and absent cells are missing.
    read: how files are read: options of the command line with "_" for "-", as in
        ``{"delimiter": ";", "skip_rows": 2, "no_header": True}``.  A UserWarning tells what was
        taken for granted where they say nothing.
    max_bad_rows: how many of them are too many: a number, a text as "5%", or "off".  By default
        more than 10 that are more than 1% of the rows.
    null: texts and numbers that mark missing values, as in --null; `Statistics` keep them.
    allow_empty: may there be no number at all in the data?
    missing: what `Statistics.transform` does with missing cells: "keep", "null", or fill them with
        the "mean", the "median" or a number.
    quantiles: "exact", or "sketch": bounds of them, from one reading.
    at: levels of more quantiles to keep of all columns, such as 0.05 or "95%".
    method, parameters: how `Statistics.transform` will scale; one fit serves all methods.

    Raises DataError where the data are not such a table, UsageError where the call is wrong.
    """
    choice = _choice(select, exclude, on_inf, on_bad_row, max_bad_rows)
    tokens = [null] if isinstance(null, str | float | int) else null
    choice = replace(choice, allow_empty=allow_empty, marks=Marks.of(map(str, tokens)))
    missing = missing_of(str(missing))
    exact = one_of(quantiles, ("exact", "sketch"), "quantiles") == "exact"
    more = (*recipes_for(missing), *levels_of([at] if isinstance(at, str) else at))
    asked = Asked(method_with(method, parameters), more=more, missing=missing, exact=exact)
    reading = _reading(choice, on_bad_row, read)
    statistics, summary = fit_tables(_tables(data, reading), choice, asked)
    _warn(summary, 3)
    return _public(statistics)


def _choice(
    select: Sequence[str],
    exclude: Sequence[str],
    on_inf: str,
    on_bad_row: str,
    max_bad_rows: int | str | None,
) -> Choice:
    ignore = one_of(on_inf, ("error", "ignore"), "on_inf") == "ignore"
    skip = one_of(on_bad_row, ("error", "skip", "keep"), "on_bad_row") == "skip"
    most = MostBad() if max_bad_rows is None else MostBad.of(str(max_bad_rows))
    return Choice(_texts(select), _texts(exclude), ignore, skip, most_bad=most)


def _warn(summary: Summary, stacklevel: int) -> None:
    """Warn of what was taken for granted and of bad rows, at a line of the user's code.

    stacklevel: how many calls above it is.
    """
    for words in (notes(summary), skipped(summary)):
        if lines := "\n".join(words):
            warnings.warn(lines, stacklevel=stacklevel)


def _texts(selectors: Sequence[str]) -> tuple[str, ...]:
    return (selectors,) if isinstance(selectors, str) else tuple(selectors)


def _tables(data: Any, reading: files.Reading) -> list[Table]:
    if memory.is_frame(data):
        _refuse_for_frames(reading)
        return [replace(memory.table(data), marks=reading.options.marks or Marks())]
    paths = [data] if isinstance(data, str | os.PathLike) else list(data)
    found = sources([os.fspath(path) for path in paths])
    refuse_unused_options(reading.options.given, found, None, None)
    return [reading.open(source) for source in found]


def load(path: Path) -> Statistics:
    """The statistics in a sidecar; raises SidecarError where the file is not one."""
    return _public(sidecar.load(path))


def _public(statistics: model.Statistics) -> Statistics:
    return Statistics(**vars(statistics))
