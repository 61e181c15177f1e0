"""What all commands are made of: options, the types of their values, help, usage errors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from normcli.errors import UsageError
from normcli.words import did_you_mean, printable

NO_BREAK = "\xa0"  # a space between words that stay on one line
DETAIL = re.compile(r"; [^[]*?(?=\.?(  \[|$))")  # what follows a semicolon, up to the default
SHORT_DEFAULT = re.compile(r"\[default: ([^]]{1,25}\])?")

F = TypeVar("F", bound=Callable[..., Any])
Entry = tuple[tuple[str, ...], dict[str, Any]]  # the names of an option, and click's settings


class Number(click.ParamType):  # type: ignore[type-arg]  # generic in newer clicks only
    """A number from `least` to `most`; `words` say what it must be."""

    name, words = "number", "a number"
    least, most = -math.inf, math.inf

    def _read(self, text: str) -> float:
        return float(text)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number that `value` spells."""
        text = str(value)
        try:
            number = self._read(text)
        except ValueError:
            number = math.nan
        if not self.least <= number <= self.most:
            given = text if re.fullmatch(r"-?\d+", text) else printable(text)
            self.fail(f"must be {self.words}, not {given}", param, ctx)
        return number


class Whole(Number):
    """A whole number from `least` on, perhaps up to a largest one."""

    def __init__(self, most: int | None = None, least: int = 1) -> None:
        self.least, self.most = least, most or math.inf
        self.words = "a positive integer" if least else "0 or a positive integer"
        if most is not None:
            self.words = f"an integer from {least} to {most}"

    def _read(self, text: str) -> int:
        return int(text)


class Limit(Number):
    """A number from `least` on, a percentage, or "off", which is infinity."""

    def __init__(self, least: float = 0.0) -> None:
        self.least, self.words = least, f"{least:g} or more, a percentage, or 'off'"

    def _read(self, text: str) -> float:
        if text == "off":
            return math.inf
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


class BadRows(click.ParamType):  # type: ignore[type-arg]  # as above
    """How many rows may be bad: a number, a percentage or "off"."""

    name = "rows"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The limit that `value` spells."""
        from normcli.pipeline.enough import MostBad

        try:
            return MostBad.of(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


# Shells complete it. Whether it exists and can be read shows when it is opened.
FILE = click.Path(readable=False)
KINDS: dict[str, click.ParamType] = {  # type: ignore[type-arg]  # as above
    **dict.fromkeys(("FILE", "DIR"), FILE),
    **dict.fromkeys(("N", "BYTES"), Whole()),
    **dict.fromkeys(("SHARE", "STDS"), Limit()),
    "RATIO": Limit(1.0),
    "INDEX": Limit(0.0),
    "N|P%|off": BadRows(),
    "DIGITS": Whole(17),
}


@contextmanager
def usage_in_words(ctx: click.Context) -> Iterator[None]:
    """Turn click's usage errors into ours."""
    try:
        yield
    except click.UsageError as error:
        raise UsageError(f"{_in_words(error, ctx)} See {ctx.command_path} --help") from error


def _in_words(error: click.UsageError, ctx: click.Context) -> str:
    """What is wrong, as one sentence that begins with a small letter."""
    if isinstance(error, click.NoSuchOption):
        options = (p for p in ctx.command.get_params(ctx) if isinstance(p, click.Option))
        known = [name for option in options for name in option.opts]
        near = did_you_mean(error.option_name, known, familiar=True)
        if not near and isinstance(ctx.command, click.Group):
            near = " Options of a command follow its name."
        return f"no option {printable(error.option_name)}.{near}"
    if type(error) is click.BadParameter:
        option = isinstance(error.param, click.Option) and max(error.param.opts, key=len)
        colon = " " if error.message.startswith("must be ") else ": "
        return (f"{option}{colon}" if option else "") + error.message.removesuffix(".") + "."
    line = " ".join(error.format_message().split())
    return line[:1].lower() + line[1:].removesuffix(".") + "."


