"""What a published model says of itself: `manifest.json` beside the SavedModel, written once and never changed."""

import math
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contract.topologies import TOPOLOGIES, Topology, TopologyName

CONTRACT_VERSION: Final = 1
"""Raised when shapes, signatures or this file change incompatibly. A service refuses versions of another contract."""
SHA256: Final = "^[0-9a-f]{64}$"
LOOSEST: Final = 0.01
"""Of a golden tolerance, in widths of the targets. Training writes 0.0005 at most."""
Text = Annotated[str, Field(max_length=1_000)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Float32 = Annotated[float, Field(ge=-3.5e38, le=3.5e38)]
Length = Annotated[int, Field(ge=1, le=1_000_000)]
Items = Annotated[list[Float32], Field(min_length=1, max_length=1_000_000)]


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


class Figure(_Frozen):
    """One measurement of the gate. It passes where value <= bar."""

    # A refused value is often infinite.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants", allow_inf_nan=True)

    name: Text
    value: float
    bar: float

    @property
    def passed(self) -> bool:
        return self.value <= self.bar  # NaN never passes

    @property
    def share(self) -> float:
        """The part of the bar that the value takes; infinite for NaN, and for any value above a bar of 0."""
        if math.isnan(self.value) or (self.bar == 0 and self.value > 0):
            return math.inf
        return self.value / self.bar if self.bar else 0.0


def worst_figure(gate: Iterable[Figure]) -> Figure | None:
    """The figure that is nearest to its bar, or furthest beyond it; None without figures."""
    return max(gate, key=lambda figure: figure.share, default=None)


class GoldenPair(_Frozen):
    """One row and the answer that the exported model gave before publishing; float32 written in full."""

    input: Items
    output: Items


class DataFacts(_Frozen):
    """The user's own sequences that a model was trained and gated on. A sequence is never on both sides of the split."""

    file: Text = Field(description="The file's name without its folder, or 'standard input'.")
    sha256: str = Field(pattern=SHA256, description="SHA-256 of the file's content.")
    task: Literal["echo", "mapping"] = Field(description="An echo returns the inputs; a mapping returns its own targets.")
    length: Length = Field(description="Items in a row.")
    stride: Count = Field(ge=1, description="Items from the start of one row to the start of the next.")
    split: Literal["by sequence", "by blocks of time"] = Field(description="Blocks of time split a single long series.")
    split_seed: Count
    held_out_fraction: float = Field(gt=0, lt=1, description="Requested share of held-out sequences or blocks.")
    sequences_train: Count = Field(description="Sequences, or blocks of time.")
    sequences_held_out: Count
    rows_train: Count
    rows_held_out: Count = Field(description="Held-out rows that do not occur among the training rows.")
    targets: Domain = Field(description="Range of the targets; for an echo, the domain.")


class Manifest(_Frozen):
    contract_version: int = CONTRACT_VERSION
    name: Text
    version: Text
    topology: TopologyName
    length: Length = Field(description="Length of the training rows; many_to_one takes no other.")
    highest_length: Length = Field(description="The longest rows that the gate tried.")
    units: int = Field(ge=1, le=65_536)
    parameters: Count
    domain: Domain
    data: DataFacts | None = Field(default=None, description="None: trained on generated sequences.")
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
        if self.name != (expected := self.shape.model_name(self.length)):
            raise ValueError(f"expected the name {expected} for {self.topology} of length {self.length}; received {self.name}")
        targets = self.domain if self.data is None else self.data.targets
        if self.golden_tolerance > (most := LOOSEST * (targets.high - targets.low)):
            raise ValueError(f"expected a golden_tolerance of at most {most:g}; received {self.golden_tolerance:g}")
        return self

    @property
    def shape(self) -> Topology:
        """This model's topology."""
        return TOPOLOGIES[self.topology]
