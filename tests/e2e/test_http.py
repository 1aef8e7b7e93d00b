"""What a user of the service sees, over real HTTP."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bentoml
import httpx2
import numpy as np
import pytest

from contract.manifest import Domain
from contract.rows import Floats
from contract.topologies import TOPOLOGIES, TOPOLOGY_NAMES, TopologyName
from training.sequences.generated import edge_rows, tutorial_sequence

ANY_LENGTH: tuple[TopologyName, ...] = ("one_to_one", "many_to_many")


def ask(client: httpx2.Client, topology: str, sequences: Any) -> dict[str, Any]:
    answer = client.post(f"/{topology}", json={"sequences": sequences})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def worst(client: httpx2.Client, topology: str, rows: Floats) -> float:
    echoed = ask(client, topology, rows.tolist())["sequences"]
    return float(np.abs(np.asarray(echoed, np.float32) - rows).max())


def test_only_names_of_this_machine_are_answered(client: httpx2.Client) -> None:
    """DNS rebinding: a page's own name leads to this machine."""
    body = {"sequences": [[0.1, 0.2]]}
    for host, status in (("evil.example", 421), ("localhost:1", 200), ("", 400)):
        named = {"host": host}
        assert client.post("/many_to_many", json=body, headers=named).status_code == status
        assert {client.get(path, headers=named).status_code for path in ("/models", "/metrics", "/")} == {status}
        assert client.get("/livez", headers=named).status_code == (200 if host else 400)


def test_every_topology_answers_the_tutorials_sequence(client: httpx2.Client) -> None:
    sequence = [0.0, 0.2, 0.4, 0.6, 0.8]
    shapes = {"one_to_one": ([5, 1, 1], [5, 1]), "many_to_one": ([1, 5, 1], [1, 5]), "many_to_many": ([1, 5, 1], [1, 5, 1])}
    for name in TOPOLOGY_NAMES:
        answer = ask(client, name, [sequence])
        assert [round(value, 1) + 0.0 for value in answer["sequences"][0]] == sequence
        assert (answer["topology"], answer["model"]) == (name, TOPOLOGIES[name].echo_name(5))
        assert (answer["model_input_shape"], answer["model_output_shape"]) == shapes[name]
        assert answer["in_domain"] == [True]


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_ten_thousand_random_rows_are_echoed(client: httpx2.Client, name: TopologyName) -> None:
    rows = np.random.default_rng(2026).random((10_000, 5), np.float32)
    assert max(worst(client, name, part) for part in np.split(rows, 10)) < 0.03


@pytest.mark.parametrize("name", ANY_LENGTH)
@pytest.mark.parametrize("length", [1, 2, 17, 100, 1000])
def test_rows_of_any_length_are_echoed(client: httpx2.Client, name: TopologyName, length: int) -> None:
    rows = np.random.default_rng(length).random((20, length), np.float32)
    assert worst(client, name, rows) < 0.03


@pytest.mark.parametrize("name", TOPOLOGY_NAMES)
def test_the_edges_of_the_domain_are_echoed(client: httpx2.Client, name: TopologyName) -> None:
    domain = next(m for m in client.get("/models").json()["models"] if m["topology"] == name)["features"][0]["domain"]
    assert domain == {"low": 0.0, "high": 1.0}
    for length in (5,) if name == "many_to_one" else (1, 5, 100):
        for kind, rows in edge_rows(length, Domain.model_validate(domain)):
            assert worst(client, name, rows) < 0.05, kind


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_ragged_rows_answer_as_they_do_alone(client: httpx2.Client, name: TopologyName) -> None:
    rng = np.random.default_rng(7)
    rows = [rng.random(length).astype(np.float32).tolist() for length in (5, 1, 33, 2, 257)]
    together = ask(client, name, rows)
    assert together["in_domain"] == [True] * 5
    for row, echoed in zip(rows, together["sequences"], strict=True):
        alone = ask(client, name, [row])["sequences"][0]
        assert echoed == alone  # to the last bit


