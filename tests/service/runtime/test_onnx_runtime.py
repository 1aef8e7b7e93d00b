"""That rows which are computed several as one answer as each does by itself: to the last bit, whatever is beside them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import translation
from contract.rows import Floats
from service.runtime import onnx_runtime
from service.runtime.onnx_graph import OnnxGraph
from service.runtime.onnx_runtime import OnnxRuntime
from tests.service.runtime.translations import NARROW, STACKED, WIDE, WINDOWS, Network, domain_scaling, write
from training.sequences.scaling import Scaling

ROWS = translation.rows_packed(NARROW[0].units)
MANY = 5 * ROWS + 3
"""Rows that are packed, the last of them with rows of zeros."""
SCALINGS = [None, domain_scaling(-2e-5, 3e-5, (-7.0, 9.0))]
"""In units of the second, a float32 may be so large that it is infinite in those of the network."""


@pytest.fixture(scope="module", params=NARROW, ids=str)
def network(request: pytest.FixtureRequest) -> Network:
    assert isinstance(request.param, Network)
    return request.param


@pytest.fixture(scope="module")
def runtime(network: Network, tmp_path_factory: pytest.TempPathFactory) -> OnnxRuntime:
    return OnnxRuntime(write(network, tmp_path_factory.mktemp("version")))


class Counted:
    """A graph that counts its calls."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.calls, self._graph = 0, graph

    def __getattr__(self, name: str) -> object:
        return getattr(self._graph, name)

    def run(self, inputs: Floats, lengths: list[int] | None = None) -> Floats:
        self.calls += 1
        return self._graph.run(inputs, lengths)


def counted(runtime: OnnxRuntime, patch: pytest.MonkeyPatch) -> tuple[Counted, Counted]:
    """Its two graphs."""
    assert runtime._packed is not None
    graphs = Counted(runtime._plain), Counted(runtime._packed)
    patch.setattr(runtime, "_plain", graphs[0])
    patch.setattr(runtime, "_packed", graphs[1])
    return graphs


def some(rows: int, time: int, low: float = 0.0, high: float = 1.0) -> Floats:
    """(rows, time, 1)"""
    return np.random.default_rng(rows).uniform(low, high, (rows, time, 1)).astype(np.float32)


def answers(network: Network, outputs: Floats, lengths: list[int]) -> list[bytes]:
    """Each row's, without what was computed of padding."""
    each = [row[:steps] for row, steps in zip(outputs, lengths, strict=True)] if network.per_step else list(outputs)
    return [row.tobytes() for row in each]


@settings(deadline=None, max_examples=60)
@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=3 * ROWS + 1), padding=st.integers(0, 3))
def test_packed_rows_answer_to_the_last_bit_the_same_as_alone(
    network: Network, runtime: OnnxRuntime, lengths: list[int], padding: int
) -> None:
    inputs = some(len(lengths), max(lengths) + padding)
    alone = [
        runtime.run(np.ascontiguousarray(row[None, :steps]), None)[0].tobytes()
        for row, steps in zip(inputs, lengths, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_runtime, "FEWEST_STEPS", 1)
        plain, packed = counted(runtime, patch)
        together = answers(network, runtime.run(inputs, lengths), lengths)
        packs = len(lengths) >= ROWS and network.per_step  # else the last step is not where the row ends
        assert (plain.calls, packed.calls) == ((0, 1) if packs else (1, 0))
    assert together == alone


def test_rows_are_packed_if_they_are_enough_for_it_to_pay(runtime: OnnxRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, packed = counted(runtime, monkeypatch)
    enough = -(-onnx_runtime.FEWEST_STEPS // ROWS)
    for rows, time in ((ROWS - 1, 1000), (1, 1000), (ROWS, enough - 1)):
        runtime.run(some(rows, time), None)
    assert (plain.calls, packed.calls) == (3, 0)
    for rows, time in ((ROWS, enough), (onnx_runtime.FEWEST_STEPS, 1)):
        runtime.run(some(rows, time), None)
    assert (plain.calls, packed.calls) == (3, 2)


def test_the_expected_time_is_that_of_the_graph_that_computes(runtime: OnnxRuntime) -> None:
    assert runtime._packed is not None
    assert runtime.seconds(1, 1000) == runtime._plain.seconds(1, 1000)
    assert runtime.seconds(1001, 10) == runtime._packed.seconds(-(-1001 // ROWS), 10)
    assert runtime.seconds(1001, 10) < runtime._plain.seconds(1001, 10)


@pytest.mark.parametrize("scaling", SCALINGS, ids=["unscaled", "scaled"])
@pytest.mark.parametrize("far", [3e38, -3e38, np.inf, np.nan])
def test_a_row_however_far_out_changes_no_other(network: Network, tmp_path: Path, scaling: Scaling | None, far: float) -> None:
    runtime = OnnxRuntime(write(network, tmp_path / "version", scaling))
    inputs = some(MANY, 6, *((-2e-5, 3e-5) if scaling else (0.0, 1.0)))
    clean = runtime.run(inputs, None)
    inputs[17, 2:] = far
    poisoned = runtime.run(inputs, None)
    assert [row for row in range(MANY) if poisoned[row].tobytes() != clean[row].tobytes()] == [17]
    assert poisoned[17].tobytes() == runtime.run(inputs[17:18], None)[0].tobytes()


@pytest.mark.parametrize("network", [*WIDE, *STACKED, *WINDOWS], ids=str)
def test_other_networks_have_no_packed_graph_and_need_none(tmp_path: Path, network: Network) -> None:
    folder = write(network, tmp_path)
    assert not (folder / translation.PACKED).exists()
    time = network.length or 9
    inputs = np.random.default_rng(1).random((MANY, time, network.features), np.float32)
    runtime = OnnxRuntime(folder)
    assert runtime.run(inputs, None).tobytes() == OnnxGraph(folder / translation.FILE).run(inputs).tobytes()
    assert runtime.seconds(MANY, time) == runtime._plain.seconds(MANY, time)


def test_a_packed_graph_that_answers_differently_is_not_used_and_logged(
    network: Network, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, other = write(network, tmp_path / "version"), write(network, tmp_path / "other", seed=2)
    (folder / translation.PACKED).write_bytes((other / translation.PACKED).read_bytes())
    runtime = OnnxRuntime(folder)
    assert "packed.onnx is not used: on this machine it differs from assets.extra/model.onnx" in caplog.text
    inputs = some(MANY, 9)
    assert runtime.run(inputs, None).tobytes() == OnnxGraph(folder / translation.FILE).run(inputs).tobytes()
    assert runtime.seconds(MANY, 9) == runtime._plain.seconds(MANY, 9)


@pytest.mark.parametrize("name", [translation.FILE, translation.PACKED])
def test_a_file_that_is_no_graph_raises(network: Network, tmp_path: Path, name: str) -> None:
    folder = write(network, tmp_path)
    (folder / name).write_bytes(b"no graph")
    with pytest.raises(Exception, match="INVALID_PROTOBUF"):
        OnnxRuntime(folder)
