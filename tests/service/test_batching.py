import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, get_ident

import numpy as np
import pytest

from contract.topologies import Rows
from service.batching import TURN_ITEMS, Batcher
from service.caller import Caller, CallerGone
from service.errors import DeadlineExceeded
from service.model import Answer
from service.switching import LOOP_SECONDS, RUN_SECONDS, Switching

POISON = -1.0


class Model:
    """Doubles; fails on poison; notes what it was given, and in which thread."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.expected, self.batches, self.threads = seconds, [], []  # type: ignore[var-annotated]
        self.started, self.free = Event(), Event()
        self.free.set()

    def run(self, rows: Rows) -> Answer:
        self.started.set()
        self.free.wait(10)
        self.batches.append(rows.lengths)
        self.threads.append(get_ident())
        if POISON in rows.values:
            raise ValueError("poisoned")
        return Answer(rows.values * 2, [True] * len(rows.lengths))

    def seconds(self, rows: Rows) -> float:
        return self.expected


@pytest.fixture(autouse=True)
def _switch_interval() -> Iterator[None]:
    """It is the process'."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def row(*values: float) -> Rows:
    return Rows.of([values])


def batched(model: Model, scenario: Callable[[Batcher], Awaitable[None]], most_items: int = 100) -> None:
    async def main() -> None:
        await scenario(Batcher(model, executor, Switching(), most_items, ("model", "version")))

    with ThreadPoolExecutor(2) as executor:
        asyncio.run(main())


def test_what_arrived_together_runs_together_in_order() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        answers = await asyncio.gather(*(batcher.run(Rows.of([[n], [n, n]]), Caller()) for n in range(1, 4)))
        assert [answer.values.tolist() for answer in answers] == [[2, 2, 2], [4, 4, 4], [6, 6, 6]]
        assert [answer.in_domain for answer in answers] == [[True, True]] * 3

    batched(model, scenario)
    assert model.batches == [[1, 2, 1, 2, 1, 2]]
    assert model.threads == [get_ident()]  # a short run stays on the event loop


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["on the loop", "in a thread"])
def test_of_a_batch_that_one_watches_it_is_told_at_once_and_of_others_one_by_one(seconds: float) -> None:
    told: list[tuple[str, list[float], list[float], list[int], int]] = []

    def tell(watch: str, rows: Rows, answer: Answer, requests: list[int], took: list[float]) -> None:
        told.append((watch, rows.values.tolist(), answer.values.tolist(), requests, len(took)))

    async def main() -> None:
        batcher = Batcher(Model(seconds), executor, Switching(), 100, ("model", "version"), tell)
        one, two = Rows.of([[1], [2, 3]]), row(4)
        await asyncio.gather(batcher.run(one, Caller(), "a"), batcher.run(two, Caller(), "a"))
        await asyncio.gather(batcher.run(one, Caller(), "a"), batcher.run(two, Caller()))
        await asyncio.gather(batcher.run(row(POISON), Caller(), "a"), batcher.run(two, Caller(), "a"), return_exceptions=True)
        await batcher.run(two, Caller())

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(main())
    alone = ("a", [4], [8], [1], 1)
    assert told == [("a", [1, 2, 3, 4], [2, 4, 6, 8], [2, 1], 2), ("a", [1, 2, 3], [2, 4, 6], [2], 1), alone]


def test_a_request_that_is_alone_does_not_wait_for_the_next_turn() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        with pytest.raises(StopIteration) as ended:  # the coroutine's, without ever giving the loop a turn
            batcher.run(row(1.0), Caller(alone=True)).send(None)
        assert ended.value.value.values.tolist() == [2]
        first = batcher.run(row(2.0), Caller())
        second = batcher.run(row(3.0), Caller(alone=True))  # it is not, whatever was said of it
        assert [answer.values.tolist() for answer in await asyncio.gather(first, second)] == [[4], [6]]

    batched(model, scenario)
    assert model.batches == [[1], [1, 1]]


def test_a_batch_is_cut_at_its_bound_first_come_first_served() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.run(row(*range(1, n + 1)), Caller()) for n in (4, 3, 2, 20, 1)))

    batched(model, scenario, most_items=8)
    assert model.batches == [[4, 3], [2], [20], [1]]


