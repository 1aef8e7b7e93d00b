"""One rate offered to a server for some time: its figures, its cost, and whether the objective held."""

import asyncio
import gc
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from benchmarks.load import wrk
from benchmarks.load.arrivals import SCHEDULES
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.summary import percentile, summary
from benchmarks.servers import machine
from benchmarks.servers.payloads import rows_body, rows_items
from benchmarks.servers.running import Server, check, running
from benchmarks.servers.served_model import model_folder
from benchmarks.servers.targets import unroll
from loadtests.client import ask
from loadtests.processes import NotServing

CONNECTIONS: Final = 512
WARM_SECONDS: Final = 2
WORKERS_SECONDS: Final = 60.0
REST: Final = 0.3
"""Seconds after a rate, so that the server is idle when the next one begins."""


@dataclass(frozen=True)
class Objective:
    p99_ms: float  # latency of accepted requests, from when each was due
    errors: float  # share of requests without a right answer: refused, failed, wrong, unsent or unanswered

    def __str__(self) -> str:
        return f"p99 within {self.p99_ms:g} ms and at most {self.errors:.3%} of the requests without a right answer"

    def holds(self, step: dict[str, Any]) -> bool:
        return step["error_share"] <= self.errors and (step["p99_ms"] or 0.0) <= self.p99_ms

    def client_to_blame(self, step: dict[str, Any]) -> bool:
        """The objective broke, but holds when latency counts from when each request was sent."""
        return not self.holds(step) and step["error_share"] <= self.errors and (step["sent_p99_ms"] or 0.0) <= self.p99_ms


@dataclass(frozen=True)
class Served:
    """A warm server, with the request that it gets repeatedly, and its answer."""

    server: Server
    body: bytes
    expected: bytes
    closed_rps: float  # requests/s of wrk in a closed loop of 16 connections: where a search begins


@contextmanager
def serving(workers: int, rows: int) -> Iterator[Served]:
    """A fresh service, warmed up by some load."""
    target = unroll({"UNROLL_WORKERS": str(workers)})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, running(target, model_folder(), Path(folder)) as server:
        _wait_for(workers, server)
        body = rows_body(rows)
        _, expected = ask(server.url, "POST", body)
        check(expected, [item for row in rows_items(rows) for item in row])
        (Path(folder) / "body").write_bytes(body)
        for connections in (1, 2, 4, 8, 64):
            wrk.run(server.url, connections, WARM_SECONDS, Path(folder) / "body")
        yield Served(server, body, expected, wrk.run(server.url, 16, WARM_SECONDS, Path(folder) / "body").rps)


def _wait_for(workers: int, server: Server) -> None:
    deadline = time.monotonic() + WORKERS_SECONDS
    while time.monotonic() < deadline:
        _, text = ask(f"{server.address}/metrics")
        ready = re.search(rb"^unroll_ready_workers (\S+)$", text, re.MULTILINE)
        if ready and float(ready[1]) == workers:
            return
        time.sleep(0.05)
    raise NotServing(f"expected {workers} workers to be ready within {WORKERS_SECONDS:.0f} s; /metrics shows fewer")


def offer(served: Served, kind: str, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """The figures of `summary`, with the cost, the share of requests without a right answer, and the machine's speed."""
    pid = served.server.pid
    speed = machine.speed()
    before = machine.processor_seconds(pid)
    figures = uvloop.run(_offer(served, kind, rate, seconds, seed))
    spent = machine.processor_seconds(pid) - before
    right = figures["accepted"] - figures["wrong"]
    arrivals = round(rate * seconds)
    return {
        "kind": kind,
        "machine_speed": speed,
        **figures,
        "error_share": 1 - right / arrivals,
        "cpu_seconds": spent,
        "cpu_seconds_per_million": spent / right * 1e6 if right else None,
        "peak_mb": machine.peak_memory(pid),
    }


async def _offer(served: Served, kind: str, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    load = OpenLoop(served.server.port, served.server.target.path, served.body, served.expected, CONNECTIONS)
    gc.collect()
    gc.disable()  # pauses of the client would count as latency
    try:
        begun = await load.offer(SCHEDULES[kind](rate, seconds, seed))
    finally:
        gc.enable()
        load.close()
    await asyncio.sleep(REST)
    accepted = [outcome for outcome in load.outcomes if outcome.status == 200]
    sent = percentile([outcome.took - outcome.late for outcome in accepted], 99)
    mean = sum(outcome.took for outcome in accepted) / len(accepted) * 1e3 if accepted else None
    return {**summary(load.outcomes, load.unsent, begun, rate, seconds), "sent_p99_ms": sent, "mean_ms": mean}
