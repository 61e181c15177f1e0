"""Outputs are whole or untouched, whatever happens in between."""

from __future__ import annotations

import errno
import fcntl
import gc
import gzip
import io
import os
import signal
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from normcli.errors import DataError, NormcliError
from normcli.storage.compression import SUFFIXES
from normcli.storage.outputs import output, write_atomic
from normcli.storage.sources import Source, sources
from tests.storage import NEW, OLD, descriptors, linux, names, python, run
from tests.test_storage_sources import listed

# Code that writes to devices gives up root's rights first: a bug must not replace the devices.
UNPRIVILEGED = """
if os.geteuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
"""


# -- writing files -------------------------------------------------------------------------


@pytest.fixture
def target(tmp_path):
    """A file with old content, alone in its directory."""
    path = tmp_path / "t.csv"
    path.write_bytes(OLD)
    return path


def write(target: object, data: bytes = NEW) -> None:
    with output(str(target)) as stream:
        for at in range(0, len(data), 100_000):
            stream.write(data[at : at + 100_000])


def test_the_new_file_takes_the_old_ones_place(target):
    write(target)
    assert target.read_bytes() == NEW
    assert names(target.parent) == ["t.csv"]


def test_nothing_is_visible_before_the_end(target):
    with output(str(target)) as stream:
        stream.write(NEW)
        stream.flush()
        assert target.read_bytes() == OLD
        [temporary] = set(names(target.parent)) - {"t.csv"}
        assert temporary.startswith(".normcli-")


def test_the_name_of_the_temporary_file_cannot_be_foreseen(target):
    def temporary() -> set[str]:
        with output(str(target)):
            return set(names(target.parent)) - {"t.csv"}

    assert len(temporary() | temporary()) == 2


@pytest.mark.parametrize("error", [DataError, KeyboardInterrupt, SystemExit, BrokenPipeError])
@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_an_error_while_the_data_are_made_leaves_the_old_file(tmp_path, error, suffix):
    target = tmp_path / f"t.csv{suffix}"
    target.write_bytes(OLD)
    with pytest.raises(error, match="why"):  # noqa: PT012, SIM117  # all the block is tested
        with output(str(target)) as stream:
            stream.write(NEW)
            raise error("why")
    assert target.read_bytes() == OLD
    assert names(tmp_path) == [target.name]


def test_data_and_directory_are_on_the_disk_in_the_right_order(target, monkeypatch):
    calls = []

    def recorded(name, call):
        def record(first, *rest):
            is_file = name == "replace" or stat.S_ISREG(os.fstat(first).st_mode)
            calls.append(f"{name} {'file' if is_file else 'directory'}")
            return call(first, *rest)

        return record

    for name in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
    write(target)
    assert calls[0] == "write file"
    assert calls[-4:] == ["write file", "fsync file", "replace file", "fsync directory"]


def test_the_stream_may_be_closed_by_its_writer(target):
    with output(str(target)) as stream:
        stream.write(NEW)
        stream.close()
    assert target.read_bytes() == NEW


def test_small_writes_are_gathered(target, monkeypatch):
    written, real = [], os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(1) or real(fd, data))
    with output(str(target)) as stream:
        for at in range(0, len(NEW), 1000):
            stream.write(NEW[at : at + 1000])
    assert len(written) <= 1 + len(NEW) // 100_000


def test_partial_writes_of_the_system_are_continued(target, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: 1 + len(data) // 3]))
    write(target)
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_suffix_of_the_target_compresses(tmp_path, suffix):
    write(tmp_path / f"t.csv{suffix}")
    [source] = sources([str(tmp_path / f"t.csv{suffix}")])
    assert source.path is None
    assert source.open().read() == NEW


def test_the_compression_can_be_given(target):
    with output(str(target), compression="gzip") as stream:
        stream.write(NEW)
    assert gzip.decompress(target.read_bytes()) == NEW


def test_a_sidecar_is_written_atomically(target):
    write_atomic(target, NEW)
    assert target.read_bytes() == NEW


def test_arrow_writes_parquet_to_it(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"a": [1.0, 2.0]})
    with output(str(tmp_path / "t.parquet")) as stream:
        parquet.write_table(table, stream)
    assert parquet.read_table(tmp_path / "t.parquet") == table


