"""Line charts as small SVG files, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 56, 52

# the colours are about as far from white as from black: what a page tells a picture of its own
# background is not reliable
STYLE = """\
text { font: 14px system-ui, sans-serif; fill: #757d87 }
.grid { stroke: #8c959f; stroke-opacity: .35 }
polyline { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.plain { stroke: #d9730d } .normalized { stroke: #3b82d6 }
circle { fill: #d9730d } rect { fill: #3b82d6 }
.dashed { stroke-dasharray: 7 5 }
"""


@dataclass(frozen=True)
class Line:
    """A line of a chart: what it shows, its numbers (one for each x), and its style.

    normalized: its colour and its marks: blue squares, else orange circles.
    """

    name: str
    values: Sequence[float]
    normalized: bool
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over the same x, which are evenly spaced and labelled.

    y_range: the lowest and the highest number of the axis, powers of ten with `log`.
    """

    title: str
    x_label: str
    x: Sequence[object]
    y_label: str
    y_range: tuple[float, float]
    lines: Sequence[Line]
    log: bool = False

    def svg(self) -> str:
        """The picture."""
        parts = [*self._axes(), *self._legend()]
        for line in self.lines:
            parts += self._line(line)
        body = "\n".join(parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img">\n'
            f"<title>{escape(self.title)}</title>\n<style>\n{STYLE}</style>\n{body}\n</svg>\n"
        )

    def _x(self, i: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (i + 0.5) / len(self.x)

    def _y(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (*self.y_range, value))
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    def _ticks(self) -> Iterator[tuple[float, str]]:
        low, high = self.y_range
        if not self.log:
            for i in range(6):
                value = low + (high - low) * i / 5
                yield value, f"{value:.1f}"
            return
        first, last = round(math.log10(low)), round(math.log10(high))
        for power in range(first, last + 1, max(1, (last - first) // 6)):
            yield 10.0**power, f"1e{power}" if abs(power) > 2 else f"{10.0**power:g}"

    def _axes(self) -> Iterator[str]:
        for value, label in self._ticks():
            y = self._y(value)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield _text(LEFT - 8, y + 4, label, "end")
        for i, each in enumerate(self.x):
            yield _text(self._x(i), HEIGHT - BOTTOM + 20, str(each))
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, self.x_label)
        middle = (TOP + HEIGHT - BOTTOM) / 2
        yield (
            f'<text transform="translate(18 {middle:.0f}) rotate(-90)" '
            f'text-anchor="middle">{escape(self.y_label)}</text>'
        )

    def _legend(self) -> Iterator[str]:
        for i, line in enumerate(self.lines):
            x, y = 20 + 310 * (i % 2), 16 + 20 * (i // 2)
            yield _stroke([(x, y), (x + 34, y)], line)
            yield _mark(x + 17, y, line)
            yield _text(x + 42, y + 4, line.name, "start")

    def _line(self, line: Line) -> Iterator[str]:
        points = [(self._x(i), self._y(value)) for i, value in enumerate(line.values)]
        yield _stroke(points, line)
        yield from (_mark(x, y, line) for x, y in points)


def _colour(line: Line) -> str:
    return "normalized" if line.normalized else "plain"


def _stroke(points: Sequence[tuple[float, float]], line: Line) -> str:
    dashed = " dashed" * line.dashed
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{_colour(line)}{dashed}" points="{places}"/>'


def _mark(x: float, y: float, line: Line) -> str:
    if line.normalized:
        return f'<rect class="normalized" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    return f'<circle class="plain" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
