"""What makes two SavedModels one program, and what versions that share one answer: exactly what each answers alone."""

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
import tensorflow as tf

from contract.topologies import TOPOLOGIES, Floats, Topology, TopologyName
from service.buckets import Bucket
from service.graph import fingerprint
from service.program import Program
from service.runtime import SavedModel, SavedModels
from tests.conftest import ROOT
from training.models import build, export

Exported = Callable[..., Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A SavedModel of this topology with weights of its own; each is exported once."""
    there: dict[tuple[object, ...], Path] = {}

    def exported(topology: TopologyName = "many_to_many", seed: int = 1, units: int = 5, length: int = 5) -> Path:
        key = (topology, seed, units, length)
        if key not in there:
            there[key] = tmp_path_factory.mktemp("saved")
            export(build(TOPOLOGIES[topology], units, length, seed), TOPOLOGIES[topology], there[key])
        return there[key]

    return exported


def export_module(folder: Path, constant: float, outside: bool = False) -> Path:
    """A SavedModel of one signature, x * weight + constant."""
    module = tf.Module()
    module.weight = tf.Variable(2.0, name="weight")
    added = tf.constant([constant]) if outside else [constant]
    spec = tf.TensorSpec((None, None, 1), tf.float32, name="sequences")
    answer = tf.function(lambda sequences: sequences * module.weight + added[0], input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": answer})
    return folder


def load(models: SavedModels, folder: Path, topology: Topology, version: str = "1", length: int = 5) -> SavedModel:
    return models.load(folder, topology, length, (topology.name, version))


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_other_weights_are_the_same_program(exported: Exported, topology: TopologyName) -> None:
    assert fingerprint(exported(topology, seed=1)) == fingerprint(exported(topology, seed=2))


def test_a_process_that_has_exported_more_or_less_gives_the_same_program(exported: Exported, tmp_path: Path) -> None:
    """Functions are numbered by the process: here they have had numbers of more digits."""
    mine = {topology: fingerprint(exported(topology)) for topology in TOPOLOGIES}
    code = f"""
from pathlib import Path
from contract.topologies import TOPOLOGIES
from training.models import build, export
for topology in TOPOLOGIES.values():
    export(build(topology, 5, 5, seed=3), topology, Path({str(tmp_path)!r}) / topology.name)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=120)
    assert {topology: fingerprint(tmp_path / topology) for topology in TOPOLOGIES} == mine


def test_another_architecture_is_another_program(exported: Exported) -> None:
    folders = [
        *(exported(topology) for topology in TOPOLOGIES),
        exported(units=6),
        exported("many_to_one", length=6),
        exported("many_to_one", length=6, units=6),
    ]
    assert len({fingerprint(folder) for folder in folders}) == len(folders)


def test_another_constant_is_another_program(tmp_path: Path) -> None:
    one, same, other = (export_module(tmp_path / str(n), constant) for n, constant in enumerate((0.5, 0.5, 0.25)))
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_a_constant_that_is_kept_outside_the_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="serving_default rests on more than its variables"):
        fingerprint(export_module(tmp_path, 0.5, outside=True))


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_versions_that_share_a_program_answer_as_each_does_alone(exported: Exported, name: TopologyName) -> None:
    topology, shared = TOPOLOGIES[name], SavedModels()
    first, second = (load(shared, exported(name, seed), topology, str(seed)) for seed in (1, 2))
    assert first.program is second.program
    time = 1 if name == "one_to_one" else 5
    asked = [np.random.default_rng(rows).random((rows, time, 1), np.float32) for rows in (1, 31, 64)]
    row = np.random.default_rng(5).random(2500, np.float32)

    def answers(model: SavedModel) -> list[Floats]:
        given = []
        for _ in range(2):  # while shapes are compiled, and after
            given = [model.predict(inputs) for inputs in asked]
            given += [model.predict_long(row)] if topology.return_sequences else []
            model.serve()
            model.settle()
        return given

    together = answers(first), answers(second)
    for seed, given in enumerate(together, 1):
        alone = answers(load(SavedModels(), exported(name, seed), topology, f"alone {seed}"))
        assert [a.tobytes() for a in given] == [a.tobytes() for a in alone]
    assert together[0][0].tolist() != together[1][0].tolist()


def test_a_second_version_compiles_nothing(exported: Exported) -> None:
    topology, models = TOPOLOGIES["one_to_one"], SavedModels()
    first = load(models, exported("one_to_one", 1), topology)
    compiled = dict(first.program._compiled)
    second = load(models, exported("one_to_one", 2), topology)
    second.predict(np.zeros((2, 1, 1), np.float32))
    assert second.program._compiled == compiled


def test_a_program_goes_with_the_last_version_that_uses_it(exported: Exported) -> None:
    topology, models = TOPOLOGIES["one_to_one"], SavedModels()
    first, second = (load(models, exported("one_to_one", seed), topology) for seed in (1, 2))
    second.serve()
    second.settle()
    program, weights = ref(first.program), ref(first._weights)
    del first
    gc.collect()
    assert (weights(), program()) == (None, second.program)
    del second
    gc.collect()
    assert program() is None
    assert not models._programs


def test_a_program_of_another_kind_is_compiled_for_what_the_one_before_was_compiled_for(exported: Exported) -> None:
    topology = TOPOLOGIES["one_to_one"]
    wanted = frozenset([Bucket(512, 1)])
    before = Program(exported("one_to_one"), topology, 5, ("one_to_one", "1"))
    before.compile(wanted)
    assert wanted <= before.compiled
    after = Program(exported("one_to_one", units=6), topology, 5, ("one_to_one", "2"))
    after.compile(before.compiled)
    assert before.compiled <= after.compiled
    assert before.compiled <= set(after._compiled)
