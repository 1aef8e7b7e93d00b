"""Answers rows: checks them, finds the model, batches, and has versions on trial compared. Knows no HTTP and no BentoML."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite
from typing import Final, Protocol

from contract.rows import Floats, Rows
from contract.topologies import ShapeError, Topology, parse_echo_name
from service.engine.batching import Batcher
from service.engine.comparing import Comparer
from service.engine.switch_interval import SwitchInterval
from service.errors import DeadlineExceeded, InvalidShape, TooFarOut, UnknownModel
from service.request_context import Caller, CallerGone
from service.runtime.loaded_model import Answer, LoadedModel
from service.versions.served_versions import Choice, ServedVersions
from service.versions.trials import Bars, Trial

logger = logging.getLogger(__name__)
BLAMELESS: Final = (DeadlineExceeded, CallerGone, TooFarOut)
"""Errors caused by the client or the load. They do not count against the version that an alias names."""
JUDGE_SECONDS: Final = 0.02
"""Shortest time between two judgements of a canary."""


LONG_ITEMS: Final = 2**15
"""A request of more items has a queue and a thread apart: eight of 500,000 items take the smallest networks half a second."""


class Models(Protocol):
    """The registry, or a stand-in for it."""

    @property
    def served(self) -> Mapping[str, ServedVersions]:
        """By name."""

    def find(self, name: str, wanted: str | None = None, key: str | None = None) -> Choice | None:
        """None: call `look_up` and `load_pinned` first.

        Raises UnknownModel, LengthNotServed, ModelNotServed or UnknownVersion.
        """

    def look_up(self, name: str, version: str) -> None:
        """Blocks while it lists a folder. Raises UnknownVersion unless the version is in the store."""

    def load_pinned(self, name: str, version: str) -> Choice:
        """Blocks while it reads files. Raises UnknownVersion."""

    def end_canary(self, trial: Trial, reason: str) -> None:
        """Blocks while it writes files."""

    @property
    def models(self) -> list[LoadedModel]:
        """All models in memory."""


@dataclass(slots=True)
class Predicted:
    """The engine's answer: the values of the model, in the order of the rows."""

    model: LoadedModel
    rows: Rows
    values: Floats  # (items, K), or (rows, K) where a row has one answer
    in_domain: list[bool]  # (rows,)


def echo_name(topology: Topology, rows: Rows) -> str:
    """The name of the echo that answers these rows. Raises InvalidShape where their length names none."""
    if topology.per_step:
        return topology.name
    try:
        topology.check(rows, one_length=True)
    except ShapeError as error:
        raise _invalid(error) from error
    return topology.echo_name(rows.lengths[0])


def check(model: LoadedModel, rows: Rows) -> None:
    """Raise InvalidShape unless the model can take the rows."""
    lengths = rows.lengths
    if rows.values.shape[1] != model.features or not lengths or 0 in lengths or model.length not in (None, rows.uniform):
        try:
            model.manifest.check(rows)
        except ShapeError as error:
            raise _invalid(error) from error


def _invalid(error: ShapeError) -> InvalidShape:
    return InvalidShape(str(error), expected=error.expected, received=error.received, hint=error.hint)


