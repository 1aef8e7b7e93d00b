"""How many files a worker may have open: connections are files, too, and so are keys that are read anew."""

import logging
import resource
from typing import Final

logger = logging.getLogger(__name__)
OTHERS: Final = 256
"""What a worker has open beside connections, with room to spare."""


def make_room(connections: int) -> None:
    """Have as many allowed as so many connections need, where that may be; else say so."""
    needed = connections + OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        logger.warning("no more than %d files may be open (ulimit -Hn); UNROLL_MAX_CONNECTIONS needs %d", allowed, needed)
