"""``normcli fit-transform``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import fragments as by_fragments
from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.fit import fit_sources, fit_tables, opened
from normcli.cli.request import request_of
from normcli.cli.run import Run
from normcli.cli.scale import begun, job_of, write

if TYPE_CHECKING:
    from normcli.pipeline import Job
    from normcli.sidecar.model import Statistics


@click.command("fit-transform", cls=Command)
@opt.input_argument
@opt.output_options
@opt.save_option
@mo.method_options(keeps=False)
@opt.data_options
@opt.engine_options
def command(**values: Any) -> None:
    """Compute the statistics of a table and scale it with them.

    \b
    normcli fit-transform data.csv -o scaled.csv --save-stats data.stats.json
    normcli fit-transform data.parquet --method minmax --range -1 1 -o out.parquet
    cat data.csv | normcli fit-transform > scaled.csv

    Reads the input twice; a pipe is copied to a temporary file for that.
    """
    request = request_of(values)
    asked = mo.methods_of(request.methods)
    job = job_of(request, asked, None)
    run = begun(request)
    if request.is_cut:
        _by_fragments(run, asked, job)
        return
    table = next(opened(run, asked))
    run.sources[0].spooled()
    statistics, seen = fit_tables(run, asked, [table])
    write(run, table, _fitted(job, statistics), seen.left)


def _by_fragments(run: Run, asked: mo.Asked, job: Job) -> None:
    with by_fragments.cluster(run) as dask:
        fragments = by_fragments.cut(run, dask, run.request.reading.options)
        statistics, seen = (
            by_fragments.fit(run, asked, fragments, dask) if dask else fit_sources(run, asked)
        )
        by_fragments.write(run, _fitted(job, statistics), fragments, dask, seen.left)


def _fitted(job: Job, statistics: Statistics) -> Job:
    """The job with the statistics of its input, for the columns that they have."""
    choice = replace(job.choice, select=tuple(statistics.columns), exclude=())
    return replace(job, statistics=statistics, choice=choice)
