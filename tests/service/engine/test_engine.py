import asyncio
from datetime import UTC, datetime

import numpy as np
import pytest

from contract.rows import Floats, Rows
from contract.topologies import TOPOLOGIES, TopologyName
from service.engine.engine import Engine, Predicted, check, echo_name
from service.errors import DeadlineExceeded, InvalidShape, LengthNotServed, NotFinite, TooFarOut
from service.request_context import Caller
from service.runtime.loaded_model import LoadedModel
from service.versions.served_versions import Choice
from service.versions.trials import ENOUGH, Kind, Trial
from tests.conftest import make_manifest
from tests.service.conftest import BARS, FakeModels, FakeRuntime, fake_model, shown
from tests.service.own_models import OWN, manifest_of

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])


def predict(models: dict[str, LoadedModel], topology: TopologyName, *requests: Rows) -> list[Predicted]:
    async def together() -> list[Predicted]:
        engine = Engine(FakeModels(models), BARS)
        names = [echo_name(TOPOLOGIES[topology], rows) for rows in requests]
        asked = (engine.predict(name, rows, Caller()) for name, rows in zip(names, requests, strict=True))
        return await asyncio.gather(*asked)

    return asyncio.run(together())


def test_requests_that_arrive_together_share_a_call_and_get_their_own_answers(models: dict[str, LoadedModel]) -> None:
    requests = [Rows.of([[0.1, 0.2]]), RAGGED, Rows.of([[2.0]])]
    answers = predict(models, "one_to_one", *requests)
    assert [predicted.values.tolist() for predicted in answers] == [rows.values.tolist() for rows in requests]
    assert [predicted.in_domain for predicted in answers] == [[True], [True, True, True], [False]]
    assert shown(models["one_to_one"]) == [(9, 1, 1)]


def test_many_to_one_goes_to_the_model_of_its_length(models: dict[str, LoadedModel]) -> None:
    three, five = predict(models, "many_to_one", Rows.of([[0.1] * 3]), Rows.of([[0.2] * 5]))
    assert (three.model.manifest.name, five.model.manifest.name) == ("many_to_one_3", "many_to_one_5")


