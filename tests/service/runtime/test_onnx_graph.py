"""That a graph may be cut into calls and pieces anywhere, and its rows share calls with any others: to the last bit."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import translation
from contract.rows import Floats
from service.runtime import onnx_graph
from service.runtime.onnx_graph import OnnxGraph
from tests.service.runtime.translations import NARROW, STACKED, WIDE, WINDOWS, Network, write


class Loaded(NamedTuple):
    network: Network
    file: Path
    graph: OnnxGraph

    def inputs(self, rows: int, time: int, seed: int = 1) -> Floats:
        """(rows, time, F)"""
        return np.random.default_rng(seed).uniform(-2, 2, (rows, time, self.network.features)).astype(np.float32)

    def alone(self, inputs: Floats, steps: int) -> Floats:
        """The answer to the first steps of one row, (time, F)."""
        (answer,) = self.graph.run(np.ascontiguousarray(inputs[None, :steps]), None)
        return np.asarray(answer)

    def answers(self, outputs: Floats, lengths: Sequence[int]) -> list[Floats]:
        """Each row's, without what was computed of padding."""
        each = [row[:steps] for row, steps in zip(outputs, lengths, strict=True)] if self.network.per_step else list(outputs)
        assert [row.shape for row in each] == [
            (steps, self.network.outputs) if self.network.per_step else (self.network.outputs,) for steps in lengths
        ]
        return each


GRAPHS = [(network, translation.FILE) for network in NARROW + WIDE + STACKED] + [
    (network, translation.PACKED) for network in NARROW
]


@pytest.fixture(scope="module", params=GRAPHS, ids=lambda graph: f"{Path(graph[1]).stem}-{graph[0]}")
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    network, name = request.param
    file = write(network, tmp_path_factory.mktemp("version")) / name
    return Loaded(network.packed if name == translation.PACKED else network, file, OnnxGraph(file))


class Calls:
    """A session that remembers the shapes and lengths that it was given."""

    def __init__(self, loaded: Loaded, patch: pytest.MonkeyPatch) -> None:
        self.shapes: list[tuple[int, int]] = []
        self.lengths: list[list[int]] = []
        self._session = loaded.graph._session
        patch.setattr(loaded.graph, "_session", self)

    def run(self, outputs: Sequence[str], inputs: dict[str, Floats]) -> list[Floats]:
        self.shapes.append((inputs["sequences"].shape[0], inputs["sequences"].shape[1]))
        self.lengths.append(inputs["lengths"].tolist())
        answer: list[Floats] = self._session.run(outputs, inputs)
        return answer


def cut(patch: pytest.MonkeyPatch, loaded: Loaded, row_steps: int, fewest_rows: int) -> None:
    """Calls of at most so many rows times steps, and rows cut no finer than that."""
    patch.setattr(onnx_graph, "CELL_STEPS", row_steps * loaded.network.units)
    patch.setattr(onnx_graph, "FEWEST_ROWS", fewest_rows)


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=9),
    padding=st.integers(0, 3),
    row_steps=st.integers(1, 40),
    fewest_rows=st.integers(1, 4),
)
def test_a_row_cut_anywhere_gives_the_whole_to_the_last_bit(
    loaded: Loaded, lengths: list[int], padding: int, row_steps: int, fewest_rows: int
) -> None:
    inputs = loaded.inputs(len(lengths), max(lengths) + padding)
    whole = loaded.answers(loaded.graph.run(inputs, lengths), lengths)
    with pytest.MonkeyPatch.context() as patch:
        cut(patch, loaded, row_steps, fewest_rows)
        in_pieces = loaded.answers(loaded.graph.run(inputs, lengths), lengths)
    assert [row.tobytes() for row in in_pieces] == [row.tobytes() for row in whole]


