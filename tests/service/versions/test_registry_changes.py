"""The registry while the store changes."""

import errno
import gc
import os
import shutil
from pathlib import Path
from weakref import ref

import pytest

from contract.atomic_files import state
from contract.store import ModelStore
from service.errors import ModelNotServed, UnknownVersion
from service.runtime.runtimes import Runtime
from service.telemetry import metrics
from tests.conftest import Publish
from tests.service.registries import ONE, Counting, answers, default, in_memory, loaded, publish_wrong, served


def test_a_new_version_is_loaded_and_answers_when_it_is_promoted(store: ModelStore, publish: Publish) -> None:
    first = publish().version
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    second = publish().version
    registry.refresh()
    assert (default(registry), answers(registry, second)) == (first, second)
    store.promote("one_to_one", "production", second)
    registry.refresh()
    assert (default(registry), answers(registry, "production"), answers(registry, first)) == (second, second, first)
    store.rollback("one_to_one", "production")
    registry.refresh()
    assert (default(registry), answers(registry, "production")) == (first, first)


def test_without_production_the_newest_version_answers_once_it_is_published(store: ModelStore, publish: Publish) -> None:
    publish()
    registry = loaded(store)
    newest = publish().version
    other = publish("many_to_one", length=3).version
    registry.refresh()
    assert served(registry) == {"one_to_one": newest, "many_to_one_3": other}


def test_a_version_in_memory_is_not_loaded_again(store: ModelStore, publish: Publish) -> None:
    counting = Counting()
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    registry = loaded(store, counting)
    model = registry.served["one_to_one"].default
    for version in (second, first, second):
        store.promote("one_to_one", "production", version)
        registry.refresh()
    assert sorted(counting.versions) == [first, second]
    assert registry.served["one_to_one"].versions[first] is model


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_as_many_of_the_versions_before_are_kept_as_asked_for(store: ModelStore, publish: Publish, keep: int) -> None:
    counting = Counting()
    versions = [publish().version for _ in range(6)]
    for version in versions[:5]:
        store.promote("one_to_one", "production", version)
    registry = loaded(store, counting, keep)
    wanted = versions[4 - keep :]  # those before, production, and the newest
    assert in_memory(registry) == set(wanted)
    registry.refresh()
    assert sorted(counting.versions) == wanted  # and no other was even looked at


def test_a_version_named_twice_is_kept_once(store: ModelStore, publish: Publish) -> None:
    first, second, third = (publish().version for _ in range(3))
    for version in (first, second, third, second, third):
        store.promote("one_to_one", "production", version)
    assert in_memory(loaded(store, keep_previous=2)) == {first, second, third}


def test_a_version_that_is_no_longer_needed_leaves_memory(store: ModelStore, publish: Publish) -> None:
    store.promote("one_to_one", "production", publish().version)
    registry = loaded(store)
    model = ref(registry.served["one_to_one"].default)
    runtime = ref(registry.served["one_to_one"].default.runtime)
    for _ in range(2):
        assert model() is not None
        store.promote("one_to_one", "production", publish().version)
        registry.refresh()
    gc.collect()
    assert model() is None
    assert runtime() is None


def test_a_broken_version_in_production_leaves_the_version_before_it_serving(store: ModelStore, publish: Publish) -> None:
    first = publish().version
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    wrong = publish_wrong(store)
    store.promote("one_to_one", "production", wrong)  # its files are whole: only who loads it can tell
    for each in (registry, loaded(store)):  # a worker that starts now agrees
        each.refresh()
        assert (default(each), answers(each, "production"), answers(each, wrong)) == (first, first, None)
        assert [(r.version, r.reason) for r in each.refusals] == [(wrong, "golden pair 0 differs by 0.01, allowed 1e-05")]
    with pytest.raises(UnknownVersion, match=f"{wrong}. That version is in the store and is refused: golden pair 0"):
        registry.load_pinned(ONE, wrong)


