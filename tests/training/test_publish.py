import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import bentoml.models  # imported here, or every child would import it again
import numpy as np
import pytest
from bentoml._internal.models import ModelStore as BentoStore

from contract import translation
from contract.manifest import Figure, Manifest
from contract.store import STAGING, ModelStore, new_version
from service.versions.registry import Registry
from tests.training.conftest import Trained
from tests.training.runs.test_plan import written
from tests.training.scores.built import plan_of, rows_data
from tests.training.untrained import UNTRAINED, plan_for
from tests.victim import Victim
from training.gate.exported import Exported
from training.publish import GOLDEN_PAIRS, GOLDEN_STEPS, golden_inputs, golden_pairs, manifest_for, publish

GATE = [Figure(name="error, held-out rows", value=0.01, bar=0.03)]


def manifest_of(trained: Trained, version: str | None = None) -> Manifest:
    golden = golden_pairs(trained.plan, Exported(trained.folder, trained.plan))
    return manifest_for(written(trained.folder, version), trained.plan, GATE, golden, None, [], trained.plan.steps)


def published(trained: Trained, store: ModelStore) -> Manifest:
    gate_json = trained.folder.parent / "gate.json"
    gate_json.write_text("[]")
    return publish(store, manifest_of(trained), trained.folder, gate_json)


def test_a_published_model_is_served_from_its_files(trained: Trained, store: ModelStore) -> None:
    manifest = published(trained, store)
    registry = Registry(store)
    registry.load_all()
    assert [(model.manifest, model.runtime.name) for model in registry.models] == [(manifest, "onnx")]
    assert {"saved_model.pb", "gate.json", "model.yaml", "variables/variables.index"} <= manifest.files.keys()
    assert {translation.FILE, translation.PACKED} <= manifest.files.keys()
    assert len(manifest.golden) == GOLDEN_PAIRS
    assert manifest.signatures == (
        ("serving_default", "step") if trained.plan.topology.return_sequences else ("serving_default",)
    )


@pytest.mark.parametrize("case", UNTRAINED)
def test_golden_inputs_of_a_task_are_held_out_rows_and_random_ones(case: str) -> None:
    plan = plan_for(case)
    assert plan.data is not None
    rows = golden_inputs(plan)
    assert len(rows) == GOLDEN_PAIRS
    assert {row.shape[1] for row in rows} == {len(plan.features)}
    lengths = [len(row) for row in rows]
    assert set(lengths) == {12} if not plan.any_length else {1, 2, 3, 17, 64} < set(lengths)
    held_out = [row.tolist() for row in plan.data.inputs(plan.data.held_out).split()]
    assert sum(row.tolist() in held_out for row in rows) == 4


def test_a_long_row_is_golden_in_part() -> None:
    data = rows_data("regress", [np.zeros((1_000, 2))] * 10, np.zeros((10, 1)))
    assert max(len(row) for row in golden_inputs(plan_of(data))) == GOLDEN_STEPS
    of_one_length = plan_of(data, length=1_000)
    assert {len(row) for row in golden_inputs(of_one_length)} == {1_000}


def test_the_manifest_says_what_a_task_answers(untrained: Callable[[str], Trained]) -> None:
    forecast = manifest_of(untrained("forecast"))
    assert (forecast.task, forecast.horizon, forecast.any_length, forecast.length) == ("forecast", 4, False, 12)
    assert [target.name for target in forecast.targets] == ["x1"]
    assert (forecast.scaling, forecast.layers, forecast.outputs, forecast.classes) == ("window", 2, 4, [])
    assert [len(pair.output) for pair in forecast.golden] == [1] * GOLDEN_PAIRS  # K numbers once
    label = manifest_of(untrained("label"))
    assert (label.task, label.horizon, label.any_length, label.outputs) == ("label", None, True, 3)
    assert (label.classes, label.targets) == (["class 0", "class 1", "class 2"], [])
    assert label.highest_length == label.length == 8
    assert label.counted.total == label.parameters
    assert all(len(pair.output) == len(pair.input) for pair in label.golden)


def test_the_manifest_names_the_commit_that_began_the_run(many_to_many: Trained) -> None:
    assert manifest_of(many_to_many).commit == written(many_to_many.folder).commit  # not of the code that resumed it


def test_bentoml_knows_the_model(many_to_many: Trained, store: ModelStore) -> None:
    manifest = published(many_to_many, store)
    model = bentoml.models.get("many_to_many:latest", _model_store=BentoStore(store.root))
    assert model.tag.version == manifest.version
    assert model.info.labels == {"topology": "many_to_many", "recipe": "general"}
    assert model.info.metadata == {"error, held-out rows": 0.01}
    assert [str(model.tag) for model in bentoml.models.list(_model_store=BentoStore(store.root))] == [str(model.tag)]


def publish_prepared(root: Path) -> None:
    """The victim runs this: everything is prepared, so publishing needs no TensorFlow."""
    prepared = root.parent / "prepared"
    manifest = Manifest.model_validate_json((prepared / "manifest.json").read_text())
    fresh = manifest.model_copy(update={"version": new_version()})
    publish(ModelStore(root), fresh, prepared / "saved_model", prepared / "gate.json")
    ModelStore(root).promote(fresh.name, "production", fresh.version)


def test_after_a_kill_at_any_write_an_earlier_version_is_served(
    many_to_many: Trained, store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published(many_to_many, store)
    prepared = store.root.parent / "prepared"
    shutil.copytree(many_to_many.folder, prepared / "saved_model")
    (prepared / "gate.json").write_text("[]")
    (prepared / "manifest.json").write_text(manifest_of(many_to_many).model_dump_json())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    kills = 0
    with Victim("tests.training.test_publish:publish_prepared", store.root) as victim:
        while True:
            victim.start(kill_at=kills + 1)
            code = victim.exit_code()
            registry = Registry(store)
            registry.load_all()
            assert registry.refusals == []
            (served,) = registry.served.values()
            model = served.default
            assert model.manifest.version >= before.version
            bentoml.models.list(_model_store=BentoStore(store.root))  # raises for half a version
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
    assert kills > 25
    assert model.manifest.version > before.version
    assert not list((store.root.parent / STAGING).glob("[!.]*"))
    assert list((tmp_path / "temporary").iterdir()) == []
