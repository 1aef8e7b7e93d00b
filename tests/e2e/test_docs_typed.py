"""What the pages of docs/ tell a reader to type works, in an empty folder or in that of a project."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.reader import Reader


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with ExitStack() as running:
        yield Reader(tmp_path, running)


def numbers(printed: str) -> list[float]:
    """Of a NumPy array as Python prints it."""
    return [float(number) for number in printed.strip("[]\n").split()]


def test_the_tutorial_leads_from_a_file_to_a_canary_and_a_forecast(reader: Reader) -> None:
    reader.type_all("tutorial.md")
    _, trained, by_curl, by_python, promoted, canary, decided, predicted = reader.said
    assert "seasonal:12" in trained
    answer = json.loads(by_curl)
    assert len(answer["outputs"][0]) == 12
    assert numbers(by_python) == pytest.approx(answer["outputs"][0], rel=1e-5)
    assert "production names" in promoted
    assert "answers 20 % of production" in canary
    assert '"kind":"canary"' in decided
    assert len(predicted.splitlines()) == 2
    assert predicted.splitlines()[1].split(",")[-2].strip('"') != answer["version"]


def test_keys_certificates_and_prometheus_as_in_the_recipes(reader: Reader, home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "models", tmp_path / ".bentoml" / "models")
    reader.type_all("recipes.md")
    _, by_curl, by_python, metrics = reader.said
    assert numbers(by_python) == pytest.approx(json.loads(by_curl)["sequences"][0], rel=1e-5)
    assert "SUCCESS: prometheus.yaml is valid prometheus config file syntax" in metrics
    assert "unroll_build_info{" in metrics
    assert "The key" not in (tmp_path / "keys.jsonl").read_text()
