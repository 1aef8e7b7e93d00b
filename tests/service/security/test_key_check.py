import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import ExpiredKey, MissingKey, RateLimited, UnrollError, WrongKey, WrongScope
from service.security.key_check import LONGEST, Guard
from service.security.key_rates import KeyRates
from service.security.keys import digest
from service.security.reloaded_files import Unusable

KEYS: dict[str, dict[str, Any]] = {
    "alice": {"scopes": ["predict"]},
    "root": {"scopes": ["admin"]},
    "prometheus": {"scopes": ["metrics"]},
    "past": {"scopes": ["predict", "admin"], "expires": "2026-01-01T00:00:00Z"},
    "slow": {"scopes": ["predict"], "rate": 0.5, "burst": 2},
}
SECRETS = {name: f"unroll_{secrets.token_urlsafe(32)}".encode() for name in KEYS}


def lines(*names: str) -> str:
    return "".join(json.dumps({"name": name, "sha256": digest(SECRETS[name]).hex(), **KEYS[name]}) + "\n" for name in names)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.jsonl"
    path.write_text(lines(*KEYS))
    return path


@pytest.fixture
def guard(file: Path, tmp_path: Path) -> Guard:
    return Guard(file, KeyRates(tmp_path / "rates"))


def bearer(name: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + SECRETS[name]}


def test_without_a_file_every_request_is_admitted_and_admin_routes_do_not_exist(tmp_path: Path) -> None:
    guard = Guard(None, KeyRates(tmp_path))
    assert guard.admit({}, "predict") is None
    assert guard.refusal("/metrics", {}) is None
    assert guard.has("predict")
    assert not guard.has("admin")


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER   "])
def test_a_key_gets_in_by_either_header_whatever_the_schemes_case(guard: Guard, scheme: bytes) -> None:
    assert guard.admit({b"authorization": scheme + SECRETS["alice"]}, "predict") == "alice"
    assert guard.admit({b"x-api-key": SECRETS["alice"]}, "predict") == "alice"
    assert guard.admit({b"authorization": b"Basic eDp5", b"x-api-key": SECRETS["alice"]}, "predict") == "alice"


def test_no_key_is_401_and_says_where_to_put_one(guard: Guard) -> None:
    for headers in ({}, {b"authorization": b""}, {b"authorization": b"Basic eDp5"}, {b"authorization": SECRETS["alice"]}):
        with pytest.raises(MissingKey, match="authorization: Bearer <key>") as refused:
            guard.admit(headers, "predict")
        assert refused.value.headers == {"www-authenticate": 'Bearer realm="unroll"'}


RIGHT = SECRETS["alice"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"unroll_",
        RIGHT[:-1],
        RIGHT + b"x",
        RIGHT.lower(),
        RIGHT[:-1] + b"\xff",
        RIGHT + b" " + RIGHT,
        RIGHT + b"x" * LONGEST,
    ],
    ids=["empty", "prefix", "cut short", "one byte more", "lower case", "another byte", "twice", "too long"],
)
def test_a_key_that_is_nearly_right_is_wrong(guard: Guard, wrong: bytes) -> None:
    with pytest.raises(WrongKey) as refused:
        guard.admit({b"x-api-key": wrong}, "predict")
    assert type(refused.value) is WrongKey
    assert 'error="invalid_token"' in refused.value.headers["www-authenticate"]
    assert not wrong or wrong.decode("latin-1") not in refused.value.detail


def test_a_digest_is_no_key(guard: Guard) -> None:
    for stolen in (digest(RIGHT), digest(RIGHT).hex().encode()):
        with pytest.raises(WrongKey):
            guard.admit({b"x-api-key": stolen}, "predict")


def test_a_key_gets_in_until_the_second_it_expires(file: Path, tmp_path: Path) -> None:
    ends = 1767225600.0  # 2026-01-01T00:00:00Z
    before, after = (Guard(file, KeyRates(tmp_path / "rates"), clock=lambda now=now: now) for now in (ends - 1, ends))  # type: ignore[misc]
    assert before.admit(bearer("past"), "predict") == "past"
    with pytest.raises(ExpiredKey, match="2026-01-01 00:00:00"):
        after.admit(bearer("past"), "predict")


def test_no_scope_implies_another(guard: Guard) -> None:
    for name, scope in (("alice", "admin"), ("alice", "metrics"), ("root", "predict"), ("prometheus", "predict")):
        with pytest.raises(WrongScope, match=f"a key with the scope {scope}; received the key {name}") as refused:
            guard.admit(bearer(name), scope)  # type: ignore[arg-type]
        assert f'error="insufficient_scope", scope="{scope}"' in refused.value.headers["www-authenticate"]


