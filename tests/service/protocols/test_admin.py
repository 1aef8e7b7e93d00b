import asyncio
import json
import time
from contextlib import nullcontext
from math import inf
from pathlib import Path
from typing import Any

import pytest

from contract.atomic_files import locked
from contract.store import ModelStore
from service.errors import DeadlineExceeded, InvalidRequest, NotJSON, Unchangeable, UnknownRoute
from service.http.messages import Request, Response
from service.protocols.admin import Admin
from service.request_context import Caller
from service.security.key_check import Guard
from service.security.key_rates import KeyRates
from service.security.keys import line, new
from tests.conftest import Publish


@pytest.fixture
def admin(store: ModelStore, tmp_path: Path) -> Admin:
    (tmp_path / "keys").write_text(line(new("root", ["admin"], None, 2.5, None)[1]))
    return Admin(store, Guard(tmp_path / "keys", KeyRates(tmp_path)), lambda _: nullcontext())


def ask(admin: Admin, path: str, name: str = "one_to_one", body: Any = None, seconds: float = inf) -> Any:
    (route,) = [route for route in admin.routes if route.path == path]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer() -> Response:
        return await route.handle(Request(content, Caller(time.monotonic() + seconds), {"name": name}, "root"))

    return json.loads(asyncio.run(answer()).body)


PROMOTE, ROLL_BACK = "/admin/models/{name}/promote", "/admin/models/{name}/rollback"


def test_every_route_needs_an_admins_key(admin: Admin) -> None:
    assert {route.scope for route in admin.routes} == {"admin"}


def test_promote_and_roll_back_change_the_store_and_are_logged(
    admin: Admin, store: ModelStore, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (publish().version for _ in range(2))
    assert ask(admin, PROMOTE, body={"version": first})["before"] is None
    assert ask(admin, PROMOTE, body={"version": second, "alias": "production"}) == {
        "model": "one_to_one",
        "alias": "production",
        "version": second,
        "before": first,
    }
    assert store.aliases("one_to_one")["production"].version == second
    assert f"production of one_to_one: {first} -> {second}, requested with the key root" in caplog.text
    assert ask(admin, ROLL_BACK, body=b"") == {
        "model": "one_to_one",
        "alias": "production",
        "version": first,
        "before": second,
    }
    assert store.aliases("one_to_one")["production"].version == first


def test_the_stored_versions_are_shown_with_the_history_of_aliases(admin: Admin, publish: Publish) -> None:
    version = publish().version
    ask(admin, PROMOTE, body={"version": version, "alias": "candidate"})
    stored = ask(admin, "/admin/models/{name}")
    assert stored["versions"] == [version]
    assert [event["what"] for event in stored["aliases"]["candidate"]["history"]] == ["promote"]


def test_keys_are_shown_without_their_digests(admin: Admin) -> None:
    shown = ask(admin, "/admin/keys")
    assert shown == {"keys": [{"name": "root", "scopes": ["admin"], "expires": None, "rate": 2.5, "burst": None}]}


def test_a_change_that_the_store_refuses_says_why(admin: Admin, store: ModelStore, publish: Publish) -> None:
    version = publish().version
    with pytest.raises(Unchangeable, match="has no version nope"):
        ask(admin, PROMOTE, body={"version": "nope"})
    with pytest.raises(Unchangeable, match="has no alias production"):
        ask(admin, ROLL_BACK, body={})
    (store.path("one_to_one", version) / "weights").write_bytes(b"changed")
    with pytest.raises(Unchangeable, match="is broken: weights is changed"):
        ask(admin, PROMOTE, body={"version": version})
    (store.root / "one_to_one" / ".lock").unlink(missing_ok=True)
    (store.root / "one_to_one" / ".lock").mkdir()
    with pytest.raises(Unchangeable, match="the store cannot be written: Is a directory"):
        ask(admin, ROLL_BACK, body={})


def test_a_held_lock_of_the_store_keeps_no_request_past_its_deadline(
    admin: Admin, store: ModelStore, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = publish().version, publish().version
    with locked(store.root / "one_to_one"):
        with pytest.raises(DeadlineExceeded, match="the change may still come: see GET /admin/models/one_to_one"):
            ask(admin, PROMOTE, body={"version": first}, seconds=0.01)
        with pytest.raises(DeadlineExceeded, match="nothing will change"):
            ask(admin, PROMOTE, body={"version": second}, seconds=0.01)
        assert ask(admin, "/admin/models/{name}")["aliases"] == {}
    ask(admin, PROMOTE, body={"version": second})
    changes = [(None, first), (first, second)]
    assert caplog.messages == [f"production of one_to_one: {a} -> {b}, requested with the key root" for a, b in changes]


@pytest.mark.parametrize("name", ["many_to_many", "..", "one_to_one/..", ""])
def test_a_name_that_is_not_in_the_store_is_404(admin: Admin, publish: Publish, name: str) -> None:
    publish()
    with pytest.raises(UnknownRoute, match="It has: one_to_one"):
        ask(admin, PROMOTE, name, {"version": "x"})


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (b"", NotJSON, "with version and alias; received an empty body"),
        (b"[]", InvalidRequest, "received an invalid body"),
        (b"{}", InvalidRequest, "received an invalid version: Field required"),
        (b'{"version": 1}', InvalidRequest, "received an invalid version"),
        (b'{"version": "x", "alias": "../x"}', InvalidRequest, "received an invalid alias"),
        (b'{"version": "x", "force": true}', InvalidRequest, "received an invalid force"),
    ],
)
def test_a_body_with_a_wrong_field_is_refused_with_what_was_expected(
    admin: Admin, body: bytes, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=why):
        ask(admin, PROMOTE, body=body)
