"""The cost of traces: processor time a request and throughput, with an OTLP endpoint and without.

    python -m benchmarks.tracing_cost [--sample 0.01] [--rounds 6] [--seconds 5]

Two services take turns under load; the order changes with each round. A receiver drops the traces. Go by processor time: on a
shared machine it varies less than throughput. Ends with one JSON line.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from benchmarks.load import wrk
from benchmarks.load.interruptible import interruptible
from benchmarks.servers import machine
from benchmarks.servers.payloads import rows_body
from benchmarks.servers.running import Server, running
from benchmarks.servers.served_model import model_folder
from benchmarks.servers.stub_server import Quiet, listening
from benchmarks.servers.targets import unroll

CONNECTIONS = 64


class Receiver(Quiet):
    """Drops every export."""

    exports: ClassVar[list[int]] = []  # bytes of each export

    def post(self, body: bytes) -> None:
        self.exports.append(len(body))
        self.reply(200)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=float, default=0.01, help="share of requests with a trace (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each service (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5, help="length of a turn (default: %(default)s)")
    options = parser.parse_args(arguments)
    return interruptible("benchmarks.tracing_cost", lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, listening(Receiver) as endpoint:
        folder, body = Path(scratch), Path(scratch) / "body"
        body.write_bytes(rows_body(1))
        traced = unroll({"UNROLL_OTLP_ENDPOINT": endpoint, "UNROLL_TRACE_SAMPLE": f"{options.sample}"})
        with (
            running(unroll(), model_folder(), folder / "without") as without,
            running(traced, model_folder(), folder / "with") as with_,
        ):
            spent, lost = [], []  # by round: additional processor time and lost throughput, as shares
            for server in (without, with_):
                wrk.run(server.url, CONNECTIONS, 3, body)
            for number in range(options.rounds):
                turn = (without, with_) if number % 2 else (with_, without)
                found = {server.pid: loaded(server, options.seconds, body) for server in turn}
                (rate, cpu), (traced_rate, traced_cpu) = found[without.pid], found[with_.pid]
                spent.append(traced_cpu / cpu - 1)
                lost.append(1 - traced_rate / rate)
                print(
                    f"without {rate:,.0f}/s, {cpu:.1f} us each; with {traced_rate:,.0f}/s, {traced_cpu:.1f} us", file=sys.stderr
                )
    if not Receiver.exports:
        print("benchmarks.tracing_cost: the receiver got no traces", file=sys.stderr)
        return 1
    medians = {"cpu_more": statistics.median(spent), "throughput_less": statistics.median(lost)}
    rounds = {"cpu_more_rounds": spent, "throughput_less_rounds": lost, "exports": len(Receiver.exports)}
    print(json.dumps({"sample": options.sample, **medians, **rounds, **machine.facts()}))
    return 0


def loaded(server: Server, seconds: float, body: Path) -> tuple[float, float]:
    """Good answers a second, and the service's processor time for each in microseconds."""
    before = machine.processor_seconds(server.pid)
    rate = wrk.run(server.url, CONNECTIONS, seconds, body).rps
    return rate, (machine.processor_seconds(server.pid) - before) / (rate * seconds) * 1e6


if __name__ == "__main__":
    sys.exit(main())