def test_a_long_run_leaves_the_event_loop_free_and_gathers_company_meanwhile() -> None:
    model = Model(seconds=1.0)
    model.free.clear()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(row(1.0), Caller()))
        assert await asyncio.to_thread(model.started.wait, 10)  # the loop turns while the model runs
        others = [asyncio.ensure_future(batcher.run(row(float(n)), Caller())) for n in (2, 3)]
        await asyncio.sleep(0)
        model.free.set()
        answers = await asyncio.gather(first, *others)
        assert [answer.values.tolist() for answer in answers] == [[2], [4], [6]]

    batched(model, scenario)
    assert model.batches == [[1], [1, 1]]
    assert get_ident() not in model.threads


def test_threads_get_pythons_lock_sooner_while_any_of_them_runs_a_model_and_only_then() -> None:
    async def main() -> None:
        switching, models = Switching(), [Model(seconds=1.0), Model(seconds=1.0)]
        runs = []
        for model in models:
            model.free.clear()
            batcher = Batcher(model, executor, switching, 100, ("model", "version"))
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


def test_the_next_run_has_begun_before_the_answers_of_the_last_are_looked_at() -> None:
    model = Model(seconds=1.0)
    model.free.clear()

    async def scenario(batcher: Batcher) -> None:
        first = asyncio.ensure_future(batcher.run(row(1.0), Caller()))
        assert await asyncio.to_thread(model.started.wait, 10)
        others = [asyncio.ensure_future(batcher.run(row(float(n)), Caller())) for n in (2, 3)]
        await asyncio.sleep(0)
        model.started.clear()
        model.free.set()
        await first
        assert model.started.wait(10)  # the loop stands still meanwhile, as it does while an answer is rendered
        await asyncio.gather(*others)

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


def test_a_bad_request_fails_alone() -> None:
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        requests = [row(1.0), row(POISON), row(3.0)]
        outcomes = await asyncio.gather(*(batcher.run(rows, Caller()) for rows in requests), return_exceptions=True)
        assert [o.values.tolist() for o in outcomes if isinstance(o, Answer)] == [[2], [6]]
        assert isinstance(outcomes[1], ValueError)
        assert (await batcher.run(row(4.0), Caller())).values.tolist() == [8]

    batched(model, scenario)
    assert model.batches == [[1, 1, 1], [1], [1], [1], [1]]


def test_a_caller_past_the_deadline_is_told_so_and_never_run() -> None:
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


def test_a_caller_who_has_gone_costs_no_model_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.batching.PATIENCE", -1.0)  # ask at once, instead of after a wait
    model = Model()

    async def scenario(batcher: Batcher) -> None:
        outcomes = await asyncio.gather(
            batcher.run(row(1.0), Caller(gone=lambda: True)), batcher.run(row(2.0), Caller()), return_exceptions=True
        )
        assert isinstance(outcomes[0], CallerGone)
        assert isinstance(outcomes[1], Answer)

    batched(model, scenario)
    assert model.batches == [[1]]


def test_a_cancelled_caller_costs_no_model_time() -> None:
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
        assert np.concatenate([one.values, other.values]).tolist() == [2, 4, 6]

    batched(Model(), scenario)


def test_when_a_run_cannot_even_start_nobody_waits_for_ever() -> None:
    model = Model(seconds=1.0)

    async def scenario(batcher: Batcher) -> None:
        executor.shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            await batcher.run(row(1.0), Caller())
        assert sys.getswitchinterval() == pytest.approx(LOOP_SECONDS)
        model.expected = 0.0
        assert (await batcher.run(row(2.0), Caller())).values.tolist() == [4]

    executor = ThreadPoolExecutor(1)
    asyncio.run(_with(executor, model, scenario))


async def _with(executor: ThreadPoolExecutor, model: Model, scenario: Callable[[Batcher], Awaitable[None]]) -> None:
    await scenario(Batcher(model, executor, Switching(), 100, ("model", "version")))


def test_a_caller_that_cannot_be_asked_is_taken_to_be_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.batching.PATIENCE", -1.0)

    def broken() -> bool:
        raise ZeroDivisionError

    async def asked(batcher: Batcher) -> None:
        assert (await batcher.run(row(1.0), Caller(gone=broken))).values.tolist() == [2]

    batched(Model(), asked)
    assert "ZeroDivisionError" in caplog.text
