"""A service in operation: seen by a collector and in its log, loses a worker, is told to end. In this order, on one service."""

import http.client
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil  # type: ignore[import-untyped]
import pytest

from loadtests.client import why_not_ready
from service.versions.worker_states import shared_folder
from tests.asking import PATIENCE, get, post, until
from tests.collector import Collector, collecting
from tests.e2e.conftest import serving, supervisor_of, workers_of

REQUEST = {"sequences": [[0.0, 0.2, 0.4, 0.6, 0.8]]}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MARK = "7353135"
"""In everything that a user sends of its own."""
DRAIN_SECONDS = 2.0


@dataclass
class Service:
    url: str
    log: Path
    collector: Collector
    supervisor: psutil.Process

    @property
    def workers(self) -> list[psutil.Process]:
        return workers_of(self.supervisor)


@pytest.fixture(scope="module")
def service(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    own = tmp_path_factory.mktemp("operation")
    (own / "models").symlink_to(home / "models")
    with collecting() as collector:
        settings = {
            "UNROLL_WORKERS": "2",
            "UNROLL_OTLP_ENDPOINT": collector.url,
            "UNROLL_LOG_FORMAT": "json",
            "UNROLL_ACCESS_LOG_SAMPLE": "1",
            "UNROLL_DRAIN_SECONDS": str(DRAIN_SECONDS),
            "UNROLL_GRACE_SECONDS": "15",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with serving(own, settings=settings) as url:
            yield Service(url, own / "service.log", collector, supervisor_of(url))


def gauge(service: Service, name: str) -> float:
    (found,) = re.findall(rf"^{name} (\S+)$", get(f"{service.url}/metrics").text, re.MULTILINE)
    return float(found)


def lines(service: Service) -> list[dict[str, object]]:
    return [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]


def test_it_says_that_both_workers_are_ready(service: Service) -> None:
    until(lambda: gauge(service, "unroll_ready_workers") == 2)
    text = get(f"{service.url}/metrics").text
    assert re.search(r'^unroll_build_info{bentoml="[\d.]+",commit="unknown",version="unreleased"} 1.0$', text, re.MULTILINE)
    resident = sum(worker.memory_info().rss for worker in service.workers)
    until(lambda: gauge(service, "unroll_resident_bytes") > 0.8 * resident)
    assert gauge(service, "unroll_open_files") > 20
    assert gauge(service, "unroll_cpu_seconds_total") > 0


def test_a_request_whose_caller_is_traced_is_followed_down_to_the_model(service: Service) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    assert post(f"{service.url}/many_to_many", json=REQUEST, headers=headers).status_code == 200
    spans = service.collector.wait_for(lambda spans: sum(span.trace_id.hex() == TRACE for span in spans) >= 4)
    by_name = {span.name: span for span in spans if span.trace_id.hex() == TRACE}
    assert set(by_name) == {"POST /many_to_many", "queue", "batch", "model"}
    request, batch = by_name["POST /many_to_many"], by_name["batch"]
    assert request.parent_span_id.hex() == PARENT
    assert by_name["queue"].parent_span_id == batch.parent_span_id == request.span_id
    assert by_name["model"].parent_span_id == batch.span_id
    assert [link.span_id for link in batch.links] == [request.span_id]
    assert service.collector.resources[0]["service.name"] == "unroll"


def test_log_lines_are_json_with_ids_and_without_what_users_send(service: Service) -> None:
    value = float(f"0.{MARK}")
    bodies = [
        json.dumps({"sequences": [[value]]}),
        json.dumps({"sequences": [[value], [f"{MARK}"]]}),
        json.dumps({"sequences": [[value]], MARK: 1}),
        json.dumps({"sequences": [[float(MARK) * 1e38]]}),
        json.dumps({"sequences": [[value]], "model_version": MARK}),
        json.dumps({"sequences": [[value]], "routing_key": MARK}),
        f"{{{MARK}",
    ]
    private = {"authorization": f"Bearer {MARK}", "x-api-key": MARK, "cookie": MARK, "x-request-timeout-ms": "1000"}
    with httpx2.Client(base_url=service.url, headers=private, timeout=PATIENCE) as client:
        statuses = [client.post(f"/many_to_many?key={MARK}", content=body, headers=JSON).status_code for body in bodies]
        for path in ("/", "/docs.json", f"/{MARK}", f"/models/{MARK}", "/livez", "/metrics"):
            client.get(f"{path}?key={MARK}")
        client.post("/many_to_many", content=MARK, headers={"content-type": MARK})
        client.post("/many_to_many", content=bodies[0], headers=JSON | {"x-request-timeout-ms": MARK + "x"})
        ids = JSON | {"x-request-id": "mine", "traceparent": f"00-{TRACE}-{PARENT}-00"}
        client.post("/many_to_many", content=bodies[0], headers=ids)
    assert statuses == [200, 422, 422, 422, 404, 200, 400]
    until(lambda: any(line.get("request_id") == "mine" for line in lines(service)))
    assert MARK not in service.log.read_text()
    (mine,) = [line for line in lines(service) if line.get("request_id") == "mine"]
    assert (mine["route"], mine["status"], mine["outcome"], mine["trace_id"]) == ("/many_to_many", 200, "ok", TRACE)
    logged = {line["outcome"] for line in lines(service) if "outcome" in line}
    assert logged >= {"ok", "invalid-request", "not-json", "unknown-version", "wrong-content-type", "invalid-timeout"}


JSON = {"content-type": "application/json"}


def test_a_killed_worker_is_replaced_and_nobody_else_notices(service: Service) -> None:
    victim, other = service.workers
    held: list[http.client.HTTPConnection] = []
    until(lambda: hold(service, held) and all(ports(worker) & set(map(port, held)) for worker in (victim, other)))
    its, others = ports(victim), ports(other)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait(PATIENCE)
    for connection in held:
        if port(connection) in others:
            assert ask(connection) == 200
        elif port(connection) in its:
            with pytest.raises((http.client.HTTPException, OSError)):
                ask(connection)
        connection.close()
    for _ in range(20):
        assert post(f"{service.url}/many_to_many", json=REQUEST).status_code == 200
    until(lambda: gauge(service, "unroll_ready_workers") == 2)
    assert len(service.workers) == 2
    assert other in service.workers
    assert victim not in service.workers
    assert any(f"worker {victim.pid} has ended with -9" == line["message"] for line in lines(service))


def hold(service: Service, held: list[http.client.HTTPConnection]) -> bool:
    """One more connection that is kept alive."""
    held.append(http.client.HTTPConnection(urlsplit(service.url).netloc))
    return ask(held[-1]) == 200


def port(connection: http.client.HTTPConnection) -> int:
    return int(connection.sock.getsockname()[1]) if connection.sock else 0


def ports(worker: psutil.Process) -> set[int]:
    """Of the clients that it has."""
    return {there.raddr.port for there in worker.net_connections() if there.raddr}


def ask(connection: http.client.HTTPConnection) -> int:
    return answer(connection).status


def answer(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    connection.request("POST", "/many_to_many", json.dumps(REQUEST), JSON)
    response = connection.getresponse()
    response.read()
    return response


def answered_for_the_last_time(connection: http.client.HTTPConnection) -> bool:
    response = answer(connection)
    assert response.status == 200
    return response.getheader("connection") == "close"


def test_told_to_end_it_answers_on_closes_connections_finishes_and_is_out(service: Service) -> None:
    address = ("127.0.0.1", urlsplit(service.url).port)
    kept = http.client.HTTPConnection(*address)
    assert ask(kept) == 200
    slow = socket.create_connection(address)  # a request whose body is still coming when the pause is over
    body = json.dumps(REQUEST).encode()
    slow.sendall(b"POST /many_to_many HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n")
    slow.sendall(b"content-length: %d\r\n\r\n" % len(body) + body[:5])

    begun = time.monotonic()
    folder = shared_folder(service.supervisor.pid)
    assert {path.stem for path in folder.glob("*.json")} >= {str(worker.pid) for worker in service.workers}
    os.kill(service.supervisor.pid, signal.SIGTERM)
    until(lambda: why_not_ready(service.url) == "/readyz answers 503 draining")
    until(lambda: answered_for_the_last_time(kept))  # its worker may be told a little later than the one that was asked
    assert time.monotonic() < begun + DRAIN_SECONDS, "this machine is too slow for the test"

    statuses = set()
    with suppress(httpx2.ConnectError, httpx2.ReadError, httpx2.RemoteProtocolError):
        while True:  # until it stops listening
            statuses.add(post(f"{service.url}/many_to_many", json=REQUEST).status_code)
    assert statuses == {200}
    assert service.supervisor.is_running()  # the slow one is not done
    until(lambda: refused(address))
    slow.sendall(body[5:])
    with slow:
        received = b"".join(iter(lambda: slow.recv(4096), b""))
    kept.close()
    assert received.startswith(b"HTTP/1.1 200 OK")
    service.supervisor.wait(PATIENCE)
    assert not folder.exists()


def refused(address: tuple[str, int | None]) -> bool:
    """At once, and not after hanging."""
    try:
        socket.create_connection((address[0], address[1] or 0), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False
