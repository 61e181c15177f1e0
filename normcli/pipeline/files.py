"""From file to file: the format of every input and output is found once, and handed on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property

from normcli.engines.local import Engine
from normcli.formats import format_named, input_format, open_table, output_format
from normcli.formats.base import Format, ReadOptions, Style, Table
from normcli.pipeline.scaling import Job, Scaling
from normcli.pipeline.select import are_names
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import dumps
from normcli.storage.outputs import is_seen_at_once, output
from normcli.storage.sources import Source, split_suffix


@dataclass(frozen=True)
class Reading:
    """How inputs are read.

    format: the name of their format; None: the one that each seems to have.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    format: str | None = None

    def knowing(self, statistics: Statistics) -> Reading:
        """The same, for a table of which there are statistics."""
        return replace(self, options=replace(self.options, known=tuple(statistics.columns)))

    def open(self, source: Source) -> Table:
        """An input as a table."""
        return open_table(source, self.options, self.format)


@dataclass(frozen=True)
class Writing:
    """Where a table goes, and how it is written.

    target: a file, a URI, or - for stdout. directory: if any, takes parts, in place of `target`.
    format: the name of its format; None: the one of its suffix, or that of the input.
    saves: where the statistics of what was read go; None: they are not wanted.
    """

    target: str = "-"
    directory: str = ""
    format: str | None = None
    style: Style = field(default_factory=Style)
    saves: str | None = None

    @cached_property
    def suffix(self) -> str:
        """The suffix of the target that names a format: ".csv" of "a.csv.gz"."""
        return "" if self.directory else split_suffix(self.target)[0]

    def format_for(self, read: str) -> Format:
        """The format of the output, for an input of the format `read`."""
        return output_format(self.suffix, read, self.format)


def open_for(job: Job, source: Source, reading: Reading, writing: Writing) -> Table:
    """The input of a job as a table."""
    format_ = input_format(source, reading.format)
    same = writing.format_for(format_.name) is format_
    return open_table(source, _options_for(job, reading, same=same), format_.name)


def options_for_parts(
    job: Job, sources: Sequence[Source], reading: Reading, writing: Writing
) -> ReadOptions:
    """The options for reading inputs that are written as parts; opens none of them."""
    same = writing.format in (None, reading.format)
    if not same and reading.format is None:  # then their names have to tell
        suffixes = format_named(writing.format or "").suffixes
        same = all(source.suffix in suffixes for source in sources)
    return _options_for(job, reading, same=same)


def _options_for(job: Job, reading: Reading, *, same: bool) -> ReadOptions:
    """The options with the columns of the statistics.

    same: is the output of the input's format? Then only these may be needed.
    """
    if job.statistics is None:
        return reading.options
    options, choice = reading.knowing(job.statistics).options, job.choice
    names = (*options.known, *job.alias)
    only = same and not job.style.suffix and are_names(choice.select + choice.exclude, names)
    return replace(options, columns=(*names, *job.by)) if only else options


def write(
    scaling: Scaling,
    source: Source,
    writing: Writing,
    engine: Engine | None = None,
    *,
    again: bool = False,
) -> None:
    """Read, scale and write all rows, and save their statistics.

    again: the table was read before; NormcliError is raised where it has changed since then.
    """
    with ExitStack() as stack:
        saves = writing.saves  # what is entered first is moved to its place last
        sidecar = stack.enter_context(output(saves, inputs=[source])) if saves else None
        stream = stack.enter_context(output(writing.target, inputs=[source]))
        scaling.run(stream, engine, flows=source.waits and is_seen_at_once(writing.target))
        scaling.job.refuse_nothing(scaling.summary)
        if again:
            source.refuse_changed_file()
        if sidecar is not None:
            sidecar.write(dumps(scaling.statistics(), writing.saves or ""))
