"""``normcli show``: sidecars as people see them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from normcli.sidecar.model import Statistics
from normcli.statistics.column import ColumnStatistics
from normcli.statistics.drift import Drift, drift
from normcli.statistics.moments import Moments
from normcli.views import terminal
from normcli.views.screen import NAMES, PLAIN_DRAWING, Cell, Column, Grid, Line, cells, text
from normcli.views.show import draw, grid, pair_grid
from tests.conftest import Cli

ODD = "x,flat,empty,rare,長さ\n" + "\n".join(
    f"{i},5,,{1.5 if i < 2 else ''},{i * i}" for i in range(60)
)


@pytest.fixture
def odd(normcli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "odd.stats.json"
    assert normcli("fit", "-o", path, stdin=ODD.encode()).code == 0
    return path


@pytest.fixture
def wide(normcli: Cli, tmp_path: Path) -> Path:
    path = tmp_path / "wide.stats.json"
    names = ",".join(f"feature_{i:04d}" for i in range(400))
    rows = [",".join(str(i * k) for i in range(400)) for k in (1, 2, 5)]
    normcli("fit", "-o", path, stdin="\n".join([names, *rows]).encode())
    return path


def on_terminal(*arguments: object, columns: int = 80, rows: int = 24, **env: str) -> str:
    """What a command prints on a terminal of this size, all of it."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LESS", "COLUMNS")}
    environment |= {"TERM": "xterm-256color", "PAGER": "cat", **env}
    command = [sys.executable, "-m", "normcli", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=side, stderr=side, env=environment
    )
    os.close(side)
    shown = b""
    while True:
        try:
            some = os.read(main, 1 << 16)
        except OSError:  # the terminal is closed when the process ends
            break
        if not some:
            break
        shown += some
    process.wait()
    os.close(main)
    return shown.decode().replace("\r\n", "\n")


def test_a_pipe_gets_a_plain_table_that_is_whole(normcli: Cli, odd: Path) -> None:
    result = normcli("show", odd)
    assert result.text == (
        f"{odd}: 60 rows, 5 columns, zscore (ddof 0)\n"
        "\n"
        "column  count     missing     mean      std  min                          max  note\n"
        "x          60           0     29.5  17.3181    0  ├───━━━━━━●━━━━━━───┤    59\n"
        "flat       60           0        5        0    5                            5  constant\n"
        "empty       0   60 (100%)        -        -    -                            -  empty\n"
        "rare        2  58 (96.7%)      1.5        0  1.5                          1.5  "
        "constant, nearly empty\n"
        "長さ       60           0  1170.17  1056.37    0  ├━━━━━━●━━━━━━──────┤  3481\n"
    )
    assert "\x1b" not in result.text
    assert result.err == ""


def test_the_drawing_places_mean_and_std_between_min_and_max() -> None:
    def drawn(*known: float, width: int = 21, ends: tuple[float, float] = (0.0, 100.0)) -> str:
        return "".join(text for text, _ in draw(list(known), ends, width, unicode=True))

    assert drawn(0, 20, 50, 80, 100) == "├───━━━━━━●━━━━━━───┤"
    assert drawn(0, -40, 5, 50, 100) == "├●━━━━━━━━━─────────┤"
    assert drawn(0, 0, 0, 1, 100) == "●───────────────────┤"
    assert drawn(50, 60, 75, 90, 100) == "          ├─━━━●━━━─┤"
    huge = drawn(-1.7e308, -1e308, 0.0, 1e308, 1.7e308, ends=(-1.7e308, 1.7e308))
    assert huge == "├───━━━━━━●━━━━━━───┤"


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_of_any_usual_width_gets_lines_that_fit(odd: Path, columns: int) -> None:
    shown = on_terminal("show", odd, columns=columns, NO_COLOR="1", TERM="xterm")
    heading, table = plain_text(shown).split("\n\n")
    assert heading.replace("\n", " ").endswith("60 rows, 5 columns, zscore (ddof 0)")
    assert len(table.splitlines()) == 6
    assert max(map(cells, table.splitlines())) <= columns
    assert "├" in shown


