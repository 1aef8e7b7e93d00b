"""Every metric of ours, once: name, labels, help. `GET /metrics` shows them, summed over all workers.

Labels are bounded: a route is one of ours or `other`, never a path that somebody asked for.
"""

from prometheus_client import Counter, Histogram

LATENCIES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Seconds, from a tenth of a millisecond: most requests take less than one."""
POWERS = tuple(2**n for n in range(0, 17, 2))
MODEL = ("model", "version")

requests = Counter("unroll_requests", "Requests answered, by route and outcome: ok, or the error's name.", ("route", "outcome"))
request_seconds = Histogram("unroll_request_seconds", "From a request's headers to its answer.", ("route",), buckets=LATENCIES)
shed = Counter("unroll_shed", "Requests refused because too much was waiting, by what there was too much of.", ("reason",))
queue_seconds = Histogram("unroll_queue_seconds", "How long the first of a batch waited for it.", MODEL, buckets=LATENCIES)
batch_rows = Histogram("unroll_batch_rows", "Rows that ran together.", MODEL, buckets=POWERS)
model_seconds = Histogram("unroll_model_seconds", "How long a batch ran.", MODEL, buckets=LATENCIES)
items = Counter("unroll_items", "Items that came in requests.", MODEL)
computed_items = Counter("unroll_computed_items", "Items computed for them; the rest over unroll_items is padding.", MODEL)
model_calls = Counter(
    "unroll_model_calls", "Calls of a model, by kind: compiled, or uncompiled while a shape is.", (*MODEL, "kind")
)
compilations = Counter("unroll_compilations", "Shapes compiled.", MODEL)
compile_seconds = Counter("unroll_compile_seconds", "Time spent compiling, most of it beside the requests.", MODEL)
