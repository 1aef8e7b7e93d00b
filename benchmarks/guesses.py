"""Whether the time of a refusal tells how much of a guess was right: a million guesses, in the process.

    python -m benchmarks.guesses

Four kinds of guesses, in random order, at a guard that knows ten keys: random ones; a known key but for its last four
characters; one whose first half is a known key's; and one whose digest begins with the same byte as a known one. No guess
comes twice: the same one always takes the same time, which depends on a hash that Python salts in each process. The kinds
are compared with the random ones over what took no longer than nine tenths of the random ones did. Welch's t is shown, and
the difference is judged: with a quarter of a million each, t passes 4.5 for half a nanosecond that comes and goes with the
process, of which nobody learns anything over a network; 5 ns is a look-up that differs, and this script would fail.
"""

import gc
import json
import math
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from contract.topologies import Floats
from service.errors import WrongKey
from service.security.guard import Guard
from service.security.key_rates import Rates
from service.security.keys import PREFIX, digest, line, new

GUESSES: Final = 1_000_000
LEAK: Final = 5.0
"""Nanoseconds between the means."""


def main() -> None:
    made = [new(f"user-{number}", ["predict"], None, None, None) for number in range(10)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keys"
        file.write_text("".join(line(key) + "\n" for _, key in made))
        guard = Guard(file, Rates(Path(folder)))
        known = [secret for secret, _ in made]
        seconds = measure(guard, kinds(known))
        right = cost(guard, {b"authorization": b"Bearer " + known[0].encode()})
    limit = float(np.quantile(seconds["random"], 0.9))  # what took longer was other processes'
    base = seconds["random"][seconds["random"] <= limit]
    figures = {}
    for kind, each in seconds.items():
        times = each[each <= limit]
        figures[kind] = {
            "guesses": len(each),
            "mean_ns": round(1e9 * float(times.mean()), 1),
            "more_ns": round(1e9 * float(times.mean() - base.mean()), 1),
            "t": round(welch(times, base), 2),
        }
    figures["a right key"] = {"mean_ns": round(1e9 * right, 1)}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    if worst := [kind for kind in seconds if abs(figures[kind]["more_ns"]) > LEAK]:
        raise SystemExit(f"the time of a refusal tells these apart: {', '.join(worst)}")


def kinds(known: list[str]) -> dict[str, Callable[[], str]]:
    """How to make a guess of each kind; all are as long as a key."""
    near = {digest(key.encode())[0] for key in known}

    def alike() -> str:
        while digest((guess := PREFIX + secrets.token_urlsafe(32)).encode())[0] not in near:
            pass
        return guess

    def nearly() -> str:
        while (guess := random.choice(known)[:-4] + secrets.token_urlsafe(3)) in known:  # as one in 2^24 is
            pass
        return guess

    return {
        "random": lambda: PREFIX + secrets.token_urlsafe(32),
        "but the last four characters": nearly,
        "the first half": lambda: random.choice(known)[:28] + secrets.token_urlsafe(32)[:22],
        "a digest that begins alike": alike,
    }


def measure(guard: Guard, kinds: dict[str, Callable[[], str]]) -> dict[str, Floats]:
    """Seconds of each refusal, by kind. Raises AssertionError if a guess gets in."""
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    clock, admit = time.perf_counter, guard.admit
    # All made beforehand and cut from one block, so that neither the processor's caches nor the memory where a guess lies
    # tell how it was made.
    order = random.choices(list(kinds), k=GUESSES)
    block = b"".join(kinds[name]().encode() for name in order)
    size = len(block) // GUESSES
    gc.collect()
    gc.disable()
    try:
        for number, name in enumerate(order):
            headers = {b"x-api-key": block[number * size : (number + 1) * size]}
            begun = clock()
            try:
                admit(headers, "predict")
            except WrongKey:
                taken = clock() - begun
                seconds[name].append(taken)  # and not in one line: finding the list took 10 ns more for some names
            else:
                raise AssertionError("a guess got in")
    finally:
        gc.enable()
    return {name: np.asarray(each) for name, each in seconds.items()}


def welch(ours: Floats, others: Floats) -> float:
    spread = ours.var() / len(ours) + others.var() / len(others)
    return float((ours.mean() - others.mean()) / math.sqrt(spread)) if spread else 0.0


def cost(guard: Guard, headers: dict[bytes, bytes], times: int = 200_000) -> float:
    """Seconds of the processor that a right key takes."""
    begun = time.process_time()
    for _ in range(times):
        guard.admit(headers, "predict")
    return (time.process_time() - begun) / times


if __name__ == "__main__":
    main()
