"""A run as people see it: a bar while it lasts, a report when it is done."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from normcli.cli.options import Values, refuse_unused_options
from normcli.engines.memory import keep_freed_memory
from normcli.methods.spelling import refuse_unknown_names

if TYPE_CHECKING:
    from normcli.pipeline import Scaling
    from normcli.pipeline.summary import Summary
    from normcli.storage.sources import Source
    from normcli.views.progress import Bar


class Run:
    """The run of one command on some sources, from now on.

    prints: what it writes to stdout besides tables and statistics, in words.
    """

    def __init__(self, values: Values, sources: Sequence[Source], prints: str = "") -> None:
        self._values, self._sources = values, sources
        self._started = time.monotonic()
        self._bar: Bar | None = None
        keep_freed_memory()
        refuse_unused_options(values, sources)
        if not values["explain"]:
            self._refuse_targets(prints)

    def _refuse_targets(self, prints: str) -> None:
        """Raise NormcliError for what cannot be written, before anything is read."""
        from normcli.storage.outputs import refuse_replacing, refuse_targets

        options = ("output", "save_stats", "json_summary")
        given = {f"--{o.replace('_', '-')}": self._values.get(o) for o in options}
        targets = {option: target for option, target in given.items() if target is not None}
        refuse_targets({prints: "-", **targets} if prints else targets)
        if "to" in self._values:
            targets.pop("--output", None)  # gets a table, and may be what is read
        refuse_replacing(targets, self._sources)

    def explains(self, scaling: Scaling, left: Mapping[str, str]) -> bool:
        """With --explain, print what would be done to each column, and say so.

        left: column -> why it is left alone, where that is known.

        Raises: UsageError where a method names a column that is not scaled.
        """
        columns = [plan.name for plan in scaling.plans]
        for method in scaling.job.methods.all():
            refuse_unknown_names(method, columns)
        if self._values["explain"]:
            from normcli.views import explain, screen

            screen.write(explain.scaling(scaling, left))
        return bool(self._values["explain"])

    def refuse_changed(self) -> None:
        """Raise NormcliError where a file is not what it was when the run began."""
        for source in self._sources:
            source.refuse_changed_file()

    def bar(self, verb: str) -> Bar:
        """A bar for one pass over the sources."""
        from normcli.views.progress import Bar

        self._bar = Bar(verb, self._sources, hidden=not self._shows_progress())
        return self._bar

    def tick(self) -> None:
        """Let time pass for the bar, while others do the work."""
        if self._bar is not None:
            self._bar.tick()

    def note(self, words: str) -> AbstractContextManager[None]:
        """`words` on the terminal, for what no bar can tell how far it is."""
        from normcli.views.progress import note

        return note(words, hidden=not self._shows_progress())

    def _shows_progress(self) -> bool:
        from normcli.views.progress import is_wanted

        return is_wanted(self._values["quiet"], self._values.get("output"))

    def report(
        self, summary: Summary, verb: str, before: Iterable[str] = (), after: Iterable[str] = ()
    ) -> None:
        """Tell on stderr what was done, and in --json-summary."""
        from normcli.views import report

        self.finish(summary)
        if not self._values["quiet"]:
            lines = report.lines(summary, verb, verbose=self._values["verbose"])
            report.say([*before, *lines, *after])

    def finish(self, summary: Summary) -> None:
        """Take the time, and write --json-summary."""
        from normcli.storage.outputs import write_atomic
        from normcli.views import report

        summary.seconds = time.monotonic() - self._started
        sizes = [source.size or source.position() for source in self._sources]
        summary.bytes = sum(sizes)
        if path := self._values["json_summary"]:
            document = json.dumps(report.as_json(summary), ensure_ascii=False, indent=2)
            write_atomic(path, f"{document}\n".encode(errors="backslashreplace"))
