"""Makefile targets that could destroy work."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(("answer", "kept"), [("", True), ("\n", True), ("n\n", True), ("y\n", False)])
def test_clean_asks_before_it_removes_models_and_runs(tmp_path: Path, answer: str, kept: bool) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (".bentoml/models", "runs/1", "dist", ".venv/bin"):
        (tmp_path / name).mkdir(parents=True)
    cleaned = subprocess.run(["make", "clean"], cwd=tmp_path, input=answer, capture_output=True, text=True, check=True)
    assert [(tmp_path / name).exists() for name in (".bentoml", "runs", "dist", ".venv")] == [kept, kept, False, False]
    assert ("kept: .bentoml and runs" in cleaned.stdout) == kept
