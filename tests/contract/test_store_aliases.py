"""Moving aliases in the store, and deleting versions that aliases do not use."""

from pathlib import Path

import pytest

from contract.aliases import Canary
from contract.store import STAGING, ModelStore
from contract.store_reader import BrokenVersion
from tests.conftest import Publish

NAME = "one_to_one"
PRODUCTION = "production"


@pytest.fixture
def versions(publish: Publish) -> list[str]:
    return [publish().version for _ in range(5)]


def break_(store: ModelStore, version: str) -> None:
    (store.path(NAME, version) / "weights").write_bytes(b"changed")


def remove(store: ModelStore, version: str) -> None:
    """Delete a version without the store."""
    store.path(NAME, version).rename(store.root.parent / version)


def test_an_alias_moves_and_is_written(store: ModelStore, versions: list[str]) -> None:
    store.promote(NAME, "candidate", versions[0])
    store.promote(NAME, "candidate", versions[1])
    assert {label: alias.versions for label, alias in store.aliases(NAME).items()} == {"candidate": tuple(versions[:2])}


def test_an_alias_names_only_whole_versions(store: ModelStore, versions: list[str]) -> None:
    break_(store, versions[0])
    store.promote(NAME, PRODUCTION, versions[1])
    with pytest.raises(BrokenVersion, match=f"one_to_one has no version nope; its newest: .*{versions[4]}"):
        store.promote(NAME, PRODUCTION, "nope")
    with pytest.raises(BrokenVersion, match="the store has no model two_to_two; it has: one_to_one"):
        store.promote("two_to_two", PRODUCTION, versions[0])
    broken = f"one_to_one@{versions[0]} is broken: weights is changed"
    with pytest.raises(BrokenVersion, match=broken):
        store.promote(NAME, PRODUCTION, versions[0])
    with pytest.raises(BrokenVersion, match=broken):
        store.set_canary(NAME, PRODUCTION, versions[0], 5)
    with pytest.raises(BrokenVersion, match=broken):
        store.set_shadow(NAME, PRODUCTION, versions[0])
    assert store.aliases(NAME)[PRODUCTION].named == {versions[1]}


def test_a_trial_needs_an_alias_of_another_version(store: ModelStore, versions: list[str]) -> None:
    store.promote(NAME, "candidate", versions[4])
    break_(store, versions[3])
    answering = f"{NAME}@{versions[2]}"
    with pytest.raises(BrokenVersion, match=f"{NAME} has no alias production; it has: candidate; first promote {answering}$"):
        store.set_canary(NAME, PRODUCTION, versions[4], 5)
    with pytest.raises(BrokenVersion, match=f"no alias next; it has: candidate; first promote {answering} --alias next$"):
        store.set_shadow(NAME, "next", versions[4])
    store.promote(NAME, PRODUCTION, versions[0])
    with pytest.raises(BrokenVersion, match="already: try another version"):
        store.set_shadow(NAME, PRODUCTION, versions[0])
    store.set_canary(NAME, PRODUCTION, versions[1], 5)
    store.set_shadow(NAME, PRODUCTION, versions[2])
    assert store.aliases(NAME)[PRODUCTION].canary == Canary(version=versions[1], percent=5)
    assert store.aliases(NAME)[PRODUCTION].shadow == versions[2]


def test_a_service_withdraws_only_the_version_it_judged(store: ModelStore, versions: list[str]) -> None:
    store.promote(NAME, PRODUCTION, versions[0])
    store.set_canary(NAME, PRODUCTION, versions[2], 5)
    assert not store.withdraw(NAME, PRODUCTION, canary=True, shadow=True, reason="errors", version=versions[1])
    assert store.aliases(NAME)[PRODUCTION].trials == {"canary": versions[2]}
    assert store.withdraw(NAME, PRODUCTION, canary=True, shadow=True, reason="errors", version=versions[2])
    assert store.aliases(NAME)[PRODUCTION].trials == {}
    assert store.aliases(NAME)[PRODUCTION].history[-1].reason == "canary: errors"


def test_a_rollback_skips_broken_and_deleted_versions(store: ModelStore, versions: list[str]) -> None:
    for version in versions:
        store.promote(NAME, PRODUCTION, version)
    break_(store, versions[3])
    remove(store, versions[2])
    assert store.rollback(NAME, PRODUCTION) == versions[1]
    assert store.aliases(NAME)[PRODUCTION].versions == tuple(versions[:2])
    assert store.rollback(NAME, PRODUCTION) == versions[0]
    with pytest.raises(BrokenVersion, match=r"has no whole version to go back to; it named before: none\. Choose .*@VERSION"):
        store.rollback(NAME, PRODUCTION)
    assert store.aliases(NAME)[PRODUCTION].version == versions[0]


def test_in_an_empty_store_a_model_is_trained_first(store: ModelStore) -> None:
    with pytest.raises(BrokenVersion, match=r"^the store has no model nope, nor any other\. Train one with: .*unroll train$"):
        store.promote("nope", PRODUCTION, "1")


def test_a_rollback_leads_to_another_version(store: ModelStore, versions: list[str]) -> None:
    for version in (versions[0], versions[1], versions[0]):
        store.promote(NAME, PRODUCTION, version)
    break_(store, versions[1])
    with pytest.raises(BrokenVersion, match=f"no whole version to go back to; it named before: {versions[1]}, {versions[0]}"):
        store.rollback(NAME, PRODUCTION)


