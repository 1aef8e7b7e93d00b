"""What a published model says of itself: `manifest.json` beside the SavedModel, written once and never changed."""

import math
import re
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from contract.rows import Rows
from contract.topologies import NAME, TOPOLOGIES, ParameterCount, ShapeError, Topology, TopologyName, parse_echo_name

CONTRACT_VERSION: Final = 2
"""Raised when shapes, signatures or this file change incompatibly. A service refuses versions of another contract."""
SHA256: Final = "^[0-9a-f]{64}$"
LOOSEST: Final = 0.01
"""Of a golden tolerance, in widths of the targets. Training writes 0.0005 at most."""
Task = Literal["echo", "forecast", "regress", "classify", "label"]
"""echo: the inputs come back. forecast: the steps after a row. regress: numbers for a row or a step. classify: the class of a
row. label: the class of each step."""
Scaling = Literal["none", "domain", "standard", "window"]
"""How a SavedModel scales its inputs. domain: the domain becomes 0 to 1. standard: each feature has mean 0 and deviation 1 in
the training rows. window: each row is scaled by its own mean and deviation, and its outputs are scaled back."""
Metric = Literal["mae", "rmse", "mape", "mase", "r2", "accuracy", "balanced_accuracy", "f1", "log_loss"]
HIGHER_IS_BETTER: Final = frozenset({"r2", "accuracy", "balanced_accuracy", "f1"})
Text = Annotated[str, Field(max_length=1_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Float32 = Annotated[float, Field(ge=-3.5e38, le=3.5e38)]
Length = Annotated[int, Field(ge=1, le=1_000_000)]
Step = Annotated[list[Float32], Field(min_length=1, max_length=100_000)]
Steps = Annotated[list[Step], Field(min_length=1, max_length=1_000_000)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Domain(_Frozen):
    """The values on which a model was trained and gated: low <= value < high."""

    low: Float32
    high: Float32

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"expected low < high; received {self.low:g} and {self.high:g}")
        return self


class Quantity(_Frozen):
    """A feature or a target: one number of each step."""

    name: Name
    unit: Text = ""
    domain: Domain


class Figure(_Frozen):
    """One measurement of the gate. It passes where value <= bar, or with `at_least` where value >= bar."""

    # A refused value is often infinite.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants", allow_inf_nan=True)

    name: Text
    value: float
    bar: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar  # NaN never passes

    @property
    def share(self) -> float:
        """The part of the bar that the value takes, above 1 where it fails; infinite for NaN, and beyond a bar of 0."""
        if math.isnan(self.value) or math.isnan(self.bar):
            return math.inf
        if self.at_least:
            return self.bar / self.value if self.value > 0 else 0.0 if self.passed else math.inf
        if self.bar <= 0:
            return 0.0 if self.passed else math.inf
        return self.value / self.bar


def worst_figure(gate: Iterable[Figure]) -> Figure | None:
    """The figure that is nearest to its bar, or furthest beyond it; None without figures."""
    return max(gate, key=lambda figure: figure.share, default=None)


class Score(_Frozen):
    """How good a model is on rows that it was not trained on, beside the obvious answers to the same rows."""

    metric: Metric
    value: float
    low: float = Field(description="The lower end of the 95 % interval of the value.")
    high: float
    bar: float | None = Field(default=None, description="The value that the user asked for; null: none.")
    baselines: dict[Name, float] = Field(description="The metric of each baseline, such as naive or majority, by name.")
    beats: list[Name] = Field(description="The baselines that the model had to beat.")
    rows: Count = Field(description="Held-out rows.")


class Point(_Frozen):
    """One point of the curve of training."""

    step: Count
    loss: float
    validation_loss: float | None = Field(default=None, description="null: not measured after this step.")
    metric: float | None = Field(default=None, description="Mean absolute error, or accuracy; null: an echo.")
    validation_metric: float | None = None


class GoldenPair(_Frozen):
    """One row and the answer that the exported model gave before publishing; float32 written in full."""

    input: Steps = Field(description="Steps of F numbers.")
    output: Steps = Field(description="K numbers for each step; for many_to_one, K numbers once.")


class DataFacts(_Frozen):
    """The user's own sequences that a model was trained and gated on. A sequence is never on both sides of the split."""

    file: Text = Field(description="The file's name without its folder, or 'standard input'.")
    sha256: str = Field(pattern=SHA256, description="SHA-256 of the file's content.")
    test_file: Text | None = Field(default=None, description="The file that has the held-out rows; null: split from `file`.")
    length: Length = Field(description="Steps in the longest row.")
    shortest: Length = Field(description="Steps in the shortest row.")
    stride: Count = Field(ge=1, description="Steps from the start of one row to the start of the next.")
    split: Literal["by sequence", "by blocks of time", "by time", "by file"] = Field(
        description="Blocks of time split a single long series. By time: the held-out rows are the latest."
    )
    split_seed: Count
    held_out_fraction: float = Field(gt=0, lt=1, description="Requested share of held-out sequences, blocks or time.")
    sequences_train: Count = Field(description="Sequences, or blocks of time.")
    sequences_held_out: Count
    rows_train: Count
    rows_validation: Count = Field(description="Rows that choose the best weights; they are not trained on.")
    rows_held_out: Count = Field(description="Held-out rows that do not occur among the training rows.")
    read_as: dict[Name, JsonValue] = Field(
        default={}, max_length=100, description="The options by which the user had the file read, such as horizon: 12."
    )


class Manifest(_Frozen):
    contract_version: int = CONTRACT_VERSION
    name: str = Field(pattern=f"^{NAME}$")
    version: Text
    topology: TopologyName
    task: Task = "echo"
    features: list[Quantity] = Field(min_length=1, max_length=100_000, description="In the order of a step's numbers.")
    targets: list[Quantity] = Field(default=[], max_length=100_000, description="Of forecast and regress, in order.")
    classes: list[Name] = Field(default=[], max_length=100_000, description="Of classify and label, in order.")
    horizon: Length | None = Field(default=None, description="Steps that a many_to_one forecast returns.")
    length: Length = Field(description="Steps in the longest training row.")
    any_length: bool = Field(description="Whether the model takes rows of every length, or only of `length`.")
    highest_length: Length = Field(description="The longest rows that the gate tried.")
    units: int = Field(ge=1, le=65_536)
    layers: int = Field(default=1, ge=1, le=16)
    scaling: Scaling = "none"
    parameters: Count
    score: Score | None = Field(default=None, description="null: an echo, which the gate judges by its largest error.")
    data: DataFacts | None = Field(default=None, description="null: trained on generated sequences.")
    curve: list[Point] = Field(default=[], max_length=1_000, description="Loss and metric in the course of training.")
    recipe: Text
    seed: Count
    steps: Count
    run_id: Text
    created: AwareDatetime
    commit: Text = Field(
        description="Commit of the training code; 'unknown' outside a checkout, '+' after uncommitted changes."
    )
    libraries: dict[Text, Text] = Field(max_length=100)
    signatures: tuple[Literal["serving_default", "step"], ...]
    gate: list[Figure] = Field(max_length=1_000)
    golden: list[GoldenPair] = Field(min_length=1, max_length=1_000)
    golden_tolerance: float = Field(
        default=1e-5, ge=0, description="Largest allowed difference from a golden output, on any machine."
    )
    files: dict[str, Annotated[str, Field(pattern=SHA256)]] = Field(
        default_factory=dict, description="Path in the version's folder -> SHA-256."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Raises ValueError where two fields contradict each other."""
        echo = parse_echo_name(self.name)
        if echo is not None and (self.task != "echo" or self.name != self.shape.echo_name(self.length)):
            raise ValueError(
                f"{self.name} is the name of an echo; received a {self.topology} of length {self.length}: {self.task}"
            )
        wanted = {"forecast": "targets", "regress": "targets", "classify": "classes", "label": "classes"}.get(self.task)
        for field in ("targets", "classes"):
            if bool(getattr(self, field)) != (field == wanted):
                raise ValueError(f"a model of task {self.task} expected {'some' if field == wanted else 'no'} {field}")
        if (self.horizon is not None) != (self.task == "forecast" and not self.shape.per_step):
            raise ValueError("only a many_to_one forecast has a horizon")
        if not self.any_length and self.shape.per_step:
            raise ValueError(f"a {self.topology} model takes rows of any length")
        if self.golden_tolerance > (most := LOOSEST * self.widest):
            raise ValueError(f"expected a golden_tolerance of at most {most:g}; received {self.golden_tolerance:g}")
        return self

    @property
    def shape(self) -> Topology:
        """This model's topology."""
        return TOPOLOGIES[self.topology]

    @property
    def widest(self) -> float:
        """The largest range of an output."""
        if self.classes:
            return 1.0
        return max(each.domain.high - each.domain.low for each in self.targets or self.features)

    @property
    def outputs(self) -> int:
        """K: numbers in the answer to a step, or to a row."""
        if self.task == "echo":
            return len(self.features) if self.shape.per_step else self.length
        return len(self.classes) or len(self.targets) * (self.horizon or 1)

    @property
    def counted(self) -> ParameterCount:
        """The parameters by the arithmetic."""
        return self.shape.parameters(self.units, len(self.features), self.outputs, self.layers)

    def check(self, rows: Rows) -> None:
        """Raise ShapeError unless this model can take `rows`."""
        model = self.topology if parse_echo_name(self.name) else self.name
        if rows.features != (wanted := len(self.features)):
            names = re.sub(r"^(.{200}).*", r"\1 ...", ", ".join(feature.name for feature in self.features))
            steps = "plain numbers" if wanted == 1 else f"steps of {wanted} numbers ({names})"
            received = "plain numbers" if rows.features == 1 else f"steps of {rows.features} numbers"
            raise ShapeError(model, steps, received, f"The order of the numbers is that of GET /models/{self.name}.")
        self.shape.check(rows, not self.any_length, model)
        if not self.any_length and rows.uniform != self.length:
            longer = rows.uniform is None or rows.uniform > self.length
            what = "cut the rows to their last steps" if longer else "send more steps"
            hint = f"It was trained for this length only: {what}."
            raise ShapeError(model, f"rows of {self.length} steps", f"rows of {rows.uniform} steps", hint)

    def differs_from(self, other: "Manifest") -> str | None:
        """Why the answers of two versions cannot be compared, such as "task forecast, not classify"; None: they can be."""
        for field in ("task", "topology", "any_length", "length", "horizon", "classes"):
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs and not (field == "length" and self.any_length):
                return f"{field} {mine}, not {theirs}"
        for field in ("features", "targets"):
            mine, theirs = ([quantity.name for quantity in getattr(each, field)] for each in (self, other))
            if mine != theirs:
                return f"{field} {', '.join(mine)}, not {', '.join(theirs)}"
        return None
