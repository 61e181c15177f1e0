"""``normcli fit-transform``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import fragments as by_fragments
from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.fit import fit_sources
from normcli.cli.run import Run
from normcli.cli.scale import one_source, write

if TYPE_CHECKING:
    from normcli.methods.spelling import Asked
    from normcli.pipeline import Choice, Job
    from normcli.sidecar.model import Statistics


@click.command("fit-transform", cls=Command)
@opt.input_argument
@opt.output_options
@opt.save_option
@mo.method_options(keeps=False)
@opt.column_options
@opt.read_options
@opt.explain_option
@opt.engine_options
@opt.run_options
def command(input_: str, **values: Any) -> None:
    """Compute the statistics of a table and scale it by them.

    \b
    normcli fit-transform data.csv -o scaled.csv --save-stats data.stats.json
    normcli fit-transform data.parquet --method minmax --range -1 1 -o out.parquet
    cat data.csv | normcli fit-transform > scaled.csv

    Reads the input twice; a pipe is kept in a temporary file for that.
    """
    from normcli.formats import open_table
    from normcli.pipeline import fit, refuse_absent

    asked = mo.methods_of(values).with_statistics(False)
    choice = opt.choice_of(values)
    if by_fragments.are_wanted(values, [input_]):
        _by_fragments(input_, asked, choice, values)
        return
    source = one_source(input_)
    run = Run(values, [source])
    table = open_table(source, opt.read_options_of(values), values["from_"])
    refuse_absent(table, choice, asked)
    source.spooled()
    with run.bar("fitting") as bar:
        tables = [bar.begin(source, table)]
        statistics, seen = fit(tables, choice, asked, opt.engine_of(values), bar.summary)
    write(table, source, _job(statistics, asked, choice, values), values, run, seen.left)


def _by_fragments(input_: str, asked: Asked, choice: Choice, values: opt.Values) -> None:
    by_fragments.refuse_training(asked)
    found = by_fragments.sources(input_, values)
    run = Run(values, found)
    with by_fragments.dask_of(values, run) as dask:
        fragments = by_fragments.cut(found, opt.read_options_of(values), values, run, dask)
        statistics, seen = (
            by_fragments.fit(fragments, asked, values, run, dask)
            if dask
            else fit_sources(found, asked, values, run)
        )
        job = _job(statistics, asked, choice, values)
        by_fragments.write_parts(fragments, job, values, run, dask, seen.left)


def _job(statistics: Statistics, asked: Asked, choice: Choice, values: opt.Values) -> Job:
    from normcli.pipeline import Job

    chosen = replace(choice, select=tuple(statistics.columns), exclude=())
    style, saves = opt.style_of(values), bool(values["save_stats"])
    methods = asked.methods(statistics.columns, "the table")
    return Job(methods, statistics, choice=chosen, style=style, observes=saves)
