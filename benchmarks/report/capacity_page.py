"""A capacity result as an HTML page with plots."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.report.capacity_statement import statement, sustained
from benchmarks.report.html_page import facts, heading, page, sentences, table
from benchmarks.report.line_plot import Mark, Series, plot

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


def html(result: Mapping[str, Any]) -> str:
    parts = [sentences(statement(result))]
    for kind, repeats in result["arrivals"].items():
        parts += [heading(f"{kind} arrivals"), *_plots(repeats, result["objective"]["p99_ms"])]
        for number, repeat in enumerate(repeats, 1):
            of = f"repeat {number}: {repeat['sustained_rps']:,.0f} requests/s"
            parts.append(
                f"<details><summary>{of}</summary>{_steps(repeat['steps'])}<p>the curve</p>{_steps(repeat['curve'])}</details>"
            )
    return page("Capacity of unroll", [*parts, heading("Machine"), facts(result["machine"])])


def _plots(repeats: Sequence[Mapping[str, Any]], objective_ms: float) -> list[str]:
    curves = [repeat["curve"] for repeat in repeats if repeat["curve"]]
    if not curves:
        return []
    middle = sum(sustained(repeats)) / len(repeats)
    mark = Mark("sustained", middle, upright=True)
    average = [[sum(step[name] or 0.0 for step in steps) / len(steps) for name in NAMES] for steps in zip(*curves, strict=True)]

    def over(column: int) -> list[tuple[float, float]]:
        return [(row[0], row[column]) for row in average]

    each = [(step["offered_rps"], step["p99_ms"] or 0.0) for steps in curves for step in steps]
    x = "offered, requests/s"
    return [
        plot(
            "Latency from when due",
            x,
            "ms",
            [Series("p50, mean", over(2)), Series("p99, mean", over(3)), Series("p99, each repeat", each, joined=False)],
            [mark, Mark("objective", objective_ms, upright=False)],
            highest=4 * objective_ms,
        ),
        plot("Goodput", x, "requests/s", [Series("goodput, mean", over(1)), Series("offered", over(0))], [mark]),
        plot("Requests without a right answer", x, "%", [Series("errors, mean", [(a, 100 * b) for a, b in over(4)])], [mark]),
        plot("Processor time of the service", x, "CPU-seconds per million right answers", [Series("mean", over(5))], [mark]),
    ]


NAMES = ("offered_rps", "goodput_rps", "p50_ms", "p99_ms", "error_share", "cpu_seconds_per_million")


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    return table(COLUMNS, [_row(step) for step in steps])


def _row(step: Mapping[str, Any]) -> list[str]:
    def number(name: str, form: str) -> str:
        return "-" if step[name] is None else f"{step[name]:{form}}"

    verdict = "holds" if step["holds"] else "breaks by the client's delay" if step["client_to_blame"] else "breaks"
    rates = [number("offered_rps", ",.0f"), number("goodput_rps", ",.0f")]
    times = [number(name, ".2f") for name in ("p50_ms", "p99_ms", "sent_p99_ms", "late_p99_ms")]
    return [*rates, *times, f"{step['error_share']:.3%}", f"{step['shed']}", number("cpu_seconds_per_million", ",.0f"), verdict]
