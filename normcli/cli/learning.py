"""What `learn` does: gamma for the columns of tables, as a JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from normcli.cli.request import Request
from normcli.cli.run import Run
from normcli.errors import UsageError
from normcli.formats.base import Table
from normcli.pipeline import learning
from normcli.pipeline.learning import Learned, Lesson, TextTargetError
from normcli.pipeline.summary import Summary
from normcli.storage.outputs import output
from normcli.storage.sources import sources
from normcli.views import report
from normcli.words import grouped, listed, many, name, printable


def learn(request: Request, target: str, column: str, *, l2: float, classes: bool) -> None:
    """Learn gamma from a column, write it to the target and report."""
    statistics = request.statistics()
    if statistics is None:
        raise UsageError(
            "learn needs --stats, a file that fit writes: normcli fit train.csv -o s.json"
        )
    request = request.with_marks_of(statistics)
    found = sources(request.inputs)
    run = Run(request, found, {"--output": target})
    lesson = Lesson(statistics, column, l2, classes, request.choice)
    if not classes:  # then all may have to be read once more
        for source in found:
            source.spooled()
    if request.reporting.explain:
        _explain(run, lesson)
        return
    with output(target, inputs=found) as stream:
        try:
            learned, summary = _learned(run, lesson)
        except TextTargetError:
            learned, summary = _learned(run, replace(lesson, classes=True))
        document = json.dumps(learned.gamma, ensure_ascii=False, indent=2)
        stream.write(f"{document}\n".encode())
    summary.dropped_rows = learned.left
    run.finish(summary)
    if not request.reporting.quiet:
        saved = [f"saved in {name(target)}"] if target != "-" else []
        read = report.inputs(summary) if request.reporting.verbose else ()
        report.say([*read, *_lines(learned, column, summary), *saved])


def _learned(run: Run, lesson: Lesson) -> tuple[Learned, Summary]:
    request = run.request
    with run.bar("learning") as bar:

        def opened() -> Iterator[Table]:
            for source in run.sources:
                yield bar.begin(source, request.reading.open(source))

        options, engine = request.reading.options, request.work.engine()
        return learning.learn(opened(), lesson, options, engine, bar.summary), bar.summary


def _explain(run: Run, lesson: Lesson) -> None:
    reading = run.request.reading
    table = reading.open(run.sources[0])
    run.explains(learning.prepare(table, replace(lesson, classes=True), reading.options), {})


def _lines(learned: Learned, column: str, summary: Summary) -> Iterator[str]:
    classes = "" if learned.classes is None else f"{grouped(learned.classes)} classes of "
    columns = many(len(learned.gamma), "column")
    rows = f"{many(summary.rows, 'row')} in {summary.seconds:.2f} s"
    yield f"{rows}, learned gamma of {columns} from {classes}{printable(column)}"
    if learned.left:
        yield f"{many(learned.left, 'row')} left out: a cell is missing"
    if summary.constant:
        yield f"constant, so gamma is 0: {listed([name(n) for n in summary.constant])}"
    yield from report.skipped(summary)
