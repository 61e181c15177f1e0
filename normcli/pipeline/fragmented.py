"""The verbs over fragments: each is one piece of work, for any process that can open it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from normcli.engines.fragments import Fragment
from normcli.engines.local import Engine
from normcli.errors import UsageError
from normcli.formats import format_named
from normcli.formats.base import Table
from normcli.methods.spelling import Asked
from normcli.pipeline.choice import Choice
from normcli.pipeline.collect import Found
from normcli.pipeline.fitting import Wanted, fitted, observe
from normcli.pipeline.scaling import Job, Scaling
from normcli.pipeline.summary import Summary
from normcli.sidecar.model import Statistics
from normcli.storage.outputs import output
from normcli.storage.sources import Source

# Called when a table is begun, with the summary that counts its rows: see `Bar.begin`.
Begin = Callable[[Source, Table, Summary], object]


def observe_fragment(choice: Choice, wanted: Wanted, fragment: Fragment) -> tuple[Found, Summary]:
    """What the columns of a fragment hold, and what was counted."""
    table, summary = _opened(fragment)
    return observe([table], wanted, choice, summary), summary


def fit_fragments(
    fragments: Sequence[Fragment], choice: Choice, asked: Asked, engine: Engine, summary: Summary
) -> Statistics:
    """The statistics of all fragments: the same as `fit` gives for the whole tables."""
    wanted = Wanted.of(fragments[0].open(), choice, asked)

    def observed(wanted: Wanted, summary: Summary) -> Found:
        found = Found.nothing(wanted.needs)
        with closing(engine.map(partial(observe_fragment, choice, wanted), fragments)) as results:
            for part, seen in results:
                found.join(part)
                choice.roles.refuse_many(found.groups, len(wanted.alive(found)))
                summary.add(seen)
        return found

    found = observed(wanted, summary)
    return fitted(wanted, found, asked, choice, summary, lambda more: observed(more, Summary()))


@dataclass(frozen=True)
class ScaleToPart:
    """Work: a fragment and the file that gets its rows -> what was seen and done.

    format: the name of that of the parts.
    engine: for the chunks of a fragment; None: they are worked on one after the other.
    same: an input of another format is refused.
    begin: is called with every table that is begun, where the work is done in this process.
    """

    job: Job
    format: str
    engine: Engine | None = None
    same: bool = False
    begin: Begin | None = None

    def __call__(self, task: tuple[Fragment, str]) -> tuple[Summary, Statistics | None]:
        """Write one part."""
        fragment, target = task
        scaling = self.prepare(fragment)
        with output(target, inputs=[]) as stream:
            scaling.run(stream, self.engine)
        observes = self.job.observes and not self.job.own
        return scaling.summary, scaling.statistics() if observes else None

    @classmethod
    def beginning(
        cls, first: Fragment, job: Job, format_: str | None, engine: Engine | None
    ) -> tuple[ScaleToPart, Scaling]:
        """The work on fragments of which this is the first, and what is done to that one.

        format_: asked for the parts; None: that of the first fragment.
        """
        table, summary = _opened(first)
        work = cls(job, format_ or table.format, engine, same=not format_)
        return work, work._prepared(first, table, summary)

    def prepare(self, fragment: Fragment) -> Scaling:
        """What can be refused before the rows are read has been refused."""
        return self._prepared(fragment, *_opened(fragment, self.begin))

    def _prepared(self, fragment: Fragment, table: Table, summary: Summary) -> Scaling:
        if self.same and table.format != self.format:
            raise UsageError(
                f"{table.name} is {table.format}, and what comes before it is {self.format}: "
                "name one format for all parts with --to"
            )
        scaling = Scaling.prepare(table, self.job, format_named(self.format), fragment.options)
        scaling.summary = summary
        return scaling


def scale_fragments(
    fragments: Sequence[Fragment],
    targets: Sequence[str],
    work: ScaleToPart,
    engine: Engine,
    summary: Summary,
) -> Statistics | None:
    """Write every fragment to its target; the statistics of what was read, if asked for."""
    statistics: Statistics | None = None
    tasks = zip(fragments, targets, strict=True)
    with closing(engine.map(work, tasks)) as results:
        for seen, observed in results:
            summary.add(seen)
            if observed is not None:
                statistics = observed if statistics is None else statistics.merge(observed)
    return statistics


def _opened(fragment: Fragment, begin: Begin | None = None) -> tuple[Table, Summary]:
    """A fragment as a table, and what will count its rows."""
    source = fragment.source()
    table = fragment.table(source)
    summary = Summary(bytes=fragment.bytes)
    if begin is not None:
        begin(source, table, summary)
    return table, summary
