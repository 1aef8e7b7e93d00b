"""The document of services with fake models: valid, whole, and as the service is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contract.manifest import GoldenPair
from service.protocols.openapi.document import document
from service.protocols.openapi.facts import Facts
from service.protocols.openapi.operations import OPERATIONS
from service.runtime.loaded_model import LoadedModel
from service.versions.served_versions import ServedVersions
from tests.conftest import make_manifest, quantity
from tests.service.conftest import FakeRuntime


def alone(model: LoadedModel) -> ServedVersions:
    version = model.manifest.version
    return ServedVersions({version: model}, {"production": version}, model, {}, {})


@pytest.fixture
def facts(models: dict[str, LoadedModel]) -> Facts:
    """Echoes, and a model of two features."""
    row = [[0.1, 20.0], [0.2, 21.0]]
    manifest = make_manifest(
        "many_to_many",
        name="stove",
        task="regress",
        features=[quantity("load"), quantity("heat", 10, 30)],
        targets=[quantity("gas"), quantity("smoke", 10, 30)],
        golden=[GoldenPair(input=row, output=row)],
    )
    served = {name: alone(model) for name, model in models.items()}
    return Facts({**served, "stove": alone(LoadedModel(manifest, FakeRuntime("many_to_many")))}, "1.2.3", 100, 5000, 2000)


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """All objects in a document."""
    if isinstance(part, dict):
        yield part
    for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from parts(child)


def operations(whole: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for path in whole["paths"].values() for operation in path.values()}


@pytest.mark.parametrize("keys", [False, True], ids=["open", "with keys"])
@pytest.mark.parametrize("served", [True, False], ids=["models", "no model"])
def test_it_is_valid_and_refers_to_all_that_it_has(facts: Facts, keys: bool, served: bool) -> None:
    whole = document(facts._replace(keys=keys, admin=keys, served=facts.served if served else {}))
    OpenAPIV31SpecValidator(whole).validate()
    referred = {part["$ref"] for part in parts(whole) if isinstance(part.get("$ref"), str)}
    there = {f"#/components/{kind}/{name}" for kind, each in whole["components"].items() for name in each}
    assert referred == {name for name in there if "/securitySchemes/" not in name}
    assert "$defs" not in json.dumps(whole)


def test_it_lists_every_operation_and_those_of_admins_only_while_they_exist(facts: Facts) -> None:
    everyones = {operation.id for operation in OPERATIONS if operation.scope != "admin"}
    assert operations(document(facts)).keys() == everyones
    assert operations(document(facts._replace(keys=True))).keys() == everyones
    whole = document(facts._replace(keys=True, admin=True))
    assert operations(whole).keys() == {operation.id for operation in OPERATIONS}
    assert "Promotion" not in document(facts)["components"]["schemas"]


def test_keys_are_asked_for_where_the_service_has_keys(facts: Facts) -> None:
    def secured(facts: Facts) -> dict[str, Any]:
        return {name: operation["security"] for name, operation in operations(document(facts)).items() if operation["security"]}

    assert secured(facts) == {}
    assert "401" not in json.dumps(operations(document(facts))["predict"]["responses"])
    asked = secured(facts._replace(keys=True, admin=True))
    assert asked["predict"] == [{"bearer": ["predict"]}, {"header": []}]
    assert asked["show_model"] == [{"bearer": ["predict"]}, {"bearer": ["admin"]}, {"header": []}]
    assert asked["promote"][0] == {"bearer": ["admin"]}
    assert set(asked) == {operation.id for operation in OPERATIONS if operation.scope is not None}
    assert "metrics" not in secured(facts._replace(keys=True, open_metrics=True))


def test_examples_are_the_models_own_answers(facts: Facts) -> None:
    shown = operations(document(facts))
    asked = shown["predict"]["requestBody"]["content"]["application/json"]["examples"]
    answered = shown["predict"]["responses"]["200"]["content"]["application/json"]["examples"]
    assert list(asked) == list(answered) == sorted(facts.served)
    row = [[0.1, 12.0], [0.3, 16.0], [0.5, 20.0]]
    assert asked["stove"]["value"] == {"sequences": [row]}
    assert answered["stove"]["value"]["sequences"] == [row]  # the fake model echoes
    assert answered["stove"]["value"]["task"] == "regress"
    assert list(shown["many_to_one"]["requestBody"]["content"]["application/json"]["examples"]) == [
        "many_to_one_3",
        "many_to_one_5",
    ]
    assert "task" not in json.dumps(shown["many_to_one"]["responses"]["200"]["content"])


def test_schemas_of_rows_follow_the_models_and_the_limits(facts: Facts) -> None:
    schemas = document(facts)["components"]["schemas"]

    def sequences(name: str) -> dict[str, Any]:
        found: dict[str, Any] = schemas[name]["properties"]["sequences"]
        return found

    assert (sequences("PredictionRequest")["maxItems"], sequences("PredictionRequest")["items"]["maxItems"]) == (100, 5000)
    lengths = sequences("ManyToOneRequest")["items"]
    assert (lengths["minItems"], lengths["maxItems"]) == (3, 5)
    numbers, steps = sequences("NamedPredictionRequest")["anyOf"]
    assert numbers["items"]["items"]["type"] == "number"
    assert (steps["items"]["items"]["minItems"], steps["items"]["items"]["maxItems"]) == (2, 2)
    answer = schemas["NamedPrediction"]
    assert {"sequences", "outputs", "labels", "probabilities", "classes"}.isdisjoint(answer["required"])
    assert "null" not in json.dumps(answer)
