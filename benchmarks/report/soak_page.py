"""A soak as a picture and as an HTML page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

from benchmarks.report import html_page, intervals, panels
from benchmarks.report.html_page import facts, heading, page, sentences
from benchmarks.report.pictures import COLOURS, GREY, Panel, data
from benchmarks.report.soak_statement import MOST_GROWTH, after_warm_up, first_and_last_third, median, said

WIDTH, HEIGHT = 760, 180
MINUTES: Final = "minutes since the load began"
LATENCIES: Final = {"p50_ms": "p50", "p99_ms": "p99", "late_p99_ms": "delay of the client, p99"}


def html(result: dict[str, Any]) -> str:
    drawn = html_page.picture(picture(result))
    return page("Soak of unroll", [sentences(said(result)), drawn, heading("Where"), facts(result["machine"])])


def picture(result: Mapping[str, Any]) -> alt.TopLevelMixin:
    """Memory with its fitted line, latency and goodput over the time."""
    windows = result["windows"]
    about = f"{result['offered_rps']:,.0f} requests/s of {result['rows']} rows; workers: {result['workers']}."
    title = alt.Title("A constant load: memory, latency, goodput", subtitle=about, fontSize=16, offset=18, frame="bounds")
    drawn = [memory(windows), latency(windows), goodput(windows)]
    joined: alt.TopLevelMixin = alt.vconcat(*drawn, spacing=28, title=title).resolve_scale(color="independent")
    return joined


def memory(windows: Sequence[Mapping[str, Any]]) -> Panel:
    """Each window's memory. The fitted line leaves out the warm-up. A dashed line shows the growth that is allowed."""
    settled = after_warm_up(windows)
    minutes, sizes = [_minutes(window) for window in settled], [window["total_mb"] for window in settled]
    line = intervals.line(minutes, sizes)
    allowed = MOST_GROWTH * intervals.mean(sizes).value / _minutes(windows[-1])
    begin = line.heights[0].value
    dots = [{"x": _minutes(window), "mb": window["total_mb"], "warm": window not in settled} for window in windows]
    fitted = [
        {"x": at, "fit": one.value, "low": one.low, "high": one.high, "allowed": begin + allowed * (at - minutes[0])}
        for at, one in zip(minutes, line.heights, strict=True)
    ]
    x = alt.X("x:Q", title=MINUTES, axis=panels.X_AXIS)
    named: dict[str, Any] = {
        "title": "MB, all processes",
        "scale": alt.Scale(zero=False),
        "axis": alt.Axis(format=",~r", tickCount=5),
    }
    about = "Memory, with a line fitted to the time after the warm-up (grey), and the line's 95 % interval"
    base = alt.Chart(data(fitted), width=WIDTH, height=HEIGHT, title=about)
    seen = alt.Chart(data(dots)).mark_circle(size=22, opacity=1)
    colour = alt.condition("datum.warm", alt.value("#b8b8b8"), alt.value(COLOURS[0]))
    end = {**fitted[-1], "text": f"{MOST_GROWTH:.0%} allowed"}
    words = alt.Chart(data([end])).mark_text(align="left", dx=6, fontSize=11, color="#555555")
    return alt.layer(
        base.mark_area(color=COLOURS[1], opacity=0.25).encode(x, alt.Y("low:Q", **named), alt.Y2("high:Q")),
        seen.encode(x, alt.Y("mb:Q", **named), color=colour, tooltip=[alt.Tooltip("mb:Q", title="MB", format=",.1f")]),
        base.mark_line(color=COLOURS[1]).encode(x, alt.Y("fit:Q", **named)),
        base.mark_line(color=GREY, strokeDash=[5, 4], strokeWidth=1).encode(x, alt.Y("allowed:Q", **named)),
        words.encode(x, alt.Y("allowed:Q", **named), text="text:N"),
    )


def latency(windows: Sequence[Mapping[str, Any]]) -> Panel:
    """Each window's latency; two bars show the median p99 of the first and of the last third."""
    points = [
        panels.point(series, _minutes(window), window[name])
        for name, series in LATENCIES.items()
        for window in windows
        if window[name]
    ]
    about = "Latency, from when a request was due; wide bars: median p99 of the first and the last third"
    lines = panels.curves(about, MINUTES, "ms", points, WIDTH, HEIGHT, legend="right")
    thirds = [
        {"from": _minutes(part[0]), "to": _minutes(part[-1]), "median": median("p99_ms", part)}
        for part in first_and_last_third(after_warm_up(windows)).values()
    ]
    bars = alt.Chart(data(thirds)).mark_rule(color=COLOURS[1], strokeWidth=4, opacity=0.5)
    return alt.layer(lines, bars.encode(alt.X("from:Q"), alt.X2("to:Q"), alt.Y("median:Q")))


def goodput(windows: Sequence[Mapping[str, Any]]) -> Panel:
    points = [panels.point("goodput", _minutes(window), window["goodput_rps"]) for window in windows]
    lines = panels.curves("Goodput: right answers in time", MINUTES, "requests/s", points, WIDTH, HEIGHT)
    return alt.layer(lines, panels.bound("offered", windows[-1]["offered_rps"]))


def _minutes(window: Mapping[str, Any]) -> float:
    return float(window["hours"]) * 60
