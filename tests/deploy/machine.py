"""Containers on a machine without a Docker engine and without a registry: podman over runc, in a folder of its own.

    eval "$(python -m tests.deploy.machine <folder>)"      then  make image  as anywhere else

The Dockerfiles' base image is built here from Debian's packages. It is a stand-in for tests only.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.image import BASE

NEEDED: Final = ("podman", "runc", "mmdebstrap")
INSTALL: Final = "apt-get install --no-install-recommends podman runc crun- mmdebstrap containernetworking-plugins catatonit"
CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
STORAGE: Final = """
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""
CONTAINERS: Final = f"""
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
netns = "host"
volumes = ["{CERTIFICATES}:{CERTIFICATES}:ro"]
[engine]
runtime = "runc" # crun asks for limits and cgroups that a container in a container has not
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
# Debian's slim images leave these folders out; python:3.13-slim has these packages.
LEAN: Final = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info", "groff", "lintian")]
PACKAGES: Final = "python3-minimal,python3-venv,python3-pip,ca-certificates"
HOOK: Final = (
    'rm -rf "$1"/usr/lib/python3.13/EXTERNALLY-MANAGED "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*; '
    'ln -s /usr/bin/python3.13 "$1"/usr/local/bin/python'
)
CHANGES: Final = (
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    f"ENV SSL_CERT_FILE={CERTIFICATES}",
    'CMD ["python3"]',
)


@dataclass(frozen=True)
class Machine:
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        return {
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
        }

    @property
    def environment(self) -> Mapping[str, str]:
        return {**os.environ, **self.settings}

    def podman(self, *arguments: str, seconds: float = 300) -> str:
        """Its output. Raises AssertionError with its errors when it fails."""
        done = subprocess.run(
            ["podman", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "storage.conf").write_text(STORAGE.format(folder=self.folder))
        (self.folder / "containers.conf").write_text(CONTAINERS)
        base = self.folder / "base.tar"
        make = ["mmdebstrap", "-q", "--variant=minbase", f"--include={PACKAGES}", *LEAN, f"--customize-hook={HOOK}"]
        subprocess.run([*make, "trixie", str(base)], check=True, capture_output=True, timeout=300)
        changes = [part for change in CHANGES for part in ("-c", change)]
        self.podman("import", *changes, str(base), f"localhost/{BASE}")
        base.unlink()

    def tear_down(self) -> None:
        self.podman("rm", "--all", "--force", "--time", "1")
        self.podman("volume", "rm", "--all", "--force")
        self.podman("rmi", "--all", "--force")
        overlay = self.folder / "graph" / "overlay"
        if overlay.is_mount():  # podman mounts it on itself
            subprocess.run(["umount", str(overlay)], check=True)
        shutil.rmtree(self.folder)


def why_not() -> str | None:
    """The reason why no containers can run here, or None."""
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} not installed: {INSTALL}"
    return None if os.geteuid() == 0 else "only root may use runc and overlay here"


def main() -> int:
    if reason := why_not():
        print(reason, file=sys.stderr)
        return 1
    machine = Machine(Path(sys.argv[1]).resolve())
    machine.set_up()
    for name, value in machine.settings.items():
        print(f"export {name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
