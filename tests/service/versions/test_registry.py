import json

import pytest

from contract.manifest import GoldenPair
from contract.store import ModelStore
from service.errors import LengthNotServed, ModelNotServed, UnknownModel, UnknownVersion
from tests.conftest import Publish, close_folder, quantity
from tests.service.registries import loaded, publish_wrong, served


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


def test_a_model_whose_folder_cannot_be_read_is_refused_by_itself(
    store: ModelStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, hidden = publish().version, publish("many_to_one", length=3).version
    with monkeypatch.context() as closed:
        close_folder(closed, store.root / "many_to_one_3")
        registry = loaded(store)
        assert served(registry) == {"one_to_one": version}
        reason = "the folder of many_to_one_3 cannot be read: Permission denied"
        assert [tuple(refusal) for refusal in registry.refusals] == [("many_to_one_3", "folder", reason)]
    registry.refresh()
    assert (served(registry), registry.refusals) == ({"one_to_one": version, "many_to_one_3": hidden}, [])
    with monkeypatch.context() as closed:  # while it is served
        close_folder(closed, store.root / "many_to_one_3")
        newest = publish().version
        registry.refresh()
        assert served(registry) == {"one_to_one": newest, "many_to_one_3": hidden}
        with pytest.raises(UnknownVersion):
            registry.load_pinned("many_to_one_3", "another")


def test_what_stands_for_a_version_in_a_refusal_is_an_unknown_version(store: ModelStore, publish: Publish) -> None:
    publish()
    (store.root / "one_to_one" / "aliases.json").write_text("?")
    with pytest.raises(UnknownVersion) as caught:
        loaded(store).load_pinned("one_to_one", "aliases")
    assert "refused" not in caught.value.detail


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
        loaded(store).find("many_to_one_5")
    assert caught.value.extra == {"received_length": 5, "served_lengths": [3, 8]}
    assert "served: 3, 8; received rows of length 5" in caught.value.detail
    assert "train --topology many_to_one --length 5" in caught.value.detail


def test_a_missing_topology_says_how_to_train_it(store: ModelStore, publish: Publish) -> None:
    publish()
    registry = loaded(store)
    for name, topology in (("many_to_one_5", "many_to_one"), ("many_to_many", "many_to_many")):
        with pytest.raises(ModelNotServed, match=f"train --topology {topology}"):
            registry.find(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stonks", " Did you mean stocks?"),
        ("bonds", ""),
        ("many_to_one", " Did you mean one_to_one?"),
        ("many_to_one_" + "9" * 5000, ""),
        ("../x", ""),
    ],
)
def test_a_name_that_is_not_served_names_those_that_are(store: ModelStore, publish: Publish, name: str, hint: str) -> None:
    publish()
    publish("many_to_many", name="stocks")
    registry = loaded(store)
    with pytest.raises(UnknownModel) as caught:
        registry.find(name)
    said = f"expected the name of a served model (one_to_one, stocks); received {name[:100]}.{hint}"
    assert (caught.value.detail, caught.value.extra) == (said, {"models": ["one_to_one", "stocks"]})
    with pytest.raises(UnknownModel):
        registry.look_up(name, "v")


def test_a_golden_answer_of_another_shape_is_refused(store: ModelStore, publish: Publish) -> None:
    publish("many_to_many", golden=[GoldenPair(input=[[0.1], [0.2]], output=[[0.1]])])
    with pytest.raises(ModelNotServed, match=r"golden pair 0 expected an answer of shape \(1, 1\); received \(2, 1\)"):
        loaded(store)


def test_a_canary_that_cannot_be_compared_is_not_tried(store: ModelStore, publish: Publish) -> None:
    """The store refuses it; its file may have been edited."""
    first, other = (
        publish("many_to_many", name="stocks", features=[quantity(feature)]).version for feature in ("open", "close")
    )
    store.promote("stocks", "production", first)
    trials = {"versions": [first], "canary": {"version": other, "percent": 50.0}}
    (store.root / "stocks" / "aliases.json").write_text(json.dumps({"production": trials}))
    registry = loaded(store)
    assert registry.trials == []
    assert served(registry) == {"stocks": first}
