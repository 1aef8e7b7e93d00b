"""The registry asked for versions that no alias names."""

import pytest

from contract.store import ModelStore
from service.errors import UnknownVersion
from service.versions.serving_plan import PINNED
from tests.conftest import Publish
from tests.service.registries import ONE, Counting, answers, default, in_memory, loaded, publish_wrong


def test_a_pinned_version_is_loaded_once_and_answers_only_by_its_name(store: ModelStore, publish: Publish) -> None:
    counting = Counting()
    versions = [publish().version for _ in range(PINNED + 3)]
    store.promote("one_to_one", "production", versions[-1])
    registry = loaded(store, counting)
    for version in versions[:-1]:
        assert registry.find(ONE, 5, version) is None
        assert registry.load_pinned(ONE, 5, version).model.manifest.version == version
        assert registry.load_pinned(ONE, 5, version).model is registry.served["one_to_one"].versions[version]
        assert default(registry) == versions[-1]
    registry.refresh()
    assert in_memory(registry) == set(versions[-PINNED - 1 :])  # those that were asked for last
    assert sorted(counting.versions) == versions
    assert registry.load_pinned(ONE, 5, versions[0]).model.manifest.version == versions[0]


def test_a_pinned_version_that_requests_keep_naming_stays(store: ModelStore, publish: Publish) -> None:
    versions = [publish().version for _ in range(PINNED + 2)]
    registry = loaded(store)
    for version in versions[:PINNED]:
        registry.load_pinned(ONE, 5, version)
    assert answers(registry, versions[0]) == versions[0]
    registry.load_pinned(ONE, 5, versions[PINNED])
    assert in_memory(registry) == {versions[0], *versions[2:]}


def test_a_broken_version_asked_for_costs_no_other_its_place(store: ModelStore, publish: Publish) -> None:
    wrong = publish_wrong(store)
    versions = [publish().version for _ in range(PINNED + 1)]
    registry = loaded(store)
    for version in versions[:-1]:
        registry.load_pinned(ONE, 5, version)
    for missing in (wrong, "never-published", "../one_to_one", "candidate"):
        with pytest.raises(UnknownVersion) as caught:
            registry.load_pinned(ONE, 5, missing)
        assert f"received {missing}." in caught.value.detail
    assert in_memory(registry) == set(versions)
