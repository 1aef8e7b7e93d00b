"""What the commands here share: how they end, and which model they serve."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import wrk
from benchmarks.servers import NotServing
from benchmarks.targets import models_folder
from contract.store import ModelStore

MODEL = "many_to_many"


class Unavailable(Exception):
    """Something without which nothing can be measured; the message says what to do."""


def interruptible(name: str, measure: Callable[[], int]) -> int:
    """The exit code of `measure`: 2 where something is missing, 130 after Ctrl-C or SIGTERM, its servers ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        if not wrk.there():
            raise Unavailable("wrk is not installed; on Debian: apt-get install wrk")
        return measure()
    except (Unavailable, NotServing) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def model_folder() -> Path:
    """The SavedModel that the service serves first."""
    store = ModelStore(models_folder())
    tag = next((tag for tag in store.tags() if tag.startswith(f"{MODEL}:")), None)
    if tag is None:
        raise Unavailable(f"no {MODEL} model in {store.root}; publish one with: make train")
    return store.path(MODEL, tag.removeprefix(f"{MODEL}:")).resolve()
