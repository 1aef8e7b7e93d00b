import asyncio
import gc
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from typing import Any

import numpy as np
import pytest

from contract.rows import Rows
from service.engine.batching import Batcher
from service.engine.switch_interval import SwitchInterval
from service.errors import DeadlineExceeded, NotFinite
from service.request_context import Caller, CallerGone
from service.runtime.loaded_model import Answer, Plan
from tests.service.batches import NO_ANSWER, POISON, Model, batched, row


def test_requests_that_arrive_together_run_together_in_order() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        answers = await asyncio.gather(*(batcher.run(Rows.of([[n], [n, n]]), Caller()) for n in range(1, 4)))
        assert [answer.values.ravel().tolist() for answer in answers] == [[2, 2, 2], [4, 4, 4], [6, 6, 6]]
        assert [answer.in_domain for answer in answers] == [[True, True]] * 3

    batched(model, scenario)
    assert model.batches == [[1, 2, 1, 2, 1, 2]]
    assert model.threads == [get_ident()]  # a short run stays on the event loop


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["on the loop", "in a thread"])
def test_a_batch_with_one_observer_is_reported_at_once_and_other_batches_request_by_request(seconds: float) -> None:
    told: list[tuple[str, list[float], list[float], list[int], int]] = []

    def tell(watch: str, rows: Rows, answer: Answer, requests: list[int], took: list[float]) -> None:
        told.append((watch, rows.values.ravel().tolist(), answer.values.ravel().tolist(), requests, len(took)))

    async def main() -> None:
        batcher = Batcher(Model(seconds), executor, SwitchInterval(), ("model", "version"), tell)
        one, two = Rows.of([[1], [2, 3]]), row(4)
        await asyncio.gather(batcher.run(one, Caller(), "a"), batcher.run(two, Caller(), "a"))
        await asyncio.gather(batcher.run(one, Caller(), "a"), batcher.run(two, Caller()))
        await asyncio.gather(batcher.run(row(POISON), Caller(), "a"), batcher.run(two, Caller(), "a"), return_exceptions=True)
        unanswered = row(NO_ANSWER / 2)
        await asyncio.gather(batcher.run(unanswered, Caller(), "a"), batcher.run(two, Caller(), "a"), return_exceptions=True)
        await batcher.run(two, Caller())

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(main())
    alone = ("a", [4], [8], [1], 1)
    assert told == [("a", [1, 2, 3, 4], [2, 4, 6, 8], [2, 1], 2), ("a", [1, 2, 3], [2, 4, 6], [2], 1), alone, alone]


def test_a_request_that_is_alone_does_not_wait_for_the_next_turn() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        with pytest.raises(StopIteration) as ended:  # the coroutine's, without ever giving the loop a turn
            batcher.run(row(1.0), Caller(alone=True)).send(None)
        assert ended.value.value.values.ravel().tolist() == [2]
        first = batcher.run(row(2.0), Caller())
        second = batcher.run(row(3.0), Caller(alone=True))  # it is not, whatever was said of it
        assert [answer.values.ravel().tolist() for answer in await asyncio.gather(first, second)] == [[4], [6]]

    batched(model, scenario)
    assert model.batches == [[1], [1, 1]]


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["on the loop", "in a thread"])
@pytest.mark.parametrize("alone", [True, False])
def test_the_model_plans_a_request_once(seconds: float, alone: bool) -> None:
    planned: list[int] = []

    class Plans(Model):
        def plan(self, rows: Rows) -> Plan:
            planned.append(len(rows.values))
            return super().plan(rows)

    async def scenario(batcher: Batcher) -> None:
        assert (await batcher.run(row(1.0), Caller(alone=alone))).values.ravel().tolist() == [2]

    batched(Plans(seconds), scenario)
    assert planned == [1]


def test_a_batch_is_cut_at_its_bound_first_come_first_served() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.run(row(*range(1, n + 1)), Caller()) for n in (4, 3, 2, 20, 1)))

    batched(model, scenario, most_items=8)
    assert model.batches == [[4, 3], [2], [20], [1]]


