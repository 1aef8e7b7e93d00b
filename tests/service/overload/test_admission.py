import gc
import weakref

import pytest

from service.errors import Overloaded
from service.overload.admission import (
    FEW_REQUESTS,
    REPEAT_SECONDS,
    SMALL_BYTES,
    TIMES_OWN_WORK,
    WINDOW_SECONDS,
    Admission,
    Ticket,
)
from tests.service.clock import Clock


def _enter(admission: Admission, size: int | None) -> None:
    if (refusal := admission.refusal(size)) is not None:
        raise refusal


def _hold(admission: Admission, size: int, so_far: int = 0) -> None:
    if (refusal := admission.hold(size, so_far)) is not None:
        raise refusal


def _let_in(admission: Admission, size: int) -> None:
    _enter(admission, size)
    _hold(admission, size)
    admission.arrive(size)


def test_bytes_are_bounded_but_one_request_always_gets_in_and_small_ones_do() -> None:
    admission = Admission(most_bytes=10_000, most_seconds=1.0, clock=Clock())
    _let_in(admission, 50_000)
    with pytest.raises(Overloaded, match="50000 bytes of requests are waiting") as caught:
        _enter(admission, SMALL_BYTES + 1)
    assert caught.value.extra["reason"] == "bytes"
    _let_in(admission, SMALL_BYTES)
    admission.leave(SMALL_BYTES)
    admission.leave(50_000)
    _enter(admission, 6_000)
    _enter(admission, 4_000)


def test_the_queueing_time_is_bounded_by_measured_throughput() -> None:
    clock = Clock()
    admission = Admission(most_bytes=10_000, most_seconds=0.5, clock=clock)
    for _ in range(60):
        _let_in(admission, 100)  # no rate is known yet
    clock.now += 2 * WINDOW_SECONDS
    admission.leave(100)
    admission.leave(100)  # 100 bytes in two windows so far: 500 a second
    with pytest.raises(Overloaded) as caught:
        _enter(admission, 100)
    assert caught.value.extra["reason"] == "time"
    assert caught.value.extra["retry_after_ms"] == pytest.approx(5800 / 500 * 1000)
    assert caught.value.headers["retry-after"] == "12"  # whole seconds, rounded up
    for _ in range(57):
        admission.leave(100)
    _enter(admission, 100)  # 200 ms of work: welcome again


def test_a_refusal_that_is_over_leaves_nothing_to_the_collector() -> None:
    clock = Clock()
    admission = Admission(most_bytes=10_000, most_seconds=1.0, clock=clock)
    _let_in(admission, 50_000)
    gc.collect()
    gc.disable()
    try:
        last: weakref.ref[Overloaded] | None = None
        for _ in range(3):
            clock.now += 2 * REPEAT_SECONDS
            refusal = admission.refusal(SMALL_BYTES + 1)
            assert refusal is not None
            assert last is None or last() is None
            last = weakref.ref(refusal)
            del refusal
        assert last is not None
    finally:
        gc.enable()


def test_idle_time_does_not_count_as_low_throughput() -> None:
    clock = Clock()
    admission = Admission(most_bytes=10_000, most_seconds=0.5, clock=clock)
    for _ in range(5):  # a request every ten seconds, answered at once
        _let_in(admission, 100)
        admission.leave(100)
        clock.now += 10
    for _ in range(50):
        _let_in(admission, 100)


def test_throughput_of_small_requests_is_not_wrong_for_large_ones() -> None:
    clock = Clock()
    admission = Admission(most_bytes=10**7, most_seconds=0.1, clock=clock)
    for _ in range(1_000):  # a probe: 0.4 ms each, nearly all of it whatever their size
        _let_in(admission, 50)
        clock.now += 0.0004
        admission.leave(50)
    for _ in range(24):  # a millisecond's work each
        _let_in(admission, 40_000)
    with pytest.raises(Overloaded):  # which is not to say that any number would do
        _enter(admission, 40_000)


def test_low_throughput_does_not_refuse_a_few_requests() -> None:
    clock = Clock()
    admission = Admission(most_bytes=10_000, most_seconds=0.5, clock=clock)
    _let_in(admission, 100)
    clock.now += 100  # one byte a second
    admission.leave(100)
    for _ in range(FEW_REQUESTS):
        _let_in(admission, 100)
    with pytest.raises(Overloaded):
        _enter(admission, 100)


def test_announced_bytes_that_do_not_arrive_refuse_no_request() -> None:
    admission = Admission(most_bytes=10_000, most_seconds=1.0, clock=Clock())
    for _ in range(100):
        _enter(admission, 9_000)
        _hold(admission, 10)
    _let_in(admission, 5_000)
    assert admission.waiting_bytes == 6_000


def test_a_request_aside_is_no_work_and_does_not_lower_throughput() -> None:
    clock = Clock()
    admission = Admission(most_bytes=10**6, most_seconds=0.02, clock=clock)

    def answer_one() -> None:
        """A kilobyte in a millisecond, ten times a second."""
        _let_in(admission, 1_000)
        clock.now += 0.001
        admission.leave(1_000)
        clock.now += 0.099

    for _ in range(200):
        answer_one()
    _let_in(admission, 30_000)
    with admission.aside(30_000):
        for _ in range(200):
            answer_one()
        assert admission.refusal(SMALL_BYTES + 1) is None
        assert admission.waiting_requests == 0
        assert admission.waiting_bytes == 30_000  # they take memory all the same
    assert admission.waiting_requests == 1
    admission.leave(30_000)
    with admission.aside(0):
        assert admission.waiting_requests == 0
    assert (admission.waiting_requests, admission.waiting_bytes) == (0, 0)


