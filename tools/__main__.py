"""Rewrite what the documentation takes from the program: sessions, reference and picture."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools import picture, reference
from tools.sessions import PAGES, Shell, filled


def main() -> None:
    """Rewrite all of it."""
    for page in PAGES:
        with tempfile.TemporaryDirectory() as directory:
            text = page.read_text()
            page.write_text(filled(text, Shell(Path(directory))))
    reference.PAGE.write_text(reference.page())
    with tempfile.TemporaryDirectory() as directory:
        picture.PICTURE.write_text(picture.picture(Shell(Path(directory))))


if __name__ == "__main__":
    main()
