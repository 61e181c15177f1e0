"""Regenerate the examples, the reference, the picture and the schema of the sidecar."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from normcli.sidecar.schema import schema
from tools import picture, reference
from tools.sessions import PAGES, README, ROOT, Shell, filled, with_first_output

SCHEMA = ROOT / "normcli" / "sidecar" / "schema.json"


def main() -> None:
    """Regenerate all of them."""
    with tempfile.TemporaryDirectory() as directory:
        README.write_text(with_first_output(README.read_text(), Shell(Path(directory))))
    for page in PAGES:
        with tempfile.TemporaryDirectory() as directory:
            text = page.read_text()
            page.write_text(filled(text, Shell(Path(directory))))
    reference.PAGE.write_text(reference.page())
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n")
    with tempfile.TemporaryDirectory() as directory:
        picture.PICTURE.write_text(picture.picture(Shell(Path(directory))))


if __name__ == "__main__":
    main()
