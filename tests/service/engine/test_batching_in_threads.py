"""Batches that take so long that they run in a thread."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident

import pytest

from contract.rows import Floats, Rows
from service.engine.batching import TURN_ITEMS, Batcher
from service.engine.switch_interval import LOOP_SECONDS, RUN_SECONDS, SwitchInterval
from service.request_context import Caller
from service.runtime.loaded_model import Answer
from tests.service.batches import POISON, Model, batched, row


def test_requests_gather_while_a_long_run_leaves_the_event_loop_free() -> None:
    model = Model(seconds=1.0)
    model.free.clear()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(row(1.0), Caller()))
        assert await asyncio.to_thread(model.started.wait, 10)  # the loop turns while the model runs
        others = [asyncio.ensure_future(batcher.run(row(float(n)), Caller())) for n in (2, 3)]
        await asyncio.sleep(0)
        model.free.set()
        answers = await asyncio.gather(first, *others)
        assert [answer.values.ravel().tolist() for answer in answers] == [[2], [4], [6]]

    batched(model, scenario)
    assert model.batches == [[1], [1, 1]]
    assert get_ident() not in model.threads


def test_the_switch_interval_is_short_only_while_a_thread_runs_a_model() -> None:
    async def main() -> None:
        switch_interval, models = SwitchInterval(), [Model(seconds=1.0), Model(seconds=1.0)]
        runs = []
        for model in models:
            model.free.clear()
            batcher = Batcher(model, executor, switch_interval, ("model", "version"))
            runs.append(asyncio.ensure_future(batcher.run(row(POISON), Caller())))
            assert await asyncio.to_thread(model.started.wait, 10)
        for model, run, after in zip(models, runs, (RUN_SECONDS, LOOP_SECONDS), strict=True):
            assert sys.getswitchinterval() == pytest.approx(RUN_SECONDS)
            model.free.set()
            with pytest.raises(ValueError, match="poisoned"):
                await run
            await asyncio.sleep(0)
            assert sys.getswitchinterval() == pytest.approx(after)

    with ThreadPoolExecutor(2) as executor:
        asyncio.run(main())


class Waits(Model):
    """Looks at what was computed when the next run has begun."""

    def answer(self, rows: Rows, values: Floats) -> Answer:
        assert self.started.wait(10)  # the loop stands still meanwhile
        return super().answer(rows, values)


def test_the_next_run_has_begun_before_the_answers_of_the_last_are_looked_at() -> None:
    model = Waits(seconds=1.0)
    model.free.clear()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(row(1.0), Caller()))
        assert await asyncio.to_thread(model.started.wait, 10)
        others = [asyncio.ensure_future(batcher.run(row(float(n)), Caller())) for n in (2, 3)]
        await asyncio.sleep(0)
        model.started.clear()
        model.free.set()
        await asyncio.gather(first, *others)

    batched(model, scenario)


def test_large_answers_are_delivered_a_few_in_each_turn_of_the_loop() -> None:
    model = Model(seconds=1.0)
    large = Rows.of([[1.0] * (TURN_ITEMS // 2)])
    turns: list[int] = []

    async def scenario(batcher: Batcher) -> None:
        async def ask(rows: Rows) -> None:
            await batcher.run(rows, Caller())
            turns.append(turn)

        asked = asyncio.gather(*(ask(rows) for rows in [large] * 4 + [row(1.0)] * 3))
        turn = 0
        while not asked.done():
            turn += 1
            await asyncio.sleep(0)

    batched(model, scenario, most_items=4 * TURN_ITEMS)
    assert [turns.count(turn) for turn in sorted(set(turns))] == [2, 2, 3]
    assert len(model.batches) == 1


def test_no_request_waits_for_ever_after_a_fault_behind_a_run() -> None:
    class Nothing(Model):
        def answer(self, rows: Rows, values: Floats) -> Answer:
            return Answer(values, None)  # type: ignore[arg-type]  # which cannot be split

    async def scenario(batcher: Batcher) -> None:
        runs = [batcher.run(row(n), Caller()) for n in (1.0, 2.0)]
        outcomes = await asyncio.wait_for(asyncio.gather(*runs, return_exceptions=True), 10)
        assert [type(outcome) for outcome in outcomes] == [TypeError, TypeError]

    batched(Nothing(seconds=1.0), scenario)


def test_no_request_waits_for_ever_if_a_run_cannot_start() -> None:
    model = Model(seconds=1.0)

    async def scenario(batcher: Batcher) -> None:
        executor.shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            await batcher.run(row(1.0), Caller())
        assert sys.getswitchinterval() == pytest.approx(LOOP_SECONDS)
        model.expected = 0.0
        assert (await batcher.run(row(2.0), Caller())).values.ravel().tolist() == [4]

    executor = ThreadPoolExecutor(1)
    asyncio.run(_with(executor, model, scenario))


async def _with(executor: ThreadPoolExecutor, model: Model, scenario: Callable[[Batcher], Awaitable[None]]) -> None:
    await scenario(Batcher(model, executor, SwitchInterval(), ("model", "version")))
