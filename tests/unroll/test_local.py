"""`load` finds what the service finds, says what it is, and predicts without it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import unroll
from contract.store import ModelStore
from service.errors import InvalidShape, OutOfDomain, TooFarOut, UnknownModel, UnknownVersion, UnrollError
from tests.service.own_models import publish_own
from tests.unroll.conftest import given
from unroll import Model, load


@pytest.fixture
def stored(store: ModelStore) -> tuple[ModelStore, list[str]]:
    """Three versions: the first is in production, the last is a candidate."""
    versions = [publish_own(store, "walks", seed).version for seed in (1, 2, 3)]
    store.promote("walks", "production", versions[0])
    store.promote("walks", "candidate", versions[2])
    return store, versions


def test_a_name_alone_is_production_and_others_are_named(stored: tuple[ModelStore, list[str]]) -> None:
    store, (first, second, third) = stored
    home = store.root.parent
    assert load("walks", store=home).version == load("walks@production", store=str(home)).version == first
    assert load("walks:production", store=home).version == first  # as BentoML writes it
    assert load("walks@candidate", store=home).version == third
    assert load(f"walks@{second}", store=home).version == second
    store.promote("walks", "production", second)
    assert load("walks", store=home).version == second


def test_without_an_alias_the_newest_version_that_no_other_alias_names(stored: tuple[ModelStore, list[str]]) -> None:
    store, (_, second, _) = stored
    store.unalias("walks", "production")
    assert load("walks", store=store.root.parent).version == second


def test_a_damaged_version_is_named_and_an_alias_goes_back_to_the_one_before(stored: tuple[ModelStore, list[str]]) -> None:
    store, (first, second, _) = stored
    store.promote("walks", "production", second)
    manifest = store.path("walks", second) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"units": 13}))
    (store.path("walks", second) / "assets.extra" / "model.onnx").unlink()
    assert load("walks", store=store.root.parent).version == first
    with pytest.raises(UnknownVersion, match=r"cannot be loaded: assets.extra/model.onnx is missing"):
        load(f"walks@{second}", store=store.root.parent)
    shutil.rmtree(store.path("walks", first))
    store.unalias("walks", "candidate")


@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        ("walk", UnknownModel, "Did you mean walks?"),
        ("many_to_one_7", UnknownModel, "received many_to_one_7. Train it with: "),
        ("walks@prodution", UnknownVersion, "received prodution. Did you mean production?"),
        ("walks@champion", UnknownVersion, "aliases: candidate, production; versions: "),
        ("walks@", UnrollError, "expected a model such as many_to_many or many_to_many@candidate; received 'walks@'."),
        ("@candidate", UnrollError, "received '@candidate'."),
    ],
)
def test_what_is_not_there(stored: tuple[ModelStore, list[str]], model: str, kind: type[UnrollError], said: str) -> None:
    with pytest.raises(kind) as refused:
        load(model, store=stored[0].root.parent)
    assert said in str(refused.value)


def test_an_empty_store_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownModel, match=f"no model is in {tmp_path}/models. Train one with: .* train. Or name another store"
    ):
        load("walks", store=tmp_path)


def test_a_model_says_what_it_is(models: dict[str, Model]) -> None:
    walks, windows = models["walks"], models["windows"]
    assert (walks.name, walks.task, walks.features) == ("walks", "classify", ("x", "y"))
    assert walks.classes == ("falling", "rising", "waving")
    assert repr(walks).splitlines()[1:] == [
        "  features: x (-3 to 3), y (-30 to 30)",
        "  classes: falling, rising, waving",
        "  rows: of any length, tried up to 50 steps>",
    ]
    assert "  horizon: 3 steps\n  rows: of 7 steps>" in repr(windows)


def test_a_prediction_says_what_it_is(models: dict[str, Model]) -> None:
    answer = models["sides"].predict(given("sides"))
    assert f"sides@{answer.version}: label, 40 rows, 1 out of the domain; outputs a list of 40 arrays" in repr(answer)
    assert answer.labels is not None
    assert answer.probabilities is not None
    for labels, probabilities in zip(answer.labels, answer.probabilities, strict=True):
        assert labels.tolist() == [("above", "below")[place] for place in probabilities.argmax(axis=1)]


def test_a_frame_has_its_columns_in_any_order_and_its_sequences_by_name(models: dict[str, Model]) -> None:
    rows = given("walks", 4)
    lines = [(f"walk {place}", *step) for place, row in enumerate(rows) for step in row.tolist()]
    frame = pd.DataFrame(lines, columns=["walk", "x", "y"])[["y", "walk", "x"]]
    answer = models["walks"].predict(frame, sequence="walk")
    assert answer.names is not None
    assert answer.names.tolist() == [f"walk {place}" for place in range(4)]
    assert np.array_equal(answer.values, models["walks"].predict(rows).values)


def test_errors_count_rows_over_all_parts(models: dict[str, Model]) -> None:
    echo = models["many_to_many"]
    with pytest.raises(OutOfDomain, match="received 9 in row 70005, step 1") as outside:
        echo.predict([[0.1]] * 70_005 + [[0.2, 9.0]], strict=True)
    assert outside.value.row == 70_005
    with pytest.raises(TooFarOut, match="received row 70000,") as far:
        models["windows"].predict([[[0.1, 0.1]] * 7] * 70_000 + [[[3e38, 3e38], [3e38, -3e38]] + [[0.0, 0.0]] * 5])
    assert far.value.row == 70_000
    with pytest.raises(InvalidShape, match="windows expected rows of 7 steps; received rows of 6 steps"):
        models["windows"].predict(np.zeros((2, 6, 2)))
    with pytest.raises(InvalidShape, match="received none"):
        echo.predict([])


def test_the_package_names_what_it_has() -> None:
    assert {"load", "Client", "AsyncClient", "UnrollError"} <= {*dir(unroll)}
    with pytest.raises(AttributeError, match="module 'unroll' has no attribute 'lode'"):
        unroll.lode  # type: ignore[attr-defined]  # noqa: B018
