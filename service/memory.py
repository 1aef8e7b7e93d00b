"""What start-up leaves in memory, put out of the way before requests come."""

import ctypes
import gc
import sys


def settle() -> None:
    """Take what is loaded out of the collector's sight, and give freed memory back to the system.

    TensorFlow's half a million objects live as long as the process: otherwise the collector walks through all of them
    from time to time, and every request then waits 100 to 500 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # a request leaves no cycles behind, so looking for them at every 700 objects is in vain
    trim()


def trim() -> None:
    """Give memory that was freed back to the system: compiling a shape leaves some 10 MB of it."""
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if malloc_trim is not None:
            malloc_trim(0)