def test_bodies_are_counted_as_they_arrive_whatever_was_announced() -> None:
    admission = Admission(most_bytes=10_000, most_seconds=1.0, clock=Clock())
    for size in (None, 9_000):
        _enter(admission, size)
    _hold(admission, 6_000)
    _hold(admission, 4_000)
    with pytest.raises(Overloaded):
        _hold(admission, 5_000, 4_000)
    admission.give_up(4_000)
    _hold(admission, 4_000, 6_000)
    admission.arrive(10_000)
    admission.leave(10_000)
    assert admission.waiting_bytes == 0


def test_a_body_larger_than_the_limit_for_all_is_read_in_parts() -> None:
    admission = Admission(most_bytes=10_000, most_seconds=1.0, clock=Clock())
    _enter(admission, None)
    _hold(admission, 6_000)
    _hold(admission, 6_000, 6_000)


def test_low_throughput_is_forgotten_although_no_request_waits_between_bursts() -> None:
    """What is refused keeps the queue short, so that it is often empty: the rate must be measured all the same."""
    clock = Clock()
    admission = Admission(most_bytes=10_000, most_seconds=0.5, clock=clock)
    _let_in(admission, 100)
    clock.now += 10
    admission.leave(100)  # 10 bytes a second
    for _ in range(100):  # bursts of 10 ms, answered at 320,000 a second
        for _ in range(FEW_REQUESTS):
            _let_in(admission, 100)
        clock.now += 0.01
        for _ in range(FEW_REQUESTS):
            admission.leave(100)
    for _ in range(3 * FEW_REQUESTS):
        _let_in(admission, 100)


def slow(clock: Clock, most_seconds: float = 0.5) -> Admission:
    """In which a request of next to nothing took a second."""
    admission = Admission(most_bytes=10_000_000, most_seconds=most_seconds, clock=clock)
    _let_in(admission, 1)
    clock.now += 1
    admission.leave(1)
    return admission


def test_a_request_is_admitted_while_eight_times_its_own_work_is_waiting() -> None:
    admission = slow(Clock())
    for _ in range(TIMES_OWN_WORK + 1):
        _let_in(admission, 100_000)
    for size in (100_000, SMALL_BYTES + 1):
        with pytest.raises(Overloaded):
            _enter(admission, size)
    _enter(admission, SMALL_BYTES)  # a few small ones wait behind the large


def test_a_request_of_unannounced_size_is_not() -> None:
    admission = slow(Clock())
    _let_in(admission, 100_000)
    with pytest.raises(Overloaded):
        _enter(admission, None)
    _enter(admission, 1_000_000)


SIZE = SMALL_BYTES + 1


def busy(clock: Clock, waiting: int) -> Admission:
    """Which answers 1,000,000 bytes a second, and may have 100,000 waiting."""
    admission = Admission(most_bytes=10_000_000, most_seconds=0.1, clock=clock)
    _let_in(admission, 1_000_000)
    clock.now += 1
    admission.leave(1_000_000)
    _let_in(admission, waiting)
    return admission


def test_whatever_is_worked_off_within_the_limit_is_admitted_and_what_takes_longer_is_refused() -> None:
    admission = busy(Clock(), waiting=80_000)
    _let_in(admission, SIZE)
    _let_in(admission, SIZE)
    assert not admission.full
    _let_in(admission, 10_000)
    assert admission.full
    with pytest.raises(Overloaded):
        _enter(admission, SIZE)
    admission.leave(10_000)
    with pytest.raises(Overloaded):  # not before half of it is worked off
        _enter(admission, SIZE)
    admission.leave(80_000)
    _enter(admission, SIZE)


def test_a_ticket_counts_a_body_as_it_arrives_and_its_work_once_it_is_complete() -> None:
    admission = Admission(most_bytes=10_000, most_seconds=1.0, clock=Clock())
    with Ticket(admission) as ticket:
        assert ticket.hold(6_000) is ticket.hold(3_000) is None
        assert (admission.waiting_bytes, admission.waiting_requests) == (9_000, 0)
        ticket.arrive()
        assert (ticket.size, admission.waiting_requests) == (9_000, 1)
    assert (admission.waiting_bytes, admission.waiting_requests) == (0, 0)


def test_a_ticket_gives_up_an_incomplete_body_and_one_without_room() -> None:
    admission = Admission(most_bytes=10_000, most_seconds=1.0, clock=Clock())
    with Ticket(admission) as ticket:
        assert ticket.hold(6_000) is None
    assert admission.waiting_bytes == 0
    _let_in(admission, 9_000)
    with Ticket(admission) as ticket:
        refusal = ticket.hold(5_000)
        assert refusal is not None
        assert (refusal.extra["reason"], ticket.size) == ("bytes", 0)
    assert admission.waiting_bytes == 9_000
