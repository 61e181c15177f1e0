"""The progress bar: when it is drawn, what it says, and what it leaves behind."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from normcli.formats import open_table
from normcli.formats.base import ReadOptions, Table
from normcli.pipeline.summary import Summary
from normcli.storage.sources import Source, sources
from normcli.views.progress import Bar
from tests.conftest import Cli

TABLE = b"id,x,y,t\n007,1,10,a\n008,2,,b\n009,6,40,c\n"


@pytest.fixture
def stats(normcli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "s.json"
    assert normcli("fit", "-o", path, stdin=TABLE).code == 0
    return path


# The bar -------------------------------------------------------------------------------


class Clock:
    """Time that passes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("normcli.views.progress.time.monotonic", found)
    return found


def opened(path: Path, rows: int | None = None) -> tuple[Source, Table]:
    class Known(Table):
        total_rows = rows
        chunks = schema = NotImplemented

    path.write_bytes(b"x" * 1000)
    return Source(str(path), path), Known("csv", "t", ["x"])


def test_a_bar_appears_after_a_second_and_is_drawn_ten_times_a_second(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    monkeypatch.setattr(Bar, "_draw", lambda self, now: drawn.append(now))
    source, table = opened(tmp_path / "a")
    with Bar("fitting", [source]) as bar:
        bar.begin(source, table)
        for _ in range(200):
            clock.now += 0.01
            bar.summary.advance(1, [])
    assert [round(t, 2) for t in drawn] == [round(101 + i / 10, 2) for i in range(11)]
    assert bar.summary.rows == 200


def test_several_inputs_are_one_honest_total(clock: Clock, tmp_path: Path) -> None:
    (a, first), (b, second) = opened(tmp_path / "a"), opened(tmp_path / "b", rows=10)
    bar = Bar("fitting", [a, b])
    bar.begin(a, first)
    with a.open() as file:
        file.read(500)
        assert bar.done() == a.position() > 0
    bar.begin(b, second)
    clock.now += 10
    bar.summary.advance(4, [])
    assert bar.done() == 1000 + 400  # Arrow reads files by itself; its rows tell
    assert bar.line(10.0, 50) == "fitting  70%  4 rows  0.00014 MB/s  0:04 left"
    bar.summary.advance(8, [])  # two of which were read from the table before
    assert bar.done() == 2000


def test_there_is_no_bar_without_a_terminal(normcli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("normcli.views.progress.DELAY", 0.0)
    assert "\x1b" not in normcli("fit", stdin=TABLE).err


def test_a_bar_is_one_line_that_fits_the_terminal(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    source, table = opened(tmp_path / "a", rows=4)
    bar = Bar("fitting", [source])
    bar.begin(source, table)
    clock.now += 2
    bar.summary.advance(1, [])
    words = "25%  1 row  0.000125 MB/s  0:06 left"
    assert bar.line(2.0, 80) == f"fitting  {'━' * 6:24}  {words}"
    assert bar.line(2.0, 60) == "fitting  25%  1 row  0.000125 MB/s  0:06 left"
    assert bar.line(2.0, 20) == "fitting  25%  1 row"
    source.size = None  # a pipe
    assert bar.line(2.0, 80) == "fitting  1 row  0.000125 MB/s  0:02 so far"


def test_the_share_of_an_arrow_file_is_that_of_its_batches(tmp_path: Path) -> None:
    path = tmp_path / "t.arrow"
    batch = pa.record_batch({"x": [1.0, 2.0]})
    with pa.ipc.new_file(str(path), batch.schema) as file:
        for _ in range(4):
            file.write_batch(batch)
    (source,) = sources([str(path)])
    bar = Bar("fitting", [source])
    table = bar.begin(source, open_table(source, ReadOptions(chunk_rows=2)))
    shares = [bar.done() / path.stat().st_size for _ in table.chunks()]
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_steps_that_are_large_let_the_time_left_run_down(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    source, _ = opened(tmp_path / "a")
    bar = Bar("fitting", [source])
    assert bar.line(3.0, 80) == f"fitting  {'':24}   0%  0:03 so far"
    clock.now += 4
    bar.summary.add(Summary(rows=5, bytes=250))
    for seconds, last in (
        (4, "0:12 left"),
        (7, "0:09 left"),
        (16, "0:00 left"),
        (19, "0:19 so far"),
    ):
        assert bar.line(seconds, 50) == f"fitting  25%  5 rows  6.25e-05 MB/s  {last}"


def test_bytes_that_are_read_for_no_rows_count_by_themselves(clock: Clock, tmp_path: Path) -> None:
    source, _ = opened(tmp_path / "a")
    bar = Bar("cutting", [source])
    clock.now += 2
    bar.advance_to(100, 400)  # the others of the 1000 need not be read
    assert bar.line(2.0, 50) == "cutting  25%  5e-05 MB/s  0:06 left"


def drawn(screen: bytes) -> list[tuple[int, int]]:
    """Percent and rows of each bar that was drawn."""
    found = re.findall(r"(\d+)%  (?:([\d\u202f ]+) rows)?", screen.decode())
    return [(int(share), int(re.sub(r"\D", "", rows) or 0)) for share, rows in found]


def on_terminal(code: str, *arguments: object, until: bytes | None = None) -> bytes:
    """What normcli writes to a terminal that is its stderr; `code` goes before it.

    until: when this is there, it is interrupted.
    """
    ours, theirs = pty.openpty()
    code = f"{code}\nimport sys\nfrom normcli.__main__ import run\nsys.exit(run(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    os.close(theirs)
    seen, expected = b"", 0
    with suppress(OSError):  # at its end a terminal gives an error
        while more := os.read(ours, 4096):
            seen += more
            if until and until in seen and not expected:
                process.send_signal(signal.SIGINT)
                expected = 130
    os.close(ours)
    out, _ = process.communicate()
    assert (process.returncode, out) == (expected, b""), seen
    return seen


SLOW = """
import time
from normcli.pipeline import scaling
done = scaling.Scale.__call__
scaling.Scale.__call__ = lambda *given: time.sleep(0.3) or done(*given)
"""


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_bar_moves_within_a_fragment(stats: Path, tmp_path: Path, jobs: int) -> None:
    path, parts = tmp_path / "t.csv", tmp_path / "parts"
    path.write_bytes(b"x,y\n" + b"1,2\n" * 24)
    options = ("--stats", stats, "--chunk-rows", 3, "-j", jobs, "--output-dir", parts)
    seen = drawn(on_terminal(SLOW, "transform", path, *options))
    assert [part.name for part in parts.iterdir()] == ["part-00000.csv"]
    rows = [rows for _, rows in seen]
    assert 0 < rows[0] < rows[1] <= 24
    assert seen == sorted(seen)


def test_the_bar_of_a_fragment_leaves_the_terminal_clean_when_it_is_interrupted(
    stats: Path, tmp_path: Path
) -> None:
    path, parts = tmp_path / "t.csv", tmp_path / "parts"
    path.write_bytes(b"x,y\n" + b"1,2\n" * 24)
    command = ("transform", path, "--stats", stats, "--chunk-rows", 1, "--output-dir", parts)
    seen = on_terminal(SLOW, *command, "-j", 1, until=b" rows")
    assert seen.endswith(b"\r\x1b[K\r\nnormcli: interrupted\r\n")
    assert not parts.exists()


def test_there_is_no_bar_with_q(stats: Path, tmp_path: Path) -> None:
    path, parts = tmp_path / "t.csv", tmp_path / "parts"
    path.write_bytes(b"x,y\n1,2\n")
    at_once = "from normcli.views import progress\nprogress.DELAY = 0.0"
    command = ("transform", path, "--stats", stats, "--output-dir", parts)
    assert b"%" in on_terminal(at_once, *command)
    assert on_terminal(at_once, *command, "-q") == b""


@pytest.mark.parametrize(("delay", "options"), [(60, []), (0, ["-q"]), (0, [])])
@pytest.mark.parametrize("command", ["fit", "transform"])
def test_rich_is_loaded_by_a_run_only_for_a_bar(
    stats: Path, tmp_path: Path, command: str, delay: int, options: list[str]
) -> None:
    table, told = tmp_path / "t.csv", tmp_path / "told"
    table.write_bytes(TABLE)
    code = f"""
import atexit, sys
from normcli.views import progress
progress.DELAY = {delay}
atexit.register(lambda: open({str(told)!r}, "w").write(str("rich" in sys.modules)))
"""
    given = [] if command == "fit" else ["--stats", stats]
    seen = on_terminal(code, command, table, *given, "-o", tmp_path / "out", *options)
    has_bar = delay == 0 and not options
    assert told.read_text() == str(has_bar)
    assert (b"\x1b" in seen) == has_bar


@pytest.mark.parametrize("command", ["fit", "transform"])
def test_the_bar_leaves_the_terminal_clean_when_it_is_interrupted(
    stats: Path, tmp_path: Path, command: str
) -> None:
    rows, given = b"1,2\n" * 200_000, [] if command == "fit" else ["--stats", stats]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "normcli", command, *given, "-o", tmp_path / "out", "-j", "1"],
        stdin=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(b"x,y\n")
    seen = b""
    while b" rows" not in seen:  # until the bar is there
        process.stdin.write(rows)
        process.stdin.flush()
        if select.select([ours], [], [], 0)[0]:
            seen += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    with suppress(BrokenPipeError):
        process.stdin.close()
    assert process.wait(timeout=30) == 130
    seen += os.read(ours, 4096)
    os.close(ours)
    assert seen.endswith(b"\r\x1b[K\r\nnormcli: interrupted\r\n")
    assert b"\x1b[?25l" not in seen  # it never hides the cursor
