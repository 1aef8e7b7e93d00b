"""A client that openapi-python-client makes from the document of a real service: right answers, and typed errors."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from loadtests.processes import BIN
from tests.openapi.fuzz import Asked

ROW = [0.0, 0.2, 0.4, 0.6, 0.8]


@pytest.fixture(scope="module")
def generated(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the package."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "document.json").write_text(json.dumps(document))
    (folder / "config.yaml").write_text("post_hooks: []\n")  # else it formats and lints what it wrote
    options = ["--path", "document.json", "--output-path", "asks_unroll", "--meta", "none", "--config", "config.yaml"]
    command = [str(BIN / "openapi-python-client"), "generate", "--fail-on-warning", *options]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Warning" not in made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield "asks_unroll"
    for name in [name for name in sys.modules if name.partition(".")[0] == "asks_unroll"]:
        del sys.modules[name]


@pytest.fixture
def models(generated: str) -> ModuleType:
    return import_module(f"{generated}.models")


@pytest.fixture
def client(generated: str, service: Asked) -> Iterator[Any]:
    with import_module(generated).AuthenticatedClient(service.url, service.key) as client:
        yield client


def call(generated: str, operation: str) -> ModuleType:
    return import_module(f"{generated}.api.{operation}")


def test_right_requests_get_typed_answers(generated: str, models: ModuleType, client: Any) -> None:
    body = models.PredictionRequest(sequences=[ROW, [0.5]])
    answer = call(generated, "predictions.many_to_many").sync(client=client, body=body)
    assert isinstance(answer, models.Prediction)
    assert [round(value, 1) + 0.0 for value in answer.sequences[0]] == ROW
    assert (len(answer.sequences[1]), answer.in_domain, answer.model) == (1, [True, True], "many_to_many")
    named = models.NamedPredictionRequest(sequences=[ROW], strict=True)
    answer = call(generated, "predictions.predict").sync("many_to_one_5", client=client, body=named)
    assert isinstance(answer, models.NamedPrediction)
    assert (answer.task, answer.domain[0].high) == ("echo", 1.0)
    card = call(generated, "models.show_model").sync("one_to_one", client=client)
    assert isinstance(card, models.Card)
    assert (card.parameters, card.features[0].name, card.versions[0].aliases) == (146, "value", ["production"])
    keys = call(generated, "admin.list_keys").sync(client=client)
    assert [key.name for key in keys.keys] == ["all"]


def test_wrong_requests_get_typed_errors(generated: str, models: ModuleType, client: Any) -> None:
    many = call(generated, "predictions.many_to_many")
    answer = many.sync(client=client, body=models.PredictionRequest(sequences=[[]]))
    assert isinstance(answer, models.Problem422)
    assert (answer.type_, answer.status) == ("urn:unroll:error:invalid-shape", 422)
    assert answer.detail
    out = many.sync(client=client, body=models.PredictionRequest(sequences=[[0.1], [3.0]], strict=True))
    assert (out.type_, out.row) == ("urn:unroll:error:out-of-domain", 1)
    one = call(generated, "predictions.many_to_one")
    length = one.sync(client=client, body=models.ManyToOneRequest(sequences=[[0.1, 0.2]]))
    assert (length.type_, length.served_lengths) == ("urn:unroll:error:length-not-served", [5])
    unknown = call(generated, "models.show_model").sync("many_to_man", client=client)
    assert isinstance(unknown, models.Problem404)
    assert "many_to_many" in unknown.models
    soon = many.sync(client=client, body=models.PredictionRequest(sequences=[ROW]), x_request_timeout_ms=0)
    assert isinstance(soon, models.Problem400)


def test_a_wrong_key_is_a_typed_error(generated: str, models: ModuleType, service: Asked) -> None:
    with import_module(generated).AuthenticatedClient(service.url, "unroll_nothing") as client:
        answer = call(generated, "models.list_models").sync(client=client)
    assert isinstance(answer, models.Problem401)
    assert answer.type_ == "urn:unroll:error:wrong-key"
