"""Load from `wrk`: one run, its figures, and whether the answers were right."""

import json
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")
MARK = "RESULT "


@dataclass(frozen=True)
class Load:
    """One run, or the medians of several."""

    rps: float  # good answers
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: int  # another status than 2xx or 3xx, no answer, or a broken connection
    checked: int  # good answers that were compared with the right one
    wrong: int
    rounds: tuple[float, ...] = ()  # requests/s of the several

    def with_checks(self, compared: "Load") -> "Load":
        """These speeds, with the failures of another pass added."""
        return replace(self, failed=self.failed + compared.failed, checked=compared.checked, wrong=compared.wrong)


def there() -> bool:
    return shutil.which("wrk") is not None


def run(url: str, connections: int, seconds: float, body: Path, expected: Path | None = None) -> Load:
    """Load `url` with a body. With `expected` wrk compares every answer, which makes it slower."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "30s"]
    command += ["-s", str(SCRIPT), url, "--", str(body), *([str(expected)] if expected else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"wrk ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """The figures in wrk.lua's last line. Raises ValueError when there is no such line."""
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise ValueError(f"wrk printed no result: {output[-500:]}")
    found = json.loads(line.removeprefix(MARK))
    p50, p99, most = (found[name] / 1e3 for name in ("p50_us", "p99_us", "max_us"))
    failed = found["status"] + found["socket"] + found["timeout"]
    good = found["requests"] - found["status"]  # wrk counts answers of any status
    return Load(good / found["seconds"], p50, p99, most, failed, found["checked"], found["wrong"])


def medians(loads: Sequence[Load]) -> Load:
    """Medians of the speeds, and the sum of the failures: none may happen."""
    rps, p50, p99 = (statistics.median(getattr(load, name) for load in loads) for name in ("rps", "p50_ms", "p99_ms"))
    failed, checked, wrong = (sum(getattr(load, name) for load in loads) for name in ("failed", "checked", "wrong"))
    return Load(rps, p50, p99, max(load.max_ms for load in loads), failed, checked, wrong, tuple(load.rps for load in loads))
