"""The page RESULTS.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import altair as alt

from benchmarks.engines import cases as engine_cases
from benchmarks.engines.cases import RUNTIMES, best_other, of_case
from benchmarks.load.side_by_side import Measured
from benchmarks.load.wrk import Load
from benchmarks.report import pictures, results_summary
from benchmarks.report.results import Results, verdicts
from benchmarks.servers.payloads import of_rows
from benchmarks.servers.realistic_model import NETWORK, STEPS
from benchmarks.servers.targets import ECHO, IDLE, OURS

PICTURE: Final = "results.svg"


def markdown(results: Results, picture: str | None) -> str:
    """The picture and its summary first; `picture` is the address of its file."""
    parts = [_head(results, picture), _servers(results), _sustained(results), _realistic(results), _engine(results)]
    parts += [_large(results), _start(results), _overload(results), _must_show(results), _left_out(results), _machine(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def write(folder: Path, results: Results, drawn: alt.TopLevelMixin | None) -> str:
    """RESULTS.md and its picture. Returns the text of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    if drawn:
        (folder / PICTURE).write_text(pictures.svg(drawn))
    text = markdown(results, PICTURE if drawn else None)
    (folder / "RESULTS.md").write_text(text)
    return text


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column aligned left and the others right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(results: Results, picture: str | None) -> str:
    shown = f"![requests/s and latency of each server, with 95 % intervals]({picture})" if picture else ""
    about = (
        "Written by `python -m benchmarks.serving`; do not edit. One run on one machine, one worker each, all on the loopback "
        "interface.\nAbsolute figures depend on the machine and its other load; compare ratios."
    )
    found = "\n".join(f"- {line}" for line in results_summary.lines(results))
    return "\n\n".join(part for part in ("# Serving, side by side", shown, found, about) if part)


def _machine(results: Results) -> str:
    facts = table(["measured on", ""], list(results.machine.items())).replace("---:", "---")
    return f"## Machine\n\n{facts}"


def _must_show(results: Results) -> str:
    rows = [[v.what, v.bar, v.found, "yes" if v.shown else "**no**"] for v in verdicts(results)]
    return f"## What it must show\n\n{table(['what', 'bar', 'found', 'shown'], rows)}" if rows else ""


def _servers(results: Results) -> str:
    if not results.servers:
        return ""
    how = "\n".join(f"- {server.label}: {server.how}" for server in results.servers.values())
    return (
        f"## One row of five items\n\n{_side_by_side(results.servers)}\n\n"
        f"Medians of {results.rounds} rounds of {results.seconds:g} s with `wrk -t 1`; the order of the servers rotates. All "
        "servers run from the start, but a server without load is stopped (SIGSTOP).\nOnly good answers count. A first pass "
        "warms up, and compares every answer with the right one (`wrong`).\nIn the measured rounds wrk counts answers other "
        "than 2xx (`failed`). Access logs are off where a server allows that. All peers answer with the "
        "version's ONNX translation in ONNX Runtime, one thread.\nThe picture's intervals are Student's t over the rounds, of "
        f"the logarithms of requests/s.\n\n{how}"
    )


def _realistic(results: Results) -> str:
    if not results.realistic:
        return ""
    return (
        f"## The realistic model\n\n{_side_by_side(results.realistic)}\n\nAs above, with another model and row: a classifier "
        f"(`many_to_one`) of {NETWORK.layers} layers with {NETWORK.units} units, {NETWORK.features} features and "
        f"{NETWORK.outputs} classes; one row of {STEPS} steps.\nIt is not trained: a call takes the same time with any weights."
    )


def _side_by_side(servers: Mapping[str, Measured]) -> str:
    echo, rows = servers.get(ECHO), []
    for server in servers.values():
        for number, load in server.loads.items():
            share = [f"{load.rps / echo.loads[number].rps:.3f}"] if echo else []
            tail = f"{load.p99_ms / load.p50_ms:.2f}"
            rows.append([server.label, f"{number}", *_figures(load), tail, *share, f"{load.failed}", _wrong(load)])
    columns = ["server", "connections", "requests/s", "p50 ms", "p99 ms", "p99 / p50"]
    return table([*columns, *(["of the echo"] if echo else []), "failed", "wrong"], rows)


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
    cases, rows = results.engine["cases"], []
    measured = {name: label for name, label in RUNTIMES.items() if any(name in case["ms"] for case in cases)}
    for case in cases:
        ours, best = case["ms"][engine_cases.OURS], case["ms"][best_other(case)]
        times = [f"{case['ms'][name]:.3f}" if name in case["ms"] else "-" for name in measured]
        rows.append([of_case(case), *times, f"{ours / best:.2f}"])
    columns = ["", *(f"{label} ms" for label in measured.values()), "ours against the best of the others"]
    worst = max(case["largest_difference"] for case in cases)
    return (
        f"## The engine, without HTTP\n\n{table(columns, rows)}\n\nMedians; the runtimes take turns. All have one thread and "
        "the same weights. They return an output for each step; with classes, probabilities for each row. Their answers differ "
        f"by at most {worst:.1g}."
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
        found += f"\n\nOne request spends {into:.2f} ms in reading JSON, {model:.2f} in the model, {out:.2f} in writing JSON."
    return found


def _start(results: Results) -> str:
    parts = []
    if results.servers:
        columns = ["server", "first answer after s", "MB", "by process"]
        rows = [
            [server.label, f"{server.ready_seconds:.1f}", f"{sum(server.memory_mb):.0f}", _processes(server.memory_mb)]
            for server in results.servers.values()
        ]
        parts.append(f"{table(columns, rows)}\n\nMemory is the resident memory after the rounds above.")
    if results.starts:
        rows = [
            [label, f"{start.seconds:.2f}", _processes(start.memory_mb)]
            for name, label in ((OURS, "ours"), (IDLE.name, IDLE.label))
            for start in results.starts.get(name, [])
        ]
        parts.append(
            f"{table(['server', 'ready after s', 'MB then, by process'], rows)}\n\nThe time until `/readyz` answers 200; "
            "the servers take turns."
        )
    return "\n\n".join(["## Start and memory", *parts]) if parts else ""


def _processes(memory_mb: Sequence[float]) -> str:
    return " + ".join(f"{size:.0f}" for size in memory_mb)


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
        f"{request} a request. Capacity is the mean of just before and just after. Latency counts "
        "from when a request was due.\n`late`: how far the client fell behind. `unsent`: no connection was free."
    )


def _left_out(results: Results) -> str:
    lines = [f"- {what}: {why}" for what, why in results.left_out.items()]
    return "## Left out\n\n" + "\n".join(lines) if lines else ""
