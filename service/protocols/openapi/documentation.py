"""`GET /docs.json`, the OpenAPI document, and `GET /docs`, a page that shows it and sends requests.

The page is Swagger UI, whose files BentoML's package has. It asks for nothing but the files here and the document.
The page itself is public. The document needs a key where the service has keys: the page asks for the key first.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import orjson

from service.errors import UnknownRoute
from service.http.files import asking_for_a_key, file_answer
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols.openapi.document import document
from service.protocols.openapi.facts import Facts
from service.protocols.problem import render_error

ASSETS: Final = Path(__file__).parent / "assets"
OWN: Final = ("start.css", "start.js")


class Documentation:
    """`facts`: of the service now. `folder`: has the `files` of Swagger UI."""

    def __init__(self, facts: Callable[[], Facts], folder: Path, files: Iterable[str]) -> None:
        self._facts = facts
        places = {name: ASSETS / name for name in OWN} | {name: folder / name for name in files}
        # In memory: connections that do not read share one file of 1.4 MB, in place of a copy for each.
        self._files = {name: file_answer(path) for name, path in places.items()}
        page = file_answer(ASSETS / "index.html")
        self._index = asking_for_a_key(page) if facts().keys else page

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/docs.json", "GET", self._document, render_error),
            Route("/docs", "GET", self._page, render_error, None),
            Route("/docs/{file}", "GET", self._file, render_error, None),
        ]

    async def _document(self, _request: Request) -> Response:
        return Response(await asyncio.to_thread(lambda: orjson.dumps(document(self._facts()))))

    async def _page(self, _request: Request) -> Response:
        return self._index

    async def _file(self, request: Request) -> Response:
        """Raises UnknownRoute."""
        if (found := self._files.get(name := request.path["file"])) is None:
            raise UnknownRoute(f"the page at /docs has no file {name[:100]}. It has: {', '.join(sorted(self._files))}.")
        return found
