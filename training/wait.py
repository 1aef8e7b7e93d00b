"""Wait until every worker of a running service does what the store says."""

import time
from typing import Any

import httpx

PAUSE = 0.1
"""Seconds between two looks."""


class NotServed(Exception):
    """The time is over; the message names the workers that serve something else, or says why nobody could be asked."""


def wait_until_served(url: str, name: str, role: str, version: str | None, timeout: float) -> int:
    """How many workers there are, once `GET {url}/models` shows `version` as `role` of `name` for each of them.

    `role` is an alias, `canary` or `shadow`; None: nothing is on trial. Raises NotServed after `timeout` seconds.
    """
    until = time.monotonic() + timeout
    with httpx.Client(timeout=max(timeout, PAUSE)) as client:
        while True:
            try:
                workers = _workers(client, url)
                behind = {pid: serving for pid, serving in workers.items() if serving.get(name, {}).get(role) != version}
                if workers and not behind:
                    return len(workers)
                told = ", ".join(f"worker {pid}: {serving.get(name, {}).get(role)}" for pid, serving in behind.items())
                why = told or "it names no worker"
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                why = f"GET {url}/models: {error or type(error).__name__}"
            if time.monotonic() >= until:
                raise NotServed(f"after {timeout:g} s {version} is not {role} of {name} everywhere at {url}: {why}")
            time.sleep(PAUSE)


def _workers(client: httpx.Client, url: str) -> dict[int, dict[str, dict[str, Any]]]:
    """Process id -> model name -> alias, `canary` or `shadow` -> version."""
    answer = client.get(f"{url.rstrip('/')}/models").raise_for_status().json()
    try:
        return {worker["pid"]: worker["serving"] for worker in answer["workers"]}
    except (KeyError, TypeError) as error:
        raise ValueError("the answer has no list of workers: is it this service?") from error
