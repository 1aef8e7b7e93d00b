"""A plot as SVG: lines and points on linear scales from zero. Written by hand, like benchmarks/report/bar_chart.py."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 620, 330, 70, 20, 62, 46
COLOURS: Final = ("#084594", "#d94801", "#238b45", "#6a51a3")
DASHED: Final = "stroke-dasharray='5 4'"


class Series(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]
    joined: bool = True


class Mark(NamedTuple):
    """A line across the plot, at an x (upright) or at a y."""

    name: str
    at: float
    upright: bool


def plot(title: str, x: str, y: str, series: Sequence[Series], marks: Sequence[Mark] = (), highest: float | None = None) -> str:
    """Expects points above zero. Points above `highest` are drawn at the upper edge."""
    points = [point for one in series for point in one.points]
    most_x = _round_up(max([p[0] for p in points] + [m.at for m in marks if m.upright], default=1.0))
    most_y = _round_up(highest or max([p[1] for p in points] + [m.at for m in marks if not m.upright], default=1.0))

    def at(point: tuple[float, float]) -> tuple[float, float]:
        wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + point[0] / most_x * wide, HEIGHT - BOTTOM - min(point[1] / most_y, 1.0) * tall

    parts = [_text(LEFT, 20, f"{title}, {y}", "font-size='14' font-weight='bold'")]
    for number in range(6):
        left, low = at((most_x * number / 5, 0))[0], at((0, most_y * number / 5))[1]
        parts.append(f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{low:.1f}' y2='{low:.1f}' stroke='#e5e5e5'/>")
        parts.append(_text(LEFT - 7, low + 4, f"{most_y * number / 5:,.6g}", "text-anchor='end' fill='#555'"))
        parts.append(_text(left, HEIGHT - BOTTOM + 16, f"{most_x * number / 5:,.6g}", "text-anchor='middle' fill='#555'"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x, "text-anchor='middle'"))
    for mark in marks:
        (x1, y1) = at((mark.at, 0) if mark.upright else (0, mark.at))
        (x2, y2) = (x1, float(TOP)) if mark.upright else (float(WIDTH - RIGHT), y1)
        parts.append(f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='#777' {DASHED}/>")
        anchor = (x1 - 4, TOP + 10.0) if mark.upright else (WIDTH - RIGHT, y1 - 4)
        parts.append(_text(anchor[0], anchor[1], mark.name, "text-anchor='end' font-size='11' fill='#555'"))
    for number, one in enumerate(series):
        parts += _drawn(one, [at(point) for point in one.points], COLOURS[number % len(COLOURS)], LEFT + 150 * number)
    box = f"viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' font-family='sans-serif' font-size='12'"
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' {box}>", *parts, "</svg>"])


def _drawn(series: Series, at: Sequence[tuple[float, float]], colour: str, legend: int) -> list[str]:
    parts = [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{2.5 if series.joined else 2}' fill='{colour}'/>" for x, y in at]
    if series.joined:
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='1.5'/>")
    parts.append(f"<rect x='{legend}' y='30' width='11' height='11' fill='{colour}'/>")
    return [*parts, _text(legend + 16, 40, series.name, "")]


def _round_up(value: float) -> float:
    """The next 1, 1.5, 2, 2.5, 3, 4, 5, 6 or 8 times a power of ten above a value; 1 for a value of zero."""
    if value <= 0:
        return 1.0
    ten = 10.0 ** math.floor(math.log10(value))
    return next(step * ten for step in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if step * ten >= value)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"
