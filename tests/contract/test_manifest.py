import json
import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contract.manifest import Figure, GoldenPair, Manifest, worst_figure
from contract.rows import Rows
from contract.topologies import ShapeError
from tests.conftest import make_manifest, quantity

PAIR = [GoldenPair(input=[[0.1, 0.2]], output=[[1.0, 0.0]])]
OWN: dict[str, Any] = {"name": "stocks", "any_length": True, "features": [quantity("open"), quantity("close")], "golden": PAIR}
FORECAST = make_manifest("many_to_one", **OWN, task="forecast", targets=[quantity("close", 0, 400)], horizon=3)
CLASSES = make_manifest("many_to_one", **OWN, task="classify", classes=["down", "up"])
"""Two models of two features."""


def test_a_manifest_survives_being_written() -> None:
    manifest = make_manifest()
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_golden_pairs_come_back_to_the_last_digit() -> None:
    value = 0.1000000014901161  # the float32 nearest to 0.1, in full
    written = make_manifest().model_dump_json().replace("0.1", str(value))
    assert Manifest.model_validate_json(written).golden[0].input[0] == [value]


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate({**make_manifest().model_dump(), "colour": "blue"})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (("golden_tolerance",), 1e300, "expected a golden_tolerance of at most 0.01; received 1e\\+300"),
        (("golden_tolerance",), math.nan, "finite number"),
        (("golden_tolerance",), -1e-5, "greater than or equal to 0"),
        (("features", 0, "domain", "low"), math.nan, "finite number"),
        (("features", 0, "domain", "low"), 1.0, "expected low < high; received 1 and 1"),
        (("features", 0, "domain", "high"), 1e300, "less than or equal to 35000"),
        (("features",), [], "at least 1 item"),
        (("layers",), 99, "less than or equal to 16"),
        (("length",), 10**9, "less than or equal to 1000000"),
        (("highest_length",), 10**9, "less than or equal to 1000000"),
        (("units",), 10**9, "less than or equal to 65536"),
        (("parameters",), -1, "greater than or equal to 0"),
        (("seed",), 2**70, "less than 9223372036854775808"),
        (("steps",), -1, "greater than or equal to 0"),
        (("created",), "2026-11-24T10:27:13", "timezone"),
        (("commit",), "x" * 100_000, "at most 1000 characters"),
        (("golden", 0, "output", 0, 0), math.inf, "finite number"),
        (("files",), {"weights": "short"}, "should match pattern"),
        (("name",), "many_to_many", "many_to_many is the name of an echo; received a one_to_one of length 5: echo"),
        (("name",), "Many", "should match pattern"),
        (("task",), "regress", "one_to_one is the name of an echo; received a one_to_one of length 5: regress"),
        (("horizon",), 3, "only a many_to_one forecast has a horizon"),
        (("any_length",), False, "a one_to_one model takes rows of any length"),
        (("classes",), ["up"], "a model of task echo expected no classes"),
    ],
)
def test_a_value_out_of_range_is_refused(field: tuple[str | int, ...], value: object, reason: str) -> None:
    written = json.loads(make_manifest().model_dump_json())
    place = written
    for part in field[:-1]:
        place = place[part]
    place[field[-1]] = value
    with pytest.raises(ValidationError, match=reason):
        Manifest.model_validate_json(json.dumps(written))


def test_a_name_carries_the_length_that_the_model_serves() -> None:
    written = make_manifest("many_to_one", length=5).model_dump_json()
    with pytest.raises(ValidationError, match="many_to_one_5 is the name of an echo; received a many_to_one of length 6"):
        Manifest.model_validate_json(written.replace('"length":5', '"length":6'))


def test_a_gate_of_infinite_figures_survives_being_written() -> None:
    gate = TypeAdapter(list[Figure])
    figures = [Figure(name="export against Keras", value=math.inf, bar=1e-5)]
    assert gate.validate_json(gate.dump_json(figures)) == figures


