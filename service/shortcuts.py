"""Past ASGI: where a request comes from uvicorn and nothing stands between it and us, its body is taken and its answer written
without the messages in between, which cost a lone request a tenth of its time (../benchmarks/LOG.md).

Whatever wraps `receive` or `send`, as every middleware may, is not passed by: then these say that they did nothing.
"""

from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.routes import Response
from service.writing import Together, head_written


def read_whole(receive: Receive) -> bytes | None:
    """A request's body, if it is here and came in one piece; None if not, or if it is none."""
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
    """Whether the answer was written: there was nothing to wait for, and its connection is kept."""
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle) or not isinstance(cycle.transport, Together):
        return False
    if cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused or cycle.access_log:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write_whole(head_written(response, (*cycle.default_headers, identity)), response.body)
    cycle.message_event.set()
    cycle.on_response()
    return True
