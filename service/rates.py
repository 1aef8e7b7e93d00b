"""How many requests a key may send: a token bucket per key, shared by all workers of a service.

A bucket is one number (the GCRA form of it): the time, on the clock that all processes of a machine share, at which the
bucket is full again. It lives in a file of 8 bytes that every worker maps. Two workers that write at the same moment may let
one request through that was not counted; a lock would cost more than that.
"""

import mmap
import time
from collections.abc import Callable
from pathlib import Path

from service.keys import Key


class Rates:
    """`folder` is shared by the workers; it is made when a key with a rate comes first."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._buckets: dict[str, memoryview[float]] = {}

    def take(self, key: Key) -> float:
        """0.0, and one request is counted; or how many seconds to wait for the next, and none is."""
        if key.rate is None:
            return 0.0
        bucket = self._buckets.get(key.sha256)
        if bucket is None:
            bucket = self._buckets[key.sha256] = self._open(key.sha256)
        now, interval = self._clock(), 1 / key.rate
        most = key.most_at_once * interval
        full = bucket[0]
        if not now < full < now + most + 1e-3:  # full already; or left by another life, or by a higher burst
            full = now
        wait = full + interval - now - most
        if wait > 1e-9:
            return wait
        bucket[0] = full + interval
        return 0.0

    def _open(self, sha256: str) -> "memoryview[float]":
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / f"{sha256[:32]}.rate").open("ab+") as file:
            file.truncate(8)
            return memoryview(mmap.mmap(file.fileno(), 8)).cast("d")
