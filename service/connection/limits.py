"""The limits of connections, and the open files that they need."""

import logging
import resource
from typing import Final, NamedTuple

logger = logging.getLogger(__name__)
SPARE: Final = 1024
"""So many connections beyond the most are answered with 503; those beyond are aborted."""
OTHER_FILES: Final = 256
"""What a worker has open beside connections, with room to spare."""


class ConnectionLimits(NamedTuple):
    """Of one worker; bytes and seconds."""

    connections: int
    header_bytes: int  # of the request line and all headers
    header_count: int
    header_seconds: float  # for them to arrive
    write_seconds: float  # for a client that has stopped reading to read on
    unread_bytes: int  # of answers, of all connections


def raise_open_files(connections: int) -> None:
    """Raise the limit of open files to what so many connections need, or log that the system does not allow it."""
    needed = connections + SPARE + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        logger.warning("no more than %d files may be open (ulimit -Hn); UNROLL_MAX_CONNECTIONS needs %d", allowed, needed)
