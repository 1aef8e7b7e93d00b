"""Lets a command go on when the reader of its output is gone, as in `unroll data check FILE | head`."""

import io
import os
import sys
from typing import Any


class _Output(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes


def outlive_reader() -> None:
    """From now on, standard output is discarded once its reader is gone. The command ends with its own exit code."""
    before = sys.stdout
    if before is None:  # it was closed before the command began
        return
    before.flush()
    raw = _Output(before.fileno(), "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=before.encoding, errors=before.errors, line_buffering=raw.isatty()
    )
