"""Look up, check, batch; compare, where a version is on trial. Knows arrays and models; knows nothing of HTTP or BentoML."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite
from typing import Final, Protocol

from contract.topologies import TOPOLOGIES, Floats, Rows, ShapeError, Topology, TopologyName
from service.engine.batching import Batcher
from service.engine.comparing import Comparer
from service.engine.switch_interval import SwitchInterval
from service.errors import DeadlineExceeded, InvalidShape, TooFarOut
from service.request_context import Caller, CallerGone
from service.runtime.loaded_model import Answer, LoadedModel
from service.versions.served_versions import Choice
from service.versions.trials import Bars, Trial

logger = logging.getLogger(__name__)
BLAMELESS: Final = (DeadlineExceeded, CallerGone, TooFarOut)
"""What the version that an alias names does not count as an error of its own: its caller's doing, or the load's."""
JUDGE_SECONDS: Final = 0.02
"""How often a canary's figures are held against its bars."""


class Models(Protocol):
    """Where the engine finds a model: the registry, or a stand-in for it."""

    def find(self, topology: Topology, length: int, wanted: str | None = None, key: str | None = None) -> Choice | None:
        """None: `load_pinned` it first. Raises LengthNotServed or ModelNotServed."""

    def load_pinned(self, topology: Topology, length: int, version: str) -> Choice:
        """Takes its time. Raises UnknownVersion."""

    def end_canary(self, trial: Trial, reason: str) -> None:
        """Takes its time."""

    @property
    def models(self) -> list[LoadedModel]:
        """All that are in memory."""


@dataclass(slots=True)
class Echo:
    """The engine's answer: `values` are the model's, in the rows' own order and lengths."""

    model: LoadedModel
    rows: Rows
    values: Floats  # (items,)
    in_domain: list[bool]  # (rows,)


class Engine:
    """One for all protocols, so that their requests share batches. `aside`: `Admission.aside`."""

    def __init__(
        self, models: Models, bars: Bars, aside: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext()
    ) -> None:
        self._models, self._bars, self._aside = models, bars, aside
        self._store_thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._switch_interval = SwitchInterval()
        self._comparer = Comparer(ThreadPoolExecutor(1, thread_name_prefix="model-compare"), bars.tolerance)
        self._batchers: dict[LoadedModel, Batcher] = {}

    async def predict(
        self, topology_name: TopologyName, rows: Rows, caller: Caller, wanted: str | None = None, key: str | None = None
    ) -> Echo:
        """`wanted` is a version or an alias; `key` decides alike for all requests that have it which side of a canary answers.

        Raises InvalidShape, LengthNotServed, ModelNotServed, UnknownVersion, DeadlineExceeded, NotFinite or TooFarOut.
        """
        topology = TOPOLOGIES[topology_name]
        try:
            topology.check(rows)
        except ShapeError as error:
            raise InvalidShape(str(error), expected=error.expected, received=error.received, hint=error.hint) from error
        length = rows.lengths[0]
        choice = self._models.find(topology, length, wanted, key)
        if choice is None:
            choice = await self._load_pinned(topology, length, wanted or "", caller)
        model, canary, shadow = choice
        if canary is not None:
            return await self._predict_with_canary(choice, canary, rows, caller)
        try:
            values, in_domain = await self._batcher(model).run(rows, caller, shadow)
        except BLAMELESS:
            raise
        except Exception:
            if shadow is not None:
                shadow.failed("baseline")
            raise
        return Echo(model, rows, values, in_domain)

    async def _load_pinned(self, topology: Topology, length: int, version: str, caller: Caller) -> Choice:
        """Not on the threads that run batches: whoever asks for versions that are not in memory delays nobody else."""
        loop, left = asyncio.get_running_loop(), caller.deadline - time.monotonic()

        async def load() -> Choice:
            loading = loop.run_in_executor(self._store_thread, self._models.load_pinned, topology, length, version)
            return await asyncio.wait_for(loading, left if isfinite(left) else None)

        try:
            with self._aside(caller.size):  # the model is free meanwhile, for everybody else
                return await loop.create_task(load())  # which may wait with a timeout; whoever asks need not be a task
        except TimeoutError:
            raise DeadlineExceeded(f"{version[:100]} was not loaded by the deadline; ask again in a while.") from None

    async def _predict_with_canary(self, choice: Choice, canary: Trial, rows: Rows, caller: Caller) -> Echo:
        """A canary that fails costs its caller nothing but time: the alias' own version answers instead.

        Where that fails too, the request was at fault, and not the canary.
        """
        answering, answer, failed = choice.model, None, False
        if choice.on_trial:
            try:
                with canary.timed("candidate"):
                    answer = await self._batcher(answering).run(rows, caller)
            except (DeadlineExceeded, CallerGone):
                raise
            except Exception as error:
                logger.warning("canary %s:%s failed: %s", canary.name, answering.manifest.version, type(error).__name__)
                answering, failed = canary.baseline, True
            else:
                self._comparer.offer(canary, rows, answer.values, [len(rows.lengths)])
        if answer is None:
            try:
                with canary.timed("baseline"):
                    answer = await self._batcher(answering).run(rows, caller, choice.shadow)
            except BLAMELESS:
                raise
            except Exception:
                canary.failed("baseline")
                if choice.shadow is not None:
                    choice.shadow.failed("baseline")
                raise
        if failed:
            canary.failed("candidate")
        self._judge(canary)
        return Echo(answering, rows, answer.values, answer.in_domain)

    def _shadow(self, shadow: Trial, rows: Rows, answer: Answer, requests: list[int], seconds: list[float]) -> None:
        self._comparer.offer(shadow, rows, answer.values, requests, seconds)

    def _judge(self, canary: Trial) -> None:
        now = time.monotonic()
        if canary.ended or now < canary.judged + JUDGE_SECONDS:
            return
        canary.judged = now
        if (reason := canary.verdict(self._bars)) is not None:
            canary.ended = True  # from here on nobody draws it
            asyncio.get_running_loop().run_in_executor(self._store_thread, self._models.end_canary, canary, reason)

    def _batcher(self, model: LoadedModel) -> Batcher:
        try:
            return self._batchers[model]
        except KeyError:
            there = set(self._models.models)
            self._batchers = {known: batcher for known, batcher in self._batchers.items() if known in there or batcher.busy}
            labels = (model.manifest.name, model.manifest.version)
            # Its own, which ends with it: runs that alternate between two threads find colder caches and busier cores.
            thread = ThreadPoolExecutor(1, thread_name_prefix="model")
            batcher = Batcher(model, thread, self._switch_interval, labels, self._shadow)
            return self._batchers.setdefault(model, batcher)
