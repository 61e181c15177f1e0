"""``normcli fit-transform``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.run import Run
from normcli.cli.scale import one_source, write


@click.command("fit-transform", cls=Command)
@click.argument("input_", default="-", metavar="[INPUT]")
@opt.output_options
@opt.save_option
@mo.method_options(keeps=False)
@opt.column_options
@opt.read_options
@opt.explain_option
@opt.run_options
def command(input_: str, **values: Any) -> None:
    """Compute the statistics of a table and scale it by them.

    \b
    normcli fit-transform data.csv -o scaled.csv --save-stats data.stats.json
    normcli fit-transform data.parquet --method minmax --range -1 1 -o scaled.parquet
    cat data.csv | normcli fit-transform > scaled.csv

    Reads the input twice; a pipe is kept in a temporary file for that.
    """
    from normcli.formats import open_table
    from normcli.pipeline import Job, fit

    method, own = mo.methods_of(values)
    method = method.with_statistics(False)
    own = {name: each.with_statistics(False) for name, each in own.items()}
    choice = opt.choice_of(values)
    source = one_source(input_)
    run = Run(values, [source])
    table = open_table(source, opt.read_options_of(values), values["from_"])
    mo.refuse_absent_columns(table, choice, method, own)
    source.spooled()
    with run.bar("fitting") as bar:
        tables = [bar.begin(source, table)]
        statistics, seen = fit(tables, choice, method, own, opt.engine_of(values), bar.summary)
    chosen = replace(choice, select=tuple(statistics.columns), exclude=())
    style, saves = opt.style_of(values), bool(values["save_stats"])
    job = Job(method, own, statistics, choice=chosen, style=style, observes=saves)
    write(table, source, job, values, run, left=seen.left)
