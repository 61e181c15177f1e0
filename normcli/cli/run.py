"""A run as people see it: a bar while it lasts, a report when it is done."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from normcli.cli.request import Request
from normcli.engines.memory import keep_freed_memory
from normcli.formats import (
    format_named,
    format_of_suffix,
    input_format,
    refuse_text_options,
    refuse_unused_options,
)
from normcli.methods.spelling import refuse_unknown_names
from normcli.pipeline.scaling import Scaling
from normcli.pipeline.summary import Summary
from normcli.storage.outputs import refuse_replacing, refuse_targets, write_atomic
from normcli.storage.sources import Source, source
from normcli.views import progress, report


class Run:
    """The run of a request, from now on.

    sources: the inputs. targets: option -> what it writes to, or None.
    table: is the --output a table? It may then replace an input.
    """

    def __init__(
        self,
        request: Request,
        sources: Sequence[Source],
        targets: Mapping[str, str | None],
        *,
        table: bool = False,
    ) -> None:
        self.request, self.sources = request, sources
        self._reporting, self._output = request.reporting, targets.get("--output")
        self._started = time.monotonic()
        self._bar: progress.Bar | None = None
        keep_freed_memory()
        self._refuse_unused_options(table)
        if not self._reporting.explain:
            self._refuse({**targets, "--json-summary": self._reporting.json_summary}, table)

    def _refuse(self, targets: Mapping[str, str | None], table: bool) -> None:
        """Raise NormcliError for what cannot be written, before anything is read."""
        given = {option: target for option, target in targets.items() if target is not None}
        refuse_targets(given)
        if self.request.stats:
            refuse_replacing(given, [source(self.request.stats)], "statistics")
        if table:
            given.pop("--output", None)
        refuse_replacing(given, self.sources)

    def _refuse_unused_options(self, table: bool) -> None:
        """Raise UsageError for an option that the formats of input and output do not have."""
        reading, writing, output = self.request.reading, self.request.writing, None
        if table and writing.format:
            output = format_named(writing.format)
        elif table:
            output = format_of_suffix(writing.suffix)
        refuse_unused_options(reading.options.given, self.sources, reading.format, output)
        self._refuse_text_options(table)

    def _refuse_text_options(self, table: bool) -> None:
        """Raise UsageError for what only text has, where inputs or output are typed."""
        reading, writing = self.request.reading, self.request.writing
        options, precision = reading.options, writing.style.precision if table else None
        asked = "skip" if options.skip_bad_rows else "keep" if options.keep_bad_rows else None
        if (asked or precision) and reading.format != "sidecar":
            read = [input_format(source, reading.format) for source in self.sources]
            text = next((each for each in read if not each.typed), read[0])
            refuse_text_options(asked, precision, text, writing.format_for(read[0].name))

    def explains(self, scaling: Scaling, left: Mapping[str, str]) -> bool:
        """With --explain, print what would be done to each column, and return True.

        left: column -> why it is left alone, where that is known.

        Raises: UsageError where a method names a column that is not scaled.
        """
        columns = [plan.name for plan in scaling.plans]
        for method in scaling.job.asked.all():
            refuse_unknown_names(method, columns)
        if self._reporting.explain:
            from normcli.views import explain, screen

            screen.write(explain.scaling(scaling, left))
        return self._reporting.explain

    def bar(self, verb: str) -> progress.Bar:
        """A bar for one pass over the sources."""
        self._bar = progress.Bar(verb, self.sources, hidden=not self._shows_progress())
        return self._bar

    def tick(self) -> None:
        """Let time pass for the bar, while others do the work."""
        if self._bar is not None:
            self._bar.tick()

    def note(self, words: str) -> AbstractContextManager[None]:
        """`words` on the terminal, for work whose progress no bar can show."""
        return progress.note(words, hidden=not self._shows_progress())

    def _shows_progress(self) -> bool:
        return progress.is_wanted(self._reporting.quiet, self._output)

    def report(
        self, summary: Summary, verb: str, before: Iterable[str] = (), after: Iterable[str] = ()
    ) -> None:
        """Report on stderr what was done, and in --json-summary."""
        self.finish(summary)
        if not self._reporting.quiet:
            lines = report.lines(summary, verb, verbose=self._reporting.verbose)
            report.say([*self._reporting.notes, *before, *lines, *after])

    def say_notes(self) -> None:
        """Report what has to be known of the options, where nothing else is reported."""
        if self._reporting.notes and not self._reporting.quiet:
            report.say(self._reporting.notes)

    def finish(self, summary: Summary) -> None:
        """Take the time, and write --json-summary."""
        summary.seconds = time.monotonic() - self._started
        summary.bytes = sum(source.size or source.position() for source in self.sources)
        if path := self._reporting.json_summary:
            document = json.dumps(report.as_json(summary), ensure_ascii=False, indent=2)
            write_atomic(path, f"{document}\n".encode(errors="backslashreplace"))
