"""Statistics of the inputs: what `fit` does, and `fit-transform` does first."""

from __future__ import annotations

from collections.abc import Iterator

from normcli.cli import method_options as mo
from normcli.cli.request import Request
from normcli.cli.run import Run
from normcli.errors import UsageError
from normcli.formats.base import Table
from normcli.methods.spelling import Asked
from normcli.pipeline import fitting
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import dumps, fits_json, is_parquet
from normcli.storage.outputs import output
from normcli.storage.sources import Source, sources
from normcli.storage.stores import is_uri
from normcli.views import report
from normcli.words import name


def fit(request: Request, target: str, *, default: bool = False) -> None:
    """Fit all inputs, save their statistics and report.

    default: nobody asked for that target, so many groups go to a Parquet file beside it.
    """
    found = inputs_of(request)
    request = request if default or is_parquet(target) else request.for_json()
    run, asked = Run(request, found, {"--output": target}), mo.methods_of(request.methods)
    fitting.refuse_roles(request.choice.roles, asked)
    if request.reporting.explain:
        from normcli.views import explain, screen

        statistics, summary = fitted(run, asked)
        screen.write(explain.fit(statistics, summary.left))
        return
    if default and request.choice.roles.by:
        statistics, summary = fitted(run, asked)
        target = target if fits_json(statistics) else f"{target.removesuffix('json')}parquet"
        with output(target, inputs=found) as stream:
            stream.write(dumps(statistics, target))
    else:
        with output(target, inputs=found) as stream:
            statistics, summary = fitted(run, asked)
            stream.write(dumps(statistics, target))
    many_groups = default and is_parquet(target)
    why = ", because JSON does not hold so many groups" if many_groups else ""
    saved = [f"saved in {name(target)}{why}"] if target != "-" else []
    columns = report.table(statistics, verbose=request.reporting.verbose)
    again = report.scaled_already(statistics, statistics.columns)
    run.report(summary, "fitted", columns, saved + again)


def inputs_of(request: Request) -> list[Source]:
    """The inputs; raises UsageError where one is there twice."""
    found = sources(request.inputs)
    known: dict[object, Source] = {}
    for source in found:
        place = source.name if is_uri(source.name) else source.identity
        first = known.setdefault(place, source)
        if first is not source:
            raise UsageError(
                f"{first.name} and {source.name} are one file, whose rows would count twice"
                if first.name != source.name
                else f"{source.name} is given twice; its rows would count twice"
            )
    return found


def fitted(run: Run, asked: Asked) -> tuple[Statistics, Summary]:
    """The statistics of the sources of a run, with a bar."""
    if not run.request.is_cut:
        return fit_tables(run, asked)
    from normcli.cli import fragments

    return fragments.fit(run, asked)


def fit_tables(run: Run, asked: Asked, first: Table | None = None) -> tuple[Statistics, Summary]:
    """The statistics of the tables that the sources are; `first`: the one that is open already."""
    request = run.request

    def opened() -> Iterator[Table]:
        for source in run.sources:
            table = request.reading.open(source) if first is None else first
            yield bar.begin(source, table)

    if asked.passes > 1:
        for source in run.sources:
            source.spooled()
    once = any(source.size is None for source in run.sources)
    with run.bar("fitting") as bar:
        engine, tables = request.work.engine(), fitting.Tables(opened)
        return fitting.fit(tables, request.choice, asked, engine, bar.summary, once=once)
