import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.__main__ import main
from tests.benchmarks.report.figures import capacity_result, serving_results, soak_result


@pytest.mark.parametrize("kind", ["capacity", "soak", "serving"])
def test_a_kept_result_is_drawn_anew(kind: str, tmp_path: Path) -> None:
    results: dict[str, dict[str, Any]] = {
        "capacity": capacity_result(990.0, 1010.0),
        "soak": soak_result() | {"growth": "by other statistics"},
        "serving": serving_results().as_json(),
    }
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(results[kind]))
    assert main([str(kept), "--results", str(tmp_path / "pages")]) == 0
    assert kept.with_suffix(".svg").read_text().startswith("<svg")
    assert kept.with_suffix(".html").read_text().startswith("<!doctype html>")
    assert "by other statistics" not in kept.read_text()
    pages = {path.name for path in (tmp_path / "pages").glob("*")}
    assert pages == ({"RESULTS.md", "results.svg"} if kind == "serving" else set())


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"windows": [{}]}'])
def test_another_file_is_an_error_that_says_what_was_expected(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text(text)
    assert main([str(other)]) == 2
    assert "expected a .json result of benchmarks.capacity" in capsys.readouterr().err
