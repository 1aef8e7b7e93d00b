"""The record of a run, `runs/<id>/`: what was to be done, how far it came, and whether anybody is at it.

data.npz       the user's own sequences, until the run has ended
plan.json      what is to be trained and published, settled to the last value; written once
status.json    running, interrupted, refused, failed or published, and why; replaced atomically
metrics.jsonl  a line a chunk: step, loss, learning rate, seconds;  the same for TensorBoard beside it
checkpoints/   the state to go on from (training/runs/checkpoints.py)
saved_model/   the export that the gate judged
gate.json      every figure and its bar
log.txt        what the console showed
.lock          held by the process at work: a run that is `running` with nobody holding it has died

An id is the version that the run publishes and the model's name, so a run has at most one version, however often it is resumed.
"""

import contextlib
import json
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contract.atomic_files import write_atomically
from contract.manifest import Figure, worst_figure
from contract.store import ModelStore
from training.runs.lock import held, take
from training.runs.plan import DATA, NoRun, RunPlan
from training.sequences.dataset import Dataset

RUNS = Path("runs")
"""Where records go, unless told otherwise."""
FIGURES = TypeAdapter(list[Figure])
_ENDED = ("refused", "published")


class RunStatus(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Literal["running", "interrupted", "refused", "failed", "published"] = "running"
    reason: str | None = None
    began: datetime = Field(description="When the process now at work, or the last one, took the run up.")
    worked: float = Field(default=0.0, description="Seconds spent by the processes before it; at the end by all.")
    weights: str | None = Field(default=None, description="SHA-256 of the weights after the last step.")
    compared_with: str | None = Field(default=None, description="The production version that the gate compared with.")


class Run:
    """A record whose lock this process holds. As a context it ends the status by how the block ends, and lets go."""

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
        """Seconds, by this process and those before."""
        if self.status.status != "running":
            return self.status.worked
        return self.status.worked + max((datetime.now(UTC) - self.status.began).total_seconds(), 0.0)  # clocks are set back

    def published(self) -> bool:
        """Whether the store has its version."""
        return ModelStore(self.plan.store).path(self.plan.model, self.plan.version).is_dir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, value: BaseException | None, _trace: TracebackType | None) -> None:
        with self._lock, _deaf():
            if self.status.status != "running" or value is None:
                return
            if isinstance(value, KeyboardInterrupt):
                self.end("interrupted")
            else:
                self.end("failed", self.sentence(value))

    def sentence(self, error: BaseException) -> str:
        """An error in one line; which disk it was is sometimes not in it."""
        nameless = isinstance(error, OSError) and error.strerror and not error.filename
        return sentence(error) + (f", in {self.folder} or below {self.plan.store.parent}" if nameless else "")


class Record(NamedTuple):
    """A run as it is found, whoever is at it."""

    folder: Path
    plan: RunPlan
    status: RunStatus
    shown: str  # the status, or `died`
    step: int
    loss: float | None
    gate: list[Figure]
    seconds: float  # worked

    @property
    def version(self) -> str | None:
        return self.plan.version if self.shown == "published" else None

    @property
    def worst(self) -> Figure | None:
        """The figure that came closest to its bar, or went furthest past it."""
        return worst_figure(self.gate)


def begin(runs: Path, plan: RunPlan, data: Dataset | None = None) -> Run:
    """A new record, held. Raises OSError where it cannot be written."""
    folder = runs / plan.id
    folder.mkdir(parents=True)
    lock = take(folder)
    if lock is None:
        raise NoRun(f"{folder} was new and is held: something else is at work in {runs}")
    run = Run(folder, lock, plan, RunStatus(began=datetime.now(UTC)))
    try:
        run.note()
        if data is not None:
            data.save(folder / DATA)
        write_atomically(folder / "plan.json", plan.model_dump_json(indent=2) + "\n")  # last: with it the record is whole
    except BaseException:  # without it nobody finds what else is there, on a disk that is full
        lock.close()
        shutil.rmtree(folder)
        raise
    return run


def take_up(folder: Path) -> Run:
    """Hold a record in order to go on with it. Raises NoRun where a process is at it."""
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
    raise NoRun(f"{folder.name} is {found.shown}: there is nothing left to do")


def folders(runs: Path) -> list[Path]:
    """Of every record, oldest first."""
    return sorted(path.parent for path in runs.glob("[!.]*/plan.json"))


def find(runs: Path, wanted: str) -> Path:
    """The record whose id begins so, or the newest for `last`. Raises NoRun unless there is exactly one."""
    found = [path for path in folders(runs) if wanted == "last" or path.name.startswith(wanted)]
    if not found:
        raise NoRun(f"{runs} has no run {wanted}: `python -m training runs` lists what there is")
    if wanted != "last" and len(found) > 1:
        raise NoRun(f"{len(found)} runs begin with {wanted}: {', '.join(path.name for path in found)}")
    return found[-1]


def read(folder: Path) -> Record:
    """Raises NoRun where the files are not those of a record."""
    try:
        status_json, running = b"", False
        while status_json != (now := (folder / "status.json").read_bytes()):  # nobody came or went while we asked
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
        seen = max(path.stat().st_mtime for path in folder.iterdir() if not path.name.startswith("."))  # those go and come
    except (OSError, ValidationError) as error:
        raise NoRun(f"{folder} cannot be read: {sentence(error)}") from error
    died = status.status == "running" and not running
    until = datetime.fromtimestamp(seen, UTC) if died else datetime.now(UTC)
    since = (until - status.began).total_seconds() if status.status == "running" else 0.0
    shown = "died" if died else status.status
    return Record(folder, settled, status, shown, last.get("step", 0), last.get("loss"), gate, status.worked + max(since, 0.0))


def last_metrics(folder: Path) -> dict[str, Any]:
    """The last whole line; a writer may be in the midst of the next."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    return dict(json.loads(whole[-1])) if whole else {}


def keep_metrics(folder: Path, until: int) -> None:
    """Drop the lines past step `until`, which will be done again, and what a killed writer left of one."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= until]
    write_atomically(path, "".join(kept))


def sentence(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):  # of a tree: one for each file
        return str(error.args[0][0][-1])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, OSError) and first else f"{type(error).__name__}: {first}"


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A second Ctrl-C does not keep the first from being written down."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
