import errno
import os
from pathlib import Path

import pytest

from service.security.key_rates import KeyRates
from service.security.keys import Key
from tests.service.clock import Clock


def key(rate: float | None, burst: int | None = None, name: str = "a") -> Key:
    return Key(name=name, sha256=name * 64, scopes=frozenset({"predict"}), rate=rate, burst=burst)


def test_a_key_without_a_rate_may_send_any_number_and_no_file_is_made(tmp_path: Path) -> None:
    rates = KeyRates(tmp_path / "rates")
    assert all(rates.take(key(None)) == 0 for _ in range(1000))
    assert not (tmp_path / "rates").exists()


def test_a_burst_goes_through_at_once_and_then_the_rate(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    rates, ten = KeyRates(tmp_path, clock), key(10, burst=4)
    assert [rates.take(ten) for _ in range(4)] == [0.0] * 4
    assert rates.take(ten) == pytest.approx(0.1)
    clock.now += 0.1
    assert rates.take(ten) == 0.0
    assert rates.take(ten) == pytest.approx(0.1)
    passed = 0
    for _ in range(1000):  # 10 s, asking a hundred times a second
        clock.now += 0.01
        passed += rates.take(ten) == 0.0
    assert 99 <= passed <= 101


def test_an_unused_rate_is_kept_up_to_the_burst(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    rates, one = KeyRates(tmp_path, clock), key(1, burst=3)
    rates.take(one)
    clock.now += 3600
    assert [rates.take(one) > 0 for _ in range(4)] == [False, False, False, True]


def test_workers_share_a_bucket_and_keys_do_not(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    workers, two = [KeyRates(tmp_path, clock) for _ in range(3)], key(2, burst=3)
    assert [worker.take(two) for worker in workers] == [0.0] * 3
    assert all(worker.take(two) > 0 for worker in workers)
    assert workers[0].take(key(2, name="b")) == 0.0


def test_a_key_keeps_its_rate_if_its_file_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    rates, one = KeyRates(tmp_path, Clock(1000.0)), key(1, burst=2)
    assert [rates.take(one) > 0 for _ in range(3)] == [False, False, True]
    assert [record.getMessage() for record in caplog.records] == [
        "the rate of a key cannot be shared, so each worker counts for itself: [Errno 28] No space left on device"
    ]


def test_a_bucket_has_its_blocks_of_the_disk(tmp_path: Path) -> None:
    """A hole that is mapped and written to after the disk has filled kills the process."""
    KeyRates(tmp_path).take(key(1))
    (file,) = tmp_path.iterdir()
    assert (file.stat().st_size, file.stat().st_blocks > 0) == (8, True)


def test_a_bucket_that_an_earlier_service_left_behind_delays_no_request(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    assert KeyRates(tmp_path, clock).take(key(0.001)) == 0.0
    clock.now = 5.0  # the machine was started again, and its clock with it
    assert KeyRates(tmp_path, clock).take(key(0.001)) == 0.0
