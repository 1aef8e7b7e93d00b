"""Installs the peers, each into an environment of its own under .venv-bench/, from requirements/bench-<peer>.txt.

    python -m benchmarks.install_peers [peer ...]

`torch` is one of them: PyTorch, for the table of engines. An environment that is up to date does not change.
"""

import subprocess
import sys
import venv

from benchmarks.servers.targets import PEERS, TARGETS, TORCH
from loadtests.processes import ROOT


def install(peer: str) -> None:
    requirements, environment = ROOT / "requirements" / f"bench-{peer}.txt", PEERS / peer
    done = environment / ".installed"
    if done.exists() and done.read_text() == requirements.read_text():
        return
    print(f"installing {peer} into {environment.relative_to(ROOT)} ...", file=sys.stderr)
    PEERS.mkdir(exist_ok=True)
    (PEERS / ".gitignore").write_text("*\n")
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(requirements)], check=True)
    done.write_text(requirements.read_text())


def main() -> int:
    peers = [*(target.environment for target in TARGETS if target.environment), TORCH]
    wanted = sys.argv[1:] or peers
    if unknown := set(wanted) - set(peers):
        names = ", ".join(sorted(unknown))
        print(f"benchmarks.install_peers: expected peers of {', '.join(peers)}; received {names}", file=sys.stderr)
        return 2
    failed = []
    for peer in wanted:
        try:
            install(peer)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"benchmarks.install_peers: {peer} is not installed: {error}", file=sys.stderr)
            failed.append(peer)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
