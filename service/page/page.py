"""Serves the page at `/` and its files at `/page/{file}`: what is served, and a place to try it.

The page is plain HTML, CSS and ES modules in `assets/`, read once at the start. It asks the same routes as every client, with
the same keys; the files themselves are public. Like every answer they carry `no-store`, so a browser never mixes two releases.
uPlot 1.6.32 (MIT) draws its charts: `uPlot-*` in `assets/` are the files of its npm package, unchanged.
"""

from pathlib import Path
from typing import Final

from service.errors import UnknownRoute
from service.http import files
from service.http.files import asking_for_a_key, file_answer
from service.http.messages import ErrorRenderer, Request, Response
from service.http.routes import Route

ASSETS: Final = Path(__file__).parent / "assets"
INDEX: Final = "index.html"
POLICY: Final = f"{files.POLICY}; require-trusted-types-for 'script'; trusted-types 'none'"
"""Beside what holds of every page, no text becomes markup."""


class Page:
    """`keys`: whether the service asks for keys. The page then asks its user for one before it asks the service anything."""

    def __init__(self, render_error: ErrorRenderer, keys: bool) -> None:
        self._render_error = render_error
        answers = {path.name: file_answer(path, POLICY) for path in sorted(ASSETS.iterdir())}
        index = answers.pop(INDEX)
        self._index = asking_for_a_key(index) if keys else index
        self._files = answers

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/", "GET", self._show, self._render_error, None),
            Route("/page/{file}", "GET", self._file, self._render_error, None),
        ]

    async def _show(self, _request: Request) -> Response:
        return self._index

    async def _file(self, request: Request) -> Response:
        """Raises UnknownRoute."""
        if (found := self._files.get(request.path["file"])) is None:
            raise UnknownRoute(f"the page has no file {request.path['file'][:100]}. The page is at /.")
        return found
