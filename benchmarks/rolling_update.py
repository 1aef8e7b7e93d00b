"""A rolling update under load: how many of 100,000 requests fail while new instances replace old ones?

    python -m benchmarks.rolling_update [--requests 100000] [--connections 16]

nginx stands in for a cluster's load balancer: it sends to the instance that is ready. This command looks four times a second
which one is. It starts a new instance. When the new one is ready, the old one gets SIGTERM. The old one then reports that it
is not ready, answers for the time of its pause, and ends. This repeats until all requests are made, at least twice. wrk
compares every answer with the right one. Needs nginx and wrk. Ends with one JSON line.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.load import wrk
from benchmarks.load.interruptible import interruptible
from benchmarks.servers.targets import SEQUENCES, models_folder
from loadtests.client import ask, why_not_ready
from loadtests.processes import ROOT, bentoml_serve, end, free_port, home_environment, process, start, wait

PAUSE = 5.0
"""Seconds for which an instance answers after SIGTERM: the service's default."""
LOOK_SECONDS = 0.25
CONNECTIONS = """(default: %(default)s) wrk leaves one request a connection unanswered when a run ends, and the next run begins
at once. Above 32 waiting requests the service may refuse some, which is not what this measures."""
PATIENCE = 120.0
PATH = "/many_to_many"
CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream one {{ server 127.0.0.1:{ports[0]}; keepalive 64; keepalive_timeout 4s; }}
  upstream two {{ server 127.0.0.1:{ports[1]}; keepalive 64; keepalive_timeout 4s; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      set $to one; if (-f {folder}/two) {{ set $to two; }}
      proxy_pass http://$to; proxy_http_version 1.1; proxy_set_header connection ""; proxy_set_header host $http_host;
    }}
  }}
}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000, help="least number of requests (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=16, help=CONNECTIONS)
    options = parser.parse_args(arguments)
    if missing := [name for name in ("nginx", "wrk") if shutil.which(name) is None]:
        sys.exit(f"benchmarks.rolling_update: needs {' and '.join(missing)}: apt-get install nginx-light wrk")
    return interruptible("benchmarks.rolling_update", lambda: measure(options.requests, options.connections))


def measure(requests: int, connections: int) -> int:
    with tempfile.TemporaryDirectory(prefix="rolling-") as name, ExitStack() as stack:
        folder, ports = Path(name), (free_port(), free_port())
        instances = list[subprocess.Popen[bytes]]()
        stack.callback(end_all, instances)
        start_instance(folder / "0", ports[0], instances)
        port = stack.enter_context(nginx(folder, ports))
        switch = Switch(folder / "two", ports)
        stack.enter_context(switch)
        body, expected = folder / "body.json", folder / "expected.json"
        body.write_bytes(SEQUENCES)
        expected.write_bytes(ask(f"http://127.0.0.1:{port}{PATH}", "POST", SEQUENCES).body)
        done, failed, wrong, replaced, busy = 0, 0, 0, 0, 0.0
        while done < requests or replaced < 2:
            took: list[float] = []
            replacing = threading.Thread(target=lambda taken=took: taken.append(replace(folder, ports, instances)))
            begun = time.monotonic()
            replacing.start()
            while replacing.is_alive():  # a run of wrk may outlast the replacement
                load = wrk.run(f"http://127.0.0.1:{port}{PATH}", connections, 10, body, expected)
                done, failed, wrong = done + load.checked, failed + load.failed, wrong + load.wrong
            replaced, busy = replaced + 1, busy + time.monotonic() - begun
            print(f"{replaced} replaced in {took[0]:.1f} s; {done} requests, {failed} failed, {wrong} wrong", file=sys.stderr)
    figures = {"requests": done, "failed": failed, "wrong": wrong, "replaced": replaced, "rps": round(done / busy)}
    print(json.dumps(figures))
    return 1 if failed or wrong else 0


class Switch:
    """Sends nginx to the other instance once the current one is not ready. The second is current while `flag` exists."""

    def __init__(self, flag: Path, ports: tuple[int, int]) -> None:
        self._flag, self._ports = flag, ports
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            current = self._flag.exists()
            there, other = (why_not_ready(f"http://127.0.0.1:{self._ports[n]}") for n in (current, not current))
            if there is not None and other is None:
                if current:
                    self._flag.unlink()
                else:
                    self._flag.touch()


def end_all(instances: list[subprocess.Popen[bytes]]) -> None:
    for instance in instances:
        end(instance)


def replace(folder: Path, ports: tuple[int, int], instances: list[subprocess.Popen[bytes]]) -> float:
    """Start a new instance, and end the old one once the new one is ready. -> seconds."""
    begun = time.monotonic()
    number = len(instances)
    start_instance(folder / str(number), ports[number % 2], instances)
    os.kill(instances[number - 1].pid, signal.SIGTERM)
    instances[number - 1].wait(PATIENCE)
    return time.monotonic() - begun


def start_instance(home: Path, port: int, instances: list[subprocess.Popen[bytes]]) -> None:
    """Add a ready instance. Its home is its own, as in a container: `bentoml serve` empties the metrics folder in it."""
    home.mkdir()
    (home / "models").symlink_to(models_folder())
    more = {**home_environment(home), "UNROLL_DRAIN_SECONDS": str(PAUSE), "PYTHONPATH": str(ROOT)}
    instances.append(start(bentoml_serve(port), home / "log", more))
    wait(instances[-1], home / "log", lambda: why_not_ready(f"http://127.0.0.1:{port}"), PATIENCE)


@contextmanager
def nginx(folder: Path, ports: tuple[int, int]) -> Iterator[int]:
    """The port of an nginx that sends to one of `ports`."""
    port = free_port()
    conf, log = folder / "nginx.conf", folder / "nginx.log"
    conf.write_text(CONF.format(folder=folder, ports=ports, port=port))
    with process(["nginx", "-p", str(folder), "-c", str(conf)], log) as own:
        wait(own, log, lambda: why_not_ready(f"http://127.0.0.1:{port}"), PATIENCE)
        yield port


if __name__ == "__main__":
    sys.exit(main())
