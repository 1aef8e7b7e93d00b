"""Everything runs on a real loop; the executor runs what it is given at once or when told to."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.rows import Floats, Rows
from service.engine.batch_queue import MOST_ITEMS
from service.engine.comparing import PAUSE, WAITING, Comparer
from service.runtime.loaded_model import LoadedModel
from service.versions.trials import Kind, Trial, quantile
from tests.conftest import make_manifest, quantity
from tests.service.conftest import FakeRuntime, fake_model, shown
from tests.service.own_models import OWN, load, rows_of


class Held(Executor):
    """Keeps what it is given until it is let go."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future


class Poisonable(FakeRuntime):
    """Answers NaN for an item that is 0.5, and raises for a call in which any is 0.75."""

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        outputs = super().run(inputs, lengths)
        if (inputs == 0.75).any():
            raise RuntimeError("poisoned")
        return np.where(inputs == 0.5, np.float32(np.nan), outputs)


def poisonable(high: float = 1.0) -> LoadedModel:
    """Of a domain up to `high`."""
    return LoadedModel(make_manifest("many_to_many", features=[quantity("value", high=high)]), Poisonable("many_to_many"))


def a_trial(kind: Kind = "shadow", candidate: LoadedModel | None = None, baseline: LoadedModel | None = None) -> Trial:
    baseline, candidate = baseline or fake_model("many_to_many"), candidate or fake_model("many_to_many")
    return Trial(kind, "production", baseline, candidate, 100.0, datetime(2026, 1, 1, tzinfo=UTC))


def offer(comparer: Comparer, trial: Trial, row: list[float], off: float = 0.0, seconds: float | None = None) -> None:
    rows = Rows.of([row])
    comparer.offer(trial, rows, rows.values + np.float32(off), [1], None if seconds is None else [seconds])


async def until_idle(comparer: Comparer) -> None:
    async with asyncio.timeout(30):
        while comparer._busy or comparer._queue:
            await asyncio.sleep(1e-3)  # it gathers by the clock


def compared(*offers: tuple[Trial, list[float], float]) -> None:
    async def all_of_them() -> None:
        with ThreadPoolExecutor(1) as executor:
            comparer = Comparer(executor, tolerance=0.05)
            for trial, row, off in offers:
                offer(comparer, trial, row, off)
            await until_idle(comparer)
            assert comparer._numbers == 0

    asyncio.run(all_of_them())


def test_a_shadow_runs_on_answered_rows_and_its_differences_are_counted() -> None:
    trial = a_trial()
    compared((trial, [0.1, 0.2], 0.0), (trial, [0.3], 0.25), (trial, [0.4] * 3, 0.0))
    assert (trial.rows, trial.past, trial.sides["candidate"].requests, trial.sides["candidate"].errors) == (3, 1, 3, 0)
    assert trial.sides["candidate"].seconds.sum() == 3
    assert shown(trial.baseline) == []


def test_requests_that_wait_for_the_same_trial_run_together() -> None:
    trial, other = a_trial(), a_trial()
    compared(*[(trial, [0.1], 0.0)] * 4, (other, [0.2], 0.0), *[(trial, [0.3], 0.0)] * 2)
    assert [shape[0] for shape in shown(trial.candidate)] == [6]
    assert [shape[0] for shape in shown(other.candidate)] == [1]


def test_a_full_call_starts_before_the_pause_is_over() -> None:
    async def fill() -> None:
        held = Held()
        comparer = Comparer(held, tolerance=0.05)
        trial = a_trial()
        offer(comparer, trial, [0.1])
        assert not held.calls
        offer(comparer, trial, [0.1] * MOST_ITEMS)
        assert len(held.calls) == 1
        while comparer._busy or comparer._queue:
            while held.calls:
                held.calls.pop()()
            await asyncio.sleep(1e-3)
        assert trial.rows == 2

    asyncio.run(fill())


