"""What docs/python.md shows is what happens."""

import ast
import asyncio
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tests.conftest import ROOT
from unroll.commands.main import cli

PAGE = (ROOT / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def used(kinds: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a user whose store has all kinds of models."""
    monkeypatch.setenv("UNROLL_MODELS_DIR", str(kinds / "models"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("used")
def test_the_examples_run_as_they_stand(kinds_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    examples = [text.replace("http://127.0.0.1:3000", kinds_url) for language, text in BLOCKS if language == "python"]
    assert len(examples) == 5

    async def run() -> None:
        for example in examples:
            code = compile(example, "docs/python.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)  # as a notebook does
            if inspect.isawaitable(done := eval(code, names)):
                await done

    asyncio.run(run())
    shown = capsys.readouterr().out
    assert "<Prediction of many_to_many@" in shown
    assert "100,000 rows; outputs (100000, 5)" in shown
    assert "{np.str_('a'): np.str_(" in shown
    assert "urn:unroll:error:out-of-domain 422 1 expected value from 0 up to 1" in shown


def test_the_commands_run_as_they_stand(used: Path) -> None:
    (used / "walks.csv").write_text("walk,x,y\na,0.1,1\na,0.2,2\nb,0.3,3\n")
    pq.write_table(pa.table({"value": [[0.1, 0.2], [0.3]]}), used / "rows.parquet")
    (commands,) = [text.splitlines() for _, text in BLOCKS if text.startswith("unroll predict")]
    for command in commands:
        done = CliRunner().invoke(cli, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output
    assert pq.read_table("answers.parquet")["walk"].to_pylist() == ["a", "b"]
    with np.load("answers.npz") as arrays:
        assert arrays["lengths"].tolist() == [2, 1]
