"""Servers side by side: one at a time is under load, while the others are stopped (SIGSTOP)."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from benchmarks.load import wrk
from benchmarks.load.interruptible import say
from benchmarks.servers import machine
from benchmarks.servers.running import Server, alone, check_for, running
from benchmarks.servers.targets import Target
from loadtests.client import ask
from loadtests.processes import NotServing

CONNECTIONS: Final = (1, 16, 64)
LEAST_CHECKED_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Measured:
    """One server."""

    label: str
    how: str
    ready_seconds: float
    memory_mb: list[float]  # of each process
    loads: dict[int, wrk.Load]  # by number of connections


def started(chosen: Sequence[Target], model: Path, folder: Path, stack: ExitStack, left_out: dict[str, str]) -> list[Server]:
    """Start the servers; they end with the stack. `left_out` gets the reason for each server that cannot start."""
    servers = []
    for target in chosen:
        if not target.installed:
            left_out[target.label] = f"not installed; python -m benchmarks.install_peers {target.environment}"
            say(f"{target.label}: left out, {left_out[target.label]}")
            continue
        try:
            server = stack.enter_context(running(target, model, folder / target.name))
        except NotServing as error:
            left_out[target.label] = str(error).splitlines()[0]
            say(f"{target.label}: left out, {error}")
            continue
        (folder / target.name / "body").write_bytes(target.body)
        (folder / target.name / "expected").write_bytes(server.answer)
        say(f"{target.label}: answers after {server.ready_seconds:.1f} s")
        servers.append(server)
    return servers


def in_turns(servers: Sequence[Server], folder: Path, seconds: float, rounds: int) -> dict[str, Measured]:
    """Medians of the rounds, by server. A first pass compares every answer; its failures count too."""
    checked: dict[str, dict[int, wrk.Load]] = {server.target.name: {} for server in servers}
    for server in servers:  # warms up, too
        for number in CONNECTIONS:
            with alone(server, servers):
                compared = run(server, number, max(LEAST_CHECKED_SECONDS, seconds / 2), folder, compared=True)
            checked[server.target.name][number] = compared
    loads: dict[str, dict[int, list[wrk.Load]]] = {server.target.name: {n: [] for n in CONNECTIONS} for server in servers}
    for round_, number in product(range(rounds), CONNECTIONS):
        first = round_ % max(1, len(servers))
        for server in [*servers[first:], *servers[:first]]:
            with alone(server, servers):
                load = run(server, number, seconds, folder)
            loads[server.target.name][number].append(load)
            say(f"round {round_ + 1} of {rounds}, {number:2} connections: {shown(server, load)}")
    measured = {}
    for server in servers:
        name, target = server.target.name, server.target
        _still_right(server)
        found = {number: wrk.medians(loads[name][number]).with_checks(checked[name][number]) for number in CONNECTIONS}
        measured[name] = Measured(target.label, target.how, server.ready_seconds, machine.memory(server.pid), found)
    return measured


def run(server: Server, connections: int, seconds: float, folder: Path, compared: bool = False) -> wrk.Load:
    own = folder / server.target.name
    load = wrk.run(server.url, connections, seconds, own / "body", own / "expected" if compared else None)
    if compared and load.wrong:
        say(f"{server.target.label}: {load.wrong} of {load.checked} answers are wrong at {connections} connections")
    return load


def shown(server: Server, load: wrk.Load) -> str:
    bad = f", {load.failed} failed" if load.failed else ""
    return f"{server.target.label}: {load.rps:,.0f}/s, p50 {load.p50_ms:.2f} ms, p99 {load.p99_ms:.2f} ms{bad}"


def _still_right(server: Server) -> None:
    target = server.target
    status, answer = ask(server.url, "POST", target.body)
    if status != 200:
        raise NotServing(f"{target.label} answers {status} after the load: {answer[:200]!r}")
    check_for(target, answer)
