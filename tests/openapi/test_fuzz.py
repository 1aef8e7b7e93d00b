"""Schemathesis finds nothing in a short run. `make fuzz` is the long one."""

import json
from typing import Any

import pytest

from tests.openapi.fuzz import Asked, fuzz

SHORT = ("--seed", "1", "--max-examples", "2", "--phases", "examples,coverage,fuzzing")


def test_nothing_is_found(service: Asked, document: dict[str, Any]) -> None:
    ended = fuzz(service, document, SHORT)
    assert ended.returncode == 0, ended.stdout
    assert "No issues found" in ended.stdout
    assert f"Tested: {len(document['paths'])}" in ended.stdout


@pytest.mark.parametrize("left_out", ["a status", "a member", "a bound"])
def test_what_the_document_does_not_say_is_found(service: Asked, document: dict[str, Any], left_out: str) -> None:
    """So that the test above can fail."""
    wrong = json.loads(json.dumps(document))
    operation = wrong["paths"]["/models/{name}/predict"]["post"]
    if left_out == "a status":
        del operation["responses"]["404"]
    elif left_out == "a member":
        del wrong["components"]["schemas"]["NamedPrediction"]["properties"]["in_domain"]
    else:
        wrong["components"]["schemas"]["NamedPredictionRequest"]["properties"]["sequences"]["minItems"] = 0
    found = fuzz(service, wrong, (*SHORT, "--include-operation-id", "predict"))
    assert found.returncode == 1, found.stdout
