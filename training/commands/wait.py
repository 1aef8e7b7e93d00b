"""Waits until every worker of a running service has the change in the store."""

import ssl
import time
from collections.abc import Mapping
from functools import cache

import httpx2
from pydantic import BaseModel, ValidationError

PAUSE = 0.1
"""Seconds between two requests."""
ANSWER = 5.0
"""Seconds that one answer may take, even beyond the timeout."""


class _Worker(BaseModel):
    pid: int
    serving: dict[str, dict[str, str | None]]


class _Models(BaseModel):
    """The part of the service's answer that is read."""

    workers: list[_Worker]


class NotServed(Exception):
    """The timeout has passed. The message names workers with other versions, or says why asking failed."""


def wait_until_served(url: str, name: str, wanted: Mapping[str, str | None], timeout: float, key: str | None = None) -> int:
    """The number of workers, once `GET {url}/models` shows the `wanted` versions of `name` for each.

    `wanted` is role -> version. A role is an alias, `canary` or `shadow`; None: no such trial. `key` is for a service with
    keys. Raises NotServed after `timeout` seconds, and at once where the service refuses the key.
    """
    until = time.monotonic() + timeout
    with httpx2.Client(headers={"authorization": f"Bearer {key}"} if key else {}, verify=_authorities()) as client:
        while True:
            try:
                workers = _workers(client, url, max(until - time.monotonic(), ANSWER))
                behind = [
                    f"worker {pid} has {serving.get(name, {}).get(role) or 'nothing'} as {role}"
                    for pid, serving in workers.items()
                    for role, version in wanted.items()
                    if serving.get(name, {}).get(role) != version
                ]
                if workers and not behind:
                    return len(workers)
                why = ", ".join(behind) or "it names no worker"
            except httpx2.HTTPStatusError as error:
                why = f"GET {url}/models: {error}"
                if error.response.status_code in (401, 403):
                    hint = "the service refuses the key in UNROLL_KEY" if key else "put a key of the service into UNROLL_KEY"
                    raise NotServed(f"{why.splitlines()[0]}: {hint}") from None
            except httpx2.HTTPError as error:
                why = f"GET {url}/models: {error or type(error).__name__}"
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(map(str, fault["loc"])) or "it"
                why = f"GET {url}/models is not the answer of an unroll service: {where}: {fault['msg']}"
            if time.monotonic() >= until:
                told = ", ".join(f"{version or 'nothing'} as {role}" for role, version in wanted.items())
                raise NotServed(f"after {timeout:g} s not every worker at {url} has {told} of {name}: {why}")
            time.sleep(PAUSE)


@cache
def _authorities() -> ssl.SSLContext:
    """Read once: reading takes 20 ms of processor time."""
    return httpx2.create_ssl_context()


def _workers(client: httpx2.Client, url: str, timeout: float) -> dict[int, dict[str, dict[str, str | None]]]:
    """Process id -> model name -> alias, `canary` or `shadow` -> version. Raises HTTPError or ValidationError."""
    answer = client.get(f"{url.rstrip('/')}/models", timeout=timeout).raise_for_status().content
    return {worker.pid: worker.serving for worker in _Models.model_validate_json(answer).workers}
