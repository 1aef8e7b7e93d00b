"""The errors that answers carry, of the tree in `service/errors.py`, and two of a client's own.

Each has `type`, `status`, `detail`, and in `extra` the other members of the problem. `row` is the first row at fault.
"""

from typing import Any, Final

import orjson

from service import errors
from service.errors import UnrollError


class NotReached(UnrollError):
    """No answer came: the connection was refused or broke, or time ran out. `again`: asking again may help."""

    status, slug, title = 0, "not-reached", "The service did not answer"

    def __init__(self, detail: str, *, again: bool) -> None:
        super().__init__(detail)
        self.again = again


class OtherAnswer(UnrollError):
    """The answer is not one of an unroll service of this release: a proxy's, another program's."""

    slug, title = "other-answer", "The answer is not one of an unroll service"

    def __init__(self, status: int, detail: str, headers: dict[str, str]) -> None:
        super().__init__(detail, headers=headers)
        self.status = status  # type: ignore[misc]  # that of the answer


def _tree(kind: type[UnrollError]) -> list[type[UnrollError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


KINDS: Final = {kind.slug: kind for kind in _tree(UnrollError) if kind.__module__ == errors.__name__}
SHOWN: Final = 200
"""Characters of a foreign answer in a message."""


def of_problem(status: int, headers: dict[str, str], content: bytes) -> UnrollError:
    """The error that an answer carries."""
    try:
        problem: dict[str, Any] = orjson.loads(content)
        kind = KINDS[str(problem.pop("type")).rpartition(":")[2]]
        detail = str(problem.pop("detail"))
        extra = {name: value for name, value in problem.items() if name not in ("title", "status")}
        milliseconds = extra.get("retry_after_ms", 0)
        if not isinstance(milliseconds, int) or milliseconds < 0:
            raise ValueError("a wait that is none")
        return kind(detail, headers=headers, **extra)
    except (ValueError, KeyError, AttributeError, TypeError):
        shown = content[:SHOWN].decode(errors="replace").strip()
        return OtherAnswer(status, f"expected an answer of an unroll service; received status {status}: {shown}", headers)
