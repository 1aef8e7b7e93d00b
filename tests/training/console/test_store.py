import os

import pytest

from contract.manifest import Figure
from contract.store import ModelStore
from tests.conftest import Publish, close_folder
from training.console.store import list_versions, show_versions


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


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Figure(name="error", value=0.01, bar=0.03), "0.01/0.03 = 0.33"),
        (Figure(name="accuracy", value=0.97, bar=0.161, at_least=True), "at least 0.161/0.97 = 0.17"),
        (Figure(name="ahead", value=0.5, bar=0, at_least=True), "at least 0/0.5 = 0.00"),
    ],
)
def test_the_share_of_a_bar_is_that_of_the_numbers_beside_it(
    store: ModelStore, publish: Publish, capsys: pytest.CaptureFixture[str], figure: Figure, shown: str
) -> None:
    publish(gate=[figure])
    show_versions(list_versions(store, store.names()))
    assert f" {shown} " in capsys.readouterr().out
