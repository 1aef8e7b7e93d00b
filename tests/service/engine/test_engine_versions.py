"""Versions that come into memory when they are asked for, and leave it."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NoReturn

import pytest

from contract.rows import Floats, Rows
from service.engine.engine import LONG_ITEMS, Engine, Predicted
from service.errors import DeadlineExceeded, UnknownVersion
from service.request_context import Caller
from service.runtime.loaded_model import LoadedModel
from service.telemetry.log_format import MODEL_THREADS
from service.versions.served_versions import Choice
from service.versions.trials import Trial
from tests.conftest import make_manifest
from tests.service.conftest import BARS, FakeModels, FakeRuntime, fake_model

ROW = Rows.of([[0.25, 0.5]])
LONG = Rows.of([[0.5] * (LONG_ITEMS + 1)])


def test_a_version_that_is_not_in_memory_is_loaded_or_unknown(models: dict[str, LoadedModel]) -> None:
    class Loads(FakeModels):
        def load_pinned(self, name: str, version: str) -> Choice:
            assert threading.current_thread() is not threading.main_thread()  # it takes its time
            if version == "unknown":
                return super().load_pinned(name, version)
            return Choice(models["many_to_many"])

    async def asked(wanted: str) -> Predicted:
        return await Engine(Loads(models), BARS).predict("many_to_many", ROW, Caller(), wanted)

    def asked_until(deadline: float) -> Predicted:
        return asyncio.run(Engine(Slow(models), BARS).predict("many_to_many", ROW, Caller(deadline), "20260101"))

    class Slow(FakeModels):
        def load_pinned(self, name: str, version: str) -> Choice:
            loaded.wait(10)
            return Choice(models["many_to_many"])

    loaded = threading.Event()
    with pytest.raises(DeadlineExceeded, match="20260101 was not loaded by the deadline"):
        asked_until(time.monotonic() + 0.05)
    loaded.set()
    assert asked_until(time.monotonic() + 10).model is models["many_to_many"]
    assert asyncio.run(asked("20260101")).model is models["many_to_many"]
    with pytest.raises(UnknownVersion, match="no unknown"):
        asyncio.run(asked("unknown"))


def test_a_request_stands_aside_while_its_version_is_loaded_and_only_then(models: dict[str, LoadedModel]) -> None:
    seen: list[str] = []

    class Loads(FakeModels):
        def look_up(self, name: str, version: str) -> None:
            seen.append("looked up")

        def load_pinned(self, name: str, version: str) -> Choice:
            seen.append("loaded")
            return Choice(models["many_to_many"])

    @contextmanager
    def aside(size: int) -> Iterator[None]:
        seen.append(f"{size} aside")
        yield
        seen.append("back")

    async def asked(wanted: str | None) -> None:
        await Engine(Loads(models), BARS, aside).predict("many_to_many", ROW, Caller(size=30), wanted)

    asyncio.run(asked(None))
    assert seen == []
    asyncio.run(asked("20260101"))
    assert seen == ["looked up", "30 aside", "loaded", "back"]


def test_a_request_for_an_unknown_version_is_counted_while_it_is_looked_up(models: dict[str, LoadedModel]) -> None:
    class Unknown(FakeModels):
        def look_up(self, name: str, version: str) -> None:
            raise UnknownVersion(f"no {version}")

    def aside(size: int) -> NoReturn:
        raise AssertionError("it stood aside")

    with pytest.raises(UnknownVersion, match="no 20260101"):
        asyncio.run(Engine(Unknown(models), BARS, aside).predict("many_to_many", ROW, Caller(size=30), "20260101"))


def test_look_ups_and_loads_keep_no_withdrawal_waiting(models: dict[str, LoadedModel]) -> None:
    looking, loading, withdrawn = threading.Event(), threading.Event(), threading.Event()

    class Busy(FakeModels):
        def look_up(self, name: str, version: str) -> None:
            if version == "looked up":
                looking.set()
                assert withdrawn.wait(2)

        def load_pinned(self, name: str, version: str) -> Choice:
            loading.set()
            assert withdrawn.wait(2)
            return Choice(models["many_to_many"])

        def end_canary(self, trial: Trial, reason: str) -> None:
            withdrawn.set()

    async def scenario() -> None:
        failing = Trial("canary", "production", models["many_to_many"], models["many_to_many"], 100.0, datetime.now(UTC))
        engine = Engine(Busy(models), BARS)
        named = [engine.predict("many_to_many", ROW, Caller(), version) for version in ("loaded", "looked up", "looked up")]
        waiting = [asyncio.ensure_future(request) for request in named]
        for busy in (loading, looking):
            assert await asyncio.to_thread(busy.wait, 10)
        failing.failed("candidate", 100)
        engine._judge(failing)
        for answered in await asyncio.gather(*waiting):
            assert answered.model is models["many_to_many"]

    asyncio.run(scenario())


def test_a_long_request_keeps_no_other_waiting() -> None:
    """Not even on a model whose every call is slow enough for a thread."""
    free = threading.Event()

    class Slow(FakeRuntime):
        def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
            assert inputs.size < LONG_ITEMS or free.wait(10)
            return super().run(inputs, lengths)

    runtime = Slow("many_to_many")
    runtime.expected_seconds = 1.0

    async def scenario() -> None:
        engine = Engine(FakeModels({"many_to_many": LoadedModel(make_manifest("many_to_many"), runtime)}), BARS)
        long = [asyncio.ensure_future(engine.predict("many_to_many", LONG, Caller())) for _ in range(2)]
        await asyncio.sleep(0)
        for _ in range(3):
            assert (await engine.predict("many_to_many", ROW, Caller())).values.tolist() == [[0.25], [0.5]]
        assert not any(request.done() for request in long)
        free.set()
        for answered in await asyncio.gather(*long):
            assert len(answered.values) == LONG_ITEMS + 1

    asyncio.run(scenario())


def test_batchers_of_versions_that_left_memory_are_let_go_of() -> None:
    old, new = fake_model("many_to_many"), fake_model("many_to_many")
    models = FakeModels({"many_to_many": old})

    async def swapped() -> None:
        engine = Engine(models, BARS)
        await engine.predict("many_to_many", ROW, Caller())
        models._models["many_to_many"] = new
        await engine.predict("many_to_many", ROW, Caller())
        assert list(engine._batchers) == [new]

    asyncio.run(swapped())


class InThread(FakeRuntime):
    """Notes in which thread it runs."""

    def __init__(self) -> None:
        super().__init__("many_to_many")
        self.expected_seconds, self.threads = 1.0, list[threading.Thread]()

    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        self.threads.append(threading.current_thread())
        return super().run(inputs, lengths)


def test_a_version_has_a_thread_of_its_own_that_ends_when_it_leaves_memory() -> None:
    old, new = InThread(), InThread()
    models = FakeModels({"many_to_many": LoadedModel(make_manifest("many_to_many"), old)})

    async def swapped() -> None:
        engine = Engine(models, BARS)
        for _ in range(3):
            await engine.predict("many_to_many", ROW, Caller())
        with pytest.raises(DeadlineExceeded):  # nothing of it keeps the version
            await engine.predict("many_to_many", ROW, Caller(deadline=0.0))
        models._models["many_to_many"] = LoadedModel(make_manifest("many_to_many"), new)
        await engine.predict("many_to_many", ROW, Caller())
        thread = old.threads[0]
        await asyncio.get_running_loop().run_in_executor(None, thread.join, 10.0)
        assert not thread.is_alive()
        assert new.threads[0].is_alive()

    asyncio.run(swapped())
    assert len(set(old.threads)) == 1
    assert old.threads[0].name.startswith(MODEL_THREADS)  # where an error's text is not logged
    assert threading.current_thread() not in {*old.threads, *new.threads}
    assert set(old.threads).isdisjoint(new.threads)
