import gc
import shutil
from pathlib import Path
from weakref import ref

import numpy as np
import pytest

from contract.aliases import HISTORY
from contract.store import ModelStore
from contract.topologies import TOPOLOGIES, Floats, Topology
from service import metrics
from service.errors import LengthNotServed, ModelNotServed, UnknownVersion
from service.registry import PINNED, Registry
from service.runtime import Runtime
from tests.conftest import Publish, make_manifest
from tests.service.conftest import FakeRuntime

ONE = TOPOLOGIES["one_to_one"]


def load(folder: Path, _topology: Topology, _length: int, _labels: tuple[str, str]) -> FakeRuntime:
    """As the real one: from the files in the version's folder. `weights` of 9 bytes load into a model that errs."""
    return Off() if len((folder / "weights").read_bytes()) == 9 else FakeRuntime("one_to_one")


class Off(FakeRuntime):
    def __init__(self) -> None:
        super().__init__("one_to_one")

    def predict(self, inputs: Floats) -> Floats:
        return super().predict(inputs) + np.float32(0.01)


class Counting:
    """A loader that remembers which versions it was asked for."""

    def __init__(self) -> None:
        self.versions: list[str] = []

    def __call__(self, folder: Path, topology: Topology, length: int, labels: tuple[str, str]) -> Runtime:
        self.versions.append(folder.name)
        return load(folder, topology, length, labels)


def loaded(store: ModelStore, counting: Counting | None = None, keep_previous: int = 1) -> Registry:
    registry = Registry(store, counting or load, keep_previous)
    registry.load_all()
    return registry


def in_memory(registry: Registry) -> set[str]:
    return set(registry.served["one_to_one"].versions)


def default(registry: Registry) -> str:
    return served(registry)["one_to_one"]


def answers(registry: Registry, wanted: str | None) -> str | None:
    """The version that answers a request which names `wanted`; None where it is not in memory."""
    choice = registry.find(ONE, 5, wanted)
    return choice and choice.model.manifest.version


def publish_wrong(store: ModelStore) -> str:
    """A whole version whose answers are not those of its golden pairs."""
    manifest = make_manifest()

    def fill(staging: Path) -> None:
        folder = staging / manifest.name / manifest.version
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"012345678")

    return store.publish(manifest, fill).version


def served(registry: Registry) -> dict[str, str]:
    """What answers requests that name no version."""
    return {name: served.default.manifest.version for name, served in registry.served.items()}


def test_every_name_is_served_in_its_newest_version(store: ModelStore, publish: Publish) -> None:
    publish()
    newest = publish().version
    other = publish("many_to_one", length=3).version
    assert served(loaded(store)) == {"one_to_one": newest, "many_to_one_3": other}


def test_production_is_served_before_the_newest(store: ModelStore, publish: Publish) -> None:
    first = publish().version
    publish()
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    assert served(registry) == {"one_to_one": first}
    assert registry.served["one_to_one"].aliases == {"production": first}


