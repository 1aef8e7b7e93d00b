"""The registry asked for versions that no alias names."""

import threading
from pathlib import Path

import pytest

from contract.store import ModelStore
from service.errors import UnknownVersion
from service.runtime.runtimes import Runtime
from service.versions import registry as registry_module
from service.versions.serving_plan import PINNED
from tests.asking import until
from tests.conftest import Publish
from tests.service.registries import ONE, Counting, answers, default, in_memory, load, loaded, publish_wrong


def test_a_pinned_version_is_loaded_once_and_answers_only_by_its_name(store: ModelStore, publish: Publish) -> None:
    counting = Counting()
    versions = [publish().version for _ in range(PINNED + 3)]
    store.promote("one_to_one", "production", versions[-1])
    registry = loaded(store, counting)
    for version in versions[:-1]:
        assert registry.find(ONE, version) is None
        assert registry.load_pinned(ONE, version).model.manifest.version == version
        assert registry.load_pinned(ONE, version).model is registry.served["one_to_one"].versions[version]
        assert default(registry) == versions[-1]
    registry.refresh()
    assert in_memory(registry) == set(versions[-PINNED - 1 :])  # those that were asked for last
    assert sorted(counting.versions) == versions
    assert registry.load_pinned(ONE, versions[0]).model.manifest.version == versions[0]


def test_a_pinned_version_that_requests_keep_naming_stays(store: ModelStore, publish: Publish) -> None:
    versions = [publish().version for _ in range(PINNED + 2)]
    registry = loaded(store)
    for version in versions[:PINNED]:
        registry.load_pinned(ONE, version)
    assert answers(registry, versions[0]) == versions[0]
    registry.load_pinned(ONE, versions[PINNED])
    assert in_memory(registry) == {versions[0], *versions[2:]}


def test_a_broken_version_asked_for_costs_no_other_its_place(store: ModelStore, publish: Publish) -> None:
    wrong = publish_wrong(store)
    versions = [publish().version for _ in range(PINNED + 1)]
    registry = loaded(store)
    for version in versions[:-1]:
        registry.load_pinned(ONE, version)
    for missing in (wrong, "never-published", "../one_to_one", "candidate"):
        with pytest.raises(UnknownVersion) as caught:
            registry.load_pinned(ONE, missing)
        assert f"received {missing}." in caught.value.detail
    assert in_memory(registry) == set(versions)


def test_misses_are_answered_from_one_listing(store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    registry = loaded(store)
    monkeypatch.setattr(registry_module, "LISTED_SECONDS", 60.0)
    listed: list[str] = []
    versions = store.versions

    def counted(name: str) -> list[str]:
        listed.append(name)
        return versions(name)

    monkeypatch.setattr(store, "versions", counted)
    for number in range(2_000):
        with pytest.raises(UnknownVersion, match=f"received never-{number}"):
            registry.find(ONE, f"never-{number}")
        with pytest.raises(UnknownVersion):
            registry.look_up(ONE, f"never-{number}")
    assert listed == []
    late = publish().version
    with pytest.raises(UnknownVersion):
        registry.look_up(ONE, late)
    monkeypatch.setattr(registry_module, "LISTED_SECONDS", 0.0)
    assert registry.find(ONE, late) is None  # it may be there by now
    registry.look_up(ONE, late)
    assert registry.load_pinned(ONE, late).model.manifest.version == late


def test_a_refused_version_is_tried_once_a_listing(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    wrong = publish_wrong(store)
    registry = loaded(store)
    monkeypatch.setattr(registry_module, "LISTED_SECONDS", 60.0)
    registry.look_up(ONE, wrong)
    with pytest.raises(UnknownVersion, match="is refused"):
        registry.load_pinned(ONE, wrong)
    with pytest.raises(UnknownVersion, match="is refused"):
        registry.find(ONE, wrong)


def test_neither_look_ups_nor_withdrawals_wait_for_a_version_that_loads(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "LISTED_SECONDS", 0.0)
    first, candidate = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_canary("one_to_one", "production", candidate, 50.0)
    loading, goes_on = threading.Event(), threading.Event()

    def slow(folder: Path) -> Runtime:
        if folder.name not in (first, candidate):
            loading.set()
            assert goes_on.wait(10)
        return load(folder)

    registry = loaded(store, slow)
    (canary,) = registry.trials
    late = publish().version
    load_late = threading.Thread(target=registry.load_pinned, args=(ONE, late))
    load_late.start()
    assert loading.wait(10)
    with pytest.raises(UnknownVersion):
        registry.look_up(ONE, "never")
    end = threading.Thread(target=registry.end_canary, args=(canary, "it failed"))
    end.start()
    until(lambda: store.aliases("one_to_one")["production"].canary is None)
    assert load_late.is_alive()
    goes_on.set()
    load_late.join()
    end.join()
    assert registry.trials == []
