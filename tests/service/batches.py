"""A model to batch for, and a batcher to try it with."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, get_ident

import pytest

from contract.rows import Floats, Rows
from service.engine.batching import Batcher
from service.engine.switch_interval import SwitchInterval
from service.errors import NotFinite
from service.runtime.loaded_model import Answer, Plan

POISON = -1.0
NO_ANSWER = -4.0
"""It is computed of half of this, and of no other."""


class Model:
    """Doubles; fails on poison; notes what it was given, and in which thread."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.expected, self.batches, self.threads, self.looked_at_by = seconds, [], [], []  # type: ignore[var-annotated]
        self.started, self.free = Event(), Event()
        self.free.set()

    def plan(self, rows: Rows) -> Plan:
        return Plan(rows, None, self.expected)

    def compute(self, plan: Plan) -> Floats:
        rows = plan.rows
        self.started.set()
        self.free.wait(10)
        self.batches.append(rows.lengths)
        self.threads.append(get_ident())
        if POISON in rows.values:
            raise ValueError("poisoned")
        return rows.values * 2

    def answer(self, rows: Rows, values: Floats) -> Answer:
        self.looked_at_by.append(get_ident())
        if NO_ANSWER in values:
            raise NotFinite("no answer")
        return Answer(values, [True] * len(rows.lengths))


def row(*values: float) -> Rows:
    return Rows.of([values])


def batched(model: Model, scenario: Callable[[Batcher], Awaitable[None]], most_items: int = 100) -> None:
    async def main() -> None:
        await scenario(Batcher(model, executor, SwitchInterval(), ("model", "version")))

    with ThreadPoolExecutor(2) as executor, pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.engine.batch_queue.MOST_ITEMS", most_items)
        asyncio.run(main())
