import pytest

from contract.store import ModelStore
from contract.topologies import Floats
from service.pacing import REST, SHARE, STEP, Pace
from service.registry import Registry
from tests.conftest import Publish
from tests.service.clock import Clock
from tests.service.conftest import FakeRuntime


def test_it_rests_in_proportion_to_what_was_worked() -> None:
    clock, rests = Clock(), list[float]()
    pace = Pace(clock, rests.append)
    with pace.beside_requests():
        for worked in (0.001, 0.1 * STEP, 0.004 - 0.1 * STEP):  # the second is not worth a rest yet
            clock.now += worked
            pace()
    assert rests == pytest.approx([0.001 * (1 / SHARE - 1), 0.004 * (1 / SHARE - 1)])


def test_a_long_step_is_not_made_up_for() -> None:
    clock, rests = Clock(), list[float]()
    pace = Pace(clock, rests.append)
    with pace.beside_requests():
        clock.now += 10
        pace()
        pace()
    assert rests == [REST]


def test_it_does_not_rest_where_there_are_no_requests() -> None:
    clock, rests = Clock(), list[float]()
    pace = Pace(clock, rests.append)
    with pace.beside_requests():
        pass
    clock.now += 1
    pace()
    assert rests == []


def test_models_load_without_a_rest_before_requests_come_and_with_rests_beside_them(
    store: ModelStore, publish: Publish
) -> None:
    clock, rests = Clock(), list[float]()

    class Slow(FakeRuntime):
        def predict(self, inputs: Floats) -> Floats:
            clock.now += 0.001
            return super().predict(inputs)

    publish()
    registry = Registry(store, lambda *_: Slow("one_to_one"), pace=Pace(clock, rests.append))
    registry.load_all()
    assert clock.now > 0
    assert rests == []
    clock.now, version = 0.0, publish().version
    registry.refresh()
    assert registry.served["one_to_one"].default.manifest.version == version
    assert sum(rests) == pytest.approx(clock.now * (1 / SHARE - 1))
