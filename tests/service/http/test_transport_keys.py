"""Who may ask the transport for what: keys and their scopes, in front of everything else."""

from pathlib import Path

import pytest
from starlette.applications import Starlette

from service.http.routes import Route
from service.http.transport import Transport
from service.overload.admission import Admission
from service.protocols.problem import render_error
from service.security.key_check import Guard
from service.security.key_rates import KeyRates
from service.security.keys import SCOPES, Key, line, new
from service.telemetry.request_log import RequestLog
from service.telemetry.tracing import Tracing
from tests.collector import collecting
from tests.service import wire
from tests.service.asgi import LIMIT, LIMITS, Client, Full, echo


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Guard, dict[str, dict[str, str]]]:
    """A guard, and the headers of a key for each scope."""
    made: dict[str, tuple[str, Key]] = {scope: new(scope, [scope], None, None, None) for scope in SCOPES}
    (tmp_path / "keys").write_text("".join(line(key) + "\n" for _, key in made.values()))
    headers = {scope: {"authorization": f"Bearer {secret}"} for scope, (secret, _) in made.items()}
    return Guard(tmp_path / "keys", KeyRates(tmp_path)), headers


def test_a_key_is_asked_for_before_anything_else(keys: tuple[Guard, dict[str, dict[str, str]]]) -> None:
    guard, headers = keys
    for wrong in ({}, {"content-type": "text/csv"}, {"content-length": str(LIMIT + 1)}, {"x-request-timeout-ms": "soon"}):
        client = Client(guard=guard, admission=Full()).request("POST", "/echo", wrong, [b"12345"])
        assert client.problem["type"] == "urn:unroll:error:missing-key"
        assert client.headers[b"www-authenticate"] == b'Bearer realm="unroll"'
        assert client.chunks_read == 0
    assert Client(guard=guard).request("GET", "/echo").status == 401  # and only then which methods there are
    assert Client(guard=guard).request("POST", "/echo", headers["predict"], [b"1"]).body == b"1"
    assert Client(guard=guard).request("POST", "/echo", headers["admin"], [b"1"]).status == 403


@pytest.mark.parametrize(("path", "scope"), [("/theirs", "predict"), ("/metrics", "metrics")])
def test_the_applications_own_routes_need_a_key(keys: tuple[Guard, dict[str, dict[str, str]]], path: str, scope: str) -> None:
    guard, headers = keys
    assert Client(guard=guard).request("GET", path).problem["type"] == "urn:unroll:error:missing-key"
    assert Client(guard=guard).request("GET", path, headers["admin"]).status == (200 if scope == "predict" else 403)
    assert Client(guard=guard).request("GET", path, headers[scope]).body == b"theirs"
    assert Client(guard=guard).request("DELETE", path).status == 401  # and only then which methods there are
    assert Client(guard=guard).request("DELETE", path, headers[scope]).status == 405


def test_an_admin_reads_what_users_read_and_does_not_predict(keys: tuple[Guard, dict[str, dict[str, str]]]) -> None:
    guard, headers = keys
    assert [Client(guard=guard).request("GET", "/read", headers[scope]).status for scope in SCOPES] == [200, 200, 403]
    assert [Client(guard=guard).request("POST", "/echo", headers[scope]).status for scope in SCOPES] == [200, 403, 403]
    challenge = Client(guard=guard).request("GET", "/read", headers["metrics"]).headers[b"www-authenticate"]
    assert challenge.endswith(b'error="insufficient_scope", scope="predict"')


def test_who_has_no_key_does_not_say_what_is_traced(keys: tuple[Guard, dict[str, dict[str, str]]]) -> None:
    guard, headers = keys
    stranger, user = "1" * 16, "2" * 16

    async def client(connect: wire.Connect) -> None:
        reader, writer = await connect()
        for parent, key in ((stranger, "x"), (user, headers["predict"]["authorization"])):
            trace = f"traceparent: 00-{'a' * 32}-{parent}-01"
            writer.write(f"GET /read HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\n{trace}\r\n\r\n".encode())
            assert (await wire.answer(reader)).status == (401 if parent == stranger else 200)

    with collecting() as collector:
        tracing = Tracing(collector.url, 0.0, {})
        tracing.start()
        transport = Transport(LIMITS, Admission(10_000, 10.0), guard, RequestLog(tracing, 0.0, 10.0), render_error)
        transport.add(Route("/read", "GET", echo, render_error))
        wire.run(client, transport.around(Starlette(), []))
        tracing.stop()
        spans = collector.wait_for(lambda spans: len(spans) > 0)
    parents = {span.parent_span_id.hex() for span in spans}
    assert user in parents
    assert stranger not in parents


def test_probes_and_what_does_not_exist_need_no_key(keys: tuple[Guard, dict[str, dict[str, str]]]) -> None:
    guard, _ = keys
    assert [Client(guard=guard).request("GET", path).status for path in ("/livez", "/readyz", "/nope")] == [200, 200, 404]


def test_admin_routes_are_not_there_without_keys_and_know_who_asks_with_one(
    keys: tuple[Guard, dict[str, dict[str, str]]],
) -> None:
    missing = Client().request("POST", "/admin/x")
    assert missing.status == 404
    assert "admin" not in missing.problem["detail"].split("There is:")[1]
    guard, headers = keys
    assert Client(guard=guard).request("POST", "/admin/x").status == 401
    assert Client(guard=guard).request("POST", "/admin/x", headers["predict"]).status == 403
    assert Client(guard=guard).request("POST", "/admin/x", headers["admin"]).body == b"admin x"
    assert "/admin/{name}" in Client(guard=guard).request("GET", "/nope").problem["detail"]


def test_what_an_admin_asks_for_is_let_in_whatever_waits(keys: tuple[Guard, dict[str, dict[str, str]]]) -> None:
    guard, headers = keys
    assert Client(guard=guard, admission=Full()).request("POST", "/echo", headers["predict"], [b"1"]).status == 429
    assert Client(guard=guard, admission=Full()).request("POST", "/admin/x", headers["admin"], [b"1"]).status == 200
