"""Compile the kernel: for the package (`hatch_build.py`), and for fuzzing (`tools/fuzz.py`)."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "normcli" / "kernel" / "text.cpp"
LIBRARY = SOURCE.with_name("text.so")
FLAGS = ("-std=c++20", "-ffp-contract=off", "-Wall", "-Wextra")
SHARED = ("-O3", "-fPIC", "-shared", "-fno-exceptions", "-fno-rtti")


def build() -> bool:
    """Compile the library beside its source; False, said on stderr, where that cannot be."""
    LIBRARY.unlink(missing_ok=True)
    why = compiled(LIBRARY, SOURCE, SHARED)
    if why:
        print(f"normcli is built without its compiled kernel: {why}", file=sys.stderr)
    return not why


def compiled(target: Path, source: Path, flags: tuple[str, ...], default: str = "c++") -> str:
    """Compile a file, which may include the kernel; why that failed, or nothing.

    default: the compiler, if the environment variable CXX does not name another.
    """
    compiler = shlex.split(os.environ.get("CXX") or default)
    if not shutil.which(compiler[0]):
        return f"there is no {compiler[0]}"
    with tempfile.TemporaryDirectory() as made:
        Path(made, "powers.inc").write_text("".join(map(power, range(-342, 325))))
        new = Path(made, target.name)
        include = [f"-I{made}", f"-I{SOURCE.parent}"]
        command = [*compiler, *FLAGS, *flags, *include, str(source), "-o", str(new)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return f"{shlex.join(command)} failed\n{done.stderr}".rstrip()
        shutil.copyfile(new, target)
        target.chmod(0o755)
    return ""


def power(q: int) -> str:
    """10**q as its first 128 bits, rounded up: a row of POWERS in the kernel."""
    top, bottom = (10**q, 1) if q >= 0 else (1, 10**-q)
    shift = 127 - (top.bit_length() - bottom.bit_length())  # or one more
    if (top << max(shift, 0)) // (bottom << max(-shift, 0)) < 1 << 127:
        shift += 1
    bits = -(-(top << max(shift, 0)) // (bottom << max(-shift, 0)))
    return f"{{{bits >> 64:#x}, {bits & (1 << 64) - 1:#x}}},\n"
