"""The examples of a page: its ``console`` blocks, and the output of their commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

README = PAGES[0]
# The block that the README opens with: after the installation, commands; and what they print.
TRY = re.compile(
    r"^<!-- try -->\n```sh\n.* && pip install -q \. &&\n(.*?)^```\n(.*?)^```text\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)

FIGURE = re.compile(r"\b\d[\d.e+-]* (?=(?:ms|s|MB/s|GB/s)\b)")


@dataclass(frozen=True)
class Step:
    """A command, as it is typed after ``$`` and ``>``, and its output."""

    command: str
    output: str

    def __str__(self) -> str:
        first, *more = self.command.splitlines(keepends=True)
        rest = (f"> {line}" if line.strip() else ">\n" for line in more)
        return "".join([f"$ {first}", *rest, self.output])


def fenced(language: str) -> re.Pattern[str]:
    """A pattern for a fenced block of a language; its group 1 is the content."""
    return re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def steps(page: str) -> list[Step]:
    """The steps of all ``console`` blocks of a page, in order."""
    return [step for block in fenced("console").findall(page) for step in _steps(block)]


def _steps(block: str) -> list[Step]:
    found = []
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        first, *lines = part.splitlines(keepends=True)
        typed = list(takewhile(lambda line: line.startswith(">"), lines))
        command = "".join([first, *(re.sub("^> ?", "", line) for line in typed)])
        found.append(Step(command, "".join(lines[len(typed) :])))
    return found


class Shell:
    """A shell in a directory with a copy of the sample data, and normcli on its path."""

    def __init__(self, directory: Path) -> None:
        """Copy the sample data, and put normcli of this checkout on the path."""
        self.directory = directory
        shutil.copytree(ROOT / "sample_data", directory / "sample_data")
        scripts = directory / ".bin"
        scripts.mkdir()
        script = scripts / "normcli"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m normcli "$@"\n')
        script.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "80",
        }

    def run(self, command: str) -> str:
        """The output of a command, stdout and stderr; raises RuntimeError if normcli has a bug."""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if "this is a bug in normcli" in done.stdout:
            raise RuntimeError(f"$ {command}{done.stdout}")
        return done.stdout


def says(expected: str, printed: str) -> bool:
    """Is this what was printed? Times may differ; what follows ``...`` is not compared."""
    expected, printed = (FIGURE.sub("0 ", text) for text in (expected, printed))
    if expected.endswith("...\n"):
        return printed.startswith(expected.removesuffix("...\n"))
    return printed == expected


def first_commands(readme: str) -> list[str]:
    """The commands that the README opens with."""
    (found,) = TRY.findall(readme)
    return [command.removesuffix(" &&") for command in found[0].splitlines()]


def with_first_output(readme: str, shell: Shell) -> str:
    """The README, with the present output of the commands that it opens with."""

    def fill(block: re.Match[str]) -> str:
        printed = shell.run(block[1])
        kept = block[3] if says(block[3], printed) else printed
        return block[0].replace(f"```text\n{block[3]}", f"```text\n{kept}")

    return TRY.sub(fill, readme)


def filled(page: str, shell: Shell) -> str:
    """The page, with the present output of its commands."""

    def fill(block: re.Match[str]) -> str:
        done = []
        for step in _steps(block[1]):
            printed = shell.run(step.command)
            kept = step.output if says(step.output, printed) else printed
            done.append(str(Step(step.command, kept)))
        return f"```console\n{''.join(done)}```"

    return fenced("console").sub(fill, page)