def test_the_time_of_the_version_in_place_is_counted_for_compared_and_dropped_requests() -> None:
    async def offer_too_much() -> None:
        comparer = Comparer(Held(), tolerance=0.05)
        trial = a_trial()
        offer(comparer, trial, [0.1] * MOST_ITEMS, seconds=0.001)  # runs
        offer(comparer, trial, [0.1] * WAITING, seconds=0.1)  # waits
        offer(comparer, trial, [0.1], seconds=0.1)  # is left out
        side = trial.sides["baseline"]
        assert (trial.dropped, side.requests) == (1, 2)
        assert quantile(side.seconds, 0.5) < 0.01 < quantile(side.seconds, 0.9)

    asyncio.run(offer_too_much())


def test_a_canary_is_compared_with_the_version_in_place_without_timing_it_again() -> None:
    trial = a_trial("canary")
    compared((trial, [0.1, 0.2], 0.25))
    assert (trial.rows, trial.past, trial.sides["baseline"].requests, trial.sides["candidate"].requests) == (1, 1, 0, 0)
    assert len(shown(trial.baseline)) == 1
    assert shown(trial.candidate) == []


def test_each_trial_gathers_by_its_own_clock() -> None:
    async def two_at_once() -> None:
        held, loop = Held(), asyncio.get_running_loop()
        comparer = Comparer(held, tolerance=0.05)
        for trial in (a_trial(), a_trial()):
            offer(comparer, trial, [0.1])
        begun = loop.time()
        async with asyncio.timeout(30):
            while not held.calls:
                await asyncio.sleep(1e-3)
            held.calls.pop()()
            while comparer._busy:
                await asyncio.sleep(0)
        assert comparer._pause is None or comparer._pause.when() <= begun + PAUSE  # though the other began after that

    asyncio.run(two_at_once())


@pytest.mark.parametrize(("bad", "why"), [(0.5, "gave no finite answer"), (0.75, "raised RuntimeError")])
def test_a_row_that_fails_fails_alone(bad: float, why: str, caplog: pytest.LogCaptureFixture) -> None:
    trial = a_trial(candidate=poisonable())
    compared((trial, [0.1], 0.0), (trial, [0.2], 0.0), (trial, [bad], 0.25), (trial, [0.3], 0.0))
    side = trial.sides["candidate"]
    assert (side.requests, side.errors, side.seconds.sum(), trial.rows, trial.past) == (4, 1, 3, 3, 0)
    assert [record.message.endswith(f"{why} for 1 of 4 requests while compared") for record in caplog.records] == [True]


@pytest.mark.parametrize("kind", ["canary", "shadow"])
def test_only_rows_in_the_domain_of_the_version_in_place_count(kind: Kind) -> None:
    """Whichever answered: a canary of a wider one answers rows of which the version in place promised nothing."""
    trial = a_trial(kind, candidate=poisonable(high=100.0), baseline=poisonable(high=0.4))
    compared((trial, [0.1], 0.0), (trial, [0.6], 0.3), (trial, [0.5], 0.0))  # the last has no answer
    assert (trial.rows, trial.past, trial.sides[trial.silent_side].errors) == (1, 0, 0)


def test_without_a_thread_no_request_fails_and_uncompared_ones_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Full(ThreadPoolExecutor):
        refused = False

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if not self.refused:
                self.refused = True
                raise RuntimeError("can't start new thread")
            return super().submit(fn, *args, **kwargs)

    async def offer_twice() -> None:
        with Full(1) as executor:
            comparer, trial = Comparer(executor, tolerance=0.05), a_trial()
            offer(comparer, trial, [0.1] * MOST_ITEMS, seconds=0.1)
            assert "can't start new thread" in caplog.text
            offer(comparer, trial, [0.2], seconds=0.1)
            await until_idle(comparer)
            assert (trial.rows, trial.dropped, trial.sides["baseline"].requests, comparer._numbers) == (1, 1, 2, 0)

    asyncio.run(offer_twice())


def test_a_version_that_answers_no_row_fails_every_request() -> None:
    trial = a_trial("canary", baseline=poisonable())
    compared((trial, [0.5], 0.0), (trial, [0.5, 0.5], 0.0))
    side = trial.sides["baseline"]
    assert (side.requests, side.errors, trial.rows, trial.past) == (2, 2, 0, 0)


