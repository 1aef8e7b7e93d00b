"""The service under overload: an open-loop client offers 0.8, 2 and 5 times its capacity.

    python -m benchmarks.overload [--seconds 30] [--rows 1000] [--items 5]

With the default request of 1,000 rows the event loop is the limit: it reads and writes their JSON. With one row of 10,000
items the model is the limit. With short requests of one row the client would be overloaded: it shares two cores with the
service, and cannot send five times as much. `late` shows by how much the client fell behind.
Capacity is the closed-loop rate of good answers. wrk measures it with 2, 4, 8 and 16 connections in several short turns; the
best median counts, since the best single turn does not last. A shared machine changes its speed within a minute. Capacity is
therefore measured before and after each rate, and the rate is compared with the mean of both. Ends with one JSON line.
"""

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.load import wrk
from benchmarks.load.arrivals import constant
from benchmarks.load.interruptible import interruptible
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.summary import summary
from benchmarks.servers import machine
from benchmarks.servers.payloads import ITEMS, of_rows, rows_body, rows_items
from benchmarks.servers.running import Server, check, running
from benchmarks.servers.served_model import model_folder
from benchmarks.servers.targets import unroll
from loadtests.client import ask

FACTORS = (0.8, 2.0, 5.0)
CONNECTIONS = 1024
CAPACITY_CONNECTIONS = (2, 4, 8, 16)
CAPACITY_ROUNDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="at each rate (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=1000, help="in each request (default: %(default)s)")
    parser.add_argument("--items", type=int, default=ITEMS, help="in each row (default: %(default)s)")
    options = parser.parse_args(arguments)
    return interruptible("benchmarks.overload", lambda: measure(options.seconds, options.rows, options.items))


def measure(seconds: float, rows: int, items: int) -> int:
    target = unroll()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(target, model_folder(), Path(folder)) as server:
        body = rows_body(rows, items)
        expected = _warm_up(server, body, Path(folder))
        check(expected, [item for row in rows_items(rows, items) for item in row])
        turn = max(1.0, seconds / 20)
        capacity = _capacity(server, Path(folder), turn)
        print(f"{of_rows(rows, items)} a request; capacity {capacity:.0f} requests/s", file=sys.stderr)
        phases = []
        for factor in FACTORS:
            before = machine.memory(server.pid)
            figures = uvloop.run(_offer(server, body, expected, factor * capacity, seconds))
            memory = [sum(before), sum(machine.memory(server.pid))]
            after = _capacity(server, Path(folder), turn)
            phases.append({"factor": factor, **figures, "rss_mb": memory, "capacity_rps": (capacity + after) / 2})
            capacity = after
            print(line(phases[-1]), file=sys.stderr)
    print(json.dumps({"rows": rows, "items": items, "seconds": seconds, "phases": phases}))
    return 0


def _warm_up(server: Server, body: bytes, folder: Path) -> bytes:
    """Load the server for some seconds. Returns the answer to `body`."""
    (folder / "body").write_bytes(body)
    for connections in (*CAPACITY_CONNECTIONS, 1):  # one connection lets the queue run empty
        wrk.run(server.url, connections, 2, folder / "body")
    _, expected = ask(server.url, "POST", body)
    (folder / "expected").write_bytes(expected)
    for connections in CAPACITY_CONNECTIONS:
        checked = wrk.run(server.url, connections, 1, folder / "body", folder / "expected")
        print(f"{connections} connections: {checked.wrong} of {checked.checked} answers wrong", file=sys.stderr)
    return expected


def _capacity(server: Server, folder: Path, seconds: float) -> float:
    """Requests/s, from turns of `seconds` each."""
    rounds = [
        [wrk.run(server.url, connections, seconds, folder / "body").rps for connections in CAPACITY_CONNECTIONS]
        for _ in range(CAPACITY_ROUNDS)
    ]
    medians: list[float] = [statistics.median(rates) for rates in zip(*rounds, strict=True)]
    return max(medians)


async def _offer(server: Server, body: bytes, expected: bytes, rate: float, seconds: float) -> dict[str, Any]:
    load = OpenLoop(server.port, server.target.path, body, expected, CONNECTIONS)
    gc.collect()
    gc.disable()  # pauses of the client would count as latency
    try:
        begun = await load.offer(constant(rate, seconds))
    finally:
        gc.enable()
        load.close()
    await asyncio.sleep(0.1)
    return summary(load.outcomes, load.unsent, begun, rate, seconds)


def line(phase: dict[str, Any]) -> str:
    def shown(name: str) -> str:
        return "-" if phase[name] is None else f"{phase[name]:.1f} ms"

    return (
        f"{phase['factor']:g} x capacity: goodput {phase['goodput_rps']:.0f}/s of {phase['capacity_rps']:.0f}, "
        f"200 {phase['accepted']}, 429 {phase['shed']} ({phase['without_retry_after']} without Retry-After), "
        f"other {phase['other']}, unsent {phase['unsent']}, unanswered {phase['unanswered']}, wrong {phase['wrong']}; "
        f"accepted p50 {shown('p50_ms')}, p99 {shown('p99_ms')}; 429 p99 {shown('shed_p99_ms')}; "
        f"late p99 {shown('late_p99_ms')}; RSS {phase['rss_mb'][0]:.0f} -> {phase['rss_mb'][1]:.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
