"""The documentation tells the truth: its examples run, its links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tools import picture, reference
from tools.sessions import PAGES, ROOT, Shell, filled, says, steps

NEEDED = ("awk", "bash", "make", "xz")  # by the sessions, and not on every machine
PYTHON = re.compile(r"^```pycon\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def pages_with(pattern: str) -> list[Path]:
    return [page for page in PAGES if pattern in page.read_text()]


WITH_SESSIONS = sorted(pages_with("```console\n"), key=lambda page: -len(steps(page.read_text())))


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Future[list[str]]]]:
    """What the commands of every page print; those of two pages run at a time."""

    def run(page: Path) -> list[str]:
        shell = Shell(tmp_path_factory.mktemp(page.stem))
        return [shell.run(step.command) for step in steps(page.read_text())]

    with ThreadPoolExecutor(2) as pool:
        yield {page: pool.submit(run, page) for page in WITH_SESSIONS}


@pytest.mark.parametrize("page", WITH_SESSIONS, ids=lambda page: page.name)
def test_a_page_shows_what_its_commands_print(
    page: Path, printed: dict[Path, Future[list[str]]]
) -> None:
    for program in NEEDED:
        if f"{program} " in page.read_text() and shutil.which(program) is None:
            pytest.skip(f"the page uses {program}, which is not here")
    for step, found in zip(steps(page.read_text()), printed[page].result(), strict=True):
        assert says(step.output, found), f"$ {step.command}{found}"


@pytest.mark.parametrize("page", pages_with("```pycon\n"), ids=lambda page: page.name)
def test_a_page_shows_what_python_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sklearn" in page.read_text():
        pytest.importorskip("sklearn")
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    text = "\n".join(PYTHON.findall(page.read_text()))
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner().run(test).failed == 0


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
    links = LINK.findall((ROOT / "README.md").read_text())
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= set(links)


def test_no_page_waits_to_be_filled_in() -> None:
    for page in PAGES:
        assert "FIGURE" not in page.read_text(), page.name


def test_the_reference_is_what_the_program_says() -> None:
    assert reference.PAGE.read_text() == reference.page(), "to be made by python -m tools"


def test_the_reference_has_every_command_with_an_example() -> None:
    from normcli.cli import COMMANDS

    sections = reference.page().split("\n## ")
    for name in COMMANDS:
        (section,) = (s for s in sections if s.startswith(f"normcli {name}\n"))
        assert re.search(rf"^  .*normcli {name} ", section, re.MULTILINE), name


def test_the_picture_is_of_what_the_commands_show(tmp_path: Path) -> None:
    """Its words, at least: where they stand is the matter of the library that draws it."""
    assert words(picture.PICTURE.read_text()) == words(picture.picture(Shell(tmp_path)))


def words(svg: str) -> list[str]:
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return "".join(texts).replace("&#160;", " ").split()


def test_the_commands_that_the_readme_gives_are_where_ci_looks_for_them() -> None:
    """.ci/run takes the second one as it stands."""
    page = (ROOT / "README.md").read_text()
    for mark in ("try", "tests"):
        assert len(re.findall(rf"^<!-- {mark} -->\n```sh\n", page, re.MULTILINE)) == 1


def test_a_page_is_filled_with_what_its_commands_print_now(tmp_path: Path) -> None:
    page = "```console\n$ cat <<'END'\n> a\n>\n> END\nold\n$ echo 2.5 s\n1.5 s\n```"
    now = "```console\n$ cat <<'END'\n> a\n>\n> END\na\n\n$ echo 2.5 s\n1.5 s\n```"
    assert filled(page, Shell(tmp_path)) == now
    assert says("3 rows in 0.12 s, 34 MB/s\n", "3 rows in 1.5 s, 2e+03 MB/s\n")
    assert not says("3 rows\n", "4 rows\n")
    assert says("a\n...\n", "a\nb\n")
