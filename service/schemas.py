"""The native protocol's requests and responses, as the OpenAPI page and BentoML's client show them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, FiniteFloat, Strict

from contract.manifest import Domain, Manifest
from contract.topologies import TopologyName

Item = Annotated[FiniteFloat, Strict()]
Row = Annotated[list[Item], Field(min_length=1), FailFast()]
Sequences = Annotated[
    list[Row],
    FailFast(),  # one fault is enough to say, and a body may hold a million
    Field(
        min_length=1,
        description="One list of numbers a row. Rows may differ in length, except for many_to_one.",
        examples=[[[0.0, 0.2, 0.4, 0.6, 0.8]]],
    ),
]


class PredictionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sequences: Sequences


class Prediction(BaseModel):
    """The echoed rows, and what the model saw of them."""

    model_config = ConfigDict(protected_namespaces=())

    topology: TopologyName
    model: str = Field(description="Name in the store, e.g. many_to_one_5.")
    version: str
    sequences: list[list[float]] = Field(description="As many rows as came, each of the length that came.")
    model_input_shape: list[int] = Field(description="Shape of this request's rows for the model; ragged rows count as padded.")
    model_output_shape: list[int]
    in_domain: list[bool] = Field(description="Per row: whether every item lies where the model was trained and gated.")


class ModelInfo(BaseModel):
    """A loaded model, with the main facts of its manifest."""

    name: str
    version: str
    aliases: list[str]
    topology: TopologyName
    length: int = Field(description="Trained on this length; many_to_one takes no other.")
    highest_length: int
    units: int
    parameters: int
    domain: Domain
    recipe: str
    seed: int
    steps: int
    created: datetime
    commit: str
    libraries: dict[str, str]
    signatures: list[str]
    gate: dict[str, float] = Field(description="Figure -> value, each within its bar.")

    @classmethod
    def of(cls, manifest: Manifest, aliases: list[str]) -> "ModelInfo":
        facts: dict[str, Any] = manifest.model_dump(include=set(cls.model_fields) - {"gate", "aliases"})
        return cls(**facts, aliases=aliases, gate={figure.name: figure.value for figure in manifest.gate})


class RefusedVersion(BaseModel):
    """A published version that is not served, and why."""

    name: str
    version: str
    reason: str


class Models(BaseModel):
    models: list[ModelInfo]
    refused: list[RefusedVersion]


class Problem(BaseModel):
    """An error, as RFC 9457 has it; kinds add facts of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
