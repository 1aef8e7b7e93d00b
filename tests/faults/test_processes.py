"""What happens to the processes: a worker is killed, one freezes, and, last of all, the service is told to end."""

import os
import signal
import time

import psutil  # type: ignore[import-untyped]

from loadtests.client import why_not_ready
from tests.asking import PATIENCE, until
from tests.faults.conftest import Report
from tests.faults.service import Service, under_load


def test_a_killed_worker_loses_the_requests_that_it_ran_and_is_replaced(service: Service, report: Report) -> None:
    held = 0

    def kill(worker: psutil.Process) -> None:
        nonlocal held
        held = sum(c.status == "ESTABLISHED" for c in worker.net_connections("tcp"))
        worker.kill()

    with under_load(service) as load:
        before = set(service.workers)
        victim = load.at_the_next_worker(kill)
        victim.wait(PATIENCE)
        until(service.whole)
        whole = time.monotonic() - load.fault_at
        load.goes_on()
    assert before - {victim} < set(service.workers)
    assert victim not in service.workers
    assert set(load.statuses) <= {0, 200}
    assert len(load.lost) <= held  # a connection carries one request at a time
    assert all(outcome.due <= load.fault_at + 0.5 for outcome in load.lost)
    assert load.toll.wrong == 0
    report("a worker killed (SIGKILL)", load, whole)


def test_a_frozen_worker_delays_its_own_connections_and_loses_nothing(service: Service, report: Report) -> None:
    with under_load(service) as load:
        frozen = load.at_the_next_worker(psutil.Process.suspend)
        try:
            load.goes_on(200)
        finally:
            thawed = time.monotonic()  # before it thaws: the answers that it held may come at once
            frozen.resume()
        until(service.whole)
        load.goes_on()
    assert set(load.statuses) <= {200, 429}
    assert load.toll.wrong == 0
    held = [o for o in load.outcomes if o.due < thawed < o.due + o.took]
    assert held  # or nobody noticed, and nothing was shown
    whole = max(o.due + o.took - thawed for o in held)
    note = "counted from SIGCONT; new connections go to the other"
    report(f"a worker frozen for {thawed - load.fault_at:.1f} s (SIGSTOP, SIGCONT)", load, whole, note)


def test_told_to_end_under_load_it_loses_nothing_that_came_while_it_was_ready(service: Service, report: Report) -> None:
    with under_load(service) as load:
        load.begin_fault()
        os.kill(service.supervisor.pid, signal.SIGTERM)
        until(lambda: why_not_ready(service.url) == "/readyz answers 503 draining")
    service.supervisor.wait(PATIENCE)
    out = time.monotonic() - load.fault_at
    assert set(load.statuses) == {200}
    assert load.toll.wrong == 0
    report("told to end (SIGTERM)", load, None, f"out after {out:.1f} s; 1 s of it is the drain")
