from typing import Any

from prometheus_client import REGISTRY

from service.connection.stalling import StallTimer, UnreadAnswer, UnreadAnswers
from tests.service.timers import Timers


class Client:
    """Stands for a transport whose client leaves so many bytes unread."""

    def __init__(self, left: int) -> None:
        self.left, self.ended = left, False

    def get_write_buffer_size(self) -> int:
        return self.left

    def abort(self) -> None:
        self.ended = True


def ended_for_it() -> float:
    return REGISTRY.get_sample_value("unroll_connections_refused_total", {"reason": "unread-bytes"}) or 0.0


def test_who_has_left_it_longest_is_hung_up_on_where_it_is_too_much() -> None:
    unread, before = UnreadAnswers(100), ended_for_it()
    clients: list[Any] = [Client(40), Client(50), Client(60), Client(1)]
    for client in clients:
        unread.look(client)
    assert [client.ended for client in clients] == [True, True, False, False]
    assert ended_for_it() == before + 2


def test_one_answer_may_be_as_large_as_it_likes_until_somebody_else_leaves_one() -> None:
    unread = UnreadAnswers(100)
    clients: list[Any] = [Client(1_000), Client(10)]
    large, small = clients
    unread.look(large)
    assert not large.ended
    unread.look(small)
    assert (large.ended, small.ended) == (True, False)


def test_what_was_read_is_not_counted() -> None:
    unread = UnreadAnswers(100)
    clients: list[Any] = [Client(60), Client(40), Client(60)]
    slow, fast, other = clients
    unread.look(slow)
    unread.look(fast)
    unread.forget(fast)
    unread.forget(fast)  # and its connection ends
    slow.left = 40
    assert unread.look(slow)
    unread.look(other)
    assert not slow.ended
    assert not unread.look(slow)  # nothing since it was last asked for


def test_a_client_that_owes_too_long_expires_and_one_that_pays_does_not() -> None:
    loop: Any = Timers()
    expired = list[float]()
    owed = StallTimer(loop, 10, lambda: expired.append(loop.now))
    owed.start()
    loop.pass_time(6)
    owed.start()  # it runs already
    owed.stop()
    loop.pass_time(20)
    owed.start()
    loop.pass_time(20)
    assert expired == [36]


def test_a_closed_timer_neither_runs_nor_keeps_its_callback() -> None:
    loop: Any = Timers()
    expired = list[float]()
    owed = StallTimer(loop, 10, lambda: expired.append(loop.now))
    owed.start()
    owed.close()
    owed.start()
    loop.pass_time(30)
    assert expired == []


def test_a_client_that_reads_slowly_is_waited_for_and_one_that_reads_nothing_is_not() -> None:
    loop: Any = Timers()
    client: Any = Client(100)
    expired = list[float]()
    unread = UnreadAnswer(loop, 10, UnreadAnswers(10**6), lambda: expired.append(loop.now))
    unread.begins(client)
    for left in (60, 30):
        client.left = left
        loop.pass_time(10)
    assert expired == []
    unread.begins(client)  # it has begun already
    loop.pass_time(10)
    assert expired == [30]


def test_a_client_that_has_read_everything_is_not_looked_at() -> None:
    loop: Any = Timers()
    client: Any = Client(100)
    expired = list[float]()
    all_unread = UnreadAnswers(10**6)
    unread = UnreadAnswer(loop, 10, all_unread, lambda: expired.append(loop.now))
    unread.begins(client)
    unread.ends()
    loop.pass_time(30)
    assert (expired, all_unread._bytes) == ([], 0)
    unread.begins(client)
    unread.close()
    loop.pass_time(30)
    assert (expired, all_unread._bytes) == ([], 0)
