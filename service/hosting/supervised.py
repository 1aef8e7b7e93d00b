"""A worker ends with its supervisor.

A supervisor that is killed (SIGKILL) cannot end its workers. They would keep the port, and nothing would replace them.
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""Of prctl(2): the signal that the kernel sends when the thread that started this process ends."""


def end_with_supervisor(supervisor: int | None) -> None:
    """SIGINT when the supervisor is gone: the worker stops listening at once and answers what it has. Linux only.

    `supervisor`: its process id, where it is known. It may have been killed while this worker started.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if supervisor is not None and os.getppid() != supervisor:
        os.kill(os.getpid(), signal.SIGINT)