@pytest.mark.parametrize(("value", "passed"), [(0.03, True), (0.0301, False), (math.inf, False), (math.nan, False)])
def test_a_figure_passes_up_to_its_bar(value: float, passed: bool) -> None:
    assert Figure(name="error", value=value, bar=0.03).passed is passed


@pytest.mark.parametrize(
    ("value", "bar", "share"),
    [(0.01, 0.04, 0.25), (0, 0, 0), (1e-9, 0, math.inf), (math.nan, 1, math.inf), (math.nan, 0, math.inf)],
)
def test_a_figure_says_the_share_of_its_bar(value: float, bar: float, share: float) -> None:
    assert Figure(name="error", value=value, bar=bar).share == share


def test_the_worst_figure_has_the_largest_share_of_its_bar() -> None:
    figures = [
        Figure(name=name, value=value, bar=bar) for name, value, bar in (("a", 0, 0), ("b", 0.02, 0.03), ("c", 0.02, 0.05))
    ]
    assert worst_figure(figures) == figures[1]
    assert worst_figure([]) is None


@pytest.mark.parametrize(
    ("task", "others", "reason"),
    [
        ("forecast", {"horizon": 3}, "a model of task forecast expected some targets"),
        ("forecast", {"targets": [quantity("close")]}, "only a many_to_one forecast has a horizon"),
        ("classify", {}, "a model of task classify expected some classes"),
        ("classify", {"classes": ["up"], "targets": [quantity("close")]}, "a model of task classify expected no targets"),
    ],
)
def test_a_task_has_its_own_kind_of_answer(task: str, others: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        make_manifest("many_to_one", **OWN, **others, task=task)


def test_the_outputs_are_those_of_the_task() -> None:
    assert (FORECAST.outputs, FORECAST.widest, CLASSES.outputs, CLASSES.widest) == (3, 400.0, 2, 1.0)
    assert make_manifest("many_to_one", length=7).outputs == 7
    assert make_manifest("many_to_many").outputs == 1
    assert FORECAST.counted.total == 4 * ((2 + 1) * 5 + 25) + 5 * 3 + 3


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            Rows.of([[0.1, 0.2]]),
            "stocks expected steps of 2 numbers (open, close); received plain numbers. The order of the numbers is that of "
            "GET /models/stocks.",
        ),
        (Rows.of([[[1, 2, 3]]], 3), "stocks expected steps of 2 numbers (open, close); received steps of 3 numbers. The order"),
        (Rows.of([[[1, 2]], []], 2), "stocks expected at least one item in each row; received an empty row at 1."),
    ],
)
def test_rows_that_a_model_cannot_take_are_explained_with_its_features(rows: Rows, said: str) -> None:
    with pytest.raises(ShapeError) as caught:
        CLASSES.check(rows)
    assert str(caught.value).startswith(said)
    CLASSES.check(Rows.of([[[1, 2]] * 9, [[1, 2]]], 2))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (Rows.of([[1.0] * 4]), "windows expected rows of 5 steps; received rows of 4 steps."),
        (Rows.of([[1.0] * 5, [1.0] * 4]), "windows expected rows of one length; received rows of lengths 4, 5."),
    ],
)
def test_a_model_of_one_length_takes_no_other(rows: Rows, said: str) -> None:
    others: dict[str, Any] = {"task": "regress", "targets": [quantity("y")]}
    windows = make_manifest("many_to_one", name="windows", any_length=False, **others)
    with pytest.raises(ShapeError) as caught:
        windows.check(rows)
    assert str(caught.value).startswith(said)
    windows.check(Rows.of([[1.0] * 5] * 3))


def test_versions_of_another_kind_cannot_be_compared() -> None:
    assert FORECAST.differs_from(FORECAST.model_copy(update={"version": "other", "length": 9})) is None
    assert CLASSES.differs_from(FORECAST) == "task classify, not forecast"
    renamed = CLASSES.model_copy(update={"classes": ["up", "down"]})
    assert renamed.differs_from(CLASSES) == "classes ['up', 'down'], not ['down', 'up']"
    other = CLASSES.model_copy(update={"features": [quantity("open"), quantity("high")]})
    assert other.differs_from(CLASSES) == "features open, high, not open, close"
