from typing import Any

import pytest

from service.connection.idle_timeout import IdleTimeout
from tests.service.timers import Timers

expired = list[float]()


def timeout(again: bool = False) -> tuple[Any, IdleTimeout]:
    expired.clear()
    loop: Any = Timers()

    def at_the_end() -> bool:
        expired.append(loop.now)
        return again

    return loop, IdleTimeout(loop, 10, at_the_end)


def test_a_connection_that_stays_idle_expires() -> None:
    loop, idle = timeout()
    idle.begin()
    loop.pass_time(30)
    assert expired == [10]


def test_one_timer_serves_many_requests() -> None:
    loop, idle = timeout()
    for _ in range(9):
        idle.begin()
        loop.pass_time(1)
        idle.end()
    idle.begin()
    assert len(loop.set) == 1
    loop.pass_time(9.5)
    assert expired == []
    loop.pass_time(1)
    assert expired == [pytest.approx(19)]


def test_a_busy_connection_does_not_expire() -> None:
    loop, idle = timeout()
    idle.begin()
    idle.end()
    loop.pass_time(30)
    assert (expired, loop.set) == ([], [])


def test_a_client_that_reads_on_is_idle_anew_and_one_that_is_busy_is_not() -> None:
    loop, idle = timeout()
    idle.begin()
    loop.pass_time(9)
    idle.begin_again()
    loop.pass_time(9)
    assert expired == []
    loop.pass_time(1.5)
    assert expired == [19]
    idle.end()
    idle.begin_again()
    loop.pass_time(30)
    assert expired == [19]


def test_it_waits_again_where_the_connection_says_so() -> None:
    loop, idle = timeout(again=True)
    idle.begin()
    loop.pass_time(25)
    assert expired == [10, 20]


def test_a_closed_one_neither_waits_nor_calls() -> None:
    loop, idle = timeout()
    idle.begin()
    idle.close()
    loop.pass_time(30)
    assert expired == []
