"""What a published model says of itself: `manifest.json` beside the SavedModel, written once and never changed."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.topologies import TOPOLOGIES, Topology, TopologyName

CONTRACT_VERSION: Final = 1
"""Raised when shapes, signatures or this file change incompatibly. A service refuses versions of another contract."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Domain(_Frozen):
    """The values on which a model was trained and gated: low <= value < high."""

    low: float
    high: float


class Figure(_Frozen):
    """One measurement of the gate. It passes where value <= bar."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")  # a refused value is often infinite

    name: str
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

    input: list[float] = Field(min_length=1)
    output: list[float] = Field(min_length=1)


class DataFacts(_Frozen):
    """The user's own sequences that a model was trained and gated on. A sequence is never on both sides of the split."""

    file: str = Field(description="The file's name without its folder, or 'standard input'.")
    sha256: str = Field(description="SHA-256 of the file's content.")
    task: Literal["echo", "mapping"] = Field(description="An echo returns the inputs; a mapping returns its own targets.")
    length: int = Field(ge=1, description="Items in a row.")
    stride: int = Field(ge=1, description="Items from the start of one row to the start of the next.")
    split: Literal["by sequence", "by blocks of time"] = Field(description="Blocks of time split a single long series.")
    split_seed: int
    held_out_fraction: float = Field(description="Requested share of held-out sequences or blocks.")
    sequences_train: int = Field(description="Sequences, or blocks of time.")
    sequences_held_out: int
    rows_train: int
    rows_held_out: int = Field(description="Held-out rows that do not occur among the training rows.")
    targets: Domain = Field(description="Range of the targets; for an echo, the domain.")


class Manifest(_Frozen):
    contract_version: int = CONTRACT_VERSION
    name: str
    version: str
    topology: TopologyName
    length: int = Field(ge=1, description="Length of the training rows; many_to_one takes no other.")
    highest_length: int = Field(ge=1, description="The longest rows that the gate tried.")
    units: int = Field(ge=1)
    parameters: int
    domain: Domain
    data: DataFacts | None = Field(default=None, description="None: trained on generated sequences.")
    recipe: str
    seed: int
    steps: int
    run_id: str
    created: datetime
    commit: str = Field(description="Commit of the training code; 'unknown' outside a checkout, '+' after uncommitted changes.")
    libraries: dict[str, str]
    signatures: tuple[Literal["serving_default", "step"], ...]
    gate: list[Figure]
    golden: list[GoldenPair] = Field(min_length=1)
    golden_tolerance: float = Field(
        default=1e-5, description="Largest allowed difference from a golden output, on any machine."
    )
    files: dict[str, str] = Field(default_factory=dict, description="Path in the version's folder -> SHA-256.")

    @property
    def shape(self) -> Topology:
        """This model's topology."""
        return TOPOLOGIES[self.topology]
