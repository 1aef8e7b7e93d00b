"""A real service with two workers to break, and the load that shows the damage."""

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
import psutil  # type: ignore[import-untyped]
import uvloop

from benchmarks.load.open_loop import TICK, OpenLoop, Outcome
from benchmarks.servers.payloads import rows_body, rows_items
from benchmarks.servers.running import check
from tests.asking import PATIENCE, get, post, until
from tests.e2e.conftest import workers_of

WORKERS = 2
PATH = "/many_to_many"
JSON = {"content-type": "application/json"}
ROWS = 3
RATE = 100.0


@dataclass
class Service:
    url: str
    home: Path
    supervisor: psutil.Process

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def workers(self) -> list[psutil.Process]:
        return workers_of(self.supervisor)

    def gauge(self, name: str) -> float:
        (found,) = re.findall(rf"^{name} (\S+)$", get(f"{self.url}/metrics").text, re.MULTILINE)
        return float(found)

    def whole(self) -> bool:
        try:
            return self.gauge("unroll_ready_workers") == WORKERS
        except httpx2.HTTPError:
            return False

    @property
    def answer(self) -> bytes:
        """The right answer to the load's request, checked to echo."""
        answer = post(f"{self.url}{PATH}", content=rows_body(ROWS), headers=JSON).content
        check(answer, [item for row in rows_items(ROWS) for item in row])
        return answer


class Toll(NamedTuple):
    """Numbers of requests: all, lost, refused with 429, and answered wrongly."""

    requests: int
    lost: int
    refused: int
    wrong: int


class Load:
    """Open-loop requests at a constant rate, from a thread. Every answer is compared byte for byte."""

    def __init__(self, service: Service) -> None:
        self._service, self._expected = service, service.answer
        self._stop, self._sent = threading.Event(), 0
        self._load: OpenLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="load")
        self.fault_at = time.monotonic()

    @property
    def outcomes(self) -> list[Outcome]:
        return list(self._load.outcomes) if self._load else []

    @property
    def answered(self) -> int:
        return sum(outcome.status == 200 for outcome in self.outcomes)

    def goes_on(self, answers: int = 50) -> None:
        """Wait until the service has given so many more answers."""
        goal = self.answered + answers
        until(lambda: self.answered >= goal)

    def at_the_next_worker(self, fault: Callable[[psutil.Process], None]) -> psutil.Process:
        """Do `fault` to the worker that the next request goes to. The load sends nothing while it happens."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._at_the_next_worker(fault), self._loop).result(PATIENCE)

    async def _at_the_next_worker(self, fault: Callable[[psutil.Process], None]) -> psutil.Process:
        assert self._load is not None
        while not self._load.idle or self._load.busy:
            await asyncio.sleep(TICK)
        transport = self._load.idle[-1].transport  # the next request takes the last used of the idle connections
        assert transport is not None
        _, port = transport.get_extra_info("sockname")
        (holds,) = [w for w in self._service.workers if port in {c.raddr.port for c in w.net_connections("tcp") if c.raddr}]
        self.fault_at = time.monotonic()
        fault(holds)
        return holds

    def begin_fault(self) -> None:
        self.fault_at = time.monotonic()

    def start(self) -> None:
        self._thread.start()
        self.goes_on()

    def stop(self) -> None:
        """Send no more requests, and wait for the last answers."""
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        uvloop.run(self._offer())

    async def _offer(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._load = OpenLoop(self._service.port, PATH, rows_body(ROWS), self._expected, most_connections=256)
        await self._load.offer(self._due(), settle=20)
        self._load.close()

    def _due(self) -> Iterator[float]:
        while not self._stop.is_set():
            yield self._sent / RATE
            self._sent += 1

    @property
    def lost(self) -> list[Outcome]:
        """Outcomes that are neither an answer nor a 429."""
        return [outcome for outcome in self.outcomes if outcome.status not in (200, 429)]

    @property
    def statuses(self) -> dict[int, int]:
        """Number of outcomes by status; 0 is a broken connection."""
        return dict(Counter(outcome.status for outcome in self.outcomes))

    @property
    def toll(self) -> Toll:
        """The numbers of the whole load. Call it after `stop`."""
        assert self._load is not None
        refused = sum(outcome.status == 429 for outcome in self.outcomes)
        unanswered = self._sent - len(self.outcomes)  # some may be unsent: no connection was free
        return Toll(self._sent, len(self.lost) + unanswered, refused, sum(not outcome.right for outcome in self.outcomes))

    @property
    def failing_seconds(self) -> float:
        """From the fault to the last outcome other than 200; 0 when there was none."""
        return max(
            (outcome.due + outcome.took - self.fault_at for outcome in self.outcomes if outcome.status != 200), default=0.0
        )

    @property
    def slowest_seconds(self) -> float:
        return max(outcome.took for outcome in self.outcomes)


@contextmanager
def under_load(service: Service) -> Iterator[Load]:
    load = Load(service)
    load.start()
    try:
        yield load
    finally:
        load.stop()


def nobody_notices(load: Load) -> None:
    assert (load.statuses, load.toll) == ({200: load.toll.requests}, Toll(load.toll.requests, 0, 0, 0))


def request(body: bytes = b"", headers: str = "", length: int | None = None) -> bytes:
    """The bytes of a prediction request."""
    announced = len(body) if length is None else length
    head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}"
    head += f"content-length: {announced}\r\n\r\n"
    return head.encode() + body


def title(answer: bytes) -> str:
    """The kind of error in a raw HTTP answer."""
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["type"]).rpartition(":")[2]
