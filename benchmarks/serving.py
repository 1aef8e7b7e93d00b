"""Ours, the limit and the peers, side by side: the same request on the same SavedModel, one worker each.

    python -m benchmarks.serving [--quick]

Needs `wrk`, and the peers that `python -m benchmarks.setup` installed; what is missing is left out, and said so. Rewrites
RESULTS.md and results.svg in --output, and ends with one JSON line. Takes about twenty minutes; --quick, which
leaves out the minute of load and shortens the rest, about seven.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import chart, machine, report, wrk
from benchmarks.commands import interruptible, model_folder
from benchmarks.payloads import rows_body, rows_items
from benchmarks.results import CONNECTIONS, SUSTAINED, Measured, Results
from benchmarks.servers import NotServing, Server, alone, ask, check, running
from benchmarks.targets import ECHO, OURS, TARGETS, Target, environ
from loadtests.target import ROOT

BEFORE, SUSTAINED_SECONDS = 60, 20
LARGE_CONNECTIONS = (1, 2, 4)
STARTS = 3
OVERLOADS = (), ("--rows", "1", "--items", "10000")  # what limits is the JSON of many short rows, or the model of a long one
Loads = dict[str, dict[int, list[wrk.Load]]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter, and without the minute of load")
    parser.add_argument("--seconds", type=float, help="of each run of wrk (default: 5, quick 2)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--targets", nargs="+", choices=[target.name for target in TARGETS], help="default: all")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="default: this folder")
    options = parser.parse_args(arguments)
    return interruptible("benchmarks.serving", lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    model = model_folder()
    seconds = options.seconds or (2 if options.quick else 5)
    results = Results(machine.facts(), seconds, options.rounds)
    chosen = [target for target in TARGETS if options.targets is None or target.name in options.targets]
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if ours := next((target for target in chosen if target.name == OURS), None):
            results.starts = [_start(ours, model, folder / f"start-{number}") for number in range(STARTS)]
        with ExitStack() as stack:
            servers = _servers(chosen, model, folder, stack, results)
            _side_by_side(servers, folder, results)
            _ours(servers, folder, results, sustained=not options.quick)
            _say("ending the servers ...")
    if ours:
        results.engine = _part("engine", ours, model, results)
        seconds_each = "5" if options.quick else "30"
        for request in OVERLOADS:
            if measured := _part("overload", ours, model, results, "--seconds", seconds_each, *request):
                results.overload.append(measured)
    if options.quick:
        results.left_out["20 s after 60 s of load"] = "--quick"
    _write(results, options.output)
    print(json.dumps(results.as_json()))
    return 0


def _start(ours: Target, model: Path, folder: Path) -> float:
    with running(ours, model, folder, ready="/readyz") as server:
        _say(f"ours ready after {server.ready_seconds:.2f} s")
        return server.ready_seconds


def _servers(chosen: Sequence[Target], model: Path, folder: Path, stack: ExitStack, results: Results) -> list[Server]:
    """All that can be started, one after the other."""
    servers = []
    for target in chosen:
        if not target.installed:
            results.left_out[target.label] = f"not installed; python -m benchmarks.setup {target.environment}"
            _say(f"{target.label}: left out, {results.left_out[target.label]}")
            continue
        try:
            server = stack.enter_context(running(target, model, folder / target.name))
        except NotServing as error:
            results.left_out[target.label] = str(error).splitlines()[0]
            _say(f"{target.label}: left out, {error}")
            continue
        (folder / target.name / "body").write_bytes(target.body)
        (folder / target.name / "expected").write_bytes(server.answer)
        _say(f"{target.label}: answers after {server.ready_seconds:.1f} s")
        servers.append(server)
    return servers


def _side_by_side(servers: Sequence[Server], folder: Path, results: Results) -> None:
    checked: dict[str, dict[int, wrk.Load]] = {server.target.name: {} for server in servers}
    for server in servers:  # warms up, too
        for number in CONNECTIONS:
            with alone(server, servers):
                checked[server.target.name][number] = _run(server, number, max(1.0, results.seconds / 2), folder, compared=True)
    loads: Loads = {server.target.name: {number: [] for number in CONNECTIONS} for server in servers}
    for round_ in range(results.rounds):
        for number in CONNECTIONS:
            for server in [*servers[round_ % len(servers) :], *servers[: round_ % len(servers)]]:
                with alone(server, servers):
                    load = _run(server, number, results.seconds, folder)
                loads[server.target.name][number].append(load)
                _say(f"round {round_ + 1} of {results.rounds}, {number:2} connections: {_shown(server, load)}")
    for server in servers:
        name, target = server.target.name, server.target
        _still_right(server)
        found = {number: wrk.medians(loads[name][number]).with_checks(checked[name][number]) for number in CONNECTIONS}
        results.servers[name] = Measured(target.label, target.how, server.ready_seconds, machine.memory(server.pid), found)


def _still_right(server: Server) -> None:
    status, answer = ask(server.port, "POST", server.target.path, server.target.body)
    if status != 200:
        raise NotServing(f"{server.target.label} answers {status} after the load: {answer[:200]!r}")
    check(answer, json.loads(TARGETS[0].body)["sequences"][0])


def _run(server: Server, connections: int, seconds: float, folder: Path, compared: bool = False) -> wrk.Load:
    own = folder / server.target.name
    load = wrk.run(server.url, connections, seconds, own / "body", own / "expected" if compared else None)
    if compared and load.wrong:
        _say(f"{server.target.label}: {load.wrong} of {load.checked} answers are wrong at {connections} connections")
    return load


def _ours(servers: Sequence[Server], folder: Path, results: Results, sustained: bool) -> None:
    """What is asked of ours alone, and of the echo where that is the measure."""
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
    """Requests of 1,000 rows, each answer compared in the first pass."""
    body, expected = folder / "large", folder / "large-expected"
    body.write_bytes(rows_body(1000))
    _, answer = ask(server.port, "POST", server.target.path, body.read_bytes())
    check(answer, [item for row in rows_items(1000) for item in row])
    expected.write_bytes(answer)
    for number in LARGE_CONNECTIONS:
        checked = wrk.run(server.url, number, max(2.0, results.seconds / 2), body, expected)
        loads = [wrk.run(server.url, number, results.seconds, body) for _round in range(results.rounds)]
        results.large[number] = wrk.medians(loads).with_checks(checked)
        _say(f"1,000 rows, {number} connections: {_shown(server, results.large[number])}")


def _sustained(server: Server, folder: Path, results: Results) -> None:
    _say(f"{server.target.label}: {BEFORE} s of load, then {SUSTAINED_SECONDS} s at each of {SUSTAINED} connections ...")
    _run(server, max(SUSTAINED), BEFORE, folder)
    found = {number: _run(server, number, SUSTAINED_SECONDS, folder) for number in SUSTAINED}
    results.sustained[server.target.name] = found


def _part(name: str, ours: Target, model: Path, results: Results, *arguments: str) -> dict[str, Any] | None:
    """Another measurement, in a process of its own: the JSON line that it ends with."""
    _say(f"{name} ...")
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environ(ours, model, ROOT), stdout=subprocess.PIPE, text=True) as process:
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:  # the terminal told the child too; it ends what it started
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        results.left_out[" ".join((name, *arguments))] = f"it ended with {process.returncode}"
        return None
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def _write(results: Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    groups = {
        server.label: {f"{number} connection{'s' * (number > 1)}": max(load.rps, 1.0) for number, load in server.loads.items()}
        for server in results.servers.values()
    }
    (folder / "results.svg").write_text(chart.bars("requests a second, one row of five items, one worker", groups))
    text = report.markdown(results, "results.svg")
    (folder / "RESULTS.md").write_text(text)
    print(text)


def _shown(server: Server, load: wrk.Load) -> str:
    bad = f", {load.failed} failed" if load.failed else ""
    return f"{server.target.label}: {load.rps:,.0f}/s, p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms{bad}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