class Grouped(click.Option):
    """An option that is listed under a heading."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        self.group = group
        super().__init__(*args, **kwargs)


class Described(click.Argument):
    """An argument that --help describes, and that shells complete as a file."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._help: str = kwargs.pop("help")
        super().__init__(*args, type=FILE, **kwargs)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Its name as in the usage line, without the brackets, and its help."""
        name = (self.metavar or "").split()[0].strip("[].")
        return name, self._help


class Helpful(click.Command):
    """A command with a short help, -h, and a complete one, --help; its errors are in our words.

    common: the names of the options that -h shows, in their order; empty: all of them.
    """

    common: Sequence[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: dict[str, Any] = {"is_flag": True, "is_eager": True, "expose_value": False}
        help_ = "Show the most common options and exit."
        self.params.append(click.Option(["-h"], callback=_show_short, help=help_, **settings))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; raises UsageError."""
        if not args and self.no_args_is_help:
            return super().parse_args(ctx, args)  # which shows the help
        with usage_in_words(ctx):
            return super().parse_args(ctx, args)

    def short(self, ctx: click.Context) -> str:
        """The text for -h."""
        formatter = ctx.make_formatter()
        self.format_usage(ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text((self.help or "").partition("\n")[0])
        self.format_common(ctx, formatter)
        formatter.write(f"\nAll options: {ctx.command_path} --help")
        return formatter.getvalue().replace(NO_BREAK, " ")

    def format_common(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options that most people use."""
        options = {p.name: p for p in self.get_params(ctx) if isinstance(p, click.Option)}
        with formatter.section("Options"):
            records = [_record(options[n], ctx) for n in self.common or options]
            formatter.write_dl([(name, DETAIL.sub("", words)) for name, words in records])


def _show_short(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        assert isinstance(ctx.command, Helpful)
        click.echo(ctx.command.short(ctx))
        ctx.exit()


def _record(parameter: click.Parameter, ctx: click.Context) -> tuple[str, str]:
    """Names and help of an option or argument; a short default stays on one line."""
    name, words = parameter.get_help_record(ctx) or ("", "")
    return name, SHORT_DEFAULT.sub(lambda m: m[0].replace(" ", NO_BREAK), words)


class Command(Helpful):
    """A command that lists its options in groups."""

    def get_help(self, ctx: click.Context) -> str:
        """The text for --help."""
        return super().get_help(ctx).replace(NO_BREAK, " ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, and the options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            default = "Arguments" if isinstance(parameter, click.Argument) else "Run"
            title = getattr(parameter, "group", default)
            groups.setdefault(title, []).append(_record(parameter, ctx))
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def group(title: str, *options: Entry) -> Callable[[F], F]:
    """A decorator that adds options to a command, under one heading."""

    def decorate(function: F) -> F:
        for names, settings in reversed(options):
            function = click.option(*names, cls=Grouped, group=title, **settings)(function)
        return function

    return decorate


def argument(name: str, metavar: str, help_: str, **settings: Any) -> Callable[[F], F]:
    """A decorator that adds an argument: a file, or several."""
    return click.argument(name, cls=Described, metavar=metavar, help=help_, **settings)


def entry(shown: str, help_: str, **settings: Any) -> Entry:
    """One option for `group`, written as --help shows it: ``-o, --output FILE``, and its help.

    Its value is one of `KINDS`, one of the words in ``[error|skip]``, or text; a flag has none.
    """
    *names, last = shown.replace(",", "").split()
    if last.startswith("-"):
        return (*names, last), {"help": help_, "is_flag": True}
    kind = click.Choice(last[1:-1].split("|")) if last.startswith("[") else KINDS.get(last)
    default = "[default:" not in help_
    settings = {"metavar": last, "type": kind, "show_default": default, **settings}
    return tuple(names), {"help": help_, **settings}
