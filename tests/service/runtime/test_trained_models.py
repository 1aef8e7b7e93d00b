"""The compiled shapes of really trained models: the same numbers as the signature, whoever shares the call."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from contract.store import ModelStore
from contract.topologies import TOPOLOGIES, Floats, Rows, TopologyName
from service.buckets import LONE, LONG, TILE, TIMES, Bucket, bucket_for
from service.errors import TooFarOut
from service.model import LoadedModel
from service.program import OFTEN
from service.registry import Registry
from service.runtime import SavedModel, SavedModels
from service.tallies import tallies
from training.models import build, export


@pytest.fixture(scope="module")
def models(home: Path) -> dict[TopologyName, LoadedModel]:
    registry = Registry(ModelStore(home / "models"))
    registry.load_all()
    return {model.manifest.topology: model for model in registry.models}


@pytest.fixture(scope="module")
def signatures(home: Path, models: dict[TopologyName, LoadedModel]) -> dict[TopologyName, Callable[[Floats], Floats]]:
    """What TensorFlow itself answers."""
    return {name: signature(ModelStore(home / "models"), model) for name, model in models.items()}


def signature(store: ModelStore, model: LoadedModel) -> Callable[[Floats], Floats]:
    loaded = tf.saved_model.load(str(store.path(model.manifest.name, model.manifest.version)))

    def answer(inputs: Floats) -> Floats:
        (outputs,) = loaded.signatures["serving_default"](sequences=tf.constant(inputs)).values()
        return np.asarray(outputs)

    return answer


def settled(model: LoadedModel) -> LoadedModel:
    assert isinstance(model.runtime, SavedModel)
    model.runtime.settle()
    return model


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize("rows", [1, 2, 31, 33, 200])
def test_compiled_answers_are_those_of_the_signature(
    models: dict[TopologyName, LoadedModel],
    signatures: dict[TopologyName, Callable[[Floats], Floats]],
    name: TopologyName,
    rows: int,
) -> None:
    model, topology = models[name], TOPOLOGIES[name]
    asked = Rows.of(list(np.random.default_rng(rows).random((rows, 5), np.float32)))
    expected = topology.from_model(signatures[name](topology.to_model(asked)), asked)
    for _ in range(2):  # while its shape is being compiled, and after
        np.testing.assert_allclose(model.run(asked).values, expected, rtol=0, atol=5e-6)
        settled(model)


def test_two_thousand_companies_change_nothing(models: dict[TopologyName, LoadedModel]) -> None:
    """Random rows, lengths and companies: alone and batched, to the last bit up to `LONE`, within 1e-6 beyond."""
    names: list[TopologyName] = list(TOPOLOGIES)
    for compiled in (False, True):  # the first round asks for the shapes, the second finds them compiled
        rng = np.random.default_rng(2026)
        for _ in range(2000):
            model = models[names[rng.integers(3)]]
            longest = int(rng.choice([4, 16, LONE, 2 * LONE]))
            count = int(rng.choice([2, 5, 40]))
            lengths = [5] * count if model.manifest.topology == "many_to_one" else rng.integers(1, longest + 1, count)
            rows = [rng.random(length, np.float32) for length in lengths]
            chosen = int(rng.integers(count))
            together = Rows.of(rows).split(model.run(Rows.of(rows)).values)[chosen]
            alone = model.run(Rows.of([rows[chosen]])).values
            if compiled and len(alone) <= LONE:
                assert together.tolist() == alone.tolist()
            else:
                np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
        for model in models.values():
            settled(model)


def test_a_poisoned_row_changes_no_other(models: dict[TopologyName, LoadedModel]) -> None:
    model = models["many_to_many"]
    rows = list(np.random.default_rng(3).random((8, 5), np.float32))
    clean = model.runtime.predict(np.stack(rows)[..., None])
    rows[3] = np.full(5, np.nan, np.float32)
    poisoned = model.runtime.predict(np.stack(rows)[..., None])
    assert np.isnan(poisoned[3]).all()
    with pytest.raises(TooFarOut):
        model.run(Rows.of(rows))
    for number in {*range(8)} - {3}:
        assert poisoned[number].tolist() == clean[number].tolist()


def test_a_row_beyond_the_longest_time_carries_its_state_over(
    models: dict[TopologyName, LoadedModel], signatures: dict[TopologyName, Callable[[Floats], Floats]]
) -> None:
    model = models["many_to_many"]
    row = np.random.default_rng(4).random(2 * LONG + 100, np.float32)
    expected = signatures["many_to_many"](row[None, :, None])[0, :, 0]
    for _ in range(2):
        np.testing.assert_allclose(model.run(Rows.of([row])).values, expected, rtol=0, atol=1e-6)
        settled(model)
    whole = model.run(Rows.of([row])).values
    for length in (TIMES[-1] + 1, LONG - 1, LONG, LONG + 1, 2 * LONG):  # the same, wherever it is cut
        assert np.array_equal(model.run(Rows.of([row[:length]])).values, whole[:length])


def test_of_a_row_beyond_the_longest_time_no_more_is_computed_than_there_is(models: dict[TopologyName, LoadedModel]) -> None:
    model = models["many_to_many"]
    assert isinstance(model.runtime, SavedModel)
    computed = model.runtime._weights.computed._value
    row = np.zeros(LONG + 100, np.float32)
    model.run(Rows.of([row]))
    settled(model)
    tallies.tell()
    before = computed.get()
    model.run(Rows.of([row]))
    tallies.tell()
    assert computed.get() - before == len(row)


@pytest.mark.parametrize(("rows", "computed_rows"), [(1, 2), (20, 32), (33, 64), (1100, 1120)])
def test_of_a_large_batch_no_more_is_computed_than_whole_tiles(
    models: dict[TopologyName, LoadedModel], rows: int, computed_rows: int
) -> None:
    model = models["many_to_one"]
    assert isinstance(model.runtime, SavedModel)
    asked = Rows.of(list(np.random.default_rng(7).random((rows, 5), np.float32)))
    answers = [model.run(asked).values for _ in range(OFTEN)]
    settled(model)
    computed = model.runtime._weights.computed._value
    tallies.tell()
    before, calls = computed.get(), model.runtime._weights.calls._value.get()
    answers.append(model.run(asked).values)
    tallies.tell()
    assert computed.get() - before == 5 * computed_rows
    assert model.runtime._weights.calls._value.get() - calls == 1
    assert all(np.array_equal(answer, answers[0]) for answer in answers)  # in pieces, and whole


def test_a_wide_model_is_computed_in_whole_tiles_where_fewer_rows_differ(tmp_path: Path) -> None:
    topology = TOPOLOGIES["many_to_one"]
    export(build(topology, 40, 20, seed=1), topology, tmp_path / "saved")
    runtime = SavedModels().load(tmp_path / "saved", topology, 20, ("wide", "1"))
    runtime.serve()
    inputs = np.random.default_rng(5).random((TILE + 8, 20, 1), np.float32)
    together = runtime.predict(inputs)
    runtime.settle()
    for number in range(len(inputs)):
        assert runtime.predict(inputs[number : number + 1]).tolist() == together[number : number + 1].tolist()


def test_a_shape_that_others_can_stand_in_for_is_compiled_when_it_is_asked_for_often(home: Path) -> None:
    store = ModelStore(home / "models")
    version = store.versions("one_to_one")[-1]
    runtime = SavedModels().load(store.path("one_to_one", version), TOPOLOGIES["one_to_one"], 1, ("often", "1"))
    runtime.serve()
    inputs = np.random.default_rng(6).random((300, 1, 1), np.float32)
    answers = []
    for times in (1, OFTEN - 2, 1, 1):
        answers += [runtime.predict(inputs).tolist() for _ in range(times)]
        runtime.settle()
        assert (Bucket(512, 1) in runtime.program.compiled) == (len(answers) >= OFTEN)
    assert all(answer == answers[0] for answer in answers)  # in pieces, and whole


def test_a_shape_much_larger_than_what_could_stand_in_for_it_is_compiled_at_once(home: Path) -> None:
    store = ModelStore(home / "models")
    version = store.versions("one_to_one")[-1]
    runtime = SavedModels().load(store.path("one_to_one", version), TOPOLOGIES["one_to_one"], 1, ("large", "1"))
    runtime.serve()
    runtime.settle()  # shapes of up to 128 rows are there
    for rows, compiled in ((2048, False), (2049, True)):
        runtime.predict(np.zeros((rows, 1, 1), np.float32))
        runtime.settle()
        assert (bucket_for(rows, 1) in runtime.program.compiled) == compiled


def test_time_is_expected_to_be_what_it_was(models: dict[TopologyName, LoadedModel]) -> None:
    runtime = models["many_to_many"].runtime
    runtime.predict(np.zeros((2, 8, 1), np.float32))
    assert 0 < runtime.seconds(2, 8) < 1
    assert runtime.seconds(4096, 16) > runtime.seconds(2100, 16) > runtime.seconds(32, 16)
    runtime.predict(np.zeros((2 * TILE, 8, 1), np.float32))
    assert runtime.seconds(4 * TILE, 8) == pytest.approx(2 * runtime.seconds(2 * TILE, 8))
