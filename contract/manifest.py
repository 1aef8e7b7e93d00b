"""What a published model says of itself. It lies beside the SavedModel as `manifest.json`, is written once, never changed."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.topologies import TOPOLOGIES, Topology, TopologyName

CONTRACT_VERSION: Final = 1
"""Raised when training and serving stop understanding each other: shapes, signatures, this file. Others are not served."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Domain(_Frozen):
    """The values on which a model was trained and gated: low <= value < high."""

    low: float
    high: float


class Figure(_Frozen):
    """One measurement of the gate: passed where value <= bar."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")  # what was refused is often infinite

    name: str
    value: float
    bar: float

    @property
    def passed(self) -> bool:
        return self.value <= self.bar  # NaN passes nothing

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

    file: str = Field(description="Its name, without the folder; or 'standard input'.")
    sha256: str = Field(description="Of its content.")
    task: Literal["echo", "mapping"] = Field(description="An echo gives the inputs back; a mapping gives targets of its own.")
    length: int = Field(ge=1, description="Items in a row.")
    stride: int = Field(ge=1, description="Items from the start of one row to that of the next, within a sequence.")
    split: Literal["by sequence", "by blocks of time"] = Field(description="Blocks of time: of the one long series there is.")
    split_seed: int
    held_out_fraction: float = Field(description="Of the sequences, or blocks, that were asked to be held out.")
    sequences_train: int = Field(description="Sequences, or blocks of time.")
    sequences_held_out: int
    rows_train: int
    rows_held_out: int = Field(description="Those that do not occur among the rows to train on.")
    targets: Domain = Field(description="Range of the targets; of an echo, the domain.")


class Manifest(_Frozen):
    contract_version: int = CONTRACT_VERSION
    name: str
    version: str
    topology: TopologyName
    length: int = Field(ge=1, description="Trained on rows of this length; many_to_one takes no other.")
    highest_length: int = Field(ge=1, description="The longest rows that the gate tried.")
    units: int = Field(ge=1)
    parameters: int
    domain: Domain
    data: DataFacts | None = Field(default=None, description="None: taught on generated sequences.")
    recipe: str
    seed: int
    steps: int
    run_id: str
    created: datetime
    commit: str = Field(description="Of the code that trained it; 'unknown' outside a checkout, '+' after uncommitted changes.")
    libraries: dict[str, str]
    signatures: tuple[Literal["serving_default", "step"], ...]
    gate: list[Figure]
    golden: list[GoldenPair] = Field(min_length=1)
    golden_tolerance: float = Field(default=1e-5, description="Largest difference from a golden output on another machine.")
    files: dict[str, str] = Field(default_factory=dict, description="Path in the version's folder -> SHA-256.")

    @property
    def shape(self) -> Topology:
        """The topology's own row of the table."""
        return TOPOLOGIES[self.topology]
