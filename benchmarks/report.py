"""Results as a page: RESULTS.md."""

from collections.abc import Sequence
from typing import Any

from benchmarks.payloads import of_rows
from benchmarks.results import Results, verdicts
from benchmarks.targets import ECHO
from benchmarks.wrk import Load


def markdown(results: Results, plot: str) -> str:
    parts = [_head(results), _must_show(results), _servers(results, plot), _sustained(results), _engine(results)]
    parts += [_large(results), _start(results), _overload(results), _left_out(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(results: Results) -> str:
    facts = table(["", ""], list(results.machine.items())).replace("---:", "---")
    return (
        "# Serving, side by side\n\nWritten by `python -m benchmarks.serving`; do not edit. One run, one machine, one worker "
        "each, everything on the loopback interface.\nAbsolute figures are this machine's, and those of who shared it; "
        f"ratios are what to compare.\n\n{facts}"
    )


def _must_show(results: Results) -> str:
    rows = [[v.what, v.bar, v.found, "yes" if v.shown else "**no**"] for v in verdicts(results)]
    return f"## What it must show\n\n{table(['what', 'bar', 'found', 'shown'], rows)}" if rows else ""


def _servers(results: Results, plot: str) -> str:
    echo = results.servers.get(ECHO)
    rows = []
    for server in results.servers.values():
        for number, load in server.loads.items():
            share = f"{load.rps / echo.loads[number].rps:.3f}" if echo else "-"
            rows.append([server.label, f"{number}", *_figures(load), share, f"{load.failed}", _wrong(load)])
    columns = ["server", "connections", "requests/s", "p50 ms", "p99 ms", "of the echo", "failed", "wrong"]
    how = "\n".join(f"- {server.label}: {server.how}" for server in results.servers.values())
    return (
        f"## One row of five items\n\n![requests a second]({plot})\n\n{table(columns, rows)}\n\n"
        f"Medians of {results.rounds} rounds of {results.seconds:g} s with `wrk -t 1`, the order of the servers rotated; all "
        "are there all the time, those that are not under load are stopped.\nOnly good answers count. Every answer of a pass "
        "of its own, before these, was compared with the right one (`wrong`), and warms up;\nin the measured rounds wrk counts "
        "those that are not 2xx. "
        f"No server writes an access log, where it can be turned off.\n\n{how}"
    )


def _wrong(load: Load) -> str:
    return f"{load.wrong} of {load.checked:,}"


def _figures(load: Load) -> list[str]:
    return [f"{load.rps:,.0f}", f"{load.p50_ms:.3f}", f"{load.p99_ms:.3f}"]


def _sustained(results: Results) -> str:
    rows = [
        [name, f"{number}", *_figures(load), f"{load.p99_ms / load.p50_ms:.2f}", f"{load.max_ms:.1f}", f"{load.failed}"]
        for name, loads in results.sustained.items()
        for number, load in loads.items()
    ]
    columns = ["server", "connections", "requests/s", "p50 ms", "p99 ms", "p99 / p50", "largest ms", "failed"]
    return f"## Over 20 s, after 60 s of load\n\n{table(columns, rows)}" if rows else ""


def _engine(results: Results) -> str:
    if not results.engine:
        return ""
    rows = []
    for shape in results.engine["shapes"]:
        times = [shape[f"{way}_ms"] for way in ("predict", "signature", "ours")]
        shown = ["-" if time is None else f"{time:.3f}" for time in times]
        rows.append([f"{shape['length']}", f"{shape['batch']}", *shown, f"{shape['signature_ms'] / shape['ours_ms']:.1f}"])
    columns = ["length", "batch", "`predict` ms", "signature ms", "engine ms", "engine is times faster than the signature"]
    worst = max(shape["largest_difference"] for shape in results.engine["shapes"])
    return (
        f"## The engine, without HTTP\n\n{table(columns, rows)}\n\nMedians of rounds in turns; "
        f"{results.engine['threads']} thread a call, the same weights; largest difference between answers {worst:.1g}."
    )


def _large(results: Results) -> str:
    if not results.large:
        return ""
    rows = [
        [f"{number}", *_figures(load), f"{load.rps * 1000:,.0f}", f"{load.failed}", _wrong(load)]
        for number, load in results.large.items()
    ]
    columns = ["connections", "requests/s", "p50 ms", "p99 ms", "rows/s", "failed", "wrong"]
    found = f"## Requests of 1,000 rows\n\n{table(columns, rows)}"
    if results.engine:
        into, model, out = (results.engine["rows"][name] for name in ("json_in_ms", "model_ms", "json_out_ms"))
        found += f"\n\nOf one: {into:.2f} ms reading JSON, {model:.2f} ms in the model, {out:.2f} ms writing JSON."
    return found


def _start(results: Results) -> str:
    rows = []
    for server in results.servers.values():
        processes = " + ".join(f"{size:.0f}" for size in server.memory_mb)
        rows.append([server.label, f"{server.ready_seconds:.1f}", f"{sum(server.memory_mb):.0f}", processes])
    found = f"## Start and memory\n\n{table(['server', 'first answer after s', 'MB', 'by process'], rows)}" if rows else ""
    if results.starts:
        starts = ", ".join(f"{seconds:.2f} s" for seconds in results.starts)
        found += f"\n\nOurs until `/readyz` answers 200, several starts: {starts}. Memory is resident, after the rounds above."
    return found


def _overload(results: Results) -> str:
    parts = [_overloaded(measured) for measured in results.overload]
    return "\n\n".join(["## Overload", *parts]) if parts else ""


def _overloaded(measured: dict[str, Any]) -> str:
    request, rows = of_rows(measured["rows"], measured["items"]), []
    for phase in measured["phases"]:
        counts = [f"{phase[name]:,}" for name in ("accepted", "shed", "other", "unsent")]
        times = [
            "-" if phase[name] is None else f"{phase[name]:.1f}" for name in ("p50_ms", "p99_ms", "shed_p99_ms", "late_p99_ms")
        ]
        speeds = [f"{phase[name]:.0f}" for name in ("capacity_rps", "offered_rps", "goodput_rps")]
        rows.append([f"{phase['factor']:g}", *speeds, *counts, *times, " to ".join(f"{size:.0f}" for size in phase["rss_mb"])])
    columns = ["times capacity", "capacity/s", "offered/s", "good/s", "200", "429", "other", "unsent", "p50 ms", "p99 ms"]
    columns += ["429 p99 ms", "late p99 ms", "MB"]
    return (
        f"{table(columns, rows)}\n\nOpen loop, {measured['seconds']:g} s each, "
        f"{request} a request; capacity is the mean of just before and just after. Latency counts "
        "from when a request was due. `late`: how far the client itself\nfell behind; `unsent`: no connection was free."
    )


def _left_out(results: Results) -> str:
    lines = [f"- {what}: {why}" for what, why in results.left_out.items()]
    return "## Left out\n\n" + "\n".join(lines) if lines else ""
