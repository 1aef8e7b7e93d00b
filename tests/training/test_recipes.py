from pathlib import Path

import numpy as np
import pytest

from contract.topologies import TopologyName
from tests.training.conftest import own_data
from training.recipes import GENERAL, RECIPES, TUTORIAL, plan


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
@pytest.mark.parametrize(("name", "parameters"), [("one_to_one", 146), ("many_to_one", 170), ("many_to_many", 146)])
def test_both_recipes_train_the_tutorials_networks(recipe: object, name: TopologyName, parameters: int) -> None:
    settled = plan(TUTORIAL if recipe is TUTORIAL else GENERAL, name, length=5, seed=1)
    assert settled.topology.parameters(settled.units, settled.length).total == parameters


def test_the_tutorials_epochs_and_cells() -> None:
    assert [plan(TUTORIAL, name, 7, 1).steps for name in ("one_to_one", "many_to_one", "many_to_many")] == [1000, 500, 1000]
    assert plan(TUTORIAL, "one_to_one", 7, 1).units == 7


def test_options_override_the_recipe() -> None:
    settled = plan(GENERAL, "many_to_one", length=8, seed=3, units=9, steps=11)
    assert (settled.units, settled.steps, settled.seed, settled.name) == (9, 11, 3, "many_to_one_8")


def test_only_a_general_model_of_any_length_is_gated_beyond_its_own_length() -> None:
    assert plan(GENERAL, "many_to_many", 5, 1).highest_length == 1000
    assert plan(GENERAL, "many_to_one", 5, 1).highest_length == 5
    assert plan(TUTORIAL, "many_to_many", 5, 1).highest_length == 5


def test_a_tutorial_model_does_not_take_production() -> None:
    assert (GENERAL.alias, TUTORIAL.alias) == ("production", "tutorial")


def test_own_data_keeps_its_units_and_networks_and_does_not_take_production(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(1000, 50, (100, 5))
    echo = plan(GENERAL, "many_to_many", 5, seed=1, data=own_data(tmp_path, values))
    assert (echo.units, echo.steps, echo.mapping) == (5, 10_000, False)
    assert echo.recipe.domain == echo.data.domain if echo.data else False
    assert echo.recipe.alias == "candidate"
    mapping = plan(GENERAL, "many_to_many", 5, seed=1, data=own_data(tmp_path, values, values + 1))
    assert (mapping.units, mapping.mapping) == (8, True)
    assert plan(GENERAL, "many_to_many", 5, seed=1).scaling is None
    assert plan(GENERAL, "many_to_many", 5, seed=1).same == 1e-5
