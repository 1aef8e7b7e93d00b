"""Requests of a test to a real service. httpx itself gives up after 5 s, for which a machine shared with others may stall."""

from functools import partial
from typing import Final

import httpx

PATIENCE: Final = 60.0  # seconds
get = partial(httpx.get, timeout=PATIENCE)
post = partial(httpx.post, timeout=PATIENCE)
