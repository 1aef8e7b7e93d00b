from pathlib import Path

import numpy as np
import pytest

from contract.topologies import TopologyName
from tests.training.conftest import own_data
from training.plan import Chosen, plan_echo, plan_task
from training.recipes import GENERAL, RECIPES, TUTORIAL


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
@pytest.mark.parametrize(("name", "parameters"), [("one_to_one", 146), ("many_to_one", 170), ("many_to_many", 146)])
def test_both_recipes_train_the_tutorials_networks(recipe: object, name: TopologyName, parameters: int) -> None:
    settled = plan_echo(TUTORIAL if recipe is TUTORIAL else GENERAL, name, length=5, seed=1)
    assert settled.network.parameters.total == parameters


def test_the_tutorials_epochs_and_cells() -> None:
    assert [plan_echo(TUTORIAL, name, 7, 1).steps for name in ("one_to_one", "many_to_one", "many_to_many")] == [
        1000,
        500,
        1000,
    ]
    assert plan_echo(TUTORIAL, "one_to_one", 7, 1).units == 7


def test_options_override_the_recipe() -> None:
    settled = plan_echo(GENERAL, "many_to_one", 8, 3, Chosen(units=9, steps=11, learning_rate=0.5))
    assert (settled.units, settled.steps, settled.seed, settled.name) == (9, 11, 3, "many_to_one_8")
    assert settled.learning_rate == 0.5


def test_only_a_general_model_of_any_length_is_gated_beyond_its_own_length() -> None:
    assert plan_echo(GENERAL, "many_to_many", 5, 1).highest_length == 1000
    assert plan_echo(GENERAL, "many_to_one", 5, 1).highest_length == 5
    assert plan_echo(TUTORIAL, "many_to_many", 5, 1).highest_length == 5


def test_a_tutorial_model_does_not_take_production() -> None:
    assert (GENERAL.alias, TUTORIAL.alias) == ("production", "tutorial")


def test_own_data_keeps_its_units_and_does_not_take_production(tmp_path: Path) -> None:
    data = own_data(tmp_path, np.random.default_rng(1).normal(1000, 50, (100, 5)))
    echo = plan_echo(GENERAL, "many_to_many", 5, 1, data=data)
    assert (echo.units, echo.steps, echo.task, echo.alias) == (5, 10_000, "echo", "candidate")
    assert echo.domain == data.features[0].domain
    assert echo.bars.held_out == pytest.approx(0.02 * (echo.domain.high - echo.domain.low))
    without = plan_echo(GENERAL, "many_to_many", 5, 1)
    assert (without.scaling, without.same) == (None, 1e-5)


def test_a_task_has_its_own_network_and_goal(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(1000, 50, (100, 5))
    data = own_data(tmp_path, values, values + 1)
    settled = plan_task(
        data, "many_to_many", "more", 1, Chosen(units=7, layers=2, epochs=3, batch=16, beats=("naive",), bar=0.5)
    )
    assert (settled.task, settled.name, settled.any_length) == ("regress", "more", True)
    assert (settled.network.features, settled.network.outputs, settled.network.layers) == (1, 1, 2)
    assert settled.steps == 3 * settled.epoch == 3 * -(-len(data.train) // 16)
    assert settled.goal is not None
    assert settled.goal[:3] == ("rmse", 0.5, ("mean", "naive"))  # an option adds to what the recipe has