class Engine:
    """One engine serves all protocols, so that their requests share batches. `aside`: `Admission.aside`."""

    def __init__(
        self, models: Models, bars: Bars, aside: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext()
    ) -> None:
        self._models, self._bars, self._aside = models, bars, aside
        # None of these waits for another: a canary's withdrawal least of all.
        self._looking, self._loading, self._withdrawing = (
            ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("look-up", "store", "withdraw")
        )
        self._switch_interval = SwitchInterval()
        self._comparer = Comparer(ThreadPoolExecutor(1, thread_name_prefix="model-compare"), bars.tolerance)
        self._batchers: dict[LoadedModel, Batcher] = {}
        self._long_batchers: dict[LoadedModel, Batcher] = {}

    def default(self, name: str) -> LoadedModel:
        """The version that answers requests that name none. Raises UnknownModel, LengthNotServed or ModelNotServed."""
        if (served := self._models.served.get(name)) is not None:
            return served.default
        if (choice := self._models.find(name)) is None:
            raise UnknownModel(f"{name[:100]} is being replaced; ask again.")
        return choice.model

    def echoes(self, topology: Topology) -> list[str]:
        """The names of the served echoes of a topology."""
        found = ((name, parse_echo_name(name)) for name in self._models.served)
        return sorted(name for name, echo in found if echo is not None and echo[0] is topology)

    async def predict(
        self, name: str, rows: Rows, caller: Caller, wanted: str | None = None, key: str | None = None
    ) -> Predicted:
        """`wanted` is a version or an alias. Requests with the same `key` get their answers from the same side of a canary.

        Raises InvalidShape, UnknownModel, LengthNotServed, ModelNotServed, UnknownVersion, DeadlineExceeded, CallerGone,
        NotFinite or TooFarOut.
        """
        served = self._models.served.get(name) if wanted is None else None
        choice = served.usual if served is not None else None
        if choice is None:  # a version is named, or a canary draws
            choice = self._models.find(name, wanted, key)
        if choice is None:
            choice = await self._load_pinned(name, wanted or "", caller)
        model, canary, shadow = choice
        check(model, rows)
        if canary is not None:
            return await self._predict_with_canary(choice, canary, rows, caller)
        try:
            values, in_domain = await self._batcher(model, rows).run(rows, caller, shadow)
        except BLAMELESS:
            raise
        except Exception:
            if shadow is not None:
                shadow.failed("baseline")
            raise
        return Predicted(model, rows, values, in_domain)

    async def _load_pinned(self, name: str, version: str, caller: Caller) -> Choice:
        """In threads of their own, so that loading a version delays no other request."""
        loop, asked = asyncio.get_running_loop(), (name, version)
        left = caller.deadline - time.monotonic()

        async def load() -> Choice:
            async with asyncio.timeout(left if isfinite(left) else None):
                await loop.run_in_executor(self._looking, self._models.look_up, *asked)
                with self._aside(caller.size):  # this request takes no time of a model while it waits
                    return await loop.run_in_executor(self._loading, self._models.load_pinned, *asked)

        try:
            return await loop.create_task(load())  # a timeout needs a task, and the caller may be none
        except TimeoutError:
            raise DeadlineExceeded(f"{version[:100]} was not loaded by the deadline; ask again later.") from None

    async def _predict_with_canary(self, choice: Choice, canary: Trial, rows: Rows, caller: Caller) -> Predicted:
        """If the canary fails, the version that the alias names answers. If that fails too, the request was at fault."""
        answering, answer, failed = choice.model, None, False
        if choice.on_trial:
            try:
                with canary.timed("candidate"):
                    answer = await self._batcher(answering, rows).run(rows, caller)
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
                    answer = await self._batcher(answering, rows).run(rows, caller, choice.shadow)
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
        return Predicted(answering, rows, answer.values, answer.in_domain)

    def _shadow(self, shadow: Trial, rows: Rows, answer: Answer, requests: list[int], seconds: list[float]) -> None:
        self._comparer.offer(shadow, rows, answer.values, requests, seconds)

    def _judge(self, canary: Trial) -> None:
        now = time.monotonic()
        if canary.ended or now < canary.judged + JUDGE_SECONDS:
            return
        canary.judged = now
        if (reason := canary.verdict(self._bars)) is not None:
            canary.ended = True  # from here on it answers no request
            asyncio.get_running_loop().run_in_executor(self._withdrawing, self._models.end_canary, canary, reason)

    def _batcher(self, model: LoadedModel, rows: Rows) -> Batcher:
        batchers = self._batchers if len(rows.values) <= LONG_ITEMS else self._long_batchers
        try:
            return batchers[model]
        except KeyError:
            there = set(self._models.models)
            for known in [known for known, batcher in batchers.items() if known not in there and not batcher.busy]:
                del batchers[known]
            labels = (model.manifest.name, model.manifest.version)
            # Each model has a thread of its own: runs that alternate between two threads find colder caches.
            thread = ThreadPoolExecutor(1, thread_name_prefix="model")
            return batchers.setdefault(model, Batcher(model, thread, self._switch_interval, labels, self._shadow))
