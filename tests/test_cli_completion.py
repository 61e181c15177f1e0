"""The shells complete commands, options, methods, columns and files."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import Cli

TABLE = b"id,x,y\n007,1,10\n008,2,\n009,6,40\n"
NORMCLI = [sys.executable, "-m", "normcli"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_bytes(TABLE)
    return path


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(normcli: Cli, shell: str) -> None:
    result = normcli("completion", shell)
    assert result.code == 0
    assert "_NORMCLI_COMPLETE" in result.text
    assert ("autoload -Uz compinit" in result.text) is (shell == "zsh")
    assert ('string split -m 1 ","' in result.text) is (shell == "fish")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("tr", ["transform"]),
        ("transform --save", ["--save-stats"]),
        ("transform --stats {stats} -s y", ["y"]),
        ("transform --stats absent.json -s y", []),
        ("transform --stats {stats} -s y,y", ["y,y"]),
        ("transform --stats {stats} --column y", ["y"]),
        ("transform --stats {stats} --column y=mi", ["y\\=minmax"]),
        ("fit --method z", ["zscore"]),
        ("transform --to pa", ["parquet"]),
        ("fit --from js", ["jsonl", "json"]),
    ],
)
def test_commands_options_and_columns_are_completed(
    normcli: Cli, data: Path, words: str, expected: list[str]
) -> None:
    normcli("fit", data)
    line = "normcli " + words.format(stats=data.parent / "data.stats.json")
    environment = {
        "COMP_WORDS": line,
        "COMP_WORD": line.split()[-1],
        "_NORMCLI_COMPLETE": "bash_complete",
    }
    result = subprocess.run(
        NORMCLI,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    assert [line.partition(",")[2] for line in result.stdout.decode().split()] == expected
    assert result.stderr == b""


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("-s pr", ["-s", "price ($)"]),
        ("-s 'pr", ["-s", "price ($)"]),
        ("-s price\\ \\(\\$\\),a:", ["-s", "price ($),a:b=c"]),
        ("-s a", ["-s", "a:b=c"]),
        ("-s it", ["-s", "it's"]),
        ("-s \\*", ["-s", "*"]),
        ("--column price\\ \\(\\$\\)=min", ["--column", "price ($)=minmax"]),
        ("--method=min", ["--method=minmax"]),
    ],
)
def test_bash_completes_words_that_it_has_to_quote(
    normcli: Cli, tmp_path: Path, typed: str, words: list[str]
) -> None:
    saved = tmp_path / "s.json"
    normcli("fit", "-o", saved, stdin=b"price ($),a:b=c,it's,*\n1,1,1,1\n2,2,2,2\n")
    program = tmp_path / "normcli"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m normcli "$@"\n')
    program.chmod(0o755)
    script = normcli("completion", "bash").text
    told = _completed_in_bash(f"normcli transform --stats {saved} {typed}", script, tmp_path)
    assert told[4:] == words


def _completed_in_bash(line: str, script: str, directory: Path) -> list[str]:
    """The words of a line that a person types in bash, with a tab at its end."""
    told, settings = directory / "told", directory / "bashrc"
    tell = f"tell() {{ printf '%s\\0' \"$@\" > {told}; }}"
    settings.write_text(f"PS1=ready; PATH={directory}:$PATH\n{script}\n{tell}\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("bash", ["bash", "--noprofile", "--rcfile", str(settings), "-i"])
    seen = b""
    while not seen.endswith(b"ready"):
        seen += os.read(terminal, 1024)
    # The cursor goes to the start of the line, so that it is told instead of run. The ends of
    # input behind it are for a line whose quotes are left open.
    os.write(terminal, f"{line}\t\x01tell \nexit\n\x04\x04".encode())
    with suppress(OSError):  # which ends it on Linux
        while os.read(terminal, 1024):
            pass
    os.waitpid(pid, 0)
    os.close(terminal)
    return told.read_text().split("\0")[:-1]


def test_files_are_completed_by_the_shell(data: Path) -> None:
    for line in ("normcli fit da", "normcli transform --stats da", "normcli show da"):
        result = subprocess.run(
            NORMCLI,
            env={
                **os.environ,
                "COMP_WORDS": line,
                "COMP_WORD": line.split()[-1],
                "_NORMCLI_COMPLETE": "bash_complete",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.stdout == "file,da\n"
