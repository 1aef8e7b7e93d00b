"""Versions on trial: the share that a canary answers, the end of a broken canary, the cost of a shadow.

    python -m benchmarks.canary_and_shadow [--requests 20000] [--rate 500] [--seconds 2] [--shadow-seconds 240]

share     the share of requests without a routing key that the canary answers; whether one version answers each key
broken    a canary that answers x + 0.5 gets 5 % under load: how long until it is withdrawn, and how often it answered
shadow    throughput with a shadow and without, in turns, beside the share of time of the shadow's own runs
Ends with one JSON line.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.load import wrk
from benchmarks.load.arrivals import constant
from benchmarks.load.interruptible import interruptible
from benchmarks.load.open_loop import OpenLoop
from benchmarks.report import intervals
from benchmarks.servers import machine, untrained_versions
from benchmarks.servers.payloads import rows_body, rows_items
from benchmarks.servers.running import Server, running
from benchmarks.servers.served_model import MODEL, model_folder
from benchmarks.servers.targets import unroll
from contract.aliases import PRODUCTION
from contract.store import ModelStore
from loadtests.client import ask

PERCENT = 5.0
KEYS = 200
ASKED_PER_KEY = 5
BROKEN_BY = 0.5
LEAST_TURNS = 20  # about four rounds that count, after pauses and the two ends
SUMS = {
    "answered": r'unroll_requests_total\{.*outcome="ok".*\}',
    "comparing": r"unroll_comparing_seconds_total\{.*\}",
    "model": r"unroll_model_seconds_sum\{.*\}",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="number that measures the share (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=500, help="requests a second with a canary (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2, help="length of a turn of the shadow (default: %(default)s)")
    parser.add_argument("--shadow-seconds", type=float, default=240, help="length of all turns (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.shadow_seconds < LEAST_TURNS * options.seconds:
        parser.error(f"expected --shadow-seconds of at least {LEAST_TURNS} turns; received {options.shadow_seconds:g}")
    return interruptible("benchmarks.canary_and_shadow", lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        untrained_versions.prepare(folder / "prepared", 2, 1)
        untrained_versions.prepare(folder / "broken", 1, 1, BROKEN_BY)
        store = ModelStore(folder / "home" / "models")
        base, good, broken = (
            untrained_versions.publish(store, folder / name).version for name in ("prepared/000", "prepared/001", "broken/000")
        )
        store.promote(MODEL, PRODUCTION, base)
        target = unroll({"BENTOML_HOME": str(folder / "home")})
        with running(target, model_folder(), folder / "server") as server:
            figures = {
                "share": _share(server, store, good, options),
                "broken": _broken(server, store, broken, options),
                "shadow": _shadow(server, store, good, options, folder),
                **machine.facts(),
            }
    print(json.dumps(figures))
    return 0


def _share(server: Server, store: ModelStore, good: str, options: argparse.Namespace) -> dict[str, Any]:
    store.set_canary(MODEL, PRODUCTION, good, PERCENT)
    _until(server, "canary", good)
    answered = uvloop.run(_versions(server, options.rate, options.requests / options.rate))
    by_key: dict[str, set[str]] = {}
    for number in range(KEYS * ASKED_PER_KEY):
        key = f"user {number % KEYS}"
        asked = {"sequences": rows_items(1), "routing_key": key}
        by_key.setdefault(key, set()).add(json.loads(ask(server.url, "POST", json.dumps(asked).encode()).body)["version"])
    store.withdraw(MODEL, PRODUCTION, canary=True, shadow=True)
    _until(server, "canary", None)
    return {
        "requests": len(answered),
        "percent": 100 * sum(version == good for _, version, _ in answered) / len(answered),
        "keys": KEYS,
        "keys_that_went_both_ways": sum(len(seen) > 1 for seen in by_key.values()),
        "keys_of_the_canary": sum(good in seen for seen in by_key.values()),
    }


def _broken(server: Server, store: ModelStore, broken: str, options: argparse.Namespace) -> dict[str, Any]:
    begun = time.monotonic()
    store.set_canary(MODEL, PRODUCTION, broken, PERCENT)
    answered = uvloop.run(_versions(server, options.rate, 10))
    wrong = [sent for sent, version, _ in answered if version == broken]
    return {
        "requests": len(answered),
        "answered_by_it": len(wrong),
        "percent": 100 * len(wrong) / len(answered),
        "failed": sum(status != 200 for _, _, status in answered),
        "last_answer_after_seconds": max(wrong) - begun if wrong else None,
        "store": [event.reason for event in store.aliases(MODEL)[PRODUCTION].history if event.what == "withdraw"][-1:],
    }


def _shadow(server: Server, store: ModelStore, good: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One load for all turns: the start of a load varies by more than a shadow costs."""
    body = folder / "body"
    body.write_bytes(rows_body(1))
    turns: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    trials: list[dict[str, Any]] = []  # the service reports a trial only while it runs

    def turn(name: str) -> None:
        if name == "with":
            store.set_shadow(MODEL, PRODUCTION, good)
        else:
            store.withdraw(MODEL, PRODUCTION, canary=True, shadow=True)
        _until(server, "shadow", good if name == "with" else None)
        turns[name].append(_rates(server, options.seconds))
        trials.extend(json.loads(ask(f"{server.address}/models/{MODEL}/comparison").body)["trials"])  # none without

    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(wrk.run, server.url, 64, options.shadow_seconds, body)
        while not load.done():
            for name in random.sample(sorted(turns), 2):  # in random order
                turn(name)
        faults = load.result().failed
    for rates in turns.values():
        del rates[0], rates[-1]  # the load begins during the first turn and ends during the last
    lost = [1 - there["answered"] / alone["answered"] for alone, there in zip(turns["without"], turns["with"], strict=True)]

    def middle(name: str, figure: str) -> float:
        return statistics.median(rates[figure] for rates in turns[name])

    return {
        "rps_without": middle("without", "answered"),
        "rps_with": middle("with", "answered"),
        "failed": faults,
        "throughput_lost": statistics.median(lost),  # by round, since a shared machine changes its speed
        "throughput_lost_mean": intervals.mean(lost),  # with its 95 % interval
        "throughput_lost_rounds": lost,
        "share_of_time_in_its_runs": middle("with", "comparing"),
        "share_of_time_in_answering_runs": middle("with", "model"),  # the same rows, in smaller batches
        "compared_rows": sum(trial["compared_rows"] for trial in trials),
        "uncompared_requests": sum(trial["uncompared_requests"] for trial in trials),
        "largest_difference": max(trial["largest_difference"] for trial in trials),
    }


