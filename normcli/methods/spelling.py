"""Methods in words: ``NAME[:ARGS]``, chains with ``+``, and methods of single columns.

Arguments are separated by commas: KEY=VALUE with the names of the options, or of numbers that
are given by hand; a flag; or numbers, which belong to the key before them (``range=-1,1``), else
to the one list that the method takes (``minmax:-1,1``). ``+`` separates only before a letter, so
that ``minmax:0,1e+5`` is one method.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from normcli.errors import UsageError
from normcli.methods import methods
from normcli.methods.base import Method, finite_number
from normcli.methods.chain import Chain
from normcli.words import did_you_mean, printable

if TYPE_CHECKING:
    from normcli.statistics.base import Recipe

STEP = re.compile(r"\+(?=[A-Za-z])")


def method_of(text: str) -> Method:
    """The method that is spelled so; raises UsageError where there is none.

    >>> method_of("minmax:-1,1").parameters()
    {'range': [-1.0, 1.0]}
    >>> method_of("zscore:mean=50000,std=8000").given
    {'mean': 50000.0, 'std': 8000.0}
    """
    steps = tuple(_step(step, text) for step in STEP.split(text))
    return steps[0] if len(steps) == 1 else Chain(steps)


def method_with(spelling: str, parameters: Mapping[str, Any]) -> Method:
    """The method of a `Method.spelling`, with these parameters; raises UsageError."""
    steps = STEP.split(spelling)
    if len(steps) == 1 and ":" not in spelling:
        return method_named(spelling).from_parameters(parameters)
    chain = method_of(spelling)
    return chain.with_parameters(parameters) if isinstance(chain, Chain) else chain


def method_named(name: str) -> type[Method]:
    """The class of a method; raises UsageError where there is none."""
    if name not in methods():
        raise UsageError(
            f"no method {printable(name)}.{did_you_mean(name, methods(), familiar=True)} "
            "For the list, run: normcli methods"
        )
    return methods()[name]


def _step(text: str, whole: str) -> Method:
    name, _, arguments = text.partition(":")
    if not name:
        raise UsageError(f"the method is missing in {printable(whole)}")
    kind = method_named(name)
    parameters, given = _Arguments(kind, arguments).parsed()
    method = kind.from_parameters(parameters)
    return replace(method, given=given) if given else method


class _Arguments:
    """The arguments of one method, in the making."""

    def __init__(self, kind: type[Method], text: str) -> None:
        self.kind, self.text = kind, text
        self.options = {option.name: option for option in kind.options}
        self.known = [*self.options, *kind.givens]
        self.values: dict[str, list[Any]] = {}

    def parsed(self) -> tuple[dict[str, Any], dict[str, float]]:
        """Parameters by field, and given numbers by name; raises UsageError."""
        key = ""
        for argument in self.text.split(",") if self.text else []:
            name, equals, value = (part.strip() for part in argument.partition("="))
            if equals:
                key = self._new(name)
                self.values[key].append(_value(value))
            elif self._kind(name.replace("_", "-")) in ("flag", "off"):
                self._new(name)
            elif option := self._having(name):
                self.values[self._new(option)].append(name)
            else:
                key = key if self._kind(key) == "range" else self._list(name)
                self.values.setdefault(key, []).append(_value(name))
        found = {key: values for key, values in self.values.items() if key in self.options}
        parameters = {self.options[key].field: self._parameter(key) for key in found}
        return parameters, self._given()

    def _kind(self, key: str) -> Any:
        return self.options[key].kind if key in self.options else None

    def _having(self, word: str) -> str:
        """The one option of which this word is a value, if there is just one: ``unit:l1``."""
        found = [
            name
            for name, option in self.options.items()
            if isinstance(option.kind, tuple) and word in option.kind
        ]
        return found[0] if len(found) == 1 else ""

    def _new(self, name: str) -> str:
        """The key of that name, with no value so far."""
        key = name.replace("_", "-")
        if key not in self.known:
            has = f"it has {', '.join(self.known)}" if self.known else "it has none"
            raise UsageError(
                f"{self.kind.name} has no option {printable(name)}: {has}."
                + did_you_mean(key, self.known)
            )
        if key in self.values:
            raise UsageError(f"{self.kind.name}: {key} is given twice in {printable(self.text)}.")
        self.values[key] = []
        return key

    def _list(self, first: str) -> str:
        """The one option that takes a list; raises UsageError where there is none."""
        for name in self.options:
            if self._kind(name) == "range":
                return name
        known = self.known
        if known and isinstance(_value(first), str):
            self._new(first)  # which says what there is, and what is near
        takes = f"takes KEY=VALUE pairs such as {known[0]}=..." if known else "takes no arguments"
        raise UsageError(f"{self.kind.name} {takes}, not {printable(self.text)}.")

    def _parameter(self, key: str) -> Any:
        values, kind = self.values[key], self._kind(key)
        if kind == "range" and len(values) != 2:
            raise UsageError(
                f"{self.kind.name} takes two numbers, LOW,HIGH, not {printable(self.text)}."
            )
        if kind == "range":
            return values
        return values[0] if values else kind == "flag"  # a flag stands alone

    def _given(self) -> dict[str, float]:
        return {
            name: finite_number(self.values[name][0], f"{self.kind.name}: {name}")
            for name in self.kind.givens
            if name in self.values
        }


def _value(text: str) -> Any:
    """A number, true, false or a word, as JSON would have it."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


