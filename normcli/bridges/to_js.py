"""JavaScript: one function in an ES module, which needs no other package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

from normcli.bridges.export import Column, Formula, Model, Results, Rows, Target
from normcli.bridges.languages import Language, Shapes, bare, parameters
from normcli.bridges.to_python import outcome
from normcli.errors import UsageError
from normcli.methods.expression import Expression

HEAD = """// Scales rows as `normcli transform` does: import { scale } from "./this.mjs"
//
// Rows are objects of column names and numbers. null, undefined and NaN are missing; infinite
// numbers stay.

function cell(row, name) {
  if (!Object.hasOwn(row, name)) throw new Error(`no column ${JSON.stringify(name)}`);
  const x = row[name];
  if (x != null && typeof x !== "number")
    throw new TypeError(`column ${JSON.stringify(name)}: ${String(x)} is not a number`);
  return x;
}
"""
TABLE = """
function table(x, at, low, high) {
  const last = at.length - 1;
  if (x <= at[0]) return 0;
  if (x >= at[last]) return 1;
  let [i, end] = [0, last];
  while (end - i > 1) {
    const middle = (i + end) >> 1;
    if (at[middle] <= x) i = middle; else end = middle;
  }
  if (x === at[i]) return (low[i] + high[i]) / 2;
  return high[i] + (x - at[i]) * ((low[i + 1] - high[i]) / (at[i + 1] - at[i]));
}
"""
REFUSE = """
function refuse(x, why) {
  throw new RangeError(`${x} ${why}`);
}
"""
BY_GROUP = """
function byGroup(x, groups, group) {
  const [f, ...numbers] = groups.get(group) ?? groups.get(null);
  return f(x, ...numbers);
}
"""
MAIN = """
// A copy of a row in which the columns are scaled.
export function scale(row) {
"""
RUN = """
import { readFileSync } from "node:fs";
const rows = JSON.parse(readFileSync(0, "utf8"));
const cells = rows.cells.map((column) => column.map((c) => (c === null ? null : Number(c))));
const done = rows.names.map(() => []);
for (let i = 0; i < rows.count; i++) {
  const pairs = rows.names.map((name, j) => [name, cells[j][i]]);
  const keys = rows.by.map((name, j) => [name, rows.keys[i][j]]);
  const scaled = scale(Object.fromEntries([...pairs, ...keys]));
  rows.names.forEach((name, j) => {
    const value = scaled[name];
    const none = value == null || Number.isNaN(value);
    done[j].push(none ? null : Object.is(value, -0) ? "-0" : String(value));
  });
}
process.stdout.write(JSON.stringify(done));
"""


class JavaScript(Language):
    """Expressions of JavaScript."""

    def __init__(self) -> None:
        functions = ("log1p", "expm1", "log2", "log10", "sqrt", "cbrt", "asinh", "tanh", "abs")
        words = {name: f"Math.{name}({{0}})" for name in functions}
        words |= {"ln": "Math.log({0})", "=": "({0} === {1})", "missing": "null"}
        super().__init__(
            "JavaScript",
            words | {"where": "({0} ? {1} : {2})", "refused": "refuse({x}, {why})"},
        )

    def text(self, text: str) -> str:
        return json.dumps(text)

    def table(self, of: str, points: Sequence[tuple[float, float, float]]) -> str:
        return f"table({of}, {', '.join(map(repr, map(list, zip(*points, strict=True))))})"


class JavaScriptTarget(Target):
    """A module of JavaScript."""

    what = "a function of JavaScript, without other packages"

    def export(self, model: Model) -> bytes:
        shapes, parts = Shapes(), []
        called = [_called(column, shapes, i) for i, column in enumerate(model.columns)]
        formulas = [_function(i, shape) for shape, i in shapes.found.items()]
        used = "".join(formulas)
        for helper, call in ((TABLE, "table("), (REFUSE, "refuse(")):
            parts += [helper] if call in used else []
        parts += [BY_GROUP] if model.by else []
        parts += formulas
        parts += [table for table, _ in called if table]
        keys = ", ".join(
            f"row[{json.dumps(name)}] == null ? null : String(row[{json.dumps(name)}])"
            for name in model.by
        )
        lines = [f"  const group = JSON.stringify([{keys}]);\n"] if model.by else []
        lines += ["  return {\n    ...row,\n"]
        for column, (_, call) in zip(model.columns, called, strict=True):
            name = json.dumps(column.name)  # in brackets, "__proto__" is a name like others
            lines.append(f"    [{name}]: {call.format(f'cell(row, {name})')},\n")
        return "".join([HEAD, *parts, MAIN, *lines, "  };\n}\n"]).encode()

    def run(self, exported: bytes, model: Model, rows: Rows) -> Results:
        node = shutil.which("node")
        if not node:
            raise UsageError("--verify of --to js needs node, which is not here")
        program = [node, "--input-type=module", "-e", exported.decode() + RUN]
        return outcome(program, model, rows, "Node")


def _called(column: Column, shapes: Shapes, place: int) -> tuple[str, str]:
    """A map of the groups of a column, if it has any, and the call for ``{}``."""
    if not column.groups:
        index, numbers = shapes.of(column.formula)
        return "", f"f{index}({', '.join(['{}', *map(repr, numbers)])})"
    entries = []
    for group, formula in (*column.groups.items(), (None, column.formula)):
        index, numbers = shapes.of(formula)
        key = (
            "null"
            if group is None
            else json.dumps(json.dumps(group, ensure_ascii=False, separators=(",", ":")))
        )
        entries.append(f"  [{key}, [{', '.join([f'f{index}', *map(repr, numbers)])}]],\n")
    table = "".join([f"\nconst groups{place} = new Map([\n", *entries, "]);\n"])
    return table, f"byGroup({{}}, groups{place}, group)"


def _key(group: Sequence[str | None]) -> str:
    """As JSON.stringify has it."""
    return json.dumps(group, ensure_ascii=False, separators=(",", ":"))


def _function(index: int, shape: Formula) -> str:
    language, names = JavaScript(), parameters(shape)

    def write(e: Expression) -> str:
        return bare(language.write(e, "x", names))

    lines = [
        f"\nfunction f{index}({', '.join(['x', *names])}) {{",
        f"  if (x == null || Number.isNaN(x)) return {write(shape.missing)};",
        f"  if (x === Infinity || x === -Infinity) return {write(shape.infinite)};",
    ]
    for i, step in enumerate(shape.steps):
        lines.append(f"  x = {write(step)};")
        if "missing" in step.operations() and i < len(shape.steps) - 1:
            lines.append("  if (x === null) return x;")
    return "\n".join([*lines, "  return x;", "}", ""])


TARGET = JavaScriptTarget()
