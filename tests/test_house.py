"""The rules of the architecture, as small programs."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from normcli.formats import formats
from normcli.methods import methods
from normcli.methods.base import Method
from normcli.methods.mapping import Mapping
from normcli.statistics.base import Recipe, State, Value

PACKAGE = Path(__file__).parents[1] / "normcli"
MODULES = sorted(PACKAGE.rglob("*.py"))

# The rooms, in the order of docs/architecture.md: a room imports from those before it.
PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text("utf-8")
ORDER = re.findall(r"^\d+\. `(\w+)`", PAGE.split("<!-- order -->")[1], re.MULTILINE)
RANK = {name: rank for rank, name in enumerate(ORDER)}


def unit(module: Path) -> str:
    """The part of the package that a module belongs to."""
    first = module.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(module: Path) -> Iterator[str]:
    """The parts of the package that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(module.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "normcli":
                names = [f"normcli.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "normcli" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(PACKAGE)))
def test_imports_run_one_way(module: Path) -> None:
    here = unit(module)
    if here == "__init__":  # the front door opens on everything
        return
    assert here in RANK, f"{here} has no place in the reading order"
    for name in imported(module):
        assert name in RANK, name
        assert name == here or RANK[name] < RANK[here], f"{here} imports {name}"


def test_nothing_is_unpickled_or_evaluated() -> None:
    forbidden = re.compile(
        r"\b(import (pickle|marshal|shelve|joblib|dill|cloudpickle)|allow_pickle|read_pickle"
        r"|from (pickle|marshal|shelve|joblib|dill|cloudpickle) import)\b|(?<![\w.])(eval|exec)\("
    )
    for module in MODULES:
        assert not forbidden.search(module.read_text()), module


@pytest.mark.parametrize("package", ["methods", "formats"])
def test_a_new_method_or_format_is_one_file(package: str) -> None:
    """Nothing imports a method or a format but the package that finds them."""
    found: dict[str, type] = methods() if package == "methods" else formats()  # type: ignore[assignment]  # abstract, as types go
    homes = {kind.__module__.removesuffix(".format") for kind in found.values()}
    assert len(homes) >= 4
    for home in homes:
        pattern = re.compile(rf"^\s*(from|import) {re.escape(home)}\b", re.MULTILINE)
        for module in MODULES:
            if f"normcli/{package}/" not in module.as_posix():
                assert not pattern.search(module.read_text()), module


CLASSES = {c.__name__: c for c in (Recipe, State, Value, Method, Mapping)}
CONTRACTS = [
    (name, method, parameters)
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for name, body in re.findall(r"^class (\w+):(.*?)(?=^class |\Z)", block, re.DOTALL | re.M)
    for method, parameters in re.findall(r"^    def (\w+)\((.*?)\)", body, re.MULTILINE)
]


@pytest.mark.parametrize(("name", "method", "parameters"), CONTRACTS)
def test_the_contracts_on_the_page_are_those_of_the_code(
    name: str, method: str, parameters: str
) -> None:
    shown = [parameter.partition(":")[0] for parameter in parameters.split(", ")]
    function = inspect.unwrap(vars(CLASSES[name])[method])
    actual = inspect.signature(getattr(function, "__func__", function)).parameters
    assert shown == list(actual)


def test_no_format_imports_from_the_folder_of_another() -> None:
    folders = [module.parent for module in PACKAGE.glob("formats/*/format.py")]
    assert len(folders) >= 4
    for folder in folders:
        others = "|".join(each.name for each in folders if each != folder)
        pattern = re.compile(rf"^\s*(from|import) normcli\.formats\.({others})\b", re.MULTILINE)
        for module in folder.glob("*.py"):
            assert not pattern.search(module.read_text()), module


def test_reading_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, normcli, normcli.methods, normcli.formats\n"
        "normcli.methods.methods(), normcli.formats.formats()\n"
        "print(sorted({'numpy', 'pyarrow', 'pandas', 'rich', 'orjson'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
