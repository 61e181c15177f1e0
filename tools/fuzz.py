"""Fuzz the kernel: ``python -m tools.fuzz [--runs N] [--seconds S] [--corpus DIR] [SEEDS ...]``.

It compiles `tools/fuzz_kernel.cpp` with clang's libFuzzer, AddressSanitizer and
UndefinedBehaviorSanitizer, and runs it, with CSV files of the directories SEEDS as seeds; inputs
that reach new code are kept in DIR. Afterwards all of these inputs are read by the kernel and by
the path in NumPy, which must agree.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from normcli import kernel
from normcli.errors import NormcliError
from normcli.formats.csv.records import Dialect
from normcli.formats.csv.table import CsvChunk, Layout
from normcli.formats.texts.read import Reading
from tools.kernel import ROOT, compiled

TARGET = ROOT / "tools" / "fuzz_kernel.cpp"
FLAGS = ("-O2", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
LONGEST = 512  # bytes of an input


def main() -> None:
    """Build, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="0: until all runs are done")
    parser.add_argument("--corpus", type=Path, default=Path("build") / "corpus")
    parser.add_argument("seeds", nargs="*", type=Path, default=[ROOT / "sample_data"])
    asked = parser.parse_args()
    asked.corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        program, seeds = Path(made, "fuzz"), Path(made, "seeds")
        if why := compiled(program, TARGET, FLAGS, "clang++"):
            sys.exit(why)
        seeds.mkdir()
        plant(asked.seeds, seeds)
        limits = [f"-runs={asked.runs}", f"-max_total_time={asked.seconds}", f"-max_len={LONGEST}"]
        command = [program, *limits, "-print_final_stats=1", "-close_fd_mask=1"]
        code = subprocess.run([*command, asked.corpus, seeds]).returncode
    compared = sum(map(agree, sorted(asked.corpus.iterdir())))
    print(f"{compared} inputs give the same with the kernel and without")
    sys.exit(code)


def plant(directories: list[Path], seeds: Path) -> None:
    """The beginnings of all files, as inputs of the target: options, and a block."""
    files = (each for directory in directories for each in directory.rglob("*") if each.is_file())
    for i, file in enumerate(files):
        head = file.read_bytes()[: LONGEST - 3]
        width = max(1, len(head.split(b"\n", 1)[0].split(b",")))
        seeds.joinpath(str(i)).write_bytes(bytes([8, (width - 1) % 5, i % 8]) + head)


def agree(file: Path) -> bool:
    """Compare what the kernel and NumPy make of an input of the target."""
    data = file.read_bytes()
    if len(data) < 4:
        return False
    delimiter = [b",", b";", b"\t", b"|"][data[0] & 3]
    quote = b'"' if data[0] & 8 else b"'" if data[0] & 16 else None
    width = 1 + data[1] % 5
    names = tuple(f"c{i}" for i in range(width))
    layout = Layout("fuzz", names, Dialect(delimiter, quote), Reading(("NA",)))

    def outcome() -> str:
        chunk = CsvChunk(layout, data[3:], 1, 0)
        try:
            return repr((chunk.rows, chunk.observe(range(width))))
        except NormcliError as error:
            return str(error)

    with patch.object(kernel, "library", lambda: None):
        plain = outcome()
    assert outcome() == plain, file
    return True


if __name__ == "__main__":
    main()
