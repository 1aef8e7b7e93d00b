"""Requests and answers, as the OpenAPI document and BentoML's client show them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, FiniteFloat, Strict
from pydantic.json_schema import SkipJsonSchema

from contract.manifest import DataFacts, Figure, GoldenPair, Manifest, Point, Quantity, Scaling, Score, Task
from contract.topologies import TopologyName

Item = Annotated[FiniteFloat, Strict()]
Row = Annotated[list[Item], Field(min_length=1), FailFast()]
Sequences = Annotated[
    list[Row],
    FailFast(),  # report one fault only: a body may hold a million
    Field(
        min_length=1,
        description="One list of numbers for each row. Rows may differ in length, except for many_to_one.",
        examples=[[[0.0, 0.2, 0.4, 0.6, 0.8]]],
    ),
]

NamedSequences = Annotated[
    list[Annotated[list[FiniteFloat | Annotated[list[FiniteFloat], Field(min_length=2)]], Field(min_length=1)]],
    Field(
        min_length=1,
        description="For each row a list of steps: of one feature a number, of several a list with a number for each of them.",
        examples=[[[[0.0, 0.2], [0.4, 0.6]]], [[0.0, 0.2, 0.4]]],
    ),
]

Wanted = Annotated[
    str | None,
    Field(
        max_length=100,
        description="A version, or an alias such as candidate. Default: production, else the newest that no other alias names.",
    ),
]
RoutingKey = Annotated[
    str | None,
    Field(
        max_length=200,
        description="While a canary answers a share of the requests, all requests with one key get the same side.",
    ),
]

IsStrict = Annotated[
    bool, Strict(), Field(description="Refuse a request with a row outside of the model's domain, instead of answering it.")
]


class PredictionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    sequences: Sequences
    model_version: Wanted = None
    routing_key: RoutingKey = None
    strict: IsStrict = False


class NamedPredictionRequest(BaseModel):
    """Body of `POST /models/{name}/predict`."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    sequences: NamedSequences
    model_version: Wanted = None
    routing_key: RoutingKey = None
    strict: IsStrict = False


class Prediction(BaseModel):
    """The model's answer to each row."""

    model_config = ConfigDict(protected_namespaces=())

    topology: TopologyName
    model: str = Field(description="Name of the model in the store, such as many_to_one_5.")
    version: str
    sequences: list[list[float]] = Field(description="As many rows as in the request, each of the same length.")
    model_input_shape: list[int] = Field(
        description="Shape of the request's rows as the model sees them; ragged rows count as padded."
    )
    model_output_shape: list[int]
    in_domain: list[bool] = Field(
        description="For each row: whether every item lies in the domain, on which the model was trained and gated."
    )


LeftOut = SkipJsonSchema[None]
"""An answer leaves the field out rather than write null."""


class FeatureDomain(BaseModel):
    """low <= value < high, for one feature."""

    name: str
    low: float
    high: float


class NamedPrediction(BaseModel):
    """A model's answer to each row: `sequences`, `outputs`, or `labels` with `probabilities`."""

    model_config = ConfigDict(protected_namespaces=())

    topology: TopologyName
    model: str
    version: str
    task: Task
    domain: list[FeatureDomain]
    classes: list[str] | LeftOut = Field(default=None, description="The order of the probabilities; for classify and label.")
    sequences: list[list[float]] | list[list[list[float]]] | LeftOut = Field(
        default=None, description="Where each step has an answer: for each row and step a number, or a list of K numbers."
    )
    outputs: list[list[float]] | LeftOut = Field(
        default=None, description="Where each row has an answer: K numbers for each row."
    )
    labels: list[str] | list[list[str]] | LeftOut = Field(
        default=None, description="The most probable class of each row, or of each row and step."
    )
    probabilities: list[list[float]] | list[list[list[float]]] | LeftOut = None
    model_input_shape: list[int]
    model_output_shape: list[int]
    in_domain: list[bool] = Field(
        description="For each row: whether every step lies in the domain, and the row is neither too short nor too long."
    )


