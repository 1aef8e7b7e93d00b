"""Clients of a running service: `Client`, and `AsyncClient` for asyncio. `unroll/exchanges.py` says what they send."""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from pathlib import Path
from threading import Event
from typing import Any, Final, Self, TypeVar

import httpx2
import stamina

from service.errors import InvalidRequest
from service.protocols.schemas import ModelInfo
from unroll.exchanges import Asked, Exchange, Exchanges, Received, seconds_to_wait
from unroll.predictions import Prediction
from unroll.problems import NotReached

Result = TypeVar("Result")
logging.getLogger("stamina").addHandler(logging.NullHandler())  # else each wait prints a line where no logging is set up
MARGIN: Final = 5.0
"""Seconds that a client waits for an answer beyond the deadline that it names: the service answers at the deadline."""
CONNECT_SECONDS: Final = 5.0
Verify = bool | str | Path | ssl.SSLContext


class _Common:
    _http: Any
    _open: type[Any]

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        verify: Verify = True,
        timeout: float = 30.0,
        patience: float = 60.0,
        concurrency: int = 4,
    ) -> None:
        """`url`: of the service, such as http://127.0.0.1:3000. `key`: of a service that has keys.

        `verify`: the file of the authority that signed the service's certificate, or an SSLContext. `timeout`: the deadline
        of a request, in seconds. `patience`: how long a request that is refused or not answered is sent again, in seconds.
        `concurrency`: requests at once, for rows that are more than one request may have. Raises InvalidRequest.
        """
        headers = {"authorization": f"Bearer {key}"} if key else {}
        headers |= {"content-type": "application/json", "x-request-timeout-ms": str(max(1, round(timeout * 1e3)))}
        self._http = self._open(
            base_url=_address(url),
            headers=headers,
            verify=_trusted(verify),
            timeout=httpx2.Timeout(timeout + MARGIN, connect=CONNECT_SECONDS, pool=None),
            limits=httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
        )
        self._exchanges, self._concurrency, self._patience = Exchanges(), concurrency, patience
        self.url = url

    def _attempts(self, stopped: Event | None = None) -> Any:
        """The attempts at one request. None follows once `stopped`."""

        def seconds(error: Exception) -> float | bool:
            return False if stopped is not None and stopped.is_set() else seconds_to_wait(error, self._patience)

        return stamina.retry_context(on=seconds, attempts=None, timeout=self._patience, wait_jitter=0.1)

    def _not_reached(self, error: httpx2.HTTPError) -> NotReached:
        """Time that ran out after the request was sent is not tried again: the service may be at work on it."""
        late = isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout)
        again = not late and isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol)
        why = "no answer in time" if late else str(error) or type(error).__name__
        if late:
            hint = ""
        elif "CERTIFICATE_VERIFY_FAILED" in why:
            hint = ' Name the file of the authority that signed the certificate: verify="tls.crt"'
        else:
            hint = " Does the service run there? Type: unroll serve"
        return NotReached(f"{self.url}: {why}.{hint}", again=again)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.url}>"


class Client(_Common):
    """A client of a running service; several threads may use it."""

    _http: httpx2.Client
    _open = httpx2.Client

    def predict(
        self,
        model: str,
        rows: Any,
        *,
        strict: bool = False,
        routing_key: str | None = None,
        sequence: str | None = None,
        time: str | None = None,
    ) -> Prediction:
        """The answers to all rows, by one version. `model`: name, name@version or name@alias. `rows`: as of `Model.predict`.

        More rows than one request may have are sent as several. Raises an UnrollError with `type`, `status` and `detail`.
        """
        return self._run(self._exchanges.predict(model, rows, strict, routing_key, sequence, time))

    def models(self) -> list[ModelInfo]:
        """The versions that the service has in memory."""
        return self._run(self._exchanges.models()).models

    def ready(self) -> bool:
        """Whether the service answers, and is ready for requests."""
        try:
            return self._http.get("readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, exchange: Exchange[Result]) -> Result:
        try:
            requests = next(exchange)
            while True:
                requests = exchange.send(self._ask_all(requests))
        except StopIteration as ended:
            result: Result = ended.value
            return result

    def _ask_all(self, requests: Iterable[Asked]) -> list[Any]:
        """The answers in the order of the requests. At most `concurrency` requests are written and not answered."""
        left, stopped = iter(requests), Event()
        few = [*islice(left, 2)]
        if len(few) < 2:
            return [self._ask(request, stopped) for request in few]
        answers, waiting = [], deque[Future[Any]]()
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="unroll") as threads:
            try:
                for request in chain(few, left):
                    if len(waiting) == self._concurrency:
                        answers.append(_oldest(waiting))
                    waiting.append(threads.submit(self._ask, request, stopped))
                while waiting:
                    answers.append(_oldest(waiting))
                return answers
            except BaseException:
                stopped.set()  # the other threads end their request or their wait, and ask no more
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _ask(self, request: Asked, stopped: Event) -> Any:
        for attempt in self._attempts(stopped):
            if stopped.is_set():
                raise CancelledError
            with attempt:
                return request.read(self._send(request))
        raise AssertionError("the last attempt returns or raises")

    def _send(self, request: Asked) -> Received:
        try:
            answer = self._http.request(request.method, request.path, content=request.content)
        except httpx2.HTTPError as error:
            raise self._not_reached(error) from error
        return Received(answer.status_code, dict(answer.headers), answer.content)