def test_a_changed_file_is_refused_and_the_version_before_it_served(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    (store.path("one_to_one", second) / "weights").write_bytes(b"tampered")
    registry = loaded(store)
    assert served(registry) == {"one_to_one": first}
    assert [(r.version, r.reason) for r in registry.refusals] == [(second, "weights is changed")]


def test_a_model_that_misses_its_golden_answers_is_refused(store: ModelStore) -> None:
    publish_wrong(store)
    with pytest.raises(ModelNotServed, match=r"golden pair 0 differs by 0\.01, allowed 1e-05"):
        loaded(store)


def test_an_unreadable_alias_file_does_not_keep_a_model_from_being_served(store: ModelStore, publish: Publish) -> None:
    version = publish().version
    (store.root / "one_to_one" / "aliases.json").write_text("?")
    registry = loaded(store)
    assert served(registry) == {"one_to_one": version}
    assert registry.refusals[0].version == "aliases"


def test_nothing_to_serve_is_an_error_that_says_why(store: ModelStore, publish: Publish) -> None:
    with pytest.raises(ModelNotServed, match="it is empty"):
        loaded(store)
    version = publish().version
    (store.path("one_to_one", version) / "weights").unlink()
    with pytest.raises(ModelNotServed, match=f"one_to_one:{version}: weights is missing"):
        loaded(store)


def test_a_missing_length_names_those_that_are_served(store: ModelStore, publish: Publish) -> None:
    publish("many_to_one", length=3)
    publish("many_to_one", length=8)
    with pytest.raises(LengthNotServed) as caught:
        loaded(store).find(TOPOLOGIES["many_to_one"], 5)
    assert caught.value.extra == {"received_length": 5, "served_lengths": [3, 8]}
    assert "served: 3, 8; received rows of length 5" in caught.value.detail
    assert 'make train ARGS="--topology many_to_one --length 5"' in caught.value.detail


def test_a_missing_topology_says_how_to_train_it(store: ModelStore, publish: Publish) -> None:
    publish()
    registry = loaded(store)
    for name in ("many_to_one", "many_to_many"):
        with pytest.raises(ModelNotServed, match=f"python -m training run --topology {name}"):
            registry.find(next(t for t in TOPOLOGIES.values() if t.name == name), 5)


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


def test_without_production_the_newest_answers_as_soon_as_it_is_published(store: ModelStore, publish: Publish) -> None:
    publish()
    registry = loaded(store)
    newest = publish().version
    other = publish("many_to_one", length=3).version
    registry.refresh()
    assert served(registry) == {"one_to_one": newest, "many_to_one_3": other}


def test_what_is_in_memory_is_not_loaded_again(store: ModelStore, publish: Publish) -> None:
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


def test_a_broken_version_in_production_leaves_the_one_before_it_serving(store: ModelStore, publish: Publish) -> None:
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
        registry.load_pinned(ONE, 5, wrong)


def test_a_broken_candidate_leaves_the_one_before_it_answering_for_the_alias(store: ModelStore, publish: Publish) -> None:
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
    assert default(registry) == second
    assert answers(registry, first) is None


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


def test_aliases_that_cannot_be_read_are_what_they_were(store: ModelStore, publish: Publish) -> None:
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


def test_a_pinned_version_is_loaded_once_and_never_another(store: ModelStore, publish: Publish) -> None:
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


def test_a_broken_version_asked_for_costs_no_other_its_place(store: ModelStore, publish: Publish) -> None:
    wrong = publish_wrong(store)
    versions = [publish().version for _ in range(PINNED + 1)]
    registry = loaded(store)
    for version in versions[:-1]:
        registry.load_pinned(ONE, 5, version)
    for missing in (wrong, "never-published", "../one_to_one", "production"):
        with pytest.raises(UnknownVersion) as caught:
            registry.load_pinned(ONE, 5, missing)
        assert f"received {missing}." in caught.value.detail
    assert in_memory(registry) == set(versions)


def test_a_new_version_is_compiled_for_what_the_one_before_is_asked_for(store: ModelStore, publish: Publish) -> None:
    prepared: list[tuple[Runtime, Runtime]] = []

    class Asked(FakeRuntime):
        def prepare_like(self, other: Runtime) -> None:
            prepared.append((self, other))

    first = publish().version
    registry = Registry(store, lambda *_: Asked("one_to_one"))
    registry.load_all()
    assert prepared == []
    second = publish().version
    registry.refresh()
    versions = registry.served["one_to_one"].versions
    (pair,) = prepared
    assert pair[0] is versions[second].runtime
    assert first not in versions or pair[1] is versions[first].runtime


def test_trials_come_from_the_store_and_keep_what_was_seen_of_them(store: ModelStore, publish: Publish) -> None:
    first, second, third = (publish().version for _ in range(3))
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    store.set_canary("one_to_one", "production", second, 25.0)
    store.set_shadow("one_to_one", "production", third)
    registry.refresh()
    served = registry.served["one_to_one"]
    canary, shadow = served.canaries["production"], served.shadows["production"]
    assert [(t.kind, t.baseline.manifest.version, t.candidate.manifest.version, t.percent) for t in registry.trials] == [
        ("canary", first, second, 25.0),
        ("shadow", first, third, 100.0),
    ]
    registry.refresh()
    assert registry.trials == [canary, shadow]
    store.set_canary("one_to_one", "production", second, 50.0)  # another trial
    registry.refresh()
    again = registry.served["one_to_one"].canaries["production"]
    assert (again.percent, again is canary, registry.served["one_to_one"].shadows["production"] is shadow) == (
        50.0,
        False,
        True,
    )
    store.promote("one_to_one", "production", second)
    store.withdraw("one_to_one", "production", canary=False, shadow=True)
    registry.refresh()
    assert registry.trials == []


def test_a_broken_version_is_not_put_on_trial(store: ModelStore, publish: Publish) -> None:
    first = publish().version
    store.promote("one_to_one", "production", first)
    registry = loaded(store)
    store.set_canary("one_to_one", "production", publish_wrong(store), 50.0)
    registry.refresh()
    assert (registry.trials, default(registry), len(registry.refusals)) == ([], first, 1)


def test_a_trial_outlives_the_history_of_its_alias(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_shadow("one_to_one", "production", second)
    alias = store.aliases("one_to_one")["production"]
    shorter = alias.model_copy(update={"history": (alias.history[0],) * HISTORY})
    (store.root / "one_to_one" / "aliases.json").write_text(f'{{"production": {shorter.model_dump_json()}}}')
    registry = loaded(store)
    (shadow,) = registry.trials
    registry.refresh()
    assert registry.trials == [shadow]


def test_a_canary_that_failed_is_withdrawn_for_all_workers(store: ModelStore, publish: Publish) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_canary("one_to_one", "production", second, 50.0)
    here, there = loaded(store), loaded(store)
    (trial,) = here.trials
    rollbacks = metrics.canary_rollbacks.labels("one_to_one")
    before = rollbacks._value.get()
    here.end_canary(trial, "too slow")
    here.end_canary(trial, "too slow")  # two requests saw it at once
    there.end_canary(there.trials[0], "too slow")  # and so did another worker
    there.refresh()
    assert (here.trials, there.trials, trial.draws("any")) == ([], [], False)
    alias = store.aliases("one_to_one")["production"]
    assert (alias.version, alias.canary) == (first, None)
    assert [(e.what, e.version, e.reason) for e in alias.history][2:] == [("withdraw", second, "canary: too slow")]
    assert rollbacks._value.get() == before + 2
    store.set_canary("one_to_one", "production", second, 50.0)  # tried again: a trial of its own
    here.refresh()
    assert len(here.trials) == 1


def test_a_canary_ends_here_even_where_the_store_cannot_be_told(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = publish().version, publish().version
    store.promote("one_to_one", "production", first)
    store.set_canary("one_to_one", "production", second, 50.0)
    registry = loaded(store)

    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "withdraw", full)
    registry.end_canary(registry.trials[0], "too slow")
    registry.refresh()
    assert registry.trials == []
    assert store.aliases("one_to_one")["production"].canary is not None
