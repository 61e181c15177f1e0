"""What is suggested for a name that does not exist."""

from __future__ import annotations

import pytest

from normcli.cli import COMMANDS, normcli
from normcli.formats import formats
from normcli.methods import methods
from normcli.words import FAMILIAR, did_you_mean


@pytest.mark.parametrize(
    ("wrong", "names", "meant"),
    [
        ("heigth", ["height", "weight"], "height"),
        ("wieght", ["height", "weight"], "weight"),
        ("Body Mass G", ["body_mass_g", "year"], "body_mass_g"),
        ("--precison", ["--precision", "--on-inf"], "--precision"),
        ("--eps", ["--sep", "--steps"], None),
        ("absent.csv", ["text.csv", "silent.csv"], None),
        ("x", ["y", "z"], None),
        ("temp_7", ["temp_6", "temp_17"], None),  # it is another column, not a slip
        ("price", ["prize", "place"], "prize"),
        ("income", ["outcome"], None),
        ("", ["a"], None),
    ],
)
def test_only_names_that_differ_by_slips_are_suggested(
    wrong: str, names: list[str], meant: str | None
) -> None:
    assert did_you_mean(wrong, names) == (f" Did you mean {meant!r}?" if meant else "")


def test_familiar_words_lead_to_names_that_exist() -> None:
    context = normcli.make_context("normcli", ["methods"])
    commands = [normcli.get_command(context, name) for name in COMMANDS]
    options = {o for c in commands if c for p in c.params for o in p.opts}
    known = {*options, *COMMANDS, *methods(), *formats()}
    later = {"skip-rows", "thousands", "quantile", "yeojohnson", "boxcox"}
    for word, meant in FAMILIAR.items():
        assert word.isalnum(), word
        for each in meant:
            first = each.partition(" ")[0]
            assert {first, f"--{first}"} & known or first in later, (word, each)
        assert did_you_mean(word, ["nothing of it"], familiar=True) == ""