def plain_text(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_a_terminal_gets_colours_and_no_color_takes_them_away(odd: Path) -> None:
    magenta = "\x1b[35m"
    assert magenta in on_terminal("show", odd)
    assert magenta not in on_terminal("show", odd, NO_COLOR="1")


def drawn(grid: Grid, columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a grid on a terminal of so many columns, without colours."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    return terminal.tables([], grid, [], page=False).splitlines()


def test_long_names_are_cut_in_the_middle_and_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[list[Cell]] = [["measurement_of_0001", "1.5"], ["長さの測定値・測定値の長さ", "2"]]
    table = Grid([NAMES, Column("v", "number")], rows)
    assert drawn(table, 17, monkeypatch) == [
        "column          v",
        "measure…0001  1.5",
        "長 …値の長さ    2",
    ]
    assert list(text(table))[1].startswith("measurement_of_0001 ")


def test_texts_are_wrapped_and_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Grid([NAMES, Column("why", "text")], [["x", "text: 'a long one' at line 2"]])
    assert drawn(table, 24, monkeypatch) == [
        "column  why",
        "x       text: 'a long",
        "        one' at line 2",
    ]


def test_numbers_are_whole_however_narrow_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Grid([NAMES, *(Column(t, "number") for t in "abc")])
    table.rows.append(["measurement_of_0001", "1.23456789", "2.3456789", "3.456789"])
    assert drawn(table, 10, monkeypatch)[1].split() == [
        "measu…01", "1.23456789", "2.3456789", "3.456789"
    ]  # fmt: skip


def test_a_wide_sidecar_goes_through_the_pager_with_titles_on_every_screen(wide: Path) -> None:
    shown = plain_text(on_terminal("show", wide, PAGER="tee")).splitlines()
    titles = [i for i, line in enumerate(shown) if line.startswith("column ")]
    # A screen shows 23 lines above the prompt; the heading is at the top of the first.
    assert shown[titles[0] - 1] == ""
    assert titles[1:] == list(range(23, len(shown), 23))
    assert sum(line.startswith("feature_") for line in shown) == 400


def test_a_narrow_terminal_leaves_out_spare_columns_before_it_cuts_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = [
        NAMES,
        Column("spare", "number", spare=True),
        Column("", "drawing", spare=True),
        Column("value", "number"),
    ]
    drawing = lambda width: [("#" * width, "magenta")]  # noqa: E731
    table = Grid(columns, [["a_long_name", "12345", drawing, "1.23456789"]])
    assert {w: drawn(table, w, monkeypatch)[1] for w in (99, 79, 39, 32, 25, 20)} == {
        99: f"a_long_name  12345  {'#' * 41}  1.23456789",
        79: f"a_long_name  12345  {'#' * 41}  1.23456789"[:20] + "#" * 41 + "  1.23456789",
        39: "a_long_name  12345  #######  1.23456789",
        32: "a_long_name  #######  1.23456789",
        25: "a_long_name  1.23456789",
        20: "a_lon…me  1.23456789",
    }


def test_no_note_and_no_reason_is_cut_on_a_terminal(normcli: Cli, tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    normcli("fit", "-o", a, "--column", "x=minmax", stdin=b"x,a_longer_name\n1,1\n3,9\n")
    normcli("fit", "-o", b, stdin=b"x,another\n7,1\n9,3\n")
    for columns in (80, 100, 200):
        two = plain_text(on_terminal("show", a, b, columns=columns))
        assert "minmax, now zscore" in two
        check = plain_text(on_terminal("check", b, "--stats", a, columns=columns))
        assert "50% out of 1 to 3, more than 5%; mean +6 std, more than 0.5" in " ".join(
            check.split()
        )


def test_what_is_short_or_quiet_is_not_paged(odd: Path, wide: Path) -> None:
    assert "constant" in on_terminal("show", odd, PAGER="false")
    shown = plain_text(on_terminal("show", wide, "-q", PAGER="false"))
    assert len(shown.splitlines()) == 401


def test_a_pager_that_is_left_early_is_no_error(wide: Path) -> None:
    assert "Traceback" not in on_terminal("show", wide, PAGER="true")


def test_json_has_all_digits(normcli: Cli, odd: Path) -> None:
    found = json.loads(normcli("show", odd, "--json").out)
    kept = json.loads(odd.read_bytes())
    assert found["rows"] == 60
    assert found["method"] == kept["method"]
    for column in found["columns"]:
        for field in ("count", "missing", "nan", "inf", "mean", "std", "min", "max"):
            assert column[field] == kept["columns"][column["column"]][field]
    marks = {column["column"]: column["mark"] for column in found["columns"]}
    assert marks["flat"] == "constant"
    assert marks["rare"] == "constant, nearly empty"


def test_markdown_escapes_what_it_would_read_as_marks(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    normcli("fit", "-o", path, stdin=b"a|b,x_1\n1,2\n3,4\n")
    assert normcli("show", path, "--markdown").text == (
        "| column | count | missing | mean | std | min | max |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| a\\|b | 2 | 0 | 2 | 1 | 1 | 3 |\n"
        "| x\\_1 | 2 | 0 | 3 | 1 | 2 | 4 |\n"
    )


def test_two_sidecars_stand_side_by_side_on_one_scale(normcli: Cli, tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    normcli("fit", "-o", a, stdin=b"x,y,gone\n0,1,1\n10,2,1\n")
    normcli("fit", "-o", b, stdin=b"x,y,new\n10,1,1\n20,2,\n")
    _, table, notes = normcli("show", a, b).text.split("\n\n")
    assert table == (
        "column     count  missing  mean  std  min                         max  shift  spread\n"
        "x       A      2        0     5    5    0  ├━━━━●━━━━┤             10\n"
        "        B      2        0    15    5   10            ├━━━━●━━━━┤   20  +2.00   x1.00\n"
        "y       A      2        0   1.5  0.5    1  ├━━━━━━━━━●━━━━━━━━━┤    2\n"
        "        B      2        0   1.5  0.5    1  ├━━━━━━━━━●━━━━━━━━━┤    2   same    same\n"
        "gone    A      2        0     1    0    1                           1\n"
        "        B      -        -     -    -    -                           -\n"
        "new     A      -        -     -    -    -                           -\n"
        "        B      1  1 (50%)     1    0    1                           1"
    )
    assert notes == "gone: only in A\nnew: only in B\n"
    changes = json.loads(normcli("show", a, b, "--json").out)["changes"]
    assert changes[0] == {
        "column": "x",
        "same": False,
        "note": "",
        "mean_shift": 2.0,
        "spread_ratio": 1.0,
        "missing_change": 0.0,
    }
    assert [c["note"] for c in changes] == ["", "", "only in A", "only in B"]


def test_a_name_cannot_paint_the_screen(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    normcli("fit", "-o", path, stdin=b"evil\x1b[31m,x\n1,2\n2,3\n")
    assert "\x1b[31m" not in normcli("show", path).text
    assert "'evil\\x1b[31m'" in normcli("show", path).text


def test_small_differences_of_large_numbers_are_seen(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    normcli("fit", "-o", path, stdin=b"x\n1000000000\n1000000003\n")
    assert "1000000001.5  1.5  1000000000" in normcli("show", path).text


def test_running_statistics_and_own_methods_are_noted(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    batch = ("transform", "--method", "batch", "--batch-size", 2, "--save-stats", path)
    normcli(*batch, stdin=b"x\n1\n3\n5\n7\n")
    assert "running mean 0.78, var 1.19" in normcli("show", path).text
    normcli("fit", "-o", path, "--column", "x=minmax", stdin=b"x,y\n1,2\n3,4\n")
    assert normcli("show", path).text.splitlines()[3].endswith("minmax")


def test_drift_of_constant_and_empty_columns_is_defined() -> None:
    def column(*values: float, missing: int = 0) -> ColumnStatistics:
        import numpy as np

        from normcli.numerics.numbers import Numbers

        found = ColumnStatistics.of(Numbers(np.array([values], dtype=float)))
        return found.merge(ColumnStatistics({"moments": Moments(missing=missing)}))

    inf = float("inf")
    assert drift(column(5, 5), column(6, 6)) == Drift(inf, 1.0, 0.0)
    assert drift(column(5, 5), column(4, 8)) == Drift(inf, inf, 0.0)
    assert drift(column(5, 5), column(5, 5)) == Drift(0.0, 1.0, 0.0)
    assert drift(column(1, 3), column(2, 2)) == Drift(0.0, 0.0, 0.0)
    assert drift(column(1, 3), column(2)) == Drift(0.0, None, 0.0)
    assert drift(column(1, 3), column(missing=3)) == Drift(None, None, 1.0)
    assert drift(column(), column(1)) == Drift(None, None, None)
    assert drift(column(1e308, -1e308), column(1.7e308)) == Drift(1.7, None, 0.0)


def test_grids_of_nothing_are_titles() -> None:
    assert len(list(text(grid(Statistics())))) == 1
    assert len(list(text(pair_grid(Statistics(), Statistics())))) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["show"],
            2,
            "normcli: missing argument 'SIDECAR [SIDECAR]'. See normcli show --help\n",
        ),
        (["show", "a", "b", "c"], 2, "normcli: show takes one sidecar or two, not 3\n"),
        (
            ["show", "--jsn", "a"],
            2,
            "normcli: no option '--jsn'. Did you mean '--json'? See normcli show --help\n",
        ),
        (
            ["transform", "--stat", "s"],
            2,
            "normcli: no option '--stat'. Did you mean '--stats'? See normcli transform --help\n",
        ),
        (
            ["fit", "-j", "x"],
            2,
            "normcli: --jobs must be a positive integer, not 'x'. See normcli fit --help\n",
        ),
        (
            ["fit", "--range", "1"],
            2,
            "normcli: option '--range' requires 2 arguments. See normcli fit --help\n",
        ),
        (["shwo"], 2, "normcli: no command 'shwo'. Did you mean 'show'? See normcli --help\n"),
    ],
)
def test_wrong_words_are_answered_in_one_line(
    normcli: Cli, arguments: list[str], code: int, message: str
) -> None:
    result = normcli(*arguments)
    assert (result.code, result.err) == (code, message)


def test_show_imports_neither_arrow_nor_pandas_nor_in_a_pipe_rich(odd: Path) -> None:
    code = (
        f"import sys; from normcli.__main__ import run; run(['show', {str(odd)!r}]); "
        "print(sorted({'pyarrow', 'pandas', 'rich.console'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stderr == b"[]\n"


def test_every_cell_of_plain_text_is_made_once() -> None:
    widths: list[int] = []

    def drawing(width: int) -> Line:
        widths.append(width)
        return [("-" * width, "")]

    drawn = Grid([Column("", "drawing")], [[drawing]])
    assert list(text(drawn)) == ["", "-" * PLAIN_DRAWING]
    assert widths == [PLAIN_DRAWING]
