import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from contract.store_reader import MANIFEST
from tests.training.conftest import Trained
from tests.training.test_publish import manifest_of
from training.gate.production import against_production
from training.networks import export


@pytest.mark.parametrize("worse_by", [0.002, 0.004])
def test_the_bar_against_production_is_its_error_and_a_tenth_of_the_recipes_bar(
    many_to_many: Trained, tmp_path: Path, worse_by: float
) -> None:
    shifted = keras.models.clone_model(many_to_many.model)
    weights = many_to_many.model.get_weights()
    shifted.set_weights([*weights[:-1], weights[-1] + np.float32(worse_by)])  # shifts every answer by the head's bias
    export(shifted, many_to_many.plan.network, tmp_path / "saved")
    same = against_production(many_to_many.folder, many_to_many.folder, many_to_many.plan)
    assert same.name == "error, held-out rows, against production"
    assert same.bar == pytest.approx(same.value + 0.003)
    worse = against_production(tmp_path / "saved", many_to_many.folder, many_to_many.plan)
    assert worse.bar == same.bar
    assert worse.passed is (worse_by < 0.003)
    assert against_production(many_to_many.folder, tmp_path / "saved", many_to_many.plan).passed


def test_a_production_version_that_answers_nan_is_no_bar(many_to_many: Trained, tmp_path: Path) -> None:
    broken = keras.models.clone_model(many_to_many.model)
    broken.set_weights([np.full_like(weight, np.nan) for weight in many_to_many.model.get_weights()])
    export(broken, many_to_many.plan.network, tmp_path / "saved")
    figure = against_production(many_to_many.folder, tmp_path / "saved", many_to_many.plan)
    assert figure.bar == math.inf
    assert figure.passed


def test_a_task_is_compared_by_its_metric(untrained: Callable[[str], Trained], tmp_path: Path) -> None:
    trained = untrained("regress")
    same = against_production(trained.folder, trained.folder, trained.plan)
    assert same.name == "rmse, against production"
    assert same.bar == pytest.approx(same.value * 1.05)
    shifted = keras.models.clone_model(trained.model)
    *weights, bias = trained.model.get_weights()
    shifted.set_weights([*weights, bias + np.float32(3)])
    export(shifted, trained.plan.network, tmp_path / "saved", trained.plan.scaling)
    assert not against_production(tmp_path / "saved", trained.folder, trained.plan).passed
    assert against_production(trained.folder, tmp_path / "saved", trained.plan).passed

    classes = untrained("classify")
    same = against_production(classes.folder, classes.folder, classes.plan)
    assert same.at_least
    assert same.bar == pytest.approx(same.value - 0.05)


def test_a_production_version_of_another_task_is_a_sentence(untrained: Callable[[str], Trained], tmp_path: Path) -> None:
    classes, label = untrained("classify"), untrained("label")
    production = shutil.copytree(label.folder, tmp_path / "label")
    production.joinpath(MANIFEST).write_text(manifest_of(label).model_dump_json())
    figure = against_production(classes.folder, production, classes.plan)
    assert figure.name == "cannot be compared with production: task classify, not label"
    assert not figure.passed
    production = shutil.copytree(classes.folder, tmp_path / "classes")
    assert classes.plan.data is not None
    other = replace(classes.plan, data=replace(classes.plan.data, classes=["class 0", "class 1", "more"]))
    production.joinpath(MANIFEST).write_text(manifest_of(classes._replace(plan=other)).model_dump_json())
    figure = against_production(classes.folder, production, classes.plan)
    assert figure.name.startswith("cannot be compared with production: classes ['class 0', 'class 1', 'class 2'], not")
    production.joinpath(MANIFEST).write_text(manifest_of(classes).model_dump_json())
    assert against_production(classes.folder, production, classes.plan).passed
