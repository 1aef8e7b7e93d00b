"""One Locust user class for each topology. Only locustfile.py imports it, since Locust patches its whole process."""

import logging
from collections.abc import Iterator
from functools import lru_cache
from itertools import count, cycle, islice
from typing import ClassVar, Final

import numpy as np
from locust import FastHttpUser, task
from locust.contrib.fasthttp import ResponseContextManager

from contract.topologies import TopologyName
from loadtests.answers import check
from loadtests.client import key_header
from loadtests.load_shapes import SHAPES
from loadtests.payloads import Payload, make_pool

logger = logging.getLogger(__name__)
HEADERS: Final = {"Content-Type": "application/json", **key_header()}


class FailedError(Exception):
    """A request without a right answer. Its text has few values, so that Locust counts equal failures together."""

    def __repr__(self) -> str:
        return str(self)  # Locust shows it on its page and in its reports


class WrongAnswerError(FailedError):
    """The status was 200, but the answer is wrong."""


class EchoUser(FastHttpUser):
    """Sends sequences of one topology, and checks every answer."""

    abstract = True
    topology: ClassVar[TopologyName]
    network_timeout = connection_timeout = 10.0  # seconds; a later answer is a failure
    _numbers: ClassVar = count()
    _shown: ClassVar[set[tuple[str, str]]] = set()

    def on_start(self) -> None:
        options = self.environment.parsed_options
        lengths = tuple(int(length) for length in options.lengths.split(",") if length)
        number = next(self._numbers)
        self._rng = np.random.default_rng([options.seed, number])
        self._think = SHAPES[options.shape].think
        self._payloads = _endless(_pool(self.topology, lengths, options.seed), start=number * 37)

    def wait_time(self) -> float:
        return float(self._rng.uniform(0, 2 * self._think))

    @task
    def echo(self) -> None:
        payload = next(self._payloads)
        with self.client.post(
            f"/{self.topology}", data=payload.body, headers=HEADERS, name=self.topology, catch_response=True
        ) as response:
            if response.status_code == 200:
                wrong = check(response.content or b"", payload)
                if wrong:
                    detail = f"{wrong.detail} (kind of payload: {payload.kind})"
                    self._fail(response, WrongAnswerError(f"wrong answer: {wrong.reason}"), detail)
            elif response.status_code:  # 0 means no answer; Locust has the reason then
                detail = (response.content or b"")[:400].decode(errors="replace")
                self._fail(response, FailedError(f"status {response.status_code}"), detail)

    def _fail(self, response: ResponseContextManager, error: FailedError, detail: str) -> None:
        """Count the failure. The first one of each kind is also logged in full."""
        response.failure(error)  # type: ignore[no-untyped-call]
        if (self.topology, str(error)) not in self._shown:
            self._shown.add((self.topology, str(error)))
            logger.warning("%s: %s: %s", self.topology, error, detail)


class OneToOneUser(EchoUser):
    topology = "one_to_one"


class ManyToOneUser(EchoUser):
    topology = "many_to_one"


class ManyToManyUser(EchoUser):
    topology = "many_to_many"


@lru_cache
def _pool(topology: TopologyName, lengths: tuple[int, ...], seed: int) -> list[Payload]:
    return make_pool(topology, lengths, seed)  # all users of a topology share it


def _endless(pool: list[Payload], start: int) -> Iterator[Payload]:
    """Repeat the pool forever; each user begins at another payload."""
    return islice(cycle(pool), start % len(pool), None)
