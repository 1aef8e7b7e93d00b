"""Schemathesis finds nothing in a short run. `make fuzz` is the long one."""

import copy
from typing import Any

from tests.openapi.fuzz import Asked, fuzz

SHORT = ("--seed", "1", "--max-examples", "2", "--phases", "examples,coverage,fuzzing")


def test_nothing_is_found(service: Asked, document: dict[str, Any]) -> None:
    ended = fuzz(service, document, SHORT)
    assert ended.returncode == 0, ended.stdout
    assert f"Tested: {len(document['paths'])}" in ended.stdout


def test_what_the_document_leaves_out_is_found(service: Asked, document: dict[str, Any]) -> None:
    """So that the test above can fail."""
    wrong = copy.deepcopy(document)
    schemas = wrong["components"]["schemas"]
    del wrong["paths"]["/models/{name}/predict"]["post"]["responses"]["404"]
    del schemas["NamedPrediction"]["properties"]["in_domain"]
    schemas["NamedPrediction"]["required"].remove("in_domain")
    schemas["NamedPredictionRequest"]["properties"]["routing_key"]["anyOf"][0]["maxLength"] = 300
    found = fuzz(service, wrong, (*SHORT, "--include-operation-id", "predict", "--continue-on-failure"))
    assert found.returncode == 1, found.stdout
    for code in ("ST103 Undocumented status code", "ST108 Response violates schema", "ST901 Custom check failed"):
        assert code in found.stdout, found.stdout
