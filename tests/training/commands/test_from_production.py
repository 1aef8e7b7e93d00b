from pathlib import Path

import click
from click.testing import CliRunner

from contract.manifest import Manifest, Score
from tests.conftest import data_facts
from tests.service.own_models import OWN, manifest_of
from training.commands.from_production import read_as, trained_as
from training.commands.train import Asked, asked
from training.plan import Chosen
from training.sequences.check import check
from training.sequences.source import Source

SCORE = Score(metric="mape", value=0.1, low=0.05, high=0.2, bar=0.5, baselines={"naive": 1.0}, beats=["naive"], rows=20)
FIRST = Source(
    "sales.csv", task="forecast", features=("x", "y"), target=("y",), length=8, horizon=3, missing="fill", held_out=0.3, seed=4
)


def in_production(source: Source) -> Manifest:
    facts = data_facts(8, 8) | {"read_as": source.said, "split_seed": source.seed, "held_out_fraction": source.held_out}
    written = manifest_of("stocks", OWN["stocks"], data=facts, score=SCORE, layers=2, scaling="window").model_dump_json()
    return Manifest.model_validate_json(written)


def test_a_new_file_is_read_as_the_one_before() -> None:
    again = read_as(in_production(FIRST), Source("new.csv"))
    assert again == Source(**vars(FIRST) | {"path": "new.csv", "per_step": False})


def test_an_option_of_the_user_comes_first() -> None:
    asked = Source("new.csv", length=10, missing="drop")
    again = read_as(in_production(FIRST), asked)
    assert (again.length, again.missing, again.horizon) == (10, "drop", 3)


def test_an_option_of_the_user_comes_first_also_where_it_is_the_default(tmp_path: Path) -> None:
    heard: list[Asked] = []

    @click.command()
    @asked
    def listen(asked: Asked) -> None:
        heard.append(asked)

    file = tmp_path / "new.csv"
    file.write_text("x,y\n")
    typed = ["--data", str(file), "--missing", "refuse", "--held-out", "0.2", "--split-seed", "26"]
    assert CliRunner().invoke(listen, typed).exit_code == 0
    source = heard[0].source
    assert source is not None
    again = read_as(in_production(FIRST), source, heard[0].named)
    assert (again.missing, again.held_out, again.seed, again.horizon) == ("refuse", 0.2, 26, 3)


def test_a_network_and_its_goal_are_those_of_before() -> None:
    again = trained_as(in_production(FIRST), Chosen(units=99))
    assert again == Chosen(units=99, layers=2, scaling="window", metric="mape", bar=0.5, beats=("naive",))


def test_a_dataset_says_how_its_file_was_read(tmp_path: Path) -> None:
    table = tmp_path / "shop.csv"
    table.write_text("day,x,y\n" + "".join(f"{day},{day % 7},{day % 5}\n" for day in range(200)))
    source = Source(str(table), task="forecast", features=("x", "y"), target=("y",), length=8, horizon=3)
    _, dataset = check(source)
    assert dataset is not None
    assert dataset.facts.read_as == {
        "task": "forecast",
        "features": ["x", "y"],
        "target": ["y"],
        "length": 8,
        "horizon": 3,
    }
