"""Requests of random shapes to the realistic classifier: does memory grow, and does a row's answer depend on its company?

    python -m benchmarks.random_shapes [--minutes 10] [--clients 4] [--pool 300] [--seed 0]

Each row of a pool, of 1 to 3,000 steps, is asked for alone first, while the service does nothing else. Then several clients
send two kinds of requests in turns: rows of one random length, 1 to 500 rows of 1 to 2,000 steps, and ragged companies of the
pool's rows. A company's answers must be those of its rows alone, to the last bit. Requests of the other clients share calls of
the model with it. A request has at most 100,000 numbers.

The first fifth of the time is warm-up. Memory settles in about a minute, so runs under five minutes say little. A line fitted
to the rest gives the growth of resident memory over the whole time; the upper end of its interval must stay under 5 %: what the
shapes of the moment need varies. Prints memory over time, and ends with one JSON line. The exit code is 1 when memory grew, a
bit differed, a request failed, or nothing was compared.
"""

import argparse
import http.client
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.load.interruptible import interruptible, say
from benchmarks.report import intervals
from benchmarks.servers import machine, realistic_model
from benchmarks.servers.payloads import rows_steps
from benchmarks.servers.running import Server, running
from benchmarks.servers.targets import unroll
from loadtests.client import Answer, ask
from loadtests.processes import NotServing

FEATURES: Final = realistic_model.NETWORK.features
MOST_ROWS: Final = 500
MOST_STEPS: Final = 2000
MOST_COMPANY_STEPS: Final = 3000
MOST_NUMBERS: Final = 100_000
MOST_GROWTH: Final = 0.05
WARM_UP: Final = 0.2
WINDOWS: Final = 60
PAUSE: Final = 0.05
"""Seconds after a refusal (429)."""
LOOK: Final = 0.5
"""Seconds between two looks at the memory: a look takes some milliseconds of a core."""


class Row(NamedTuple):
    """A part of `Series`."""

    start: int
    steps: int


class Answered(NamedTuple):
    """The answer to one row."""

    label: str
    probabilities: bytes  # float32


class Series:
    """Random steps, each written as JSON once; a row is some consecutive ones."""

    def __init__(self, steps: int) -> None:
        (drawn,) = rows_steps(1, steps, FEATURES)
        self._steps = [json.dumps(step) for step in drawn]

    def body(self, rows: Sequence[Row]) -> bytes:
        """The request of these rows."""
        written = (f"[{','.join(self._steps[row.start : row.start + row.steps])}]" for row in rows)
        return f'{{"sequences": [{",".join(written)}]}}'.encode()

    def row(self, rng: np.random.Generator, steps: int) -> Row:
        return Row(int(rng.integers(0, len(self._steps) - steps + 1)), steps)


