"""What traces cost: the throughput with an OTLP endpoint set and without.

    python -m benchmarks.tracing [--sample 0.01] [--rounds 6] [--seconds 5]

Two services side by side, loaded by turns, the order changing with each round; the traces go to a receiver that drops them.
Ends with one JSON line.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import machine, wrk
from benchmarks.commands import interruptible, model_folder
from benchmarks.payloads import rows_body
from benchmarks.servers import running
from benchmarks.targets import OURS, TARGETS, Target

CONNECTIONS = 64


class Receiver(BaseHTTPRequestHandler):
    """Takes what is exported, and drops it."""

    protocol_version = "HTTP/1.1"
    received: ClassVar[list[int]] = []  # bytes of each export

    def do_POST(self) -> None:
        self.received.append(len(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def receiver() -> Iterator[str]:
    """Its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sample", type=float, default=0.01, help="share of the requests that is traced (default: %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=6, help="turns of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="of each turn (default: %(default)s)")
    options = parser.parse_args(arguments)
    return interruptible("benchmarks.tracing", lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    ours = next(target for target in TARGETS if target.name == OURS)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, receiver() as endpoint:
        folder, body = Path(scratch), Path(scratch) / "body"
        body.write_bytes(rows_body(1))
        traced = with_settings(ours, {"UNROLL_OTLP_ENDPOINT": endpoint, "UNROLL_TRACE_SAMPLE": f"{options.sample}"})
        with (
            running(ours, model_folder(), folder / "without") as without,
            running(traced, model_folder(), folder / "with") as with_,
        ):
            ratios = []
            for server in (without, with_):
                wrk.run(server.url, CONNECTIONS, 3, body)
            for number in range(options.rounds):
                turn = (without, with_) if number % 2 else (with_, without)
                rates = {server.pid: wrk.run(server.url, CONNECTIONS, options.seconds, body).rps for server in turn}
                ratios.append(rates[with_.pid] / rates[without.pid])
                print(f"without {rates[without.pid]:,.0f}/s, with {rates[with_.pid]:,.0f}/s", file=sys.stderr)
    if not Receiver.received:
        print("benchmarks.tracing: no traces came", file=sys.stderr)
        return 1
    figures = {"sample": options.sample, "cost": 1 - statistics.median(ratios), "costs": [1 - ratio for ratio in ratios]}
    print(json.dumps({**figures, "exports": len(Receiver.received), **machine.facts()}))
    return 0


def with_settings(target: Target, settings: dict[str, str]) -> Target:
    """The same server with these in its environment."""

    def environ(model: Path, folder: Path) -> dict[str, Any]:
        return {**target.environ(model, folder), **settings}

    return replace(target, environ=environ)


if __name__ == "__main__":
    sys.exit(main())
