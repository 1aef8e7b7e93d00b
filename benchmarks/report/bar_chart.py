"""A bar chart as SVG: several bars for each name on a logarithmic scale. Written by hand, to need no library."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, BAR, GAP = 880, 200, 90, 64, 15, 14
COLOURS = ("#9ecae1", "#4292c6", "#084594")


def bars(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """`groups`: name -> series -> value above 0. Every name has the same series."""
    series = list(next(iter(groups.values()), {}))
    low, high = _decades([value for group in groups.values() for value in group.values()])
    height = TOP + sum(len(group) * BAR + GAP for group in groups.values()) + 34
    scale = (WIDTH - LEFT - RIGHT) / (high - low)

    def x(value: float) -> float:
        return LEFT + max(0.0, math.log10(max(value, 1e-9)) - low) * scale

    parts = [_text(LEFT, 22, title, "font-size='15' font-weight='bold'")]
    parts += _legend(series)
    for decade in range(low, high + 1):
        at = x(10**decade)
        parts.append(f"<line x1='{at:.1f}' x2='{at:.1f}' y1='{TOP - 6}' y2='{height - 28}' stroke='#dddddd'/>")
        parts.append(_text(at, height - 12, f"{10**decade:,}", "text-anchor='middle' fill='#555555'"))
    y = TOP
    for name, group in groups.items():
        parts.append(_text(LEFT - 8, y + len(group) * BAR / 2 + 4, name, "text-anchor='end'"))
        for number, value in enumerate(group.values()):
            colour = COLOURS[number % len(COLOURS)]
            wide = x(value) - LEFT
            parts.append(f"<rect x='{LEFT}' y='{y}' width='{wide:.1f}' height='{BAR - 2}' fill='{colour}'/>")
            parts.append(_text(x(value) + 5, y + BAR - 4, f"{value:,.0f}", "font-size='11' fill='#333333'"))
            y += BAR
        y += GAP
    style = "font-family='sans-serif' font-size='12'"
    box = f"width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'"
    ground = f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>"
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' {box} {style}>", ground, *parts, "</svg>", ""])


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten below and above the values."""
    if not values:
        return 0, 1
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _legend(series: Sequence[str]) -> list[str]:
    parts = []
    for number, name in enumerate(series):
        at = LEFT + number * 140
        parts.append(f"<rect x='{at}' y='34' width='12' height='12' fill='{COLOURS[number % len(COLOURS)]}'/>")
        parts.append(_text(at + 17, 45, name, ""))
    return parts


def _text(x: float, y: float, text: str, style: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {style}>{escape(text)}</text>"
