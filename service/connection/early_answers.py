"""The part of a connection that answers most of what an overload brings: with a refusal, before there is a task for it.

Of a request whose head is, byte for byte, that of one which was refused before, and which is here whole, the parser is not
even asked. What it would say is known, and that is all that makes this right: nothing here reads HTTP.
"""

import asyncio
import logging
from functools import partial
from typing import Any

from service.connection.idle_timeout import Idling
from service.http.early_refusal import Refusal, Shedding
from service.http.routes import CLOSE

logger = logging.getLogger(__name__)


class Refused:
    """Stands where uvicorn has the request that it is answering, for one of which nothing is awaited but its end."""

    response_complete, keep_alive, disconnected, body = False, True, False, b""
    message_event = asyncio.Event()  # that nobody waits for

    def __init__(self, refusal: Refusal, more_body: bool) -> None:
        self.refusal, self.more_body = refusal, more_body


class Refusing(Idling):
    """What `Connection` builds on. `shedding` is None where nothing is refused here."""

    def __init__(self, shedding: Shedding | None, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.shedding = shedding

    @property
    def between(self) -> bool:
        """Whether the request before has come whole and been answered, if there was one."""
        cycle = self.cycle
        return cycle is None or (cycle.response_complete and not cycle.more_body)

    def refuse_again(self, shedding: Shedding, data: bytes) -> bool:
        """Refuse this, which came between two requests, if it is a whole one whose head is known. Whether it has been done."""
        if self.flow.write_paused:
            return False
        try:
            refusal = shedding.again(data)
        except Exception:  # which would end the connection
            logger.exception("refusing again failed; the request is read")
            return False
        if refusal is None:
            return False
        self._unset_keepalive_if_required()
        self._hold(shedding, Refused(refusal, more_body=False))
        return True

    @property
    def usual(self) -> bool:
        """Whether the request whose head is here is one of HTTP/1.1 that offers no upgrade, expects nothing, keeps its
        connection, whose client reads, and whose turn it is to be answered."""
        parser, before = self.parser, self.cycle
        return (
            (before is None or before.response_complete)
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
        )

    def refuse_early(self, shedding: Shedding) -> bool:
        """Refuse the request whose headers are here, if that can be done here; its body is dropped. Whether it was done."""
        if not self.usual:
            return False
        try:
            refusal = shedding.early(self.parser.get_method(), self.url, self.headers)
        except Exception:  # of which the parser would make a 400
            logger.exception("refusing early failed; the request goes the usual way")
            return False
        if refusal is None:
            return False
        self._hold(shedding, Refused(refusal, more_body=True))
        return True

    def _hold(self, shedding: Shedding, refused: Refused) -> None:
        self.cycle = refused  # type: ignore[assignment]
        shedding.hold(partial(self._answer, shedding, refused))

    def _answer(self, shedding: Shedding, refused: Refused) -> None:
        refused.response_complete = True
        if not self.transport.is_closing():
            headers = self.server_state.default_headers
            if refused.keep_alive:
                self.transport.write(shedding.written(refused.refusal, headers))
            else:
                self.transport.write(shedding.written(refused.refusal, [*headers, CLOSE]))
                self.transport.close()
        self.on_response_complete()
