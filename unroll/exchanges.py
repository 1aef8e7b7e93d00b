"""What a client sends and reads, without sending anything itself: one implementation for `Client` and `AsyncClient`.

An exchange is a generator. It yields requests that may be sent at once and in any order, takes their answers in the order of
the requests, and returns the result.
"""

import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import numpy as np
import orjson

from contract.rows import Ints, Rows
from contract.topologies import TOPOLOGIES
from service.errors import Overloaded, RateLimited, TooManyConnections, UnrollError
from service.protocols.schemas import Limits, ModelInfo, Models
from unroll.given import moved
from unroll.inputs import in_parts, taken
from unroll.model_names import parsed
from unroll.predictions import Prediction, joined
from unroll.problems import NotReached, OtherAnswer, of_problem

Result = TypeVar("Result")
KNOWN_SECONDS: Final = 10.0
"""How long a client trusts an answer of `GET /models`: limits, and the features of each model."""
NUMBER_BYTES: Final = 16
"""Most bytes of a float32 in JSON, with its comma: -1.1754944e-38 has 14."""
OTHER_BYTES: Final = 2_000
"""Of a request's body beside its numbers and brackets: the version, the routing key, the names of fields."""
AGAIN: Final = (Overloaded, RateLimited, TooManyConnections)
"""The service took none of the request: it may be sent again."""


class Received(NamedTuple):
    """An answer of HTTP."""

    status: int
    headers: dict[str, str]
    content: bytes


class Asked(NamedTuple):
    """A request, and how its answer is read. `read` raises an UnrollError for the answer of an error."""

    method: str
    path: str
    content: bytes | None
    read: Callable[[Received], Any]


Exchange = Generator[Iterable[Asked], list[Any], Result]


def seconds_to_wait(error: Exception, most: float) -> float | bool:
    """How long to wait before a request is sent again; False: do not; True: as long as after so many attempts is usual.

    A refusal says when to come back. A prediction changes nothing, so a request whose connection broke is sent again, too.
    """
    if isinstance(error, NotReached):
        return error.again
    if not isinstance(error, AGAIN) and not (isinstance(error, UnrollError) and error.status == 503 and _says_when(error)):
        return isinstance(error, OtherAnswer) and error.status in (429, 503)
    milliseconds = error.extra.get("retry_after_ms")
    stated = milliseconds / 1e3 if milliseconds is not None else _seconds(error.headers.get("retry-after", ""))
    if stated is None:
        return True
    return stated * random.uniform(1.0, 1.25) if stated <= most else False  # noqa: S311 - so that clients do not come at once


def _says_when(error: UnrollError) -> bool:
    return "retry_after_ms" in error.extra or "retry-after" in error.headers


def _seconds(header: str) -> float | None:
    return float(header) if header.isdigit() else None


class Exchanges:
    """All exchanges of one client, and what it knows of the service."""

    def __init__(self) -> None:
        self._known: Models | None = None
        self._read_at = 0.0  # time.monotonic()

    def models(self) -> Exchange[Models]:
        (self._known,) = yield [Asked("GET", "models", None, _read_models)]
        self._read_at = time.monotonic()
        assert self._known is not None  # noqa: S101 - what was just read
        return self._known

    def predict(
        self, model: str, rows: Any, strict: bool, routing_key: str | None, sequence: str | None, time_column: str | None
    ) -> Exchange[Prediction]:
        """The first part alone finds the version, which answers all other parts."""
        name, wanted = parsed(model)
        known = self._known
        if known is None or time.monotonic() > self._read_at + KNOWN_SECONDS:
            known = yield from self.models()
        info = _info(known, name, wanted)
        if info is None:  # the service says what is wrong with the name
            (info,) = yield [Asked("GET", _path(name), None, _read_model)]
        features = [feature.name for feature in info.features]
        fields = {"model_version": wanted, "routing_key": routing_key, "strict": strict}
        while True:
            given = taken(rows, features, sequence, time_column)
            parts = _parts(given.rows, known.limits)
            first = next(parts)
            (answer,) = yield [_asked(name, first, fields, 0)]
            fields["model_version"] = answer.prediction.version
            if not given.by_name or answer.features == features:
                break
            features = answer.features  # a newer version answered, and it has the features in another order
        others = yield _rest(name, parts, fields, len(first.lengths))
        whole = joined([answer.prediction, *(other.prediction for other in others)])
        return replace(whole, names=given.names)


