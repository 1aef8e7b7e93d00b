"""Wait until every worker of a running service does what the store says."""

import time

import httpx
from pydantic import BaseModel, ValidationError

PAUSE = 0.1
"""Seconds between two looks."""


class _Worker(BaseModel):
    pid: int
    serving: dict[str, dict[str, str | None]]


class _Models(BaseModel):
    """Of the service's answer, what is looked at."""

    workers: list[_Worker]


class NotServed(Exception):
    """The time is over; the message names the workers that serve something else, or says why nobody could be asked."""


def wait_until_served(url: str, name: str, role: str, version: str | None, timeout: float) -> int:
    """How many workers there are, once `GET {url}/models` shows `version` as `role` of `name` for each of them.

    `role` is an alias, `canary` or `shadow`; None: nothing is on trial. Raises NotServed after `timeout` seconds.
    """
    until = time.monotonic() + timeout
    with httpx.Client() as client:
        while True:
            try:
                workers = _workers(client, url, max(until - time.monotonic(), PAUSE))
                roles = {pid: serving.get(name, {}).get(role) for pid, serving in workers.items()}
                behind = [f"worker {pid} has {served or 'nothing'}" for pid, served in roles.items() if served != version]
                if workers and not behind:
                    return len(workers)
                why = ", ".join(behind) or "it names no worker"
            except httpx.HTTPError as error:
                why = f"GET {url}/models: {error or type(error).__name__}"
            except ValidationError as error:
                fault = error.errors()[0]
                where = ".".join(map(str, fault["loc"])) or "it"
                why = f"GET {url}/models answers as no unroll service does: {where}: {fault['msg']}"
            if time.monotonic() >= until:
                wanted = version or "nothing"
                raise NotServed(f"after {timeout:g} s not every worker at {url} has {wanted} as {role} of {name}: {why}")
            time.sleep(PAUSE)


def _workers(client: httpx.Client, url: str, timeout: float) -> dict[int, dict[str, dict[str, str | None]]]:
    """Process id -> model name -> alias, `canary` or `shadow` -> version. Raises HTTPError or ValidationError."""
    answer = client.get(f"{url.rstrip('/')}/models", timeout=timeout).raise_for_status().content
    return {worker.pid: worker.serving for worker in _Models.model_validate_json(answer).workers}
