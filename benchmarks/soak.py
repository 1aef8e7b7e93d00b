"""Constant load for hours: does the service's memory grow, or its tail latency?

    python -m benchmarks.soak --hours 1 [--rate 200] [--workers 1] [--rows 100]

The client is open loop. It sends at --rate, or at half of the closed-loop rate just before. It records memory and latency some
120 times. The first tenth is warm-up. A line fitted to the rest gives the growth over the whole time. Its interval allows for
autocorrelation, and its upper end must stay under 2 %. The median p99 of the last third may be 1.25 times that of the first.
The client's own delay stands beside it, since both share the machine. Every answer is compared.
Ends with one JSON line; writes reports/soak-<time>.json, .html and .svg. The exit code is 1 when the verdict is bad.
"""

import argparse
import gc
import json
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
from benchmarks.report import pictures
from benchmarks.report.soak_page import html, picture
from benchmarks.report.soak_statement import said, verdict
from benchmarks.servers import machine
from loadtests.processes import ROOT

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
    written = pictures.write(options.reports / f"soak-{begun:%Y%m%d-%H%M%S}", result, html(result), picture(result))
    print("\n".join(said(result)), written, sep="\n", file=sys.stderr)
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


def line(window: dict[str, Any]) -> str:
    return (
        f"{window['hours'] * 60:7.1f} min  {window['total_mb']:7.1f} MB  p99 {window['p99_ms'] or 0:7.1f} ms  "
        f"late {window['late_p99_ms'] or 0:.1f} ms  "
        f"goodput {window['goodput_rps']:.0f}/s  wrong {window['wrong']}  failed {window['other'] + window['unanswered']}"
    )


if __name__ == "__main__":
    sys.exit(main())
