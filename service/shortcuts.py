"""Past ASGI: where a request comes from uvicorn and nothing stands between it and us, its body is taken and its answer written
without the messages in between, in which uvicorn searches every header for what must not be in one: 1.15 times the requests of
64 connections (../benchmarks/LOG.md).

Whatever wraps `receive` or `send`, as every middleware may, is not passed by: then these say that they did nothing.
"""

from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.routes import Response
from service.writing import Together, head_written


def read_whole(receive: Receive) -> bytes | None:
    """A request's body, if it is here and came in one piece, which `Connection.on_body` keeps as bytes; None otherwise. Only
    for who reads first: of what is left after a `receive` it knows no beginning."""
    cycle = getattr(receive, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not isinstance(cycle.body, bytes):
        return None
    if cycle.more_body or cycle.disconnected or cycle.response_complete or cycle.waiting_for_100_continue:
        return None
    body, cycle.body = cycle.body, bytearray()
    cycle.message_event.clear()
    cycle.flow.resume_reading()
    return body


def write_whole(response: Response, identity: tuple[bytes, bytes], send: Send) -> bool:
    """Whether that was all: there was nothing to wait for, and the connection is kept, or has gone. Not for a response with
    headers of its own, nor one to HEAD, whose `transport` is uvicorn's."""
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not isinstance(cycle.transport, Together) or response.headers:
        return False
    if cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused or cycle.access_log:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    if not cycle.transport.is_closing():  # uvloop raises where it is
        cycle.transport.write_whole(head_written(response, (*cycle.default_headers, identity)), response.body)
    cycle.message_event.set()
    cycle.on_response()
    return True
