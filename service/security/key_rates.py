"""The rate of each key: a token bucket that all workers of a service share.

A bucket is one number (GCRA): the time at which the bucket is full again, on the clock that all processes of a machine share.
Every worker maps the number from a file of 8 bytes. Two workers that write at the same moment may leave one request
uncounted; a lock would cost more.
"""

import logging
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path

from service.security.keys import Key

logger = logging.getLogger(__name__)


class KeyRates:
    """`folder` is shared by the workers. It is made at the first request with a limited key."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._buckets: dict[str, memoryview[float]] = {}

    def take(self, key: Key) -> float:
        """Count one request and return 0.0; or, beyond the rate, count none and return the seconds to wait."""
        if key.rate is None:
            return 0.0
        bucket = self._buckets.get(key.sha256)
        if bucket is None:
            bucket = self._buckets[key.sha256] = self._open(key.sha256)
        now, interval = self._clock(), 1 / key.rate
        most = key.most_at_once * interval
        full = bucket[0]
        if not now < full < now + most + 1e-3:  # already full, or left by an earlier service or a higher burst
            full = now
        wait = full + interval - now - most
        if wait > 1e-9:
            return wait
        bucket[0] = full + interval
        return 0.0

    def _open(self, sha256: str) -> "memoryview[float]":
        """The shared bucket; a bucket of this worker alone if the file cannot be made."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self._folder / f"{sha256[:32]}.rate").open("ab+") as file:
                os.posix_fallocate(file.fileno(), 0, 8)  # after the disk has filled, a write to a hole kills the worker
                return memoryview(mmap.mmap(file.fileno(), 8)).cast("d")
        except OSError as error:
            logger.warning("the rate of a key cannot be shared, so each worker counts for itself: %s", error)
            return memoryview(bytearray(8)).cast("d")