class ModelInfo(BaseModel):
    """A version in memory, with the main facts of its manifest."""

    name: str
    version: str
    aliases: list[str]
    default: bool = Field(description="Whether this version answers requests that name no version.")
    task: Task
    topology: TopologyName
    features: list[Quantity] = Field(description="What a step consists of, in the order of its numbers.")
    targets: list[Quantity] = Field(description="What a forecast or a regression answers with.")
    classes: list[str] = Field(description="The order of probabilities.")
    horizon: int | None = Field(description="Steps that a many_to_one forecast returns.")
    any_length: bool = Field(description="Whether the model takes rows of every length, or only of `length`.")
    length: int = Field(description="Steps in the longest training row.")
    highest_length: int = Field(description="The longest rows that the gate tried.")
    units: int
    layers: int
    scaling: Scaling
    parameters: int
    score: Score | None = Field(description="How good the model is on held-out rows, beside the obvious answers.")
    data: DataFacts | None = Field(description="The user's own sequences; null: trained on generated ones.")
    recipe: str
    seed: int
    steps: int
    created: datetime
    commit: str
    libraries: dict[str, str]
    signatures: list[str]
    runtime: str = Field(description="What runs the version: `onnx` (the translation) or `tensorflow` (the SavedModel).")
    gate: dict[str, float] = Field(description="Figures of the gate, each within its bar: name -> value.")

    @classmethod
    def of(cls, manifest: Manifest, runtime: str, aliases: list[str], default: bool) -> "ModelInfo":
        own = {"gate", "aliases", "default", "runtime"}
        facts: dict[str, Any] = manifest.model_dump(include=set(cls.model_fields) - own)
        gate = {figure.name: figure.value for figure in manifest.gate}
        return cls(**facts, runtime=runtime, aliases=aliases, default=default, gate=gate)


class VersionInfo(BaseModel):
    version: str
    aliases: list[str]
    created: datetime
    score: Score | None


class Card(ModelInfo):
    """A model: the version that answers requests which name none, and all versions in memory, the oldest first."""

    curve: list[Point] = Field(description="Loss and metric in the course of training.")
    golden: list[GoldenPair] = Field(description="Rows with the answers that this version gave before it was published.")
    golden_tolerance: float
    figures: list[Figure] = Field(description="Figures of the gate with their bars, in the order in which they were measured.")
    versions: list[VersionInfo]


class RefusedVersion(BaseModel):
    """A published version that is not served, and why."""

    name: str
    version: str
    reason: str


class Worker(BaseModel):
    pid: int
    serving: dict[str, dict[str, str | None]] = Field(
        description="Model -> alias -> version, with `default`, and the versions on trial for production: `canary`, `shadow`."
    )


class Limits(BaseModel):
    """Of one request, by the names of the settings: `UNROLL_<NAME>`."""

    max_rows: int
    max_items: int = Field(description="Numbers, over all rows and features.")
    max_body_bytes: int
    timeout_ms: int = Field(description="Deadline of a request that names none.")
    max_timeout_ms: int


class Models(BaseModel):
    limits: Limits = Field(description="Of one request. A client sends what is more as several requests.")
    models: list[ModelInfo]
    refused: list[RefusedVersion]
    workers: list[Worker]


class SideInfo(BaseModel):
    requests: int
    errors: int
    p50_ms: float
    p99_ms: float


class ComparisonInfo(BaseModel):
    """A version on trial, compared with the version that its alias names, over all workers."""

    kind: str
    alias: str
    baseline: str
    candidate: str
    percent: float
    since: datetime
    compared_rows: int = Field(description="Rows in the domain that both versions answered.")
    differing_rows: int = Field(description="Compared rows that differ by more than the tolerance.")
    differing_share: float = Field(description="Share of the compared rows' answers, one a step or a row, that differ.")
    largest_difference: float
    mean_difference: float
    uncompared_requests: int = Field(description="Requests not compared: too many waited, or no thread could be started.")
    sides: dict[str, SideInfo]


class Comparison(BaseModel):
    model: str
    trials: list[ComparisonInfo]


class Problem(BaseModel):
    """An error as an RFC 9457 problem. Kinds of errors add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
