import re
from pathlib import Path

import pytest

from training.environment import commit


def test_the_commit_is_that_of_the_checkout() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}\+?|unknown", commit())


def test_in_an_image_the_commit_is_what_the_image_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_COMMIT", "0123abc")
    assert commit() == "0123abc"


def test_outside_a_checkout_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("training.environment.__file__", str(tmp_path / "training" / "environment.py"))
    assert commit() == "unknown"