@pytest.mark.parametrize("bad", [0.5, 0.75])
def test_a_request_compared_together_with_others_fails_alone(bad: float) -> None:
    async def together() -> None:
        trial, rows = a_trial(candidate=poisonable()), Rows.of([[0.1], [0.2, 0.3], [bad], [0.3]])
        with ThreadPoolExecutor(1) as executor:
            comparer = Comparer(executor, tolerance=0.05)
            off = np.array([[0.0], [0.0], [0.0], [0.0], [0.1]], np.float32)
            comparer.offer(trial, rows, rows.values + off, [2, 1, 1], [0.1, 0.2, 0.3])
            await until_idle(comparer)
        side = trial.sides["candidate"]
        assert (side.requests, side.errors, trial.rows, trial.past) == (3, 1, 3, 1)
        assert trial.sides["baseline"].requests == 3

    asyncio.run(together())


def test_a_shadow_slower_than_the_traffic_drops_requests_and_counts_them() -> None:
    async def fall_behind() -> None:
        held = Held()
        comparer = Comparer(held, tolerance=0.05)
        trial = a_trial()
        row = [0.1] * (WAITING // 8)
        for _ in range(12):
            offer(comparer, trial, row)
        assert trial.dropped == 3  # one runs, eight wait
        for call in held.calls:  # grows meanwhile: each that ends starts the next
            call()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await until_idle(comparer)
        assert trial.rows == 9
        offer(comparer, trial, row)
        assert trial.dropped == 3

    asyncio.run(fall_behind())


def test_no_fault_stops_the_comparing(caplog: pytest.LogCaptureFixture) -> None:
    trial = a_trial()
    broken = a_trial()
    broken.compared = None  # type: ignore[method-assign,assignment]  # a fault of ours
    compared((broken, [0.1], 0.0), (trial, [0.2], 0.0))
    assert trial.rows == 1
    assert "comparing failed" in caplog.text


@pytest.mark.parametrize("name", ["walks", "sides", "stocks", "next"])
def test_rows_of_several_features_and_answers_of_every_form_are_compared(name: str, tmp_path: Path) -> None:
    own = OWN[name]
    baseline, same, other = load(name, tmp_path), load(name, tmp_path), load(name, tmp_path / "other", seed=2)
    trials = [a_trial(candidate=same, baseline=baseline), a_trial(candidate=other, baseline=baseline)]
    parts = [Rows.of(rows_of(own, *lengths, seed=lengths[0]), 2) for lengths in ((3, 9), (1,), (7, 7))]

    async def together() -> None:
        with ThreadPoolExecutor(1) as executor:
            comparer = Comparer(executor, tolerance=0.001)
            for trial in trials:
                for rows in parts:
                    comparer.offer(trial, rows, baseline.run(rows).values, [len(rows.lengths)], [0.1])
            await until_idle(comparer)
            assert comparer._numbers == 0

    asyncio.run(together())
    assert [(trial.rows, trial.sides["candidate"].errors) for trial in trials] == [(5, 0)] * 2
    assert (trials[0].past, trials[0].largest) == (0, 0.0)
    assert trials[1].largest > 0
    assert trials[1].past > 0


def test_a_row_that_fails_among_rows_of_several_features_fails_alone(tmp_path: Path) -> None:
    model = load("walks", tmp_path)

    class Broken(FakeRuntime):
        def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
            if (inputs == 2.5).any():
                raise RuntimeError("poisoned")
            return model.runtime.run(inputs, lengths)

    trial = a_trial(candidate=LoadedModel(model.manifest, Broken("many_to_one")), baseline=model)
    parts = [Rows.of(rows, 2) for rows in ([[[0.5, 1.0]] * 3], [[[2.5, 1.0]]], [[[1.5, 1.0]], [[0.5, 0.0]] * 9])]

    async def together() -> None:
        with ThreadPoolExecutor(1) as executor:
            comparer = Comparer(executor, tolerance=0.05)
            for rows in parts:
                comparer.offer(trial, rows, model.run(rows).values, [len(rows.lengths)], [0.1])
            await until_idle(comparer)

    asyncio.run(together())
    assert (trial.rows, trial.past, trial.sides["candidate"].errors, trial.sides["candidate"].requests) == (3, 0, 1, 3)
