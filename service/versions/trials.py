"""Versions on trial: a canary answers a share of an alias' requests, a shadow gets a copy of them and answers none.

Both are compared with the version that the alias names, row by row, after the request has been answered. A row of classes
differs where a label does. A row of numbers differs where a number is further off than the tolerance. A canary fails when its
errors, its p99 or its differences pass the bars; `verdict` says why. Two good models of noisy data differ often. So
differences have a bar for the echo alone, which has one right answer, unless the operator sets one.
"""

import random
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from contract.rows import Floats, Rows
from service.runtime.loaded_model import LoadedModel
from service.telemetry import metrics

Kind = Literal["canary", "shadow"]
EDGES: Final[list[float]] = np.geomspace(20e-6, 20.0, 121).tolist()
"""Edges of the latency histogram, in seconds, twenty a decade. They are fixed, so that histograms of workers can be added."""
ENOUGH: Final = 5
"""With fewer errors or differences, their share is not judged."""
ENOUGH_FOR_A_TAIL: Final = 200
"""With fewer answers on either side, the 99th percentile is not judged."""

MOST_OF_AN_ECHO: Final = 0.01
"""Share of an echo's rows that may differ."""


class Bars(NamedTuple):
    """The bars that a canary must not pass."""

    errors: float  # share of its requests
    differences: float | None  # share of its rows that differ; None: MOST_OF_AN_ECHO for an echo, and no bar for other tasks
    tolerance: float  # in widths of an output's domain
    tail: float  # its 99th percentile, divided by that of the version that the alias names
    tail_floor: float  # seconds; a shorter 99th percentile always passes


@dataclass
class Side:
    """Figures of one of the two versions."""

    requests: int = 0
    errors: int = 0
    seconds: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES) + 1, np.int64))

    @property
    def answers(self) -> int:
        return self.requests - self.errors

    def answered(self, seconds: float, requests: int = 1) -> None:
        self.requests += requests
        self.seconds[bisect_left(EDGES, seconds)] += requests

    def answered_all(self, seconds: Sequence[float]) -> None:
        self.requests += len(seconds)
        self.seconds += np.bincount(np.searchsorted(EDGES, seconds), minlength=len(self.seconds))

    def failed(self, requests: int) -> None:
        self.requests += requests
        self.errors += requests

    def state(self) -> dict[str, Any]:
        return {"requests": self.requests, "errors": self.errors, "seconds": self.seconds.tolist()}


