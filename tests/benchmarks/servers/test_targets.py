import json
from pathlib import Path

import pytest

from benchmarks.servers.realistic_model import CLASSES, SERVERS, Realistic, manifest
from benchmarks.servers.running import check, check_for
from benchmarks.servers.targets import IDLE, ROW, TARGETS, TORCH, Target, environ, numbers
from loadtests.processes import ROOT, NotServing

PROBABILITIES = [0.1, 0.1, 0.5, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    "answer",
    [
        {"sequences": [[0.0, 0.2], [0.4]]},
        [[0.0, 0.2], [0.4]],
        {"model_name": "m", "outputs": [{"name": "sequences", "shape": [1, 3], "data": [0.0, 0.2, 0.4]}]},
        {"labels": ["a"], "probabilities": [[0.0, 0.2, 0.4]], "model": "m"},
    ],
)
def test_numbers_are_read_from_every_format(answer: object) -> None:
    assert numbers(json.dumps(answer).encode()) == [0.0, 0.2, 0.4]


@pytest.mark.parametrize("answer", ["{}", "[]", '{"error": "no"}', '[["a"]]', '{"sequences": [[null]]}'])
def test_a_body_without_numbers_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match="not an answer"):
        numbers(answer.encode())


@pytest.mark.parametrize("items", [[0.0, 0.2], [0.0, 0.2, 0.5]])
def test_an_answer_that_does_not_echo_is_refused(items: list[float]) -> None:
    check(b"[[0.01, 0.19, 0.4]]", [0.0, 0.2, 0.4])
    with pytest.raises(NotServing, match="a wrong answer"):
        check(b"[[0.01, 0.19, 0.4]]", items)


@pytest.mark.parametrize("target", [*TARGETS, IDLE], ids=lambda target: target.name)
def test_every_target_gets_the_same_row(target: Target) -> None:
    document = json.loads(target.body)
    assert ROW in (document.get("sequences", [None])[0], document.get("inputs", [{}])[0].get("data"))


def test_ours_and_the_fastest_peers_serve_the_realistic_model() -> None:
    home = Path("home")
    targets = Realistic(home, home / "models" / "realistic" / "1", PROBABILITIES).targets(TARGETS)
    assert [target.name for target in targets] == list(SERVERS)
    assert targets[0].path == "/models/realistic/predict"
    for target in targets:
        ((row,),) = json.loads(target.body).values()
        assert (len(row), {len(step) for step in row}) == (100, {8})
        assert environ(target, home, home)["BENTOML_HOME"] == "home"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, None),
        ({"labels": ["class 0"]}, "wrong labels"),
        ({"labels": None}, "wrong labels"),
        ({"probabilities": [PROBABILITIES[::-1]]}, "a wrong answer"),
        ({"probabilities": [PROBABILITIES[:-1]]}, "a wrong answer"),
    ],
)
def test_an_answer_of_the_classifier_needs_the_right_probabilities_and_label(
    changed: dict[str, object], message: str | None
) -> None:
    (target,) = Realistic(Path("home"), Path("home"), PROBABILITIES).targets(TARGETS[1:2])
    answer = json.dumps({"labels": ["class 2"], "probabilities": [PROBABILITIES], **changed}).encode()
    if message is None:
        check_for(target, answer)
        return
    with pytest.raises(NotServing, match=message):
        check_for(target, answer)


def test_the_manifest_of_the_realistic_model_is_that_of_a_classifier_of_any_length() -> None:
    made = manifest()
    assert (made.task, made.any_length, made.outputs, made.classes) == ("classify", True, 6, list(CLASSES))
    assert made.counted.total == made.parameters == 4 * (9 * 64 + 64**2) + 4 * (65 * 64 + 64**2) + 64 * 6 + 6
    assert [len(pair.input) for pair in made.golden] == [1, 2, 100, 3000]


@pytest.mark.parametrize("peer", [TORCH, *(target.environment for target in TARGETS if target.environment)])
def test_every_peer_has_exact_pins_without_addresses(peer: str) -> None:
    lines = (ROOT / "requirements" / f"bench-{peer}.txt").read_text().splitlines()
    assert lines
    assert [line for line in lines if line.count("==") != 1 or "://" in line or line.startswith("-")] == []
