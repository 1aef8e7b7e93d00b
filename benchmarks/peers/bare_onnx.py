"""The application that an able engineer writes by hand: bare ASGI, orjson, ONNX Runtime.

It has no checks, no metrics and no keys.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.peers.model import load

model = load()


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = orjson.dumps(model.answer(orjson.loads(body)["sequences"]), option=orjson.OPT_SERIALIZE_NUMPY)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
