"""How many requests a second the service sustains within an objective, with a confidence interval.

    python -m benchmarks.capacity [--workers 1] [--rows 100] [--p99-ms 25] [--errors 0.001] [--repeats 5]
    python -m benchmarks.capacity --compare A.json B.json

The client is open loop: it sends by a schedule, and does not wait for answers. Each repeat starts a fresh service. The rate
rises by --factor until the objective breaks. The search then halves the interval down to --precision. A rate that breaks is
offered once more, since one hiccup of the machine is not the service's limit. Then the client offers the same service shares
of the found rate, up to twice as much. They show the knee, and the goodput beyond it.
Writes reports/capacity-<time>.json, .html and .svg, and prints its conclusions.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.load.arrivals import SCHEDULES
from benchmarks.load.interruptible import interruptible
from benchmarks.load.one_rate import Objective, Served, offer, serving
from benchmarks.load.rate_search import bracket
from benchmarks.report import pictures
from benchmarks.report.capacity_page import html, picture
from benchmarks.report.capacity_statement import comparison, statement
from benchmarks.servers import machine
from loadtests.processes import ROOT

SHARES: Final = (0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
"""Shares of the repeat's sustained rate."""
FIRST: Final = 0.3
"""The search begins at this share of the closed-loop rate of 16 connections."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=100, help="rows of five items in each request (default: %(default)s)")
    parser.add_argument("--p99-ms", type=float, default=25, help="highest p99 of the objective (default: %(default)s)")
    parser.add_argument("--errors", type=float, default=0.001, help="highest share of errors (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="length of each rate (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="searches, each on a fresh service (default: %(default)s)")
    parser.add_argument("--factor", type=float, default=1.4, help="the next higher rate in the search (default: %(default)s)")
    parser.add_argument("--precision", type=float, default=0.03, help="width that ends the search (default: %(default)s)")
    parser.add_argument("--arrivals", choices=[*SCHEDULES, "both"], default="both", help="schedule (default: %(default)s)")
    parser.add_argument("--reports", type=Path, default=ROOT / "reports", help="folder to write to (default: reports)")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A.json", "B.json"), help="do two results differ?")
    options = parser.parse_args(arguments)
    if options.factor <= 1 or options.precision <= 0 or min(options.repeats, options.workers, options.rows) < 1:
        parser.error("expected a factor above 1, a precision above 0, and at least one repeat, worker and row")
    if options.compare:
        return compare(*options.compare)
    return interruptible("benchmarks.capacity", lambda: measure(options))


def compare(first: Path, second: Path) -> int:
    try:
        print("\n".join(comparison(*(json.loads(path.read_text()) for path in (first, second)))))
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks.capacity: expected two .json results of it; {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


def measure(options: argparse.Namespace) -> int:
    begun = datetime.now(UTC)
    objective = Objective(options.p99_ms, options.errors)
    kinds = list(SCHEDULES) if options.arrivals == "both" else [options.arrivals]
    result: dict[str, Any] = {
        "objective": {"p99_ms": objective.p99_ms, "errors": objective.errors},
        **{name: getattr(options, name) for name in ("workers", "rows", "seconds", "repeats", "factor", "precision")},
        "machine": machine.facts(),
        "arrivals": {kind: [] for kind in kinds},
    }
    for number in range(options.repeats):
        with serving(options.workers, options.rows) as served:
            for kind in kinds if number % 2 == 0 else reversed(kinds):  # each kind comes first in turn
                say(f"repeat {number + 1} of {options.repeats}, {kind} arrivals")
                result["arrivals"][kind].append(repeat(served, kind, objective, options, number))
    written = pictures.write(options.reports / f"capacity-{begun:%Y%m%d-%H%M%S}", result, html(result), picture(result))
    print("\n".join(statement(result)))
    say(written)
    return 0


def repeat(served: Served, kind: str, objective: Objective, options: argparse.Namespace, number: int) -> dict[str, Any]:
    """One search and one curve of rates, on one service."""
    steps: list[dict[str, Any]] = []

    def one(rate: float) -> dict[str, Any]:
        step = offer(served, kind, rate, options.seconds, seed=1000 * number + len(steps))
        step |= {"holds": objective.holds(step), "client_to_blame": objective.client_to_blame(step)}
        say(line(step))
        return step

    def holds(rate: float) -> bool:
        for _ in range(2):
            steps.append(one(rate))
            if steps[-1]["holds"]:
                return True
        return False

    found = bracket(holds, max(10.0, FIRST * served.closed_rps), options.factor, options.precision)
    curve = [one(share * found.held) for share in SHARES] if found.held else []
    broke = None if found.broke == float("inf") else found.broke
    return {"sustained_rps": found.held, "broke_rps": broke, "steps": steps, "curve": curve}


def line(step: dict[str, Any]) -> str:
    verdict = "holds" if step["holds"] else "breaks by the client's delay" if step["client_to_blame"] else "breaks"
    p99 = "-" if step["p99_ms"] is None else f"{step['p99_ms']:.1f} ms"
    return (
        f"  {step['offered_rps']:8.0f}/s  goodput {step['goodput_rps']:8.0f}/s  p99 {p99:>10}  "
        f"errors {step['error_share']:.3%}  wrong {step['wrong']}  late p99 {step['late_p99_ms'] or 0:.1f} ms  {verdict}"
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
