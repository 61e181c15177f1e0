"""``normcli methods``."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator

import click

from normcli.cli import completion
from normcli.cli.command import Command, argument
from normcli.methods import methods
from normcli.methods.base import Method, Option
from normcli.methods.spelling import method_named, method_of
from normcli.views import screen
from normcli.views.screen import Cell, Column, Grid

VALUES = {
    "float": "=NUMBER",
    "int": "=N",
    "per-column": "=NUMBER",
    "percent": "=PERCENT",
    "range": "=LOW,HIGH",
}
NO_FIT = "no fit"
MANY = 5  # methods of one module
FIELD = re.compile(r"\w+(, \w+)*: ")  # opens the part of a docstring about parameters


@click.command("methods", cls=Command)
@argument(
    "name",
    "[NAME]",
    "The method to describe. Without it, all methods are listed.",
    required=False,
    shell_complete=completion.among(methods),
)
def command(name: str | None) -> None:
    """List the methods, or describe one of them.

    \b
    normcli methods
    normcli methods minmax
    """
    if name is None:
        screen.write(listed(), (), _notes(), page=True)
    else:
        screen.write(described(method_named(name)), page=True)


def listed() -> Grid:
    """All methods; those of one module, if it has many, share a row."""
    modules = Counter(method.__module__ for method in methods().values())
    rows: list[list[Cell]] = [
        [name, _definition(method), _needs(method)]
        for name, method in methods().items()
        if modules[method.__module__] < MANY
    ]
    for module in (module for module, count in modules.items() if count >= MANY):
        names = [name for name, method in methods().items() if method.__module__ == module]
        rows.append([module.rpartition(".")[2], ", ".join(names), _needs(methods()[names[0]])])
    return Grid([Column("method"), Column("definition", "text"), Column("needs")], rows)


def _notes() -> list[str]:
    return [
        f'Those with just "{NO_FIT}" can be put before and after one that is fitted: log1p+zscore,',
        "zscore+clip:-3,3. For the arguments, the edge cases and examples of a method, run:",
        "normcli methods NAME",
    ]


def described(method: type[Method]) -> Grid:
    """What there is to know about a method."""
    grid = Grid([Column(method.name), Column(_definition(method), "text")])
    for title, lines in _description(method):
        grid.rows.extend([title if i == 0 else "", line] for i, line in enumerate(lines))
    return grid


def _description(method: type[Method]) -> Iterator[tuple[str, list[str]]]:
    _, *paragraphs = inspect.getdoc(method).split("\n\n")  # type: ignore[union-attr]  # has one
    rest = _opening(method)[1]
    about = [rest[:1].upper() + rest[1:]] if rest else []
    about += [" ".join(each.split()) for each in paragraphs if not FIELD.match(each)]
    yield "about", [each.replace("`", "") for each in about]
    yield "arguments", [_argument(option) for option in method.options]
    yield "given by hand", [f"{name}=NUMBER: {words}." for name, words in method.givens.items()]
    yield "edge cases", list(method.edges)
    yield "needs", [_needs(method)]
    verb = "transform" if _needs(method).startswith(NO_FIT) else "fit-transform"
    yield "example", [f"normcli {verb} data.csv --method {method.examples[0]}"]
    yield "spellings", list(method.examples)


def _argument(option: Option) -> str:
    """An argument as it is spelled, and what it does."""
    if isinstance(option.kind, tuple):
        value = f"={'|'.join(option.kind)}"
    else:
        value = "|".join([VALUES.get(option.kind, ""), *option.words])
    default = option.default.replace(" ", ",") if option.kind == "range" else option.default
    default = f" [default: {default}]" if default else ""
    return f"{option.name}{value}: {option.help}{default}"


def _definition(method: type[Method]) -> str:
    """The formula."""
    return _opening(method)[0]


def _opening(method: type[Method]) -> tuple[str, str]:
    """What the docstring of a method opens with: the formula, and what follows a semicolon."""
    line = inspect.getdoc(method).partition("\n")[0]  # type: ignore[union-attr]  # has one
    formula, _, rest = line.partition("; ")
    return formula.removesuffix("."), rest


def _needs(method: type[Method]) -> str:
    """The statistics that a method uses by default."""
    recipes = method_of(method.examples[0]).with_statistics().needs("")
    needed = " and ".join(recipe.name for recipe in recipes) or NO_FIT
    return f"{needed}, by row" if method.by_row else needed
