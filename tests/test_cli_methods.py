"""`normcli methods`: the list and the descriptions are those of the methods themselves."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from normcli.cli.methods import described, listed
from normcli.methods import methods
from normcli.methods.base import Method
from normcli.views import screen
from tests.conftest import Cli

ALL = pytest.mark.parametrize("method", methods().values(), ids=lambda method: method.name)


def test_the_list_fits_one_screen_and_has_every_method(normcli: Cli) -> None:
    shown = normcli("methods").text.splitlines()
    assert len(shown) < 24
    words = {word.strip(",") for line in shown for word in line.split()}
    assert words >= set(methods())
    assert {row[0] for row in listed().rows} - {"maps"} < set(methods())


@ALL
def test_a_description_has_every_argument_and_number(method: type[Method], normcli: Cli) -> None:
    shown = normcli("methods", method.name).text
    assert shown == "\n".join([*screen.text(described(method)), ""])
    for name in (*(option.name for option in method.options), *method.givens):
        assert f"{name}=" in shown or f"{name}:" in shown, name
    for text in (*method.edges, *method.examples):
        assert text in shown


@ALL
def test_the_example_of_a_description_runs(
    method: type[Method], normcli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("id,x,y\na,0.25,.5\nb,0.5,.75\nc,0.75,.5\n")
    (line,) = (row[1] for row in described(method).rows if row[0] == "example")
    program, *arguments = shlex.split(str(line))
    assert program == "normcli"
    done = normcli(*arguments)
    assert done.code == 0, done.err
    assert done.text.startswith("id,x,y\na,")


def test_a_name_that_there_is_not_is_an_error_with_the_nearest(normcli: Cli) -> None:
    done = normcli("methods", "zscor")
    assert (done.code, done.out) == (2, b"")
    assert done.err == (
        "normcli: no method 'zscor'. Did you mean 'zscore'? For the list, run: normcli methods\n"
    )
