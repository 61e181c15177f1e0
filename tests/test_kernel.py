"""The compiled kernel gives what the path in NumPy gives, or refuses."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from normcli import kernel
from normcli.__main__ import run
from normcli.formats.base import ReadOptions, Style
from normcli.formats.csv.format import Csv
from normcli.numerics.numbers import Numbers, Scaled
from normcli.statistics.base import Rows
from normcli.statistics.moments import MomentsState
from tests.test_csv import Memory
from tools.kernel import build, compiled, power

needs_kernel = pytest.mark.skipif(
    kernel.library() is None, reason="no compiled kernel: there is no compiler, or it is turned off"
)
WITHOUT = patch.object(kernel, "library", lambda: None)
ENDS = ["\n", "\r\n"]
ODD_CELLS = [
    *("", " ", "NA", "nan", "inf", "-inf", "x", "007", "+7", "-007", "1_0", "0x10", "1e999", "."),
    *('"', '"a', '""', '"1.5"', '" 2 "', '"a,b"', '"a\nb"', '"a""b"', 'a"b', '"a"b', "\r", "é"),
    *("1e", "1e+", "-", "1.", ".5", "-.5e-3", "1e5", "1E5", "-0", "0e400", "1e-400", "4.9e-324"),
    *("9007199254740991", "9007199254740993", "18446744073709551616", "0." + "0" * 30 + "1"),
    *("123456789012345678901234567890", "1.7976931348623157e308", "5e-324", "\t3", "3\t", "2,5"),
]
numbers = st.floats(allow_nan=False, allow_infinity=False)
cells = st.one_of(
    numbers.map(repr),
    st.integers(-(10**19), 10**19).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(ODD_CELLS),
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    width = draw(st.integers(1, 4))
    plain = draw(st.sampled_from([numbers.map(repr), cells]))
    rows = draw(st.lists(st.lists(plain, min_size=width, max_size=width), max_size=20))
    if draw(st.booleans()):
        rows.append(draw(st.lists(cells, max_size=6)))
    end = draw(st.sampled_from(ENDS))
    header = ",".join(f"c{i}" for i in range(width))
    text = end.join([header, *map(",".join, rows)]) + draw(st.sampled_from(["", end, end + end]))
    return text.encode("utf-8", "surrogatepass")


def both(call):
    """What a call gives with the kernel and without."""
    with_kernel = outcome(call)
    with WITHOUT:
        return with_kernel, outcome(call)


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


@needs_kernel
@given(tables())
@settings(max_examples=100)
def test_columns_are_read_alike(table):
    def read():
        found = []
        for chunk in Csv().open(Memory(table), ReadOptions()).chunks():
            found += [chunk.rows, chunk.observe(range(len(chunk.layout.names)))]
            found += [chunk.numbers([0])]
        return repr(found)

    a, b = both(read)
    assert a == b


@needs_kernel
@given(tables(), st.data())
@settings(max_examples=100)
def test_numbers_are_written_alike(table, data):
    def spliced():
        written = b""
        for chunk in Csv().open(Memory(table), ReadOptions()).chunks():
            scaled = {c: take(chunk.rows) for c in replaced if c < len(chunk.layout.names)}
            written += bytes(chunk.splice(scaled, style))
        return written

    def take(n):
        values = np.resize(np.array(some), n)
        keep = np.resize(np.array(masks[0]), n) if masks else None
        null = np.resize(np.array(masks[1]), n) & ~keep if masks else None
        return Scaled(values, keep, null)

    some = data.draw(st.lists(numbers, min_size=1))
    replaced = data.draw(st.sets(st.integers(0, 3)))
    flags = st.lists(st.booleans(), min_size=1)
    masks = data.draw(st.none() | st.tuples(flags, flags))
    style = Style(precision=data.draw(st.none() | st.integers(1, 17)))
    a, b = both(spliced)
    assert a == b


@needs_kernel
@given(tables(), st.sampled_from(["zscore", "minmax", "log1p+zscore"]))
@settings(max_examples=15)
def test_commands_give_the_same_bytes_and_messages(table, method):
    def written() -> list[object]:
        found: list[object] = []
        for options in ([], ["--on-bad-row", "skip"], ["--select", "c0", "--on-inf", "ignore"]):
            command = ["fit-transform", "t.csv", "--method", method, "-o", "o.csv"]
            with patch("sys.stderr") as stderr:
                found.append(run([*command, "--save-stats", "s.json", "-j", "2", *options]))
            texts = [call.args[0] for call in stderr.write.call_args_list]
            found.append([re.sub(r"[0-9.]+ s\b", "", text) for text in texts])
            for each in (Path("o.csv"), Path("s.json")):
                found += [each.read_bytes() if each.exists() else None]
                each.unlink(missing_ok=True)
        return found

    with tempfile.TemporaryDirectory() as at, contextlib.chdir(at):
        Path("t.csv").write_bytes(table)
        a, b = both(written)
    assert a == b


@needs_kernel
def test_numbers_of_any_bits_are_read_to_the_nearest_float():
    rng = np.random.default_rng(1)
    exponents = rng.integers(1, 1023 + 53, 100_000)
    bits = exponents << 52 | rng.integers(0, 1 << 52, 100_000)
    texts = [repr(x) for x in bits.view(np.float64).tolist()]
    powers = rng.integers(-300, -3, 100_000).tolist()
    texts += [f"{digits}e{power}" for digits, power in zip(bits.tolist(), powers, strict=True)]
    block = "".join(f"{text}\n" for text in texts).encode()
    marks = kernel.find(block, b",", None, 1)
    data = np.frombuffer(block, np.uint8)
    got = kernel.read(data, marks, [0], [], codes=False)[0]
    refused = got is None  # numbers below the smallest normal one are
    texts = [text for text in texts if not refused or float(text) > 1e-300]
    block = "".join(f"{text}\n" for text in texts).encode()
    marks = kernel.find(block, b",", None, 1)
    (got,) = kernel.read(np.frombuffer(block, np.uint8), marks, [0], [], codes=False)
    assert len(texts) > 150_000
    assert got[0].tobytes() == np.array([float(text) for text in texts]).tobytes()


@needs_kernel
def test_numbers_of_any_bits_are_written_as_by_orjson():
    rng = np.random.default_rng(2)
    bits = rng.integers(1023 - 17, 1023 + 50, 200_000) << 52 | rng.integers(0, 1 << 52, 200_000)
    powers = np.arange(1023 - 17, 1023 + 50) << 52
    values = np.concatenate([bits.view(np.float64), powers.view(np.float64), np.arange(1000.0)])
    values = np.concatenate([values, np.round(values[:50_000], 2), -values, 0.1 * np.arange(999)])
    values = np.concatenate([values, np.array([0.0, -0.0, 1e-5, 999999999999999.9])])
    mask = [None]
    values = np.delete(values, kernel.odd([values], mask, mask))
    assert len(values) > 300_000
    block = b"1,\n" * len(values)
    marks = kernel.find(block, b",", None, 2)
    none = np.zeros(0, np.int64)
    texts = (np.zeros(0, np.uint8), none, none)
    data = np.frombuffer(block, np.uint8)
    got = kernel.splice(data, marks, [1], [values], mask, mask, none, texts, ".")
    want = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    assert bytes(got) == b"".join(b"1,%b\n" % text for text in want)


@needs_kernel
@given(st.lists(st.lists(st.floats(), min_size=7, max_size=7), min_size=1, max_size=4))
def test_sums_are_exact(columns):
    rows = Rows({i: Numbers(np.array([column])) for i, column in enumerate(columns)})
    a, b = both(lambda: MomentsState.of(rows).moments())
    assert a == b
    for found, column in zip(a, columns, strict=True):
        finite = [Fraction(x) for x in column if abs(x) < float("inf")]
        assert found.sum.as_fraction() == sum(finite)
        assert found.sum_of_squares.as_fraction() == sum(x * x for x in finite)


@needs_kernel
def test_sums_of_more_numbers_than_a_bin_holds_are_exact():
    x = np.full((1 << 21) + 3, np.nextafter(2.0, 0))
    found = kernel.moments([x])
    digits = found.digits.astype(object)
    total = sum(d << 23 * i for i, d in enumerate(digits[::-1, 1].tolist()))
    assert Fraction(total) * Fraction(2) ** (23 * found.low) == len(x) * Fraction(x[0]) ** 2


@needs_kernel
@pytest.mark.parametrize(
    "block",
    [
        *(b"1,2", b"1,2\r", b"1\n", b"1,2,3\n", b"1,2\n\n", b"1,2\r3,4\n", b"\n", b"1,\0\n"),
        *(b'"1,2\n', b'a"b,1\n', b'"a"b,1\n', b'1,"a" \n', b' "a",1\n', b'"a\n",1\n"\n'),
    ],
)
def test_what_is_odd_is_refused(block):
    assert kernel.find(block, b",", b'"', 2) is None
    padding = b"12,34\n" * 50  # so that it crosses the 64 bytes that are looked at together
    for length in range(64):
        assert kernel.find(padding + b"x" * length + b",1\n" + block, b",", b'"', 2) is None


@needs_kernel
def test_a_block_is_read_alike_wherever_it_lies_in_memory():
    block = b'"a,""b",1.5\n' * 40
    for shift in range(64):
        memory = ctypes.create_string_buffer(b"?" * shift + block + b"?")
        at = bytes(memory)[shift : shift + len(block)]
        marks = kernel.find(at, b",", b'"', 2)
        assert marks is not None
        assert marks.ends.tolist() == [12 * i + k for i in range(40) for k in (7, 11)]


@needs_kernel
def test_threads_take_the_place_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr("normcli.formats.csv.blocks.BLOCK", 1 << 14)
    table = tmp_path / "t.csv"
    table.write_bytes(b"a,b\n" + b"1.5,2\n" * 30_000)
    monkeypatch.setattr("os.fork", lambda: pytest.fail("a process was started"))
    assert run(["fit", str(table), "-q", "-j", "2"]) == 0
    odd = tmp_path / "odd.csv"
    odd.write_bytes(b"a,b\n" + b"1.5,9007199254740993\n" * 30_000)
    with pytest.raises(pytest.fail.Exception, match="a process was started"):
        run(["fit", str(odd), "-q", "-j", "2"])


def test_powers_of_ten_are_those_of_the_papers():
    rows = [struct.unpack(">QQ", bytes.fromhex(row)) for row in PUBLISHED.values()]
    assert [power(q) for q in PUBLISHED] == [f"{{{a:#x}, {b:#x}}},\n" for a, b in rows]


PUBLISHED = {  # the table of the author of Schubfach, as 128 bits
    -292: "ff77b1fcbebcdc4f25e8e89c13bb0f7b",
    -1: "cccccccccccccccccccccccccccccccd",
    0: "80000000000000000000000000000000",
    1: "a0000000000000000000000000000000",
    324: "9e19db92b4e31ba96c07a2c26a8346d2",
}


def test_the_package_is_built_without_a_compiler(monkeypatch, capfd, tmp_path):
    monkeypatch.setattr("tools.kernel.LIBRARY", tmp_path / "text.so")
    for compiler in ("false", "no-such-compiler"):
        monkeypatch.setenv("CXX", compiler)
        assert not build()
        assert not list(tmp_path.iterdir())
        assert "normcli is built without its compiled kernel" in capfd.readouterr().err


def test_it_can_be_turned_off():
    show = [sys.executable, "-m", "normcli", "--version"]
    environment = {**os.environ, "NORMCLI_KERNEL": "0"}
    said = subprocess.run(show, capture_output=True, text=True, env=environment, check=True).stdout
    assert said.splitlines()[1] == "Plain CSV is read and written by NumPy."


@pytest.mark.skipif(not shutil.which("clang++"), reason="clang++ is not there")
def test_a_short_run_of_the_fuzzer_finds_nothing(tmp_path: Path):
    from tools.fuzz import FLAGS, TARGET

    assert compiled(tmp_path / "fuzz", TARGET, (*FLAGS, "-O0"), "clang++") == ""
    done = subprocess.run(
        [tmp_path / "fuzz", "-runs=3000", "-seed=1", "-verbosity=0"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
