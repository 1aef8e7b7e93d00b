import asyncio
import json
import sys
import time

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route as StarletteRoute

from service.http.body import BodyLimits
from service.http.messages import Request, Response
from service.http.routes import Route
from service.overload.admission import Admission
from service.protocols.problem import render_error
from tests.service import wire
from tests.service.asgi import LIMIT, LIMITS, Client, Full, untraced


def test_our_route_answers_before_the_applications_own() -> None:
    client = Client().request("POST", "/echo", chunks=[b"ab", b"", b"c"])
    assert (client.status, client.body) == (200, b"abc")
    assert client.headers.pop(b"x-request-id")
    assert client.headers == {b"content-type": b"application/json", b"content-length": b"3", b"x-ours": b"1"}


def test_other_routes_pass_through_untouched() -> None:
    client = Client().request("GET", "/theirs")
    assert (client.status, client.body) == (200, b"theirs")


def test_headers_that_would_have_warnings_logged_or_break_tracing_do_not_pass() -> None:
    async def theirs(request: StarletteRequest) -> JSONResponse:
        return JSONResponse(dict(request.headers))

    async def client(connect: wire.Connect) -> None:
        reader, writer = await connect()
        headers = (b"a: b", b"c: \xff\\x", b"baggage: a,a", b"tracestate: ?", b"traceparent: x")
        writer.write(b"GET /theirs HTTP/1.1\r\nhost: x\r\n" + b"\r\n".join(headers) + b"\r\n\r\n")
        assert json.loads((await wire.answer(reader)).body) == {"host": "x", "a": "b", "traceparent": "x"}

    app = Starlette(routes=[StarletteRoute("/theirs", theirs)])
    wire.run(client, untraced(LIMITS, Admission(10_000, 10.0)).around(app, app.routes))


def test_a_get_route_reads_no_body() -> None:
    client = Client().request("GET", "/read", chunks=[b"ignored"])
    assert (client.status, client.body, client.chunks_read) == (200, b"", 0)


def test_an_error_of_ours_is_rendered() -> None:
    problem = Client().request("POST", "/refuse").problem
    assert (problem["type"], problem["status"]) == ("urn:unroll:error:invalid-request", 422)


def test_a_fault_of_ours_is_answered_in_the_same_form_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    problem = Client().request("POST", "/fail").problem
    assert (problem["type"], problem["status"]) == ("urn:unroll:error:internal", 500)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("GET", "/echo", "POST"), ("POST", "/read", "GET, HEAD"), ("POST", "/theirs", "GET, HEAD")]
)
def test_a_wrong_method_is_405_whoever_owns_the_route(method: str, path: str, allowed: str) -> None:
    client = Client().request(method, path)
    assert client.status == 405
    assert client.headers[b"allow"].decode() == allowed
    assert f"expected {allowed.replace(', ', ' or ')} at {path}; received {method}" in client.problem["detail"]


def test_an_unknown_route_is_404_and_names_those_that_are_there() -> None:
    client = Client().request("GET", "/nope")
    assert client.status == 404
    assert "There is: /deadline, /echo, /fail, /gone, /read, /refuse" in client.problem["detail"]


@pytest.mark.parametrize("stated", ["application/json", "Application/JSON; charset=utf-8", None])
def test_json_may_be_stated_in_any_spelling_or_not_at_all(stated: str | None) -> None:
    client = Client().request("POST", "/echo", {"content-type": stated} if stated else {})
    assert client.status == 200


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}, {"content-encoding": "br"}],
)
def test_other_content_is_415(headers: dict[str, str]) -> None:
    client = Client().request("POST", "/echo", headers)
    assert client.status == 415
    assert next(iter(headers.values())) in client.problem["detail"]


def test_a_body_of_exactly_the_limit_is_read() -> None:
    assert Client().request("POST", "/echo", {"content-length": str(LIMIT)}, [bytes(LIMIT)]).status == 200


def test_an_announced_body_over_the_limit_is_refused_before_it_is_read() -> None:
    client = Client().request("POST", "/echo", {"content-length": str(LIMIT + 1)}, [bytes(LIMIT), b"1"])
    assert client.status == 413
    assert client.headers[b"connection"] == b"close"
    assert f"at most {LIMIT} bytes; received {LIMIT + 1}" in client.problem["detail"]


def test_an_unannounced_body_is_refused_once_it_passes_the_limit() -> None:
    client = Client().request("POST", "/echo", chunks=[bytes(60)] * 5)
    assert client.status == 413
    assert client.problem["max_body_bytes"] == LIMIT