# -- mode, owner, links --------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_gets_the_mode_that_the_umask_leaves(tmp_path, mask):
    before = os.umask(mask)
    try:
        write(tmp_path / "new.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_a_replaced_file_keeps_its_mode_which_the_temporary_one_never_exceeds(target, mode):
    target.chmod(mode)
    with output(str(target)) as stream:
        [temporary] = set(target.parent.iterdir()) - {target}
        assert stat.S_IMODE(temporary.stat().st_mode) == mode
        stream.write(NEW)
    assert stat.S_IMODE(target.stat().st_mode) == mode


root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@root
def test_a_replaced_file_keeps_its_owner_where_that_is_permitted(target):
    os.chown(target, 12345, 23456)
    write(target)
    assert (target.stat().st_uid, target.stat().st_gid) == (12345, 23456)


@root
def test_a_replaced_file_changes_its_owner_where_it_has_to(target, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    os.chown(target, 12345, 23456)
    monkeypatch.setattr(os, "fchown", refused)
    write(target)
    assert target.read_bytes() == NEW
    assert target.stat().st_uid == 0


@pytest.mark.parametrize("exists", [True, False], ids=["to a file", "dangling"])
def test_a_link_stays_a_link(tmp_path, exists):
    real, link, second = tmp_path / "d" / "real.csv", tmp_path / "link", tmp_path / "second"
    real.parent.mkdir()
    if exists:
        real.write_bytes(OLD)
    link.symlink_to("d/real.csv")
    second.symlink_to(link)
    write(second)
    assert real.read_bytes() == NEW
    assert link.is_symlink()
    assert second.is_symlink()
    assert names(real.parent) == ["real.csv"]


@pytest.mark.parametrize("kind", ["the same path", "symbolic link", "hard link"])
def test_an_input_may_be_the_target(target, kind):
    other = target.parent / "other.csv"
    if kind == "symbolic link":
        other.symlink_to(target)
    elif kind == "hard link":
        other.hardlink_to(target)
    else:
        other = target
    [source] = sources([str(target)])
    with output(str(other), inputs=[source]) as stream, source.open() as table:
        stream.write(table.read().upper())
    assert other.read_bytes() == OLD.upper()


# -- what is refused before anything is read -----------------------------------------------


def refused(target: object) -> str:
    """The message with which `target` is refused on entry."""
    with pytest.raises(NormcliError) as caught, output(str(target)):
        pytest.fail("the target was not refused")
    assert len(str(caught.value).splitlines()) <= 2
    return str(caught.value)


def test_targets_that_cannot_be_written_are_refused_on_entry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    Path("file").touch()
    Path("loop").symlink_to("loop")
    assert refused("nowhere/t.csv") == ("cannot write nowhere/t.csv: there is no directory nowhere")
    assert refused("d") == "cannot write d: it is a directory; name a file in it"
    assert refused("new/").endswith("it is a directory; name a file in it")
    assert refused("").endswith("it is a directory; name a file in it")
    assert refused("file/t.csv") == "cannot write file/t.csv: Not a directory"
    assert refused("loop") == "cannot write loop: Too many levels of symbolic links"
    assert refused("x" * 300).endswith("File name too long")
    assert refused("nowhere/\x1b[2J").startswith("cannot write 'nowhere/\\x1b[2J': ")
    assert names(tmp_path) == ["d", "file", "loop"]


def test_a_name_of_the_greatest_length_is_written(tmp_path):
    write(tmp_path / ("x" * 255))
    assert names(tmp_path) == ["x" * 255]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_protected_files_and_directories_are_refused_on_entry():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "t.csv").write_bytes(OLD)
        script = UNPRIVILEGED + "with output(sys.argv[1]): pass"
        _, _, old = run(script, folder / "t.csv")
        _, _, new = run(script, folder / "new.csv")
        assert old.endswith("t.csv: it is write-protected")
        assert new.endswith("and its directory is write-protected")
        assert names(folder) == ["t.csv"]


# -- faults --------------------------------------------------------------------------------

CALLS = ("open", "write", "fsync", "close", "fstat", "fchmod", "fchown", "replace")


class Fault:
    """Makes the n-th system call fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int, error: BaseException) -> None:
        self.left, self.error, self.failed = n, error, ""
        for name in CALLS:
            monkeypatch.setattr(os, name, self.failing(name, getattr(os, name)))

    def failing(self, name, call):
        def maybe(*args, **options):
            self.left -= 1
            if self.left == 0:
                self.failed = name
                if name == "close":
                    call(*args, **options)  # whatever close reports, the descriptor is gone
                raise self.error
            return call(*args, **options)

        return maybe


@linux
@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
@pytest.mark.parametrize(
    "error",
    [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()],
    ids=["EIO", "Ctrl-C"],
)
def test_a_fault_at_any_call_leaves_the_old_file_or_the_new_one_whole(
    tmp_path, suffix, error, monkeypatch
):
    target = tmp_path / f"t.csv{suffix}"
    expected: type[BaseException] = NormcliError if isinstance(error, OSError) else type(error)
    failed = set()
    write(target)
    new = target.read_bytes()
    gc.collect()  # files that earlier tests left open
    for n in range(1, 100):
        target.write_bytes(OLD)
        os.chmod(target, 0o640)
        before = descriptors()
        with monkeypatch.context() as patch:
            fault = Fault(patch, n, error)
            with suppress(expected):
                write(target)
                assert not fault.failed, f"nobody saw that {fault.failed} failed"
        assert names(tmp_path) == [target.name]
        assert descriptors() == before
        whole = target.read_bytes()
        assert whole in (OLD, new)
        if not fault.failed:
            break
        failed.add(fault.failed)
        replaced = fault.failed in ("open", "fsync", "close") and n > 5
        assert whole == OLD or replaced
    assert whole == new
    assert failed >= {"open", "write", "fsync", "close", "fchmod", "replace"}


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("limit", [0, 70_000, 599_999])
def test_a_limit_of_the_system_at_any_byte_leaves_the_old_file(tmp_path, suffix, limit):
    script = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
with output(sys.argv[1]) as stream:
    for _ in range(6):
        stream.write(os.urandom(100_000))
"""
    target = tmp_path / f"t{suffix}"
    target.write_bytes(OLD)
    words = f"normcli.errors.NormcliError: cannot write {target}: File too large"
    assert run(script, target, limit) == (1, b"", words)
    assert target.read_bytes() == OLD
    assert names(tmp_path) == [target.name]


SLOW_WRITER = """
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with output(sys.argv[1]) as stream:
    stream.write(b"x" * 1_000_000)
    sys.stdout.write("ready\\n"), sys.stdout.flush()
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -2), (signal.SIGKILL, -9)]
)
def test_a_signal_leaves_the_old_file(target, number, code):
    with python(SLOW_WRITER, target) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(10) == code
    assert target.read_bytes() == OLD
    left = names(target.parent)
    assert left == ["t.csv"] or (number == signal.SIGKILL and len(left) == 2)
    assert listed(str(target.parent)) == [str(target)]  # the file that kill -9 left does no harm
    write(target.parent / "other")  # and the next run that writes to this place removes it
    assert names(target.parent) == ["other", "t.csv"]


def test_the_temporary_files_of_others_are_left_alone(target, tmp_path):
    with python(SLOW_WRITER, target) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        [theirs] = set(names(tmp_path)) - {"t.csv"}
        far = theirs.replace(theirs[9:17], "0" * 8)  # of a machine whose locks are not seen here
        (tmp_path / far).touch()
        write(tmp_path / "new.csv")
        assert names(tmp_path) == sorted(["t.csv", "new.csv", theirs, far])


def test_a_new_file_that_another_run_takes_for_a_leftover_is_made_again(target, monkeypatch):
    real, taken = fcntl.flock, []

    def lock(descriptor, operation):
        if not taken:  # the other run was faster
            [temporary] = set(names(target.parent)) - {"t.csv"}
            taken.append(os.unlink(target.parent / temporary))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", lock)
    write(target)
    assert target.read_bytes() == NEW
    assert names(target.parent) == ["t.csv"]


# -- pipes, devices, descriptors -----------------------------------------------------------

TO_STDOUT = "with output('-') as stream: stream.write(b'x' * int(sys.argv[1]))"


def test_stdout_gets_the_bytes_and_nothing_else():
    assert run(TO_STDOUT, 1_000_000) == (0, b"x" * 1_000_000, "")


@pytest.mark.parametrize(("suffix", "compression"), SUFFIXES.items())
def test_interrupted_output_does_not_look_complete_on_stdout(suffix, compression, tmp_path):
    script = """
with output("-", compression=sys.argv[1]) as stream:
    stream.write(os.urandom(1_000_000))
    raise ValueError("no more")
"""
    code, out, words = run(script, compression)
    assert (code, words) == (1, "ValueError: no more")
    path = tmp_path / f"out{suffix}"
    path.write_bytes(out)
    with pytest.raises(DataError):
        sources([str(path)])[0].open().read()


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@linux
def test_names_of_stdout_are_stdout_even_where_it_is_a_file(tmp_path, target):
    log = tmp_path / "log"
    log.write_bytes(b"first\n")
    with log.open("ab") as stdout:
        run("with output(sys.argv[1]) as stream: stream.write(b'second\\n')", target, stdout=stdout)
    assert log.read_bytes() == b"first\nsecond\n"


@pytest.mark.parametrize("size", [1, 1_000_000])
@pytest.mark.parametrize("target", ["-", "/dev/full"])
@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_full_device_is_an_error_even_when_it_shows_only_at_the_end(size, target):
    write_some = "with output(sys.argv[1]) as stream: stream.write(b'x' * int(sys.argv[2]))"
    script = UNPRIVILEGED + write_some
    with open("/dev/full", "wb") as full:
        code, _, words = run(script, target, size, stdout=full)
    name = "stdout" if target == "-" else target
    assert (code, words) == (
        1,
        f"normcli.errors.NormcliError: cannot write {name}: No space left on device",
    )


def test_the_null_device_is_written_to():
    script = UNPRIVILEGED + "with output('/dev/null') as stream: stream.write(b'x')"
    assert run(script) == (0, b"", "")


def test_a_fifo_is_written_to(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with python("sys.stdout.write(str(len(open(sys.argv[1], 'rb').read())))", fifo) as reader:
        write(fifo)
        assert reader.communicate()[0] == b"%d" % len(NEW)
    assert fifo.is_fifo()


QUIET = """
try:
    with output(sys.argv[1]) as stream:
        for _ in range(100_000):
            stream.write(b"x" * 1000)
except BrokenPipeError:
    print("this goes nowhere")
    sys.exit(0)
"""


@pytest.mark.parametrize("how", ["-", "/dev/stdout"])
def test_a_reader_that_goes_away_ends_the_work_quietly(how):
    with python(QUIET, how) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize("compression", SUFFIXES.values())
def test_a_reader_that_goes_away_is_noticed_through_compression(compression):
    script = QUIET.replace("sys.argv[1]", f"'-', compression={compression!r}")
    with python(script.replace('b"x" * 1000', "os.urandom(1000)")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


def closed_stdout() -> None:
    os.close(1)


def test_a_closed_stdout_has_its_own_words():
    _, _, words = run(TO_STDOUT, 10, stdout=None, preexec_fn=closed_stdout)
    assert "stdout is closed: give a file with -o" in words


@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_stdout_that_leads_to_an_input_is_refused_before_it_is_written(target, mode):
    script = "with output('-', inputs=sources(sys.argv[1:])) as stream: stream.write(b'x')"
    with target.open(mode) as stdout, python(script, target, stdout=stdout) as process:
        _, err = process.communicate()
    assert b"stdout is redirected to the input" in err
    assert target.read_bytes() == OLD


def test_the_same_device_may_be_input_and_output():
    script = "with output('-', inputs=sources(['/dev/null'])) as stream: stream.write(b'x')"
    assert run(script, stdout=subprocess.DEVNULL) == (0, b"", "")


def test_data_of_any_kind_of_buffer_are_written(tmp_path):
    for suffix in ["", *SUFFIXES]:
        path = tmp_path / f"t{suffix}"
        with output(str(path)) as stream:
            for data in (b"ab", bytearray(b"cd"), memoryview(b"ef")):
                stream.write(data)
        assert sources([str(path)])[0].open().read() == b"abcdef"


def test_system_errors_while_reading_name_the_input(target, monkeypatch):
    class Failing(io.FileIO):
        def readinto(self, buffer):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("normcli.storage.sources.io.FileIO", Failing)
    with pytest.raises(NormcliError, match=f"cannot read {target}: Input/output error"):
        Source(str(target), target).head()