class Trial:
    """One version on trial for one alias of one model, with the figures of this worker."""

    def __init__(
        self, kind: Kind, alias: str, baseline: LoadedModel, candidate: LoadedModel, percent: float, since: datetime
    ) -> None:
        self.kind, self.alias, self.baseline, self.candidate = kind, alias, baseline, candidate
        self.percent, self.since = percent, since
        # The silent side did not answer the request. It runs on the same rows later and is compared with the answer.
        self.silent_side, self.silent_model = ("candidate", candidate) if kind == "shadow" else ("baseline", baseline)
        self.sides = {"baseline": Side(), "candidate": Side()}
        self.rows, self.past, self.dropped = 0, 0, 0
        self.answers, self.answers_past = 0, 0  # one for each step, or for each row
        self.largest, self.total = 0.0, 0.0
        self.ended = False
        self.judged = 0.0  # time.monotonic() of the last `verdict`
        self._pending: set[float] = set()
        labels = (self.name, candidate.manifest.version, kind)
        self._rows, self._past = metrics.compared_rows.labels(*labels), metrics.differing_rows.labels(*labels)
        self._largest, self._dropped = metrics.largest_difference.labels(*labels), metrics.uncompared_requests.labels(*labels)
        self.comparing_seconds = metrics.comparing_seconds.labels(*labels)
        self._errors = metrics.trial_errors.labels(*labels)
        self._seconds = metrics.trial_seconds.labels(*labels)

    @property
    def name(self) -> str:
        return self.baseline.manifest.name

    def same(self, kind: Kind, baseline: LoadedModel, candidate: LoadedModel, percent: float, since: datetime) -> bool:
        mine = (self.kind, self.baseline, self.candidate, self.percent, self.since)
        return mine == (kind, baseline, candidate, percent, since)

    def draws(self, key: str | None) -> bool:
        """Whether the canary answers this request: at random, or, for requests with a key, always the same for the key."""
        if self.ended:
            return False
        if key is None:
            return random.random() * 100 < self.percent  # noqa: S311 - no secret
        salted = f"{self.candidate.manifest.version}\n{key}".encode()
        return int.from_bytes(blake2b(salted, digest_size=4).digest()) < self.percent / 100 * 2**32

    @contextmanager
    def timed(self, side: str) -> Iterator[None]:
        """Time a request that this side answers. After an error the caller calls `failed`, if the side was at fault."""
        begun = time.perf_counter()
        if side == "candidate":
            self._pending.add(begun)
        try:
            yield
            self.answered(side, time.perf_counter() - begun)
        finally:
            self._pending.discard(begun)

    def answered(self, side: str, seconds: float, requests: int = 1) -> None:
        """Count requests that took so many seconds each, such as those of one batch."""
        self.sides[side].answered(seconds, requests)
        if side == "candidate":
            self._seconds.observe(seconds)

    def answered_all(self, side: str, seconds: Sequence[float]) -> None:
        """Count requests by the seconds of each. Many in one call cost as much as a few calls of `answered`."""
        self.sides[side].answered_all(seconds)

    def failed(self, side: str, requests: int = 1) -> None:
        self.sides[side].failed(requests)
        if side == "candidate":
            self._errors.inc(requests)

    def compared(self, rows: Rows, one: Floats, other: Floats, counts: npt.NDArray[np.bool_], tolerance: float) -> None:
        """Compare two answers, (items, K) or (rows, K), to the same rows. Rows without `counts`, (rows,), are left out."""
        model = self.baseline
        apart = np.abs(one - other)
        if model.manifest.classes:
            differs = one.argmax(axis=1) != other.argmax(axis=1)
        else:
            differs = ~(apart <= tolerance * model.widths).all(axis=1)  # `~(<=)`: NaN differs
        differences = model.by_row(np.maximum, apart.max(axis=1), rows)[counts]
        if not len(differences):
            return
        each = model.by_row(np.add, differs.astype(np.int64), rows)[counts]  # (rows,): how many answers of a row differ
        differing = int(np.count_nonzero(each))
        self.answers += int(np.array(rows.lengths)[counts].sum()) if model.topology.per_step else len(each)
        self.answers_past += int(each.sum())
        self.rows += len(differences)
        self.past += differing
        self.largest = max(self.largest, float(np.nanmax(differences, initial=0.0)))
        self.total += float(np.nansum(differences))
        self._rows.inc(len(differences))
        self._past.inc(differing)
        self._largest.set(self.largest)

    def drop(self, requests: int) -> None:
        """Count requests that are not compared: too many wait, or no thread could be started."""
        self.dropped += requests
        self._dropped.inc(requests)

    def verdict(self, bars: Bars) -> str | None:
        """Why this canary has failed; None while it has not."""
        candidate, baseline = self.sides["candidate"], self.sides["baseline"]
        if candidate.errors >= ENOUGH and candidate.errors > bars.errors * candidate.requests:
            return f"{candidate.errors} of {candidate.requests} requests failed"
        most_differing = bars.differences
        if most_differing is None and self.baseline.manifest.task == "echo":
            most_differing = MOST_OF_AN_ECHO
        if most_differing is not None and self.past >= ENOUGH and self.past > most_differing * self.rows:
            apart = f"by more than {bars.tolerance:g} of the domain, the largest by {self.largest:.3g}"
            return f"{self.past} of {self.rows} rows differ {'in a label' if self.baseline.manifest.classes else apart}"
        if baseline.answers < ENOUGH_FOR_A_TAIL:
            return None
        most = max(bars.tail * quantile(baseline.seconds, 0.99), bars.tail_floor)
        stuck = sum(time.perf_counter() - begun > most for begun in tuple(self._pending))
        if stuck >= ENOUGH:
            return f"{stuck} requests have been waiting for more than {most * 1e3:.0f} ms"
        if candidate.answers >= ENOUGH_FOR_A_TAIL and (p99 := quantile(candidate.seconds, 0.99)) > most:
            return f"p99 {p99 * 1e3:.1f} ms, allowed {most * 1e3:.1f}"
        return None

    def state(self) -> dict[str, Any]:
        """As plain values, for `/models/{name}/comparison`, which merges the states of all workers."""
        return {
            "kind": self.kind,
            "alias": self.alias,
            "baseline": self.baseline.manifest.version,
            "candidate": self.candidate.manifest.version,
            "percent": self.percent,
            "since": self.since.isoformat(),
            "rows": self.rows,
            "differing": self.past,
            "answers": self.answers,
            "answers_differing": self.answers_past,
            "uncompared": self.dropped,
            "largest": self.largest,
            "total": self.total,
            "sides": {name: side.state() for name, side in self.sides.items()},
        }


def quantile(seconds: npt.NDArray[np.int64], share: float) -> float:
    """The quantile of a histogram over EDGES, as the upper edge of its bin; 0 for an empty histogram."""
    if not seconds.sum():
        return 0.0
    place = int(np.searchsorted(np.cumsum(seconds), share * seconds.sum()))
    return EDGES[min(place, len(EDGES) - 1)]
