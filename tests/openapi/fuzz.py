"""Sends requests that follow the OpenAPI document, and requests that do not, to a service of its own: all routes, all checks.

python -m tests.openapi.fuzz --max-examples 300
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from contract.store import ModelStore
from loadtests.processes import BIN
from service.security.keys import SCOPES, line, new
from tests.asking import get
from tests.conftest import ROOT
from tests.e2e.conftest import serving
from tests.service.own_models import OWN, publish_own

HERE = Path(__file__).parent


class Asked(NamedTuple):
    """A service, and a key with every scope."""

    url: str
    key: str
    folder: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    @property
    def settings(self) -> dict[str, str]:
        return {"UNROLL_MODELS_DIR": str(self.folder / "store"), "UNROLL_KEYS_FILE": str(self.folder / "keys")}


@contextmanager
def guarded(models: Path, folder: Path) -> Iterator[Asked]:
    """A service with keys, and with models of its own, because admins change them: echoes, and one of each task and shape."""
    store = ModelStore(folder / "store")  # beside BentoML's own
    shutil.copytree(models, store.root)
    for name in OWN:
        store.promote(name, "production", publish_own(store, name).version)
    secret, key = new("all", list(SCOPES), None, None, None)
    (folder / "keys").write_text(f"{line(key)}\n")
    asked = Asked("", secret, folder)
    with serving(folder, settings=asked.settings) as url:
        yield asked._replace(url=url)


def fuzz(
    service: Asked, document: dict[str, Any], options: Sequence[str], shown: bool = False
) -> subprocess.CompletedProcess[str]:
    """Ask the service what the document says. `shown`: on the screen, as it goes on."""
    file = service.folder / "document.json"
    file.write_text(json.dumps(document))
    command = [str(BIN / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml"), "run", str(file)]
    return subprocess.run(
        [*command, "--url", service.url, "--checks", "all", "--no-color", *options],
        cwd=service.folder,  # where it keeps what it found
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.openapi.hooks", "KEY": service.key},
        stdout=None if shown else subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    home = Path(os.environ.get("BENTOML_HOME", ROOT / ".bentoml"))
    with tempfile.TemporaryDirectory() as scratch, guarded(home / "models", Path(scratch)) as asked:
        written = get(f"{asked.url}/docs.json", headers=asked.headers).json()
        sys.exit(fuzz(asked, written, sys.argv[1:], shown=True).returncode)