def test_a_version_in_use_is_not_deleted(store: ModelStore, versions: list[str]) -> None:
    store.promote(NAME, PRODUCTION, versions[0])
    store.promote(NAME, "candidate", versions[0])
    store.set_canary(NAME, PRODUCTION, versions[1], 5)
    store.set_shadow(NAME, PRODUCTION, versions[2])
    for version, what in zip(
        versions, ("production, candidate:", "canary of production:", "shadow of production:"), strict=False
    ):
        with pytest.raises(BrokenVersion, match=f"one_to_one@{version} is in use as {what}"):
            store.delete(NAME, version)
    assert store.versions(NAME) == versions


def test_a_deleted_version_is_gone_from_everywhere(store: ModelStore, versions: list[str]) -> None:
    for version in (versions[4], versions[0], versions[1]):
        store.promote(NAME, PRODUCTION, version)
    break_(store, versions[4])
    store.delete(NAME, versions[4])
    assert store.versions(NAME) == versions[:4]
    assert store.aliases(NAME)[PRODUCTION].versions == (versions[0], versions[1])
    assert (store.root / NAME / "latest").read_text() == versions[3]
    assert not list((store.root.parent / STAGING).glob("[!.]*"))
    with pytest.raises(BrokenVersion, match="has no version"):
        store.delete(NAME, versions[4])


def test_deleting_the_last_version_removes_the_name(store: ModelStore, publish: Publish) -> None:
    store.delete(NAME, publish().version)
    assert store.names() == []
    assert not (store.root / NAME / "latest").exists()
    assert publish().version == (store.root / NAME / "latest").read_text()


def test_pruning_keeps_newest_versions_named_versions_and_the_rollback(store: ModelStore, versions: list[str]) -> None:
    store.promote(NAME, PRODUCTION, versions[0])
    store.promote(NAME, PRODUCTION, versions[1])
    store.promote(NAME, "candidate", versions[2])
    assert store.prunable(NAME, 2) == []
    assert store.prunable(NAME, 1) == [versions[3]]
    assert store.prune(NAME, 1) == [versions[3]]
    assert store.versions(NAME) == [*versions[:3], versions[4]]
    assert store.rollback(NAME, PRODUCTION) == versions[0]
    assert store.prune(NAME, 1) == [versions[1]]
    assert store.prunable(NAME, 9) == []


def test_a_damaged_alias_file_is_not_overwritten(store: ModelStore, versions: list[str]) -> None:
    file = store.root / NAME / "aliases.json"
    file.write_text('{"production": {"versions": []}}')
    said = r"aliases\.json of one_to_one cannot be read: production\.versions: Tuple"
    with pytest.raises(BrokenVersion, match=said):
        store.promote(NAME, PRODUCTION, versions[0])
    with pytest.raises(BrokenVersion, match=said):
        store.delete(NAME, versions[0])
    assert store.readable_aliases(NAME) == {}
    assert file.read_text() == '{"production": {"versions": []}}'


def test_preference_is_earlier_versions_then_newest_then_those_of_other_aliases(store: ModelStore, versions: list[str]) -> None:
    zero, one, two, three, four = versions
    assert store.preference(NAME, {}) == versions[::-1]
    store.promote(NAME, PRODUCTION, zero)
    store.promote(NAME, PRODUCTION, two)
    store.promote(NAME, "candidate", four)
    assert store.preference(NAME, store.aliases(NAME)) == [two, zero, three, one, four]
    store.set_canary(NAME, PRODUCTION, three, 5)
    assert store.preference(NAME, store.aliases(NAME)) == [two, zero, one, four, three]
    break_(store, two)
    assert store.tags() == [f"{NAME}:{zero}"]


def test_a_removed_production_version_is_still_tried(store: ModelStore, versions: list[str]) -> None:
    store.promote(NAME, PRODUCTION, versions[0])
    store.promote(NAME, PRODUCTION, versions[1])
    for version in versions[:2]:
        remove(store, version)
    assert store.preference(NAME, store.aliases(NAME)) == [versions[1], *versions[:1:-1]]


def test_a_version_on_trial_is_served_where_there_is_no_other(store: ModelStore, publish: Publish) -> None:
    version = publish().version
    store.promote(NAME, "tutorial", version)
    assert store.preference(NAME, store.aliases(NAME)) == [version]


def test_a_version_deleted_while_it_is_read_is_broken(
    store: ModelStore, versions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_file = Path.is_file

    def vanish(path: Path) -> bool:
        there = is_file(path)
        if path.name == "weights":
            path.unlink()
        return there

    monkeypatch.setattr(Path, "is_file", vanish)
    with pytest.raises(BrokenVersion, match="weights cannot be read: No such file"):
        store.verify(NAME, versions[0])


def test_check_ready_finds_what_would_stop_publishing(store: ModelStore, publish: Publish) -> None:
    store.check_ready(NAME)
    version = publish().version
    store.check_ready(NAME)
    assert store.versions(NAME) == [version]
    assert {path.name for path in (store.root / NAME).iterdir()} == {version, ".lock", "latest"}
    (store.root / NAME / "aliases.json").write_text("?")
    with pytest.raises(BrokenVersion, match=r"aliases\.json of one_to_one cannot be read"):
        store.check_ready(NAME)


def test_check_ready_finds_a_staging_folder_on_another_file_system(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> Path:
        raise OSError(18, "Invalid cross-device link", str(path), None, str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Invalid cross-device link"):
        store.check_ready(NAME)
    assert not list((store.root.parent / STAGING).glob("[!.]*"))


@pytest.mark.parametrize("alias", ["latest", "default", "canary", "shadow", "Production", "2026", "", "a" * 64])
def test_reserved_words_cannot_be_an_alias(store: ModelStore, versions: list[str], alias: str) -> None:
    with pytest.raises(ValueError, match="alias"):
        store.promote(NAME, alias, versions[0])
    assert alias not in store.aliases(NAME)
