"""The figures of one run of the serving benchmark, and its verdicts against the bars."""

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.engines import cases as engine_cases
from benchmarks.engines.cases import RUNTIMES, best_other, of_case
from benchmarks.load.side_by_side import Measured
from benchmarks.load.wrk import Load
from benchmarks.servers.payloads import of_rows
from benchmarks.servers.targets import BARE, ECHO, FASTAPI, IDLE, OURS

SUSTAINED = (16, 64)
TAIL = 2.5
"""Highest ratio of p99 to p50."""
ENGINE_BAR = 1.15
"""Highest ratio of our engine's time to that of the fastest other runtime."""
GOODPUT = {2.0: 0.9, 5.0: 0.8}
"""Least goodput as a share of capacity, by offered load in times capacity."""


@dataclass(frozen=True)
class Start:
    seconds: float  # until /readyz answers 200
    memory_mb: list[float]  # of each process at that time


@dataclass
class Results:
    machine: dict[str, str]
    seconds: float  # length of one run of wrk
    rounds: int
    servers: dict[str, Measured] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # label or part -> reason
    sustained: dict[str, dict[int, Load]] = field(default_factory=dict)  # after a minute of load, by server and connections
    large: dict[int, Load] = field(default_factory=dict)  # requests of 1,000 rows to ours, by connections
    realistic: dict[str, Measured] = field(default_factory=dict)  # servers with the realistic model
    starts: dict[str, list[Start]] = field(default_factory=dict)  # by server
    engine: dict[str, Any] | None = None  # the JSON line of benchmarks.engine
    overload: list[dict[str, Any]] = field(default_factory=list)  # the JSON lines of benchmarks.overload

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "must_show": [asdict(verdict) for verdict in verdicts(self)]}


@dataclass(frozen=True)
class Verdict:
    what: str
    bar: str
    found: str
    shown: bool


def verdicts(results: Results) -> list[Verdict]:
    """A verdict for each bar that was measured. Bars are mostly ratios, since absolute figures depend on the machine."""
    return [
        *_against_others(results),
        *_tail(results),
        *_realistic(results),
        *_engine(results),
        *_large(results),
        *_overload(results),
        *_start(results),
    ]


def _ratio(what: str, ratio: float, bar: float, most: bool = False) -> Verdict:
    good = ratio <= bar if most else ratio >= bar
    return Verdict(what, f"{'at most' if most else 'at least'} {bar:g}", f"{ratio:.2f}", good)


def _against_others(results: Results) -> list[Verdict]:
    """Verdicts on the short model."""
    if OURS not in results.servers:
        return []
    ours, found = results.servers[OURS].loads, list[Verdict]()
    found += [
        _ratio(f"{number} connection{'s' * (number > 1)}, requests/s against {results.servers[name].label}", ratio, bar)
        for number, name, bar in (
            (64, BARE, 1.1),
            (64, FASTAPI, 3.3),
            (64, ECHO, 0.62),
            (64, "bentoml", 20),
            (16, BARE, 0.95),
            (1, BARE, 0.5),
        )
        if (ratio := _times(results.servers, number, name)) is not None
    ]
    if BARE in results.servers:
        longer = (ours[1].p50_ms - results.servers[BARE].loads[1].p50_ms) * 1e3
        what = f"1 connection, p50 against {results.servers[BARE].label}"
        found.append(Verdict(what, "at most 70 us longer", f"{longer:+.0f} us", longer <= 70))
    for number, load in ours.items():
        what = f"{number} connection{'s' * (number > 1)}, p99 against p50"
        found.append(_ratio(what, load.p99_ms / load.p50_ms, TAIL, most=True))
    return [*found, _right("answers wrong or failed", ours)]


def _realistic(results: Results) -> list[Verdict]:
    """Verdicts on the realistic model."""
    if OURS not in results.realistic:
        return []
    found = [
        _ratio(f"realistic model, {number} connection{'s' * (number > 1)}, against {results.realistic[BARE].label}", ratio, bar)
        for number, bar in ((64, 1.4), (1, 0.75))
        if (ratio := _times(results.realistic, number, BARE)) is not None
    ]
    return [*found, _right("realistic model, answers wrong or failed", results.realistic[OURS].loads)]


