import pytest

from contract.rows import Rows
from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, ShapeError, parse_model_name

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])
UNIFORM = Rows.of([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


def test_the_table_has_every_name_once() -> None:
    assert tuple(TOPOLOGIES) == TOPOLOGY_NAMES == ("one_to_one", "many_to_one", "many_to_many")


def test_one_to_one_makes_every_item_a_sample() -> None:
    topology = TOPOLOGIES["one_to_one"]
    inputs = topology.to_model(RAGGED)
    assert inputs.shape == topology.shapes(RAGGED)[0] == (6, 1, 1)
    assert inputs.ravel().tolist() == RAGGED.values.tolist()
    assert topology.shapes(RAGGED)[1] == (6, 1)
    assert topology.from_model(inputs[..., 0], RAGGED).tolist() == RAGGED.values.tolist()


def test_many_to_one_stacks_rows_and_reads_vectors() -> None:
    topology = TOPOLOGIES["many_to_one"]
    inputs = topology.to_model(UNIFORM)
    assert inputs.shape == topology.shapes(UNIFORM)[0] == (2, 3, 1)
    assert topology.shapes(UNIFORM)[1] == (2, 3)
    assert topology.from_model(inputs[..., 0], UNIFORM).tolist() == UNIFORM.values.tolist()


@pytest.mark.parametrize("rows", [RAGGED, UNIFORM], ids=["ragged", "uniform"])
@pytest.mark.parametrize("time", [None, 8])
def test_many_to_many_pads_on_the_right_and_cuts_it_off_again(rows: Rows, time: int | None) -> None:
    topology = TOPOLOGIES["many_to_many"]
    inputs = topology.to_model(rows, time)
    assert inputs.shape == (len(rows.lengths), time or 3, 1)
    assert topology.shapes(rows) == ((len(rows.lengths), 3, 1), (len(rows.lengths), 3, 1))
    for row, length, padded in zip(rows.split(), rows.lengths, inputs[..., 0], strict=True):
        assert padded[:length].tolist() == row.tolist()
        assert not padded[length:].any()
    assert topology.from_model(inputs, rows).tolist() == rows.values.tolist()


@pytest.mark.parametrize(
    ("name", "units", "length", "lstm", "dense"),
    [
        ("one_to_one", 5, 5, 140, 6),
        ("many_to_one", 5, 5, 140, 30),
        ("many_to_many", 5, 5, 140, 6),
        ("many_to_one", 32, 10, 4352, 330),
    ],
)
def test_parameter_arithmetic(name: str, units: int, length: int, lstm: int, dense: int) -> None:
    counted = next(t for t in TOPOLOGIES.values() if t.name == name).parameters(units, length)
    assert (counted.lstm, counted.dense, counted.total) == (lstm, dense, lstm + dense)


def test_the_arithmetic_is_written_out() -> None:
    counted = TOPOLOGIES["many_to_one"].parameters(5, 5)
    assert counted.lstm_worked == "4 * ((1 + 1) * 5 + 5^2)"
    assert counted.dense_worked == "5 * 5 + 5"


@pytest.mark.parametrize(
    ("rows", "expected", "received"),
    [
        (Rows.of([]), "at least one row", "none"),
        (Rows.of([[0.1], []]), "at least one item in each row", "an empty row at 1"),
        (RAGGED, "rows of one length", "rows of lengths 1, 2, 3"),
    ],
)
def test_shape_errors_say_what_was_expected_and_what_came(rows: Rows, expected: str, received: str) -> None:
    with pytest.raises(ShapeError) as caught:
        TOPOLOGIES["many_to_one"].check(rows)
    assert (caught.value.topology, caught.value.expected, caught.value.received) == ("many_to_one", expected, received)
    assert caught.value.hint
    for part in ("many_to_one", expected, received):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["one_to_one", "many_to_many"])
def test_other_topologies_take_any_length(name: str) -> None:
    next(t for t in TOPOLOGIES.values() if t.name == name).check(RAGGED)


@pytest.mark.parametrize(
    "name",
    [
        "one_to_one_5",
        "many_to_one",
        "many_to_one_0",
        "many_to_one_05",
        "many_to_one_\N{ARABIC-INDIC DIGIT FIVE}",
        "many_to_one_x",
        "many_to_many_5",
        "resnet",
        "one_to_one_",
    ],
)
def test_foreign_names_have_no_topology(name: str) -> None:
    assert parse_model_name(name) is None


@pytest.mark.parametrize("length", [1, 5, 12])
def test_a_name_gives_back_topology_and_length(length: int) -> None:
    for topology in TOPOLOGIES.values():
        assert parse_model_name(topology.model_name(length)) == (topology, None if topology.any_length else length)
