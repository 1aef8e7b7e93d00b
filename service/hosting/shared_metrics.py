"""The folder in which the workers of one service share their metrics: one for each service.

BentoML has one folder for all services of a BENTOML_HOME, and empties it at each start, even at one that then fails: the
metrics of a service that was running would be gone.
"""

import os
import shutil
import socket
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from bentoml._internal.configuration.containers import BentoMLContainer


def use_own_folder() -> None:
    """Before BentoML makes the folder, in the process that becomes the supervisor."""
    shared = Path(BentoMLContainer.prometheus_multiproc_dir.get())
    BentoMLContainer.prometheus_multiproc_dir.set(str(shared / f"{socket.gethostname()}-{os.getpid()}"))


def supervisor_of(folder: Path | None) -> int | None:
    """The process id in a folder's name; None where the folder is not one of ours."""
    number = folder.name.rpartition("-")[2] if folder is not None else ""
    return int(number) if number.isdigit() else None


def sweep() -> None:
    """Remove the folders of services of this machine that have ended."""
    own = Path(BentoMLContainer.prometheus_multiproc_dir.get())
    for folder in own.parent.glob(f"{socket.gethostname()}-*"):
        supervisor = supervisor_of(folder)
        if supervisor is not None and not psutil.pid_exists(supervisor):
            shutil.rmtree(folder, ignore_errors=True)
