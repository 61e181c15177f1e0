"""What the formats with types have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from normcli.formats.base import Divisible, Option
from normcli.formats.marks import number
from normcli.formats.texts.options import MAX_RECORD, NULL


class Typed(Divisible, abstract=True):
    """A format whose columns have types: those of numbers hold numbers and null, and no text."""

    typed: ClassVar[bool] = True
    options: ClassVar[tuple[Option[Any], ...]] = (NULL, MAX_RECORD)

    def uses(self, name: str, value: Any) -> bool:
        """A text cannot mark a missing value in a column of numbers."""
        if name == NULL.name:
            return all(number(token) is not None for token in value)
        return super().uses(name, value)