def _rates(server: Server, seconds: float) -> dict[str, float]:
    """Increase a second of each of SUMS, over `seconds`."""
    begun, before = _sums(server)
    time.sleep(seconds)
    ended, after = _sums(server)
    return {name: (after[name] - before[name]) / (ended - begun) for name in SUMS}


def _sums(server: Server) -> tuple[float, dict[str, float]]:
    """time.monotonic() and, for each of SUMS, the sum of its series."""
    page = ask(f"{server.address}/metrics").body.decode()
    now = time.monotonic()
    return now, {name: sum(map(float, re.findall(rf"^{series} (\S+)$", page, re.MULTILINE))) for name, series in SUMS.items()}


def _until(server: Server, role: str, version: str | None) -> None:
    from training.commands.wait import wait_until_served  # noqa: PLC0415

    wait_until_served(server.address, MODEL, {role: version}, timeout=30)


async def _versions(server: Server, rate: float, seconds: float) -> list[tuple[float, str, int]]:
    """For each request of a constant load: time.monotonic() when sent, the answering version, the status."""
    load = OpenLoop(server.port, server.target.path, rows_body(1), b"", 64)
    await load.offer(constant(rate, seconds))
    load.close()
    await asyncio.sleep(0)
    names = {answer: json.loads(answer)["version"] if answer else "" for answer in {o.answer for o in load.outcomes}}
    statuses = Counter(outcome.status for outcome in load.outcomes)
    print(f"{len(load.outcomes)} requests, statuses {dict(statuses)}", file=sys.stderr)
    return [(outcome.due + outcome.late, names[outcome.answer], outcome.status) for outcome in load.outcomes]


if __name__ == "__main__":
    sys.exit(main())
