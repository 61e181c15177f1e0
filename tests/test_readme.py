"""The documentation tells the truth: its examples run, its links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from normcli.cli import COMMANDS
from tools import picture, reference
from tools.sessions import (
    PAGES,
    README,
    ROOT,
    TRY,
    Shell,
    fenced,
    filled,
    first_commands,
    says,
    steps,
)

NEEDED = ("awk", "bash", "make", "xz")  # by the examples, and not on every machine
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
UNFENCED = re.compile(
    r"^ *(?:```|~~~)|^ {4}(?:\$ )?(?:normcli|python3?|pip|dask|aws) ", re.MULTILINE
)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def pages_with(pattern: str) -> list[Path]:
    return [page for page in PAGES if pattern in page.read_text()]


WITH_SESSIONS = sorted(pages_with("```console\n"), key=lambda page: -len(steps(page.read_text())))


@dataclass(frozen=True)
class Printed:
    """The output of shells, each in a directory of its own, of which two run at a time.

    pages: that of each command; first: that of the block that the README opens with, and the exit
    code; picture: the picture in the README.
    """

    pages: dict[Path, Future[list[str]]]
    first: Future[list[str]]
    picture: Future[str]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    def shell() -> Shell:
        return Shell(tmp_path_factory.mktemp("shell"))

    def run(commands: list[str]) -> list[str]:
        place = shell()
        return [place.run(command) for command in commands]

    with ThreadPoolExecutor(2) as pool:
        texts = {page: page.read_text() for page in WITH_SESSIONS}
        yield Printed(
            {page: pool.submit(run, [s.command for s in steps(texts[page])]) for page in texts},
            pool.submit(run, [" &&\n".join([*first_commands(texts[README]), "echo success"])]),
            pool.submit(lambda: picture.picture(shell())),
        )


@pytest.mark.parametrize("page", WITH_SESSIONS, ids=lambda page: page.name)
def test_a_page_shows_what_its_commands_print(page: Path, printed: Printed) -> None:
    for program in NEEDED:
        if f"{program} " in page.read_text() and shutil.which(program) is None:
            pytest.skip(f"the page uses {program}, which is not here")
    for step, found in zip(steps(page.read_text()), printed.pages[page].result(), strict=True):
        assert says(step.output, found), f"$ {step.command}{found}"


@pytest.mark.parametrize("page", pages_with("```pycon\n"), ids=lambda page: page.name)
def test_a_page_shows_what_python_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sklearn" in page.read_text():
        pytest.importorskip("sklearn")
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    text = "\n".join(fenced("pycon").findall(page.read_text()))
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_commands_that_a_newcomer_pastes_show_what_they_promise(printed: Printed) -> None:
    """Those after the installation, which the tests do not repeat."""
    (shown,) = printed.first.result()
    expected = TRY.findall(README.read_text())[0][2]
    assert expected.count("\n") > 20
    assert says(f"{expected}success\n", shown)


# Blocks of other kinds than the two above, and what tests them.
CHECKED = {
    ("README.md", "sh"): 2,  # the test above; .ci/run, which has the tests run by it
    ("README.md", "text"): 1,  # the test above
    ("architecture.md", "python"): 2,  # test_house.py
    ("batch-normalization.md", "sh"): 1,  # needs PyTorch; test_import.py, with recorded files
    ("reference.md", "text"): 1 + len(COMMANDS),  # below: what the program says
    ("scaling.md", "sh"): 1,  # test_examples.py
    ("sidecar.md", "csv"): 1,  # test_sidecar.py
    ("sidecar.md", "json"): 1,  # test_sidecar.py
    ("stores.md", "sh"): 2,  # test_examples.py
    ("stores.md", "text"): 1,  # test_storage_stores.py
    ("tutorial.md", "yaml"): 1,  # test_examples.py
}


def test_no_example_escapes_the_tests() -> None:
    texts = {page.name: page.read_text() for page in PAGES}
    blocks = [(name, block) for name in texts for block in FENCED.findall(texts[name])]
    kinds = Counter((name, block.partition("\n")[0][3:]) for name, block in blocks)
    assert {kind: n for kind, n in kinds.items() if kind[1] not in ("console", "pycon")} == CHECKED
    for name, text in texts.items():
        assert not UNFENCED.search(FENCED.sub("", text)), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_links_every_page() -> None:
    links = LINK.findall(README.read_text())
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= set(links)


def test_no_page_waits_to_be_filled_in() -> None:
    for page in PAGES:
        assert "FIGURE" not in page.read_text(), page.name


def test_the_reference_is_what_the_program_says() -> None:
    assert reference.PAGE.read_text() == reference.page(), "to be made by python -m tools"


def test_the_reference_has_every_command_with_an_example() -> None:

    sections = reference.page().split("\n## ")
    for name in COMMANDS:
        (section,) = (s for s in sections if s.startswith(f"normcli {name}\n"))
        assert re.search(rf"^  .*normcli {name} ", section, re.MULTILINE), name


def test_the_picture_is_of_what_the_commands_show(printed: Printed) -> None:
    """Only the words are compared; the library that draws the picture places them."""
    assert words(picture.PICTURE.read_text()) == words(printed.picture.result())


def words(svg: str) -> list[str]:
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return "".join(texts).replace("&#160;", " ").split()


def test_the_commands_that_the_readme_gives_are_where_ci_looks_for_them() -> None:
    """.ci/run takes the second one as it stands."""
    page = README.read_text()
    for mark in ("try", "tests"):
        assert len(re.findall(rf"^<!-- {mark} -->\n```sh\n", page, re.MULTILINE)) == 1


def test_a_page_is_filled_with_what_its_commands_print_now(tmp_path: Path) -> None:
    page = "```console\n$ cat <<'END'\n> a\n>\n> END\nold\n$ echo 2.5 s\n1.5 s\n```"
    now = "```console\n$ cat <<'END'\n> a\n>\n> END\na\n\n$ echo 2.5 s\n1.5 s\n```"
    assert filled(page, Shell(tmp_path)) == now
    assert says("3 rows in 0.12 s, 34 MB/s\n", "3 rows in 1.5 s, 2e+03 MB/s\n")
    assert not says("3 rows\n", "4 rows\n")
    assert says("a\n...\n", "a\nb\n")
