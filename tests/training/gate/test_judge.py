import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from contract.manifest import Figure
from tests.training.conftest import Trained, own_data
from training import networks
from training.fit import fit
from training.gate.judge import judge
from training.networks import build, export
from training.plan import Chosen, Network, plan_echo
from training.recipes import GENERAL, TUTORIAL
from training.sequences.scaling import Scaling


def figures(trained: Trained) -> dict[str, Figure]:
    return {figure.name: figure for figure in judge(trained.model, trained.folder, trained.plan)}


def refused(judged: dict[str, Figure]) -> set[str]:
    return {name for name, figure in judged.items() if not figure.passed}


def test_a_trained_model_passes_every_bar(trained: Trained, judged: dict[str, Figure]) -> None:
    assert refused(judged) == set()
    assert judged["parameters off the arithmetic"].value == 0
    assert judged["error, held-out rows"].value < 0.03
    every_length = {name for name in judged if name.endswith("1..256, 1000")}
    assert len(every_length) == (2 if trained.plan.topology.per_step else 0)
    assert ("step against whole sequence" in judged) is trained.plan.topology.return_sequences


@pytest.mark.usefixtures("short_gate")
def test_an_untrained_model_is_refused(many_to_many: Trained, tmp_path: Path) -> None:
    fresh = build(many_to_many.plan.network, 5, seed=1)
    export(fresh, many_to_many.plan.network, tmp_path / "saved")
    judged = figures(many_to_many._replace(model=fresh, folder=tmp_path / "saved"))
    assert {"error, held-out rows", "error, all highest", "error, edges, 1..16, 1000"} <= refused(judged)
    assert judged["export against Keras"].passed


@pytest.mark.usefixtures("short_gate")
def test_the_time_distributed_fault_of_keras_is_refused(
    many_to_many: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bring the fault back: export the Keras layers unchanged, with `TimeDistributed` over a dynamic time axis."""
    monkeypatch.setattr(networks, "forward", lambda model, inputs, lengths=None: model(inputs))
    export(many_to_many.model, many_to_many.plan.network, tmp_path / "saved")
    faulty = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    (output,) = faulty(sequences=tf.zeros((1, 5, 1))).values()
    assert output.shape == (1, 1, 1)  # this Keras has the fault: when this line fails, remove the workaround

    judged = figures(many_to_many._replace(folder=tmp_path / "saved"))
    assert judged["export against Keras"].value == math.inf
    assert {"export against Keras", "error, held-out rows", "alone against in a batch"} <= refused(judged)


@pytest.mark.usefixtures("short_gate")
def test_an_export_of_other_weights_is_refused(many_to_many: Trained, tmp_path: Path) -> None:
    nudged = keras.models.clone_model(many_to_many.model)
    nudged.set_weights([weight + np.float32(1e-3) for weight in many_to_many.model.get_weights()])
    export(nudged, many_to_many.plan.network, tmp_path / "saved")
    assert "export against Keras" in refused(figures(many_to_many._replace(folder=tmp_path / "saved")))


@pytest.mark.usefixtures("short_gate")
def test_a_model_that_answers_nan_is_refused(many_to_many: Trained, tmp_path: Path) -> None:
    broken = keras.models.clone_model(many_to_many.model)
    broken.set_weights([np.full_like(weight, np.nan) for weight in many_to_many.model.get_weights()])
    export(broken, many_to_many.plan.network, tmp_path / "saved")
    judged = figures(many_to_many._replace(model=broken, folder=tmp_path / "saved"))
    assert refused(judged) == set(judged) - {"parameters off the arithmetic"}


@pytest.mark.usefixtures("short_gate")
def test_a_step_endpoint_with_other_answers_is_refused(
    many_to_many: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = build(many_to_many.plan.network, 5, seed=2)
    real = networks._add_step

    def of_another_model(
        archive: keras.export.ExportArchive, _model: keras.Model, network: Network, scaling: Scaling | None
    ) -> None:
        archive.track(other)
        real(archive, other, network, scaling)

    monkeypatch.setattr(networks, "_add_step", of_another_model)
    export(many_to_many.model, many_to_many.plan.network, tmp_path / "saved")
    assert refused(figures(many_to_many._replace(folder=tmp_path / "saved"))) == {"step against whole sequence"}


def test_a_tutorial_model_is_judged_on_its_one_sequence(tmp_path: Path) -> None:
    settled = plan_echo(TUTORIAL, "many_to_one", length=5, seed=1)
    model = build(settled.network, 5, seed=1)
    export(model, settled.network, tmp_path / "saved")
    judged = figures(Trained(settled, model, tmp_path / "saved"))
    assert refused(judged) == {"error, its one sequence"}


@pytest.mark.usefixtures("short_gate")
def test_an_echo_of_own_data_is_judged_on_its_held_out_rows_and_on_its_whole_domain(tmp_path: Path) -> None:
    data = own_data(tmp_path, np.random.default_rng(1).normal(1000, 50, (200, 5)))
    settled = plan_echo(GENERAL, "one_to_one", 5, seed=1, chosen=Chosen(steps=2_000), data=data)
    model = build(settled.network, 5, seed=1)
    list(fit(model, settled))
    export(model, settled.network, tmp_path / "saved", settled.scaling)
    judged = figures(Trained(settled, model, tmp_path / "saved"))
    assert refused(judged) == set()
    width = settled.domain.high - settled.domain.low
    bars = {name: figure.bar / width for name, figure in judged.items() if figure.bar}
    assert bars["error, held-out rows"] == pytest.approx(0.02)
    assert bars["error, random rows"] == bars["error, random rows, 1..16, 1000"] == pytest.approx(0.03)
    assert bars["error, all highest"] == bars["error, edges, 1..16, 1000"] == pytest.approx(0.05)
    assert 1e-5 < bars["export against Keras"] < 2e-5

    export(model, settled.network, tmp_path / "unscaled")  # a model that mistakes the user's units for its own
    judged = figures(Trained(settled, model, tmp_path / "unscaled"))
    assert {"error, held-out rows", "export against Keras"} <= refused(judged)
