"""Shared fixtures: normcli in this process, on real descriptors, and an S3 server."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import settings

from normcli.__main__ import run
from tests.s3_server import ENVIRONMENT, Store, s3_server


@dataclass(frozen=True)
class Outcome:
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


os.environ["NORMCLI_TRACEBACK"] = "1"  # so that a bug shows its traceback
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each process compiles the program
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell script
    signal.signal(signal.SIGINT, signal.default_int_handler)
# No deadline: a busy machine is no failure. More examples: --hypothesis-profile thorough
settings.register_profile("normcli", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("normcli")
Cli = Callable[..., Outcome]


@pytest.fixture
def normcli(capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """Run a command line: ``normcli("fit", path, stdin=b"...")``; stdin comes through a pipe."""

    def call(*arguments: object, stdin: bytes = b"") -> Outcome:
        capfdbinary.readouterr()
        saved = os.dup(0)
        reader, writer = os.pipe()
        os.dup2(reader, 0)
        os.close(reader)
        feeder = threading.Thread(target=_feed, args=(writer, stdin))
        feeder.start()
        try:
            code = run([str(argument) for argument in arguments])
        finally:
            os.dup2(saved, 0)
            os.close(saved)
            feeder.join()
        out, err = capfdbinary.readouterr()
        return Outcome(code, out, err.decode())

    return call


def _feed(descriptor: int, data: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(data)


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    """An S3 server on 127.0.0.1."""
    pytest.importorskip("moto", reason="the extra normcli[test] is not installed")
    with s3_server() as running:
        yield running


@pytest.fixture
def store(server: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The server, empty, and the environment variables that point to it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    server.clear()
    return server
