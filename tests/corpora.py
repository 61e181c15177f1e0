"""The test data from elsewhere, if they are present."""

from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


def corpus(name: str) -> Path:
    """The folder or file `name` of the corpora; the test is skipped if it is absent."""
    path = CORPORA / name
    if not path.exists():
        pytest.skip(f"the outside test material is not here: {name}")
    return path
