import signal
import threading

import pytest

from training.interrupts import SAID, check, heard


def test_a_ctrl_c_is_raised_at_the_next_check_and_not_before(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with heard():
        check()
        signal.raise_signal(signal.SIGINT)
        assert capfd.readouterr().err == SAID.decode()
        with pytest.raises(KeyboardInterrupt):
            check()
    check()  # the block has ended, and the Ctrl-C with it
    assert signal.getsignal(signal.SIGINT) is before


def test_a_closed_standard_error_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_descriptor: int, _data: bytes) -> int:
        raise BrokenPipeError

    with heard():
        monkeypatch.setattr("training.interrupts.os.write", gone)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()


def test_the_second_ctrl_c_is_raised_at_once() -> None:
    with heard():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    inside = []

    def elsewhere() -> None:
        with heard():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert inside == [before]
