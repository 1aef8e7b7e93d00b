import json
from pathlib import Path

import pytest

from benchmarks.servers.realistic_model import SERVERS, Realistic
from benchmarks.servers.running import check
from benchmarks.servers.targets import IDLE, ROW, TARGETS, TORCH, Target, environ, numbers
from loadtests.processes import ROOT, NotServing


@pytest.mark.parametrize(
    "answer",
    [
        {"sequences": [[0.0, 0.2], [0.4]]},
        [[0.0, 0.2], [0.4]],
        {"model_name": "m", "outputs": [{"name": "sequences", "shape": [1, 3], "data": [0.0, 0.2, 0.4]}]},
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
    targets = Realistic(home, home / "models" / "many_to_many" / "1", [0.5] * 100).targets(TARGETS)
    assert [target.name for target in targets] == list(SERVERS)
    for target in targets:
        ((row,),) = json.loads(target.body).values()
        assert len(row) == len(target.expected) == 100
        assert environ(target, home, home)["BENTOML_HOME"] == "home"


@pytest.mark.parametrize("peer", [TORCH, *(target.environment for target in TARGETS if target.environment)])
def test_every_peer_has_exact_pins_without_addresses(peer: str) -> None:
    lines = (ROOT / "requirements" / f"bench-{peer}.txt").read_text().splitlines()
    assert lines
    assert [line for line in lines if line.count("==") != 1 or "://" in line or line.startswith("-")] == []
