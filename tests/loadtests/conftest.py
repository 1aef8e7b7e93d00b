"""A stand-in for the service: its HTTP contract over a real socket on loopback, with the network replaced by an echo."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from contract.topologies import TOPOLOGIES, Rows

MODELS = [
    {"name": topology.model_name(5), "topology": name, "version": "1", "length": 5, "aliases": ["production"]}
    for name, topology in TOPOLOGIES.items()
]


def echo(name: str, sequences: list[list[float]]) -> dict[str, Any]:
    """The answer of a model that echoes well, but not perfectly. Raises ShapeError like the service does."""
    topology, rows = TOPOLOGIES[name], Rows.of(sequences)  # type: ignore[index]
    topology.check(rows)
    outputs = topology.from_model(topology.to_model(rows) + np.float32(0.01), rows)
    return {
        "topology": name,
        "model": topology.model_name(5),
        "version": "1",
        "sequences": [row.tolist() for row in rows.split(outputs)],
        "model_input_shape": topology.shapes(rows)[0],
        "model_output_shape": topology.shapes(rows)[1],
        "in_domain": [True] * len(sequences),
    }


def answer_right(name: str, sequences: list[list[float]]) -> tuple[int, Any]:
    return 200, echo(name, sequences)


class Server(ThreadingHTTPServer):
    request_queue_size = 64  # the 5 of the standard library lets Linux drop connections, for a second each


@pytest.fixture
def fake() -> Iterator[Callable[..., str]]:
    """Starts a fake and returns its address: `fake(answer=..., models=..., ready=503)`. It ends with the test."""
    with ExitStack() as ends:

        def start(answer: Callable[..., tuple[int, Any]] = answer_right, models: Any = MODELS, ready: int = 200) -> str:
            class Handler(BaseHTTPRequestHandler):
                protocol_version = "HTTP/1.1"
                wbufsize = -1  # head and body in one write,
                disable_nagle_algorithm = True  # and no waiting for what came before

                def do_GET(self) -> None:
                    known = {"/readyz": (ready, {}), "/models": (200, {"models": models, "refused": []})}
                    self.reply(*known.get(self.path, (404, {})))

                def do_POST(self) -> None:
                    request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    self.reply(*answer(self.path[1:], request["sequences"]))

                def reply(self, status: int, content: Any) -> None:
                    body = json.dumps(content).encode()
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, *arguments: Any) -> None:
                    pass

            server = ends.enter_context(Server(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            ends.callback(thread.join)
            ends.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield start
