import asyncio
from functools import partial

import pytest

from service.overload.refusals import Refusals
from service.token_bucket import TokenBucket
from tests.service.clock import Clock


def _held(refusals: Refusals, names: str) -> asyncio.Queue[str]:
    """Where the names come as they are let go."""
    gone: asyncio.Queue[str] = asyncio.Queue()
    for name in names:
        refusals.hold(partial(gone.put_nowait, name))
    return gone


def test_very_many_refusals_wait_their_turn() -> None:
    async def client() -> None:
        clock, refusals = Clock(), Refusals()
        refusals._turns = TokenBucket(2.0, clock)
        gone = _held(refusals, "abc")
        assert [await gone.get(), await gone.get()] == ["a", "b"]
        assert gone.empty()
        clock.now += 1.0
        assert await gone.get() == "c"

    asyncio.run(asyncio.wait_for(client(), 30))


def test_no_refusal_is_held_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.overload.refusals.MOST_HOLD_SECONDS", 0.01)

    async def client() -> None:
        refusals = Refusals()
        refusals._turns = TokenBucket(1.0, Clock())
        gone = _held(refusals, "abc")
        assert [await gone.get() for _ in "abc"] == ["a", "b", "c"]

    asyncio.run(asyncio.wait_for(client(), 30))
