"""The verdict of a soak, and its conclusions in sentences."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.report import intervals

MOST_GROWTH: Final = 0.02
MOST_TAIL: Final = 1.25
MOST_ERRORS: Final = 0.001
WARM_UP: Final = 0.1


def verdict(windows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figures and whether they are good. Expects at least three windows after the warm-up."""
    settled = after_warm_up(windows)
    hours, memory = [window["hours"] for window in settled], [window["total_mb"] for window in settled]
    slope, whole = intervals.slope(hours, memory), windows[-1]["hours"]
    growth = [end * whole / statistics.fmean(memory) for end in slope]
    thirds = first_and_last_third(settled)
    tail, late = ({of: median(name, part) for of, part in thirds.items()} for name in ("p99_ms", "late_p99_ms"))
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


def after_warm_up(windows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return windows[round(WARM_UP * len(windows)) :]


def first_and_last_third(settled: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Mapping[str, Any]]]:
    third = max(1, len(settled) // 3)
    return {"first_third": settled[:third], "last_third": settled[-third:]}


def median(name: str, windows: Sequence[Mapping[str, Any]]) -> float:
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
