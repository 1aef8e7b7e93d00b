import json
from pathlib import Path

import pytest

from benchmarks.servers.realistic import SERVERS, Realistic
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
def test_an_answer_in_any_form_has_its_numbers(answer: object) -> None:
    assert numbers(json.dumps(answer).encode()) == [0.0, 0.2, 0.4]


@pytest.mark.parametrize("answer", ["{}", "[]", '{"error": "no"}', '[["a"]]', '{"sequences": [[null]]}'])
def test_what_is_no_answer_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match="not an answer"):
        numbers(answer.encode())


@pytest.mark.parametrize("items", [[0.0, 0.2], [0.0, 0.2, 0.5]])
def test_an_answer_that_does_not_echo_is_refused(items: list[float]) -> None:
    check(b"[[0.01, 0.19, 0.4]]", [0.0, 0.2, 0.4])
    with pytest.raises(NotServing, match="a wrong answer"):
        check(b"[[0.01, 0.19, 0.4]]", items)


@pytest.mark.parametrize("target", [*TARGETS, IDLE], ids=lambda target: target.name)
def test_every_target_is_asked_the_same_row(target: Target) -> None:
    document = json.loads(target.body)
    assert ROW in (document.get("sequences", [None])[0], document.get("inputs", [{}])[0].get("data"))


def test_the_realistic_model_is_asked_of_ours_and_the_fastest_peers() -> None:
    home = Path("home")
    targets = Realistic(home, home / "models" / "many_to_many" / "1", [0.5] * 100).targets(TARGETS)
    assert [target.name for target in targets] == list(SERVERS)
    for target in targets:
        ((row,),) = json.loads(target.body).values()
        assert len(row) == len(target.expected) == 100
        assert environ(target, home, home)["BENTOML_HOME"] == "home"


@pytest.mark.parametrize("peer", [TORCH, *(target.environment for target in TARGETS if target.environment)])
def test_every_peer_is_pinned_exactly_and_without_addresses(peer: str) -> None:
    lines = (ROOT / "requirements" / f"bench-{peer}.txt").read_text().splitlines()
    assert lines
    assert [line for line in lines if line.count("==") != 1 or "://" in line or line.startswith("-")] == []
