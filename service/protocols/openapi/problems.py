"""Which problems an operation may answer with, and their schemas: one for each status, with the types that have it."""

from typing import Any, Final, NamedTuple

from service import errors
from service.errors import UnrollError
from service.protocols.openapi.operations import Operation
from service.security.key_check import OPEN

PROBLEM: Final = "application/problem+json"
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": _TEXT}
_SAID: Final = ("expected", "received", "hint")
MEMBERS: Final[dict[str, dict[str, Any]]] = {
    "expected": {"type": ["string", "integer"], "description": "What the service expected."},
    "received": {"type": ["string", "integer"], "description": "What the request has in its place."},
    "hint": _TEXT | {"description": "The likely slip, and what to do."},
    "row": _COUNT | {"description": "The first row that is refused."},
    "model": _TEXT | {"description": "The model that was asked."},
    "models": _TEXTS | {"description": "The names that are served."},
    "versions": _TEXTS | {"description": "The versions in memory."},
    "aliases": _TEXTS | {"description": "The aliases that exist."},
    "allowed": _TEXTS | {"description": "The methods that the path takes, or the encodings that a body may have."},
    "reason": _TEXT | {"enum": ["bytes", "rate", "time"], "description": "Which limit was reached."},
    "retry_after_ms": _COUNT | {"description": "Milliseconds after which to try again: finer than `retry-after`."},
    "received_length": _COUNT | {"description": "The length of the request's rows."},
    "served_lengths": {"type": "array", "items": _COUNT, "description": "The lengths that are served."},
    "example": {"type": "object", "description": "The body of a request that works."},
    "max_body_bytes": _COUNT,
    "max_headers": _COUNT,
    "max_header_bytes": _COUNT,
}
"""What a problem may have beside the members of RFC 9457."""
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "x-request-id": {"description": "The request's own id, or a new one.", "schema": _TEXT},
    "x-content-type-options": {"description": "Always `nosniff`.", "schema": _TEXT | {"const": "nosniff"}},
    "cache-control": {"description": "Always `no-store`.", "schema": _TEXT | {"const": "no-store"}},
    "retry-after": {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 1}},
    "www-authenticate": {"description": "How to name a key.", "schema": _TEXT},
    "allow": {"description": "The methods that the path takes.", "schema": _TEXT},
    "accept-encoding": {"description": "The encodings that a body may have.", "schema": _TEXT},
}


class Kind(NamedTuple):
    """Where an error arises, and what it adds. "": at the operations that list it."""

    where: str = ""
    members: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


_CHALLENGE: Final = ("www-authenticate",)
KINDS: Final[dict[type[UnrollError], Kind]] = {
    UnrollError: Kind("ours"),
    errors.NotFinite: Kind(),
    errors.NotJSON: Kind(),
    errors.NotDecodable: Kind("body"),
    errors.InvalidTimeout: Kind("ours"),
    errors.NotHTTP: Kind("all"),
    errors.NotTLS: Kind("all"),
    errors.WrongHost: Kind("all"),
    errors.MissingKey: Kind("keys", headers=_CHALLENGE),
    errors.WrongKey: Kind("keys", headers=_CHALLENGE),
    errors.ExpiredKey: Kind("keys", headers=_CHALLENGE),
    errors.WrongScope: Kind("keys", headers=_CHALLENGE),
    errors.SlowBody: Kind("body"),
    errors.UnknownRoute: Kind(),
    errors.UnknownModel: Kind(members=("models",)),
    errors.UnknownVersion: Kind(members=("model", "aliases", "versions")),
    errors.WrongMethod: Kind("all", ("allowed",), ("allow",)),
    errors.Unchangeable: Kind(),
    errors.BodyTooLarge: Kind("body", ("max_body_bytes",)),
    errors.WrongContentType: Kind("body"),
    errors.WrongContentEncoding: Kind("body", ("allowed",), ("accept-encoding",)),
    errors.Misdirected: Kind("all"),
    errors.InvalidRequest: Kind(members=_SAID),
    errors.InvalidShape: Kind(members=_SAID),
    errors.OutOfDomain: Kind(members=("expected", "received", "row")),
    errors.TooFarOut: Kind(members=("expected", "received", "row")),
    errors.TooManyValues: Kind(members=("expected", "received")),
    errors.LengthNotServed: Kind(members=("received_length", "served_lengths")),
    errors.Overloaded: Kind("", ("reason", "retry_after_ms"), ("retry-after",)),
    errors.RateLimited: Kind("keys", ("reason", "retry_after_ms"), ("retry-after",)),
    errors.HeadersTooLarge: Kind("all", ("max_headers", "max_header_bytes")),
    errors.UnknownTransferCoding: Kind("all"),
    errors.ModelNotServed: Kind(),
    errors.TooManyConnections: Kind("all", headers=("retry-after",)),
    errors.DeadlineExceeded: Kind(),
    errors.WrongVersion: Kind("all"),
}
"""Every error of `service/errors.py`."""


def kinds_of(operation: Operation, keys: bool) -> dict[int, list[type[UnrollError]]]:
    """The errors that an operation may answer with, by status. `keys`: whether it needs a key."""
    where = {"all": True, "ours": not operation.of_bentoml, "keys": keys, "body": operation.method == "POST"}
    found: dict[int, list[type[UnrollError]]] = {}
    for kind, (place, _, _) in KINDS.items():
        probe = kind is errors.TooManyConnections and operation.path in OPEN
        if (where.get(place, False) or kind in operation.errors) and not probe:
            found.setdefault(kind.status, []).append(kind)
    return dict(sorted(found.items()))


def members_of(kind: type[UnrollError]) -> tuple[str, ...]:
    return (*KINDS[kind].members, *(("example",) if kind.example_helps else ()))


def problem_schema(status: int) -> dict[str, Any]:
    kinds = [kind for kind in KINDS if kind.status == status]
    members = dict.fromkeys(member for kind in kinds for member in members_of(kind))
    types = [f"urn:unroll:error:{kind.slug}" for kind in kinds]
    return {
        "type": "object",
        "description": "An error as RFC 9457 has it. `detail` says what was expected, what came, and the likely slip.",
        "properties": {
            "type": _TEXT | {"enum": types, "description": "Stable: to tell errors apart."},
            "title": _TEXT,
            "status": {"type": "integer", "const": status},
            "detail": _TEXT,
            **{member: MEMBERS[member] for member in members},
        },
        "required": ["type", "title", "status", "detail"],
    }


def problem_response(status: int, kinds: list[type[UnrollError]], common: tuple[str, ...]) -> dict[str, Any]:
    """`common`: names of the headers that every answer has."""
    own = sorted({name for kind in kinds for name in KINDS[kind].headers})
    return {
        "description": "\n".join(f"- `{kind.slug}`: {kind.title}." for kind in kinds),
        "headers": headers((*common, *own)),
        "content": {PROBLEM: {"schema": {"$ref": f"#/components/schemas/Problem{status}"}}},
    }


def headers(names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """References to headers of `HEADERS`."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
