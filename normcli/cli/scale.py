"""What `transform` and `inverse` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.run import Run
from normcli.errors import UsageError

if TYPE_CHECKING:
    from normcli.files import Source
    from normcli.formats.base import ReadOptions, Table
    from normcli.methods.base import Method
    from normcli.model import Statistics
    from normcli.pipeline import Choice, Job


def scale(input_: str, values: opt.Values, *, inverse: bool = False) -> None:
    """Scale one input to one output."""
    from normcli.formats import open_table
    from normcli.pipeline import Job
    from normcli.sidecar import load

    if values["stats"] == input_ == "-":
        raise UsageError("stdin (-) can be read only once: as INPUT or as --stats")
    kept = load(values["stats"], values["max_sidecar"]) if values["stats"] else None
    method, own = mo.methods_of(values, kept)
    needy = [m.name for m in (method, *own.values()) if kept is None and m.needs_statistics]
    if needy or (inverse and kept is None):
        verb = "inverse" if inverse else "transform"
        raise UsageError(
            f"{verb} needs --stats: fit makes them (normcli fit {input_} -o s.json), and "
            "fit-transform does both at once"
        )
    method = method.with_statistics(kept is not None)
    own = {name: each.with_statistics(kept is not None) for name, each in own.items()}
    source = one_source(input_)
    run = Run(values, [source])
    choice = opt.choice_of(values)
    table = open_table(source, _read_options(source, kept, values), values["from_"])
    if kept is None:
        mo.refuse_absent_columns(table, choice, method, own)
    if kept is None and not choice.select:
        choice = _numbers_only(source, table, choice, method, run)
    job = Job(
        method, own, kept, inverse, choice, opt.style_of(values), bool(values.get("save_stats"))
    )
    write(table, source, job, values, run)


def _read_options(source: Source, kept: Statistics | None, values: opt.Values) -> ReadOptions:
    """How to read: with the columns that will be asked for, where these are all it takes."""
    from normcli.files import split_suffix
    from normcli.formats import input_format, output_format

    read = opt.read_options_of(values)
    if kept is None:
        return read
    format_ = input_format(source, values["from_"])
    same = output_format(split_suffix(values["output"])[0], format_.name, values["to"]) is format_
    return replace(read, columns=tuple(kept.columns)) if same else read


def _numbers_only(source: Source, table: Table, choice: Choice, method: Method, run: Run) -> Choice:
    """The choice of the columns that hold numbers only: the input is read for that."""
    from normcli.pipeline import fit

    source.spooled()
    with run.bar("choosing") as bar:
        tables = [bar.begin(source, table)]
        statistics, _ = fit(tables, choice, method, {}, summary=bar.summary)
    return replace(choice, select=tuple(statistics.columns))


def one_source(input_: str) -> Source:
    """The input; raises UsageError where it is more than one file."""
    from normcli.files import sources

    found = sources([input_])
    if len(found) != 1:
        raise UsageError(f"{input_} is {len(found)} files; give one at a time")
    return found[0]


def write(
    table: Table,
    source: Source,
    job: Job,
    values: opt.Values,
    run: Run,
    left: Mapping[str, str] | None = None,
) -> None:
    """Run a job and report; `left`: why columns were left alone, where that is known."""
    from normcli import explain, screen
    from normcli.files import output, split_suffix
    from normcli.formats import output_format
    from normcli.pipeline import Scaling
    from normcli.sidecar import dumps

    format_ = output_format(split_suffix(values["output"])[0], table.format, values["to"])
    scaling = Scaling.prepare(table, job, format_, opt.read_options_of(values))
    columns = [plan.column.name for plan in scaling.plans]
    for method in (job.method, *job.column_methods.values()):
        mo.refuse_unknown_columns(method, columns)
    if values["explain"]:
        screen.write([], explain.scaling(scaling, left or {}), page=False)
        return
    saved = values.get("save_stats")
    with ExitStack() as stack:
        stream = stack.enter_context(output(values["output"], inputs=[source]))
        sidecar = stack.enter_context(output(saved, inputs=[source])) if saved else None
        with run.bar("restoring" if job.inverse else "scaling") as bar:
            scaling.summary = bar.summary
            bar.begin(source, table)
            scaling.run(stream, opt.engine_of(values))
        if sidecar is not None:
            sidecar.write(dumps(scaling.statistics()))
    scaling.summary.left.update(left or {})
    run.report(scaling.summary, "restored" if job.inverse else "scaled")