def test_a_large_request_is_cut_into_calls_of_rows_and_into_pieces_of_time(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, lengths = loaded.inputs(5, 7), [7, 7, 7, 2, 1]
    calls = Calls(loaded, monkeypatch)
    loaded.graph.run(inputs, lengths)
    assert calls.shapes.pop() == (5, 7)
    cut(monkeypatch, loaded, row_steps=14, fewest_rows=1)
    loaded.graph.run(inputs, lengths)
    assert (calls.shapes, calls.lengths[1:]) == ([(2, 7), (2, 7), (1, 7)], [[7, 7], [7, 2], [1]])
    del calls.shapes[:], calls.lengths[:]
    cut(monkeypatch, loaded, row_steps=6, fewest_rows=2)
    loaded.graph.run(inputs, lengths)
    assert calls.shapes == [(2, 3), (2, 3), (2, 1)] * 2 + [(1, 6), (1, 1)]
    assert calls.lengths[3:] == [[3, 2], [3, 0], [1, 0], [1], [0]]


def test_no_call_has_more_than_stays_in_the_cache_and_few_rows_are_cut_along_time(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = onnx_graph.CELL_STEPS // loaded.network.units
    calls = Calls(loaded, monkeypatch)
    for rows, time in ((most + 1, 1), (2, most), (2 * onnx_graph.FEWEST_ROWS, most // onnx_graph.FEWEST_ROWS)):
        del calls.shapes[:]
        loaded.graph.run(loaded.inputs(rows, time), None)
        assert len(calls.shapes) > 1
        assert max(rows * time for rows, time in calls.shapes) <= most
        assert sum(rows * time for rows, time in calls.shapes) == rows * time  # and nothing twice


@pytest.mark.parametrize("padding", [0, 5])
def test_a_row_answers_to_the_last_bit_the_same_alone_in_a_ragged_batch_and_padded(loaded: Loaded, padding: int) -> None:
    lengths = [1 + number * 7 % 41 for number in range(70)]
    inputs = loaded.inputs(len(lengths), max(lengths) + padding)
    together = loaded.answers(loaded.graph.run(inputs, lengths), lengths)
    for row, steps, beside_others in zip(inputs, lengths, together, strict=True):
        assert loaded.alone(row, steps).tobytes() == beside_others.tobytes()
        (padded,) = loaded.answers(loaded.graph.run(row[None], [steps]), [steps])
        assert padded.tobytes() == beside_others.tobytes()


def test_the_values_of_padding_change_no_answer(loaded: Loaded) -> None:
    inputs, lengths = loaded.inputs(3, 9), [9, 4, 1]
    clean = loaded.answers(loaded.graph.run(inputs, lengths), lengths)
    for row, steps in zip(inputs, lengths, strict=True):
        row[steps:] = np.nan
    assert [row.tobytes() for row in loaded.answers(loaded.graph.run(inputs, lengths), lengths)] == [
        row.tobytes() for row in clean
    ]


@pytest.mark.parametrize("poison", [np.nan, np.inf, -3e38])
def test_a_poisoned_row_changes_no_other(loaded: Loaded, poison: float) -> None:
    inputs = loaded.inputs(40, 6)
    clean = loaded.graph.run(inputs, None)
    inputs[17] = poison
    poisoned = loaded.graph.run(inputs, None)
    assert poisoned[17].tobytes() != clean[17].tobytes()
    assert np.delete(poisoned, 17, axis=0).tobytes() == np.delete(clean, 17, axis=0).tobytes()


def test_ten_thousand_steps_with_their_state_are_the_whole_to_the_last_bit(loaded: Loaded) -> None:
    inputs = loaded.inputs(1, 10_000)
    whole = loaded.graph.run(inputs, None)[0]
    h = c = np.zeros((1, loaded.network.layers * loaded.network.units), np.float32)
    outputs = []
    for time in range(10_000):
        given = {"sequences": inputs[:, time : time + 1], "lengths": np.array([1], np.int32), "h": h, "c": c}
        output, h, c = loaded.graph._session.run(translation.OUTPUTS, given)
        outputs.append(output.reshape(-1))
    assert (np.stack(outputs) if loaded.network.per_step else outputs[-1]).tobytes() == whole.tobytes()


def test_several_threads_may_run_a_graph_at_once(loaded: Loaded) -> None:
    asked = [loaded.inputs(rows, time) for rows, time in ((1, 300), (600, 1), (33, 20), (200, 3)) for _ in range(5)]
    one_by_one = [loaded.graph.run(inputs, None) for inputs in asked]
    fresh = OnnxGraph(loaded.file)
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(lambda inputs: fresh.run(inputs, None), asked))
    assert [answer.tobytes() for answer in at_once] == [answer.tobytes() for answer in one_by_one]


def test_zeros_replaced_by_another_thread_during_a_call_are_large_enough(loaded: Loaded) -> None:
    class Replaced(np.ndarray[tuple[int, ...], np.dtype[np.float32]]):
        def __len__(self) -> int:
            graph._zeros = self[:1]  # between the look at them and their use
            return super().__len__()

    graph = OnnxGraph(loaded.file)
    graph._zeros = graph._zeros.view(Replaced)
    inputs = loaded.inputs(20, 2)
    assert graph.run(inputs, None).tobytes() == loaded.graph.run(inputs, None).tobytes()


def test_a_read_only_array_is_accepted(loaded: Loaded) -> None:
    inputs = loaded.inputs(3, 4)
    borrowed = np.frombuffer(inputs.tobytes(), np.float32).reshape(inputs.shape)
    assert loaded.graph.run(borrowed, None).tobytes() == loaded.graph.run(inputs, None).tobytes()


def test_a_call_has_one_thread(loaded: Loaded) -> None:
    options = loaded.graph._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


@pytest.mark.parametrize("network", WINDOWS, ids=str)
def test_rows_that_are_scaled_by_themselves_are_cut_into_calls_of_rows_and_never_along_time(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(network, tmp_path) / translation.FILE
    loaded = Loaded(network, file, OnnxGraph(file))
    inputs = loaded.inputs(5, 7)
    whole = loaded.graph.run(inputs)
    assert whole.shape == (5, 3)
    calls = Calls(loaded, monkeypatch)
    for row_steps, shapes in ((14, [(2, 7), (2, 7), (1, 7)]), (3, [(1, 7)] * 5)):
        del calls.shapes[:]
        cut(monkeypatch, loaded, row_steps, fewest_rows=2)
        assert loaded.graph.run(inputs).tobytes() == whole.tobytes()
        assert calls.shapes == shapes


def test_each_layer_takes_its_time_and_has_its_state(tmp_path: Path) -> None:
    one, two, three = (
        OnnxGraph(write(Network(3, 12, 4, False, layers), tmp_path / str(layers)) / translation.FILE) for layers in (1, 2, 3)
    )
    assert one.seconds(9, 50) < two.seconds(9, 50) < three.seconds(9, 50)
    assert [graph._zeros.shape[1] for graph in (one, two, three)] == [12, 24, 36]


def test_more_rows_more_time_and_more_units_are_expected_to_take_longer(tmp_path: Path) -> None:
    narrow, wide = (OnnxGraph(write(each[0], tmp_path / str(each[0])) / translation.FILE) for each in (NARROW, WIDE))
    for graph in (narrow, wide):
        for seconds in (
            [graph.seconds(rows, 10) for rows in (1, 2, 32, 33, 1000, 100_000)],
            [graph.seconds(3, time) for time in (1, 2, 10, 1000, 100_000)],
        ):
            assert seconds[0] > 0
            assert all(shorter < longer for shorter, longer in pairwise(seconds))
    assert narrow.seconds(32, 10) < wide.seconds(32, 10)


@pytest.mark.parametrize("name", [*translation.INPUTS, *translation.OUTPUTS])
def test_a_graph_of_other_inputs_or_outputs_is_refused(tmp_path: Path, name: str) -> None:
    file = write(WIDE[0], tmp_path) / translation.FILE
    file.write_bytes(renamed(file.read_bytes(), name, "other"))
    given = str(tuple("other" if each == name else each for each in translation.INPUTS)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"^expected a graph of \('sequences', .* it has {given} -> \("):
        OnnxGraph(file)


def renamed(graph: bytes, name: str, other: str) -> bytes:
    """The graph with one of its inputs or outputs under another name."""
    model = onnx.ModelProto.FromString(graph)
    for value in (*model.graph.input, *model.graph.output):
        value.name = other if value.name == name else value.name
    for node in model.graph.node:
        node.input[:] = [other if each == name else each for each in node.input]
        node.output[:] = [other if each == name else each for each in node.output]
    return bytes(model.SerializeToString())
