"""Renders an error as a problem (RFC 9457): for every protocol that has no form of its own for errors."""

from service.errors import UnrollError
from service.http.messages import Response
from service.protocols.schemas import Problem


def render_error(error: UnrollError) -> Response:
    """The error's own facts stand beside the standard members."""
    problem = Problem(type=error.type, title=error.title, status=error.status, detail=error.detail, **error.extra)
    headers = tuple((name.encode(), value.encode("latin-1", "replace")) for name, value in error.headers.items())
    return Response(problem.model_dump_json().encode(), error.status, b"application/problem+json", headers)
