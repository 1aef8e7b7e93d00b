from typing import Any

from prometheus_client import REGISTRY

from service.connection.stalling import UnreadAnswers


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
