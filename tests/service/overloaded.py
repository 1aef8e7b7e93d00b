"""An application with too much waiting, for tests of what is refused."""

from starlette.types import ASGIApp, Receive, Scope, Send

from service.http.body import BodyLimits
from service.http.messages import Request, Response
from service.http.routes import Route
from service.http.transport import Limits
from service.overload.admission import WINDOW_SECONDS, Admission
from service.protocols.problem import render_error
from service.security.key_check import Guard
from tests.service.asgi import OPEN, untraced
from tests.service.clock import Clock

BODY = b"x" * 100_000
JSON = b"content-type: application/json\r\n"


class Served:
    """An application that echoes, where `waiting` requests of a kilobyte wait for longer than may be."""

    def __init__(self, guard: Guard = OPEN) -> None:
        clock = Clock()
        self.admission = Admission(most_bytes=10**9, most_seconds=0.5, clock=clock)
        self.waiting = 1_000
        for _ in range(self.waiting + 1):
            assert self.admission.refusal(1_000) is self.admission.hold(1_000) is None
            self.admission.arrive(1_000)
        clock.now += 2 * WINDOW_SECONDS
        self.admission.leave(1_000)
        limits = Limits(BodyLimits(200_000, seconds=30), timeout=10, most_timeout=60)
        self.transport = untraced(limits, self.admission, guard)
        self.early = self.transport.early
        self.reached: list[bytes] = []  # the ids of the requests that the application saw
        routes = (Route(path, "POST", _echo, render_error) for path in ("/echo", "/models/{name}/predict"))
        self.transport.add(*routes)

    def app(self) -> ASGIApp:
        ours = self.transport.around(_nothing, [])

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            self.reached.append(dict(scope["headers"]).get(b"x-request-id", b""))
            await ours(scope, receive, send)

        return noting

    def calm(self) -> None:
        """All that waited is answered."""
        for _ in range(self.waiting):
            self.admission.leave(1_000)


async def _echo(request: Request) -> Response:
    return Response(request.body)


async def _nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError
