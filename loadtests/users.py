"""One Locust user class for each served model. Only locustfile.py imports it, since Locust patches its whole process."""

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import count, cycle, islice
from typing import ClassVar, Final

import numpy as np
from locust import FastHttpUser, task
from locust.contrib.fasthttp import ResponseContextManager

from loadtests.answers import check
from loadtests.client import key_header
from loadtests.load_shapes import SHAPES
from loadtests.models import Model, Models
from loadtests.payloads import Payload, make_pool

logger = logging.getLogger(__name__)
HEADERS: Final = {"Content-Type": "application/json", **key_header()}
other_version: Final[Counter[str]] = Counter()
"""Model -> answers from another version than at the start. Only their shape was checked."""


class FailedError(Exception):
    """A request without a right answer. Its text has few values, so that Locust counts equal failures together."""

    def __repr__(self) -> str:
        return str(self)  # Locust shows it on its page and in its reports


class WrongAnswerError(FailedError):
    """The status was 200, but the answer is wrong."""


class ModelUser(FastHttpUser):
    """Sends sequences to one model, and checks every answer."""

    abstract = True
    model: ClassVar[Model]
    network_timeout = connection_timeout = 10.0  # seconds; a later answer is a failure
    _pool: ClassVar[list[Payload]]  # all users of a model share it
    _numbers: ClassVar = count()
    _shown: ClassVar[set[tuple[str, str]]] = set()

    def on_start(self) -> None:
        options = self.environment.parsed_options
        number = next(self._numbers)
        self._rng = np.random.default_rng([options.seed, number])
        self._think = SHAPES[options.shape].think
        self._payloads = _endless(self._pool, start=number * 37)

    def wait_time(self) -> float:
        return float(self._rng.uniform(0, 2 * self._think))

    @task
    def predict(self) -> None:
        payload, name = next(self._payloads), self.model.name
        with self.client.post(self.model.path, data=payload.body, headers=HEADERS, name=name, catch_response=True) as response:
            if response.status_code == 200:
                wrong, other = check(response.content or b"", payload)
                other_version[name] += other
                if wrong:
                    detail = f"{wrong.detail} (kind of payload: {payload.kind})"
                    self._fail(response, WrongAnswerError(f"wrong answer: {wrong.reason}"), detail)
            elif response.status_code:  # 0 means no answer; Locust has the reason then
                detail = (response.content or b"")[:400].decode(errors="replace")
                self._fail(response, FailedError(f"status {response.status_code}"), detail)

    def _fail(self, response: ResponseContextManager, error: FailedError, detail: str) -> None:
        """Count the failure. The first one of each kind is also logged in full."""
        response.failure(error)  # type: ignore[no-untyped-call]
        if (self.model.name, str(error)) not in self._shown:
            self._shown.add((self.model.name, str(error)))
            logger.warning("%s: %s: %s", self.model.name, error, detail)


def user_classes(asked: Models) -> list[type[ModelUser]]:
    """A class for each model, with the model's name, which Locust shows."""
    return [
        type(model.name, (ModelUser,), {"abstract": False, "model": model, "_pool": make_pool(model, asked.seed)})
        for model in asked.models
    ]


def _endless(pool: list[Payload], start: int) -> Iterator[Payload]:
    """Repeat the pool forever; each user begins at another payload."""
    return islice(cycle(pool), start % len(pool), None)