def test_a_shape_error_of_the_contract_becomes_ours_with_its_facts(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(InvalidShape) as caught:
        predict(models, "many_to_one", RAGGED)
    assert caught.value.extra["received"] == "rows of lengths 1, 2, 3"
    assert shown(models["many_to_one_3"]) == []


def test_a_length_without_a_model_is_an_error(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(LengthNotServed):
        predict(models, "many_to_one", Rows.of([[0.1, 0.2]]))


class Failing(FakeRuntime):
    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        raise RuntimeError("a kernel is broken")


class NotANumber(FakeRuntime):
    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        return super().run(inputs, lengths) * np.float32(np.nan)


class Off(FakeRuntime):
    def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
        return super().run(inputs, lengths) + np.float32(0.5)


ROW = Rows.of([[0.25, 0.5]])


def on_trial(kind: Kind, runtime: FakeRuntime) -> Choice:
    """A version with this runtime on trial; the canary is the one that answers."""
    baseline, candidate = fake_model("many_to_many"), LoadedModel(make_manifest("many_to_many"), runtime)
    trial = Trial(kind, "production", baseline, candidate, 100.0, datetime(2026, 1, 1, tzinfo=UTC))
    return Choice(candidate, trial) if kind == "canary" else Choice(baseline, None, trial)


def ask(choice: Choice, times: int = 1, caller: Caller | None = None) -> tuple[list[Predicted], FakeModels]:
    """The answers, once all that was to be compared or told has been."""
    models = FakeModels({}, choice)

    async def one_after_another() -> list[Predicted]:
        engine = Engine(models, BARS)
        answers = [await engine.predict("many_to_many", ROW, caller or Caller()) for _ in range(times)]
        while engine._comparer._busy or engine._comparer._queue:
            await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, engine._withdrawing.shutdown)
        return answers

    return asyncio.run(one_after_another()), models


def test_a_model_that_answers_nan_is_the_services_fault(models: dict[str, LoadedModel]) -> None:
    with pytest.raises(NotFinite, match="answered NaN or infinity") as caught:
        predict({"many_to_many": LoadedModel(make_manifest("many_to_many"), NotANumber("many_to_many"))}, "many_to_many", ROW)
    assert caught.value.status == 500


def test_rows_too_far_out_for_a_finite_answer_are_the_clients_fault_and_fail_alone() -> None:
    class Overflows(FakeRuntime):
        def run(self, inputs: Floats, lengths: list[int] | None) -> Floats:
            with np.errstate(over="ignore"):
                return super().run(inputs, lengths) * np.float32(10)

    models = {"many_to_many": LoadedModel(make_manifest("many_to_many"), Overflows("many_to_many"))}
    far = Rows.of([[0.5], [0.25, 3e38]])
    with pytest.raises(TooFarOut, match=r"received row 1, so far out that there is no finite answer") as caught:
        predict(models, "many_to_many", far)
    assert caught.value.status == 422

    async def together() -> list[Predicted | BaseException]:
        engine = Engine(FakeModels(models), BARS)
        asked = (engine.predict("many_to_many", rows, Caller()) for rows in (ROW, far))
        return await asyncio.gather(*asked, return_exceptions=True)

    good, bad = asyncio.run(together())
    assert isinstance(good, Predicted)
    assert good.values.tolist() == [[2.5], [5.0]]
    assert isinstance(bad, TooFarOut)


def test_a_canary_answers_and_is_compared_with_the_version_in_place() -> None:
    choice = on_trial("canary", Off("many_to_many"))
    assert choice.canary is not None
    (predicted,), _ = ask(choice)
    assert (predicted.model, predicted.values.tolist()) == (choice.canary.candidate, [[0.75], [1.0]])
    assert (choice.canary.rows, choice.canary.past, choice.canary.largest) == (1, 1, 0.5)


@pytest.mark.parametrize("runtime", [Failing, NotANumber])
def test_the_version_in_place_answers_if_a_canary_fails(runtime: type[FakeRuntime]) -> None:
    choice = on_trial("canary", runtime("many_to_many"))
    trial = choice.canary
    assert trial is not None
    answers, models = ask(choice, ENOUGH - 1)
    assert {predicted.model for predicted in answers} == {trial.baseline}
    assert [predicted.values.tolist() for predicted in answers] == [ROW.values.tolist()] * (ENOUGH - 1)
    assert (trial.sides["candidate"].requests, trial.sides["candidate"].errors) == (ENOUGH - 1, ENOUGH - 1)
    assert (trial.sides["baseline"].requests, trial.sides["baseline"].errors) == (ENOUGH - 1, 0)
    assert (trial.ended, models.ended) == (False, [])


def test_a_canary_that_passes_a_bar_is_ended_once() -> None:
    choice = on_trial("canary", Failing("many_to_many"))
    assert choice.canary is not None
    for _ in range(ENOUGH):
        choice.canary.failed("candidate")
    answers, models = ask(choice, 5)
    assert choice.canary.ended
    assert models.ended == ["6 of 6 requests failed"]
    assert {predicted.model for predicted in answers} == {choice.canary.baseline}


def test_a_request_to_a_canary_past_its_deadline_gets_an_error() -> None:
    choice = on_trial("canary", Off("many_to_many"))
    assert choice.canary is not None
    with pytest.raises(DeadlineExceeded):
        ask(choice, caller=Caller(deadline=0.0))
    assert [(side.requests, side.errors) for side in choice.canary.sides.values()] == [(0, 0), (0, 0)]


def test_a_request_that_both_versions_fail_does_not_count_against_a_canary() -> None:
    choice = on_trial("canary", NotANumber("many_to_many"))
    assert choice.canary is not None
    object.__setattr__(choice.canary.baseline, "runtime", NotANumber("many_to_many"))
    with pytest.raises(NotFinite):
        ask(choice)
    assert choice.canary.sides["candidate"].errors == 0
    assert choice.canary.sides["baseline"].errors == 1


@pytest.mark.parametrize("runtime", [FakeRuntime, Off, Failing, NotANumber])
def test_a_shadow_changes_no_answer_whatever_it_does(runtime: type[FakeRuntime]) -> None:
    choice = on_trial("shadow", runtime("many_to_many"))
    trial = choice.shadow
    assert trial is not None
    answers, models = ask(choice, 20)
    assert {predicted.model for predicted in answers} == {trial.baseline}
    assert all(predicted.values.tolist() == ROW.values.tolist() and predicted.in_domain == [True] for predicted in answers)
    fails = runtime in (Failing, NotANumber)
    assert (trial.sides["candidate"].requests, trial.sides["candidate"].errors) == (20, 20 if fails else 0)
    assert (trial.rows, trial.past) == (0 if fails else 20, 20 if runtime is Off else 0)
    assert trial.sides["baseline"].requests == 20
    assert models.ended == []  # a shadow costs nobody an answer, so nothing ends it


def test_a_failure_of_the_version_in_place_is_counted_and_raised() -> None:
    choice = on_trial("shadow", FakeRuntime("many_to_many"))
    assert choice.shadow is not None
    object.__setattr__(choice.model, "runtime", Failing("many_to_many"))
    with pytest.raises(RuntimeError, match="a kernel is broken"):
        ask(choice)
    assert (choice.shadow.sides["baseline"].requests, choice.shadow.sides["baseline"].errors) == (1, 1)


def test_rows_too_far_out_count_against_no_version() -> None:
    choice = on_trial("shadow", FakeRuntime("many_to_many"))
    assert choice.shadow is not None
    object.__setattr__(choice.model, "runtime", NotANumber("many_to_many"))
    with pytest.raises(TooFarOut):
        asyncio.run(Engine(FakeModels({}, choice), BARS).predict("many_to_many", Rows.of([[3e38]]), Caller()))
    assert choice.shadow.sides["baseline"].requests == 0


def test_a_failure_of_the_version_in_place_counts_for_a_shadow_beside_a_canary_too() -> None:
    choice = on_trial("canary", NotANumber("many_to_many"))
    assert choice.canary is not None
    object.__setattr__(choice.canary.baseline, "runtime", NotANumber("many_to_many"))
    shadow = on_trial("shadow", FakeRuntime("many_to_many")).shadow
    assert shadow is not None
    with pytest.raises(NotFinite):
        ask(Choice(choice.canary.baseline, choice.canary, shadow))
    assert (choice.canary.sides["baseline"].errors, shadow.sides["baseline"].errors) == (1, 1)


@pytest.mark.parametrize(
    ("rows", "received"),
    [
        (Rows.of([[0.5]]), "plain numbers"),
        (Rows.of([[[1, 2, 3]]], 3), "steps of 3 numbers"),
        (Rows(np.empty((0, 2), np.float32), []), "none"),
        (Rows.of([[[1, 2]], []], 2), "an empty row at 1"),
    ],
)
def test_rows_that_the_model_cannot_take_are_our_error(rows: Rows, received: str) -> None:
    model = LoadedModel(manifest_of("walks", OWN["walks"]), FakeRuntime("many_to_one"))
    with pytest.raises(InvalidShape) as caught:
        check(model, rows)
    assert caught.value.extra["received"] == received
    check(model, Rows.of([[[1, 2]], [[1, 2]] * 9], 2))
