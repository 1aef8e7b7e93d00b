import asyncio

import numpy as np
import pytest

from contract.topologies import Rows, Topology, TopologyName
from service.engine import Echo, Engine
from service.errors import InvalidShape, LengthNotServed
from service.registry import LoadedModel
from tests.service.conftest import FakeRuntime

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])


class Models:
    def __init__(self, models: dict[str, LoadedModel]) -> None:
        self._models = models

    def find(self, topology: Topology, length: int) -> LoadedModel:
        try:
            return self._models[topology.model_name(length)]
        except KeyError:
            raise LengthNotServed("not served") from None


def predict(models: dict[str, LoadedModel], topology: TopologyName, rows: Rows) -> Echo:
    return asyncio.run(Engine(Models(models)).predict(topology, rows))


def shown(models: dict[str, LoadedModel], name: str) -> list[tuple[int, ...]]:
    runtime = models[name].runtime
    assert isinstance(runtime, FakeRuntime)
    return [inputs.shape for inputs in runtime.shown]


def test_one_to_one_shows_the_model_every_item_at_once(models: dict[str, LoadedModel]) -> None:
    echo = predict(models, "one_to_one", RAGGED)
    assert echo.values.tolist() == RAGGED.values.tolist()
    assert (echo.input_shape, echo.output_shape) == ((6, 1, 1), (6, 1))
    assert shown(models, "one_to_one") == [(6, 1, 1)]


def test_many_to_one_goes_to_the_model_of_its_length(models: dict[str, LoadedModel]) -> None:
    rows = Rows.of([[0.1, 0.2, 0.3]])
    echo = predict(models, "many_to_one", rows)
    assert echo.model.manifest.name == "many_to_one_3"
    assert (echo.input_shape, echo.output_shape) == ((1, 3, 1), (1, 3))
    assert shown(models, "many_to_one_5") == []


def test_ragged_rows_of_many_to_many_come_back_in_their_order_and_lengths(models: dict[str, LoadedModel]) -> None:
    rng = np.random.default_rng(1)
    rows = Rows.of([rng.random(length) for length in rng.integers(1, 300, 50)])
    echo = predict(models, "many_to_many", rows)
    assert echo.values.tolist() == rows.values.tolist()
    padded = sum(batch * time for batch, time, _ in shown(models, "many_to_many"))
    assert padded <= 2 * len(rows.values)  # one long row does not multiply the work of the short ones


def test_in_domain_is_said_row_by_row(models: dict[str, LoadedModel]) -> None:
    rows = Rows.of([[0.0, 0.5], [1.0], [-0.1, 0.2], [0.999]])
    assert predict(models, "one_to_one", rows).in_domain == [True, False, False, True]


def test_a_shape_error_of_the_contract_becomes_ours_with_its_facts(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(InvalidShape) as caught:
        predict(models, "many_to_one", RAGGED)
    assert caught.value.extra["received"] == "rows of lengths 1, 2, 3"


def test_a_length_without_a_model_is_an_error(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(LengthNotServed):
        predict(models, "many_to_one", Rows.of([[0.1, 0.2]]))
