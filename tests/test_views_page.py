"""The pages of --html: one file each, which needs no network, and hides nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Page(HTMLParser):
    """The cells of the table, the pictures, and whatever is loaded from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.bad: list[bool] = []
        self.pictures = 0
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
            self.bad.append(("class", "bad") in attrs)
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self.pictures += tag == "svg"

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    x = np.random.default_rng(1).normal(size=(500, 2))
    lines = (f"{a!r},{b!r}" for a, b in x.tolist())
    path.write_text('"<b>x</b>",y\n' + "\n".join(lines) + "\n")
    return path


def fitted(normcli: Cli, table: Path) -> Path:
    assert normcli("fit", table, "-q", "--method", "robust").code == 0
    return table.with_suffix(".stats.json")


def test_show_writes_a_table_with_pictures_before_and_after(normcli: Cli, table: Path) -> None:
    stats, target = fitted(normcli, table), table.with_suffix(".html")
    assert normcli("show", stats, "--html", target).text == ""
    text = target.read_text()
    page = Page(text)
    assert page.loads == []
    assert "http" not in text
    assert page.rows[0][:4] == ["column", "distribution", "scaled", "count"]
    assert [row[0] for row in page.rows[1:]] == ["<b>x</b>", "y"]
    assert page.pictures == 4
    for promise in ("prefers-color-scheme:dark", "@media print", "max-width", 'name="viewport"'):
        assert promise in text


def test_check_marks_what_has_drifted(normcli: Cli, table: Path) -> None:
    stats, target = fitted(normcli, table), table.with_suffix(".html")
    head, *rows = table.read_text().splitlines()
    moved = [f"{float(a) + 2!r},{b}" for a, b in (row.split(",") for row in rows)]
    table.write_text("\n".join([head, *moved]) + "\n")
    done = normcli("check", table, "--stats", stats, "--html", target)
    assert done.code == 3
    assert "stability index" in done.text  # what is printed stays
    page = Page(target.read_text())
    assert page.rows[0][:4] == ["column", "fitted", "now", "fits"]
    assert page.bad == [False, True, False]
    assert "stability index" in page.rows[1][-1]
    assert page.pictures == 4


def test_a_hundred_columns_are_less_than_500_kilobytes(normcli: Cli, tmp_path: Path) -> None:
    table, target = tmp_path / "wide.csv", tmp_path / "wide.html"
    x = np.random.default_rng(2).lognormal(size=(300, 100))
    names = ",".join(f"a_rather_long_name_of_column_{i}" for i in range(100))
    np.savetxt(table, x, delimiter=",", header=names, comments="")
    stats = fitted(normcli, table)
    assert normcli("show", stats, "--html", target).code == 0
    assert target.stat().st_size < 500_000
    assert normcli("check", table, "--stats", stats, "--html", target, "-q").code == 0
    assert target.stat().st_size < 500_000


def test_columns_without_cells_have_no_picture(normcli: Cli, table: Path) -> None:
    assert normcli("fit", table, "-q").code == 0
    target = table.with_suffix(".html")
    assert normcli("show", table.with_suffix(".stats.json"), "--html", target).code == 0
    assert Page(target.read_text()).pictures == 0


def test_a_page_replaces_no_input_and_is_of_one_sidecar(normcli: Cli, table: Path) -> None:
    stats = fitted(normcli, table)
    kept = stats.read_bytes(), table.read_bytes()
    assert normcli("show", stats, "--html", stats).code != 0
    assert normcli("check", table, "--stats", stats, "--html", table).code not in (0, 3)
    assert normcli("check", table, "--stats", stats, "--html", stats).code not in (0, 3)
    assert (stats.read_bytes(), table.read_bytes()) == kept
    assert normcli("show", stats, stats, "--html", table.with_suffix(".html")).code == 2


def test_a_browser_sorts_and_shows_it(normcli: Cli, table: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("there is no Chromium here")
    stats, target = fitted(normcli, table), table.with_suffix(".html")
    assert normcli("show", stats, "--html", target).code == 0
    script = "<script>document.querySelectorAll('th button')[0].click();"
    script += "document.querySelectorAll('th button')[0].click()</script>"
    target.write_text(target.read_text().replace("</body>", script + "</body>"))
    command = [browser, "--headless", "--no-sandbox", "--dump-dom", target.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    names = re.findall(r'<td data-t="column">(.*?)</td>', done.stdout)
    assert names == ["y", "&lt;b&gt;x&lt;/b&gt;"]