class Counts:
    """What happened so far. Several threads add to it."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()  # by outcome: ok, refused, failed
        self.rows = self.compared = self.different = 0
        self.fault = ""  # of the last failed request
        self._lock = Lock()

    def count(self, answered: Answer, rows: int, wanted: Sequence[Answered] | None) -> str:
        """Count the answer to a request of so many rows. `wanted`: the right answers. Returns the outcome."""
        outcome, found = "refused" if answered.status == 429 else "failed", list[Answered]()
        if answered.status == 200:
            with suppress(ValueError, KeyError):
                found = answers(answered.body)
            outcome = "ok" if len(found) == rows else "failed"
        with self._lock:
            self.requests[outcome] += 1
            if outcome == "failed":
                self.fault = f"({answered.status} {answered.body[:200]!r})"
            if outcome == "ok":
                self.rows += rows
                if wanted is not None:
                    self.compared += rows
                    self.different += sum(one != other for one, other in zip(found, wanted, strict=True))
        return outcome


def any_shape(rng: np.random.Generator) -> tuple[int, int]:
    """Rows and steps of a request. Small and large numbers are as likely: both are drawn on a logarithmic scale."""
    while True:
        rows, steps = _up_to(rng, MOST_ROWS), _up_to(rng, MOST_STEPS)
        if rows * steps * FEATURES <= MOST_NUMBERS:
            return rows, steps


def _up_to(rng: np.random.Generator, most: int) -> int:
    return int(np.exp(rng.uniform(0, np.log(most + 1))))


def any_company(rng: np.random.Generator, pool: Sequence[Row]) -> list[int]:
    """The numbers of 2 to 64 rows of the pool, in random order; fewer where a request would be too large."""
    order = rng.permutation(len(pool))[: rng.integers(2, 65)]
    sizes = itertools.accumulate(pool[number].steps * FEATURES for number in order)
    return [int(number) for number, size in zip(order, sizes, strict=True) if size <= MOST_NUMBERS]


def answers(answer: bytes) -> list[Answered]:
    """The answer to each row. Raises ValueError or KeyError for another body."""
    document = json.loads(answer)
    rows = zip(document["labels"], document["probabilities"], strict=True)
    return [Answered(label, np.array(each, np.float32).tobytes()) for label, each in rows]


def verdict(minutes: Sequence[float], memory: Sequence[float], counts: Counts) -> dict[str, Any]:
    """The figures and whether they are good. `memory`: MB at each of `minutes`."""
    first = round(WARM_UP * len(minutes))
    slope = intervals.slope(minutes[first:], memory[first:])
    growth = [end * minutes[-1] / statistics.fmean(memory[first:]) for end in slope]
    failed = counts.requests["failed"]
    return {
        "requests": counts.requests.total(),
        "refused": counts.requests["refused"],
        "failed": failed,
        "rows": counts.rows,
        "rows_compared": counts.compared,
        "rows_different": counts.different,
        "mb": {"least": min(memory[first:]), "most": max(memory[first:]), "last": memory[-1]},
        "growth": growth,
        "good": growth[2] < MOST_GROWTH and not counts.different and not failed and counts.compared > 0,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="length, also a fraction (default: %(default)s)")
    parser.add_argument("--clients", type=int, default=4, help="requests at the same time (default: %(default)s)")
    parser.add_argument("--pool", type=int, default=300, help="rows that are also asked for alone (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the shapes (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.pool < 2:
        parser.error(f"expected a pool of at least 2 rows; received {options.pool}")
    return interruptible("benchmarks.random_shapes", lambda: measure(options), needs_wrk=False)


def measure(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        say("the realistic model ...")
        prepared = realistic_model.prepare(Path(scratch) / "home")
        (target,) = prepared.targets([unroll()])
        with running(target, prepared.folder, Path(scratch) / "server") as server:
            result = {"minutes": options.minutes, **_measure(server, options), "machine": machine.facts()}
    growth = result["growth"]
    say(
        f"{'Good' if result['good'] else 'BAD'}: memory {growth[0]:+.2%} over the whole time (95 % interval {growth[1]:+.2%} "
        f"to {growth[2]:+.2%}; {MOST_GROWTH:.0%} allowed); {result['rows_compared']:,} rows compared alone against together, "
        f"{result['rows_different']} differ; {result['failed']} of {result['requests']:,} requests failed."
    )
    print(json.dumps(result))
    return 0 if result["good"] else 1


def _measure(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    series, rng = Series(2 * MOST_COMPANY_STEPS), np.random.default_rng(options.seed)
    lengths = [1, MOST_COMPANY_STEPS, *(_up_to(rng, MOST_COMPANY_STEPS) for _ in range(options.pool - 2))]
    pool = [series.row(rng, steps) for steps in lengths]
    say(f"{len(pool)} rows, one after the other ...")
    alone = [_alone(server, series.body([row])) for row in pool]
    counts, stop, minutes, memory = Counts(), Event(), list[float](), list[float]()
    begun = time.monotonic()
    with ThreadPoolExecutor(options.clients) as threads:
        clients = [
            threads.submit(_client, server, series, pool, alone, np.random.default_rng([options.seed, number]), counts, stop)
            for number in range(options.clients)
        ]
        try:
            for number in range(1, WINDOWS + 1):
                memory.append(_memory_until(server, begun + number / WINDOWS * 60 * options.minutes))
                minutes.append((time.monotonic() - begun) / 60)
                say(line(minutes[-1], memory[-1], counts))
        finally:
            stop.set()
    for client in clients:
        client.result()
    return verdict(minutes, memory, counts)


def line(minutes: float, memory: float, counts: Counts) -> str:
    return (
        f"{minutes:6.1f} min  {memory:7.1f} MB  requests {counts.requests.total():,}  refused {counts.requests['refused']:,}  "
        f"failed {counts.requests['failed']:,} {counts.fault}  rows {counts.rows:,}  compared {counts.compared:,}  "
        f"different {counts.different:,}"
    )


def _alone(server: Server, body: bytes) -> Answered:
    status, answer = ask(server.url, "POST", body)
    if status != 200:
        raise NotServing(f"a row alone is answered {status} {answer[:200]!r}")
    (row,) = answers(answer)
    return row


def _memory_until(server: Server, end: float) -> float:
    """MB: the median until `end`, since each request needs its own."""
    seen = [sum(machine.memory(server.pid))]
    while time.monotonic() < end:
        time.sleep(LOOK)
        seen.append(sum(machine.memory(server.pid)))
    return statistics.median(seen)


def _client(
    server: Server,
    series: Series,
    pool: Sequence[Row],
    alone: Sequence[Answered],
    rng: np.random.Generator,
    counts: Counts,
    stop: Event,
) -> None:
    while not stop.is_set():
        rows, steps = any_shape(rng)
        company = any_company(rng, pool)
        for asked, wanted in (
            ([series.row(rng, steps) for _ in range(rows)], None),
            ([pool[number] for number in company], [alone[number] for number in company]),
        ):
            if counts.count(_post(server, series.body(asked)), len(asked), wanted) == "refused":
                stop.wait(PAUSE)


def _post(server: Server, body: bytes) -> Answer:
    try:
        return ask(server.url, "POST", body)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, repr(error).encode())


if __name__ == "__main__":
    sys.exit(main())
