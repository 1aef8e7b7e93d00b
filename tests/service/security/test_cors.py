import asyncio

import httpx2
from starlette.responses import PlainTextResponse

from service.security.cors import cross_origin

OURS, THEIRS = "https://page.example", "https://evil.example"
APP = PlainTextResponse("answer")
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-encoding, content-type, traceparent, x-api-key",
}


def ask(origins: tuple[str, ...], method: str, headers: dict[str, str]) -> httpx2.Response:
    async def asked() -> httpx2.Response:
        transport = httpx2.ASGITransport(cross_origin(origins)(APP, []))
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, "/many_to_many", headers=headers)

    return asyncio.run(asked())


def allowed(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control")}


def test_without_listed_origins_no_page_may_ask_and_no_layer_is_added() -> None:
    assert cross_origin(())(APP, []) is APP
    assert allowed(ask((), "POST", {"origin": OURS})) == {}


def test_a_listed_origin_is_allowed_to_ask_with_a_key_and_to_read_the_answer() -> None:
    preflight = ask((OURS,), "OPTIONS", {"origin": OURS, **PREFLIGHT})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == OURS
    assert preflight.headers["access-control-allow-methods"] == "GET, POST"
    assert "access-control-allow-credentials" not in preflight.headers
    answer = ask((OURS,), "POST", {"origin": OURS})
    assert (answer.text, answer.headers["access-control-allow-origin"]) == ("answer", OURS)
    assert "origin" in answer.headers["vary"].lower()


def test_a_preflight_from_another_origin_is_refused_and_its_pages_cannot_read_answers() -> None:
    assert ask((OURS,), "OPTIONS", {"origin": THEIRS, **PREFLIGHT}).status_code == 400
    for origin in (THEIRS, "null", OURS + ".evil.example", OURS.upper()):
        assert "access-control-allow-origin" not in allowed(ask((OURS,), "POST", {"origin": origin}))


def test_a_preflight_for_another_method_is_refused() -> None:
    headers = {"origin": OURS, "access-control-request-method": "DELETE"}
    assert ask((OURS,), "OPTIONS", headers).status_code == 400
