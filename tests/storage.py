"""What the tests of storage share: real processes, and a look at what they leave."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from normcli.storage.sources import Source

OLD, NEW = b"the old table\n" * 50, random.Random(3).randbytes(300_000)
linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")


class Memory(Source):
    """A source of these bytes."""

    def __init__(self, data: bytes, name: str = "t.csv", path: Path | None = None) -> None:
        self.data, self.name, self.path = data, name, path
        self._raw = self._waiting = None

    def open(self) -> io.BytesIO:  # type: ignore[override]  # has the methods of the other
        return io.BytesIO(self.data)

    def head(self, n: int = 4096, *, more: bool = False) -> bytes:
        return self.data[:n]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def python(script: str, *args: object, **options: object) -> subprocess.Popen[bytes]:
    """A real process that runs `script`, with everything in `normcli.storage` imported."""
    prelude = (
        "import os, signal, sys, time\n"
        "from normcli.storage.sources import *\nfrom normcli.storage.outputs import *\n"
    )
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-W", "always", "-c", prelude + script, *map(str, args)],
        **(pipes | options),  # type: ignore[call-overload]  # a dictionary of many types
    )


def run(script: str, *args: object, **options: object) -> tuple[int, bytes, str]:
    """Exit code, stdout and the last line of stderr of `script` in a real process."""
    data = options.pop("input", None)
    if data is not None:
        options["stdin"] = subprocess.PIPE
    with python(script, *args, **options) as process:
        out, err = process.communicate(data, timeout=60)
    return process.returncode, out or b"", (err or b"").decode().strip().split("\n")[-1]
