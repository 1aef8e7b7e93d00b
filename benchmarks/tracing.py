"""What traces cost: processor time for a request, and throughput, with an OTLP endpoint set and without.

    python -m benchmarks.tracing [--sample 0.01] [--rounds 6] [--seconds 5]

Two services side by side, loaded by turns, the order changing with each round; the traces go to a receiver that drops them.
Processor time is what to go by: it moves less with what else a shared machine does. Ends with one JSON line.
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
from benchmarks.load.command import interruptible
from benchmarks.servers import machine
from benchmarks.servers.loopback import Quiet, listening
from benchmarks.servers.model import model_folder
from benchmarks.servers.payloads import rows_body
from benchmarks.servers.running import Server, running
from benchmarks.servers.targets import unroll

CONNECTIONS = 64


class Receiver(Quiet):
    """Takes what is exported, and drops it."""

    exports: ClassVar[list[int]] = []  # bytes of each

    def post(self, body: bytes) -> None:
        self.exports.append(len(body))
        self.reply(200)


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
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, listening(Receiver) as endpoint:
        folder, body = Path(scratch), Path(scratch) / "body"
        body.write_bytes(rows_body(1))
        traced = unroll({"UNROLL_OTLP_ENDPOINT": endpoint, "UNROLL_TRACE_SAMPLE": f"{options.sample}"})
        with (
            running(unroll(), model_folder(), folder / "without") as without,
            running(traced, model_folder(), folder / "with") as with_,
        ):
            spent, lost = [], []  # share more processor time, share less throughput, of each round
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
        print("benchmarks.tracing: no traces came", file=sys.stderr)
        return 1
    medians = {"cpu_more": statistics.median(spent), "throughput_less": statistics.median(lost)}
    rounds = {"cpu_more_rounds": spent, "throughput_less_rounds": lost, "exports": len(Receiver.exports)}
    print(json.dumps({"sample": options.sample, **medians, **rounds, **machine.facts()}))
    return 0


def loaded(server: Server, seconds: float, body: Path) -> tuple[float, float]:
    """Good answers a second, and microseconds of processor time that the service spent for each."""
    before = machine.processor_seconds(server.pid)
    rate = wrk.run(server.url, CONNECTIONS, seconds, body).rps
    return rate, (machine.processor_seconds(server.pid) - before) / (rate * seconds) * 1e6


if __name__ == "__main__":
    sys.exit(main())
