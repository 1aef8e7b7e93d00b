"""Every metric of ours, once: name, labels, help. `GET /metrics` shows them, summed over all workers.

Labels are bounded: a route is one of ours or `other`, never a path that somebody asked for.
"""

from bisect import bisect_left
from collections import Counter as Multiset
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from service.telemetry import metric_files  # noqa: F401 - sets the size of the files before a metric is made

LATENCIES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Seconds, from a tenth of a millisecond: most requests take less than one."""
POWERS = tuple(2**n for n in range(0, 17, 2))


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
