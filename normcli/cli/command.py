"""Commands, options and types of their values, in the way of this program."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

NO_BREAK = "\xa0"  # a space between words that stay on one line
SHORT_DEFAULT = re.compile(r"\[default: [^]]{1,25}\]")

F = TypeVar("F", bound=Callable[..., Any])


class Limit(click.ParamType):  # type: ignore[type-arg]  # as below
    """A number from `least` on, a percentage, or "off" for no limit."""

    name = "limit"

    def __init__(self, least: float = 0.0) -> None:
        self.least = least

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number that `value` spells; infinity for "off"."""
        if value == "off":
            return math.inf
        text = str(value)
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            number = math.nan
        if not number >= self.least:
            words = f"a number from {self.least:g} on, a percentage, or off"
            self.fail(f"{printable(text)} is not {words}", param, ctx)
        return number


class Whole(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A whole number from `least` on, perhaps up to a largest one."""

    name = "number"

    def __init__(self, most: int | None = None, least: int = 1) -> None:
        self.most, self.least = most, least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number that `value` spells."""
        try:
            number = int(value)
        except ValueError:
            number = self.least - 1
        if number < self.least or (self.most is not None and number > self.most):
            words = f"{self.least} to {self.most}" if self.most else f"{self.least} on"
            self.fail(f"{printable(str(value))} is no whole number from {words}", param, ctx)
        return number


class Number(click.ParamType):  # type: ignore[type-arg]  # as above
    """A number."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number that `value` spells."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"{printable(str(value))} is no number", param, ctx)


def _in_words(message: str) -> str:
    """A message of click as the beginning of one of ours: one line that starts small."""
    line = " ".join(message.split())
    return line[:1].lower() + line[1:].removesuffix(".") + "."


@contextmanager
def usage_in_words(ctx: click.Context) -> Iterator[None]:
    """Turn what click has against the arguments into a UsageError."""
    see = f"See {ctx.command_path} --help"
    try:
        yield
    except click.NoSuchOption as error:
        known = [name for parameter in ctx.command.get_params(ctx) for name in parameter.opts]
        near = did_you_mean(error.option_name, known)
        if not near and isinstance(ctx.command, click.Group):
            near = " Options of a command follow its name."
        raise UsageError(f"no option {printable(error.option_name)}.{near} {see}") from error
    except click.MissingParameter as error:
        raise UsageError(f"{_in_words(error.format_message())} {see}") from error
    except click.BadParameter as error:
        option = error.param if isinstance(error.param, click.Option) else None
        what = f"{max(option.opts, key=len)}: " if option else ""
        raise UsageError(f"{what}{error.message.removesuffix('.')}. {see}") from error
    except click.UsageError as error:
        raise UsageError(f"{_in_words(error.format_message())} {see}") from error


class Grouped(click.Option):
    """An option that is listed under a heading.

    help: what --help says, or a function that makes it when it is asked for.
    """

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        self.group = group
        self._help: str | Callable[[], str] = kwargs.pop("help")
        super().__init__(*args, **kwargs)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Names and help."""
        self.help = self._help if isinstance(self._help, str) else self._help()
        return super().get_help_record(ctx)


class Described(click.Argument):
    """An argument that --help describes; a file, for those who complete it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._help: str = kwargs.pop("help")
        super().__init__(*args, type=FILE, **kwargs)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """What it is called in the line of usage, without the brackets, and help."""
        name = (self.metavar or "").split()[0].strip("[].")
        return name, self._help


# Shells complete it. Whether it is there and may be read is told when it is opened.
FILE = click.Path(readable=False)


class Command(click.Command):
    """A command that lists its options in groups, and tells of wrong ones in our words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; raises UsageError."""
        with usage_in_words(ctx):
            return super().parse_args(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """What --help says; a short default stays on one line."""
        return super().get_help(ctx).replace(NO_BREAK, " ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, and the options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            name, words = parameter.get_help_record(ctx) or ("", "")
            if words:
                default = "Arguments" if isinstance(parameter, click.Argument) else "Run"
                words = SHORT_DEFAULT.sub(lambda m: m[0].replace(" ", NO_BREAK), words)
                groups.setdefault(getattr(parameter, "group", default), []).append((name, words))
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def group(title: str, *options: tuple[tuple[str, ...], dict[str, Any]]) -> Callable[[F], F]:
    """A decorator that adds options to a command, listed under one title."""

    def decorate(function: F) -> F:
        for names, settings in reversed(options):
            function = click.option(*names, cls=Grouped, group=title, **settings)(function)
        return function

    return decorate


def argument(name: str, metavar: str, help_: str, **settings: Any) -> Callable[[F], F]:
    """A decorator that adds an argument of a file, or of several."""
    return click.argument(name, cls=Described, metavar=metavar, help=help_, **settings)


def option(*names: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """One option for `group`: its names, and click's settings."""
    return names, settings


def file_option(*names: str, **settings: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """One option for `group` that takes a file."""
    return option(*names, type=FILE, metavar="FILE", **settings)
