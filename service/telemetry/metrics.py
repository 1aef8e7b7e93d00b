"""Every metric of ours, once: name, labels, help. `GET /metrics` shows them, summed over all workers.

Labels are bounded: a route is one of ours or `other`, never a path that somebody asked for.
"""

import os
from bisect import bisect_left
from collections import Counter as Multiset
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]
from prometheus_client import Counter, Gauge, Histogram, mmap_dict

LATENCIES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Seconds, from a tenth of a millisecond: most requests take less than one."""
POWERS = tuple(2**n for n in range(0, 17, 2))
FILE_BYTES: Final = 2**20
"""Of each file in which a worker shares its metrics. A series stays in it for the life of the worker: a histogram for every
version would add 60 kB of memory with each, so that histograms know the model alone. prometheus_client starts with 64 kB."""
mmap_dict._INITIAL_MMAP_SIZE = FILE_BYTES  # noqa: SLF001 - there is no other way to set it


class Distribution(Histogram):
    """A histogram that can be told of many at once."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """As `observe` of each, with one write a bucket."""
        self._sum.inc(sum(amounts))
        for place, number in Multiset(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[place].inc(number)


requests = Counter("unroll_requests", "Requests answered, by route and outcome: ok, or the error's name.", ("route", "outcome"))
request_seconds = Distribution(
    "unroll_request_seconds", "From a request's headers to its answer.", ("route",), buckets=LATENCIES
)
shed = Counter("unroll_shed", "Requests refused because too much was waiting, by what there was too much of.", ("reason",))
queue_seconds = Distribution(
    "unroll_queue_seconds", "How long the first of a batch waited for it.", ("model",), buckets=LATENCIES
)
batch_rows = Distribution("unroll_batch_rows", "Rows that ran together.", ("model",), buckets=POWERS)
model_seconds = Distribution("unroll_model_seconds", "How long a batch ran.", ("model",), buckets=LATENCIES)
items = Counter("unroll_items", "Items that came in requests.", ("model", "version"))
loads = Counter("unroll_loads", "Versions that were loaded, by outcome: served, or refused by a check.", ("model", "outcome"))
load_seconds = Histogram(
    "unroll_load_seconds",
    "From finding a version to serving it.",
    ("model",),
    buckets=LATENCIES,
)
swaps = Counter("unroll_swaps", "Times that what a name answers with by default became another version.", ("model",))
refused_versions = Gauge(
    "unroll_refused_versions", "Versions in the store that should be served and failed a check.", multiprocess_mode="livemax"
)
ready_workers = Gauge("unroll_ready_workers", "Workers that have their models and take requests.", multiprocess_mode="livesum")
draining_workers = Gauge("unroll_draining_workers", "Workers that were told to end and answer on.", multiprocess_mode="livesum")
waiting_requests = Gauge(
    "unroll_waiting_requests", "Requests whose bodies are here and that wait for their answers.", multiprocess_mode="livesum"
)
waiting_bytes = Gauge("unroll_waiting_bytes", "Bytes of requests that were let in.", multiprocess_mode="livesum")
resident_bytes = Gauge("unroll_resident_bytes", "Memory of the workers.", multiprocess_mode="livesum")
open_files = Gauge("unroll_open_files", "File descriptors of the workers, connections too.", multiprocess_mode="livesum")
cpu_seconds = Counter("unroll_cpu_seconds", "Time on a processor, of the workers.")
loop_lag_seconds = Histogram(
    "unroll_loop_lag_seconds", "How late an event loop is to what was due, looked at every second.", buckets=LATENCIES
)
build_info = Gauge(
    "unroll_build_info",
    "1, for the build that serves.",
    ("version", "commit", "bentoml"),
    multiprocess_mode="max",
)
TRIAL = ("model", "version", "kind")
compared_rows = Counter("unroll_compared_rows", "Rows that a version on trial and the alias' own both answered.", TRIAL)
differing_rows = Counter("unroll_differing_rows", "Of these, rows that differ by more than the tolerance.", TRIAL)
largest_difference = Gauge(
    "unroll_largest_difference", "The largest difference seen, in the domain's units.", TRIAL, multiprocess_mode="livemax"
)
uncompared_requests = Counter(
    "unroll_uncompared_requests", "Requests left out: too many waited, or no thread could be had.", TRIAL
)
comparing_seconds = Counter("unroll_comparing_seconds", "Time that the other version took for the rows compared.", TRIAL)
trial_errors = Counter("unroll_trial_errors", "Requests that a version on trial failed to answer.", TRIAL)
trial_seconds = Histogram(
    "unroll_trial_seconds",
    "How long a version on trial took: a canary for a request, a shadow for a run.",
    TRIAL,
    buckets=LATENCIES,
)
canary_rollbacks = Counter("unroll_canary_rollbacks", "Canaries that were withdrawn because they passed a bar.", ("model",))
reloads = Counter(
    "unroll_reloads", "Files of keys and certificates that changed, by outcome: taken or refused.", ("what", "outcome")
)
connections_refused = Counter("unroll_connections_refused", "Connections that a limit ended, by which.", ("reason",))


def reserve() -> None:
    """Blocks of the disk for the files in which this worker shares its metrics; of what they have grown by, too, when it is
    called again.

    prometheus_client maps them into memory with holes: the first write to a hole after the disk has filled would kill
    the worker (SIGBUS). Raises OSError when there is no room now.
    """
    for folder in _shared():
        for path in folder.glob(_OURS):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


_OURS: Final = f"*_{os.getpid()}.db"


@cache
def _shared() -> frozenset[Path]:
    """Where this worker's files are; asked at its start, for it takes a look at every descriptor."""
    return frozenset(path.parent for file in psutil.Process().open_files() if (path := Path(file.path)).match(_OURS))
