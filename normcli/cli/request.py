"""What a command is asked to do: values that are made of the parsed options, once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import click

from normcli.cli.options import Values, either, read_options_of
from normcli.engines.local import Engine, engine
from normcli.errors import SidecarError, UsageError
from normcli.formats.base import Style
from normcli.formats.marks import Marks
from normcli.formats.texts.options import marks_of
from normcli.pipeline.by_group import Seen
from normcli.pipeline.choice import Choice
from normcli.pipeline.enough import MostBad
from normcli.pipeline.files import Reading, Writing
from normcli.pipeline.roles import MAX_GROUPS, Roles, keys_of
from normcli.pipeline.select import possible_names
from normcli.sidecar.model import Statistics
from normcli.words import printable, shown


@dataclass(frozen=True)
class Work:
    """Where the work is done: by processes on this machine, or by a Dask cluster.

    jobs: the number of processes, or of workers of a cluster that is started here.
    scheduler: the address of a cluster that is running already.
    fragment_bytes: the size of fragments; None: the default one.
    """

    jobs: int
    dask: bool = False
    scheduler: str | None = None
    fragment_bytes: int | None = None

    def engine(self) -> Engine:
        """The engine for the work on one table."""
        return engine(self.jobs)


@dataclass(frozen=True)
class Reporting:
    """What is reported on stderr and in a file; or, with `explain`, on stdout without the work.

    notes: lines that are told before all others.
    """

    quiet: bool
    verbose: bool
    json_summary: str | None
    explain: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """What is asked of a command that reads tables.

    inputs: as the user wrote them.
    seen: what is done to rows of groups that the statistics do not have.
    methods: the options of the methods, by name, for `methods_of`.
    alias: COLUMN=FITTED: the first is scaled by the statistics of the other.
    stats: the sidecar with the statistics to use, if any, of at most `max_sidecar` bytes.
    """

    inputs: tuple[str, ...]
    reading: Reading
    choice: Choice
    seen: Seen
    methods: dict[str, Any]
    stats: str | None
    max_sidecar: int
    writing: Writing
    work: Work
    reporting: Reporting
    alias: tuple[str, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Are the inputs to be cut into fragments?"""
        return self.work.dask or bool(self.writing.directory)

    def for_json(self) -> Request:
        """The request, where its statistics go to JSON, which does not hold many groups."""
        roles = replace(self.choice.roles, json=True)
        return replace(self, choice=replace(self.choice, roles=roles))

    def statistics(self) -> Statistics | None:
        """The statistics in --stats, if that is given."""
        if self.stats == "-" and "-" in self.inputs:
            raise UsageError("stdin (-) can be read only once: as INPUT or as --stats")
        if not self.stats:
            return None
        from normcli.sidecar.read import load

        statistics = load(self.stats, self.max_sidecar)
        if not statistics.columns:
            raise SidecarError(
                f"{shown(self.stats)}: the statistics have no columns, so nothing can be scaled or "
                "compared\nFit a table that has columns of numbers"
            )
        return statistics

    def with_marks_of(self, statistics: Statistics | None) -> Request:
        """The request with the marks of missing values that the statistics tell.

        If it has its own, these are used; where they differ, that is told.
        """
        if statistics is None:
            return self
        kept, options = Marks.kept(statistics.options), self.reading.options
        used = marks_of(replace(options, marks=kept))
        reading = replace(self.reading, options=replace(options, marks=used))
        notes = self.reporting.notes
        if used != kept:
            words = [str(marks) or "the default marks only" for marks in (used, kept)]
            notes += (f"missing values are marked by {words[0]}; in the statistics, by {words[1]}",)
        return replace(
            self,
            reading=reading,
            choice=replace(self.choice, marks=used),
            reporting=replace(self.reporting, notes=notes),
        )


