import pytest

from benchmarks.engines import timing


def test_runtimes_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "ROUNDS", 3)
    turns: list[str] = []
    seconds = iter([0.1, 1.0, 0.3, 3.0, 0.2, 2.0])

    def timer(name: str) -> float:
        turns.append(name)
        return next(seconds)

    found = timing.interleaved({"a": lambda: timer("a"), "b": lambda: timer("b")})
    assert turns == ["a", "b"] * 3
    assert found == {"a": pytest.approx(200), "b": pytest.approx(2000)}


def test_a_call_is_timed_three_times_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS", 0.0)
    calls: list[None] = []
    assert timing.median(lambda: calls.append(None)) >= 0
    assert len(calls) == 3
