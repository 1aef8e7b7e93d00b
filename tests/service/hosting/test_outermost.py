import asyncio
import signal

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.hosting.outermost import Outermost


def layer(app: ASGIApp, _routes: object) -> ASGIApp:
    async def layered(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return layered


async def _receive() -> Message:
    return {"type": "lifespan.startup"}


def application() -> Starlette:
    app = Starlette(routes=[Route("/", PlainTextResponse("answer"))])
    app.add_middleware(Outermost, layers=[layer])
    return app


def start(app: Starlette, spoil: bool = False) -> Message:
    """What the application says of its start. `spoil`: another middleware goes around it meanwhile."""
    said: list[Message] = []

    async def receive() -> Message:
        if said:
            return {"type": "lifespan.shutdown"}
        if spoil:
            app.middleware_stack = layer(app.middleware_stack or app, [])
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
    return said[0]


def ask(app: Starlette) -> int:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(app(scope, _receive, send))
    return int(sent[0]["status"])


def test_before_the_start_every_request_is_503() -> None:
    app = application()
    assert ask(app) == 503
    assert start(app)["type"] == "lifespan.startup.complete"
    assert ask(app) == 200


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why the worker would have ended."""
    why = list[str]()
    monkeypatch.setattr("service.hosting.outermost.end_unfit", why.append)
    return why


def test_a_worker_with_another_middleware_outside_does_not_start(ended: list[str]) -> None:
    start(application(), spoil=True)
    assert ended == ["unroll's layers are not outermost, another middleware is around them"]


def test_a_worker_with_another_server_does_not_start(ended: list[str]) -> None:
    theirs = uvicorn.Server(uvicorn.Config(application()))
    before = signal.signal(signal.SIGTERM, theirs.handle_exit)
    try:
        start(application())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == ["its server is uvicorn.server.Server, not unroll's"]
