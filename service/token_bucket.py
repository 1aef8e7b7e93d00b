"""A token bucket of one worker."""

import time
from collections.abc import Callable


class TokenBucket:
    """Allows `per_second` events a second, and as many at once. `left_out` counts denied events."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = per_second, clock
        self._left, self._since = per_second, clock()
        self.left_out = 0

    def take(self) -> bool:
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._since) * self._most)
        self._since = now
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True
