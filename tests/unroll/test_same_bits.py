"""`load` and the clients give the answers of the service, to the last bit."""

import asyncio
from typing import Any

import numpy as np
import pytest

from contract.rows import Floats
from tests.unroll.conftest import KINDS, given, over_http
from unroll import AsyncClient, Client, Model, Prediction


def as_lists(answer: Prediction) -> dict[str, Any]:
    """As the service writes it."""
    fields = {"labels": answer.labels, "probabilities": answer.probabilities}
    if not answer.classes:
        fields = {"outputs" if answer.task != "echo" and answer.topology == "many_to_one" else "sequences": answer.outputs}
    written = {
        name: value.tolist() if isinstance(value, np.ndarray) else [row.tolist() for row in value or []]
        for name, value in fields.items()
    }
    return written | {"model": answer.model, "version": answer.version, "in_domain": answer.in_domain.tolist()}


def as_float32(told: dict[str, Any]) -> dict[str, Any]:
    def narrow(value: Any) -> Any:
        return [narrow(each) for each in value] if isinstance(value, list) else float(np.float32(value))

    return {name: narrow(value) if name in ("outputs", "sequences", "probabilities") else value for name, value in told.items()}


@pytest.mark.parametrize("name", KINDS)
def test_a_model_of_each_kind(name: str, kinds_url: str, client: Client, models: dict[str, Model]) -> None:
    rows = given(name)
    told = as_float32(over_http(kinds_url, name, rows))

    async def asked() -> Prediction:
        async with AsyncClient(kinds_url) as own:
            return await own.predict(name, rows)

    for answer in (models[name].predict(rows), client.predict(name, rows), asyncio.run(asked())):
        written = as_lists(answer)
        assert written == {field: told[field] for field in written}
        assert answer.classes == tuple(told.get("classes", ()))
        assert not answer.in_domain[1]


@pytest.mark.parametrize("name", ["many_to_many", "walks"])
def test_more_rows_than_one_request_may_have(name: str, client: Client, models: dict[str, Model]) -> None:
    """Ten requests, and many calls of the model: the limit of the service is 10,000 rows."""
    features = len(models[name].features)
    rows: Floats = np.random.default_rng(5).uniform(-4, 4, (100_000, 3, features)).astype(np.float32)
    answer, alone = client.predict(name, rows), models[name].predict(rows)
    assert np.array_equal(answer.values, alone.values)
    assert np.array_equal(answer.in_domain, alone.in_domain)
    assert 0 < answer.in_domain.sum() < len(answer) == 100_000
    assert answer.version == models[name].version
