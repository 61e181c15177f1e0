"""The results as Markdown."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import cost as cost_of
from benchmarks.cases import JOBS, TOOLS
from benchmarks.cost import LONG, Cost
from benchmarks.run import Case, Measured
from benchmarks.tables import SIZES, TABLES

MIB = 1 << 20
PACKAGES = ("normcli", "numpy", "pyarrow", "orjson", "polars", "duckdb", "pandas", "scikit-learn")
LIMITS = {  # wall time over that of the fastest peer
    "fit-csv": 1.0,
    "transform-csv": 1.0,
    "fit-transform-csv": 0.7,
    "fit-parquet": 1.0,
    "fit-transform-parquet": 1.0,
}
INTRODUCTION = """\
# Results of the benchmark

Made by `python -m benchmarks`, which runs normcli and its peers (the scripts in
`benchmarks/peers`) in turn, each as a whole process. Wall and CPU seconds are medians over the
rounds; CPU is that of all processes of a run. A ratio is the median of the rounds' own ratios,
with the smallest and the largest. Memory is the peak of the sum of PSS (proportional set size:
a page that n processes share counts 1/n in each, mapped files count as far as they are
resident) over all processes, looked at every 20 ms, in a round of its own that is not timed.
The first 1,000 rows and the number of rows of all results are compared. All write to the same
disk; of these tools, normcli alone waits until its output is on it (fsync).
Where Parquet is written, the codecs and the size of what each tool wrote are told; normcli keeps
the codec of its input.
svm-scale reads and writes its own text of the same numbers (six digits), by min-max.
"""


@dataclass
class Results:
    cases: list[Case] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)

    def add(self, case: Case) -> None:
        """Add a case, in place of an earlier one of the same table and job."""
        same = self.case(case.table.name, case.job.name)
        self.cases = [each for each in self.cases if each is not same]
        self.cases.append(case)
        tables, jobs = list(TABLES), list(JOBS)
        self.cases.sort(key=lambda c: (tables.index(c.table.name), jobs.index(c.job.name)))

    def case(self, table: str, job: str) -> Case | None:
        found = (c for c in self.cases if (c.table.name, c.job.name) == (table, job))
        return next(found, None)

    def measured(self, table: str, job: str, tool: str = "normcli") -> Measured | None:
        """What a tool took, if it has done the job."""
        case = self.case(table, job)
        measured = case.tools.get(tool) if case else None
        return measured if measured and measured.runs else None


def markdown(results: Results) -> str:
    """All results as one document."""
    sections = [INTRODUCTION, machine()]
    rows = list(goals(results))
    if rows:
        sections.append("## Goals\n\n" + table(("what", "goal", "measured", ""), rows))
    if results.costs:
        sections.append(statistics_section(results))
    sections += [case_section(case) for case in results.cases]
    return "\n".join(sections)


def machine() -> str:
    """Cores, memory, versions."""
    versions = ", ".join(f"{name} {v}" for name in PACKAGES if (v := _version(name)))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {memory:.0f} GiB; "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{versions}.\n"
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def spread(ratios: Sequence[float]) -> str:
    """Median, smallest and largest."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


# The cases -----------------------------------------------------------------------------


def case_section(case: Case) -> str:
    """What all tools took for one job."""
    t = case.table
    title = f"## {case.job.name}, table {t.name}"
    about = f"{t.rows:,} rows of {len(t.columns)} columns, {case.size / 1e6:.1f} MB"
    head = ["tool", "rounds", "wall s", "CPU s", "peak MiB", "wall / fastest peer's"]
    if case.job.target == ".parquet":
        head.append("wrote")
    return f"{title}\n\n{about}\n\n" + table(
        head, (_row(case, name)[: len(head)] for name in case.tools)
    )


def _row(case: Case, name: str) -> list[str]:
    measured = case.tools[name]
    shown = name if TOOLS[name].peer else f"**{name}**"
    if not measured.runs:
        return [shown, "0", measured.failure.replace("|", "\\|") or "-", "", "", "", ""]
    ratio = spread(case.ratios(name, case.fastest_peer)) if case.fastest_peer else "-"
    seconds = [f"{measured.wall:.3f}", f"{measured.cpu:.3f}"]
    rounds, peak = str(len(measured.runs)), _mebibytes(measured.peak)
    return [shown, rounds, *seconds, peak, ratio, measured.wrote]


def _mebibytes(peak: int | None) -> str:
    return "unknown" if peak is None else f"{peak / MIB:.0f}"


