"""Commands that work on fragments: on a Dask cluster, or to a directory of parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from normcli.cli.fitting import fit_tables
from normcli.cli.run import Run
from normcli.cli.scale import chosen, fitted
from normcli.engines.fragments import SIZE, Fragment, fragments
from normcli.engines.local import Engine, Serial
from normcli.formats import format_named
from normcli.formats.base import ReadOptions
from normcli.methods.spelling import Asked
from normcli.pipeline.files import options_for_parts
from normcli.pipeline.fragmented import ScaleToPart, fit_fragments, scale_fragments
from normcli.pipeline.scaling import Job
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.sidecar.write import dumps
from normcli.storage.outputs import output
from normcli.storage.parts import parts
from normcli.words import many, name


def fit(run: Run, asked: Asked) -> tuple[Statistics, Summary]:
    """The statistics of all sources, by the workers of a cluster."""
    with _cluster(run) as dask:
        return _fit(run, asked, _cut(run, dask, run.request.reading.options), dask)


def scale(run: Run, job: Job) -> None:
    """Scale all sources to a directory of parts."""
    options = options_for_parts(job, run.sources, run.request.reading, run.request.writing)
    with _cluster(run) as dask:
        cut = _cut(run, dask, options)
        job, left = chosen(job, cut[0].open(), lambda asked: _fit(run, asked, cut, dask))
        _write(run, job, cut, dask, left)


def fit_and_scale(run: Run, asked: Asked, job: Job) -> None:
    """Scale all sources to a directory of parts, by their own statistics."""
    with _cluster(run) as dask:
        cut = _cut(run, dask, run.request.reading.options)
        statistics, seen = _fit(run, asked, cut, dask)
        _write(run, fitted(job, statistics), cut, dask, seen.left, seen.unselected_rows)


@contextmanager
def _cluster(run: Run) -> Iterator[Engine | None]:
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


def _cut(run: Run, dask: Engine | None, options: ReadOptions) -> list[Fragment]:
    """The fragments of the sources."""
    work, format_ = run.request.work, run.request.reading.format
    size, engine = work.fragment_bytes or SIZE, dask or work.engine()
    with run.bar("cutting") as bar:
        return fragments(run.sources, options, format_, size, engine, bar.advance_to)


def _fit(
    run: Run, asked: Asked, cut: Sequence[Fragment], dask: Engine | None
) -> tuple[Statistics, Summary]:
    """The statistics of all fragments; without a cluster those of the sources as a whole."""
    if dask is None:
        return fit_tables(run, asked)
    with run.bar("fitting") as bar:
        statistics = fit_fragments(cut, run.request.choice, asked, dask, bar.summary)
    return statistics, bar.summary


def _write(
    run: Run,
    job: Job,
    cut: Sequence[Fragment],
    dask: Engine | None,
    left: Mapping[str, str] | None = None,
    unselected_rows: int = 0,
) -> None:
    """Scale all fragments, each to a part, and report."""
    writing, engine = run.request.writing, None if dask else run.request.work.engine()
    work, scaling = ScaleToPart.beginning(cut[0], job, writing.format, engine)
    if run.explains(scaling, left or {}):
        return
    with ExitStack() as stack:
        sidecar = stack.enter_context(output(writing.saves)) if writing.saves else None
        written = parts(writing.directory, format_named(scaling.format.name).suffixes[0], len(cut))
        targets = stack.enter_context(written)
        with run.bar("restoring" if job.inverse else "scaling") as bar:
            work = replace(work, begin=None if dask else bar.begin)
            seen = scale_fragments(cut, targets, work, dask or Serial(), bar.summary)
            job.refuse_nothing(bar.summary)
        for source in run.sources:
            source.refuse_changed_file()
        seen = job.statistics if job.own else seen
        if sidecar is not None and seen is not None:
            sidecar.write(dumps(seen, writing.saves or ""))
    lost = dict.fromkeys(scaling.table.partition, "partition, not in the parts")
    bar.summary.left |= {**(left or {}), **lost}
    bar.summary.unselected_rows = unselected_rows
    saved_in = f"{many(len(cut), 'part')} saved in {name(writing.directory)}"
    run.report(bar.summary, "restored" if job.inverse else "scaled", after=[saved_in])
