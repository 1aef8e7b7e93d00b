import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.manifest import CONTRACT_VERSION
from contract.store import ModelStore
from contract.store_reader import MANIFEST, BrokenVersion
from tests.conftest import Publish


def test_an_absent_store_is_empty(store: ModelStore) -> None:
    assert (store.names(), store.tags()) == ([], [])


def test_each_length_of_many_to_one_has_its_own_name(store: ModelStore, publish: Publish) -> None:
    publish("many_to_one", length=5)
    publish("many_to_one", length=8)
    assert store.names() == ["many_to_one_5", "many_to_one_8"]


def test_foreign_models_in_the_same_bentoml_store_are_left_alone(store: ModelStore, publish: Publish) -> None:
    (store.root / "resnet" / "v1").mkdir(parents=True)
    publish()
    assert store.names() == ["one_to_one"]


def test_the_error_names_an_unreadable_alias_file(store: ModelStore, publish: Publish) -> None:
    publish()
    (store.root / "one_to_one" / "aliases.json").write_text("{")
    with pytest.raises(BrokenVersion, match=r"aliases\.json of one_to_one cannot be read"):
        store.aliases("one_to_one")


def _changed(folder: Path) -> None:
    (folder / "weights").write_bytes(b"0124")


def _missing(folder: Path) -> None:
    (folder / "weights").unlink()


def _added(folder: Path) -> None:
    (folder / "extra").touch()


def _half_copied(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def _of_another_contract(folder: Path) -> None:
    written = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**written, "contract_version": CONTRACT_VERSION + 1, "new": "field"}))


def _not_json(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


def _without_a_field(folder: Path) -> None:
    written = json.loads((folder / MANIFEST).read_text())
    del written["topology"]
    (folder / MANIFEST).write_text(json.dumps(written))


def _of_another_version(folder: Path) -> None:
    written = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(written.replace(folder.name, "another"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_changed, "weights is changed"),
        (_missing, "weights is missing"),
        (_added, "extra is not in the manifest"),
        (_half_copied, "manifest.json cannot be read: No such file or directory"),
        (_of_another_contract, f"contract version {CONTRACT_VERSION + 1}, this program needs {CONTRACT_VERSION}"),
        (_not_json, "manifest.json is not a JSON object"),
        (_without_a_field, "manifest.json does not follow its schema"),
        (_of_another_version, "manifest.json belongs to one_to_one:another"),
    ],
)
def test_a_damaged_version_is_broken_and_says_why(
    store: ModelStore, publish: Publish, damage: Callable[[Path], None], reason: str
) -> None:
    version = publish().version
    damage(store.path("one_to_one", version))
    with pytest.raises(BrokenVersion) as caught:
        store.verify("one_to_one", version)
    assert reason in str(caught.value)
