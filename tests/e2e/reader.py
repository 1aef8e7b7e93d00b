"""Somebody who types what a page of the documentation shows."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from loadtests.processes import free_port, process, wait
from tests.conftest import ROOT

PORT = "127.0.0.1:3000"


class Reader:
    """Types in `folder`, until `running` ends. `said`: what each block printed, without the one that serves."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self.said: list[str] = []
        self._folder, self._running, self._port = folder, running, free_port()
        (folder / "bin").mkdir()
        command = folder / "bin" / "unroll"  # as `make setup` installs it
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m unroll "$@"\n')
        command.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("UNROLL_")}
        path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
        self._environment = kept | {"PATH": path, "PYTHONPATH": str(ROOT), "UNROLL": str(ROOT), "BENTOML_HOME": ""}

    def type_all(self, page: str) -> None:
        """Every block of docs/`page` that is marked `sh` or `python`, in its order."""
        text = (ROOT / "docs" / page).read_text().replace(PORT, f"127.0.0.1:{self._port}")
        for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            if "unroll serve" in block:
                self._serve(block.strip())
            else:
                self._run([sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"], block)

    def _run(self, words: list[str], block: str) -> None:
        done = subprocess.run(
            [*words, block], cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        self.said.append(done.stdout)

    def _serve(self, command: str) -> None:
        log = self._folder / "service.log"
        own = f"unset BENTOML_HOME && cd '{self._folder}' && {command} --port {self._port}"  # a test before may have set it
        words = ["bash", "-c", own]
        service = self._running.enter_context(process(words, log, self._environment))
        wait(service, log, lambda: None if "ready: http" in log.read_text() else "it has not said ready")
