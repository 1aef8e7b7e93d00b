"""Accepts all waiting connections in one turn of the event loop.

uvicorn on uvloop accepts one connection in each turn (libuv since 1.45). A turn takes as long as all requests that are read in
it. When 768 clients connected beside 200 busy ones, the last was accepted after 3.6 s, now after 0.1 s. Sixteen clients that
connect for each request got 3,000 answers a second, now 7,600.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import uvicorn.server

from service.hosting.listening import Listeners
from service.hosting.unfit import end_unfit

MOST: Final = 64
MOST_TLS: Final = 8
"""So many connections are accepted in one turn beside the first, the others in the next turn. With TLS they are fewer, because
a handshake takes a millisecond."""
HANDSHAKE_SECONDS: Final = 0.1
"""When the server ends, accepted connections have so long to finish their handshake."""


def running_server() -> uvicorn.server.Server | None:
    """The server of this process, by its handler of SIGTERM; None in a test, where signals end no server."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, uvicorn.server.Server) else None


class Server(uvicorn.server.Server):
    """When uvloop has accepted a connection, this server accepts the other waiting ones. BentoML runs it with `sockets`.

    Beyond `most_connections` it leaves them to other workers, as long as those accept them. `ready` is called with the name of
    the socket, in the first worker that listens.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        most_connections: int,
        listeners: Listeners | None = None,
        ready: Callable[[object], None] = lambda _: None,
    ) -> None:
        super().__init__(config)
        self._most_connections, self._listeners, self._ready = most_connections, listeners, ready
        self._first = True
        self._accepted = set[asyncio.Task[None]]()  # not connected yet
        self._due = False  # whether to look for others is scheduled

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the process unless the application is told of its start: keys and limits are put in place then."""
        if self.config.lifespan != "on":
            end_unfit(f"uvicorn's lifespan is {self.config.lifespan}, not on")
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class

        def connection(**uvicorns: Any) -> asyncio.Protocol:
            if not self._due:  # uvicorn passes the same options for each connection
                self._due = True
                asyncio.get_running_loop().call_soon(self._accept, sockets or (), partial(connection, **uvicorns))
            return make(**uvicorns)

        self.config.http_protocol_class = connection  # type: ignore[assignment]
        started = self.lifespan.startup

        async def started_and_listening() -> None:
            await started()
            if not self.lifespan.should_exit:
                self._listen(sockets or ())

        self.lifespan.startup = started_and_listening
        await super().startup(sockets)
        if self._first and sockets:
            self._ready(sockets[0].getsockname())

    def _listen(self, sockets: Iterable[socket.socket]) -> None:
        if self._listeners is not None:
            self._first = self._listeners.join()
        for listener in sockets:
            try:
                listener.listen(self.config.backlog)
            except OSError as error:  # another service began to listen on the port while this one started
                name = listener.getsockname()
                where = f"{name[0]}, port {name[1]}" if isinstance(name, tuple) else name
                end_unfit(f"it cannot listen on {where} ({error.strerror}). Choose another port with --port")

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """uvicorn raises a signal again when it has ended. For SIGINT, BentoML would say `Aborted!` and exit with 1."""
        with super().capture_signals():
            yield
            self._captured_signals = [number for number in self._captured_signals if number != signal.SIGINT]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:  # first: uvicorn tells later connections nothing of its end
            server.close()
        await asyncio.sleep(0)  # uvloop connects in the next turn what it has accepted
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
                except OSError:  # none waits, no descriptor is left, or the listener is closed: uvloop sees the last two itself
                    break
                task = asyncio.get_running_loop().create_task(self._connect(accepted, protocol))
                self._accepted.add(task)
                task.add_done_callback(self._accepted.discard)

    async def _connect(self, accepted: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, accepted, ssl=self.config.ssl)
        except OSError:  # the client speaks no TLS, or has gone
            accepted.close()
