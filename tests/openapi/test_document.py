"""The document of a real service: valid, true, and the same without the service."""

import json
import subprocess
import sys
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.asking import get, post
from tests.conftest import ROOT, environment
from tests.openapi.fuzz import Asked
from tests.service.own_models import ECHOES, OWN

ECHOES_OF = {"/one_to_one": "one_to_one", "/many_to_one": "many_to_one_5", "/many_to_many": "many_to_many"}
PREDICTIONS = (*ECHOES_OF, "/models/{name}/predict")


def test_it_is_valid_and_has_every_route(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert {"/admin/keys", "/metrics", "/readyz", "/models/{name}/predict"} <= set(document["paths"])


def test_every_path_exists(service: Asked, document: dict[str, Any]) -> None:
    """A path of the document that takes GET answers it; one that does not says which method it takes."""
    for path, methods in document["paths"].items():
        here = path.replace("{name}", "many_to_many")
        if "{file}" in path:
            here = path.replace("{file}", next(iter(methods["get"]["parameters"][0]["examples"])))
        answer = get(f"{service.url}{here}", headers=service.headers)
        if "get" in methods:
            assert answer.status_code == 200, path
            assert answer.headers["content-type"].partition(";")[0] in methods["get"]["responses"]["200"]["content"]
        else:
            assert (answer.status_code, answer.headers["allow"]) == (405, ", ".join(methods).upper())


@pytest.mark.parametrize("path", PREDICTIONS)
def test_every_example_has_the_right_answer(service: Asked, document: dict[str, Any], path: str) -> None:
    operation = document["paths"][path]["post"]
    asked = operation["requestBody"]["content"]["application/json"]["examples"]
    answered = operation["responses"]["200"]["content"]["application/json"]["examples"]
    assert list(asked) == list(answered) == (sorted([*OWN, *ECHOES]) if "{name}" in path else [ECHOES_OF[path]])
    for name, request in asked.items():
        url = f"{service.url}{path.replace('{name}', name)}"
        assert post(url, json=request["value"], headers=service.headers).json() == answered[name]["value"]


def test_the_document_needs_a_key_and_the_page_none(service: Asked) -> None:
    assert get(f"{service.url}/docs.json").status_code == 401
    for path in ("/docs", "/docs/start.js", "/docs/swagger-ui.css"):
        answer = get(f"{service.url}{path}")
        assert answer.status_code == 200
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in answer.headers["content-security-policy"]
    assert get(f"{service.url}/docs/nothing").json()["type"] == "urn:unroll:error:unknown-route"


def unroll(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "unroll", "openapi", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_writes_the_same_document_with_and_without_the_service(service: Asked, document: dict[str, Any]) -> None:
    out = service.folder / "openapi.json"
    with environment(service.folder, service.settings):
        ended = unroll("-o", str(out))
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert f"OpenAPI 3.1.0, {len(document['paths'])} paths" in ended.stderr
    shown = unroll("--url", service.url, "--key", service.key)
    assert json.loads(out.read_text()) == json.loads(shown.stdout) == document


def test_the_command_says_in_a_line_what_is_wrong(service: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNROLL_KEY", raising=False)
    ended = unroll("--url", service.url)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Error: {service.url}/docs.json answered 401: expected a key")
    assert len(ended.stderr.splitlines()) == 1
