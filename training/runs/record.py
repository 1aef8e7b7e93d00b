"""The record of a run, `runs/<id>/`: its plan, its progress, and whether a process works on it.

data.npz       the user's own sequences, until the run has ended
plan.json      every value of what is trained and published; written once
status.json    running, interrupted, refused, failed or published, and why; replaced atomically
metrics.jsonl  one line per chunk: step, loss, learning rate, seconds; TensorBoard's files lie beside it
checkpoints/   the state to continue from (training/runs/checkpoints.py)
saved_model/   the export that the gate judged
gate.json      every figure and its bar
log.txt        what the console showed
.lock          held by the process that works on the run; a `running` run without a holder has died

An id is the run's version and the model's name. So a run publishes at most one version, however often it is resumed.
"""

import contextlib
import json
import shutil
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contract.atomic_files import write_atomically
from contract.hints import typed
from contract.manifest import Figure, Point, worst_figure
from contract.store import ModelStore
from training.runs.lock import held, take
from training.runs.plan import DATA, NoRun, RunPlan
from training.sequences.dataset import Dataset

RUNS = Path("runs")
"""The default folder of records."""
FIGURES = TypeAdapter(list[Figure])
CURVE = 100
"""Most points of a curve in a manifest."""
_ENDED = ("refused", "published")


class RunStatus(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["running", "interrupted", "refused", "failed", "published"] = "running"
    reason: str | None = None
    began: datetime = Field(description="When the current process, or the last one, started on the run.")
    worked: float = Field(default=0.0, description="Seconds of all earlier processes; at the end, of all processes.")
    weights: str | None = Field(default=None, description="SHA-256 of the weights after the last step.")
    compared_with: str | None = Field(default=None, description="The production version that the gate compared with.")


class Run:
    """A record whose lock this process holds. As a context it sets the status by how the block ends, and frees the lock."""

    def __init__(self, folder: Path, lock: IO[str], plan: RunPlan, status: RunStatus) -> None:
        self.folder, self.plan, self.status = folder, plan, status
        self._lock = lock

    def note(self, **changes: Any) -> None:
        self.status = self.status.model_copy(update=changes)
        write_atomically(self.folder / "status.json", self.status.model_dump_json(indent=2) + "\n")

    def end(self, status: str, reason: str | None = None) -> None:
        self.note(status=status, reason=reason, worked=self.worked())
        if status in _ENDED:
            (self.folder / DATA).unlink(missing_ok=True)

    def worked(self) -> float:
        """Seconds of work, of this process and earlier ones."""
        if self.status.status != "running":
            return self.status.worked
        return self.status.worked + max((datetime.now(UTC) - self.status.began).total_seconds(), 0.0)  # a clock may be set back

    def published(self) -> bool:
        """Whether the store has the run's version."""
        return ModelStore(self.plan.store).path(self.plan.model, self.plan.version).is_dir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, value: BaseException | None, _trace: TracebackType | None) -> None:
        with self._lock, _without_ctrl_c():
            if self.status.status != "running" or value is None:
                return
            if isinstance(value, KeyboardInterrupt):
                self.end("interrupted")
            else:
                self.end("failed", self.sentence(value))

    def sentence(self, error: BaseException) -> str:
        """An error in one line. Adds the folders where the error names no file, so that the full disk is known."""
        nameless = isinstance(error, OSError) and error.strerror and not error.filename
        return sentence(error) + (f", in {self.folder} or below {self.plan.store.parent}" if nameless else "")


class Record(NamedTuple):
    """A run as read from its folder, without its lock."""

    folder: Path
    plan: RunPlan
    status: RunStatus
    shown: str  # the status, or `died`
    step: int
    loss: float | None
    gate: list[Figure]
    seconds: float  # of work

    @property
    def version(self) -> str | None:
        return self.plan.version if self.shown == "published" else None

    @property
    def worst(self) -> Figure | None:
        """The figure nearest to its bar, or furthest past it."""
        return worst_figure(self.gate)


