"""One case, which is a job on a table: every tool in turn, in every round."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.cases import TOOLS, Job, Task, Tool
from benchmarks.check import Sample, compare, wrote
from benchmarks.measure import Run, RunError, run
from benchmarks.tables import RECIPE, Table

NO_TABLE = ("--help", "fit", "fit-robust", "fit-quantile", "fit-yeojohnson")  # is written


@dataclass
class Measured:
    """What a tool took: timed runs, and from another run the peak of memory, in bytes.

    wrote: the codecs and the size of a Parquet file.
    """

    runs: list[Run] = field(default_factory=list)
    peak: int | None = None
    failure: str = ""
    wrote: str = ""

    @property
    def wall(self) -> float:
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(run.cpu for run in self.runs)


@dataclass
class Case:
    table: Table
    job: Job
    size: int  # bytes of the table's file
    tools: dict[str, Measured] = field(default_factory=dict)

    def ratios(self, tool: str, other: str) -> list[float]:
        """Wall time of `tool` over that of `other`, round by round."""
        pairs = zip(self.tools[tool].runs, self.tools[other].runs, strict=False)
        return [a.wall / b.wall for a, b in pairs]

    @property
    def fastest_peer(self) -> str | None:
        """The peer with the smallest median of wall times."""
        peers = {name: m.wall for name, m in self.tools.items() if m.runs and TOOLS[name].peer}
        return min(peers, key=peers.__getitem__, default=None)


@dataclass
class Bench:
    """folder: where tables and results lie. slow: seconds; a tool whose run took longer is run
    in two timed rounds only.
    """

    folder: Path
    rounds: int
    slow: float
    say: Callable[[str], None]
    expected: Sample | None = None  # of the case under way

    def measure(self, table: Table, job: Job, tools: Sequence[Tool]) -> Case:
        """Round 0 warms the caches, looks at memory, checks the results; the others count."""
        case = Case(table, job, table.file(self.folder, job.source).stat().st_size)
        self.expected = None
        tasks = {tool.name: self._task(table, job, tool) for tool in tools}
        case.tools = {tool.name: Measured() for tool in tools}
        for tool in tools:
            with self._noting(tool, case.tools[tool.name]):
                self._prepare(table, job, tool, tasks[tool.name])
        for number in range(self.rounds + 1):
            for tool in tools:
                measured = case.tools[tool.name]
                if not measured.failure and not self._enough(measured, number):
                    with self._noting(tool, measured):
                        self._one(job, tool, tasks[tool.name], measured, first=number == 0)
        return case

    @contextlib.contextmanager
    def _noting(self, tool: Tool, measured: Measured) -> Iterator[None]:
        """A tool that fails is out; the others go on."""
        try:
            yield
        except RunError as error:
            measured.failure = f"failed: {error}"
            self.say(f"  {tool.name}: {measured.failure}")

    def _enough(self, measured: Measured, number: int) -> bool:
        return number > 2 and measured.runs[0].wall > self.slow

    def _one(self, job: Job, tool: Tool, task: Task, measured: Measured, *, first: bool) -> None:
        target = Path(task.target)
        try:
            done = self._run(job, tool, task, memory=first)
            if first and job.verb not in NO_TABLE and not tool.own_text:
                self._check(target)
                measured.wrote = wrote(target)
        finally:
            target.unlink(missing_ok=True)  # unwritten pages of it would slow the next tool
        if first:
            measured.peak = done.peak
        else:
            measured.runs.append(done)
        self.say(f"  {tool.name}: {done.wall:.2f} s" + " (with a look at memory)" * first)

    def _check(self, target: Path) -> None:
        """Raise RunError unless the result is that of the first tool of the case."""
        found = Sample.of(target)
        self.expected = self.expected or found
        compare(self.expected, found)

    def _run(self, job: Job, tool: Tool, task: Task, *, memory: bool = False) -> Run:
        if job.pipe:
            ends = Path(task.source), Path(task.target)
            return run(tool.command(replace(task, source="-", target="-")), ends, memory=memory)
        return run(tool.command(task), output=self._stdout(tool, task), memory=memory)

    def _stdout(self, tool: Tool, task: Task) -> Path | None:
        return Path(task.target) if tool.own_text else None

    def _task(self, table: Table, job: Job, tool: Tool) -> Task:
        source = table.file(self.folder, ".svm" if tool.own_text else job.source)
        if job.verb == "inverse":
            source = self._scaled(table)
        stem = tool.name.replace(" ", "")
        target = self.folder / f"out-{stem}{job.target}"
        stats = self.folder / f"{table.name}-{stem}.stats.json"
        return Task(job.verb, str(source), str(target), str(stats))

    def _prepare(self, table: Table, job: Job, tool: Tool, task: Task) -> None:
        """Make the statistics that the task needs, by the tool itself."""
        if job.verb in ("transform", "inverse"):
            source = task.source if tool.own_text else str(table.file(self.folder, job.source))
            fit = replace(task, verb="fit", source=source)
            run(tool.command(fit), output=self._stdout(tool, task))

    def _scaled(self, table: Table) -> Path:
        """The table, scaled by normcli."""
        path = self.folder / f"{table.name}-{RECIPE}-scaled.csv"
        if not path.exists():
            source = str(table.file(self.folder, ".csv"))
            run(TOOLS["normcli"].command(Task("fit-transform", source, str(path), "")))
        return path
