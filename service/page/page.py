"""Serves the page at `/` and its files at `/page/{file}`: what is served, and a place to try it.

The page is plain HTML, CSS and ES modules in `assets/`, read once at the start. It asks the same routes as every client, with
the same keys; the files themselves are public. Like every answer they carry `no-store`, so a browser never mixes two releases.
uPlot 1.6.32 (MIT) draws its charts: `uPlot-*` in `assets/` are the files of its npm package, unchanged.
"""

from pathlib import Path
from typing import Final

from service.errors import UnknownRoute
from service.http.messages import ErrorRenderer, Request, Response
from service.http.routes import Route

ASSETS: Final = Path(__file__).parent / "assets"
INDEX: Final = "index.html"
TYPES: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""No code but our files, no request to another origin, no frame around the page, no text that becomes markup."""
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Page:
    """`keys`: whether the service asks for keys. The page then asks its user for one before it asks the service anything."""

    def __init__(self, render_error: ErrorRenderer, keys: bool) -> None:
        self._render_error = render_error
        files = {path.name: path.read_bytes() for path in sorted(ASSETS.iterdir())}
        index = files[INDEX].replace(b'data-keys="no"', b'data-keys="yes"') if keys else files[INDEX]
        self._index = _answer(INDEX, index)
        self._files = {name: _answer(name, content) for name, content in files.items() if name != INDEX}

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


def _answer(name: str, content: bytes) -> Response:
    return Response(content, 200, TYPES[Path(name).suffix], HEADERS)
