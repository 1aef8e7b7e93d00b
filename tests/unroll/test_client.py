"""What the clients send, how they wait and ask again, and the errors that they raise."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import stamina
import trustme
from stamina.instrumentation import RetryDetails

from service import errors
from service.errors import InvalidRequest, OutOfDomain, Overloaded, RateLimited, UnrollError
from tests.test_docs import kinds as error_kinds
from tests.unroll.fake_service import Answer, Heard, Say, answering, echo, models, problem
from unroll import AsyncClient, Client, Prediction
from unroll.problems import KINDS, NotReached, OtherAnswer

Ask = Callable[..., Prediction]


def sync(url: str, *asked: Any, **options: Any) -> Prediction:
    with Client(url, **options) as client:
        return client.predict(*asked)


def in_asyncio(url: str, *asked: Any, **options: Any) -> Prediction:
    async def ask() -> Prediction:
        async with AsyncClient(url, **options) as client:
            return await client.predict(*asked)

    return asyncio.run(ask())


@pytest.fixture(params=[sync, in_asyncio])
def ask(request: pytest.FixtureRequest) -> Ask:
    both: Ask = request.param
    return both


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """How long the clients were to wait each time. They do not wait."""
    waited: list[float] = []

    def note(details: RetryDetails) -> None:
        waited.append(details.wait_for)

    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([note])
    yield waited
    stamina.instrumentation.set_on_retry_hooks(before)


def in_turn(*said: Say | None) -> Answer:
    """Answer predictions with these, then as the echo."""
    left = [*said]

    def answer(asked: Heard) -> Say | None:
        if asked.method == "GET":
            return models(rows=3)
        return left.pop(0) if left else echo(asked)

    return answer


ROWS = [[float(number)] for number in range(20)]


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (problem(429, "overloaded", {"retry-after": "1"}, retry_after_ms=20), 0.02),
        (problem(429, "rate-limited", {"retry-after": "1"}, retry_after_ms=8), 0.008),
        (problem(503, "model-not-served", retry_after_ms=4), 0.004),
        (problem(503, "too-many-connections", {"retry-after": "0"}), 0.0),
    ],
)
def test_a_refusal_is_asked_again_when_it_says(said: Say, wait: float, ask: Ask, waits: list[float]) -> None:
    with answering(in_turn(said, said)) as (url, heard):
        assert np.array_equal(ask(url, "echo", ROWS[:2]).outputs, ROWS[:2])
    assert len(heard) == 1 + 3
    assert waits == pytest.approx([1.125 * wait] * 2, rel=0.12)


@pytest.mark.parametrize("said", [None, Say(503, b"no healthy upstream")], ids=["cut", "proxy"])
def test_a_connection_that_breaks_and_a_proxy_without_a_service_are_asked_again(
    said: Say | None, ask: Ask, waits: list[float]
) -> None:
    with answering(in_turn(said)) as (url, _):
        assert len(ask(url, "echo", ROWS[:2])) == 2
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (problem(429, "overloaded", retry_after_ms=10_000), Overloaded),
        (problem(503, "model-not-served"), errors.ModelNotServed),
        (problem(500, "internal"), UnrollError),
        (problem(504, "deadline-exceeded"), errors.DeadlineExceeded),
        (Say(502, b"<html>Bad Gateway</html>"), OtherAnswer),
        (Say(200, {"answer": 42}), OtherAnswer),
        (Say(200, b"<html>"), OtherAnswer),
    ],
)
def test_what_is_not_asked_again(said: Say, kind: type[UnrollError], ask: Ask, waits: list[float]) -> None:
    """A wait beyond the client's patience among them."""
    with answering(in_turn(said)) as (url, heard), pytest.raises(kind) as refused:
        ask(url, "echo", ROWS[:2], patience=5.0)
    assert type(refused.value) is kind
    assert refused.value.status == said.status
    assert len(heard) == 2
    assert waits == []


def test_patience_ends(ask: Ask) -> None:
    busy = problem(429, "rate-limited", retry_after_ms=1)
    with answering(in_turn(*[busy] * 10_000)) as (url, _), pytest.raises(RateLimited):
        ask(url, "echo", ROWS, patience=0.05)


def test_nothing_listens(ask: Ask) -> None:
    with answering(in_turn()) as (url, _):
        pass
    with pytest.raises(NotReached, match=r"Connection refused|connection attempts failed") as failed:
        ask(url, "echo", ROWS, patience=0.05)
    assert failed.value.type == "urn:unroll:error:not-reached"
    assert "Type: unroll serve" in failed.value.detail


def test_rows_are_cut_at_each_limit_and_come_back_in_order(ask: Ask) -> None:
    rows = [[float(number)] * (1 + number % 3) for number in range(50)]
    for limits, most in (({"rows": 7}, 7), ({"items": 9}, 9), ({"size": 2_000 + 16 * 5}, 5)):
        with answering(lambda asked, own=limits: echo(asked) if asked.method == "POST" else models(**own)) as (url, heard):  # type: ignore[misc]
            answer = ask(url, "echo", rows)
        assert [row.tolist() for row in answer.outputs] == rows
        parts = [each.body["sequences"] for each in heard[1:]]
        assert max(len(part) if "rows" in limits else sum(map(len, part)) for part in parts) <= most
        assert len(parts) >= 50 // most


