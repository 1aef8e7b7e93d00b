"""Models that change while two workers serve them: promotions, broken versions, canaries and shadows."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
import tensorflow as tf

from contract.atomic_files import hash_files
from contract.manifest import GoldenPair
from contract.store import ModelStore, new_version
from contract.store_reader import MANIFEST
from tests import asking
from tests.e2e.conftest import serving
from training.networks import build, export
from training.plan import Network

NAME = "many_to_many"
ROW = [0.0, 0.2, 0.4, 0.6, 0.8]
until = partial(asking.until, seconds=30)  # for a change to reach both workers of a machine that has other things to do


class Service(NamedTuple):
    url: str
    store: ModelStore
    base: str  # the version that was trained
    folder: Path  # for what is put together beside the store


@pytest.fixture(scope="module")
def running(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("swap")
    shutil.copytree(home / "models" / NAME, folder / "models" / NAME)
    store = ModelStore(folder / "models")
    (base,) = store.versions(NAME)
    store.promote(NAME, "production", base)
    with serving(folder, settings={"UNROLL_WORKERS": "2"}) as url:
        yield Service(url, store, base, folder)


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    """With the trained version in production, and nothing else in the store after the test."""
    yield running
    running.store.promote(NAME, "production", running.base)
    running.store.withdraw(NAME, "production", canary=True, shadow=True)
    for version in running.store.versions(NAME):
        if version != running.base:
            running.store.delete(NAME, version)
    until(lambda: defaults(running) == [running.base] * 2)


@pytest.fixture
def client(service: Service) -> Iterator[httpx2.Client]:
    """A new connection for each request, so that both workers get some."""
    with httpx2.Client(base_url=service.url, timeout=30, limits=httpx2.Limits(max_keepalive_connections=0)) as http:
        yield http


def models(service: Service) -> dict[str, Any]:
    answer: dict[str, Any] = asking.get(f"{service.url}/models").json()
    return answer


def defaults(service: Service) -> list[str]:
    """What each worker answers with."""
    return [worker["serving"][NAME]["default"] for worker in models(service)["workers"]]


def ask(client: httpx2.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post(f"/{NAME}", json={"sequences": [ROW], **fields})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def shift(answer: dict[str, Any]) -> float:
    """By how much a right answer is off: 0 from the trained version."""
    (row,) = answer["sequences"]
    off = [given - asked for given, asked in zip(row, ROW, strict=True)]
    assert max(off) - min(off) < 0.1
    return float(round(sum(off) / len(off) * 2)) / 2


def publish_shifted(service: Service, by: float) -> str:
    """The trained network answering x + `by`, whole and true to its golden pairs."""
    store = service.store
    manifest, trained = store.verify(NAME, service.base), store.path(NAME, service.base)
    network = Network(manifest.shape, manifest.units)
    model = build(network, manifest.length, seed=0)
    saved = tf.saved_model.load(str(trained))
    for variable, value in zip(model.weights, saved.signatures["serving_default"].variables, strict=True):
        variable.assign(value)
    model.weights[-1].assign_add([by])
    exported = service.folder / "exported"
    export(model, network, exported, None)
    golden = [GoldenPair(input=pair.input, output=[[step[0] + by] for step in pair.output]) for pair in manifest.golden]

    def fill(staging: Path) -> None:
        version = staging / NAME / changed.version
        shutil.copytree(trained, version, ignore=shutil.ignore_patterns(MANIFEST, *(path.name for path in exported.iterdir())))
        shutil.copytree(exported, version, dirs_exist_ok=True)

    changed = manifest.model_copy(update={"version": new_version(), "golden": golden})
    store.publish(changed, fill)
    shutil.rmtree(exported)
    return changed.version


def put(service: Service, what: str, spoil: Callable[[Path], None], **fields: Any) -> str:
    """A spoilt copy of the trained version appears in the store, as its newest."""
    manifest = service.store.verify(NAME, service.base).model_copy(update={"version": f"99999999-{what}", **fields})
    aside = service.folder / what
    shutil.copytree(service.store.path(NAME, service.base), aside)
    whole = manifest.model_copy(update={"files": hash_files(aside, but=MANIFEST)})
    (aside / MANIFEST).write_text(whole.model_dump_json())
    spoil(aside)
    aside.rename(service.store.path(NAME, manifest.version))
    return manifest.version


class Load:
    """Requests from a thread until told to stop; each answer with when it was asked for and when it came."""

    def __init__(self, url: str, **fields: Any) -> None:
        self.answers: list[tuple[float, float, str, float]] = []  # sent, received, version, shift
        self.failed: list[str] = []
        self._url, self._fields = url, fields
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        limits = httpx2.Limits(max_keepalive_connections=0)
        with httpx2.Client(base_url=self._url, timeout=30, limits=limits) as client:
            while not self._stop.is_set():
                sent = time.monotonic()
                try:
                    answer = ask(client, **self._fields)
                    self.answers.append((sent, time.monotonic(), answer["version"], shift(answer)))
                except Exception as error:  # whatever it is, it is what the test is about
                    self.failed.append(repr(error))


def test_promotions_and_rollbacks_under_load_fail_nothing_and_answer_as_promised(service: Service) -> None:
    shifts = {service.base: 0.0} | {publish_shifted(service, by): by for by in (0.5, 1.0)}
    _, second, third = shifts
    phases = [(0.0, {service.base})]  # since when, which versions may answer
    with (
        Load(service.url) as free,
        Load(service.url, model_version="production") as named,
        Load(service.url, model_version=service.base) as pinned,
    ):
        for wanted in (second, third, service.base, third, None, second):
            before, began = service.store.aliases(NAME)["production"].version, time.monotonic()
            if wanted is not None:
                service.store.promote(NAME, "production", wanted)
            now = wanted or service.store.rollback(NAME, "production")
            phases.append((began, {before, now}))
            until(lambda now=now: defaults(service) == [now] * 2)  # type: ignore[misc]
            phases.append((time.monotonic(), {now}))
            count = len(free.answers) + 5
            until(lambda enough=count: len(free.answers) >= enough)  # type: ignore[misc]
    assert free.failed + named.failed + pinned.failed == []
    ends = [since for since, _ in phases[1:]] + [time.monotonic()]
    for sent, received, version, by in free.answers + named.answers:
        assert by == shifts[version]
        allowed = [may for (since, may), end in zip(phases, ends, strict=True) if since <= received and sent <= end]
        assert version in set().union(*allowed)
    assert {version for *_, version, _ in free.answers} == set(shifts)
    assert {(version, by) for *_, version, by in pinned.answers} == {(service.base, 0.0)}


def change_weights(folder: Path) -> None:
    weights = next((folder / "variables").glob("*.data*"))
    weights.write_bytes(weights.read_bytes()[::-1])


def copy_half(folder: Path) -> None:
    (folder / "saved_model.pb").unlink()


def spoil_nothing(_: Path) -> None:
    pass


def test_versions_that_fail_a_check_are_named_and_the_one_before_serves_on(service: Service, client: httpx2.Client) -> None:
    first = service.store.verify(NAME, service.base).golden[0]
    wrong = GoldenPair(input=first.input, output=[[step[0] + 0.5] for step in first.output])
    cases: list[tuple[str, Callable[[Path], None], dict[str, Any], str]] = [
        ("1-changed", change_weights, {}, "is changed"),
        ("2-contract", spoil_nothing, {"contract_version": 99}, "contract version 99, this program needs 2"),
        ("3-half", copy_half, {}, "saved_model.pb is missing"),
        ("4-golden", spoil_nothing, {"golden": [wrong]}, "golden pair 0 differs by 0.5"),
    ]
    reasons: dict[str, str] = {}

    def refused() -> bool:
        seen = {each["version"]: str(each["reason"]) for each in models(service)["refused"]}
        return all(reason in seen.get(version, "") for version, reason in reasons.items())

    for what, spoil, fields, reason in cases:  # each is the newest for a while: others are not even looked at
        reasons[put(service, what, spoil, **fields)] = reason
        until(refused)
    service.store.promote(NAME, "production", list(reasons)[-1])  # whole by its hashes: only who loads it can tell
    for _ in range(20):
        for fields in ({}, {"model_version": "production"}):
            answer = ask(client, **fields)
            assert (answer["version"], shift(answer)) == (service.base, 0.0)
    for version, reason in reasons.items():
        problem = client.post(f"/{NAME}", json={"sequences": [ROW], "model_version": version})
        assert (problem.status_code, problem.json()["type"]) == (404, "urn:unroll:error:unknown-version")
        assert reason in problem.json()["detail"]
    assert defaults(service) == [service.base] * 2


def test_a_version_that_is_removed_is_not_served_any_more(service: Service, client: httpx2.Client) -> None:
    second, third = publish_shifted(service, 0.5), publish_shifted(service, 1.0)
    assert shift(ask(client, model_version=second)) == 0.5
    shutil.rmtree(service.store.path(NAME, second))
    shutil.rmtree(service.store.path(NAME, third))
    until(lambda: {m["version"] for m in models(service)["models"]} == {service.base})
    for version in (second, third):
        until(lambda gone=version: client.post(f"/{NAME}", json={"sequences": [ROW], "model_version": gone}).status_code == 404)  # type: ignore[misc]
    assert ask(client)["version"] == service.base


def test_a_canary_answers_its_share_alike_for_a_key_on_both_workers(service: Service, client: httpx2.Client) -> None:
    second = publish_shifted(service, 0.0)
    service.store.set_canary(NAME, "production", second, 25.0)
    until(lambda: [w["serving"][NAME]["canary"] for w in models(service)["workers"]] == [second] * 2)
    sides = [[ask(client, routing_key=f"user {n}")["version"] for n in range(200)] for _ in range(2)]
    assert sides[0] == sides[1]
    assert 25 <= sides[0].count(second) <= 80
    assert {ask(client, model_version=service.base)["version"] for _ in range(20)} == {service.base}
    (trial,) = client.get(f"/models/{NAME}/comparison").json()["trials"]
    assert (trial["kind"], trial["baseline"], trial["candidate"], trial["percent"]) == ("canary", service.base, second, 25.0)
    assert trial["differing_rows"] == 0


def test_a_broken_canary_withdraws_itself_and_says_why(service: Service, client: httpx2.Client) -> None:
    broken = publish_shifted(service, 0.5)
    service.store.set_canary(NAME, "production", broken, 25.0)
    shifts = {service.base: 0.0, broken: 0.5}

    def withdrawn() -> bool:
        answer = ask(client)
        assert shift(answer) == shifts[answer["version"]]
        return service.store.aliases(NAME)["production"].canary is None

    until(withdrawn)
    alias = service.store.aliases(NAME)["production"]
    assert (alias.version, alias.history[-1].what, alias.history[-1].version) == (service.base, "withdraw", broken)
    assert "rows differ by more than 0.05 of the domain, the largest by 0.5" in alias.history[-1].reason
    until(lambda: [w["serving"][NAME]["canary"] for w in models(service)["workers"]] == [None, None])
    assert {ask(client)["version"] for _ in range(50)} == {service.base}
    assert f'unroll_canary_rollbacks_total{{model="{NAME}"}}' in client.get("/metrics").text


def test_a_shadow_answers_nobody_and_its_differences_are_told(service: Service, client: httpx2.Client) -> None:
    shadow = publish_shifted(service, 0.5)
    service.store.set_shadow(NAME, "production", shadow)
    until(lambda: [w["serving"][NAME]["shadow"] for w in models(service)["workers"]] == [shadow] * 2)
    answers = [ask(client) for _ in range(60)]
    assert {(answer["version"], shift(answer)) for answer in answers} == {(service.base, 0.0)}

    def comparison() -> dict[str, Any]:
        (trial,) = client.get(f"/models/{NAME}/comparison").json()["trials"]
        return dict(trial)

    until(lambda: comparison()["compared_rows"] == 60)  # the other worker tells every two seconds
    trial = comparison()
    assert (trial["kind"], trial["baseline"], trial["candidate"]) == ("shadow", service.base, shadow)
    assert (trial["differing_rows"], trial["uncompared_requests"]) == (60, 0)
    assert trial["largest_difference"] == pytest.approx(0.5, abs=1e-3)
    assert trial["mean_difference"] == pytest.approx(0.5, abs=1e-3)
    assert {side: (seen["requests"], seen["errors"]) for side, seen in trial["sides"].items()} == {
        "baseline": (60, 0),
        "candidate": (60, 0),
    }
    unknown = client.get("/models/nobody/comparison")
    assert (unknown.status_code, unknown.json()["detail"]) == (
        404,
        f"expected the name of a served model ({NAME}); received nobody.",
    )
