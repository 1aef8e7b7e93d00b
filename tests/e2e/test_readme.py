"""What the README shows is what happens."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)


def test_the_first_block_is_the_two_commands() -> None:
    commands = [line.split("#")[0].strip() for line in BLOCKS[0][1].splitlines()]
    assert commands == ["make serve", "make test"]


def test_the_curl_gives_the_answer_that_is_shown(url: str) -> None:
    (command,) = [text.strip() for _, text in BLOCKS if text.startswith("curl")]
    (shown,) = [json.loads(text) for language, text in BLOCKS if language == "json"]
    assert "http://127.0.0.1:3000" in command
    printed = subprocess.run(
        ["bash", "-c", command.replace("http://127.0.0.1:3000", url)], capture_output=True, text=True, check=True, timeout=30
    )
    answer = json.loads(printed.stdout)
    assert list(answer) == list(shown)
    for echoed, written in zip(answer.pop("sequences"), shown.pop("sequences"), strict=True):
        np.testing.assert_allclose(echoed, written, atol=0.03)
    assert answer | {"version": ""} == shown | {"version": ""}


def test_the_tree_is_the_tree() -> None:
    listed = set(re.findall(r"^\| `([\w.]+)/?` \|", README.split("## The tree")[1], re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= listed
    assert all((ROOT / name).exists() for name in listed)
