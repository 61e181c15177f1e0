"""Statistics of the inputs: what `fit` does, and `fit-transform` does first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from normcli import pipeline
from normcli.cli import method_options as mo
from normcli.cli.request import Request
from normcli.cli.run import Run
from normcli.formats.base import Table
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import dumps
from normcli.storage.outputs import output
from normcli.storage.sources import sources
from normcli.views import report
from normcli.words import name


def fit(request: Request, target: str) -> None:
    """Fit all inputs, save their statistics and report."""
    found = sources(request.inputs)
    run, asked = Run(request, found, {"--output": target}), mo.methods_of(request.methods)
    if request.reporting.explain:
        from normcli.views import explain, screen

        statistics, summary = _fitted(run, asked)
        screen.write([], explain.fit(statistics, summary.left), page=False)
        return
    with output(target, inputs=found) as stream:
        statistics, summary = _fitted(run, asked)
        stream.write(dumps(statistics))
    saved = [f"saved in {name(target)}"] if target != "-" else []
    columns = report.table(statistics, verbose=request.reporting.verbose)
    run.report(summary, "fitted", columns, saved)


def _fitted(run: Run, asked: mo.Asked) -> tuple[Statistics, Summary]:
    if not run.request.is_cut:
        return fit_tables(run, asked, opened(run, asked))
    from normcli.cli import fragments

    return fragments.fit(run, asked)


def opened(run: Run, asked: mo.Asked) -> Iterator[Table]:
    """The sources as tables; raises UsageError where the first lacks a column that is named."""
    for i, source in enumerate(run.sources):
        table = run.request.reading.open(source)
        if i == 0:  # the others need the same columns
            mo.refuse_absent_columns(table, run.request.choice, *asked)
        yield table


def fit_tables(run: Run, asked: mo.Asked, tables: Iterable[Table]) -> tuple[Statistics, Summary]:
    """The statistics of the tables that the sources are."""
    request = run.request
    with run.bar("fitting") as bar:
        begun = (bar.begin(*each) for each in zip(run.sources, tables, strict=True))
        engine = request.work.engine()
        statistics, summary = pipeline.fit(begun, request.choice, *asked, engine, bar.summary)
    mo.refuse_unknown_columns(asked[0], statistics.columns)
    return statistics, summary