def test_the_version_of_the_first_answer_answers_all_rows(ask: Ask) -> None:
    def swapped(asked: Heard) -> Say:
        if asked.method == "GET":
            return models(rows=3)
        return echo(asked, asked.body.get("model_version", f"{len(asked.body['sequences'])}"))

    with answering(swapped) as (url, heard):
        assert ask(url, "echo@candidate", ROWS).version == "candidate"
        assert ask(url, "echo", ROWS).version == "3"
    assert [each.body.get("model_version") for each in heard[9:]] == [None] + ["3"] * 6


def test_a_version_with_its_features_in_another_order_gets_them_in_that_order(ask: Ask) -> None:
    known = [{"name": name, "unit": "", "domain": {"low": 0, "high": 1}} for name in ("x", "y")]

    def other(asked: Heard) -> Say:
        return models(rows=1, features=known) if asked.method == "GET" else echo(asked, features=("y", "x"))

    with answering(other) as (url, heard):
        answer = ask(url, "echo", pl.DataFrame({"id": [1, 2], "x": [1.0, 2.0], "y": [3.0, 4.0]}))
    assert np.array_equal(answer.outputs, [[3.0], [4.0]])
    assert answer.names is not None
    assert answer.names.tolist() == [1, 2]
    assert [each.body["sequences"][0][0] for each in heard[2:]] == [[3.0, 1.0], [4.0, 2.0]]


def test_what_a_request_carries(ask: Ask) -> None:
    with answering(in_turn()) as (url, heard):
        ask(f"{url}/behind/", "echo@candidate", ROWS[:1], key="secret", timeout=2.5)
    assert [each.path for each in heard] == ["/behind/models", "/behind/models/echo/predict"]
    headers = {name.lower(): value for name, value in heard[1].headers.items()}
    assert (headers["authorization"], headers["x-request-timeout-ms"]) == ("Bearer secret", "2500")
    assert heard[1].body == {"sequences": [[0.0]], "model_version": "candidate"}


def test_the_first_error_ends_the_call_and_counts_rows_over_all_parts(ask: Ask) -> None:
    outside = problem(422, "out-of-domain", row=1, received="9 in row 1, step 0")
    said = in_turn()

    def answer(asked: Heard) -> Say | None:
        return outside if asked.method == "POST" and 10.0 in asked.body["sequences"][1] else said(asked)

    with answering(answer) as (url, _), pytest.raises(OutOfDomain) as refused:
        ask(url, "echo", ROWS)
    assert refused.value.row == 10


def test_an_error_ends_the_call_while_an_earlier_part_waits_to_be_asked_again(ask: Ask) -> None:
    """In a test that fails, the call would wait for the whole patience."""
    busy, wrong = problem(429, "overloaded", retry_after_ms=1), problem(422, "invalid-request")

    def answer(asked: Heard) -> Say | None:
        if asked.method == "GET":
            return models(rows=1)
        return {1.0: busy, 3.0: wrong}.get(asked.body["sequences"][0][0]) or echo(asked)

    with answering(answer) as (url, heard), pytest.raises(InvalidRequest):
        ask(url, "echo", ROWS[:4], patience=20.0)
    assert [each.body["sequences"][0][0] for each in heard[1:]].count(3.0) == 1


def test_the_name_of_a_model_leads_to_no_other_route(ask: Ask) -> None:
    unknown = problem(404, "unknown-model")
    with answering(lambda asked: models() if asked.path == "/models" else unknown) as (url, heard):
        for name in ("../admin/keys", "a b?c#d"):
            with pytest.raises(errors.UnknownModel):
                ask(url, name, ROWS)
    paths = [each.path for each in heard if each.path != "/models"]
    assert paths == ["/models/..%2Fadmin%2Fkeys", "/models/a%20b%3Fc%23d"]


@pytest.mark.parametrize("member", [{"headers": {}}, {"self": 1}, {"retry_after_ms": "7"}, {"retry_after_ms": -1}])
def test_a_problem_of_another_program(member: dict[str, Any], ask: Ask, waits: list[float]) -> None:
    body = {"type": "urn:unroll:error:overloaded", "detail": "no", **member}
    with answering(in_turn(Say(429, body))) as (url, _):
        assert len(ask(url, "echo", ROWS[:2])) == 2
    assert len(waits) == 1


def test_every_error_of_the_service_has_its_class() -> None:
    assert {kind.slug: kind for kind in error_kinds()} == KINDS


def test_tls_with_an_authority_of_ones_own(tmp_path: Path, ask: Ask) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with answering(in_turn(), context) as (url, _):
        for verify in (tmp_path / "authority.pem", str(tmp_path / "authority.pem"), trusting):
            assert len(ask(url, "echo", ROWS[:2], verify=verify)) == 2
        with pytest.raises(NotReached, match=r'CERTIFICATE_VERIFY_FAILED.* signed the certificate: verify="tls\.crt"$'):
            ask(url, "echo", ROWS[:2], patience=0.05)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file or directory"), ("no certificate", "NO_CERTIFICATE")])
def test_an_authority_that_is_none(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidRequest, match=rf"certificate \(PEM\) as verify=; received '{file}': .*{said}"):
        Client("https://127.0.0.1:1", verify=file)


@pytest.mark.parametrize("address", ["127.0.0.1:3000", "localhost", "", "ftp://x"])
def test_an_address_without_its_scheme(address: str) -> None:
    with pytest.raises(InvalidRequest, match=r"expected an address such as http://127.0.0.1:3000") as refused:
        Client(address)
    assert ("Type http://" in refused.value.detail) == (address in ("127.0.0.1:3000", "localhost"))