def test_values_outside_the_domain_are_answered_and_marked(client: httpx2.Client) -> None:
    answer = ask(client, "one_to_one", [[0.5], [1.0], [-0.1]])
    assert answer["in_domain"] == [True, False, False]


def test_bentomls_own_client_speaks_to_it(url: str) -> None:
    with bentoml.SyncHTTPClient(url) as client:
        answer = client.many_to_many(sequences=[[0.1, 0.3], [0.5]])
        np.testing.assert_allclose(answer["sequences"][0], [0.1, 0.3], atol=0.03)
        with pytest.raises(bentoml.exceptions.BentoMLException, match="expected rows of a length that is served: 5"):
            client.many_to_one(sequences=[[0.1, 0.3]])


def test_models_say_what_they_are(client: httpx2.Client) -> None:
    answer = client.get("/models").json()
    assert answer["refused"] == []
    models = {model["name"]: model for model in answer["models"]}
    assert {name: model["parameters"] for name, model in models.items()} == {
        "one_to_one": 146,
        "many_to_one_5": 170,
        "many_to_many": 146,
    }
    assert all(model["aliases"] == ["production"] for model in models.values())
    assert models["many_to_many"]["signatures"] == ["serving_default", "step"]
    assert models["many_to_many"]["gate"]["error, held-out rows"] < 0.03


def test_each_model_answers_by_its_name_too(client: httpx2.Client) -> None:
    rows = [[0.0, 0.2, 0.4, 0.6, 0.8], [0.5] * 5]
    for topology in TOPOLOGY_NAMES:
        name = TOPOLOGIES[topology].echo_name(5)
        by_topology, by_name = ask(client, topology, rows), ask(client, f"models/{name}/predict", rows)
        more = {"task": "echo", "domain": [{"name": "value", "low": 0.0, "high": 1.0}]}
        assert by_name == by_topology | more
    answer = client.post("/models/many_to_man/predict", json={"sequences": rows})
    assert problem(answer) == (404, "unknown-model")
    assert "Did you mean many_to_many?" in answer.json()["detail"]
    counted = client.get("/metrics").text
    assert 'route="/models/{name}/predict"' in counted
    assert "many_to_man/" not in counted


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_bentomls_own_routes_are_as_they_were(client: httpx2.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    return answer.status_code, body["type"].removeprefix("urn:unroll:error:")


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "not-json")),
        (b"{", (400, "not-json")),
        (b'{"sequence": [[0.1]]}', (422, "invalid-request")),
        (b'{"sequences": []}', (422, "invalid-shape")),
        (b'{"sequences": [[]]}', (422, "invalid-shape")),
        (b'{"sequences": [["a"]]}', (422, "invalid-request")),
        (b'{"sequences": [[null]]}', (422, "invalid-request")),
        (b'{"sequences": [[NaN]]}', (422, "invalid-request")),
        (b'{"sequences": [[Infinity]]}', (422, "invalid-request")),
        (b'{"sequences": [[1e39]]}', (422, "invalid-request")),
        (b'{"sequences": [0.0, 0.2]}', (422, "invalid-request")),
        (b'{"sequences": [[[0.0]]]}', (422, "invalid-request")),
        (b'{"sequences": [[0.1, 0.2], [0.1]]}', (422, "invalid-shape")),
        (b'{"sequences": [[0.1, 0.2]]}', (422, "length-not-served")),
        (b'{"sequences": [' + b"[0.1]," * 10_000 + b"[0.1]]}", (422, "too-many-values")),
        (b'{"sequences": [[' + b"0," * 500_000 + b"0]]}", (422, "too-many-values")),
    ],
)
def test_bad_input_gets_a_clear_answer_and_the_next_request_a_right_one(
    client: httpx2.Client, body: bytes, expected: tuple[int, str]
) -> None:
    assert problem(client.post("/many_to_one", content=body, headers=JSON)) == expected
    assert worst(client, "many_to_one", tutorial_sequence(5)[None]) < 0.03


