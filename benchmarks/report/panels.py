"""Panels of a picture: figures over a rate or a time, with their intervals. A scale that shows two decades is logarithmic."""

import math
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import altair as alt

from benchmarks.report.intervals import Interval
from benchmarks.report.pictures import COLOURS, GREY, Panel, data

WIDTH, HEIGHT = 420, 220
X_AXIS: Final = alt.Axis(format=",~r", tickCount=5, grid=False, labelFlush=False)
DECADES: Final = 100
"""Ratio of the largest to the smallest value from which a scale is logarithmic."""


class Point(NamedTuple):
    series: str
    x: float
    y: Interval


def point(series: str, x: float, y: float) -> Point:
    """A value without an interval."""
    return Point(series, x, Interval(y, y, y))


def logarithmic(values: Sequence[float]) -> bool:
    return min(values, default=0) > 0 and max(values) >= DECADES * min(values)


def scale(values: Sequence[float], **others: Any) -> alt.Scale:
    """A scale of these values: logarithmic, or linear from zero on."""
    if logarithmic(values):
        return alt.Scale(type="log", nice=False, padding=8, **others)
    return alt.Scale(zero=True, nice=True, **others)


def axis(values: Sequence[float]) -> alt.Axis:
    """The axis of `scale`."""
    if not logarithmic(values):
        return alt.Axis(format=",~r", tickCount=5)
    decades = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    steps = (1, 2, 5) if len(decades) < 5 else (1,)
    return alt.Axis(format=",~r", values=[float(f"{step}e{decade}") for decade in decades for step in steps])


def curves(
    title: str,
    x_title: str,
    y_title: str,
    points: Sequence[Point],
    width: int = WIDTH,
    height: int = HEIGHT,
    legend: Literal["top-left", "right"] = "top-left",
) -> Panel:
    """Lines with a dot, and a bar for the interval, at each value. Each series has a colour, in order of appearance."""
    names = list(dict.fromkeys(one.series for one in points))
    ends = [end for one in points for end in one.y if math.isfinite(end)]
    rows = [_row(one) for one in points]
    bounded = [row for row in rows if row["low"] < row["high"]]
    base = alt.Chart(data(rows), title=title, width=width, height=height).encode(
        alt.X("x:Q", title=x_title, axis=X_AXIS),
        alt.Color(
            "series:N",
            scale=alt.Scale(domain=names, range=list(COLOURS)),
            legend=alt.Legend(orient=legend, offset=6) if names[1:] else None,
        ),
        tooltip=[
            alt.Tooltip("series:N", title="what"),
            alt.Tooltip("x:Q", title=x_title, format=",.3~r"),
            alt.Tooltip("value:Q", title=y_title, format=",.3~r"),
            alt.Tooltip("low:Q", title="95 %: from", format=",.3~r"),
            alt.Tooltip("high:Q", title="95 %: to", format=",.3~r"),
        ],
    )
    y, low = (alt.Y(f"{name}:Q", title=y_title, scale=scale(ends), axis=axis(ends)) for name in ("value", "low"))
    layers = [base.mark_line(strokeWidth=1.5).encode(y)]
    if bounded:
        bars = base.properties(data=data(bounded)).mark_rule(strokeWidth=1.5, opacity=0.7)
        layers.append(bars.encode(low, alt.Y2("high:Q")))
    return alt.layer(*layers, base.mark_circle(size=26, opacity=1).encode(y))


def bound(text: str, y: float) -> Panel:
    """A dashed line across a panel at a height, with a word beside it."""
    rows = data([{"y": y, "text": text}])
    height = alt.Y("y:Q")
    line = alt.Chart(rows).mark_rule(color=GREY, strokeDash=[5, 4]).encode(height)
    words = alt.Chart(rows).mark_text(color="#555555", align="left", baseline="bottom", dy=-3, fontSize=11)
    return alt.layer(line, words.encode(height, text="text:N", x=alt.value(4)))


def equal(text: str, most: float) -> Panel:
    """A dashed line where both figures of a panel are equal, with words at its end."""
    ends, last = data([{"x": at, "y": at} for at in (0, most)]), data([{"x": most, "y": most, "text": text}])
    line = alt.Chart(ends).mark_line(color=GREY, strokeDash=[5, 4], strokeWidth=1).encode(alt.X("x:Q"), alt.Y("y:Q"))
    words = alt.Chart(last).mark_text(color="#555555", align="right", baseline="middle", dx=-12, fontSize=11)
    return alt.layer(line, words.encode(alt.X("x:Q"), alt.Y("y:Q"), text="text:N"))


def upright(text: str, x: Interval) -> Panel:
    """A band up a panel for an interval, with its middle and a word beside it."""
    value, low, high = _finite(x)
    rows = data([{"x": value, "low": low, "high": high, "text": text}])
    band = alt.Chart(rows).mark_rect(color=GREY, opacity=0.18).encode(alt.X("low:Q"), alt.X2("high:Q"))
    line = alt.Chart(rows).mark_rule(color=GREY, strokeDash=[5, 4]).encode(alt.X("x:Q"))
    words = alt.Chart(rows).mark_text(color="#555555", align="right", baseline="top", dx=-5, fontSize=11)
    return alt.layer(band, line, words.encode(alt.X("x:Q"), text="text:N", y=alt.value(2)))


def _row(one: Point) -> dict[str, Any]:
    value, low, high = _finite(one.y)
    return {"series": one.series, "x": one.x, "value": value, "low": max(0.0, low), "high": high}  # no figure is below zero


def _finite(interval: Interval) -> Interval:
    """Without bounds where one repeat gives none."""
    return interval if math.isfinite(interval.low) else Interval(*(interval.value,) * 3)
