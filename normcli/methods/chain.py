"""Chains: maps, at most one method that is fitted on what they make, and maps again.

Some methods, such as winsorize, can stand before the one that is fitted although they are fitted
too. The statistics of the second one are then about what the first one makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from normcli.errors import UsageError
from normcli.methods.base import Method, Option
from normcli.methods.mapping import Composed

if TYPE_CHECKING:
    from normcli.methods.mapping import Mapping as ColumnMapping
    from normcli.statistics.base import Recipe
    from normcli.statistics.column import ColumnStatistics


@dataclass(frozen=True)
class Chain(Method):
    """Methods one after the other; all but one are maps, which need no fit."""

    steps: tuple[Method, ...]

    name: ClassVar[str] = "chain"

    def __post_init__(self) -> None:
        steps = tuple(step.with_statistics() for step in self.steps)
        object.__setattr__(self, "steps", steps)
        for step in steps:
            if step.by_row:
                raise UsageError(
                    f"{step.name} scales whole rows, and cannot be part of a chain. "
                    "Use it in a command of its own, before or after this one"
                )
            if step.trains:
                raise UsageError(
                    f"{step.name} in training mode cannot be part of a chain, because every batch "
                    f"is scaled by its own statistics. Use {step.name}:mode=predict"
                )
        fitted = [i for i, step in enumerate(self.steps) if not _is_map(step)]
        if len(fitted) > 1 and not self._is_pair(fitted):
            names = " and ".join(self.steps[i].name for i in fitted)
            raise UsageError(
                f"a chain has one method that is fitted, not {names}; the others are maps, such as "
                "log1p. Only winsorize can stand just before another one, and boxcox and "
                "yeojohnson before zscore."
            )
        if fitted:
            object.__setattr__(self, "given", self._fitted.given)

    def _is_pair(self, fitted: list[int]) -> bool:
        """Can these fitted steps stand in one chain?"""
        first, second = (self.steps[i] for i in fitted[:2])
        leads = first.leads is None or second.name in first.leads
        return leads and fitted == [fitted[0], fitted[0] + 1] and not (first.given or second.given)

    @property
    def _place(self) -> int:
        """The number of the step that is fitted last; the last one where none is."""
        fitted = [i for i, step in enumerate(self.steps) if not _is_map(step)]
        return fitted[-1] if fitted else len(self.steps) - 1

    @property
    def _first(self) -> int:
        """The number of the step that is fitted first."""
        fitted = [i for i, step in enumerate(self.steps) if not _is_map(step)]
        return fitted[0] if fitted else len(self.steps) - 1

    @property
    def _fitted(self) -> Method:
        return self.steps[self._place]

    @property
    def before(self) -> tuple[Method, ...]:
        """The maps before the step that is fitted first."""
        return self.steps[: self._first]

    @property
    def takes(self) -> tuple[str, ...]:
        """What the fitted step takes."""
        return self._fitted.takes

    @property
    def spelling(self) -> str:
        """All steps; with their arguments, except the one whose `parameters` are kept."""
        last = None if _is_map(self._fitted) else self._place
        return "+".join(s.name if i == last else spelled(s) for i, s in enumerate(self.steps))

    def needs(self, column: str) -> tuple[Recipe, ...]:
        """What the step that is fitted first needs, of the results of the maps before it."""
        return self.steps[self._first].needs(column)

    def stages(self, column: str) -> tuple[tuple[tuple[Method, ...], tuple[Recipe, ...]], ...]:
        """What each fitted step needs."""
        first = super().stages(column)
        if self._first == self._place:
            return first
        return (*first, (self.steps[: self._place], self._fitted.needs(column)))

    def parameters(self) -> dict[str, Any]:
        """Those of the fitted step."""
        return {} if _is_map(self._fitted) else self._fitted.parameters()

    def with_parameters(self, parameters: Mapping[str, Any]) -> Self:
        """The chain with these parameters of its fitted step."""
        if _is_map(self._fitted) and not parameters:
            return self
        steps = list(self.steps)
        steps[self._place] = type(self._fitted).from_parameters(parameters)
        return replace(self, steps=tuple(steps))

    @property
    def options(self) -> tuple[Option, ...]:  # type: ignore[override]  # those of its steps
        """The options of all steps, by which the command line changes them."""
        found = {o.name: o for step in self.steps for o in step.options if not o.spelled}
        return tuple(found.values())

    def changed(self, fields: Mapping[str, Any]) -> Self:
        """The chain with other values of some fields, in all steps that have them."""
        steps = []
        for step in self.steps:
            has = {option.field for option in step.options if not option.spelled}
            mine = {field: value for field, value in fields.items() if field in has}
            steps.append(step.changed(mine) if mine else step)
        return replace(self, steps=tuple(steps))

    def for_column(self, name: str) -> Self:
        """The chain with the parameters of one column."""
        return replace(self, steps=tuple(step.for_column(name) for step in self.steps))

    def mapping(self, column: ColumnStatistics) -> ColumnMapping:
        """The mappings of all steps; a fitted one is made of the statistics of what it gets."""

        def known(place: int) -> ColumnStatistics:
            maps = spelling(self.steps[:place])
            return column if column.given or not maps else column.mapped.get(maps, column)

        known_at = {place: known(place) for place in (self._first, self._place)}
        last = known_at[self._place]
        return Composed(tuple(s.mapping(known_at.get(i, last)) for i, s in enumerate(self.steps)))


def spelling(maps: tuple[Method, ...]) -> str:
    """Maps in a word: under it the sidecar keeps the statistics of what they make."""
    return "+".join(map(spelled, maps))


def spelled(method: Method) -> str:
    """The method with its arguments, as `method_of` reads it."""
    arguments = ",".join(
        ",".join(map(_argument, value)) if isinstance(value, list) else f"{key}={_argument(value)}"
        for key, value in method.parameters().items()
    )
    return f"{method.name}:{arguments}" if arguments else method.name


def _argument(value: Any) -> str:
    """A number as it is typed: 10 for 10.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_map(method: Method) -> bool:
    return not method.given and not method.needs_fit()
