"""What `transform` and `inverse` have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from normcli.cli import fragments as by_fragments
from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.run import Run
from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.formats.base import Format, Table
    from normcli.methods.spelling import Asked, Methods
    from normcli.pipeline import Choice, Job
    from normcli.sidecar.model import Statistics
    from normcli.storage.sources import Source


def scale(input_: str, values: opt.Values, *, inverse: bool = False) -> None:
    """Scale one input to one output."""
    from normcli.formats import open_table
    from normcli.sidecar.read import load

    if values["stats"] == input_ == "-":
        raise UsageError("stdin (-) can be read only once: as INPUT or as --stats")
    kept = load(values["stats"], values["max_sidecar"]) if values["stats"] else None
    asked = mo.methods_of(values, kept)
    if kept is None and not values["method"] and values["column"]:
        asked = replace(asked, only=True)
    needy = kept is None and any(method.needs_fit() for method in asked.all())
    if needy or (inverse and kept is None):
        verb = "inverse" if inverse else "transform"
        raise UsageError(
            f"{verb} needs --stats, which fit makes: normcli fit train.csv -o s.json"
            + ("" if inverse else "\nfit-transform fits and scales the same table at once")
        )
    asked = asked.with_statistics(kept is not None)
    if by_fragments.are_wanted(values, [input_]):
        _scale_fragments(input_, asked, kept, values, inverse=inverse)
        return
    source = one_source(input_)
    run = Run(values, [source])
    choice = opt.choice_of(values)
    read = opt.read_options_of(values)
    if kept is not None and choice.is_among(kept.columns) and _same_format(source, values):
        read = replace(read, columns=tuple(kept.columns))
    table = open_table(source, read, values["from_"])
    methods = asked.methods(
        *((kept.columns, "the statistics") if kept else (table.columns, "the table"))
    )
    left: dict[str, str] | None = None
    if asked.only:
        choice = replace(choice, select=tuple(methods.own))
    elif kept is None and not choice.select:
        choice, left = _numbers_only(source, table, choice, run)
    write(table, source, _job(methods, kept, choice, values, inverse), values, run, left)


def _scale_fragments(
    input_: str, asked: Asked, kept: Statistics | None, values: opt.Values, *, inverse: bool
) -> None:
    """Scale one input, of any number of files, to a directory of parts."""
    by_fragments.refuse_training(asked)
    assert kept is not None, "only batch training needs no statistics"
    found = by_fragments.sources(input_, values)
    run = Run(values, found)
    read, choice = opt.read_options_of(values), opt.choice_of(values)
    if choice.is_among(kept.columns) and _keeps_format(found, values):
        read = replace(read, columns=tuple(kept.columns))
    job = _job(asked.methods(kept.columns, "the statistics"), kept, choice, values, inverse)
    with by_fragments.dask_of(values, run) as dask:
        fragments = by_fragments.cut(found, read, values, run, dask)
        by_fragments.write_parts(fragments, job, values, run, dask)


def _keeps_format(found: Sequence[Source], values: opt.Values) -> bool:
    """Are parts sure to have the format of their inputs, whose names tell it?"""
    from normcli.formats import format_named

    forced, to = values["from_"], values["to"]
    if forced:
        return to in (None, forced)
    return to is None or all(source.suffix in format_named(to).suffixes for source in found)


def _job(
    methods: Methods, kept: Statistics | None, choice: Choice, values: opt.Values, inverse: bool
) -> Job:
    from normcli.pipeline import Job

    observes = bool(values.get("save_stats"))
    return Job(methods, kept, inverse, choice, opt.style_of(values), observes)


def _same_format(source: Source, values: opt.Values) -> bool:
    """Has the output the format of the input?"""
    from normcli.formats import input_format, output_format
    from normcli.storage.sources import split_suffix

    format_ = input_format(source, values["from_"])
    return output_format(split_suffix(values["output"])[0], format_.name, values["to"]) is format_


def _numbers_only(
    source: Source, table: Table, choice: Choice, run: Run
) -> tuple[Choice, dict[str, str]]:
    """The choice of the columns that hold numbers only, and why the others are left alone.

    The input is read for that.
    """
    from normcli.methods import DEFAULT
    from normcli.methods.spelling import Asked, method_of
    from normcli.pipeline import fit

    source.spooled()
    with run.bar("choosing") as bar:
        tables = [bar.begin(source, table)]
        statistics, seen = fit(tables, choice, Asked(method_of(DEFAULT)), summary=bar.summary)
    return replace(choice, select=tuple(statistics.columns)), seen.left


def one_source(input_: str) -> Source:
    """The input; raises UsageError where it is more than one file."""
    from normcli.storage.sources import sources

    found = sources([input_])
    if len(found) != 1:
        raise UsageError(
            f"{input_} is {len(found)} files; give one at a time, or all with --output-dir"
        )
    return found[0]


def write(
    table: Table,
    source: Source,
    job: Job,
    values: opt.Values,
    run: Run,
    left: Mapping[str, str] | None = None,
) -> None:
    """Run a job and report; `left`: why columns were left alone, if the table was read for that.

    Raises: NormcliError where it has changed since then.
    """
    from normcli.formats import output_format
    from normcli.pipeline import Scaling
    from normcli.sidecar.write import dumps
    from normcli.storage.outputs import output
    from normcli.storage.sources import split_suffix

    format_ = output_format(split_suffix(values["output"])[0], table.format, values["to"])
    scaling = Scaling.prepare(table, job, format_, opt.read_options_of(values))
    if run.explains(scaling, left or {}):
        return
    saved = values.get("save_stats")
    with ExitStack() as stack:
        stream = stack.enter_context(output(values["output"], inputs=[source]))
        sidecar = stack.enter_context(output(saved, inputs=[source])) if saved else None
        with run.bar("restoring" if job.inverse else "scaling") as bar:
            scaling.summary = bar.summary
            bar.begin(source, table)
            scaling.run(stream, opt.engine_of(values))
        if left is not None:
            run.refuse_changed()
        if sidecar is not None:
            sidecar.write(dumps(scaling.statistics()))
    scaling.summary.left.update(left or {})
    verb = "restored" if job.inverse else "scaled"
    run.report(scaling.summary, verb, after=_unknown_suffix(format_, values))


def _unknown_suffix(format_: Format, values: opt.Values) -> list[str]:
    """A line that says what was written, where a name seems to promise something else."""
    from normcli.formats import format_of_suffix, formats
    from normcli.storage.sources import split_suffix

    suffix = split_suffix(values["output"])[0]
    if not suffix or values["to"] or format_of_suffix(suffix):
        return []
    near = did_you_mean(suffix, [each for f in formats().values() for each in f.suffixes])
    told = f"written as {format_.name}, since {printable(suffix)} tells of no format"
    return [told + (near and f".{near}")]
