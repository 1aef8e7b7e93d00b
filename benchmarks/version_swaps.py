"""Versions are published and promoted under constant load: what does it cost, and is any answer wrong?

    python -m benchmarks.version_swaps [--swaps 20] [--workers 1] [--seconds 30] [--rows 100] [--interval 1.5]

The client is open loop, at half of the capacity that wrk finds just before. The same load without swaps warms the service up.
It is then measured before the swaps and after them, since a shared machine changes its speed. Every answer is compared with
that of its version's exported signature. An answer is stale when its version had been replaced before the request was sent.
A version is replaced when `promote` has returned, which waits until all workers serve the new one. Ends with one JSON line.
"""

import argparse
import asyncio
import gc
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count, pairwise, takewhile
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from benchmarks.load import wrk
from benchmarks.load.arrivals import constant
from benchmarks.load.interruptible import interruptible
from benchmarks.load.open_loop import OpenLoop, Outcome
from benchmarks.load.summary import percentile
from benchmarks.servers import machine, untrained_versions
from benchmarks.servers.payloads import rows_body
from benchmarks.servers.running import Server, running
from benchmarks.servers.served_model import MODEL, model_folder
from benchmarks.servers.targets import numbers, unroll
from contract.aliases import PRODUCTION
from contract.store import ModelStore
from loadtests.client import ask
from loadtests.processes import ROOT

CONNECTIONS = 64
TOLERANCE = 1e-5
"""Largest difference from the exported signature, which sums in another order. Versions differ by a hundred times that."""