def _times(servers: dict[str, Measured], connections: int, name: str) -> float | None:
    """Our requests/s divided by another server's; None when the other was not measured."""
    return servers[OURS].loads[connections].rps / servers[name].loads[connections].rps if name in servers else None


def _right(what: str, loads: dict[int, Load]) -> Verdict:
    bad = sum(load.failed + load.wrong for load in loads.values())
    checked = sum(load.checked for load in loads.values())
    return Verdict(what, "none", f"{bad}; {checked} compared", bad == 0 and checked > 0)


def _tail(results: Results) -> list[Verdict]:
    loads = results.sustained.get(OURS, {})
    what = "p99 against p50 after load, {} connections"
    return [_ratio(what.format(number), load.p99_ms / load.p50_ms, TAIL, most=True) for number, load in loads.items()]


def _engine(results: Results) -> list[Verdict]:
    found = []
    for case in results.engine["cases"] if results.engine else []:
        ours, best = case["ms"][engine_cases.OURS], best_other(case)
        what = f"engine, {of_case(case)}: ours against the best of the others ({RUNTIMES[best]})"
        found.append(_ratio(what, ours / case["ms"][best], ENGINE_BAR, most=True))
    return found


def _large(results: Results) -> list[Verdict]:
    if not results.large:
        return []
    fastest = max(load.rps for load in results.large.values())
    found = [Verdict("1,000 rows a request, rows/s", "at least 500,000", f"{fastest * 1000:,.0f}", fastest >= 500)]
    if results.engine:
        inside = sum(results.engine["rows"].values())
        found.append(_ratio("of a request of 1,000 rows, share in JSON and the model", inside * fastest / 1e3, 0.5))
    return found


def _overload(results: Results) -> list[Verdict]:
    return [verdict for measured in results.overload for verdict in _overloaded(measured)]


def _overloaded(measured: dict[str, Any]) -> list[Verdict]:
    (base, *phases), request = measured["phases"], of_rows(measured["rows"], measured["items"])
    found = []
    for phase in phases:
        at = f"offered {phase['factor']:g} times capacity, {request}: "
        odd = sum(phase[name] for name in ("other", "unsent", "unanswered", "wrong", "without_retry_after"))
        grown = phase["rss_mb"][1] - phase["rss_mb"][0]
        found += [
            _ratio(at + "goodput against capacity", phase["goodput_rps"] / phase["capacity_rps"], GOODPUT[phase["factor"]]),
            Verdict(at + "answers other than 200 and 429 with Retry-After", "none", f"{odd}", odd == 0),
            _ratio(
                at + "p99 of the accepted against that at 0.8", (phase["p99_ms"] or 0) / (base["p99_ms"] or 1), 3, most=True
            ),
            Verdict(at + "memory", "flat", f"{grown:+.0f} MB", grown < 20),
        ]
        if phase["shed_p99_ms"] is not None:
            shed = phase["shed_p99_ms"]
            found.append(Verdict(at + "p99 of a 429", "under 20 ms", f"{shed:.1f} ms", shed < 20))
    return found


def _start(results: Results) -> list[Verdict]:
    ours, idle = results.starts.get(OURS, []), results.starts.get(IDLE.name, [])
    found = []
    if ours and idle:
        later = statistics.median(start.seconds for start in ours) - statistics.median(start.seconds for start in idle)
        what = f"ready, against {IDLE.label}; medians of {len(ours)} starts"
        found.append(Verdict(what, "at most 0.8 s later", f"{later:+.2f} s", later <= 0.8))
    if ours:
        worker = max(max(start.memory_mb) for start in ours)
        found.append(Verdict("memory of the worker when it is ready", "at most 140 MB", f"{worker:.0f} MB", worker <= 140))
    return found
