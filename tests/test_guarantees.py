"""docs/guarantees.md names tests that exist, at least one for each guarantee."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
LINES = (TESTS.parent / "docs" / "guarantees.md").read_text("utf-8").splitlines()
GUARANTEES = [line for line in LINES if line.startswith("| ") and not line.startswith("| guar")]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_guarantee_names_a_test() -> None:
    assert len(GUARANTEES) > 40
    assert [line for line in GUARANTEES if not NAMED.search(line)] == []


def test_the_tests_that_are_named_exist() -> None:
    named = {pair for line in GUARANTEES for pair in NAMED.findall(line)}
    absent = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if f"def {name}(" not in (TESTS / file).read_text("utf-8")
    ]
    assert absent == []