def begin(runs: Path, plan: RunPlan, data: Dataset | None = None) -> Run:
    """Make a record and hold its lock. Raises OSError where it cannot be written."""
    folder = runs / plan.id
    folder.mkdir(parents=True)
    lock = take(folder)
    if lock is None:
        raise NoRun(f"{folder} is new, but another process holds it: choose another folder than {runs}")
    run = Run(folder, lock, plan, RunStatus(began=datetime.now(UTC)))
    try:
        run.note()
        if data is not None:
            data.save(folder / DATA)
        write_atomically(folder / "plan.json", plan.model_dump_json(indent=2) + "\n")  # written last: it makes the record whole
    except BaseException:  # without plan.json the rest would fill the disk unseen
        lock.close()
        shutil.rmtree(folder)
        raise
    return run


def take_up(folder: Path) -> Run:
    """Hold a record to continue its run. Raises NoRun where another process holds it, or where the run has ended."""
    lock = take(folder)
    if lock is None:
        raise NoRun(f"{folder.name} is running: another process holds it")
    try:
        found = _read(folder, running=False, status_json=(folder / "status.json").read_bytes())
        if found.shown not in _ENDED:
            run = Run(folder, lock, found.plan, found.status)
            run.note(status="running", reason=None, began=datetime.now(UTC), worked=found.seconds)
            return run
    except BaseException:
        lock.close()
        raise
    lock.close()
    raise NoRun(f"{folder.name} is {found.shown}: there is nothing to resume")


def folders(runs: Path) -> list[Path]:
    """The folder of every record, oldest first."""
    return sorted(path.parent for path in runs.glob("[!.]*/plan.json"))


def find(runs: Path, wanted: str) -> Path:
    """The only record whose id begins with `wanted`, or the newest for `last`. Raises NoRun otherwise."""
    found = [path for path in folders(runs) if wanted == "last" or path.name.startswith(wanted)]
    if not found:
        raise NoRun(f"{runs} has no run {wanted}: `{typed('runs')}` lists what there is")
    if wanted != "last" and len(found) > 1:
        raise NoRun(f"{len(found)} runs begin with {wanted}: {', '.join(path.name for path in found)}")
    return found[-1]


def read(folder: Path) -> Record:
    """Read a record. Raises NoRun where its files are missing or damaged."""
    try:
        status_json, running = b"", False
        while status_json != (now := (folder / "status.json").read_bytes()):  # until no process started or ended in between
            status_json, running = now, held(folder)
    except OSError as error:
        raise NoRun(f"{folder} cannot be read: {sentence(error)}") from error
    return _read(folder, running, status_json)


def _read(folder: Path, running: bool, status_json: bytes) -> Record:
    try:
        settled = RunPlan.model_validate_json((folder / "plan.json").read_bytes())
        status = RunStatus.model_validate_json(status_json)
        gate_json = folder / "gate.json"
        gate = FIGURES.validate_json(gate_json.read_bytes()) if gate_json.exists() else []
        last = last_metrics(folder)
        seen = max(
            path.stat().st_mtime for path in folder.iterdir() if not path.name.startswith(".")
        )  # hidden files come and go
    except (OSError, ValidationError) as error:
        raise NoRun(f"{folder} cannot be read: {sentence(error)}") from error
    died = status.status == "running" and not running
    until = datetime.fromtimestamp(seen, UTC) if died else datetime.now(UTC)
    since = (until - status.began).total_seconds() if status.status == "running" else 0.0
    shown = "died" if died else status.status
    return Record(folder, settled, status, shown, last.get("step", 0), last.get("loss"), gate, status.worked + max(since, 0.0))


def last_metrics(folder: Path) -> dict[str, Any]:
    """The last whole line of metrics. A writer may be in the middle of the next."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    return dict(json.loads(whole[-1])) if whole else {}


def keep_metrics(folder: Path, until: int) -> None:
    """Drop the lines past step `until`, which training repeats, and a half-written line."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= until]
    write_atomically(path, "".join(kept))


def curve(folder: Path) -> list[Point]:
    """At most CURVE points of the run's metrics, evenly chosen; the last is among them."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    chosen = lines[::-1][:: -(-len(lines) // CURVE) or 1][::-1]
    return [
        Point(**{field: value for field, value in json.loads(line).items() if field in Point.model_fields}) for line in chosen
    ]


def sentence(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of a tree: one error per file
        return str(error.args[0][0][-1])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, OSError) and first else f"{type(error).__name__}: {first}"


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """A second Ctrl-C must not stop the status from being written. Only the main thread receives it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
