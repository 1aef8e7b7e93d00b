"""A service on a real socket that answers as it is told: for refusals and faults that a real one shows only by chance."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import MappingProxyType
from typing import Any, NamedTuple


class Say(NamedTuple):
    status: int
    body: dict[str, Any] | bytes
    headers: Mapping[str, str] = MappingProxyType({})


class Heard(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


Answer = Callable[[Heard], Say | None]
"""None: close the connection without an answer."""


@contextmanager
def answering(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[Heard]]]:
    """Its address, and what it has heard so far."""
    heard: list[Heard] = []
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer is written at once

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                heard.append(Heard(self.command, self.path, dict(self.headers), json.loads(content or b"{}")))
                said = answer(heard[-1])
            if said is None:
                self.close_connection = True
                return
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"content-length": str(len(body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the names of http.server

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


def models(rows: int = 10_000, items: int = 500_000, size: int = 8 << 20, **info: Any) -> Say:
    """`GET /models` with one echo."""
    domain = {"low": 0.0, "high": 1.0}
    facts: dict[str, Any] = {
        "name": "echo", "version": "1", "aliases": ["production"], "default": True, "task": "echo", "topology": "many_to_many",
        "features": [{"name": "value", "unit": "", "domain": domain}], "targets": [], "classes": [], "horizon": None,
        "any_length": True, "length": 5, "highest_length": 9, "units": 5, "layers": 1, "scaling": "none", "parameters": 146,
        "score": None, "data": None, "recipe": "general", "seed": 1, "steps": 1, "created": "2026-11-30T00:00:00Z",
        "commit": "unknown", "libraries": {}, "signatures": [], "runtime": "onnx", "gate": {},
    }  # fmt: skip
    limits = {"max_rows": rows, "max_items": items, "max_body_bytes": size, "timeout_ms": 1_000, "max_timeout_ms": 2_000}
    return Say(200, {"limits": limits, "models": [facts | info], "refused": [], "workers": []})


def echo(asked: Heard, version: str = "1", features: tuple[str, ...] = ("value",)) -> Say:
    """The answer of a version that echoes the first feature."""
    sequences = asked.body["sequences"]
    first = [[step[0] if isinstance(step, list) else step for step in row] for row in sequences]
    domain = [{"name": name, "low": 0.0, "high": 1.0} for name in features]
    facts = {"topology": "many_to_many", "model": "echo", "version": version, "task": "echo", "domain": domain}
    return Say(200, facts | {"sequences": first, "in_domain": [True] * len(sequences)})


def problem(status: int, slug: str, headers: dict[str, str] | None = None, **extra: Any) -> Say:
    facts = {"type": f"urn:unroll:error:{slug}", "title": slug, "status": status, "detail": "no", **extra}
    return Say(status, facts, {"content-type": "application/problem+json", **(headers or {})})
