"""Commands that work on fragments: on a Dask cluster, or to a directory of parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from normcli.cli import options as opt
from normcli.errors import UsageError

if TYPE_CHECKING:
    from normcli.cli.run import Run
    from normcli.engines.dask import Dask
    from normcli.engines.fragments import Fragment
    from normcli.formats.base import ReadOptions
    from normcli.methods.spelling import Asked
    from normcli.pipeline import Job
    from normcli.pipeline.summary import Summary
    from normcli.sidecar.model import Statistics
    from normcli.storage.sources import Source


BESIDE_PARTS = ("stats", "save_stats", "json_summary")  # options that name other files


def are_wanted(values: opt.Values, inputs: Sequence[str]) -> bool:
    """Is the work to be done by fragments? Raises UsageError where that makes no sense."""
    dask, directory = values["engine"] == "dask", values.get("output_dir")
    if directory == "":
        raise UsageError("--output-dir names no directory")
    if values["scheduler"] is not None and not dask:
        raise UsageError("--scheduler is that of a Dask cluster: add --engine dask")
    if values["scheduler"] is not None and values["jobs"]:
        raise UsageError("--jobs are processes started here; --scheduler has workers of its own")
    if dask and "output_dir" in values and not directory:
        raise UsageError("--engine dask writes a directory of parts: name it with --output-dir")
    if not (dask or directory):
        if values["fragment_bytes"]:
            raise UsageError("--fragment-bytes goes with --engine dask or --output-dir")
        return False
    if directory:
        _take_output_dir(values)
    if "-" in inputs:
        raise UsageError("stdin (-) cannot be cut in fragments: name a file, or save it to one")
    return True


def _take_output_dir(values: opt.Values) -> None:
    """--output-dir is instead of --output, which then is none."""
    given = click.get_current_context().get_parameter_source("output")
    if given is ParameterSource.COMMANDLINE:
        raise UsageError("--output and --output-dir say two things; give one of them")
    values["output"] = None


def refuse_training(asked: Asked) -> None:
    """Raise UsageError for a method whose batches are counted over the whole input."""
    if any(method.batching() for method in asked.all()):
        raise UsageError(
            "batches are counted over all rows of the input, which fragments would cut anywhere\n"
            "Leave out --engine and --output-dir, or use the statistics of a fit: --mode predict"
        )


@contextmanager
def dask_of(values: opt.Values, run: Run) -> Iterator[Dask | None]:
    """The cluster that was asked for, or None."""
    if values["engine"] != "dask":
        yield None
        return
    from normcli.engines.dask import dask

    with ExitStack() as stack:
        with run.note("waiting for Dask"):
            cluster = dask(values["scheduler"], opt.jobs_of(values), run.tick)
            engine = stack.enter_context(cluster)
        yield engine


def sources(input_: str, values: opt.Values) -> list[Source]:
    """All files that an input is; raises UsageError where one lies where the parts will be."""
    from normcli.storage.parts import refuse_inputs_in, refuse_names_of_parts
    from normcli.storage.sources import sources as found_sources

    found = found_sources([input_])
    refuse_inputs_in(values["output_dir"], [source.location for source in found])
    others = {f"--{o.replace('_', '-')}": values.get(o) for o in BESIDE_PARTS}
    refuse_names_of_parts(values["output_dir"], {o: name for o, name in others.items() if name})
    return found


def cut(
    found: Sequence[Source], read: ReadOptions, values: opt.Values, run: Run, dask: Dask | None
) -> list[Fragment]:
    """The fragments of the inputs."""
    from normcli.engines.fragments import SIZE, fragments

    size, engine = values["fragment_bytes"] or SIZE, dask or opt.engine_of(values)
    with run.bar("cutting") as bar:
        return fragments(found, read, values["from_"], size, engine, bar.advance_to)


def fit(
    fragments: Sequence[Fragment], asked: Asked, values: opt.Values, run: Run, dask: Dask
) -> tuple[Statistics, Summary]:
    """The statistics of all fragments, which the workers of a cluster look at."""
    from normcli.pipeline.fragmented import fit_fragments

    choice = opt.choice_of(values)
    with run.bar("fitting") as bar:
        statistics = fit_fragments(fragments, choice, asked, dask, bar.summary)
    return statistics, bar.summary


def write_parts(
    fragments: Sequence[Fragment],
    job: Job,
    values: opt.Values,
    run: Run,
    dask: Dask | None,
    left: Mapping[str, str] | None = None,
) -> None:
    """Scale all fragments, each to a part, and report."""
    from normcli.engines.local import Serial
    from normcli.formats import output_format
    from normcli.pipeline.fragmented import ScaleToPart, scale_fragments
    from normcli.sidecar.write import dumps
    from normcli.storage.outputs import output
    from normcli.storage.parts import parts
    from normcli.words import many, name

    format_ = output_format("", fragments[0].open().format, values["to"])
    engine = None if dask else opt.engine_of(values)
    work = ScaleToPart(job, format_.name, engine, same=not values["to"])
    scaling = work.prepare(fragments[0])
    if run.explains(scaling, left or {}):
        return
    saved = values.get("save_stats")
    with ExitStack() as stack:
        sidecar = stack.enter_context(output(saved)) if saved else None
        written = parts(values["output_dir"], format_.suffixes[0], len(fragments))
        targets = stack.enter_context(written)
        with run.bar("restoring" if job.inverse else "scaling") as bar:
            work = replace(work, begin=None if dask else bar.begin)
            seen = scale_fragments(fragments, targets, work, dask or Serial(), bar.summary)
        run.refuse_changed()
        if sidecar is not None and seen is not None:
            sidecar.write(dumps(seen))
    lost = dict.fromkeys(scaling.table.partition, "partition, not in the parts")
    bar.summary.left |= {**(left or {}), **lost}
    saved_in = f"{many(len(fragments), 'part')} saved in {name(values['output_dir'])}"
    run.report(bar.summary, "restored" if job.inverse else "scaled", after=[saved_in])