def test_a_broken_candidate_leaves_the_version_before_it_answering_for_the_alias(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.promote("one_to_one", "candidate", second)
    registry = loaded(store)
    store.promote("one_to_one", "candidate", publish_wrong(store))
    registry.refresh()
    assert registry.served["one_to_one"].aliases == {"production": first, "candidate": second}


def test_a_refusal_is_kept_until_the_files_change(store: ModelStore, publish: Publish) -> None:
    counting = Counting()
    store.promote("one_to_one", "production", publish().version)
    registry = loaded(store, counting)
    wrong = publish_wrong(store)
    refused = metrics.loads.labels("one_to_one", "refused")
    before = refused._value.get()
    for _ in range(3):
        registry.refresh()
    assert counting.versions.count(wrong) == 1
    assert refused._value.get() == before + 1
    (store.path("one_to_one", wrong) / "weights").write_bytes(b"0123")
    registry.refresh()
    assert [r.reason for r in registry.refusals] == ["weights is changed"]
    shutil.rmtree(store.path("one_to_one", wrong))
    registry.refresh()
    assert registry.refusals == []


def test_a_half_copied_version_is_served_once_it_is_whole(store: ModelStore, publish: Publish) -> None:
    first = publish().version
    registry = loaded(store)
    manifest = publish()
    folder = store.path("one_to_one", manifest.version)
    folder.rename(store.root / "aside")
    folder.mkdir()
    shutil.copy(store.root / "aside" / "weights", folder)
    registry.refresh()
    assert (default(registry), [r.version for r in registry.refusals]) == (first, [manifest.version])
    shutil.copy(store.root / "aside" / "manifest.json", folder)
    registry.refresh()
    assert (default(registry), registry.refusals) == (manifest.version, [])


def test_a_folder_that_is_removed_takes_nothing_from_memory_that_an_alias_names(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", second)
    registry = loaded(store)
    shutil.rmtree(store.path("one_to_one", second))
    registry.refresh()
    assert default(registry) == second
    shutil.rmtree(store.root)
    registry.refresh()
    assert [answers(registry, wanted) for wanted in (None, "production", second, first)] == [second, second, second, first]


def test_a_model_whose_last_version_was_deleted_is_no_longer_served(store: ModelStore, publish: Publish) -> None:
    other, version = publish("many_to_one", length=3).version, publish().version
    store.promote("one_to_one", "production", version)
    registry = loaded(store)
    store.unalias("one_to_one", "production")
    store.delete("one_to_one", version)
    registry.refresh()
    assert served(registry) == {"many_to_one_3": other}
    with pytest.raises(ModelNotServed, match="no one_to_one model is published"):
        registry.find(ONE)
    with pytest.raises(ModelNotServed, match="no one_to_one model is published"):  # a request that had found it
        registry.load_pinned(ONE, "another")
    again = publish().version
    registry.refresh()
    assert served(registry) == {"many_to_one_3": other, "one_to_one": again}


def test_a_model_whose_last_version_was_removed_by_hand_is_served_while_an_alias_names_it(
    store: ModelStore, publish: Publish
) -> None:
    version = publish().version
    store.promote("one_to_one", "production", version)
    registry = loaded(store)
    shutil.rmtree(store.path("one_to_one", version))
    registry.refresh()
    assert default(registry) == version
    (store.root / "one_to_one" / "aliases.json").unlink()
    registry.refresh()
    assert served(registry) == {}


def test_a_refusal_of_a_name_that_is_gone_is_forgotten(store: ModelStore, publish: Publish) -> None:
    publish()
    registry = loaded(store)
    folder = store.path("many_to_one_8", "broken")
    folder.mkdir(parents=True)
    (folder.parent / "aliases.json").write_text("?")
    registry.refresh()
    assert {refusal.version for refusal in registry.refusals} == {"broken", "aliases"}
    shutil.rmtree(folder.parent)
    registry.refresh()
    assert registry.refusals == []


def test_a_version_whose_files_cannot_be_read_stops_no_other_from_being_served(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish().version, publish().version

    def hangs(folder: Path) -> object:
        if folder.name == second:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return state(folder)

    with monkeypatch.context() as volume:
        volume.setattr("service.versions.version_loader.state", hangs)
        registry = loaded(store)
        assert (default(registry), [r.version for r in registry.refusals]) == (first, [second])
    registry.refresh()
    assert (default(registry), registry.refusals) == (second, [])


def test_a_promotion_of_a_removed_version_is_refused_with_the_reason(store: ModelStore, publish: Publish) -> None:
    first, second, third = (publish().version for _ in range(3))
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    store.promote("one_to_one", "production", second)
    shutil.rmtree(store.path("one_to_one", second))
    registry.refresh()
    assert (default(registry), in_memory(registry)) == (first, {first, third})
    assert [(r.version, r.reason) for r in registry.refusals] == [
        (second, "manifest.json cannot be read: No such file or directory")
    ]


def test_unreadable_aliases_stay_as_they_were(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    readable = (store.root / "one_to_one" / "aliases.json").read_bytes()
    for unreadable in (b"?", b'{"production": {}}'):
        (store.root / "one_to_one" / "aliases.json").write_bytes(unreadable)
        registry.refresh()
        assert (default(registry), answers(registry, "production")) == (first, first)
        assert [r.version for r in registry.refusals] == ["aliases"]
    (store.root / "one_to_one" / "aliases.json").write_bytes(readable)
    store.promote("one_to_one", "production", second)
    registry.refresh()
    assert (default(registry), registry.refusals) == (second, [])


@pytest.mark.parametrize(
    ("fault", "passing"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), True),
        (MemoryError(), True),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)), False),
        (ValueError("no model"), False),
    ],
)
def test_a_transient_fault_does_not_refuse_a_version_for_good(
    store: ModelStore, publish: Publish, fault: Exception, passing: bool
) -> None:
    class Once(Counting):
        def __call__(self, folder: Path) -> Runtime:
            runtime = super().__call__(folder)
            if self.versions.count(second) == 1:
                raise fault
            return runtime

    first, second, counting = publish().version, "", Once()
    registry = loaded(store, counting)
    second = publish().version
    registry.refresh()
    assert (default(registry), len(registry.refusals)) == (first, 1)
    registry.refresh()
    assert (default(registry), len(registry.refusals)) == ((second, 0) if passing else (first, 1))
