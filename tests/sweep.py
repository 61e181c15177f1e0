"""Run many command lines in one process, which none of them should crash.

Reads a JSON list of [arguments, file for stdin or null], and writes a line of JSON for each:
exit code, stderr, seconds, and the peak memory of the process so far in MB. If the
process crashes, the command that crashed it is the one after those of these lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
import time
import traceback
from typing import IO, Any

from normcli.__main__ import run


def main() -> None:
    results = os.fdopen(os.dup(1), "w", buffering=1)
    cases = json.load(sys.stdin)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        for arguments, stdin in cases:
            result = outcome(arguments, stdin, err)
            print(json.dumps(result), file=results)
            out.truncate(0)
            err.truncate(0)
            os.lseek(1, 0, os.SEEK_SET)
            os.lseek(2, 0, os.SEEK_SET)


def outcome(arguments: list[str], stdin: str | None, err: IO[bytes]) -> dict[str, Any]:
    file = os.open(stdin or os.devnull, os.O_RDONLY)
    os.dup2(file, 0)
    os.close(file)
    started = time.monotonic()
    try:
        code = run(arguments)
    except BaseException:
        traceback.print_exc()
        code = -1
    sys.stderr.flush()
    seconds = time.monotonic() - started
    words = os.pread(err.fileno(), 1 << 20, 0).decode(errors="replace")
    return {"code": code, "err": words, "seconds": seconds, "memory": peak()}


def peak() -> float:
    """The most memory that this program had, in MB.

    Where it can be told, without what the process had before it was this program: ru_maxrss
    begins with the memory of the process that started it.
    """
    with contextlib.suppress(OSError), open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