# -- methods of single columns ---------------------------------------------------------------


@dataclass(frozen=True)
class Methods:
    """The method of every column.

    default: that of columns that have none of their own.
    own: name of a column -> its method.
    named: the columns of `own` that were named one by one, not by a glob.
    """

    default: Method
    own: Mapping[str, Method] = field(default_factory=dict)
    named: frozenset[str] = frozenset()

    def of(self, name: str) -> Method:
        """The method of a column, with the parameters of that column."""
        return self.own.get(name, self.default).for_column(name)


@dataclass(frozen=True)
class Asked:
    """What a command asks for: a method for all columns, and ``NAMES=METHOD`` for single ones.

    columns: (names, method): a name, or names and globs separated by commas.
    kept: methods of single columns that the statistics have.
    only: no others than the columns that are named are meant.
    more: recipes of what is wanted of all columns besides.
    exact: is what could be approximated to be exact?
    missing: what becomes of missing cells, see `normcli.methods.filled`.
    """

    method: Method
    columns: Sequence[tuple[str, Method]] = ()
    kept: Mapping[str, Method] = field(default_factory=dict)
    only: bool = False
    more: tuple[Recipe, ...] = ()
    exact: bool = True
    missing: str = "keep"

    def all(self) -> list[Method]:
        """All methods that are asked for or kept."""
        named = [*(method for _, method in self.columns), *self.kept.values()]
        return named if self.only else [self.method, *named]

    def with_statistics(self) -> Asked:
        """The same, decided for a run in which statistics are given."""
        columns = [(names, method.with_statistics()) for names, method in self.columns]
        kept = {name: method.with_statistics() for name, method in self.kept.items()}
        return replace(self, method=self.method.with_statistics(), columns=columns, kept=kept)

    @property
    def passes(self) -> int:
        """How often the input is read, at most."""
        stages = [method.stages("") for method in self.all() if method.needs_fit()]
        needed = (recipe for each in stages for _, recipes in each for recipe in recipes)
        return max([1, *map(len, stages), *(recipe.passes for recipe in needed)])

    def methods(self, columns: Collection[str], where: str) -> Methods:
        """The method of every column; raises UsageError for names that fit none.

        A name goes before a glob, and of two globs the later one.

        where: what has these columns, for messages: "the table", "the statistics".
        """
        named: dict[str, Method] = {}
        globbed: dict[str, Method] = {}
        for names, method in self.columns:
            for word in [names] if names in columns else names.split(","):
                found = _matches(word.strip() if word != names else word, columns, where)
                target = named if found == [word.strip()] or word in columns else globbed
                target.update(dict.fromkeys(found, method))
        own = {**self.kept, **globbed, **named}
        for method in (self.method, *own.values()):
            refuse_unknown_names(method, columns)
        return Methods(self.method, own, frozenset(named))


def _matches(word: str, columns: Collection[str], where: str) -> list[str]:
    if word in columns:
        return [word]
    found = [name for name in columns if fnmatch.fnmatchcase(name, word)]
    if not found:
        raise UsageError(
            f"--column {printable(word)}: there is no such column in {where}."
            + did_you_mean(word, columns)
        )
    return found


def refuse_unknown_names(method: Method, columns: Collection[str]) -> None:
    """Raise UsageError where a parameter of the method names a column that there is not."""
    for key, value in vars(method).items():
        for name in value if isinstance(value, Mapping) and key != "given" else ():
            if name not in columns:
                raise UsageError(
                    f"--{key.replace('_', '-')}: no column {printable(name)} is scaled."
                    + did_you_mean(name, columns)
                )


def column_method(text: str) -> tuple[str, Method]:
    """``NAMES=METHOD[:ARGS]``; names may have equals signs: a method follows the one meant.

    Of several such, the first is meant: a method may have the name of another as an argument.
    """
    names = "|".join(map(re.escape, methods()))
    marks = [match.start() for match in re.finditer(rf"=(?=(?:{names})(?:[:+]|$))", text)]
    mark = marks[0] if marks else text.rfind("=") if ":" not in text else text.find("=")
    if mark <= 0 or mark == len(text) - 1:
        raise UsageError(f"--column takes NAMES=METHOD[:ARGS], not {printable(text)}")
    return text[:mark], method_of(text[mark + 1 :])
