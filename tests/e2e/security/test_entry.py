"""Who gets in, what is said to those who do not, and what every answer carries."""

import json

import pytest

from tests.e2e.security.guarded import BODY, ORIGIN, Guarded, kind


def test_the_right_key_gets_in_and_every_wrong_one_is_told_why(guarded: Guarded) -> None:
    assert guarded.ask("POST", "/many_to_many", "alice", BODY)[0] == 200
    assert guarded.ask("POST", "/many_to_many", None, BODY, **{"x-api-key": guarded.secrets["alice"]})[0] == 200
    assert kind(guarded.ask("POST", "/many_to_many", None, BODY)) == (401, "missing-key")
    assert kind(guarded.ask("POST", "/many_to_many", None, BODY, authorization="Bearer x")) == (401, "wrong-key")
    assert kind(guarded.ask("POST", "/many_to_many", "past", BODY)) == (401, "expired-key")
    assert kind(guarded.ask("POST", "/many_to_many", "root", BODY)) == (403, "wrong-scope")
    assert [guarded.ask("GET", path, "root")[0] for path in ("/models", "/models/many_to_many", "/")] == [200] * 3
    assert guarded.ask("POST", "/many_to_many", "slow", BODY)[0] == 200
    status, problem, headers = guarded.ask("POST", "/many_to_many", "slow", BODY)
    assert (status, problem["reason"]) == (429, "rate")
    assert 900 < int(headers["retry-after"]) <= 1000


@pytest.mark.parametrize("path", ["/docs.json", "/schema.json", "/models", "/metrics"])
def test_bentomls_routes_and_ours_need_a_key(guarded: Guarded, path: str) -> None:
    assert kind(guarded.ask("GET", path)) == (401, "missing-key")
    assert guarded.ask("GET", path, "prometheus" if path == "/metrics" else "alice")[0] == 200


def test_the_page_and_its_files_need_none(guarded: Guarded) -> None:
    status, page, headers = guarded.ask("GET", "/")
    assert (status, b'data-keys="yes"' in page) == (200, True)
    assert "unsafe-" not in headers["content-security-policy"]
    assert guarded.ask("GET", "/page/main.js")[0] == 200
    assert kind(guarded.ask("GET", "/page/missing.js")) == (404, "unknown-route")


def test_probes_need_none(guarded: Guarded) -> None:
    assert [guarded.ask("GET", path)[0] for path in ("/livez", "/readyz")] == [200, 200]


def test_an_admin_promotes_and_users_do_not(guarded: Guarded) -> None:
    status, stored, _ = guarded.ask("GET", "/admin/models/many_to_many", "root")
    assert status == 200
    (version,) = stored["versions"]
    body = json.dumps({"version": version, "alias": "candidate"})
    assert kind(guarded.ask("POST", "/admin/models/many_to_many/promote", "alice", body)) == (403, "wrong-scope")
    assert kind(guarded.ask("POST", "/admin/models/many_to_many/promote", None, body)) == (401, "missing-key")
    assert guarded.ask("POST", "/admin/models/many_to_many/promote", "root", body)[:2] == (
        200,
        {"model": "many_to_many", "alias": "candidate", "version": version, "before": None},
    )
    assert kind(guarded.ask("POST", "/admin/models/many_to_many/rollback", "root")) == (409, "unchangeable")  # the first
    guarded.until(lambda: "candidate" in guarded.ask("GET", "/models", "alice")[1]["workers"][0]["serving"]["many_to_many"])


def test_every_answer_has_the_headers_that_browsers_heed(guarded: Guarded) -> None:
    for path, key in (("/", "alice"), ("/models", "alice"), ("/models", None), ("/nope", None), ("/livez", None)):
        headers = guarded.ask("GET", path, key)[2]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert "server" not in headers


def test_pages_of_listed_origins_may_ask_and_no_others(guarded: Guarded) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    status, _, headers = guarded.ask("OPTIONS", "/many_to_many", origin=ORIGIN, **asks)
    assert (status, headers["access-control-allow-origin"]) == (200, ORIGIN)
    status, _, headers = guarded.ask("OPTIONS", "/many_to_many", origin="https://evil.example", **asks)
    assert status == 400
    assert "access-control-allow-origin" not in headers
    assert guarded.ask("POST", "/many_to_many", "alice", BODY, origin=ORIGIN)[2]["access-control-allow-origin"] == ORIGIN
    assert (
        "access-control-allow-origin"
        not in guarded.ask("POST", "/many_to_many", "alice", BODY, origin="https://evil.example")[2]
    )


def test_admin_routes_go_with_the_last_admins_key(guarded: Guarded) -> None:
    assert guarded.ask("GET", "/admin/keys", "root")[0] == 200
    gone = guarded.revoke("root")
    guarded.until(lambda: guarded.ask("GET", "/admin/keys", "root")[0] == 404)
    status, problem, _ = guarded.ask("GET", "/admin/keys", "alice")
    assert (status, "/admin" in problem["detail"].split("There is:")[1]) == (404, False)
    guarded.restore("root", gone)
    guarded.until(lambda: guarded.ask("GET", "/admin/keys", "root")[0] == 200)