class AsyncClient(_Common):
    """A client of a running service, for asyncio."""

    _http: httpx2.AsyncClient
    _open = httpx2.AsyncClient

    async def predict(
        self,
        model: str,
        rows: Any,
        *,
        strict: bool = False,
        routing_key: str | None = None,
        sequence: str | None = None,
        time: str | None = None,
    ) -> Prediction:
        """As `Client.predict`."""
        return await self._run(self._exchanges.predict(model, rows, strict, routing_key, sequence, time))

    async def models(self) -> list[ModelInfo]:
        """As `Client.models`."""
        return (await self._run(self._exchanges.models())).models

    async def ready(self) -> bool:
        """As `Client.ready`."""
        try:
            return (await self._http.get("readyz")).status_code == 200
        except httpx2.TransportError:
            return False

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, exchange: Exchange[Result]) -> Result:
        try:
            requests = next(exchange)
            while True:
                requests = exchange.send(await self._ask_all(requests))
        except StopIteration as ended:
            result: Result = ended.value
            return result

    async def _ask_all(self, requests: Iterable[Asked]) -> list[Any]:
        answers, waiting = [], deque[asyncio.Task[Any]]()
        try:
            for request in requests:
                if len(waiting) == self._concurrency:
                    answers.append(await _oldest_task(waiting))
                waiting.append(asyncio.create_task(self._ask(request)))
            while waiting:
                answers.append(await _oldest_task(waiting))
            return answers
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _ask(self, request: Asked) -> Any:
        async for attempt in self._attempts():
            with attempt:
                return request.read(await self._send(request))
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, request: Asked) -> Received:
        try:
            answer = await self._http.request(request.method, request.path, content=request.content)
        except httpx2.HTTPError as error:
            raise self._not_reached(error) from error
        return Received(answer.status_code, dict(answer.headers), answer.content)


def _oldest(waiting: deque[Future[Any]]) -> Any:
    """The answer to the oldest request. Raises the error of any request as soon as it comes."""
    while waiting[0] in (left := _unanswered(waiting)):
        wait(left, return_when=FIRST_COMPLETED)
    return waiting.popleft().result()


async def _oldest_task(waiting: deque[asyncio.Task[Any]]) -> Any:
    """As `_oldest`."""
    while waiting[0] in (left := _unanswered(waiting)):
        await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
    return waiting.popleft().result()


def _unanswered(waiting: Sequence[Any]) -> list[Any]:
    """Futures or tasks that are not done. Raises the error of the first that failed."""
    left = [each for each in waiting if not each.done()]
    for each in waiting:
        if each not in left:
            each.result()
    return left


def _address(url: str) -> httpx2.URL:
    expected = "an address such as http://127.0.0.1:3000"
    try:
        address = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError):
        address = httpx2.URL()
    if address.scheme not in ("http", "https") or not address.host:
        hint = f" Type http://{url}" if isinstance(url, str) and url and "://" not in url else ""
        raise InvalidRequest(f"expected {expected}; received {url!r}.{hint}", expected=expected, received=str(url))
    return address


def _trusted(verify: Verify) -> bool | ssl.SSLContext:
    if not isinstance(verify, str | Path):
        return verify
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as error:  # SSLError is one
        expected = "the file of an authority's certificate (PEM)"
        detail = f"expected {expected} as verify=; received {str(verify)!r}: {error.strerror or error}"
        raise InvalidRequest(detail, expected=expected, received=str(verify)) from error