@pytest.mark.parametrize("past_asgi", [True, False])
def test_a_body_is_held_by_the_route_alone(past_asgi: bool) -> None:
    others: list[int] = []

    async def count(request: Request) -> Response:
        body = request.body
        del request
        await asyncio.sleep(0)
        others.append(sys.getrefcount(body) - 2)  # `body`, and what is given to the function
        return Response(b"")

    async def client(connect: wire.Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST /count HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n" + b"x" * 50)
        assert (await wire.answer(reader)).plain == (200, b"")

    transport = untraced(LIMITS, Admission(10_000, 10.0))
    transport.add(Route("/count", "POST", count, render_error))
    wire.run(client, transport.around(Starlette(), []), direct=transport if past_asgi else None)
    assert others == [0]


def test_a_client_that_goes_away_gets_no_answer() -> None:
    assert Client().request("POST", "/echo", chunks=[b"half"], gone=True).sent == []


def test_a_request_id_is_taken_or_made_and_sent_back() -> None:
    taken = Client().request("POST", "/echo", {"x-request-id": "abc"})
    assert taken.headers[b"x-request-id"] == b"abc"
    assert len(Client().request("POST", "/echo", {"x-request-id": "a" * 500}).headers[b"x-request-id"]) == 128
    assert b"\x7f" not in Client().request("POST", "/echo", {"x-request-id": "a\x7fb"}).headers[b"x-request-id"]
    made = Client().request("POST", "/refuse")
    assert made.headers[b"x-request-id"]


@pytest.mark.parametrize(("stated", "seconds"), [(None, 10), ("1500", 1.5), ("999999999", 60), ("9" * 5000, 60)])
def test_the_deadline_is_what_the_client_names_within_bounds(stated: str | None, seconds: float) -> None:
    begun = time.monotonic()
    client = Client().request("POST", "/deadline", {"x-request-timeout-ms": stated} if stated else {})
    assert begun + seconds <= float(client.body) <= time.monotonic() + seconds


@pytest.mark.parametrize("stated", ["0", "-1", "1.5", "soon"])
def test_a_deadline_that_is_no_number_is_400(stated: str) -> None:
    client = Client().request("POST", "/echo", {"x-request-timeout-ms": stated})
    assert client.problem["type"] == "urn:unroll:error:invalid-timeout"
    assert stated in client.problem["detail"]


def test_a_body_that_does_not_come_is_408() -> None:
    client = Client(LIMITS._replace(body=BodyLimits(LIMIT, seconds=0.01))).request(
        "POST", "/echo", chunks=[b"half"], never=True
    )
    assert client.problem["type"] == "urn:unroll:error:slow-body"
    assert client.headers[b"connection"] == b"close"


def test_beyond_what_may_wait_the_answer_is_429_with_the_body_unread() -> None:
    client = Client(admission=Full())
    client.request("POST", "/echo", {"content-length": "5"}, [b"12345"])
    assert client.status == 429
    assert client.headers[b"retry-after"] == b"3"
    assert client.problem["reason"] == "bytes"
    assert client.chunks_read == 0


@pytest.mark.parametrize(("method", "told"), [("GET", "GET"), ("DELETE", "DELETE"), ("SPY", "_OTHER")])
def test_the_log_has_the_method_that_was_asked_with(caplog: pytest.LogCaptureFixture, method: str, told: str) -> None:
    caplog.set_level("INFO")
    assert Client().request(method, "/echo").status == 405
    assert f"{told} /echo 405" in caplog.text


def test_whether_a_client_has_gone_is_found_out_without_waiting() -> None:
    assert Client().request("POST", "/gone", chunks=[b"x"]).body == b"True"
    assert Client().request("POST", "/gone", chunks=[b"x"], never=True, whole=True).body == b"False"


@pytest.mark.parametrize("chunks", [[], [b"half"]], ids=["nothing", "half"])
def test_a_body_that_stops_coming_holds_nothing_up(chunks: list[bytes]) -> None:
    admission = Admission(1000, 1.0)
    client = Client(LIMITS._replace(body=BodyLimits(LIMIT, seconds=0.01)), admission)
    client.request("POST", "/echo", {"content-length": "100"}, chunks, never=True)
    assert client.problem["type"] == "urn:unroll:error:slow-body"
    assert admission.hold(1000) is None  # nothing is held any more


def test_head_is_taken_where_get_is() -> None:
    assert Client().request("HEAD", "/read").status == 200


def test_a_request_id_is_sent_back_with_a_404_too() -> None:
    assert Client().request("GET", "/nope", {"x-request-id": "abc"}).headers[b"x-request-id"] == b"abc"
