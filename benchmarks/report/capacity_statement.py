"""The conclusions of a capacity result, in sentences."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.load.one_rate import Objective
from benchmarks.report import intervals
from benchmarks.report.intervals import LEVEL, SIGNIFICANT, Interval

PAST = (1.25, 1.5, 2.0)
Result = Mapping[str, Any]
SAME = ("objective", "workers", "rows", "seconds")
"""Options that two results must share to be compared."""


def statement(result: Result) -> list[str]:
    objective = Objective(result["objective"]["p99_ms"], result["objective"]["errors"])
    lines = [f"Objective: {objective}. Requests of {result['rows']} rows of five items; workers: {result['workers']}."]
    for kind, repeats in result["arrivals"].items():
        lines += [f"{kind}: {said}" for said in _of_kind(repeats)]
    return [*lines, _wrong(result), "Measured on: " + ", ".join(f"{name} {value}" for name, value in result["machine"].items())]


def _of_kind(repeats: Sequence[Result]) -> list[str]:
    if not all(repeat["sustained_rps"] for repeat in repeats):
        return ["in some repeat no rate held the objective, so no sustained rate is known."]
    held = [best(repeat) for repeat in repeats]
    rate = intervals.mean(sustained(repeats))
    blamed, unbroken = sum(map(client_bound, repeats)), sum(repeat["broke_rps"] is None for repeat in repeats)
    least = "at least " if blamed or unbroken else ""
    lines = [f"sustains {least}{_interval(rate, ',.0f')} requests/s ({_how(repeats)})."]
    speeds = speed(repeats)
    steady = intervals.mean(at_speed(repeats, statistics.fmean(speeds)))
    lines.append(
        f"at the machine's average speed all the time: {_interval(steady, ',.0f')} requests/s; "
        f"a fixed piece of work, timed just before, ran {max(speeds) / min(speeds):.2f} times as fast at its fastest "
        "as at its slowest."
    )
    knees = [knee(repeat) for repeat in repeats]
    at = statistics.median(step["offered_rps"] for step in knees)
    share = statistics.median(step["offered_rps"] / rate for step, rate in zip(knees, sustained(repeats), strict=True))
    p50, p99 = (statistics.median(step[name] for step in knees) for name in ("p50_ms", "p99_ms"))
    lines.append(
        f"the knee (highest goodput over mean latency) is at {at:,.0f} requests/s, {share:.0%} of the sustained rate: "
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms (medians of the repeats)."
    )
    past = ", ".join(f"{goodput_at(repeats, factor):.0%} at {factor:g} times" for factor in PAST)
    lines.append(f"goodput beyond it, as a share of the sustained rate: {past}.")
    cpu = intervals.mean([step["cpu_seconds_per_million"] for step in held])
    peak = max(step["peak_mb"] for step in held)
    hours = peak / 1e3 * 1e6 / rate.value / 3600
    lines.append(
        f"a million requests at the sustained rate cost {_interval(cpu, ',.0f')} CPU-seconds of the service, and {hours:.2f} "
        f"GB-hours of memory. Its peak is {peak:,.0f} MB; shared pages count once for each process."
    )
    return [*lines, _client(held, blamed, unbroken, len(repeats))]


def _client(held: Sequence[Result], blamed: int, unbroken: int, repeats: int) -> str:
    late = max(step["late_p99_ms"] for step in held)
    if blamed:
        return (
            f"THE CLIENT WAS THE BOTTLENECK in {blamed} of {repeats} repeats: latency from when requests were sent held the "
            "objective at the rate that broke. The rate is a lower bound; use larger requests (--rows)."
        )
    if unbroken:
        return f"the objective never broke in {unbroken} of {repeats} repeats; the rate is a lower bound."
    return (
        "the client was not the bottleneck: at the sustained rate it sent 99 % of the requests "
        f"within {late:.1f} ms of when they were due."
    )


def _wrong(result: Result) -> str:
    steps = [
        step for repeats in result["arrivals"].values() for repeat in repeats for step in repeat["steps"] + repeat["curve"]
    ]
    wrong, accepted = (sum(step[name] for step in steps) for name in ("wrong", "accepted"))
    return f"Wrong answers: {wrong:,} of {accepted:,}; every answer was compared."


def sustained(repeats: Sequence[Result]) -> list[float]:
    return [repeat["sustained_rps"] for repeat in repeats]


def speed(repeats: Sequence[Result]) -> list[float]:
    """The machine's speed (see `machine.speed`) at each repeat's sustained rate."""
    return [best(repeat)["machine_speed"] for repeat in repeats]


def at_speed(repeats: Sequence[Result], wanted: float) -> list[float]:
    """The rates that a machine of the `wanted` speed would have sustained."""
    return [rate * wanted / there for rate, there in zip(sustained(repeats), speed(repeats), strict=True)]


def best(repeat: Result) -> Result:
    """The step at the sustained rate."""
    return next(step for step in repeat["steps"] if step["holds"] and step["offered_rps"] == repeat["sustained_rps"])


def client_bound(repeat: Result) -> bool:
    """Whether the search ended at a rate that broke because of the client alone."""
    last = [step for step in repeat["steps"] if step["offered_rps"] == repeat["broke_rps"]]
    return bool(last) and all(step["client_to_blame"] for step in last)


def knee(repeat: Result) -> Result:
    """Kleinrock's knee: the step of the curve with the highest ratio of goodput to mean latency."""
    answered = [step for step in repeat["curve"] if step["mean_ms"]]
    return max(answered, key=lambda step: step["goodput_rps"] / step["mean_ms"])


