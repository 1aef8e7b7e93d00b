import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from training import environment
from training.environment import commit


def test_the_commit_is_that_of_the_checkout() -> None:
    assert re.fullmatch(r"[0-9a-f]{40}\+?|unknown", commit())


def test_in_an_image_the_commit_is_what_the_image_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNROLL_COMMIT", "0123abc")
    assert commit() == "0123abc"


def test_outside_a_checkout_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("training.environment.__file__", str(tmp_path / "training" / "environment.py"))
    assert commit() == "unknown"


LINES = b"""WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796024525.741939   31186 port.cc:153] oneDNN custom operations are on.
E0000 00:00:1796024533.416284   31186 cuda_platform.cc:52] failed call to cuInit
A real fault
"""


def test_lines_of_the_log_are_dropped_and_others_are_shown(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with suppress(ImportError), environment.without_native_noise():
        os.write(2, LINES)
        raise ImportError
    assert capfd.readouterr().err == "A real fault\n"
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_whoever_asks_for_all_lines_sees_them(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with environment.without_native_noise():
        os.write(2, LINES)
    assert capfd.readouterr().err == LINES.decode()
