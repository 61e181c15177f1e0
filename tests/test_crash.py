"""Signals, faults and broken pipes, on the whole program: old content or new, never a part."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from normcli.formats import formats
from normcli.pipeline import fitting
from normcli.signals import ENDING
from normcli.storage import sources
from normcli.storage.compression import SUFFIXES
from tests import processes
from tests.conftest import Cli, Outcome
from tests.processes import until

NORMCLI = [sys.executable, "-m", "normcli"]
OLD = b"what was there before"
ROW = b"1.25,-3.5,text\n2.5,4.125,more\n"
QUIET = 2.0  # seconds within which a program must end after its reader has gone
PATIENCE = 30

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux: /proc, large pipes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table of 48 MB, and its statistics."""
    folder = tmp_path_factory.mktemp("crash")
    head = folder / "head.csv"
    head.write_bytes(b"x,y,note\n" + ROW)
    subprocess.run([*NORMCLI, "fit", head, "-o", folder / "s.json", "-q"], check=True)
    (folder / "big.csv").write_bytes(b"x,y,note\n" + ROW * ((48 << 20) // len(ROW)))
    return folder


def started(
    *arguments: object, **options: object
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A normcli process whose output is read at its end.

    Without the compiled kernel: with it, there are no worker processes to look at.
    """
    environment = {**os.environ, "NORMCLI_KERNEL": "0"}
    options = {"env": environment, **options}
    return processes.started("normcli", *arguments, stderr=subprocess.PIPE, **options)


def temporaries(folder: Path) -> list[Path]:
    return list(folder.glob(".normcli-*.tmp"))


def living(group: int) -> list[int]:
    """The processes of a group that are still alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state not in "ZX":
                found.append(int(stat.parent.name))
    return found


# -- signals -------------------------------------------------------------------------------

COMMANDS = {
    "fit": ("fit",),
    "transform": ("transform", "--stats", "s.json"),
    "fit-transform": ("fit-transform",),
}
SIGNALS = {number: 128 + number for number in (signal.SIGINT, *ENDING)} | {signal.SIGKILL: -9}
SOME = [  # each command, source and number of jobs occurs, each with every signal
    (signal.SIGINT, "transform", "pipe", 1),
    (signal.SIGINT, "fit-transform", "file", 2),
    (signal.SIGTERM, "fit", "file", 2),
    (signal.SIGTERM, "transform", "file", 1),
    (signal.SIGTERM, "transform", "pipe", 2),
    (signal.SIGKILL, "transform", "file", 2),
    (signal.SIGKILL, "fit", "pipe", 1),
    (signal.SIGHUP, "transform", "pipe", 2),
    (signal.SIGQUIT, "transform", "file", 2),
    (signal.SIGALRM, "fit", "file", 2),
    (signal.SIGUSR1, "transform", "pipe", 1),
]
USUAL = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
ALL = [(n, c, s, j) for n in USUAL for c in COMMANDS for s in ("file", "pipe") for j in (1, 2)]


def is_at_work(process: subprocess.Popen[bytes], target: Path, jobs: int) -> bool:
    """Does it have a temporary file, and all its processes?"""
    assert process.poll() is None, process.communicate()
    return bool(temporaries(target.parent)) and len(living(process.pid)) >= jobs + (jobs > 1)


def test_ctrl_c_has_its_exit_code_whatever_it_interrupts(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(
        "from normcli import __main__\n"
        "def run(arguments):\n"
        "    try:\n"
        "        exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt:\n"
        "        return 130\n"
        "__main__.run = run\n"
        "__main__.main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "interrupted"]
    assert subprocess.run(command, cwd=tmp_path, env=environment).returncode == 130


@linux
@pytest.mark.parametrize(
    ("number", "command", "source", "jobs"),
    [*SOME, *(pytest.param(*case, marks=pytest.mark.slow) for case in ALL if case not in SOME)],
)
def test_a_signal_leaves_the_old_file_and_nothing_else(
    folder: Path, tmp_path: Path, number: int, command: str, source: str, jobs: int
) -> None:
    target = tmp_path / "out"
    target.write_bytes(OLD)
    verb, *options = COMMANDS[command]
    options = [str(folder / o) if o == "s.json" else o for o in options]
    input_, stdin = (folder / "big.csv", None) if source == "file" else ("-", subprocess.PIPE)
    with started(verb, input_, *options, "-o", target, "-j", jobs, stdin=stdin) as process:
        if process.stdin is not None:
            threading.Thread(target=feed, args=(process.stdin, b"x,y,note\n"), daemon=True).start()
        # only fit-transform creates its file late, after it has read everything
        late = command == "fit-transform"
        until(lambda: (late and living(process.pid)) or is_at_work(process, target, jobs), PATIENCE)
        if late:
            time.sleep(1.0)
        # Ctrl-C goes to all processes of a terminal's foreground; so does the end of the terminal,
        # of which the shell may tell them once more
        from_terminal = number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
        for kill in (os.killpg, os.kill) if from_terminal else (os.kill,):
            with suppress(ProcessLookupError):
                kill(process.pid, number)
        _, err = process.communicate(timeout=PATIENCE) if source == "file" else ended(process)
        assert process.returncode == SIGNALS[signal.Signals(number)], err
        assert target.read_bytes() == OLD
        assert number == signal.SIGKILL or temporaries(tmp_path) == []
        assert b"Traceback" not in err
        until(lambda: living(process.pid) == [], QUIET)


def ended(process: subprocess.Popen[bytes]) -> tuple[None, bytes]:
    """Wait for a process whose stdin is fed by a thread."""
    assert process.stderr is not None
    err = process.stderr.read()
    process.wait(PATIENCE)
    return None, err


def feed(pipe: object, head: bytes) -> None:
    """Write rows without end, until nobody reads them."""
    with suppress(OSError, ValueError):
        pipe.write(head)  # type: ignore[attr-defined]
        while True:
            pipe.write(ROW * 4096)  # type: ignore[attr-defined]


@linux
def test_each_signal_that_can_be_caught_unwinds_the_program(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from normcli.signals import ENDING, unwind_on_signals
from normcli.storage.outputs import output
for number in ENDING:
    signal.signal(number, signal.SIG_DFL)
unwind_on_signals()
for number in ENDING:
    if os.fork() == 0:
        try:
            with output(sys.argv[1]):
                signal.raise_signal(number)
        except BaseException as error:
            os._exit(130 if isinstance(error, KeyboardInterrupt) else error.code)
    print(number, os.waitstatus_to_exitcode(os.wait()[1]))
"""
    command = [sys.executable, "-c", program, tmp_path / "out"]
    told = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    codes = {number: int(code) for number, code in (line.split() for line in told.splitlines())}
    assert len(codes) > 40
    assert codes == {number: 128 + int(number) for number in codes}
    assert not list(tmp_path.iterdir())


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As SIGHUP is under nohup."""
    signals = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    told = "from normcli.signals import unwind_on_signals as u; u(); signal.raise_signal(1)"
    subprocess.run([sys.executable, "-c", f"{signals}; {told}"], check=True)


@linux
@pytest.mark.parametrize("source", ["file", "pipe"])
def test_a_worker_that_is_killed_is_an_error_that_tells_why(
    folder: Path, tmp_path: Path, source: str
) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(OLD)
    input_, stdin = (folder / "big.csv", None) if source == "file" else ("-", subprocess.PIPE)
    arguments = ("transform", input_, "--stats", folder / "s.json", "-o", target, "-j", 2)
    with started(*arguments, stdin=stdin) as process:
        if process.stdin is not None:
            threading.Thread(target=feed, args=(process.stdin, b"x,y,note\n"), daemon=True).start()
        until(lambda: is_at_work(process, target, 2), PATIENCE)
        worker = next(each for each in living(process.pid) if each != process.pid)
        os.kill(worker, signal.SIGKILL)
        _, err = ended(process)
        assert process.returncode == 1
        assert err.startswith(b"normcli: a worker process died: killed, or out of memory\n")
        assert target.read_bytes() == OLD
        assert temporaries(tmp_path) == []
        until(lambda: living(process.pid) == [], QUIET)


@pytest.mark.slow
@linux
def test_sigterm_ends_the_program_whenever_it_comes(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(OLD)
    arguments = ("transform", folder / "big.csv", "--stats", folder / "s.json", "-o", target)
    subprocess.run([*NORMCLI, *arguments, "-q"], check=True)
    whole = target.read_bytes()
    target.write_bytes(OLD)
    for i in range(30):
        with started(*arguments, "-j", 2) as process:
            time.sleep(0.3 + i * 0.05)
            process.terminate()
            _, err = ended(process)
            # before Python runs our code, the signal ends the process directly
            assert process.returncode in (143, -signal.SIGTERM, 0), err
            assert b"Traceback" not in err
            # it may come just after the new file was moved to its place
            assert target.read_bytes() in (OLD, whole)
            assert temporaries(tmp_path) == []
            target.write_bytes(OLD)
            until(lambda: living(process.pid) == [], QUIET)


@pytest.mark.parametrize("target", ["-o", "--output-dir"])
@pytest.mark.parametrize("command", ["fit-transform", "transform --method batch --batch-size 2"])
def test_statistics_take_their_place_after_the_data_that_they_belong_to(
    normcli: Cli, folder: Path, tmp_path: Path, monkeypatch, command: str, target: str
) -> None:
    """So a run that is killed in between leaves a sidecar that is older than the data."""
    if "batch" in command and target != "-o":
        pytest.skip("fragments would cut batches")
    replaced, real = [], os.replace
    monkeypatch.setattr(
        os, "replace", lambda new, old: replaced.append(Path(old).name) or real(new, old)
    )
    data, saved = tmp_path / "out", tmp_path / "saved.json"
    result = normcli(*command.split(), folder / "head.csv", target, data, "--save-stats", saved)
    assert result.code == 0, result.err
    assert set(replaced[:-1]) == {"out" if target == "-o" else "part-00000.csv"}
    assert replaced[-1] == "saved.json"


# -- memory ---------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("megabytes", [100, 180, 200, 220, 260, 319])
def test_too_little_memory_has_its_words(folder: Path, tmp_path: Path, megabytes: int) -> None:
    limit = f'ulimit -v {megabytes * 1024}; exec "$@"'
    command = ["sh", "-c", limit, "sh", *NORMCLI, "fit", folder / "head.csv", "-o", tmp_path / "o"]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"normcli: not enough memory: raise the limit")
    assert not list(tmp_path.iterdir())


def test_a_library_that_finds_no_memory_is_no_bug(folder: Path) -> None:
    program = (
        "import sys\n"
        "from normcli import __main__\n"
        "class Full:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pyarrow':\n"
        "            raise ImportError('libarrow.so: failed to map segment from shared object')\n"
        "sys.meta_path.insert(0, Full())\n"
        "__main__.run(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", program, "fit", folder / "head.csv", "-o", "-"]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert ended.stderr.startswith(b"normcli: not enough memory")


# -- pipes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "source", "jobs"),
    [
        ("transform", "pipe", 1),
        ("transform", "pipe", 2),
        ("transform", "file", 2),
        pytest.param("transform", "file", 1, marks=pytest.mark.slow),
        pytest.param("fit-transform", "file", 2, marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_leaves_ends_the_work_quietly_and_soon(
    folder: Path, command: str, source: str, jobs: int
) -> None:
    input_, stdin = (folder / "big.csv", None) if source == "file" else ("-", subprocess.PIPE)
    stats = ("--stats", folder / "s.json") if command == "transform" else ()
    arguments = (command, input_, *stats, "-j", jobs)
    with started(*arguments, stdin=stdin, stdout=subprocess.PIPE) as process:
        if process.stdin is not None:
            threading.Thread(target=feed, args=(process.stdin, b"x,y,note\n"), daemon=True).start()
        assert process.stdout is not None
        assert process.stdout.read(9) == b"x,y,note\n"
        process.stdout.close()
        left = time.monotonic()
        _, err = ended(process)
        assert time.monotonic() - left < QUIET
        assert (process.returncode, err) == (0, b"")


NOTE = b"n" * 500
ROWS = {
    "csv": (b"x,y,note\n", b"1.25,-3.5,row %d " + NOTE + b"\n"),
    "jsonl": (b"", b'{"x": 1, "note": "row %d ' + NOTE + b'"}\n'),
}


@pytest.mark.parametrize(
    ("jobs", "form", "options"),
    [
        (2, "csv", ()),
        (1, "csv", ("--chunk-rows", 5000)),
        (1, "csv", ("--encoding", "latin-1")),
        (2, "jsonl", ()),
        (1, "jsonl", ("--chunk-rows", 5000)),
    ],
)
def test_rows_flow_before_their_sender_sends_more(
    folder: Path, form: str, options: tuple[object, ...], jobs: int
) -> None:
    """The sender waits for each row to come back; so this ends only if each comes."""
    head, row = ROWS[form]
    command = ["transform", "--stats", folder / "s.json", "-s", "x", "-q", "-j", jobs, *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started(*command, "--from", form, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sender, back = process.stdin, process.stdout
        sender.write(head)
        for i in (0, 1, 2):
            sender.write(row % i)
            sender.flush()
            assert i or not head or back.readline() == head
            came = back.readline()
            assert b"row %d" % i in came
        if jobs == 2:
            data = row % 3 * ((32 << 20) // len(row))  # so many that workers are started
            threading.Thread(target=sender.write, args=(data,), daemon=True).start()
            back.read(len(came) * data.count(b"\n"))
            sender.write(row % 4)
            sender.flush()
            assert b"row 4" in back.readline()
        sender.close()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("command", ["transform", "check"])
def test_a_header_that_comes_in_pieces_is_waited_for(folder: Path, command: str) -> None:
    options = ("--stats", folder / "s.json", "-q")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with started(command, "--from", "csv", *options, **pipes) as process:
        assert process.stdin is not None
        for piece in (b"x", b",y,no", b'te\n1.25,-3.5,"a\n', b'b"\n', b"2.5,4.125,c\n"):
            process.stdin.write(piece)
            process.stdin.flush()
            time.sleep(2 * sources.PATIENCE)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (0, b"")
        assert command == "check" or out.count(b"\n") == 4


def test_help_and_reports_end_quietly_when_their_reader_leaves(folder: Path) -> None:
    statistics = folder / "s.json"
    for arguments in (["--help"], ["fit", "--help"], ["show", statistics], ["merge", statistics]):
        reader, writer = os.pipe()
        os.close(reader)
        with started(*arguments, stdout=writer) as process:
            os.close(writer)
            _, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0
            assert not [word for word in (b"normcli:", b"Error") if word in err]


WRITERS = [
    ("--help",),
    ("fit", "head.csv", "-o", "-"),
    ("fit-transform", "head.csv"),
    ("fit-transform", "head.csv", "--to", "parquet"),
    ("merge", "s.json"),
    ("show", "s.json"),
    ("check", "head.csv", "--stats", "s.json"),
    ("transform", "head.csv", "--stats", "s.json", "--explain"),
]


def slow(cases: list[tuple[str, ...]]) -> list[object]:
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


def in_folder(folder: Path, arguments: tuple[str, ...]) -> list[str]:
    return [str(folder / a) if (folder / a).exists() and a else a for a in arguments]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [*WRITERS[:4], *slow(WRITERS[4:])], ids=" ".join)
def test_a_full_device_is_an_error(folder: Path, arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [*NORMCLI, *in_folder(folder, arguments)], stdout=full, stderr=-1, check=False
        )
    words = result.stderr.decode().splitlines()[-1]
    assert result.returncode == 1
    assert words.startswith("normcli: ")
    assert words.endswith("No space left on device")


@pytest.mark.parametrize("arguments", [*slow(WRITERS[1:5]), *WRITERS[5:]], ids=" ".join)
def test_a_closed_stdout_has_its_own_words(folder: Path, arguments: tuple[str, ...]) -> None:
    result = closed(">&-", in_folder(folder, arguments))
    assert result.returncode == 1
    assert b"stdout is closed: give a file with -o, or redirect stdout\n" in result.stderr


def test_a_closed_stdin_has_its_own_words() -> None:
    result = closed("<&-", ["fit"])
    assert result.returncode == 1
    assert result.stderr == b"normcli: stdin is closed: name an INPUT file, or pipe the data in\n"


def test_a_closed_stderr_does_no_harm(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "t.csv"
    result = closed("<&- >&- 2>&-", ["fit-transform", f"{folder}/head.csv", "-o", str(target)])
    assert result.returncode == 0
    assert target.read_bytes() == b"x,y,note\n-1.0,-1.0,text\n1.0,1.0,more\n"


def closed(redirection: str, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    script = f'exec "$@" {redirection}'
    return subprocess.run(
        ["sh", "-c", script, "sh", *NORMCLI, *arguments], capture_output=True, check=False
    )


# -- what is known before reading ----------------------------------------------------------


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """A FIFO with 900 kB of a table, which never ends: reading all of it takes for ever."""
    path = tmp_path / "endless"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 1 << 20)
    os.write(descriptor, b"x,y,note\n" + ROW * 30_000)

    def wait_no_longer(*_: object) -> None:
        raise AssertionError("it reads on")

    before = signal.signal(signal.SIGALRM, wait_no_longer)
    signal.alarm(PATIENCE)
    yield path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    os.close(descriptor)


def unread(path: Path) -> int:
    """The number of bytes that are still in a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        answer = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    finally:
        os.close(descriptor)
    return int(struct.unpack("i", answer)[0])


@linux
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "-o", "no/dir/s.json"], "there is no directory no/dir"),
        (["fit", "-o", "."], "it is a directory"),
        (["fit", "-o", "s", "--json-summary", "no/x"], "there is no directory no"),
        (["fit", "-o", "s", "--json-summary", "./s"], "--output and --json-summary both write to"),
        (["fit-transform", "-o", "no/dir/t.csv"], "there is no directory no/dir"),
        (["fit-transform", "--save-stats", "no/s"], "there is no directory no"),
        (["fit-transform", "--save-stats", "-"], "--output and --save-stats both write to -"),
        (["fit-transform", "--from", "parquet", "-o", "no/t"], "there is no directory no"),
        (["fit-transform", "--from", "jsonl", "-o", "no/t"], "there is no directory no"),
        (["transform", "--method", "batch", "-o", "no/t"], "there is no directory no"),
        (["transform", "--stats", "STATS", "-o", "no/t"], "there is no directory no"),
        (["transform", "--stats", "STATS", "--from", "parquet", "-o", "no/t"], "no directory no"),
        (["transform", "--stats", "STATS", "--json-summary", "no/t"], "there is no directory no"),
        (["transform", "--stats", "absent.json"], "absent.json"),
        (["transform", "--stats", "BAD"], "not valid JSON"),
        (["inverse", "--stats", "BAD"], "not valid JSON"),
        (["check", "--stats", "BAD"], "not valid JSON"),
        (["check", "--stats", "STATS", "--json-summary", "no/t"], "there is no directory no"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else None,
)
def test_bad_outputs_and_sidecars_are_reported_before_a_byte_is_read(
    normcli: Cli,
    folder: Path,
    tmp_path: Path,
    pipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_bytes(b"{")
    real = {"STATS": str(folder / "s.json"), "BAD": "bad.json"}
    held = unread(pipe)
    verb, *options = (real.get(argument, argument) for argument in arguments)
    result = normcli(verb, pipe, *options)
    assert result.code in (1, 2)
    assert words in result.err
    assert unread(pipe) == held


@linux
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "-s", "absent"], "no column 'absent'"),
        (["fit", "--column", "absent=minmax"], "--column 'absent': there is no such column"),
        (["fit", "--method", "batch", "--gamma", "absent=2"], "no column 'absent'"),
        (["fit-transform", "-s", "absent"], "no column 'absent'"),
        (["fit-transform", "--exclude", "absent"], "no column 'absent'"),
        (["fit-transform", "--column", "absent=minmax"], "--column 'absent'"),
        (["transform", "--method", "batch", "--gamma", "absent=2"], "no column 'absent'"),
        (["transform", "--stats", "STATS", "-s", "absent"], "no column 'absent'"),
        (["transform", "--stats", "OTHER"], "none of its columns is in the statistics"),
        (["inverse", "--stats", "OTHER"], "none of its columns is in the statistics"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else None,
)
def test_a_column_that_is_not_there_is_told_when_the_header_is_read(
    normcli: Cli, folder: Path, tmp_path: Path, pipe: Path, arguments: list[str], words: str
) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(normcli("fit", stdin=b"other\n1\n2\n").out)
    real = {"STATS": str(folder / "s.json"), "OTHER": str(other)}
    verb, *options = (real.get(argument, argument) for argument in arguments)
    result = normcli(verb, pipe, *options)
    assert result.code in (1, 2)
    assert words in result.err


# -- output and input are one --------------------------------------------------------------


@pytest.mark.parametrize("change", ["appended", "rewritten", "replaced"])
@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("fit-transform", "-o"),
        ("fit-transform", "--output-dir"),
        ("transform --method batch --batch-size 4", "-o"),
    ],
)
def test_a_table_that_is_changed_between_two_readings_is_an_error(
    normcli: Cli, tmp_path: Path, monkeypatch, command: str, target: str, change: str
) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "out"
    table.write_text("x\n1\n3\n")
    os.utime(table, (0, 0))
    fitted = fitting.fitted

    def then_changed(*arguments):
        if change == "replaced":
            table.rename(tmp_path / "old.csv")
        table.write_text("x\n1\n3\n9\n" if change == "appended" else "x\n1\n9\n")
        return fitted(*arguments)

    monkeypatch.setattr(fitting, "fitted", then_changed)
    result = normcli(*command.split(), table, target, out)
    assert result.code == 1
    assert re.search("was (changed|replaced)", result.err)
    assert not out.exists()


@pytest.mark.parametrize("command", ["transform", "fit-transform", "inverse"])
@pytest.mark.parametrize("way", ["path", "link", "hard link", "stdin", "target is a link"])
def test_a_table_may_replace_itself(
    normcli: Cli, folder: Path, tmp_path: Path, command: str, way: str
) -> None:
    stats = ("--stats", folder / "s.json") if command != "fit-transform" else ()
    head = (folder / "head.csv").read_bytes()
    expected = normcli(command, *stats, stdin=head).out
    data, link, hard = (tmp_path / name for name in ("t.csv", "link.csv", "hard.csv"))
    data.write_bytes(head)
    link.symlink_to(data)
    hard.hardlink_to(data)
    source, target = {
        "path": (data, data),
        "link": (link, data),
        "hard link": (hard, data),
        "stdin": ("-", data),
        "target is a link": (data, link),
    }[way]
    if way == "stdin":
        result = redirected(data, command, "-", *stats, "-o", target)
    else:
        result = normcli(command, source, *stats, "-o", target)
    assert result.code == 0, result.err
    assert data.read_bytes() == expected
    assert link.is_symlink()
    assert hard.read_bytes() == head


def redirected(file: Path, *arguments: object) -> Outcome:
    with file.open("rb") as stdin:
        command = [*NORMCLI, *map(str, arguments)]
        result = subprocess.run(command, stdin=stdin, capture_output=True, check=False)
    return Outcome(result.returncode, result.stdout, result.stderr.decode())


@pytest.mark.parametrize(
    "arguments",
    [
        ("fit", "DATA", "-o", "DATA"),
        ("fit", "DATA", "-o", "LINK"),
        ("fit", "DATA", "-o", "OTHER", "--json-summary", "DATA"),
        ("fit-transform", "DATA", "--save-stats", "LINK"),
        ("transform", "DATA", "--stats", "STATS", "-o", "OTHER", "--json-summary", "DATA"),
    ],
)
def test_statistics_and_summaries_do_not_replace_an_input(
    normcli: Cli, folder: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    data, link = tmp_path / "t.csv", tmp_path / "link"
    shutil.copy(folder / "head.csv", data)
    link.symlink_to(data)
    places = {"DATA": data, "LINK": link, "OTHER": tmp_path / "o", "STATS": folder / "s.json"}
    result = normcli(*(places.get(argument, argument) for argument in arguments))
    assert result.code == 2
    assert "would replace the input" in result.err
    assert data.read_bytes() == (folder / "head.csv").read_bytes()
    assert not places["OTHER"].exists()


@pytest.mark.parametrize("way", ["path", "link", "hard link", "descriptor"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("transform", "-o", "STATS"),
        ("inverse", "-o", "STATS"),
        ("transform", "-o", "OTHER", "--save-stats", "STATS"),
        ("check", "--json-summary", "STATS"),
    ],
    ids=" ".join,
)
def test_an_output_does_not_replace_the_statistics_it_is_made_with(
    normcli: Cli, folder: Path, tmp_path: Path, arguments: tuple[str, ...], way: str
) -> None:
    stats, other = tmp_path / "s.json", tmp_path / "o.csv"
    shutil.copy(folder / "s.json", stats)
    (tmp_path / "link").symlink_to(stats)
    (tmp_path / "hard link").hardlink_to(stats)
    with stats.open("ab") as file:
        named = {"path": stats, "descriptor": f"/dev/fd/{file.fileno()}"}
        places = {"STATS": named.get(way, tmp_path / way), "OTHER": other}
        options = (places.get(each, each) for each in arguments)
        result = normcli(*options, folder / "head.csv", "--stats", stats)
    assert result.code == 2
    assert "would replace the statistics" in result.err
    assert stats.read_bytes() == (folder / "s.json").read_bytes()
    assert not other.exists()


# -- faults --------------------------------------------------------------------------------

TARGETS = [each.suffixes[0].removeprefix(".") for each in formats().values()]
TARGETS += [f"csv{suffix}" for suffix in SUFFIXES]


@pytest.mark.parametrize("suffix", TARGETS)
@pytest.mark.parametrize("command", ["fit-transform", "fit"])
def test_a_fault_at_any_call_of_the_system_leaves_the_old_files(
    normcli: Cli,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    suffix: str,
) -> None:
    target, saved = tmp_path / f"t.{suffix}", tmp_path / "saved.json"
    arguments = [command, folder / "head.csv", "-o", target]
    if command == "fit-transform":
        arguments += ["--save-stats", saved]
    for n in range(1, 100):
        target.write_bytes(OLD)
        saved.write_bytes(OLD)
        with monkeypatch.context() as patch:
            fault = Fault(patch, n)
            result = normcli(*arguments)
        if not fault.failed:
            assert result.code == 0
            assert target.read_bytes() != OLD
            return
        assert result.code == 1, fault.failed
        assert "Input/output error" in result.err
        # Once a file is in its place, later steps can still fail, which is reported.
        assert target.read_bytes() == OLD or fault.replaced
        assert temporaries(tmp_path) == []
    pytest.fail("it never succeeds")


class Fault:
    """Makes the n-th write, fsync or rename of a file fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
        self.left, self.failed, self.replaced = n, False, False
        for name in ("write", "fsync", "replace"):
            monkeypatch.setattr(os, name, self._failing(name, getattr(os, name)))

    def _failing(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def maybe(*arguments: object) -> object:
            if sys._getframe(1).f_globals["__name__"] == "normcli.storage.outputs":
                self.left -= 1
                if self.left == 0:
                    self.failed = True
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            result = call(*arguments)
            self.replaced |= name == "replace"
            return result

        return maybe


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_disk_that_is_full_in_the_middle_leaves_the_old_file(
    folder: Path, tmp_path: Path, jobs: int
) -> None:
    target = tmp_path / "out.csv"
    target.write_bytes(OLD)
    limit = 10 << 20
    result = subprocess.run(
        [*NORMCLI, "transform", "big.csv", "--stats", "s.json", "-o", target, "-j", str(jobs)],
        cwd=folder,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == f"normcli: cannot write {target}: File too large\n".encode()
    assert target.read_bytes() == OLD
    assert temporaries(tmp_path) == []
