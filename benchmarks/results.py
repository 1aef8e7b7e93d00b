"""What one run of the serving benchmark found, and whether that is what it must show."""

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.payloads import of_rows
from benchmarks.targets import ECHO, OURS
from benchmarks.wrk import Load

CONNECTIONS = (1, 16, 64)
SUSTAINED = (16, 64)


@dataclass(frozen=True)
class Measured:
    """One server."""

    label: str
    how: str
    ready_seconds: float
    memory_mb: list[float]  # of its processes
    loads: dict[int, Load]  # by connections


@dataclass
class Results:
    machine: dict[str, str]
    seconds: float  # of one run of wrk
    rounds: int
    servers: dict[str, Measured] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)  # label or part -> why
    sustained: dict[str, dict[int, Load]] = field(default_factory=dict)  # after load, by server and connections
    large: dict[int, Load] = field(default_factory=dict)  # requests of 1,000 rows to ours, by connections
    starts: list[float] = field(default_factory=list)  # seconds of ours until /readyz
    engine: dict[str, Any] | None = None  # the JSON line of benchmarks.engine
    overload: list[dict[str, Any]] = field(default_factory=list)  # those of benchmarks.overload

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "must_show": [asdict(verdict) for verdict in verdicts(self)]}


@dataclass(frozen=True)
class Verdict:
    what: str
    bar: str
    found: str
    shown: bool


def verdicts(results: Results) -> list[Verdict]:
    """What a run must show, as far as it was measured. Ratios, since absolute figures are one machine's."""
    return [
        *_against_others(results),
        *_tail(results),
        *_engine(results),
        *_large(results),
        *_overload(results),
        *_start(results),
    ]


def _ratio(what: str, ratio: float, bar: float, most: bool = False) -> Verdict:
    good = ratio <= bar if most else ratio >= bar
    return Verdict(what, f"{'at most' if most else 'at least'} {bar:g}", f"{ratio:.2f}", good)


def _against_others(results: Results) -> list[Verdict]:
    servers, found = results.servers, list[Verdict]()
    if OURS not in servers:
        return []
    ours, echo = servers[OURS].loads, servers[ECHO].loads if ECHO in servers else None
    if "bentoml" in servers:
        ratio = ours[64].rps / servers["bentoml"].loads[64].rps
        found.append(_ratio("64 connections, requests/s against BentoML's typed endpoint", ratio, 20))
    peers = {name: server for name, server in servers.items() if name not in (OURS, ECHO)}
    if peers:
        best = max(peers.values(), key=lambda server: server.loads[64].rps)
        found.append(
            _ratio(f"64 connections, against the best of the peers ({best.label})", ours[64].rps / best.loads[64].rps, 10)
        )
    if echo:
        found.append(_ratio("64 connections, against the bare echo", ours[64].rps / echo[64].rps, 0.45))
        found.append(_ratio("16 connections, against the bare echo", ours[16].rps / echo[16].rps, 0.3))
    if echo and results.engine:
        call = next(shape["ours_ms"] for shape in results.engine["shapes"] if (shape["length"], shape["batch"]) == (5, 1))
        limit = 3 * echo[1].p50_ms + call
        found.append(
            _ratio("1 connection, p50 against 3 x the echo's + the compiled call", ours[1].p50_ms / limit, 1, most=True)
        )
    found.append(_ratio("1 connection, p99 against p50", ours[1].p99_ms / ours[1].p50_ms, 3, most=True))
    bad = sum(load.failed + load.wrong for load in ours.values())
    checked = sum(load.checked for load in ours.values())
    found.append(Verdict("answers wrong or failed", "none", f"{bad}; {checked} compared", bad == 0 and checked > 0))
    return found


def _tail(results: Results) -> list[Verdict]:
    loads = results.sustained.get(OURS, {})
    what = "p99 against p50 after load, {} connections"
    return [_ratio(what.format(number), load.p99_ms / load.p50_ms, 4, most=True) for number, load in loads.items()]


def _engine(results: Results) -> list[Verdict]:
    if not results.engine:
        return []
    times = {(s["length"], s["batch"]): s["signature_ms"] / s["ours_ms"] for s in results.engine["shapes"]}
    bars = {(1000, 1): 30, (50, 64): 3}
    return [_ratio(f"length {at[0]}, batch {at[1]}: engine against the signature", times[at], bar) for at, bar in bars.items()]


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
            _ratio(at + "goodput against capacity", phase["goodput_rps"] / phase["capacity_rps"], 0.9),
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
    found = []
    if results.starts:
        slowest = max(results.starts)
        found.append(Verdict("ready", "within 6 s", f"{slowest:.1f} s at worst of {len(results.starts)}", slowest <= 6))
    if OURS in results.servers:
        worker = results.servers[OURS].memory_mb[0]
        found.append(Verdict("memory of the worker", "under 600 MB", f"{worker:.0f} MB", worker < 600))
    return found
