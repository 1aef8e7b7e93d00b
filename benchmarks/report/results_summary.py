"""What one run of the serving benchmark found, in at most five lines."""

from benchmarks.engines.cases import OURS as OUR_RUNTIME
from benchmarks.engines.cases import best_other
from benchmarks.load.side_by_side import CONNECTIONS, Measured
from benchmarks.load.wrk import Load
from benchmarks.report import intervals
from benchmarks.report.results import ENGINE_BAR, Results, verdicts
from benchmarks.servers.targets import BARE, ECHO, FASTAPI, OURS

MOST = CONNECTIONS[-1]


def lines(results: Results) -> list[str]:
    found = [
        *_against_others("One row of five items", results.servers, (BARE, FASTAPI, ECHO)),
        *_latency(results.servers),
        *_against_others("The realistic model", results.realistic, (BARE, FASTAPI)),
        *_inside(results),
    ]
    judged = verdicts(results)
    if judged:
        shown = sum(verdict.shown for verdict in judged)
        found.append(f'{shown} of {len(judged)} bars are reached; see the table "What it must show".')
    return found


def _against_others(what: str, servers: dict[str, Measured], others: tuple[str, ...]) -> list[str]:
    if OURS not in servers:
        return []
    ours = servers[OURS].loads[MOST]
    times = [
        f"{ours.rps / servers[name].loads[MOST].rps:.2f} times {servers[name].label}" for name in others if name in servers
    ]
    beside = f", {'; '.join(times)}" if times else ""
    return [f"{what}, {MOST} connections: {ours.rps:,.0f} requests/s{_interval(ours)}{beside}."]


def _interval(load: Load) -> str:
    if len(load.rounds) < 2 or min(load.rounds) <= 0:
        return ""
    found = intervals.geometric_mean(load.rounds)
    return f" ({intervals.LEVEL:.0%} interval {found.low:,.0f} to {found.high:,.0f})"


def _latency(servers: dict[str, Measured]) -> list[str]:
    if OURS not in servers:
        return []
    parts = [
        f"p50 {load.p50_ms:.2f} ms and p99 {load.p99_ms:.2f} ms at {number} connection{'s' * (number > 1)}"
        for number, load in servers[OURS].loads.items()
    ]
    return [f"Latency of one row: {', '.join(parts)}."]


def _inside(results: Results) -> list[str]:
    parts = []
    if results.large:
        parts.append(f"{max(load.rps for load in results.large.values()) * 1000:,.0f} rows/s in requests of 1,000 rows")
    if results.engine:
        cases = results.engine["cases"]
        near = sum(case["ms"][OUR_RUNTIME] <= ENGINE_BAR * case["ms"][best_other(case)] for case in cases)
        parts.append(
            f"the engine alone takes at most {ENGINE_BAR:g} times as long as the fastest other runtime in "
            f"{near} of {len(cases)} cases"
        )
    return [f"{'; '.join(parts)}."] if parts else []
