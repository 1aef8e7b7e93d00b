import numpy as np
import pytest

from contract.rows import Rows
from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, ShapeError, check_own_name, parse_echo_name

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])
UNIFORM = Rows.of([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
WIDE = Rows(np.arange(12, dtype=np.float32).reshape(6, 2), [3, 1, 2])
"""Of two features."""


def test_the_table_has_every_name_once() -> None:
    assert tuple(TOPOLOGIES) == TOPOLOGY_NAMES == ("one_to_one", "many_to_one", "many_to_many")


@pytest.mark.parametrize(("rows", "features"), [(RAGGED, 1), (WIDE, 2)])
def test_one_to_one_makes_every_item_a_sample(rows: Rows, features: int) -> None:
    topology = TOPOLOGIES["one_to_one"]
    inputs = topology.to_model(rows)
    assert inputs.shape == topology.shapes(rows, 1)[0] == (6, 1, features)
    assert inputs.ravel().tolist() == rows.values.ravel().tolist()
    assert topology.shapes(rows, 4)[1] == (6, 4)
    assert topology.from_model(inputs[:, 0], rows).tolist() == rows.values.tolist()


@pytest.mark.parametrize(("rows", "shape"), [(UNIFORM, (2, 3, 1)), (RAGGED, (3, 3, 1)), (WIDE, (3, 3, 2))])
def test_many_to_one_pads_rows_and_reads_vectors(rows: Rows, shape: tuple[int, ...]) -> None:
    topology = TOPOLOGIES["many_to_one"]
    inputs = topology.to_model(rows)
    assert inputs.shape == topology.shapes(rows, 7)[0] == shape
    assert topology.shapes(rows, 7)[1] == (shape[0], 7)
    answer = np.ones((shape[0], 7), np.float32)
    assert topology.from_model(answer, rows) is answer


@pytest.mark.parametrize("rows", [RAGGED, UNIFORM, WIDE], ids=["ragged", "uniform", "two features"])
@pytest.mark.parametrize("time", [None, 8])
def test_many_to_many_pads_on_the_right_and_cuts_it_off_again(rows: Rows, time: int | None) -> None:
    topology, features = TOPOLOGIES["many_to_many"], rows.features
    inputs = topology.to_model(rows, time)
    assert inputs.shape == (len(rows.lengths), time or 3, features)
    assert topology.shapes(rows, 5) == ((len(rows.lengths), 3, features), (len(rows.lengths), 3, 5))
    for row, length, padded in zip(rows.split(), rows.lengths, inputs, strict=True):
        assert padded[:length].tolist() == row.tolist()
        assert not padded[length:].any()
    assert topology.from_model(inputs, rows).tolist() == rows.values.tolist()


@pytest.mark.parametrize(
    ("name", "units", "others", "lstm", "dense"),
    [
        ("one_to_one", 5, {}, 140, 6),
        ("many_to_one", 5, {"outputs": 5}, 140, 30),
        ("many_to_many", 5, {}, 140, 6),
        ("many_to_one", 32, {"outputs": 10}, 4352, 330),
        ("many_to_one", 64, {"features": 8, "outputs": 9, "layers": 2}, 18_688 + 33_024, 585),
    ],
)
def test_parameter_arithmetic(name: str, units: int, others: dict[str, int], lstm: int, dense: int) -> None:
    counted = next(t for t in TOPOLOGIES.values() if t.name == name).parameters(units, **others)
    assert (counted.lstm, counted.dense, counted.total) == (lstm, dense, lstm + dense)


def test_the_arithmetic_is_written_out() -> None:
    counted = TOPOLOGIES["many_to_one"].parameters(5, features=3, outputs=5, layers=2)
    assert counted.lstm_worked == "4 * ((3 + 1) * 5 + 5^2) + 4 * ((5 + 1) * 5 + 5^2)"
    assert counted.dense_worked == "5 * 5 + 5"


def test_a_network_is_drawn_with_its_shapes() -> None:
    drawn = TOPOLOGIES["many_to_many"].drawn(64, features=8, outputs=3, layers=2)
    assert drawn == "(rows, time, 8) -> LSTM(64) -> LSTM(64) -> TimeDistributed(Dense(3)) -> (rows, time, 3)"


@pytest.mark.parametrize(
    ("rows", "expected", "received"),
    [
        (Rows.of([]), "at least one row", "none"),
        (Rows.of([[0.1], []]), "at least one item in each row", "an empty row at 1"),
        (RAGGED, "rows of one length", "rows of lengths 1, 2, 3"),
    ],
)
@pytest.mark.parametrize("model", [None, "stocks"])
def test_shape_errors_say_what_was_expected_and_what_came(rows: Rows, expected: str, received: str, model: str | None) -> None:
    with pytest.raises(ShapeError) as caught:
        TOPOLOGIES["many_to_one"].check(rows, one_length=True, model=model)
    said = (caught.value.model, caught.value.expected, caught.value.received)
    assert said == (model or "many_to_one", expected, received)
    assert caught.value.hint
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_rows_of_any_lengths_are_taken_unless_the_model_takes_one(name: str) -> None:
    next(t for t in TOPOLOGIES.values() if t.name == name).check(RAGGED)


OWN = ["stocks", "one_to_one_5", "many_to_one_0", "many_to_one_05", "many_to_one_x", "many_to_many_5", "one_to_one_"]
NO_NAMES = ["many_to_one_\N{ARABIC-INDIC DIGIT FIVE}", "Stocks", "5g", "", "a" * 64, "a b", "../models", "stocks\n"]


@pytest.mark.parametrize("name", [*OWN, *NO_NAMES, "many_to_one"])
def test_foreign_names_are_no_echoes(name: str) -> None:
    assert parse_echo_name(name) is None


@pytest.mark.parametrize("length", [1, 5, 12])
def test_an_echos_name_gives_back_topology_and_length(length: int) -> None:
    for topology in TOPOLOGIES.values():
        assert parse_echo_name(topology.echo_name(length)) == (topology, None if topology.per_step else length)


@pytest.mark.parametrize("name", OWN)
def test_a_models_own_name_is_taken_as_it_is(name: str) -> None:
    assert check_own_name(name) == name


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected a name of lower-case letters"):
        check_own_name(name)


@pytest.mark.parametrize("name", ["one_to_one", "many_to_many", "many_to_one", "many_to_one_5"])
def test_the_name_of_an_echo_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is the name of an echo"):
        check_own_name(name)
