"""One rule says where the store is, for training, for serving and for the command."""

from pathlib import Path

import pytest

from contract.store_place import for_libraries, store_place


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sales/.bentoml/models").mkdir(parents=True)
    (tmp_path / "sales/data").mkdir()
    return tmp_path / "sales"


def test_the_nearest_project_upward_has_the_store(project: Path) -> None:
    for folder in (project, project / "data"):
        place = store_place({}, folder)
        assert (place.models, place.home) == (project / ".bentoml/models", project / ".bentoml")
        assert str(place) == f"{project}/.bentoml/models (the project's)"


def test_a_checkout_without_a_store_is_a_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "unroll"\n')
    (tmp_path / "docs").mkdir()
    assert store_place({}, tmp_path / "docs").models == tmp_path / ".bentoml/models"


def test_another_project_s_pyproject_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "pyproject.toml").write_bytes(b'name = "caf\xe9"\n')
    place = store_place({}, tmp_path)
    assert place.models == tmp_path / "home/bentoml/models"
    assert str(place).endswith("(BentoML's default; a folder .bentoml makes a project's own)")


def test_a_variable_is_obeyed_and_the_project_s_own_store_is_named(project: Path, tmp_path: Path) -> None:
    place = store_place({"BENTOML_HOME": str(tmp_path / "other")}, project)
    assert str(place) == f"{tmp_path}/other/models (BENTOML_HOME; not {project}/.bentoml/models, the project's own)"
    both = {"BENTOML_HOME": str(tmp_path / "other"), "UNROLL_MODELS_DIR": "/store/models"}
    assert store_place(both, tmp_path) == (Path("/store/models"), "UNROLL_MODELS_DIR", None)
    assert store_place({"BENTOML_HOME": ""}, project).why == "the project's"


@pytest.mark.parametrize(
    "stated", [{"BENTOML_HOME": ".bentoml"}, {"UNROLL_MODELS_DIR": ".bentoml/models", "BENTOML_HOME": "/o"}]
)
def test_a_variable_that_names_the_project_s_own_store_is_not_mentioned(stated: dict[str, str], project: Path) -> None:
    assert str(store_place(stated, project)) == f"{project}/.bentoml/models (the project's)"


def test_libraries_are_told_the_same_store_and_what_a_user_set_stays(project: Path) -> None:
    told = for_libraries({"TF_CPP_MIN_LOG_LEVEL": "0", "BENTOML_HOME": ""}, project)
    assert (told["BENTOML_HOME"], told["TF_CPP_MIN_LOG_LEVEL"]) == (str(project / ".bentoml"), "0")
    assert for_libraries({"BENTOML_HOME": "/o"}, project)["BENTOML_HOME"] == "/o"