class Promotion(NamedTuple):
    prepared: str  # the folder's name
    version: str
    begun: float  # seconds of time.monotonic(), which all processes of a machine share
    moved: float  # when the alias names the version
    done: float  # when all workers answer with the version


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=20, help="versions to promote (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="length of the load without swaps (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=100, help="rows of five items in each request (default: %(default)s)")
    parser.add_argument("--interval", type=float, default=1.5, help="seconds between promotions (default: %(default)s)")
    parser.add_argument("--promote", nargs=3, metavar=("PREPARED", "STORE", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.promote:
        prepared, store, url = options.promote
        return promote_all(Path(prepared), ModelStore(Path(store)), url, options.workers, options.interval)
    return interruptible("benchmarks.version_swaps", lambda: measure(options))


def promote_all(prepared: Path, store: ModelStore, url: str, workers: int, interval: float) -> int:
    """The promoting process: publishes and promotes the prepared versions, and prints a line for each.

    Its fixed costs fall before and after the measured load: a second for imports, 0.2 s for a first version, since BentoML
    imports more when it writes one, and 0.2 s for its end.
    """
    from training.commands.wait import wait_until_served  # noqa: PLC0415

    first, *folders = sorted(prepared.iterdir())  # the service has the first already
    with tempfile.TemporaryDirectory(prefix="bench-") as rehearsal:
        untrained_versions.publish(ModelStore(Path(rehearsal)), first)
    print("ready", flush=True)
    sys.stdin.readline()
    for folder in folders:
        version = untrained_versions.publish(store, folder).version
        begun = time.monotonic()
        store.promote(MODEL, PRODUCTION, version)
        moved = time.monotonic()
        assert wait_until_served(url, MODEL, {PRODUCTION: version}, timeout=60) == workers
        print(json.dumps(Promotion(folder.name, version, begun, moved, time.monotonic())), flush=True)
        time.sleep(interval)
    print("done", flush=True)
    sys.stdin.read()
    return 0


def measure(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        print(f"preparing {options.swaps} versions", file=sys.stderr)
        untrained_versions.prepare(folder / "prepared", options.swaps + 1, options.rows)
        store = ModelStore(folder / "home" / "models")
        first = untrained_versions.publish(store, folder / "prepared" / "000").version
        store.promote(MODEL, PRODUCTION, first)
        target = unroll({"BENTOML_HOME": str(folder / "home"), "UNROLL_WORKERS": str(options.workers)})
        with running(target, model_folder(), folder / "server") as server:
            return _measure(options, server, first, folder)


def _measure(options: argparse.Namespace, server: Server, first: str, folder: Path) -> int:
    body = rows_body(options.rows)
    (folder / "body").write_bytes(body)
    for connections in (1, 4, 16, CONNECTIONS):
        wrk.run(server.url, connections, 2, folder / "body")
    capacity = wrk.run(server.url, 16, 5, folder / "body").rps
    rate = capacity / 2
    print(f"{options.rows} rows a request; capacity {capacity:.0f} requests/s, offered {rate:.0f}/s", file=sys.stderr)
    half = options.seconds / 2
    uvloop.run(_offer(server, body, constant(rate, half)))  # warms up
    quiet = uvloop.run(_offer(server, body, constant(rate, half)))
    outcomes, promotions, memory = uvloop.run(_with_swaps(options, server, folder, body, rate))
    quiet += uvloop.run(_offer(server, body, constant(rate, half)))
    known = [Promotion("000", first, 0.0, 0.0, 0.0), *promotions]
    expected = {p.version: untrained_versions.expected(folder / "prepared" / p.prepared) for p in known}
    figures = {
        "swaps": len(promotions),
        "workers": options.workers,
        "rows": options.rows,
        "offered_rps": rate,
        "requests": len(outcomes),
        "failed": sum(outcome.status != 200 for outcome in outcomes),
        "statuses": dict(Counter(outcome.status for outcome in outcomes)),
        **_checked(outcomes, known, expected),
        "late_p99_ms": {"without": percentile([o.late for o in quiet], 99), "with": percentile([o.late for o in outcomes], 99)},
        "p99_ms": {"without": _p99(quiet), "with": _p99(outcomes), "ratio": _p99(outcomes) / _p99(quiet)},
        "visible_ms": [round((promotion.done - promotion.moved) * 1e3) for promotion in promotions],
        "load_ms": _load_ms(server),
        "rss_mb": memory,
        **machine.facts(),
    }
    print(json.dumps(figures))
    return 0


async def _offer(server: Server, body: bytes, offsets: Iterable[float]) -> list[Outcome]:
    load = OpenLoop(server.port, server.target.path, body, b"", CONNECTIONS)
    gc.collect()
    gc.disable()  # pauses of the client would count as latency
    try:
        await load.offer(offsets)
    finally:
        gc.enable()
        load.close()
    return load.outcomes


async def _with_swaps(
    options: argparse.Namespace, server: Server, folder: Path, body: bytes, rate: float
) -> tuple[list[Outcome], list[Promotion], dict[int, float]]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.version_swaps",
        "--workers",
        str(options.workers),
        "--interval",
        str(options.interval),
    ]
    command += ["--promote", str(folder / "prepared"), str(folder / "home" / "models"), server.address]
    promoter = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert promoter.stdin is not None
    assert promoter.stdout is not None
    await promoter.stdout.readline()
    promoter.stdin.write(b"\n")
    promotions: list[Promotion] = []
    memory: dict[int, float] = {}

    async def follow(lines: asyncio.StreamReader) -> None:
        async for line in lines:
            if line == b"done\n":
                return
            promotions.append(Promotion(*json.loads(line)))
            if len(promotions) in (20, options.swaps):
                memory[len(promotions)] = max(machine.memory(server.pid))

    following = asyncio.ensure_future(follow(promoter.stdout))
    outcomes = await _offer(server, body, takewhile(lambda _: not following.done(), (number / rate for number in count())))
    await following
    promoter.stdin.close()
    if await promoter.wait() != 0:
        raise SystemExit("benchmarks.version_swaps: the promoting process failed; its error is above")
    return outcomes, promotions, memory


def _checked(outcomes: list[Outcome], promotions: list[Promotion], expected: dict[str, list[float]]) -> dict[str, Any]:
    """Counts of wrong answers, and of answers by a version that was replaced before the request (stale)."""
    replaced = {old.version: new for old, new in pairwise(promotions)}
    begun = {promotion.version: promotion.begun for promotion in promotions}
    facts: dict[bytes, tuple[str, bool]] = {}
    wrong = stale = early = 0
    lag = 0.0
    for outcome in outcomes:
        if outcome.status != 200:
            continue
        if outcome.answer not in facts:
            version = json.loads(outcome.answer)["version"]
            apart = max(abs(a - b) for a, b in zip(numbers(outcome.answer), expected[version], strict=True))
            facts[outcome.answer] = version, apart <= TOLERANCE
        version, right = facts[outcome.answer]
        wrong += not right
        sent = outcome.due + outcome.late
        early += outcome.due + outcome.took < begun[version]
        if version in replaced:
            stale += sent > replaced[version].done
            lag = max(lag, sent - replaced[version].moved)
    return {"wrong": wrong, "stale": stale, "early": early, "longest_lag_ms": lag * 1e3, "different_answers": len(facts)}


def _load_ms(server: Server) -> float:
    """Mean over all versions that the service loaded, the first included."""
    _, page = ask(f"{server.address}/metrics")
    found = dict(re.findall(rb'^unroll_load_seconds_(sum|count)\{model="many_to_many"\} (\S+)', page, re.MULTILINE))
    return float(found[b"sum"]) / float(found[b"count"]) * 1e3


def _p99(outcomes: list[Outcome]) -> float:
    return percentile([outcome.took for outcome in outcomes if outcome.status == 200], 99) or 0.0


if __name__ == "__main__":
    sys.exit(main())
