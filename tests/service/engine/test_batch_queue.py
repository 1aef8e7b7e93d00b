import asyncio
import math

import pytest

from service.engine import batch_queue
from service.engine.batch_queue import ASK_AFTER, BatchQueue, Waiting
from service.errors import DeadlineExceeded
from service.request_context import Caller, CallerGone
from tests.service.batches import row


def waiting(items: int = 1, deadline: float = math.inf, gone: bool = False) -> Waiting:
    """A request that has waited since second 0."""
    future = asyncio.get_running_loop().create_future()
    return Waiting(row(*range(1, items + 1)), future, Caller(deadline, lambda: gone), 0.0, None, None)


def test_batches_keep_the_order_and_the_bound_but_a_large_request_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_queue, "MOST_ITEMS", 5)

    async def main() -> list[list[int]]:
        queue = BatchQueue(waiting(items) for items in (2, 3, 1, 9, 4))
        return [[len(each.rows.values) for each in queue.take(0.0)] for _ in range(5)]

    assert asyncio.run(main()) == [[2, 3], [1], [9], [4], []]


def test_requests_that_nobody_waits_for_are_in_no_batch() -> None:
    async def main() -> None:
        late, cancelled, gone, stays = waiting(deadline=0.5), waiting(), waiting(gone=True), waiting()
        cancelled.answer.cancel()
        assert BatchQueue([late, cancelled, gone, stays]).take(1.0) == [stays]
        assert isinstance(late.answer.exception(), DeadlineExceeded)
        assert "waited 1000 ms" in str(late.answer.exception())
        assert isinstance(gone.answer.exception(), CallerGone)

    asyncio.run(main())


def test_a_request_that_waited_little_is_not_asked_for_its_client() -> None:
    async def main() -> None:
        gone = waiting(gone=True)
        assert BatchQueue([gone]).take(ASK_AFTER / 2) == [gone]

    asyncio.run(main())
