"""A capacity result as a picture and as an HTML page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt

from benchmarks.report import html_page, intervals, panels
from benchmarks.report.capacity_statement import statement, sustained
from benchmarks.report.html_page import facts, heading, page, sentences, table
from benchmarks.report.intervals import Interval
from benchmarks.report.panels import Point
from benchmarks.report.pictures import Panel

COLUMNS = (
    "offered/s",
    "goodput/s",
    "p50 ms",
    "p99 ms",
    "p99 from sent ms",
    "late p99 ms",
    "errors",
    "429",
    "CPU-s/million",
    "verdict",
)
OFFERED = "offered, requests/s"


def html(result: Mapping[str, Any]) -> str:
    drawn = picture(result)
    parts = [sentences(statement(result)), *([html_page.picture(drawn)] if drawn else [])]
    for kind, repeats in result["arrivals"].items():
        parts.append(heading(f"{kind} arrivals"))
        for number, repeat in enumerate(repeats, 1):
            of = f"repeat {number}: {repeat['sustained_rps']:,.0f} requests/s"
            parts.append(
                f"<details><summary>{of}</summary>{_steps(repeat['steps'])}<p>the curve</p>{_steps(repeat['curve'])}</details>"
            )
    return page("Capacity of unroll", [*parts, heading("Machine"), facts(result["machine"])])


def picture(result: Mapping[str, Any]) -> alt.TopLevelMixin | None:
    """Latency, goodput, errors and processor time over the offered rate; None when no rate held."""
    curves = {kind: [repeat["curve"] for repeat in repeats if repeat["curve"]] for kind, repeats in result["arrivals"].items()}
    curves = {kind: found for kind, found in curves.items() if found}
    if not curves:
        return None
    held = [_sustained(kind, sustained(result["arrivals"][kind]), len(curves) > 1) for kind in curves]

    def of(name: str, series: str, average: Callable[[Sequence[float]], Interval], times: float = 1.0) -> list[Point]:
        return [
            point
            for kind, found in curves.items()
            for point in _curve(found, name, f"{series}, {kind} arrivals" if len(curves) > 1 else series, average, times)
        ]

    latency = [*of("p50_ms", "p50", intervals.geometric_mean), *of("p99_ms", "p99", intervals.geometric_mean)]
    goodput, errors = of("goodput_rps", "goodput", intervals.mean), of("error_share", "errors", intervals.mean, 100)
    cost = of("cpu_seconds_per_million", "cost", intervals.mean)
    equal = panels.equal("all that is offered", max(one.x for one in goodput))
    objective = panels.bound(f"objective: p99 within {result['objective']['p99_ms']:g} ms", result["objective"]["p99_ms"])
    drawn = [
        alt.layer(panels.curves("Latency, from when a request was due", OFFERED, "ms", latency), objective, *held),
        alt.layer(panels.curves("Goodput: right answers in time", OFFERED, "requests/s", goodput), equal, *held),
        alt.layer(panels.curves("Requests without a right answer", OFFERED, "% of those offered", errors), *held),
        alt.layer(panels.curves("Processor time of the service", OFFERED, "CPU-seconds per million answers", cost), *held),
    ]
    repeats = max(len(found) for found in curves.values())
    intervals_of = (
        f"means of {repeats} repeats (of latency: geometric), with their 95 % intervals"
        if repeats > 1
        else "one repeat, so no intervals"
    )
    about = f"Requests of {result['rows']} rows; workers: {result['workers']}; {intervals_of}."
    title = alt.Title("What the service answers at each offered rate", subtitle=about, fontSize=16, offset=18, frame="bounds")
    joined: alt.TopLevelMixin = alt.concat(*drawn, columns=2, spacing=36, title=title).resolve_scale(color="independent")
    return joined


def _sustained(kind: str, rates: Sequence[float], several: bool) -> Panel:
    return panels.upright(f"sustained, {kind}" if several else "sustained", intervals.mean([rate for rate in rates if rate]))


def _curve(
    curves: Sequence[Sequence[Mapping[str, Any]]],
    name: str,
    series: str,
    average: Callable[[Sequence[float]], Interval],
    times: float,
) -> list[Point]:
    """The repeats' mean at each share of their sustained rates; nothing where no request was answered."""
    found = []
    for steps in zip(*curves, strict=True):
        values = [step[name] * times for step in steps if step[name] is not None]
        if values:
            found.append(Point(series, intervals.mean([step["offered_rps"] for step in steps]).value, average(values)))
    return found


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    return table(COLUMNS, [_row(step) for step in steps])


def _row(step: Mapping[str, Any]) -> list[str]:
    def number(name: str, form: str) -> str:
        return "-" if step[name] is None else f"{step[name]:{form}}"

    verdict = "holds" if step["holds"] else "breaks by the client's delay" if step["client_to_blame"] else "breaks"
    rates = [number("offered_rps", ",.0f"), number("goodput_rps", ",.0f")]
    times = [number(name, ".2f") for name in ("p50_ms", "p99_ms", "sent_p99_ms", "late_p99_ms")]
    return [*rates, *times, f"{step['error_share']:.3%}", f"{step['shed']}", number("cpu_seconds_per_million", ",.0f"), verdict]
