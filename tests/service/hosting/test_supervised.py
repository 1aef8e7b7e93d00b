import signal
import subprocess
import sys

WORKER = """
import signal, sys, time
from service.hosting.supervised import end_with_supervisor
signal.signal(signal.SIGINT, lambda *_: (print("told", flush=True), sys.exit(0)))
end_with_supervisor(int(sys.argv[1]) or None)
print("ready", flush=True)
time.sleep(60)
"""
SUPERVISOR = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], '0'])"


def test_a_worker_is_told_when_its_supervisor_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, WORKER], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "ready\n"
        supervisor.send_signal(signal.SIGKILL)
        assert supervisor.stdout.read() == "told\n"  # until the worker has ended, too


def test_a_worker_whose_supervisor_was_killed_while_it_started_is_told_at_once() -> None:
    command = [sys.executable, "-c", WORKER, "1073741824"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.splitlines()[-1] == "told"
