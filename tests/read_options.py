"""A short way to make the options with which an input is read."""

from dataclasses import fields
from typing import Any

from normcli.formats import options
from normcli.formats.base import ReadOptions


def read_options(**asked: Any) -> ReadOptions:
    """ReadOptions with these fields, and these options of formats (``no_header=True``)."""
    own = {each.name for each in fields(ReadOptions)} & asked.keys()
    given = {name.replace("_", "-"): asked[name] for name in asked.keys() - own}
    assert given.keys() <= {each.name for each in options()}
    return ReadOptions(given, **{name: asked[name] for name in own})
