"""An HTTP/1.1 client for open-loop load: it sends by a schedule, and does not wait for earlier answers.

A request takes an idle connection, or opens one. Latency counts from when the request was due, not from when the client sent
it. A slow server or client therefore cannot hide its delay.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

SOCKET_ERROR: Final = 0
"""Stands for a status when the connection broke, or could not be made."""
TICK: Final = 1e-3
"""The client's shortest sleep in seconds. uvloop's timers know whole milliseconds: shorter sleeps become a busy loop, which
takes a core from the server."""
_HEAD: Final = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_RETRY: Final = re.compile(rb"\r\nretry-after: *\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int
    due: float  # seconds on the loop's clock
    late: float  # seconds from `due` until the request was sent
    took: float  # seconds from `due` to the answer's last byte
    retry_after: bool
    right: bool  # the body is as expected
    answer: bytes  # the body of a 200; equal bodies are one object


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, load: "OpenLoop", due: float) -> None:
        self._load, self._due, self._late = load, due, 0.0
        self._chunks: list[bytes] = []
        self._missing = -1  # bytes of the body; -1 while the head is incomplete
        self._head, self._busy = b"", True
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's class does not inherit from it
        self.send(self._due)

    def send(self, due: float) -> None:
        assert self.transport is not None
        self._due, self._busy, self._missing, self._chunks = due, True, -1, []
        self._late = self._load.now() - due
        self.transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        if self._missing < 0:
            head, found, rest = b"".join(self._chunks).partition(b"\r\n\r\n")
            if not found:
                return
            length = _LENGTH.search(head)
            self._head, self._chunks, self._missing = head, [rest], int(length[1]) if length else 0
            data = rest
        self._missing -= len(data)
        if self._missing <= 0:
            self._answered()

    def _answered(self) -> None:
        status = _HEAD.match(self._head)
        self._done(int(status[1]) if status else SOCKET_ERROR, b"".join(self._chunks))
        assert self.transport is not None
        if _CLOSE.search(self._head):
            self.transport.close()
        else:
            self._load.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._load.lost(self)
        if self._busy:
            self._done(SOCKET_ERROR, b"")

    def _done(self, status: int, body: bytes) -> None:
        self._busy = False
        took = self._load.now() - self._due
        right = status != 200 or body == self._load.expected
        answer = self._load.answers.setdefault(body, body) if status == 200 else b""
        retry = bool(_RETRY.search(self._head))
        self._load.outcomes.append(Outcome(status, self._due, self._late, took, retry, right, answer))


class OpenLoop:
    """Sends one request repeatedly to a local port, and collects the outcomes."""

    def __init__(self, port: int, path: str, body: bytes, expected: bytes, most_connections: int) -> None:
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        self.request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        self.expected, self.outcomes = expected, list[Outcome]()
        self.answers: dict[bytes, bytes] = {}
        self.idle: list[Connection] = []  # the last one used is taken first, so that few connections are in use
        self.unsent = 0  # requests for which no connection was free
        self._open, self._port, self._most = 0, port, most_connections
        self._tasks: set[asyncio.Task[None]] = set()
        self.now: Callable[[], float] = asyncio.get_running_loop().time

    @property
    def busy(self) -> int:
        """Number of connections that are being opened or wait for an answer."""
        return self._open - len(self.idle)

    async def offer(self, offsets: Iterable[float], settle: float = 2.0) -> float:
        """Send a request at each offset, in seconds from now. Then wait up to `settle` seconds for the last answers.

        Returns when it began, on the loop's clock.
        """
        begun, arrivals = self.now(), 0
        for offset in offsets:
            due = begun + offset
            while (wait := due - self.now()) > 0:
                await asyncio.sleep(max(wait, TICK))
            self._arrive(due)
            arrivals += 1
            if arrivals % 16 == 0:
                await asyncio.sleep(0)  # a client that is behind reads answers, too
        deadline = self.now() + settle
        while len(self.outcomes) + self.unsent < arrivals and self.now() < deadline:
            await asyncio.sleep(0.02)
        return begun

    def _arrive(self, due: float) -> None:
        if self.idle:
            self.idle.pop().send(due)
        elif self._open < self._most:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect(due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self.unsent += 1

    async def _connect(self, due: float) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: Connection(self, due), "127.0.0.1", self._port)
        except OSError:
            self._open -= 1
            self.outcomes.append(Outcome(SOCKET_ERROR, due, self.now() - due, self.now() - due, False, True, b""))

    def take(self) -> tuple[list[Outcome], int]:
        """The outcomes since the last call, and the number of requests that found no connection."""
        taken, self.outcomes = (self.outcomes, self.unsent), []
        self.unsent = 0
        return taken

    def lost(self, connection: Connection) -> None:
        self._open -= 1
        if connection in self.idle:
            self.idle.remove(connection)

    def close(self) -> None:
        for connection in list(self.idle):
            if connection.transport is not None:
                connection.transport.close()
