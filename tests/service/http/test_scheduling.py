import asyncio
from contextvars import ContextVar

import uvloop

from service.http.scheduling import Turns, run


def test_a_request_is_alone_where_no_other_came_in_its_turn_or_is_in_progress() -> None:
    async def main() -> None:
        turns = Turns(lambda: busy)
        turns.begin(lambda alone: seen.append(("first", alone)))
        assert seen == [("first", True)]  # at once
        turns.begin(lambda alone: seen.append(("second", alone)))
        turns.begin(lambda alone: seen.append(("third", alone)))
        assert len(seen) == 1
        await asyncio.sleep(0)
        assert seen[1:] == [("second", False), ("third", False)]
        turns.begin(lambda alone: seen.append(("fourth", alone)))  # the last turn had three: perhaps this has more, too
        assert len(seen) == 3
        await asyncio.sleep(0)
        assert seen[3:] == [("fourth", True)]
        busy.append(1)
        turns.begin(lambda alone: seen.append(("fifth", alone)))
        await asyncio.sleep(0)
        assert seen[4:] == [("fifth", False)]

    busy, seen = list[int](), list[tuple[str, bool]]()
    asyncio.run(main())


current: ContextVar[str] = ContextVar("current", default="nothing")


def test_a_coroutine_runs_to_its_first_wait_at_once_and_on_when_that_is_there() -> None:
    async def work(name: str, *waits: "asyncio.Future[str]") -> None:
        current.set(name)
        seen.append((name, "begun", True))
        for wait in waits:
            seen.append((name, await wait, current.get() == name))
        await asyncio.sleep(0)
        seen.append((name, "done", current.get() == name))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waits = [loop.create_future() for _ in range(3)]
        waits[0].set_result("there already")
        run(work("waits", *waits), never)
        assert seen == [("waits", "begun", True), ("waits", "there already", True)]
        run(work("no waits"), never)
        assert seen[2:] == [("no waits", "begun", True)]
        await asyncio.sleep(0)
        assert seen[3:] == [("no waits", "done", True)]
        waits[1].set_result("one")
        waits[2].set_result("two")
        while ("waits", "done", True) not in seen:
            await asyncio.sleep(0)
        assert seen[4:] == [("waits", "one", True), ("waits", "two", True), ("waits", "done", True)]
        assert current.get() == "nothing"

    seen = list[tuple[str, str, bool]]()
    for runner in (asyncio.run, uvloop.run):
        seen.clear()
        runner(main())


def never() -> None:
    raise AssertionError


def test_what_a_coroutine_waits_for_can_fail_it() -> None:
    async def work(wait: "asyncio.Future[None]") -> None:
        try:
            await wait
        except ZeroDivisionError:
            await asyncio.sleep(0)
            failed.set()

    async def main() -> None:
        fails = asyncio.get_running_loop().create_future()
        run(work(fails), never)
        fails.set_exception(ZeroDivisionError())
        await asyncio.wait_for(failed.wait(), 10)

    failed = asyncio.Event()
    asyncio.run(main())