# The goals -----------------------------------------------------------------------------


def goals(results: Results) -> Iterator[list[str]]:
    """What is aimed at, what was measured, and whether that is enough."""
    for case in results.cases:
        yield from _beside_peers(case)
    yield from _memory(results)
    yield from _jobs(results)
    yield from _start(results)
    yield from _quoted(results)
    yield from _statistics(results)


def _line(what: str, goal: str, measured: str, reached: bool) -> list[str]:
    return [what, goal, measured, "reached" if reached else "**missed**"]


def _beside_peers(case: Case) -> Iterator[list[str]]:
    limit = LIMITS.get(case.job.name)
    own = case.tools.get("normcli")
    if limit is None or case.table.name not in ("1m", "10m") or own is None or not own.runs:
        return
    what = f"{case.job.name}, {case.table.name}"
    for peer, most in ((case.fastest_peer, limit), ("pandas-sklearn", 0.1)):
        if peer in case.tools and case.tools[peer].runs:
            ratios = case.ratios("normcli", peer)
            reached = statistics.median(ratios) <= most
            yield _line(f"{what}: wall / {peer}'s", f"at most {most}", spread(ratios), reached)


def _memory(results: Results) -> Iterator[list[str]]:
    for job in LIMITS:
        found = ((size, results.measured(size, job)) for size in SIZES)
        peaks = {size: m.peak for size, m in found if m and m.peak and size != "100k"}
        if peaks:
            most, least = max(peaks.values()), min(peaks.values())
            shown = ", ".join(f"{size}: {_mebibytes(peak)}" for size, peak in peaks.items())
            what = f"{job}: peak MiB"
            yield _line(what, "at most 300", shown, most <= 300 * MIB)
            if len(peaks) > 1:
                ratio = f"{most / least:.2f}"
                yield _line(
                    f"{what}, largest / smallest", "at most 1.1", ratio, most <= 1.1 * least
                )


def _jobs(results: Results) -> Iterator[list[str]]:
    for case in results.cases:
        one, two = case.tools.get("normcli -j 1"), case.tools.get("normcli -j 2")
        if one and two and one.runs and two.runs:
            ratios = case.ratios("normcli -j 1", "normcli -j 2")
            what = f"{case.job.name}, {case.table.name}: wall of `-j 1` / that of `-j 2`"
            reached = statistics.median(ratios) >= 1.7
            yield _line(what, "at least 1.7 (10m)", spread(ratios), reached)


def _start(results: Results) -> Iterator[list[str]]:
    for job, limit in (("help", 0.12), ("fit-csv", 0.40)):
        if own := results.measured("tiny", job):
            yield _line(
                f"{job}, tiny: wall s", f"at most {limit}", f"{own.wall:.3f}", own.wall <= limit
            )


def _quoted(results: Results) -> Iterator[list[str]]:
    for job in ("fit-csv", "transform-csv", "fit-transform-csv"):
        plain, quoted = results.case("1m", job), results.case("quoted", job)
        a, b = results.measured("1m", job), results.measured("quoted", job)
        if plain and quoted and a and b:
            ratio = (b.wall / quoted.size) / (a.wall / plain.size)
            what = f"{job}: seconds a byte, quoted / 1m"
            yield _line(what, "at most 2", f"{ratio:.2f}", ratio <= 2)


def _statistics(results: Results) -> Iterator[list[str]]:
    for cost in results.costs:
        what = f"statistics, {cost.data}: ns / NumPy's"
        yield _line(what, "at most 4", f"{cost.ratio:.1f}", cost.ratio <= 4)
    own = results.measured("1m", "fit-csv", "normcli -j 1")
    if own and results.costs:
        mean = statistics.mean(cost.exact[LONG] for cost in results.costs[:2])
        share = mean * 1e-9 * 10_000_000 / own.cpu
        what = "statistics: part of the CPU time of fit-csv, 1m"
        yield _line(what, "below 0.2", f"{share:.2f}", share < 0.2)


def statistics_section(results: Results) -> str:
    """The table of `benchmarks.cost`."""
    head, *body = cost_of.table(results.costs)
    about = (
        "Nanoseconds a value, and how many times that of NumPy's mean and variance in blocks of "
        "16,384 values: `MomentsState.of` (exact sum, sum of squares, minimum, maximum, counts)."
    )
    return f"## Statistics\n\n{about}\n\n" + table(head, body)
