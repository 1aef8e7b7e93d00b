from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract.store import new_version
from training.plan import Chosen, plan_echo
from training.recipes import GENERAL, TUTORIAL
from training.runs.plan import NoRun, RunPlan, recipe_values, settled_values

QUICK = plan_echo(TUTORIAL, "one_to_one", length=5, seed=1)


def written(tmp_path: Path, version: str | None = None) -> RunPlan:
    return RunPlan(
        model="one_to_one",
        version=version or new_version(),
        topology="one_to_one",
        task="echo",
        length=5,
        recipe="tutorial",
        recipe_values=recipe_values(QUICK),
        chosen=settled_values(QUICK),
        seed=1,
        alias="tutorial",
        checkpoint_seconds=2,
        store=tmp_path / "models",
        commit="0123456789abcdef",
        created=datetime.now(UTC),
    )


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert written(tmp_path).again(tmp_path) == QUICK
    general = plan_echo(GENERAL, "many_to_one", length=8, seed=3, chosen=Chosen(units=9, steps=11))
    values = recipe_values(general)
    assert values["bars"] == {"random": 0.05, "edges": 0.05, "held_out": 0.0}
    assert settled_values(general).learning_rate == 0.02
    assert {"units", "steps", "alias"}.isdisjoint(values)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoRun, match="began with recipe secret, which no longer exists; there are general, tutorial"):
        written(tmp_path).model_copy(update={"recipe": "secret"}).again(tmp_path)
