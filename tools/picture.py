"""The picture in the README: a terminal session, drawn from the output of real commands."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
from fcntl import ioctl
from io import StringIO
from termios import TIOCSWINSZ

from tools.sessions import FIGURE, README, ROOT, Shell, first_commands

PICTURE = ROOT / "docs" / "session.svg"
WIDTH, HEIGHT = 96, 60


def picture(shell: Shell) -> str:
    """The session that the README opens with, as SVG."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    for command in first_commands(README.read_text()):
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        console.print(Text.from_ansi(on_a_terminal(command, shell)), end="")
        console.print()
    svg = console.export_svg(title="normcli", unique_id="session")
    # it refers to fonts on another server, which a picture in a page may not load
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def on_a_terminal(command: str, shell: Shell) -> str:
    """The output of a command on a terminal of `WIDTH` columns, colours included."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environment = {**shell.environment, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=shell.directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        text = b"".join(iter(lambda: _read(terminal.fileno()), b"")).decode()
    process.wait()
    return FIGURE.sub("0.1 ", text.replace("\r\n", "\n"))  # or each picture would differ


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # on Linux, if the other end is closed
        return b""
