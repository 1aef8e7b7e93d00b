"""Prints the served models, the address and a request to paste, once the service answers."""

import json
import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from contract.hints import typed
from service.telemetry.log_format import LogFormat

logger = logging.getLogger(__name__)
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address that answers on all of them


class Example(NamedTuple):
    """A model's default version, and a request that it answers."""

    name: str
    version: str
    aliases: Sequence[str]
    request: dict[str, Any] | None  # None: it would be long


class Ready:
    """`models`: by the time of the start. `host`: the name that requests must be for, if it is another than the address."""

    def __init__(self, form: LogFormat, keys: Path | None, hosts: Sequence[str]) -> None:
        self._form, self._keys, self._hosts = form, keys, hosts
        self.models: Callable[[], list[Example]] = list

    def say(self, name: object, tls: bool) -> None:
        """`name`: of the socket, as `getsockname` gives it."""
        scheme = "https" if tls else "http"
        host, port = (str(name[0]), name[1]) if isinstance(name, tuple) else (str(name), 0)
        url, models = f"{scheme}://{_in_url(host)}:{port}", self.models()
        if self._form == "json":
            logger.info("ready: %s", url)
            return
        if not isinstance(name, tuple):
            sys.stdout.write(f"ready: {name}\n")
            return
        here = f"{scheme}://{_in_url(LOOPBACK.get(host, host))}:{port}"
        wide, long = (max(map(len, column), default=0) for column in ([m.name for m in models], [m.version for m in models]))
        for each in models:
            sys.stdout.write(f"  {each.name:{wide}}  {each.version:{long}}  {', '.join(each.aliases)}\n")
        sys.stdout.write(f"ready: {url}\npage:  {here}/\n")
        if requests := [(json.dumps(each.request), each.name) for each in models if each.request is not None]:
            sys.stdout.write(f"try:   {self._curl(here, tls, *min(requests, key=lambda each: len(each[0])))}\n")
        if self._keys is not None:
            sys.stdout.write(f"key:   put a key of {self._keys} into UNROLL_KEY; `{typed('keys new NAME')}` makes one\n")
        sys.stdout.flush()

    def _curl(self, url: str, tls: bool, body: str, model: str) -> str:
        route = f"{url}/models/{model}/predict"
        words = ["curl -sk" if tls else "curl -s", route, "-H 'content-type: application/json'"]
        if self._hosts and not {"*", "127.0.0.1", "localhost"} & set(self._hosts):
            words.append(shlex.quote(f"-Hhost: {self._hosts[0]}"))
        if self._keys is not None:
            words.append('-H "authorization: Bearer $UNROLL_KEY"')
        return " ".join([*words, f"-d '{body}'"])


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
