"""The rate of each key: a token bucket that all workers of a service share.

A bucket is one number (the GCRA form of it): the time, on the clock that all processes of a machine share, at which the
bucket is full again. It lives in a file of 8 bytes that every worker maps. Two workers that write at the same moment may let
one request through that was not counted; a lock would cost more than that.
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
        """Where there is no room for the file, a bucket of this worker alone."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self._folder / f"{sha256[:32]}.rate").open("ab+") as file:
                os.posix_fallocate(file.fileno(), 0, 8)  # a hole, written to after the disk has filled, would kill the worker
                return memoryview(mmap.mmap(file.fileno(), 8)).cast("d")
        except OSError as error:
            logger.warning("a key's rate cannot be shared, each worker counts for itself: %s", error)
            return memoryview(bytearray(8)).cast("d")
