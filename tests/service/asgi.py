"""The transport in front of a Starlette application, and a client that speaks ASGI to it."""

import asyncio
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route as StarletteRoute
from starlette.types import Message, Scope

from service.errors import InvalidRequest, Overloaded
from service.hosting.outermost import Outermost
from service.http.body import BodyLimits
from service.http.messages import Request, Response
from service.http.routes import Route
from service.http.transport import Limits, Transport
from service.overload.admission import Admission
from service.protocols.problem import render_error
from service.security.key_check import Guard
from service.security.key_rates import KeyRates
from service.telemetry.request_log import RequestLog
from service.telemetry.tracing import Tracing

OPEN = Guard(None, KeyRates(Path("unused")))
LIMIT = 100
LIMITS = Limits(BodyLimits(LIMIT, seconds=30), timeout=10, most_timeout=60)


async def echo(request: Request) -> Response:
    return Response(request.body, headers=((b"x-ours", b"1"),))


async def refuse(_request: Request) -> Response:
    raise InvalidRequest("expected this; received that.")


async def fail(_request: Request) -> Response:
    raise ZeroDivisionError


async def deadline(request: Request) -> Response:
    return Response(str(request.caller.deadline).encode())


async def gone(request: Request) -> Response:
    return Response(str(request.caller.gone()).encode())


async def whose(request: Request) -> Response:
    return Response(f"{request.key} {request.path['name']}".encode())


async def theirs(_request: StarletteRequest) -> PlainTextResponse:
    return PlainTextResponse("theirs")


def untraced(limits: Limits, admission: Admission, guard: Guard = OPEN) -> Transport:
    """Without routes yet; of answers it logs nothing."""
    return Transport(limits, admission, guard, RequestLog(Tracing(None, 0.0, {}), 0.0, 10.0), render_error)


def application(limits: Limits, admission: Admission, guard: Guard) -> Starlette:
    """As in the service: a Starlette application, the transport added as its innermost middleware."""
    transport = untraced(limits, admission, guard)
    transport.add(
        Route("/echo", "POST", echo, render_error),
        Route("/refuse", "POST", refuse, render_error),
        Route("/fail", "POST", fail, render_error),
        Route("/read", "GET", echo, render_error),
        Route("/deadline", "POST", deadline, render_error),
        Route("/gone", "POST", gone, render_error),
        Route("/admin/{name}", "POST", whose, render_error, "admin"),
    )
    routes = [StarletteRoute(f"/{path}", theirs) for path in ("theirs", "livez", "readyz", "metrics")]
    routes += [StarletteRoute("/echo", theirs, methods=["GET", "POST"])]
    return Starlette(routes=routes, middleware=[Middleware(Outermost, layers=[transport.around])])


class Full(Admission):
    def __init__(self) -> None:
        super().__init__(1, 1.0)

    def refusal(self, size: int | None) -> Overloaded:
        return Overloaded("full", headers={"retry-after": "3"}, reason="bytes")


class Client:
    """Speaks ASGI: starts the application, then sends one request in the chunks given and keeps what was answered."""

    def __init__(
        self,
        limits: Limits = LIMITS,
        admission: Admission | None = None,
        guard: Guard = OPEN,
    ) -> None:
        self.sent: list[Message] = []
        self.chunks_read = 0
        self._app = application(limits, admission or Admission(10_000, 10.0), guard)

    async def _run(self, method: str, path: str, headers: dict[str, str], chunks: list[bytes], more: bool, never: bool) -> None:
        """`more`: the last chunk is not the end. `never`: nothing comes after it, instead of a disconnect."""
        app = self._app
        started: list[Message] = []
        events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def lifespan_receive() -> Message:
            return next(events)

        async def lifespan_send(message: Message) -> None:
            started.append(message)

        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, lifespan_receive, lifespan_send)
        assert started[0]["type"] == "lifespan.startup.complete"

        async def receive() -> Message:
            if self.chunks_read == len(chunks):
                if never:
                    await asyncio.get_running_loop().create_future()
                return {"type": "http.disconnect"}
            self.chunks_read += 1
            return {
                "type": "http.request",
                "body": chunks[self.chunks_read - 1],
                "more_body": more or self.chunks_read < len(chunks),
            }

        async def send(message: Message) -> None:
            self.sent.append(message)

        scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await app(scope, receive, send)

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        chunks: Iterable[bytes] = (b"",),
        gone: bool = False,
        never: bool = False,
        whole: bool = False,
    ) -> "Client":
        more = gone or (never and not whole)
        asyncio.run(self._run(method, path, headers or {}, list(chunks), more, never))
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @cached_property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers[b"content-type"] == b"application/problem+json"
        assert self.headers[b"content-length"] == b"%d" % len(self.body)
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem
