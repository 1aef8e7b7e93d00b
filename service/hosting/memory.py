"""A worker keeps its models in memory, and returns to the system most of what large requests took."""

import ctypes
import gc
import sys
from typing import Any, Final

MALLOPT: Final = {-8: 1, -3: 4 * 2**20, -1: 4 * 2**20}
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc (mallopt(3)). Its defaults keep an arena for each thread, and
raise the thresholds to the size that was freed last. After half a minute of random shapes a worker had 219 MB with the
defaults and 184 with these, at the same speed. A mmap threshold of 1 MB gave 170 MB, and bodies of 4 MB took 1.4 times as
long. The trim threshold is more than a call of a model takes (`CELL_STEPS` in runtime/onnx_graph.py). Below that, each call
would return its memory to the system and ask for it anew, which doubles its time."""
_glibc: Final[Any] = ctypes.CDLL(None) if sys.platform == "linux" else None


def keep_little() -> None:
    """Set the limits of glibc's malloc. Call it before any thread starts, because each thread gets its arena then."""
    if hasattr(_glibc, "mallopt"):
        for option, value in MALLOPT.items():
            _glibc.mallopt(option, value)


def settle() -> None:
    """Call it once all models are loaded.

    Loaded objects live as long as the process, so the collector need not look at them. A request leaves no cycles, so it
    collects rarely: a body of 10,000 rows is read in 0.7 of the time. Memory that loading freed goes back to the system.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    if hasattr(_glibc, "malloc_trim"):
        _glibc.malloc_trim(0)