def test_a_key_beyond_its_rate_gets_the_time_to_retry(guard: Guard) -> None:
    assert [guard.admit(bearer("slow"), "predict") for _ in range(2)] == ["slow"] * 2
    with pytest.raises(RateLimited, match=r"at most 0\.5 requests a second with the key slow, 2 at once") as refused:
        guard.admit(bearer("slow"), "predict")
    assert refused.value.headers["retry-after"] == "2"
    assert refused.value.extra["reason"] == "rate"
    assert 1000 < refused.value.extra["retry_after_ms"] <= 2000
    assert guard.admit(bearer("alice"), "predict") == "alice"


@pytest.mark.parametrize(
    ("path", "name"), [("/", "alice"), ("/docs.json", "alice"), ("/schema.json", "alice"), ("/metrics", "prometheus")]
)
def test_bentomls_own_routes_need_a_key_but_for_the_probes(guard: Guard, path: str, name: str) -> None:
    assert isinstance(guard.refusal(path, {}), MissingKey)
    other = {"alice": "prometheus", "prometheus": "root"}[name]
    assert isinstance(guard.refusal(path, bearer(other)), WrongScope)
    assert guard.refusal(path, bearer(name)) is None
    assert path == "/metrics" or guard.refusal(path, bearer("root")) is None  # admin reads what predict reads
    assert all(guard.refusal(probe, {}) is None for probe in ("/livez", "/readyz", "/healthz"))


def test_metrics_can_be_open_without_a_key(file: Path, tmp_path: Path) -> None:
    guard = Guard(file, KeyRates(tmp_path), open_metrics=True)
    assert guard.refusal("/metrics", {}) is None
    assert isinstance(guard.refusal("/metrics/", {}), MissingKey)


def test_admin_routes_are_there_while_an_admins_key_is_valid(file: Path, guard: Guard) -> None:
    assert guard.has("admin")
    file.write_text(lines("alice", "past"))  # the one admin's key has expired
    guard.look()
    assert not guard.has("admin")
    file.write_text(lines("alice", "root"))
    guard.look()
    assert guard.has("admin")


def test_keys_are_rotated_with_both_valid_in_between(file: Path, guard: Guard) -> None:
    file.write_text(lines("alice"))
    guard.look()
    file.write_text(lines("alice", "slow"))
    guard.look()
    assert [guard.admit(bearer(name), "predict") for name in ("alice", "slow")] == ["alice", "slow"]
    file.write_text(lines("slow"))
    guard.look()
    with pytest.raises(WrongKey):
        guard.admit(bearer("alice"), "predict")
    file.write_text("half a li")
    guard.look()
    assert [key.name for key in guard.keys] == ["slow"]
    file.write_text("")
    guard.look()
    with pytest.raises(WrongKey):
        guard.admit(bearer("slow"), "predict")


@pytest.mark.parametrize(("content", "why"), [(b"{", "line 1"), (b"\xff", "not text")])
def test_a_file_that_cannot_be_used_at_the_start_is_an_error(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(Unusable, match=why):
        Guard(tmp_path / "keys", KeyRates(tmp_path))


NAMES = st.sampled_from([b"authorization", b"x-api-key", b"cookie", b"proxy-authorization", b"x-request-id"])
PIECES = st.sampled_from(
    [b"Bearer ", b"bearer", b"Basic ", b" ", b",", b"unroll_", b"\x00", b"'--", b"*", RIGHT[:49], b"\xf0\x9f"]
)
VALUES = st.one_of(st.binary(max_size=600), st.lists(PIECES, max_size=8).map(b"".join))


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(headers=st.dictionaries(NAMES, VALUES, max_size=5))
def test_any_headers_without_a_key_get_401(guard: Guard, headers: dict[bytes, bytes]) -> None:
    with pytest.raises(UnrollError) as refused:
        guard.admit(headers, "predict")
    assert refused.value.status == 401


def test_a_hundred_thousand_guessed_keys_are_all_refused(guard: Guard) -> None:
    wrong = 0
    for number in range(100_000):
        guess = RIGHT[: number % 50] + secrets.token_urlsafe(40).encode()
        try:
            guard.admit({b"x-api-key": guess}, "predict")
        except WrongKey:
            wrong += 1
    assert wrong == 100_000