def test_a_bad_request_fails_alone() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        requests = [row(1.0), row(POISON), row(NO_ANSWER / 2), row(3.0)]
        outcomes = await asyncio.gather(*(batcher.run(rows, Caller()) for rows in requests), return_exceptions=True)
        assert [str(o) if isinstance(o, BaseException) else o.values.ravel().tolist() for o in outcomes] == [
            [2],
            "poisoned",
            "no answer",
            [6],
        ]
        assert (await batcher.run(row(4.0), Caller())).values.ravel().tolist() == [8]

    batched(model, scenario)
    assert model.batches == [[1, 1, 1, 1], [1], [1], [1], [1], [1]]


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["on the loop", "in a thread"])
def test_a_request_without_a_valid_answer_fails_alone_and_no_other_runs_again(seconds: float) -> None:
    model = Model(seconds)

    async def scenario(batcher: Batcher) -> None:
        requests = [Rows.of([[1.0], [5.0]]), row(NO_ANSWER / 2), row(3.0, 4.0)]
        outcomes = await asyncio.gather(*(batcher.run(rows, Caller()) for rows in requests), return_exceptions=True)
        assert [o.values.ravel().tolist() for o in outcomes if isinstance(o, Answer)] == [[2, 10], [6, 8]]
        assert isinstance(outcomes[1], NotFinite)
        with pytest.raises(NotFinite, match="no answer"):
            await batcher.run(row(NO_ANSWER / 2), Caller())

    batched(model, scenario)
    assert model.batches == [[1, 1, 1, 2], [1]]
    assert model.looked_at_by == [get_ident()] * (1 + 3 + 1)  # wherever it was computed: together, each, and the lone one
    assert (get_ident() in model.threads) == (seconds == 0.0)


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["on the loop", "in a thread"])
def test_a_request_at_fault_leaves_nothing_to_the_collector(seconds: float) -> None:
    async def scenario(batcher: Batcher) -> None:
        requests = [row(1.0), row(NO_ANSWER / 2), row(3.0)]
        values = [weakref.ref(rows.values) for rows in requests]
        gc.collect()
        gc.disable()
        try:
            results = asyncio.gather(*(batcher.run(rows, Caller()) for rows in requests), return_exceptions=True)
            del requests
            assert isinstance((await results)[1], NotFinite)
            del results
            await asyncio.get_running_loop().run_in_executor(batcher._executor, int)  # the thread has let go of its last run
            await asyncio.sleep(0)
            assert [kept() for kept in values] == [None] * 3
        finally:
            gc.enable()

    batched(Model(seconds), scenario)


def test_a_request_past_its_deadline_gets_an_error_and_never_runs() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        now = time.monotonic()
        late, early = await asyncio.gather(
            batcher.run(row(1.0), Caller(deadline=now - 1)),
            batcher.run(row(2.0), Caller(deadline=now + 60)),
            return_exceptions=True,
        )
        assert isinstance(late, DeadlineExceeded)
        assert isinstance(early, Answer)

    batched(model, scenario)
    assert model.batches == [[1]]


def test_a_deadline_that_passes_is_answered_then_whatever_runs() -> None:
    model = Model(seconds=1.0)
    model.free.clear()

    async def scenario(batcher: Batcher) -> None:
        begun = time.monotonic()
        running = asyncio.ensure_future(batcher.run(row(1.0), Caller(deadline=begun + 0.05)))
        patient = asyncio.ensure_future(batcher.run(row(4.0), Caller(deadline=begun + 60)))
        await asyncio.to_thread(model.started.wait, 10)
        waiting = [asyncio.ensure_future(batcher.run(row(n), Caller(deadline=begun + n / 100))) for n in (6.0, 2.0, 4.0)]
        for request in (waiting[1], waiting[2], running, waiting[0]):
            with pytest.raises(DeadlineExceeded, match="past its deadline"):
                await request
        assert not model.free.is_set()  # all of this happened while the model ran
        assert not patient.done()
        model.free.set()
        assert (await patient).values.ravel().tolist() == [8]
        assert (await batcher.run(row(5.0), Caller())).values.ravel().tolist() == [10]

    batched(model, scenario)
    assert model.batches == [[1, 1], [1]]  # those that waited never ran


def test_one_timer_serves_all_deadlines_and_a_later_deadline_sets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(seconds=1.0)
    timers: list[float] = []

    async def scenario(batcher: Batcher) -> None:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(delay: float, *rest: Any) -> asyncio.TimerHandle:
            timers.append(delay)
            return call_later(delay, *rest)

        monkeypatch.setattr(loop, "call_later", noted)
        now = time.monotonic()
        for number in range(50):
            await asyncio.gather(*(batcher.run(row(1.0), Caller(deadline=now + 60 + number + more)) for more in range(3)))

    batched(model, scenario)
    assert len(timers) == 1


def test_a_request_without_a_client_costs_no_model_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.engine.batch_queue.ASK_AFTER", -1.0)  # ask at once, instead of after a wait
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        outcomes = await asyncio.gather(
            batcher.run(row(1.0), Caller(gone=lambda: True)), batcher.run(row(2.0), Caller()), return_exceptions=True
        )
        assert isinstance(outcomes[0], CallerGone)
        assert isinstance(outcomes[1], Answer)

    batched(model, scenario)
    assert model.batches == [[1]]


def test_a_cancelled_request_costs_no_model_time() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        task = asyncio.ensure_future(batcher.run(row(1.0), Caller()))
        await asyncio.sleep(0)
        task.cancel()
        await batcher.run(row(2.0), Caller())

    batched(model, scenario)
    assert model.batches == [[1]]


def test_values_of_a_batch_are_not_shared() -> None:
    async def scenario(batcher: Batcher) -> None:
        one, other = await asyncio.gather(batcher.run(row(1.0, 2.0), Caller()), batcher.run(row(3.0), Caller()))
        assert np.concatenate([one.values, other.values]).ravel().tolist() == [2, 4, 6]

    batched(Model(), scenario)


def test_a_client_that_cannot_be_asked_is_assumed_to_be_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.engine.batch_queue.ASK_AFTER", -1.0)

    def broken() -> bool:
        raise ZeroDivisionError

    async def asked(batcher: Batcher) -> None:
        assert (await batcher.run(row(1.0), Caller(gone=broken))).values.ravel().tolist() == [2]

    batched(Model(), asked)
    assert "ZeroDivisionError" in caplog.text
