"""What start-up leaves in memory, put out of the way before requests come."""

import ctypes
import gc
import logging
import mmap
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)


def postpone() -> None:
    """Collect nothing until `settle`: of what importing TensorFlow and loading models makes nearly all stays, and the collector
    would walk through it again and again, for half a second."""
    gc.disable()


def settle() -> None:
    """Take what is loaded out of the collector's sight, and give freed memory back to the system.

    TensorFlow's half a million objects live as long as the process: otherwise the collector walks through all of them
    from time to time, and every request then waits 100 to 500 ms.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(50_000, 20, 20)  # a request leaves no cycles behind, so looking for them at every 700 objects is in vain
    trim()
    release_code()


def release_code() -> None:
    """Unmap the pages of libraries that were only needed to import and to compile, half of the process's memory.

    They stay in the system's page cache, from which a page that is needed after all comes back in a microsecond. Safe for
    mappings that are files', read-only and never written to: what they hold is what the file holds.
    """
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    for start, size in _clean_mappings(Path("/proc/self/smaps").read_text()):
        if madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_DONTNEED):
            logger.warning("code that is not needed stays in memory: %s", os.strerror(ctypes.get_errno()))
            return


def _clean_mappings(smaps: str) -> Iterator[tuple[int, int]]:
    """(start, size) of read-only mappings of files no page of which differs from the file (proc_pid_smaps(5))."""
    for mapping in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE)[1:]:
        head, _, facts = mapping.partition("\n")
        addresses, permissions, _offset, _device, inode = head.split()[:5]
        dirty = sum(
            int(kb) for kb in re.findall(r"^(?:Private_Dirty|Shared_Dirty|Anonymous|Swap): +(\d+) kB", facts, re.MULTILINE)
        )
        if inode != "0" and permissions in ("r-xp", "r--p") and not dirty:
            start, end = (int(address, 16) for address in addresses.split("-"))
            yield start, end - start


def trim() -> None:
    """Give memory that was freed back to the system: compiling a shape leaves some 10 MB of it."""
    if sys.platform == "linux":
        malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if malloc_trim is not None:
            malloc_trim(0)
