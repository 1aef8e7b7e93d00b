"""One request and the way to answer it: through ASGI here, directly on its connection in `uvicorn_cycle.py`."""

from typing import Any, Protocol

from starlette.types import Message, Receive, Scope, Send

from service.http.messages import Response


class Exchange(Protocol):
    @property
    def method(self) -> str: ...

    headers: dict[bytes, bytes]
    body: bytes | None  # None: it is still to be received, or has been handed on
    alone: bool  # whether no other request of this worker is in progress

    def gone(self) -> bool:
        """Whether the client has disconnected."""

    async def receive(self) -> Message:
        """The next part of a body that is still to be received, as ASGI has it."""

    async def send(self, response: Response, identity: tuple[bytes, bytes]) -> None:
        """Answer, with `identity` as one header more."""


class AsgiExchange:
    """A request of uvicorn's cycle, or of a middleware around the service."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.body: bytes | None = None
        self.alone = False
        self._receive, self._send = receive, send

    def gone(self) -> bool:
        """One step of `receive`, which costs less than a timeout around it."""
        asked: Any = self._receive()
        try:
            asked.send(None)
        except StopIteration as answered:
            return bool(answered.value["type"] == "http.disconnect")
        asked.close()
        return False

    async def receive(self) -> Message:
        return await self._receive()

    async def send(self, response: Response, identity: tuple[bytes, bytes], more: bool = False) -> None:
        """`more`: the response stays open until `end`."""
        await self._send({"type": "http.response.start", "status": response.status, "headers": [*response.head, identity]})
        await self._send({"type": "http.response.body", "body": response.body, "more_body": more})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})
