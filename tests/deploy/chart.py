"""Renders the chart with helm."""

import subprocess
from typing import Any

import yaml

from tests.conftest import ROOT

CHART = ROOT / "deploy" / "chart"
Resource = dict[str, Any]


def ask(helm: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm, *arguments], capture_output=True, text=True, timeout=60, check=False)


def render(helm: str, *options: str) -> list[Resource]:
    done = ask(helm, "template", "unroll", str(CHART), *options)
    assert done.returncode == 0, done.stderr
    return [resource for resource in yaml.safe_load_all(done.stdout) if resource]


def of_kind(resources: list[Resource], kind: str) -> Resource:
    (found,) = (resource for resource in resources if resource["kind"] == kind)
    return found
