"""How connections are accepted: all that wait, where uvicorn on uvloop takes one in each turn of the event loop.

libuv does so since 1.45, and a turn takes as long as all the requests read in it. Of 768 clients that connected beside 200 busy
ones the last was heard after 3.6 s, now after 0.1 s; 16 that connect anew for each request got 3,000 answers a second,
now 7,600.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

import uvicorn.server

from service.hosting.unfit import end_unfit

MOST: Final = 64
MOST_TLS: Final = 8
"""So many are accepted at once beside the first, the others in the next turn, after what has been read meanwhile: fewer with
TLS, of which a handshake takes a millisecond."""
HANDSHAKE_SECONDS: Final = 0.1
"""For which those who have been accepted may take to be connected, when the server ends."""


def running_server() -> uvicorn.server.Server | None:
    """The server of this process, by its handler of SIGTERM; None in a test, where signals end no server."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, uvicorn.server.Server) else None


class Server(uvicorn.server.Server):
    """One that, when uvloop has accepted a connection, accepts the others of that moment itself; as BentoML runs it, with
    `sockets`. Beyond `most_connections` they are left to other workers for as long as those take them."""

    def __init__(self, config: uvicorn.Config, most_connections: int) -> None:
        super().__init__(config)
        self._most_connections = most_connections
        self._accepted = set[asyncio.Task[None]]()  # and not connected yet
        self._due = False  # to look for others

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the process where the application would not be told of its start, in which keys and limits are put in place."""
        if self.config.lifespan != "on":
            end_unfit(f"uvicorn's lifespan is {self.config.lifespan}, not on")
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class

        def connection(**uvicorns: Any) -> asyncio.Protocol:
            if not self._due:  # uvicorn says the same of each, so this one's do for the others
                self._due = True
                asyncio.get_running_loop().call_soon(self._accept, sockets or (), partial(connection, **uvicorns))
            return make(**uvicorns)

        self.config.http_protocol_class = connection  # type: ignore[assignment]
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:  # first, so that nobody comes whom uvicorn does not tell that it ends
            server.close()
        await asyncio.sleep(0)  # what uvloop has accepted is connected in the next turn
        if self._accepted:
            await asyncio.wait(self._accepted, timeout=HANDSHAKE_SECONDS)
        await super().shutdown(sockets)

    def _accept(self, listeners: Iterable[socket.socket], protocol: Callable[[], asyncio.Protocol]) -> None:
        self._due = False
        for listener in listeners:
            room = self._most_connections - len(self.server_state.connections) - len(self._accepted)
            for _ in range(min(room, MOST if self.config.ssl is None else MOST_TLS)):
                try:
                    accepted, _address = listener.accept()
                except OSError:  # nobody waits; or no more can be opened, or it was closed, which uvloop will see as well
                    break
                task = asyncio.get_running_loop().create_task(self._connect(accepted, protocol))
                self._accepted.add(task)
                task.add_done_callback(self._accepted.discard)

    async def _connect(self, accepted: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, accepted, ssl=self.config.ssl)
        except OSError:  # it speaks no TLS, or has gone
            accepted.close()
