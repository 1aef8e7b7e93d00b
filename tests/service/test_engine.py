import asyncio

import pytest

from contract.topologies import Rows, TopologyName
from service.caller import Caller
from service.engine import Echo, Engine
from service.errors import InvalidShape, LengthNotServed
from service.model import LoadedModel
from tests.service.conftest import BARS, FakeModels, shown

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])


def predict(models: dict[str, LoadedModel], topology: TopologyName, *requests: Rows) -> list[Echo]:
    async def together() -> list[Echo]:
        engine = Engine(FakeModels(models), BARS)
        return await asyncio.gather(*(engine.predict(topology, rows, Caller()) for rows in requests))

    return asyncio.run(together())


def test_requests_that_arrive_together_share_a_call_and_get_their_own_answers(models: dict[str, LoadedModel]) -> None:
    requests = [Rows.of([[0.1, 0.2]]), RAGGED, Rows.of([[2.0]])]
    echoes = predict(models, "one_to_one", *requests)
    assert [echo.values.tolist() for echo in echoes] == [rows.values.tolist() for rows in requests]
    assert [echo.in_domain for echo in echoes] == [[True], [True, True, True], [False]]
    assert shown(models["one_to_one"]) == [(9, 1, 1)]


def test_many_to_one_goes_to_the_model_of_its_length(models: dict[str, LoadedModel]) -> None:
    three, five = predict(models, "many_to_one", Rows.of([[0.1] * 3]), Rows.of([[0.2] * 5]))
    assert (three.model.manifest.name, five.model.manifest.name) == ("many_to_one_3", "many_to_one_5")


def test_a_shape_error_of_the_contract_becomes_ours_with_its_facts(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(InvalidShape) as caught:
        predict(models, "many_to_one", RAGGED)
    assert caught.value.extra["received"] == "rows of lengths 1, 2, 3"
    assert shown(models["many_to_one_3"]) == []


def test_a_length_without_a_model_is_an_error(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(LengthNotServed):
        predict(models, "many_to_one", Rows.of([[0.1, 0.2]]))
