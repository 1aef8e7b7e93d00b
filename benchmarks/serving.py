"""The service beside its peers and a bare echo: the same request on the same version, one worker each.

    python -m benchmarks.serving [--quick]

Needs `wrk`, and the peers that `python -m benchmarks.install_peers` installed. The command names each peer that it leaves out.
It rewrites RESULTS.md and results.svg in --output, writes reports/serving-<time>.json, .html and .svg, and ends with one JSON
line. It takes about half an hour. With --quick it takes about ten minutes: it leaves out the minute of load, and shortens the
rest.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.load import side_by_side, wrk
from benchmarks.load.interruptible import interruptible, say
from benchmarks.report import pictures
from benchmarks.report.results import SUSTAINED, Results, Start
from benchmarks.report.results_page import write
from benchmarks.report.results_picture import picture
from benchmarks.report.serving_page import html
from benchmarks.servers import machine, realistic_model
from benchmarks.servers.payloads import rows_body, rows_items
from benchmarks.servers.running import Server, alone, check, running
from benchmarks.servers.served_model import model_folder
from benchmarks.servers.targets import ECHO, IDLE, OURS, TARGETS, Target, environ
from loadtests.client import ask
from loadtests.processes import ROOT

BEFORE, SUSTAINED_SECONDS = 60, 20
LARGE_CONNECTIONS = (1, 2, 4)
STARTS = 3
PARTS = ("start", "row", "realistic", "engine", "overload")
OVERLOADS = (), ("--rows", "1", "--items", "10000")  # the first is limited by JSON, the second by the model


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter runs, and no minute of load")
    parser.add_argument("--seconds", type=float, help="length of each run of wrk (default: 5; with --quick 2)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each server (default: %(default)s)")
    parser.add_argument("--targets", nargs="+", choices=[target.name for target in TARGETS], help="servers (default: all)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="measurements (default: all)")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent, help="folder for RESULTS.md (default: benchmarks)"
    )
    parser.add_argument(
        "--reports", type=Path, default=ROOT / "reports", help="folder for the page and the figures (default: reports)"
    )
    options = parser.parse_args(arguments)
    return interruptible("benchmarks.serving", lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    begun, model = datetime.now(UTC), model_folder()
    seconds = options.seconds or (2 if options.quick else 5)
    results = Results(machine.facts(), seconds, options.rounds)
    chosen = [target for target in TARGETS if options.targets is None or target.name in options.targets]
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        ours = next((target for target in chosen if target.name == OURS), None)
        if ours and "start" in options.parts:
            results.starts = _starts((IDLE, ours), model, folder)
        if "row" in options.parts:
            _row(chosen, model, folder / "row", results, sustained=not options.quick)
        if "realistic" in options.parts:
            _realistic(chosen, folder / "realistic", results)
    if ours and "engine" in options.parts:
        results.engine = _part("engine", ours, model, results)
        results.left_out |= results.engine["left_out"] if results.engine else {}
    if ours and "overload" in options.parts:
        seconds_each = "5" if options.quick else "30"
        for request in OVERLOADS:
            if measured := _part("overload", ours, model, results, "--seconds", seconds_each, *request):
                results.overload.append(measured)
    if options.quick:
        results.left_out["20 s after 60 s of load"] = "--quick"
    results.left_out |= {f"the part {part}": "--parts" for part in PARTS if part not in options.parts}
    _write(results, options, begun)
    print(json.dumps(results.as_json()))
    return 0


def _starts(targets: Sequence[Target], model: Path, folder: Path) -> dict[str, list[Start]]:
    """Start each target in turns, STARTS times."""
    found: dict[str, list[Start]] = {target.name: [] for target in targets}
    for number in range(STARTS):
        for target in targets:
            with running(target, model, folder / f"start-{target.name}-{number}", ready="/readyz") as server:
                say(f"{target.label}: ready after {server.ready_seconds:.2f} s")
                found[target.name].append(Start(server.ready_seconds, machine.memory(server.pid)))
    return found


def _row(chosen: Sequence[Target], model: Path, folder: Path, results: Results, sustained: bool) -> None:
    """Send one row of five items to all servers; then measure ours alone."""
    with ExitStack() as stack:
        servers = side_by_side.started(chosen, model, folder, stack, results.left_out)
        results.servers = side_by_side.in_turns(servers, folder, results.seconds, results.rounds)
        _ours(servers, folder, results, sustained)
        say("ending the servers ...")


def _realistic(chosen: Sequence[Target], folder: Path, results: Results) -> None:
    if not any(target.name in realistic_model.SERVERS for target in chosen):
        return
    say("the realistic model ...")
    prepared = realistic_model.prepare(folder / "home")
    with ExitStack() as stack:
        servers = side_by_side.started(prepared.targets(chosen), prepared.folder, folder, stack, results.left_out)
        results.realistic = side_by_side.in_turns(servers, folder, results.seconds, results.rounds)


def _ours(servers: Sequence[Server], folder: Path, results: Results, sustained: bool) -> None:
    """Send large requests to ours; with `sustained`, load ours and the echo for longer."""
    by_name = {server.target.name: server for server in servers}
    if OURS not in by_name:
        return
    with alone(by_name[OURS], servers):
        _large(by_name[OURS], folder, results)
    if not sustained:
        return
    for server in [by_name[name] for name in (OURS, ECHO) if name in by_name]:
        with alone(server, servers):
            _sustained(server, folder, results)


def _large(server: Server, folder: Path, results: Results) -> None:
    """Send requests of 1,000 rows. The first pass compares each answer."""
    body, expected = folder / "large", folder / "large-expected"
    body.write_bytes(rows_body(1000))
    _, answer = ask(server.url, "POST", body.read_bytes())
    check(answer, [item for row in rows_items(1000) for item in row])
    expected.write_bytes(answer)
    for number in LARGE_CONNECTIONS:
        checked = wrk.run(server.url, number, max(2.0, results.seconds / 2), body, expected)
        loads = [wrk.run(server.url, number, results.seconds, body) for _round in range(results.rounds)]
        results.large[number] = wrk.medians(loads).with_checks(checked)
        say(f"1,000 rows, {number} connections: {side_by_side.shown(server, results.large[number])}")


def _sustained(server: Server, folder: Path, results: Results) -> None:
    say(f"{server.target.label}: {BEFORE} s of load, then {SUSTAINED_SECONDS} s at each of {SUSTAINED} connections ...")
    side_by_side.run(server, max(SUSTAINED), BEFORE, folder)
    found = {number: side_by_side.run(server, number, SUSTAINED_SECONDS, folder) for number in SUSTAINED}
    results.sustained[server.target.name] = found


def _part(name: str, ours: Target, model: Path, results: Results, *arguments: str) -> dict[str, Any] | None:
    """Run another benchmark in a process of its own. Returns its JSON line, or None when it fails."""
    say(f"{name} ...")
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environ(ours, model, ROOT), stdout=subprocess.PIPE, text=True) as process:
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:  # the child was interrupted too, and ends its own servers
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        results.left_out[" ".join((name, *arguments))] = f"the benchmark ended with exit code {process.returncode}"
        return None
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def _write(results: Results, options: argparse.Namespace, begun: datetime) -> None:
    drawn = picture(results)
    say(pictures.write(options.reports / f"serving-{begun:%Y%m%d-%H%M%S}", results.as_json(), html(results), drawn))
    print(write(options.output, results, drawn))


if __name__ == "__main__":
    sys.exit(main())
