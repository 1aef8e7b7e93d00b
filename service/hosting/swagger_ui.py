"""Swagger UI, which BentoML's package has for its own page. Our page at `/docs` uses its files; BentoML serves none of them."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

UNUSED: Final = frozenset({"static_content"})
"""The names of BentoML's own routes that a service leaves out."""
FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css")


def folder() -> Path:
    package = find_spec("bentoml")
    if package is None or package.origin is None:
        raise ImportError("BentoML is not installed")
    return Path(package.origin).parent / "_internal" / "server" / "static_content"


def missing() -> list[str]:
    return [name for name in FILES if not (folder() / name).exists()]