def goodput_at(repeats: Sequence[Result], factor: float) -> float:
    """Goodput at `factor` times the sustained rate, as a share of that rate; the median of the repeats."""
    found: list[float] = []
    for repeat in repeats:
        rate = repeat["sustained_rps"]
        step = min(repeat["curve"], key=lambda step: abs(step["offered_rps"] / rate - factor))
        found.append(float(step["goodput_rps"]) / rate)
    return float(statistics.median(found))


def comparison(first: Result, second: Result) -> list[str]:
    """Whether the second result differs from the first. Raises ValueError when their options differ."""
    for name in SAME:
        if first[name] != second[name]:
            raise ValueError(f"{name} is {first[name]} in the first and {second[name]} in the second")
    kinds = [kind for kind in first["arrivals"] if kind in second["arrivals"]]
    if not kinds:
        raise ValueError(
            f"arrivals are {', '.join(first['arrivals'])} in the first, {', '.join(second['arrivals'])} in the second"
        )
    lines = []
    for kind in kinds:
        one, other = first["arrivals"][kind], second["arrivals"][kind]
        lines.append(f"{kind}: {_compared(sustained(one), sustained(other))}")
        if all(sustained([*one, *other])):
            was = statistics.fmean(speed(one))
            faster = statistics.fmean(speed(other)) / was - 1
            alike = _compared(at_speed(one, was), at_speed(other, was))
            lines.append(f"{kind}, without the machine's own change of speed ({faster:+.1%}): {alike}")
    apart = [
        f"{name} ({first['machine'].get(name)}, then {value})"
        for name, value in second["machine"].items()
        if name != "date" and first["machine"].get(name) != value
    ]
    return [*lines, f"Different machine or versions: {', '.join(apart)}." if apart else "Same machine, versions and commit."]


def _compared(first: Sequence[float], second: Sequence[float]) -> str:
    base, now = statistics.fmean(first), statistics.fmean(second)
    figures = f"{base:,.0f} then {now:,.0f} requests/s"
    least = intervals.least_p(len(first), len(second))
    if least > SIGNIFICANT:
        return (
            f"too few repeats: run at least {intervals.least_repeats()} of each ({figures}; p of {len(first)} against "
            f"{len(second)} repeats cannot be below {least:.2f}, and {SIGNIFICANT:.2f} is needed)."
        )
    found = intervals.difference(first, second)
    change = Interval(*(value / base for value in found.change))
    figures += (
        f", a change of {change.value:+.1%} ({LEVEL:.0%} interval {change.low:+.1%} to {change.high:+.1%}, Welch; "
        f"p = {found.p:.3f}, permutation test)"
    )
    return f"the difference {'is real' if found.p <= SIGNIFICANT else 'may be chance'}: {figures}."


def _interval(interval: Interval, form: str) -> str:
    if math.isinf(interval.low):
        return f"{interval.value:{form}} (one repeat: no interval)"
    return f"{interval.value:{form}} ({LEVEL:.0%} interval {interval.low:{form}} to {interval.high:{form}})"


def _how(repeats: Sequence[Result]) -> str:
    return f"Student's t over {len(repeats)} repeats, each a fresh service" if len(repeats) > 1 else "a fresh service"