def test_routes_methods_and_content_types_that_are_not_there(client: httpx2.Client) -> None:
    assert problem(client.get("/nope")) == (404, "unknown-route")
    assert problem(client.get("/many_to_many")) == (405, "wrong-method")
    assert problem(client.post("/models")) == (405, "wrong-method")
    assert problem(client.post("/livez")) == (405, "wrong-method")
    assert problem(client.post("/many_to_many", content=b"x", headers={"content-type": "text/csv"})) == (
        415,
        "wrong-content-type",
    )


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_huge_body_is_refused_and_the_client_gets_to_read_why(client: httpx2.Client, announced: bool) -> None:
    chunk = b" " * 2**16
    content = chunk * 256 if announced else (chunk for _ in range(256))  # 16 MiB
    assert problem(client.post("/one_to_one", content=content, headers=JSON)) == (413, "body-too-large")


@pytest.mark.parametrize("name", ["a" * 256, "%00", "..%2f..%2fetc%2fpasswd"])
def test_no_name_of_a_file_breaks_anything(client: httpx2.Client, name: str) -> None:
    assert problem(client.get(f"/docs/{name}")) == (404, "unknown-route")


def series(text: str) -> dict[str, float]:
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


def test_metrics_count_requests_by_route_and_outcome_and_never_by_path(client: httpx2.Client) -> None:
    before = series(client.get("/metrics").text)
    for number in range(50):
        assert client.get(f"/random/{number}").status_code == 404
        assert client.get(f"/docs/folder/random{number}").status_code == 404
    first = series(client.get("/metrics").text)
    for number in range(50):
        assert client.get(f"/another/{number}").status_code == 404
    ask(client, "many_to_many", [[0.1, 0.2]])
    second = series(client.get("/metrics").text)
    assert second.keys() == first.keys()
    assert not [name for name in second if "random" in name]

    def grown(name: str) -> float:
        return second[name] - before.get(name, 0.0)

    assert grown('unroll_requests_total{outcome="unknown-route",route="other"}') == 150
    assert grown('unroll_requests_total{outcome="ok",route="/many_to_many"}') == 1
    assert grown('unroll_request_seconds_count{route="/many_to_many"}') == 1


def test_a_deadline_may_be_named(client: httpx2.Client) -> None:
    answer = client.post("/many_to_many", json={"sequences": [[0.1]]}, headers={"x-request-timeout-ms": "60000"})
    assert answer.status_code == 200
    assert problem(client.post("/many_to_many", json={"sequences": [[0.1]]}, headers={"x-request-timeout-ms": "x"})) == (
        400,
        "invalid-timeout",
    )


def test_large_bodies_keep_no_small_request_waiting(client: httpx2.Client) -> None:
    """Eight of these bodies once held the worker for ten seconds."""
    unknown = b"{" + b",".join(b'"%06d":1' % number for number in range(600_000)) + b"}"
    too_many = b'{"sequences":[' + b"[1]," * 1_900_000 + b"[null]]}"
    right = b'{"sequences":[[' + b"0.5," * 499_999 + b"0.5]]}"
    tiny = b'{"sequences":[[' + b"4.9406564584124654e-324," * 340_000 + b"1]]}"

    def send(body: bytes) -> int:
        with httpx2.Client(base_url=client.base_url, timeout=60) as own:
            headers = {"content-type": "application/json", "x-request-timeout-ms": "60000"}
            return own.post("/many_to_many", content=body, headers=headers).status_code

    slowest, asked = 0.0, 0
    with ThreadPoolExecutor(8) as clients:
        sent = [clients.submit(send, body) for body in (unknown, too_many, right, tiny) * 2]
        while not all(request.done() for request in sent):
            begun = time.monotonic()
            assert ask(client, "many_to_many", [[0.5]])["in_domain"] == [True]
            slowest, asked = max(slowest, time.monotonic() - begun), asked + 1
    assert {request.result() for request in sent} <= {200, 422, 429}
    assert [request.result() for request in sent[:2]] == [422, 422]
    assert asked > 5
    assert slowest < 1.5
