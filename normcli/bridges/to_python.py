"""Python: one function, which needs no other package."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from normcli.bridges.export import Column, Formula, Model, Results, Rows, Target, stopped
from normcli.bridges.languages import Language, Shapes, bare, parameters
from normcli.methods.expression import Expression

HEAD = '''"""Scales rows as `normcli transform` does.

Rows are mappings of column names to numbers. None and NaN are missing; infinite numbers stay.
"""

import math
from bisect import bisect_right

'''
TABLE = """
def _table(x, at, low, high):
    if x <= at[0]:
        return 0.0
    if x >= at[-1]:
        return 1.0
    i = bisect_right(at, x) - 1
    if x == at[i]:
        return (low[i] + high[i]) / 2
    return high[i] + (x - at[i]) * ((low[i + 1] - high[i]) / (at[i + 1] - at[i]))

"""
REFUSE = """
def _refuse(x, why):
    raise ValueError(f"{x!r} {why}")

"""
BY_GROUP = """
def _text(key):
    return None if key is None else str(key)


def _by_group(x, groups, group):
    f, numbers = groups.get(group, groups[None])
    return f(x, *numbers)

"""
MAIN = '''
def scale(row):
    """A copy of a row in which the columns are scaled."""
'''
RUN = """
import json, sys
rows = json.load(sys.stdin)
names, by = rows["names"], rows["by"]
cells = [[None if c is None else float(c) for c in column] for column in rows["cells"]]
done = [[] for _ in names]
for i in range(rows["count"]):
    row = {name: column[i] for name, column in zip(names, cells)}
    row.update(zip(by, rows["keys"][i] if by else ()))
    scaled = scale(row)
    for name, results in zip(names, done):
        value = scaled[name]
        results.append(None if value is None or value != value else repr(value))
print(json.dumps(done))
"""


class Python(Language):
    """Expressions of Python."""

    def __init__(self) -> None:
        functions = ("log1p", "expm1", "log2", "log10", "sqrt", "cbrt", "asinh", "tanh")
        words = {name: f"math.{name}({{0}})" for name in functions}
        words |= {"ln": "math.log({0})", "abs": "abs({0})", "=": "({0} == {1})"}
        words |= {"where": "({1} if {0} else {2})", "missing": "None"}
        super().__init__("Python", words | {"refused": "_refuse({x}, {why})"})

    def text(self, text: str) -> str:
        return ascii(text)

    def table(self, of: str, points: Sequence[tuple[float, float, float]]) -> str:
        return f"_table({of}, {', '.join(map(repr, map(list, zip(*points, strict=True))))})"


class PythonTarget(Target):
    """A module of Python."""

    what = "a function of Python, without other packages"

    def export(self, model: Model) -> bytes:
        shapes, parts = Shapes(), []
        called = [_called(column, shapes, i) for i, column in enumerate(model.columns)]
        formulas = [_function(i, shape) for shape, i in shapes.found.items()]
        used = "".join(formulas)
        for helper, call in ((TABLE, "_table("), (REFUSE, "_refuse(")):
            parts += [helper] if call in used else []
        parts += formulas
        parts += [table for table, _ in called if table]
        key = ", ".join(f"_text(row[{name!a}])" for name in model.by)
        parts += [BY_GROUP] if model.by else []
        lines = [f"    group = ({key},)\n"] if model.by else []
        lines += ["    return {\n        **row,\n"]
        for column, (_, call) in zip(model.columns, called, strict=True):
            name = ascii(column.name)
            lines.append(f"        {name}: {call.format(f'row[{name}]')},\n")
        return "".join([HEAD, *parts, MAIN, *lines, "    }\n"]).encode()

    def run(self, exported: bytes, model: Model, rows: Rows) -> Results:
        program = [sys.executable, "-I", "-c", exported.decode() + RUN]
        return outcome(program, model, rows, "Python")


def _called(column: Column, shapes: Shapes, place: int) -> tuple[str, str]:
    """A table of the groups of a column, if it has any, and the call for ``{}``."""
    if not column.groups:
        index, numbers = shapes.of(column.formula)
        return "", f"_f{index}({', '.join(['{}', *map(repr, numbers)])})"
    entries = []
    for group, formula in (*column.groups.items(), (None, column.formula)):
        index, numbers = shapes.of(formula)
        arguments = "".join(f"{number!r}, " for number in numbers)
        entries.append(f"    {group!a}: (_f{index}, ({arguments})),\n")
    table = "".join([f"\n_groups{place} = {{\n", *entries, "}\n"])
    return table, f"_by_group({{}}, _groups{place}, group)"


def _function(index: int, shape: Formula) -> str:
    language, names = Python(), parameters(shape)
    lines = [f"\ndef _f{index}({', '.join(['x', *names])}):"]

    def write(e: Expression) -> str:
        return bare(language.write(e, "x", names))

    lines += [
        "    if x is None or math.isnan(x):",
        f"        return {write(shape.missing)}",
        "    x = float(x)",
        "    if math.isinf(x):",
        f"        return {write(shape.infinite)}",
    ]
    for i, step in enumerate(shape.steps):
        lines.append(f"    x = {write(step)}")
        if "missing" in step.operations() and i < len(shape.steps) - 1:
            lines += ["    if x is None:", "        return x"]
    return "\n".join([*lines, "    return x", "", ""])


def outcome(program: Sequence[str], model: Model, rows: Rows, by: str) -> Results:
    """What a program makes of rows: it reads JSON on stdin, and prints the columns as JSON."""
    told = {
        "names": [column.name for column in model.columns],
        "by": list(model.by),
        "count": len(rows.columns[0]) if rows.columns else 0,
        "cells": [[None if c is None else repr_of(c) for c in column] for column in rows.columns],
        "keys": [list(key) for key in rows.keys],
    }
    done = subprocess.run(
        program, input=json.dumps(told), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error: " in line]
        raise stopped(by, (lines or done.stderr.splitlines() or ["no message"])[-1])
    found = json.loads(done.stdout)
    return Results([[None if c is None else float(c) for c in column] for column in found], by)


def repr_of(value: float) -> str:
    """A number as Python and JavaScript read it in a text."""
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value), repr(value))


TARGET = PythonTarget()
