import os

import pytest

from contract.store import ModelStore
from tests.conftest import Publish, close_folder
from training.console.store import list_versions


def test_a_folder_that_cannot_be_read_hides_no_other_model(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("many_to_many")
    version = publish().version
    (store.root / "one_to_one" / os.fsdecode(b"\xff")).mkdir()
    close_folder(monkeypatch, store.root / "many_to_many")
    listing = list_versions(store, store.names())
    assert [entry.version for entry in listing.models] == [version]
    assert listing.faults == [
        "the folder of many_to_many cannot be read: Permission denied",
        "one_to_one/\\udcff: its name is not UTF-8",
    ]
