"""Lets a connection be refused while no worker can answer. Otherwise it would wait, and its client with it.

Circus listens before the first worker has started, and goes on when the last one has ended. Here the supervisor only binds
the socket. A worker listens on it once it can answer, and holds a shared lock on a file from then on. The kernel frees the
lock when the worker ends, however it ends. When a worker has ended and the supervisor gets the lock alone, no worker
listens. So the supervisor shuts the socket, and the next worker listens on it anew.
"""

import fcntl
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

FILE: Final = "listening"


class Listeners:
    """`folder`: of one service, which its supervisor and its workers share."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._held: FileIO | None = None

    def join(self) -> bool:
        """In a worker, before it listens. Returns whether no other worker listens."""
        self._held = self._path.open("a+b", buffering=0)
        with suppress(OSError):  # a network volume without locks: the supervisor gets none either, and shuts nothing
            fcntl.flock(self._held, fcntl.LOCK_SH)
        mine = b"%d\n" % os.getpid()
        with suppress(OSError):  # a full disk
            self._held.write(mine)
        self._held.seek(0)
        return self._held.readline() in (b"", mine)

    def joined(self) -> set[int]:
        """In the supervisor: the process ids of the workers that listen, or did."""
        try:
            return {int(line) for line in self._path.read_text().splitlines()}
        except OSError:  # none ever did
            return set()

    def shut_unless_any(self, sockets: Iterable[socket.socket]) -> None:
        """In the supervisor, when a worker has ended."""
        try:
            with self._path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.truncate(0)
                shut(sockets)
        except OSError:  # a worker listens, or none ever did
            return


def shut(sockets: Iterable[socket.socket]) -> None:
    """Stop listening. Only where it listens: another socket would stay shut, and close whatever it accepts later."""
    for each in sockets:
        if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            each.shutdown(socket.SHUT_RDWR)


def only_bind(sockets: Iterable[socket.socket]) -> None:
    """Circus calls `listen` of each socket after `bind`."""
    for each in sockets:
        each.listen = lambda _backlog=0: None  # type: ignore[method-assign]