def request_of(values: Values) -> Request:
    """The request; raises UsageError where its options contradict each other."""
    _refuse_conflicts(values)

    def get(*names: str) -> list[Any]:
        return [values.get(name) for name in names]  # None: the command has no such option

    parameters = click.get_current_context().command.params
    methods = [p.name for p in parameters if getattr(p, "group", None) == "Method" and p.name]
    ignore, skip = values["on_inf"] == "ignore", values["on_bad_row"] == "skip"
    target, directory, format_, saves = get("output", "output_dir", "to", "save_stats")
    style = Style(
        bool(values.get("float32")),
        values.get("precision"),
        integers=bool(values.get("integers")),
        suffix=values.get("suffix") or "",
    )
    jobs = values["jobs"] or len(os.sched_getaffinity(0))
    options = replace(read_options_of(values), asked=possible_names(values["select"]))
    return Request(
        values["inputs"] or ("-",),
        Reading(options, values["from_"]),
        Choice(
            values["select"],
            values["exclude"],
            ignore,
            skip,
            _roles(values),
            values["max_bad_rows"] or MostBad(),
            values.get("allow_empty", True),  # only what fits has the option
            marks_of(options),
        ),
        Seen({}, values.get("min_group", 0), values.get("unseen", "error")),
        {name: values[name] for name in methods},
        values.get("stats"),
        values.get("max_sidecar", 0),
        Writing("-" if target is None else target, directory or "", format_, style, saves),
        Work(jobs, values.get("engine") == "dask", *get("scheduler", "fragment_bytes")),
        Reporting(*get("quiet", "verbose", "json_summary", "explain")),
        values.get("as_") or (),
    )


def _roles(values: Values) -> Roles:
    """The columns that say something of rows."""
    text = values.get("where")
    where = None
    if text is not None:
        from normcli.pipeline.where import condition

        where = condition(text)
    by, most = keys_of(values.get("by", ())), values.get("max_groups", MAX_GROUPS)
    weight, kind = values.get("weight"), values.get("weight_kind", "reliability")
    if weight is not None and weight in by:
        raise UsageError(f"--weight {printable(weight)}: this column is the key of the groups")
    share = values.get("share", ())
    return Roles(by, most, where=where, weight=weight, weight_kind=kind, share=share)


def _refuse_conflicts(values: Values) -> None:
    """Raise UsageError for options that do not go together."""
    dask, directory = values.get("engine") == "dask", values.get("output_dir")
    cut, scheduler = dask or directory, values.get("scheduler") is not None
    conflicts = [
        (
            values["max_bad_rows"] and values["on_bad_row"] != "skip",
            "--max-bad-rows needs --on-bad-row skip: it limits the rows that are skipped",
        ),
        (directory == "", "--output-dir is empty; it must name a directory"),
        (directory and values["output"] is not None, either("--output", "--output-dir")),
        (scheduler and not dask, "--scheduler names a Dask cluster; add --engine dask"),
        (scheduler and values["jobs"], either("--jobs", "--scheduler")),
        *(
            (values.get("integers") and values.get(name), either("--integers", f"--{name}"))
            for name in ("float32", "precision")
        ),
        (
            dask and directory is None and "output_dir" in values,
            "--engine dask writes a directory of parts; name it with --output-dir",
        ),
        (
            not cut and values.get("fragment_bytes"),
            "--fragment-bytes needs --engine dask or --output-dir",
        ),
        (
            cut and "-" in (values["inputs"] or ("-",)),
            "stdin (-) cannot be cut into fragments; save it to a file first",
        ),
    ]
    for applies, message in conflicts:
        if applies:
            raise UsageError(message)


def needs_stats(verb: str, inputs: Sequence[str]) -> str:
    """The message that --stats is missing; it notices statistics that are given as an input."""
    among = next((each for each in inputs if is_sidecar(each)), None)
    if among is None:
        return f"{verb} needs --stats, a file that fit writes: normcli fit train.csv -o s.json"
    others = " ".join(shown(each) for each in inputs if each != among) or "data.csv"
    return (
        f"{shown(among)} has statistics, which are given with --stats: "
        f"normcli {verb} {others} --stats {shown(among)}"
    )


def is_sidecar(name: str) -> bool:
    """Is this a file of statistics?"""
    with suppress(OSError), open(name, "rb") as file:
        return begins_sidecar(file.read(64))
    return False


def begins_sidecar(head: bytes) -> bool:
    """Does a file that begins so have statistics? No table does."""
    return re.match(rb'\s*{\s*"normcli":\s*\d+\s*,', head) is not None
