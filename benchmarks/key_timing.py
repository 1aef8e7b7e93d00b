"""Can a client tell from the time of a refusal how much of a guessed key was right? A million guesses, in one process.

    python -m benchmarks.key_timing

The guard knows ten keys. It gets four kinds of guesses, in random order: random keys; a known key with other last four
characters; a key with the first half of a known one; and a key whose digest begins with the same byte as a known one.
No guess comes twice, since Python salts the hash that decides how long one guess takes.
The slowest tenth of the random guesses sets a limit; slower guesses do not count. The other kinds are compared with the rest.
The output shows Welch's t, but the verdict goes by the difference of the means. With 250,000 guesses of a kind, t passes 4.5
for half a nanosecond that differs between processes. A client learns nothing from that over a network. A look-up that
depends on the guess takes 5 ns more, and fails this command.
"""

import gc
import json
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from scipy import stats

from contract.rows import Floats
from service.errors import WrongKey
from service.security.key_check import Guard
from service.security.key_rates import KeyRates
from service.security.keys import PREFIX, digest, line, new

GUESSES: Final = 1_000_000
LEAK: Final = 5.0
"""Nanoseconds between two means that fail the command."""


def main() -> None:
    made = [new(f"user-{number}", ["predict"], None, None, None) for number in range(10)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keys"
        file.write_text("".join(line(key) + "\n" for _, key in made))
        guard = Guard(file, KeyRates(Path(folder)))
        known = [secret for secret, _ in made]
        seconds = measure(guard, kinds(known))
        right = cost(guard, {b"authorization": b"Bearer " + known[0].encode()})
    limit = float(np.quantile(seconds["random"], 0.9))  # other processes slowed the rest
    base = seconds["random"][seconds["random"] <= limit]
    figures = {}
    for kind, each in seconds.items():
        times = each[each <= limit]
        figures[kind] = {
            "guesses": len(each),
            "mean_ns": round(1e9 * float(times.mean()), 1),
            "more_ns": round(1e9 * float(times.mean() - base.mean()), 1),
            "t": round(float(stats.ttest_ind(times, base, equal_var=False).statistic), 2),
        }
    figures["a right key"] = {"mean_ns": round(1e9 * right, 1)}
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    if worst := [kind for kind in seconds if abs(figures[kind]["more_ns"]) > LEAK]:
        raise SystemExit(f"the time of a refusal differs from that of random guesses for: {', '.join(worst)}")


def kinds(known: list[str]) -> dict[str, Callable[[], str]]:
    """A function for each kind that makes a guess. All guesses are as long as a key."""
    near = {digest(key.encode())[0] for key in known}

    def alike() -> str:
        while digest((guess := PREFIX + secrets.token_urlsafe(32)).encode())[0] not in near:
            pass
        return guess

    def nearly() -> str:
        while (guess := random.choice(known)[:-4] + secrets.token_urlsafe(3)) in known:  # one in 2^24 is a known key
            pass
        return guess

    return {
        "random": lambda: PREFIX + secrets.token_urlsafe(32),
        "but the last four characters": nearly,
        "the first half": lambda: random.choice(known)[:28] + secrets.token_urlsafe(32)[:22],
        "a digest that begins alike": alike,
    }


def measure(guard: Guard, kinds: dict[str, Callable[[], str]]) -> dict[str, Floats]:
    """Seconds of each refusal, by kind. Raises AssertionError if the guard admits a guess."""
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    clock, admit = time.perf_counter, guard.admit
    # All guesses are made first and cut from one block: neither caches nor addresses then depend on their kind.
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
                seconds[name].append(taken)  # a line of its own: finding the list takes some names 10 ns more
            else:
                raise AssertionError("the guard admitted a guess")
    finally:
        gc.enable()
    return {name: np.asarray(each) for name, each in seconds.items()}


def cost(guard: Guard, headers: dict[bytes, bytes], times: int = 200_000) -> float:
    """Processor seconds to admit a right key."""
    begun = time.process_time()
    for _ in range(times):
        guard.admit(headers, "predict")
    return (time.process_time() - begun) / times


if __name__ == "__main__":
    main()
