"""A body that is still to come: read within limits, or dropped after a refusal."""

import asyncio
import contextlib
from typing import Final, NamedTuple

from service.errors import BodyTooLarge, Overloaded, SlowBody
from service.http.exchange import AsgiExchange, Exchange
from service.http.messages import Response
from service.overload.admission import Ticket
from service.request_context import CallerGone

DROP_BYTES: Final = 16 * 2**20
"""At most so much of a refused body is read and dropped after the answer, so that a client still sending gets to read it."""
DROP_SECONDS: Final = 5.0


class BodyLimits(NamedTuple):
    most_bytes: int
    seconds: float  # for the whole body to arrive

    def too_large(self, received: str) -> BodyTooLarge:
        detail = f"expected a body of at most {self.most_bytes} bytes; received {received}. Send the rows in several requests."
        return BodyTooLarge(detail, max_body_bytes=self.most_bytes)


async def read(exchange: Exchange, limits: BodyLimits, ticket: Ticket) -> bytes | Overloaded:
    """The whole body, or why there is no room for it. Raises BodyTooLarge, SlowBody or CallerGone."""
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read(exchange, limits, ticket)
    except TimeoutError:
        hint = "Is content-length more than the body has?"
        raise SlowBody(f"expected the body within {limits.seconds:g} s; received a part of it. {hint}") from None


async def _read(exchange: Exchange, limits: BodyLimits, ticket: Ticket) -> bytes | Overloaded:
    chunks, more = list[bytes](), True
    while more:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        chunk = message.get("body", b"")
        if ticket.size + len(chunk) > limits.most_bytes:
            raise limits.too_large("more")
        if (refusal := ticket.hold(len(chunk))) is not None:
            return refusal
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def answer_unread(exchange: AsgiExchange, response: Response, identity: tuple[bytes, bytes]) -> None:
    """Answer before the body was read, and drop what is left of it.

    Closing at once would reset the connection under a client that still sends, before it has read the answer.
    """
    await exchange.send(response, identity, more=True)
    dropped, more = 0, True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DROP_SECONDS):
            while more and dropped < DROP_BYTES:
                message = await exchange.receive()
                dropped += len(message.get("body", b""))
                more = message.get("more_body", False)
    await exchange.end()
