"""The files of the page at `/docs`."""

import asyncio
from pathlib import Path

from service.http.messages import Request, Response
from service.protocols.openapi.documentation import Documentation
from service.protocols.openapi.facts import Facts
from service.request_context import Caller


def test_answers_share_one_copy_of_a_file(tmp_path: Path) -> None:
    """A stranger may ask for a file of 1.4 MB on every connection, and read none of it."""
    (tmp_path / "swagger-ui-bundle.js").write_bytes(b"//" * 1_000)
    pages = Documentation(lambda: Facts({}, "0", 1, 1, 1), tmp_path, ["swagger-ui-bundle.js"])
    (route,) = (each for each in pages.routes if each.path == "/docs/{file}")
    asked = Request(b"", Caller(), {"file": "swagger-ui-bundle.js"}, None)

    async def twice() -> list[Response]:
        return [await route.handle(asked) for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first.body is second.body
    assert first.body == b"//" * 1_000
