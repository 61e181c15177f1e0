"""Commands that work on fragments: on a Dask cluster, or to a directory of parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from normcli.cli import method_options as mo
from normcli.cli.request import Request
from normcli.cli.run import Run
from normcli.errors import UsageError

if TYPE_CHECKING:
    from normcli.engines.dask import Dask
    from normcli.engines.fragments import Fragment
    from normcli.formats.base import ReadOptions
    from normcli.methods.base import Method
    from normcli.pipeline import Job
    from normcli.pipeline.summary import Summary
    from normcli.sidecar.model import Statistics
    from normcli.storage.sources import Source


def refuse_training(method: Method, own: Mapping[str, Method]) -> None:
    """Raise UsageError for a method whose batches are counted over the whole input."""
    if any(each.batching() for each in (method, *own.values())):
        raise UsageError(
            "batches are counted over all rows of the input, and fragments would cut them\n"
            "Leave out --engine and --output-dir, or use the statistics of a fit: --mode predict"
        )


def refuse_files_in_directory(request: Request, found: Sequence[Source]) -> None:
    """Raise UsageError where parts would replace an input, or another file of the command."""
    from normcli.storage.parts import refuse_inputs_in, refuse_names_of_parts

    directory = request.writing.directory
    refuse_inputs_in(directory, [source.location for source in found])
    others = {
        "--stats": request.stats,
        "--save-stats": request.writing.saves,
        "--json-summary": request.telling.json_summary,
    }
    refuse_names_of_parts(directory, {option: name for option, name in others.items() if name})


@contextmanager
def cluster(run: Run) -> Iterator[Dask | None]:
    """The Dask cluster that was asked for, or None."""
    work = run.request.work
    if not work.dask:
        yield None
        return
    from normcli.engines.dask import dask

    with ExitStack() as stack:
        with run.note("waiting for Dask"):
            engine = stack.enter_context(dask(work.scheduler, work.jobs, run.tick))
        yield engine


def cut(run: Run, dask: Dask | None, options: ReadOptions) -> list[Fragment]:
    """The fragments of the sources."""
    from normcli.engines.fragments import SIZE, fragments

    work, format_ = run.request.work, run.request.reading.format
    size, engine = work.fragment_bytes or SIZE, dask or work.engine()
    with run.bar("cutting") as bar:
        return fragments(run.sources, options, format_, size, engine, bar.advance_to)


def fit(
    run: Run, asked: mo.Asked, fragments: Sequence[Fragment], dask: Dask
) -> tuple[Statistics, Summary]:
    """The statistics of all fragments, which the workers of a cluster read."""
    from normcli.pipeline.fragmented import Observe, fit_fragments

    choice, first = run.request.choice, fragments[0].open()
    mo.refuse_absent_columns(first, choice, *asked)
    work = Observe.of(first, choice)
    with run.bar("fitting") as bar:
        statistics = fit_fragments(fragments, work, *asked, dask, bar.summary)
    return statistics, bar.summary


def scale(run: Run, job: Job) -> None:
    """Scale all sources to a directory of parts."""
    from normcli.pipeline.files import options_for_parts

    options = options_for_parts(job, run.sources, run.request.reading, run.request.writing)
    with cluster(run) as dask:
        write(run, job, cut(run, dask, options), dask)


def write(
    run: Run,
    job: Job,
    fragments: Sequence[Fragment],
    dask: Dask | None,
    left: Mapping[str, str] | None = None,
) -> None:
    """Scale all fragments, each to a part, and report."""
    from normcli.engines.local import Serial
    from normcli.pipeline.fragmented import ScaleToPart, scale_fragments
    from normcli.sidecar.write import dumps
    from normcli.storage.outputs import output
    from normcli.storage.parts import parts
    from normcli.words import many, name

    writing, engine = run.request.writing, None if dask else run.request.work.engine()
    work, scaling = ScaleToPart.beginning(fragments[0], job, writing.format, engine)
    if run.explains(scaling, left or {}):
        return
    with ExitStack() as stack:
        sidecar = stack.enter_context(output(writing.saves)) if writing.saves else None
        written = parts(writing.directory, scaling.format.suffixes[0], len(fragments))
        targets = stack.enter_context(written)
        with run.bar("restoring" if job.inverse else "scaling") as bar:
            work = replace(work, begin=None if dask else bar.begin)
            seen = scale_fragments(fragments, targets, work, dask or Serial(), bar.summary)
        for source in run.sources:
            source.refuse_changed_file()
        if sidecar is not None and seen is not None:
            sidecar.write(dumps(seen))
    lost = dict.fromkeys(scaling.table.partition, "partition, not in the parts")
    bar.summary.left |= {**(left or {}), **lost}
    saved_in = f"{many(len(fragments), 'part')} saved in {name(writing.directory)}"
    run.report(bar.summary, "restored" if job.inverse else "scaled", after=[saved_in])
