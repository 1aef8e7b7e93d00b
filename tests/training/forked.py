"""`python -m training` as a process of its own, forked from one that has imported TensorFlow: importing takes it 3.5 s."""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.training.short_gate import shorten
from training.commands.main import main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["training.job"])


class Training:
    """`python -m training ARGUMENTS` with this BENTOML_HOME and a short gate.

    A file of more bytes than `largest_file` meets a full disk.
    """

    def __init__(self, home: Path, *arguments: str, largest_file: int | None = None) -> None:
        shown, written = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_train, args=(written, home, arguments, largest_file))
        self._process.start()
        written.close()
        self.stdout = open(os.dup(shown.fileno()), errors="replace")  # noqa: SIM115 - `__exit__` closes it
        shown.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self.stdout.close()
        if kind is not None:
            self._process.kill()
        self._process.join()

    def read_until(self, word: str) -> None:
        for line in self.stdout:
            if word in line:
                return
        raise AssertionError(f"ended without {word}")

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)

    def finish(self) -> tuple[int | None, str]:
        """Its exit code, and what it showed since it was last read."""
        shown = self.stdout.read()
        self._process.join()
        return self._process.exitcode, shown


def train(home: Path, trainings: Mapping[str, str]) -> None:
    """Each from a file in `home`, with more arguments; all at once, each as a process of its own."""
    for process in [
        Training(home, "run", "--runs", str(home / "runs"), "--data", str(home / file), *arguments.split())
        for file, arguments in trainings.items()
    ]:
        with process:
            code, shown = process.finish()
            assert code == 0, shown


def _train(written: "Connection[bytes, bytes]", home: Path, arguments: tuple[str, ...], largest_file: int | None) -> None:
    os.dup2(written.fileno(), 1)
    os.dup2(written.fileno(), 2)
    written.close()
    os.environ["BENTOML_HOME"] = str(home)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    shorten(pytest.MonkeyPatch())
    sys.argv[1:] = arguments
    main()
