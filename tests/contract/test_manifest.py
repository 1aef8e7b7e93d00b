import json
import math

import pytest
from pydantic import TypeAdapter, ValidationError

from contract.manifest import Figure, Manifest, worst_figure
from tests.conftest import make_manifest


def test_a_manifest_survives_being_written() -> None:
    manifest = make_manifest()
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_golden_pairs_come_back_to_the_last_digit() -> None:
    value = 0.1000000014901161  # the float32 nearest to 0.1, in full
    written = make_manifest().model_dump_json().replace("0.1", str(value))
    assert Manifest.model_validate_json(written).golden[0].input[0] == value


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate({**make_manifest().model_dump(), "colour": "blue"})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (("golden_tolerance",), 1e300, "expected a golden_tolerance of at most 0.01; received 1e\\+300"),
        (("golden_tolerance",), math.nan, "finite number"),
        (("golden_tolerance",), -1e-5, "greater than or equal to 0"),
        (("domain", "low"), math.nan, "finite number"),
        (("domain", "low"), 1.0, "expected low < high; received 1 and 1"),
        (("domain", "high"), 1e300, "less than or equal to 35000"),
        (("length",), 10**9, "less than or equal to 1000000"),
        (("highest_length",), 10**9, "less than or equal to 1000000"),
        (("units",), 10**9, "less than or equal to 65536"),
        (("parameters",), -1, "greater than or equal to 0"),
        (("seed",), 2**70, "less than 9223372036854775808"),
        (("steps",), -1, "greater than or equal to 0"),
        (("created",), "2026-11-24T10:27:13", "timezone"),
        (("commit",), "x" * 100_000, "at most 1000 characters"),
        (("golden", 0, "output", 0), math.inf, "finite number"),
        (("files",), {"weights": "short"}, "should match pattern"),
        (("name",), "many_to_many", "expected the name one_to_one for one_to_one of length 5; received many_to_many"),
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
    with pytest.raises(ValidationError, match="expected the name many_to_one_6"):
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
