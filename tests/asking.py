"""How a test asks a real service. httpx2 itself gives up after 5 s, for which a machine shared with others may stall."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import httpx2

PATIENCE: Final = 60.0  # seconds
get = partial(httpx2.get, timeout=PATIENCE)
post = partial(httpx2.post, timeout=PATIENCE)


def until(true: Callable[[], object], seconds: float = PATIENCE, pause: float = 0.01) -> None:
    """Ask again and again until it is so: these processes announce nothing."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(pause)
