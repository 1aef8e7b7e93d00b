"""The servers side by side as a picture."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

from benchmarks.load.side_by_side import CONNECTIONS, Measured
from benchmarks.load.wrk import Load
from benchmarks.report import intervals, panels
from benchmarks.report.pictures import SHADES, data
from benchmarks.report.results import Results
from benchmarks.servers.targets import OURS

WIDTH, STEP = 420, 13
FAR: Final = 3


def picture(results: Results) -> alt.TopLevelMixin | None:
    """Requests/s and latency of each server and number of connections; None when servers were not measured."""
    models = {"One row of five items": results.servers, "The realistic model, one row": results.realistic}
    figures = {title: _figures(servers) for title, servers in models.items() if servers}
    if not figures:
        return None
    every = [one for found in figures.values() for one in found]
    rate = _named("requests/s", [one["rps"] for one in every], [one[name] for one in every for name in ("low", "high")])
    took = _named("latency, ms: p50 (dot) to p99 (tick)", [one[name] for one in every for name in ("p50", "p99")])
    ours = results.servers[OURS].label if OURS in results.servers else ""
    rows = [_model(title, found, ours, rate, took) for title, found in figures.items()]
    bars = "dots are medians, bars 95 % intervals" if results.rounds > 1 else "one round has no interval"
    about = f"One worker each; {results.rounds} rounds of {results.seconds:g} s. Requests/s: {bars}."
    title = alt.Title("unroll beside other servers", subtitle=about, fontSize=16, offset=14, frame="bounds")
    return alt.vconcat(*rows, spacing=24, title=title)


def _model(
    title: str, figures: list[dict[str, Any]], ours: str, rate: dict[str, Any], took: dict[str, Any]
) -> alt.HConcatChart:
    """One row of the picture: requests/s left, latency right; the fastest server at 64 connections comes first."""
    fastest = sorted(figures, key=lambda one: (one["connections"], one["rps"]), reverse=True)
    order = list(dict.fromkeys(one["server"] for one in fastest))
    weight = alt.condition(f"datum.value == {json.dumps(ours)}", alt.value("bold"), alt.value("normal"))
    axis = alt.Axis(labelLimit=220, ticks=False, domain=False, labelPadding=8, labelFontWeight=weight)
    base = alt.Chart(data(figures), width=WIDTH, height={"step": STEP}).encode(
        alt.YOffset("connections:O"),
        alt.Color(
            "connections:O",
            scale=alt.Scale(domain=list(CONNECTIONS), range=list(SHADES)),
            legend=alt.Legend(orient="bottom", title="connections", titleFontSize=12, titleFontWeight="normal"),
        ),
        tooltip=[
            alt.Tooltip("server:N"),
            alt.Tooltip("connections:O"),
            alt.Tooltip("rps:Q", title="requests/s", format=",.0f"),
            alt.Tooltip("low:Q", title="95 %: from", format=",.0f"),
            alt.Tooltip("high:Q", title="95 %: to", format=",.0f"),
            alt.Tooltip("p50:Q", title="p50 ms", format=".3f"),
            alt.Tooltip("p99:Q", title="p99 ms", format=".3f"),
        ],
    )
    left = base.encode(alt.Y("server:N", sort=order, title=None, axis=axis))
    right = base.encode(alt.Y("server:N", sort=order, title=None, axis=alt.Axis(labels=False, ticks=False, domain=False)))
    return alt.hconcat(
        alt.layer(
            left.mark_rule(strokeWidth=2, opacity=0.6, clip=True).encode(alt.X("low:Q", **rate), alt.X2("high:Q")),
            left.mark_circle(size=50, opacity=1).encode(alt.X("rps:Q", **rate)),
        ).properties(title=title),
        alt.layer(
            right.mark_rule(strokeWidth=2, opacity=0.6).encode(alt.X("p50:Q", **took), alt.X2("p99:Q")),
            right.mark_circle(size=50, opacity=1).encode(alt.X("p50:Q", **took)),
            right.mark_tick(thickness=2, size=9, opacity=1).encode(alt.X("p99:Q", **took)),
        ),
        spacing=24,
    )


def _named(title: str, values: list[float], bounds: Sequence[float] = ()) -> dict[str, Any]:
    """An axis that is the same for both models. Bounds of intervals that are far from all values are cut off."""
    near = [bound for bound in bounds if min(values) / FAR < bound < max(values) * FAR]
    shown = [*values, *near]
    ends = [min(shown) if panels.logarithmic(shown) else 0.0, max(shown)]
    return {"title": title, "scale": panels.scale(shown, domain=ends), "axis": panels.axis(shown)}


def _figures(servers: Mapping[str, Measured]) -> list[dict[str, Any]]:
    return [_dot(server.label, number, load) for server in servers.values() for number, load in server.loads.items()]


def _dot(label: str, connections: int, load: Load) -> dict[str, Any]:
    """A logarithmic scale has no zero: a server that answered nothing stands at 1."""
    rps = max(load.rps, 1.0)
    interval = intervals.geometric_mean([max(one, 1.0) for one in load.rounds]) if len(load.rounds) > 1 else None
    low, high = (interval.low, interval.high) if interval else (rps, rps)
    figures = {"rps": rps, "low": low, "high": high, "p50": load.p50_ms, "p99": load.p99_ms}
    return {"server": label, "connections": connections, **figures}
