"""Every metric of the service: name, labels, help. `GET /metrics` shows them, summed over all workers.

Labels have few values: a route is one of the service's routes or `other`, never a path from a request.
"""

from bisect import bisect_left
from collections import Counter as Multiset
from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from service.telemetry import metric_files  # noqa: F401 - sets the size of the files before a metric is made

LATENCIES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Seconds, from a tenth of a millisecond: most requests take less than a millisecond."""
POWERS = tuple(2**n for n in range(0, 17, 2))


class Distribution(Histogram):
    """A histogram that takes many observations in one call."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """The same as `observe` for each amount, with one write a bucket."""
        self._sum.inc(sum(amounts))
        for place, number in Multiset(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[place].inc(number)


requests = Counter(
    "unroll_requests", "Requests answered, by route and outcome: ok, or the name of the error.", ("route", "outcome")
)
request_seconds = Distribution(
    "unroll_request_seconds",
    "Time from a request's headers to its answer, for requests answered ok.",
    ("route",),
    buckets=LATENCIES,
)
shed = Counter("unroll_shed", "Requests refused with 429 because too much was waiting, by reason: time or bytes.", ("reason",))
queue_seconds = Distribution(
    "unroll_queue_seconds", "Queueing time of the first request of each batch.", ("model",), buckets=LATENCIES
)
batch_rows = Distribution("unroll_batch_rows", "Rows of each batch.", ("model",), buckets=POWERS)
model_seconds = Distribution("unroll_model_seconds", "Time that the model took for each batch.", ("model",), buckets=LATENCIES)
items = Counter("unroll_items", "Items received in requests that ran.", ("model", "version"))
loads = Counter("unroll_loads", "Versions loaded, by outcome: served, or refused by a check.", ("model", "outcome"))
load_seconds = Histogram(
    "unroll_load_seconds",
    "Time to verify, load and check a version.",
    ("model",),
    buckets=LATENCIES,
)
swaps = Counter("unroll_swaps", "Changes of the version that a model answers with by default.", ("model",))
refused_versions = Gauge(
    "unroll_refused_versions", "Versions that are needed for serving and failed a check.", multiprocess_mode="livemax"
)
ready_workers = Gauge(
    "unroll_ready_workers", "Workers that have loaded their models and accept requests.", multiprocess_mode="livesum"
)
draining_workers = Gauge(
    "unroll_draining_workers", "Workers that are shutting down and still answer requests.", multiprocess_mode="livesum"
)
waiting_requests = Gauge(
    "unroll_waiting_requests", "Requests that have arrived completely and wait for their answers.", multiprocess_mode="livesum"
)
waiting_bytes = Gauge(
    "unroll_waiting_bytes", "Bytes of admitted requests that are not answered yet.", multiprocess_mode="livesum"
)
resident_bytes = Gauge("unroll_resident_bytes", "Resident memory of the workers.", multiprocess_mode="livesum")
open_files = Gauge("unroll_open_files", "File descriptors of the workers, including connections.", multiprocess_mode="livesum")
cpu_seconds = Counter("unroll_cpu_seconds", "CPU time of the workers.")
loop_lag_seconds = Histogram(
    "unroll_loop_lag_seconds", "Delay of a timer of the event loop, measured every second.", buckets=LATENCIES
)
build_info = Gauge(
    "unroll_build_info",
    "Always 1; the labels name the build that serves.",
    ("version", "commit", "bentoml"),
    multiprocess_mode="max",
)
TRIAL = ("model", "version", "kind")
compared_rows = Counter(
    "unroll_compared_rows", "Rows answered by both the version on trial and the version that the alias names.", TRIAL
)
differing_rows = Counter("unroll_differing_rows", "Compared rows whose answers differ by more than the tolerance.", TRIAL)
largest_difference = Gauge(
    "unroll_largest_difference",
    "Largest difference between two answers, in the domain's units.",
    TRIAL,
    multiprocess_mode="livemax",
)
uncompared_requests = Counter(
    "unroll_uncompared_requests", "Requests not compared: too many waited, or no thread could be started.", TRIAL
)
comparing_seconds = Counter("unroll_comparing_seconds", "Time that the other version took for the compared rows.", TRIAL)
trial_errors = Counter("unroll_trial_errors", "Requests that the version on trial failed to answer.", TRIAL)
trial_seconds = Histogram(
    "unroll_trial_seconds",
    "Time that the version on trial took: a canary for each request, a shadow for each run.",
    TRIAL,
    buckets=LATENCIES,
)
canary_rollbacks = Counter("unroll_canary_rollbacks", "Canaries withdrawn because a figure exceeded its bar.", ("model",))
reloads = Counter(
    "unroll_reloads", "Changes of the files of keys and certificates, by outcome: taken or refused.", ("what", "outcome")
)
connections_refused = Counter("unroll_connections_refused", "Connections that a limit closed, by the limit.", ("reason",))
