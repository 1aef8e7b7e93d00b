"""The machine that figures were measured on, and the memory and processor time of a server's processes."""

import json
import platform
import re
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from training.environment import checkout_commit

SPEED_SECONDS = 0.2
_WORK = json.dumps([[number / 7, number / 11, number / 13] for number in range(1000)])


def facts() -> dict[str, str]:
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": checkout_commit("service", "contract", digits=7).replace("+", " and changes not committed"),
        "cpu": _cpu(),
        "cores": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": platform.python_version(),
        **{name: version(name) for name in ("onnxruntime", "tensorflow", "keras", "bentoml", "uvicorn")},
    }


def speed(seconds: float = SPEED_SECONDS) -> float:
    """How often a second one core does a fixed piece of work now: it reads numbers from JSON, and writes them.

    A shared machine's speed changes by half within minutes, and a service's capacity with it.
    """
    turns, begun = 0, time.perf_counter()
    while (took := time.perf_counter() - begun) < seconds:
        json.dumps(json.loads(_WORK))
        turns += 1
    return turns / took


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def memory(pid: int) -> list[float]:
    """Resident MB of a process and of each descendant, the largest first."""
    return sorted((process.memory_info().rss / 1e6 for process in family(pid) if process.is_running()), reverse=True)


def processor_seconds(pid: int) -> float:
    """Processor seconds of a process and its descendants so far, without those that have ended."""
    times = [process.cpu_times() for process in family(pid)]
    return float(sum(time.user + time.system for time in times))


def peak_memory(pid: int) -> float:
    """MB: the sum of each process' own peak, which Linux records."""
    statuses = [Path(f"/proc/{process.pid}/status").read_text() for process in family(pid)]
    return sum(int(re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[0]) for status in statuses) * 1024 / 1e6


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
