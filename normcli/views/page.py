"""What `show` and `check` write with --html: one page that needs nothing else.

The page has its style, its script and its pictures in itself, and asks nothing of the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from normcli.errors import NormcliError
from normcli.methods.levels import quantiles_of
from normcli.views.check import told
from normcli.views.screen import Grid, plain
from normcli.views.show import binned

if TYPE_CHECKING:
    from normcli.numerics.cells import Cells
    from normcli.pipeline.check import Verdict
    from normcli.sidecar.model import Statistics
    from normcli.statistics.column import ColumnStatistics

BINS = 32  # of a picture
HEIGHT = 100

STYLE = """
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#667;--line:#d5d8dd;--paper:#fff;--bar:#3b6fb6;
--bad:#b3261e;--tint:#fbeae8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ad;--line:#3a3f46;
--paper:#16181b;--bar:#7aa7e8;--bad:#ff8a80;--tint:#3a2322}}
body{margin:0;padding:1.2rem;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.3rem;margin:0 0 .2rem}p{margin:.2rem 0;color:var(--soft)}
input{font:inherit;margin:.8rem 0;padding:.35rem .6rem;width:min(22rem,100%);box-sizing:border-box;
color:inherit;background:transparent;border:1px solid var(--line);border-radius:.3rem}
div{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,td.t,th.t{text-align:left}td.t{white-space:normal}
th button{all:unset;cursor:pointer;font-weight:600}
th button:focus-visible{outline:2px solid var(--bar)}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
tr.bad{background:var(--tint)}td.bad{color:var(--bad);font-weight:600}
svg{width:9rem;height:2.2rem;display:block}path{fill:var(--bar)}
@media (max-width:40rem){thead{position:absolute;left:-99rem}tr{display:block;padding:.5rem 0;
border-bottom:2px solid var(--line)}td{display:flex;justify-content:space-between;gap:1rem;border:0;
padding:.1rem .2rem}td:first-child{font-weight:600}
td::before{content:attr(data-t);color:var(--soft)}}
@media print{input{display:none}body{padding:0}tr{break-inside:avoid}}
"""

SCRIPT = """
const table=document.querySelector('table'),body=table.tBodies[0];
const heads=[...table.tHead.rows[0].cells];
const value=(row,i)=>row.cells[i].dataset.v??row.cells[i].textContent;
heads.forEach((head,i)=>head.querySelector('button')?.addEventListener('click',()=>{
const up=head.getAttribute('aria-sort')!=='ascending';
heads.forEach(h=>h.removeAttribute('aria-sort'));
head.setAttribute('aria-sort',up?'ascending':'descending');
const rows=[...body.rows].sort((a,b)=>{
const x=value(a,i),y=value(b,i),m=parseFloat(x),n=parseFloat(y);
const order=isNaN(m)||isNaN(n)?isNaN(m)-isNaN(n)||x.localeCompare(y):m-n;return up?order:-order});
body.append(...rows)}));
document.querySelector('input').addEventListener('input',event=>{
const words=event.target.value.toLowerCase().split(/\\s+/);
for(const row of body.rows){const text=row.textContent.toLowerCase();
row.hidden=!words.every(word=>text.includes(word))}});
"""


@dataclass(frozen=True)
class Cell:
    """A cell of the table: text, or a picture; `bad`: it is beyond a limit."""

    text: str = ""
    picture: str = ""
    bad: bool = False
    wide: bool = False


def of_statistics(title: str, head: str, grid: Grid, statistics: Statistics) -> str:
    """The page of saved statistics: the table that is shown, and pictures before and after."""
    shown = [i for i, column in enumerate(grid.columns) if column.kind != "drawing"]
    names = [grid.columns[i].title for i in shown]
    rows = []
    for row, name in zip(grid.rows, statistics.columns, strict=True):
        cells = [Cell(plain(row[i]), wide=names[k] == "note") for k, i in enumerate(shown)]
        before, after = _before_and_after(name, statistics)
        rows.append(([cells[0], Cell(picture=before), Cell(picture=after), *cells[1:]], False))
    return _page(title, [head], [names[0], "distribution", "scaled", *names[1:]], rows)


def of_verdict(title: str, heads: Sequence[str], grid: Grid, verdict: Verdict) -> str:
    """The page of a check: the table that is printed, with pictures of then and now."""
    names = [column.title.strip() for column in grid.columns]
    rows = []
    for row, c in zip(grid.rows, told(verdict), strict=True):
        cells = [Cell(plain(cell).strip(), bad=_is_bad(plain(cell))) for cell in row]
        then, now = _pair(c.cells)
        why = Cell("; ".join(c.faults.values()) or c.remark, wide=True)
        rows.append(
            ([cells[0], Cell(picture=then), Cell(picture=now), *cells[1:], why], not c.fits)
        )
    return _page(title, heads, [names[0], "fitted", "now", *names[1:], "why"], rows)


def _is_bad(text: str) -> bool:
    return text.endswith("!") or text == "NO"


def _before_and_after(name: str, statistics: Statistics) -> tuple[str, str]:
    """Pictures of a column, and of what its method makes of it."""
    column = statistics.columns[name]
    if "quantiles" not in column.values or not column.count:
        return "", ""
    cells = quantiles_of(column).cells
    ends = float(cells.lows[0]), float(cells.highs[-1])
    return _picture(binned(cells, ends, BINS)), _after(name, statistics, column, cells)


def _after(name: str, statistics: Statistics, column: ColumnStatistics, cells: Cells) -> str:
    """The picture of the middles of cells, scaled; none where they cannot be."""
    import numpy as np

    from normcli.numerics.numbers import Numbers

    middles = cells.lows / 2 + cells.highs / 2
    try:
        mapping = statistics.method_for(name).mapping(column)
        values = mapping.values(Numbers(middles[np.newaxis])).values
    except (NormcliError, KeyError):
        return ""
    if not np.isfinite(values).all():
        return ""
    low, high = float(values.min()), float(values.max())
    places = np.linspace(low, high, BINS + 1)[1:-1].searchsorted(values, side="right")
    shares = np.bincount(places, weights=cells.counts, minlength=BINS) / cells.total
    return _picture(shares.tolist())


def _pair(cells: tuple[Cells, Cells] | None) -> tuple[str, str]:
    """Pictures of two distributions between the same ends."""
    if cells is None:
        return "", ""
    ends = min(float(c.lows[0]) for c in cells), max(float(c.highs[-1]) for c in cells)
    shares = [binned(c, ends, BINS) for c in cells]
    most = max(map(max, shares))
    then, now = (_picture(each, most) for each in shares)
    return then, now


def _picture(shares: Sequence[float], most: float = 0.0) -> str:
    """Bars; those with numbers show, however few they are."""
    most = most or max(shares)
    heights = [max(2, round(HEIGHT * share / most)) if share else 0 for share in shares]
    bars = "".join(f"M{i} {HEIGHT}v-{h}h.9v{h}z" for i, h in enumerate(heights) if h)
    box = f'viewBox="0 0 {len(shares)} {HEIGHT}" preserveAspectRatio="none"'
    return f'<svg {box} role="img" aria-label="histogram"><path d="{bars}"/></svg>'


def _page(
    title: str, heads: Iterable[str], names: Sequence[str], rows: Sequence[tuple[list[Cell], bool]]
) -> str:
    above = "".join(f"<p>{escape(head)}</p>" for head in heads)
    titles = "".join(f"<th><button>{escape(name)}</button></th>" for name in names)
    body = "\n".join(_row(cells, names, bad) for cells, bad in rows)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f'<body><h1>{escape(title)}</h1>{above}<input type="search" placeholder="Filter columns" '
        f'aria-label="Filter columns"><div><table><thead><tr>{titles}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div><script>{SCRIPT}</script></body></html>\n"
    )


def _row(cells: Sequence[Cell], names: Sequence[str], bad: bool) -> str:
    made = (_cell(cell, name) for cell, name in zip(cells, names, strict=True))
    return f"<tr{' class=bad' * bad}>{''.join(made)}</tr>"


def _cell(cell: Cell, name: str) -> str:
    kinds = " ".join(kind for kind, yes in (("bad", cell.bad), ("t", cell.wide)) if yes)
    mark = f' class="{kinds}"' if kinds else ""
    return f'<td{mark} data-t="{escape(name)}">{cell.picture or escape(cell.text)}</td>'