class _Answer(NamedTuple):
    prediction: Prediction
    features: list[str]  # in the order of the version that answered


def _info(known: Models, name: str, wanted: str | None) -> ModelInfo | None:
    """What is known of the version that a request names; of a version that is not in memory, what the model's default is."""
    infos = [info for info in known.models if info.name == name]
    named = (info for info in infos if wanted in (info.version, *info.aliases))
    return next(named, next((info for info in infos if info.default), None))


def _parts(rows: Rows, limits: Limits) -> Iterator[Rows]:
    """Parts of which none is over a limit of the service. A row that is over a limit by itself is left to the service."""
    if not rows.lengths:
        return iter([rows])
    numbers = min(limits.max_items, (limits.max_body_bytes - OTHER_BYTES) // NUMBER_BYTES)
    return in_parts(rows, max(1, numbers // rows.features), limits.max_rows)


def _rest(name: str, parts: Iterable[Rows], fields: dict[str, Any], row: int) -> Iterator[Asked]:
    """`row`: the place of the first row of these parts."""
    for part in parts:
        yield _asked(name, part, fields, row)
        row += len(part.lengths)


def _asked(name: str, rows: Rows, fields: dict[str, Any], row: int) -> Asked:
    sequences = rows.values.reshape(-1, rows.features) if rows.features > 1 else rows.values.reshape(-1)
    by_row = sequences.reshape(-1, rows.uniform, *sequences.shape[1:]) if rows.uniform else np.split(sequences, rows.starts[1:])
    body = {"sequences": by_row if rows.lengths else [], **{field: value for field, value in fields.items() if value}}
    content = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return Asked("POST", f"{_path(name)}/predict", content, partial(_read_prediction, np.array(rows.lengths), row))


def _path(name: str) -> str:
    """Of a model, whatever characters its name has: a name cannot lead to another route."""
    return f"models/{quote(name, safe='')}"


def _read_prediction(lengths: Ints, row: int, received: Received) -> _Answer:
    try:
        body = _read(received)
    except UnrollError as error:
        raise moved(error, row) from None
    with _as_expected(received):
        topology, version, classes = body["topology"], body["version"], tuple(body.get("classes", ()))
        answers = next(body[field] for field in ("probabilities", "sequences", "outputs") if field in body)
        if TOPOLOGIES[topology].per_step:
            answers = [*chain.from_iterable(answers)]
        values = np.array(answers, np.float32).reshape(len(answers), -1)
        in_domain = np.array(body["in_domain"], np.bool_)
        features = [feature["name"] for feature in body["domain"]]
        if len(in_domain) != len(lengths):
            raise ValueError(f"{len(in_domain)} rows")
        return _Answer(
            Prediction(body["model"], version, body["task"], topology, classes, values, lengths, in_domain), features
        )


def _read_models(received: Received) -> Models:
    content = _checked(received)
    with _as_expected(received):
        return Models.model_validate_json(content)


def _read_model(received: Received) -> ModelInfo:
    content = _checked(received)
    with _as_expected(received):
        return ModelInfo.model_validate_json(content)


def _read(received: Received) -> dict[str, Any]:
    content = _checked(received)
    with _as_expected(received):
        body: dict[str, Any] = orjson.loads(content)
        return body


def _checked(received: Received) -> bytes:
    """The content of a good answer. Raises the error of any other."""
    if received.status != 200:
        raise of_problem(received.status, received.headers, received.content)
    return received.content


@contextmanager
def _as_expected(received: Received) -> Iterator[None]:
    """Raise OtherAnswer where an answer is read that has another form."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        shown = f"{type(error).__name__}: {error}".splitlines()[0]
        raise OtherAnswer(
            received.status, f"expected an answer of an unroll service; received another ({shown})", {}
        ) from error
