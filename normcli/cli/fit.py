"""``normcli fit``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from normcli.cli import fragments as by_fragments
from normcli.cli import method_options as mo
from normcli.cli import options as opt
from normcli.cli.command import Command
from normcli.cli.request import request_of
from normcli.cli.run import Run

if TYPE_CHECKING:
    from normcli.formats.base import Table
    from normcli.pipeline.summary import Summary
    from normcli.sidecar.model import Statistics


@click.command("fit", cls=Command)
@opt.inputs_argument()
@opt.output_file("FILE.stats.json beside a single file, else stdout")
@mo.method_options(fits=True, keeps=False)
@opt.data_options
@opt.engine_options
def command(output: str | None, **values: Any) -> None:
    """Compute and save statistics of the numeric columns.

    \b
    normcli fit train.csv               # writes train.stats.json
    zcat train.csv.gz | normcli fit -o s.json
    normcli fit 'part-*.parquet' -o s.json --method minmax --range -1 1

    Reads all inputs once: files, globs, directories of parts, or stdin. One fit serves every
    method: transform uses the method given here, unless it is given another.
    """
    from normcli.sidecar.write import dumps
    from normcli.storage import outputs
    from normcli.storage.sources import sources
    from normcli.views import explain, report, screen
    from normcli.words import name

    request = request_of(values)
    found, target = sources(request.inputs), output or _default_output(request.inputs)
    run, asked = Run(request, found, {"--output": target}), mo.methods_of(request.methods)
    fit = _fit_fragments if request.is_cut else fit_sources
    if request.telling.explain:
        statistics, summary = fit(run, asked)
        screen.write([], explain.fit(statistics, summary.left), page=False)
        return
    with outputs.output(target, inputs=found) as stream:
        statistics, summary = fit(run, asked)
        stream.write(dumps(statistics))
    saved = [f"saved in {name(target)}"] if target != "-" else []
    columns = report.table(statistics, verbose=request.telling.verbose)
    run.report(summary, "fitted", columns, saved)


def fit_sources(run: Run, asked: mo.Asked) -> tuple[Statistics, Summary]:
    """The statistics of all sources, by the processes of this machine."""
    return fit_tables(run, asked, opened(run, asked))


def opened(run: Run, asked: mo.Asked) -> Iterator[Table]:
    """The sources as tables; raises UsageError where the first lacks a column that is named."""
    for i, source in enumerate(run.sources):
        table = run.request.reading.open(source)
        if i == 0:  # the others need the same columns
            mo.refuse_absent_columns(table, run.request.choice, *asked)
        yield table


def fit_tables(run: Run, asked: mo.Asked, tables: Iterable[Table]) -> tuple[Statistics, Summary]:
    """The statistics of the tables that the sources are."""
    from normcli.pipeline import fit

    request = run.request
    with run.bar("fitting") as bar:
        begun = (bar.begin(*each) for each in zip(run.sources, tables, strict=True))
        engine = request.work.engine()
        statistics, summary = fit(begun, request.choice, *asked, engine, bar.summary)
    mo.refuse_unknown_columns(asked[0], statistics.columns)
    return statistics, summary


def _fit_fragments(run: Run, asked: mo.Asked) -> tuple[Statistics, Summary]:
    with by_fragments.cluster(run) as dask:
        assert dask, "only a cluster fits fragments"
        fragments = by_fragments.cut(run, dask, run.request.reading.options)
        return by_fragments.fit(run, asked, fragments, dask)


def _default_output(inputs: tuple[str, ...]) -> str:
    """``data.stats.json`` for ``data.csv.gz``; stdout unless there is a single file."""
    from pathlib import Path

    from normcli.storage.sources import split_suffix

    path = Path(inputs[0])
    if len(inputs) > 1 or inputs[0] == "-" or not path.is_file():
        return "-"
    suffix, compression = split_suffix(path.name)
    stem = path.with_suffix("") if compression else path
    return str(stem.with_suffix("") if suffix else stem) + ".stats.json"
