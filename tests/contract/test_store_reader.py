import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.manifest import CONTRACT_VERSION
from contract.store import ModelStore
from contract.store_reader import MANIFEST, BrokenVersion
from tests.conftest import Publish, close_folder


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


def test_a_folder_that_cannot_be_read_hides_no_other_model(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("many_to_many")
    version = publish().version
    close_folder(monkeypatch, store.root / "many_to_many")
    assert store.names() == ["many_to_many", "one_to_one"]
    assert store.tags() == [f"one_to_one:{version}"]


def test_a_folder_whose_name_is_not_utf8_is_no_version(store: ModelStore, publish: Publish) -> None:
    version = publish().version
    (store.root / "one_to_one" / os.fsdecode(b"2026-\xff")).mkdir()
    assert (store.versions("one_to_one"), store.misnamed("one_to_one")) == ([version], ["2026-\\udcff"])
    newest = publish().version
    assert (store.root / "one_to_one" / "latest").read_text() == newest


@pytest.mark.parametrize("contents", [b"[" * 200_000, b" " * 100_000_000, b'{"' + b"a" * 1_000_000 + b'": 1}'])
def test_the_error_for_an_alias_file_is_short_whatever_the_file_holds(
    store: ModelStore, publish: Publish, contents: bytes
) -> None:
    publish()
    (store.root / "one_to_one" / "aliases.json").write_bytes(contents)
    with pytest.raises(BrokenVersion, match=r"aliases\.json of one_to_one cannot be read") as caught:
        store.aliases("one_to_one")
    assert len(str(caught.value)) < 600


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


def _out_of_range(folder: Path) -> None:
    written = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**written, "length": 10**9}))


def _fifo(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)


def _device(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).symlink_to("/dev/zero")


def _huge(folder: Path) -> None:
    os.truncate(folder / MANIFEST, 100_000_000)


def _nested(folder: Path) -> None:
    (folder / MANIFEST).write_text("[" * 200_000)


def _surrogate(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"contract_version": "\\ud800' + "x" * 1_000_000 + '"}')


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
        (_out_of_range, "its schema: length: Input should be less than or equal to 1000000; received 1000000000"),
        (_fifo, "manifest.json cannot be read: expected a regular file; received a FIFO or a device"),
        (_device, "manifest.json cannot be read: expected a regular file; received a FIFO or a device"),
        (_huge, "manifest.json cannot be read: expected at most 16,777,216 bytes; received 100,000,000"),
        (_nested, "manifest.json is not a JSON object"),
        (_surrogate, "contract version \\ud800x"),
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
    assert len(str(caught.value).encode()) < 600
