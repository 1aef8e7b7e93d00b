"""A request that a connection refuses before there is a task for it."""

import asyncio
from collections.abc import Callable

from uvicorn.server import ServerState

from service.http.early_refusal import EarlyRefusal, Refusal
from service.http.messages import CLOSE
from service.http.uvicorn_cycle import StandIn


class RefusedRequest(StandIn):
    """Waits until its refusal may be sent. Its body, if more of it comes, is dropped."""

    __slots__ = ("_early", "_state", "refusal")

    def __init__(
        self,
        early: EarlyRefusal,
        refusal: Refusal,
        transport: asyncio.Transport,
        state: ServerState,
        finish: Callable[[], None],
        more_body: bool,
    ) -> None:
        super().__init__(transport, finish, more_body)
        self._early, self.refusal, self._state = early, refusal, state
        early.hold(self._answer)

    def _answer(self) -> None:
        headers = self._state.default_headers
        self.write(self._early.written(self.refusal, headers if self.keep_alive else [*headers, CLOSE]))
