"""Constant load for hours: does the service's memory grow, or its tail latency?

    python -m benchmarks.soak --hours 1 [--rate 200] [--workers 1] [--rows 100]

The client is open loop. It sends at --rate, or at half of the closed-loop rate just before. It records memory and latency some
120 times. The first tenth is warm-up. A line fitted to the rest gives the growth over the whole time; the upper end of its
interval must stay under 2 %. The median p99 of the last third may be 1.25 times that of the first. The client's own delay
stands beside it, since both share the machine. Every answer is compared.
Ends with one JSON line; writes reports/soak-<time>.html and .json. The exit code is 1 when the verdict is bad.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvloop

from benchmarks.load.arrivals import constant
from benchmarks.load.interruptible import interruptible
from benchmarks.load.one_rate import CONNECTIONS, Served, serving
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.summary import summary
from benchmarks.report import intervals
from benchmarks.report.html_page import facts, heading, page, sentences
from benchmarks.report.line_plot import Series, plot
from benchmarks.servers import machine
from loadtests.processes import ROOT

MOST_GROWTH: Final = 0.02
MOST_TAIL: Final = 1.25
MOST_ERRORS: Final = 0.001
WARM_UP: Final = 0.1
WINDOWS: Final = 120
LEAST_WINDOW, MOST_WINDOW = 2.0, 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1, help="length, also a fraction (default: %(default)s)")
    parser.add_argument("--rate", type=float, help="requests a second (default: half of the closed-loop rate)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=100, help="rows of five items in each request (default: %(default)s)")
    parser.add_argument("--reports", type=Path, default=ROOT / "reports", help="folder to write to (default: reports)")
    options = parser.parse_args(arguments)
    if options.hours * 3600 < 10 * LEAST_WINDOW:
        parser.error(f"expected at least {10 * LEAST_WINDOW / 3600:.3f} hours; received {options.hours:g}")
    return interruptible("benchmarks.soak", lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    begun = datetime.now(UTC)
    with serving(options.workers, options.rows) as served:
        rate = options.rate or served.closed_rps / 2
        window = min(MOST_WINDOW, max(LEAST_WINDOW, options.hours * 3600 / WINDOWS))
        windows = uvloop.run(_soak(served, rate, window, round(options.hours * 3600 / window)))
    result = {
        **{name: getattr(options, name) for name in ("hours", "workers", "rows")},
        "offered_rps": rate,
        "window_seconds": window,
        **verdict(windows),
        "machine": machine.facts(),
        "windows": windows,
    }
    path = options.reports / f"soak-{begun:%Y%m%d-%H%M%S}"
    options.reports.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(result) + "\n")
    path.with_suffix(".html").write_text(html(result))
    print("\n".join(said(result)), f"written: {path}.html and .json", sep="\n", file=sys.stderr)
    print(json.dumps({name: value for name, value in result.items() if name != "windows"}))
    return 0 if result["good"] else 1


async def _soak(served: Served, rate: float, seconds: float, number: int) -> list[dict[str, Any]]:
    windows = []
    begun = time.monotonic()
    load = OpenLoop(served.server.port, served.server.target.path, served.body, served.expected, CONNECTIONS)
    gc.disable()  # pauses of the client would count as latency
    try:
        for _ in range(number):
            at = await load.offer(constant(rate, seconds))
            outcomes, unsent = load.take()
            hours = (time.monotonic() - begun) / 3600
            memory = machine.memory(served.server.pid)
            figures = summary(outcomes, unsent, at, rate, seconds)
            windows.append({"hours": hours, "memory_mb": memory, "total_mb": sum(memory), **figures})
            print(line(windows[-1]), file=sys.stderr, flush=True)
            del outcomes
            gc.collect()
    finally:
        gc.enable()
        load.close()
    return windows


def verdict(windows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures and whether they are good. Expects at least three windows after the warm-up."""
    settled = windows[round(WARM_UP * len(windows)) :]
    hours, memory = [window["hours"] for window in settled], [window["total_mb"] for window in settled]
    slope, whole = intervals.slope(hours, memory), windows[-1]["hours"]
    growth = [end * whole / statistics.fmean(memory) for end in slope]
    third = max(1, len(settled) // 3)
    thirds = {"first_third": settled[:third], "last_third": settled[-third:]}
    tail, late = ({of: _median(name, part) for of, part in thirds.items()} for name in ("p99_ms", "late_p99_ms"))
    arrivals = sum(round(window["offered_rps"] * window["seconds"]) for window in windows)
    right = sum(window["accepted"] - window["wrong"] for window in windows)
    found = {
        "requests": arrivals,
        "wrong": sum(window["wrong"] for window in windows),
        "error_share": 1 - right / arrivals,
        "mb_per_hour": list(slope),
        "growth": growth,
        "p99_ms": tail,
        "late_p99_ms": late,
    }
    good = growth[2] < MOST_GROWTH and tail["last_third"] <= MOST_TAIL * tail["first_third"]
    return {**found, "good": good and found["wrong"] == 0 and found["error_share"] <= MOST_ERRORS}


def _median(name: str, windows: Sequence[dict[str, Any]]) -> float:
    return statistics.median(window[name] or float("inf") for window in windows)


def said(result: dict[str, Any]) -> list[str]:
    growth, tail, late = result["growth"], result["p99_ms"], result["late_p99_ms"]
    return [
        f"{'Good' if result['good'] else 'BAD'}: {result['hours']:g} hours at {result['offered_rps']:,.0f} requests/s of "
        f"{result['rows']} rows, workers: {result['workers']}.",
        f"Memory: {growth[0]:+.2%} over that time (95 % interval {growth[1]:+.2%} to {growth[2]:+.2%}; "
        f"{MOST_GROWTH:.0%} allowed), {result['mb_per_hour'][0]:+.1f} MB an hour.",
        f"Tail: p99 {tail['first_third']:.1f} ms in the first third, {tail['last_third']:.1f} ms in the last "
        f"({MOST_TAIL:g} times as much allowed). The client fell behind by {late['first_third']:.1f} and "
        f"{late['last_third']:.1f} ms (p99). If both grow, the machine is the cause.",
        f"{result['requests']:,} requests, {result['wrong']} wrong answers, {result['error_share']:.4%} without a right answer "
        f"({MOST_ERRORS:.1%} allowed).",
    ]


def html(result: dict[str, Any]) -> str:
    minutes = [window["hours"] * 60 for window in result["windows"]]

    def over(*names: str) -> list[Series]:
        rows = result["windows"]
        return [Series(name, [(at, row[name] or 0.0) for at, row in zip(minutes, rows, strict=True)]) for name in names]

    workers = [Series("all processes", [(at, row["total_mb"]) for at, row in zip(minutes, result["windows"], strict=True)])]
    plots = [
        plot("Memory", "minutes", "MB", workers),
        plot("Latency from when due", "minutes", "ms", over("p50_ms", "p99_ms", "late_p99_ms")),
        plot("Goodput", "minutes", "requests/s", over("goodput_rps")),
    ]
    return page("Soak of unroll", [sentences(said(result)), *plots, heading("Where"), facts(result["machine"])])


def line(window: dict[str, Any]) -> str:
    return (
        f"{window['hours'] * 60:7.1f} min  {window['total_mb']:7.1f} MB  p99 {window['p99_ms'] or 0:7.1f} ms  "
        f"late {window['late_p99_ms'] or 0:.1f} ms  "
        f"goodput {window['goodput_rps']:.0f}/s  wrong {window['wrong']}  failed {window['other'] + window['unanswered']}"
    )


if __name__ == "__main__":
    sys.exit(main())
