import signal
import threading

import pytest

from training.interrupts import check, heard


class Swallows:
    """As a finalizer does with whatever is raised in it."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ctrl_c_that_python_drops_is_raised_at_the_next_look() -> None:
    before = signal.getsignal(signal.SIGINT)
    with heard():
        check()
        Swallows()
        with pytest.raises(KeyboardInterrupt):
            check()
    with heard():
        check()  # that one is over
    assert signal.getsignal(signal.SIGINT) is before


def test_it_is_raised_at_once_as_ever() -> None:
    with heard(), pytest.raises(KeyboardInterrupt):
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
