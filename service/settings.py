"""Every setting: name, type, default, meaning. No other file of `service/` reads the environment (`UNROLL_<NAME>`)."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contract.store_place import StorePlace, store_place


def _models_dir() -> Path:
    # In an image the models lie beside bento.yaml, two folders above this package.
    bento = Path(__file__).resolve().parents[2]
    if (bento / "bento.yaml").exists() and (bento / "models").is_dir():
        return bento / "models"
    return place().models


def _bentomls_models_dir() -> Path:
    return Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml") / "models"


def place() -> StorePlace:
    return store_place(os.environ, Path.cwd())


def metrics_folder() -> Path | None:
    """The folder in which workers share their metrics, as BentoML tells each of them; None outside a worker."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def _host() -> str:
    return "0.0.0.0" if os.environ.get("BENTOML_CONTAINERIZED") else "127.0.0.1"  # noqa: S104 - needs keys, or UNROLL_ALLOW_OPEN


def _told(fault: ErrorDetails) -> str:
    said = fault["msg"].removeprefix("Value error, ")
    return f"UNROLL_{fault['loc'][0]}".upper() + f": {said}; received {fault['input']!r}" if fault["loc"] else said


PREFIX: Final = "UNROLL_"
CLIENTS: Final = "KEY"
"""Of clients, which send it as their key."""
_INJECTED: Final = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""What Kubernetes sets in every pod for a service whose name begins with `unroll`, such as UNROLL_PORT_3000_TCP."""
_NEAR: Final = 0.7


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="UNROLL_", frozen=True)

    models_dir: Path = Field(
        default_factory=_models_dir,
        description="The model store. Default: the bento's own, else `$BENTOML_HOME/models`, else the project's.",
    )
    host: str = Field(
        default_factory=_host,
        description="Address to listen on unless `bentoml serve` names one. In a container: `0.0.0.0`.",
    )
    workers: int = Field(
        1, ge=1, description="Worker processes, each with all models: docs/production.md. `make serve WORKERS=2` sets it."
    )
    runtime: Literal["auto", "onnx", "tensorflow"] = Field(
        "auto",
        description="`auto`: ONNX Runtime if the version has a translation, else TensorFlow, which is ten times slower.",
    )
    max_body_bytes: int = Field(8 * 2**20, ge=1, description="Largest request body, decompressed, in bytes; beyond it 413.")
    body_seconds: float = Field(10.0, gt=0, description="How long a body may take to arrive, in seconds; beyond it 408.")
    max_waiting_bytes: int = Field(64 * 2**20, ge=1, description="Most bytes of waiting requests in one worker; beyond it 429.")
    max_waiting_ms: int = Field(
        100, ge=1, description="Longest queueing time, estimated from recent throughput; beyond it 429."
    )
    timeout_ms: int = Field(10_000, ge=1, description="Deadline of a request without `x-request-timeout-ms`; beyond it 504.")
    max_timeout_ms: int = Field(60_000, ge=1, description="Largest deadline that a request may ask for.")
    max_rows: int = Field(10_000, ge=1, description="Most rows in one request; beyond it 422.")
    max_items: int = Field(500_000, ge=1, description="Most items in one request, over all rows; beyond it 422.")
    watch_seconds: float = Field(
        2.0, gt=0, description="Seconds between looks at the store where its file system announces no changes."
    )
    drain_seconds: float = Field(
        5.0, ge=0, description="Seconds after SIGTERM in which the worker answers on while `/readyz` says 503."
    )
    grace_seconds: float = Field(
        25.0,
        gt=0,
        description="Longest time from SIGTERM to a worker's exit, in seconds; must be more than UNROLL_DRAIN_SECONDS.",
    )
    log_format: Literal["text", "json"] = Field("text", description="`text`, or `json`: an object a line.")
    access_log_sample: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of successful answers that are logged. Every error is logged, up to the limit per second.",
    )
    access_log_per_second: float = Field(
        10.0, ge=1, description="Most log lines a second about answers, and as many about errors, of one worker."
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=AliasChoices("UNROLL_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`; unset, no traces.",
    )
    trace_sample: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of requests that are traced if their client does not decide it in `traceparent`.",
    )
    version: str = Field(
        "unreleased", description="Version of the running software, for `unroll_build_info` and traces; images set it."
    )
    commit: str = Field("unknown", description="Commit of the running software, likewise.")
    keep_previous: int = Field(1, ge=0, description="Versions that `production` named before, kept loaded for a rollback.")
    compare_tolerance: float = Field(
        0.05, gt=0, description="Two versions differ in a row if an item differs by more than this, in widths of the domain."
    )
    canary_max_errors: float = Field(0.01, gt=0, le=1, description="Share of failed requests beyond which a canary ends.")
    canary_max_differences: float | None = Field(
        None, gt=0, le=1, description="Share of differing rows beyond which a canary ends. Unset: 0.01 for an echo, else none."
    )
    canary_max_tail: float = Field(
        3.0, gt=0, description="A canary ends when its p99 is more than this many times the p99 of the alias' own version."
    )
    canary_tail_floor_ms: int = Field(
        50, ge=0, description="A canary with a shorter p99 than this, in ms, never ends for its tail."
    )
    keys_file: Path | None = Field(
        None, description="API keys, one a line (docs/security.md); reread when it changes. Unset: no key is needed."
    )
    allow_open: bool = Field(
        False, description="Let the service listen for other machines without keys: every client is admitted."
    )
    open_metrics: bool = Field(False, description="Let `/metrics` answer without a key.")
    tls_certificate_file: Path | None = Field(None, description="PEM, with its chain; reread when it changes. Unset: no TLS.")
    tls_key_file: Path | None = Field(None, description="PEM, the certificate's key, not encrypted.")
    reread_seconds: float = Field(2.0, gt=0, description="Seconds between looks at the files of keys and certificates.")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call, comma-separated, such as `https://example.org`. Empty: none."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Hosts that requests may be for, comma-separated; `*`: any. Empty: docs/security.md#host-names."
    )
    max_connections: int = Field(
        4096, ge=1, description="Most open connections in one worker; beyond it 503, and beyond 1,024 more no answer."
    )
    max_header_bytes: int = Field(16_384, ge=1024, description="Most bytes of a request's line and headers; beyond it 431.")
    max_header_count: int = Field(64, ge=8, description="Most headers of a request; beyond it 431.")
    header_seconds: float = Field(
        10.0, gt=0, description="How long headers may take to arrive, in seconds; then the connection is closed."
    )
    idle_seconds: int = Field(75, ge=1, description="How long a connection may idle between requests, in seconds.")
    write_seconds: float = Field(
        30.0,
        gt=0,
        description="How long a client may read nothing of an answer, in seconds; then the connection is closed.",
    )
    max_unread_bytes: int = Field(
        64 * 2**20,
        ge=1,
        description="Most unread bytes of answers in one worker; beyond it the connection that is unread longest is closed.",
    )

    @classmethod
    def read(cls) -> "Settings":
        """Read the environment. If a setting is wrong, or misspelt, exit and say which."""
        if slips := misspelt(os.environ):
            raise SystemExit("\n".join(slips))
        try:
            return cls()
        except ValidationError as error:
            raise SystemExit("\n".join(_told(fault) for fault in error.errors(include_url=False))) from None

    @property
    def in_bentomls_store(self) -> bool:
        """Whether BentoML's own tools find the models."""
        return self.models_dir.resolve() == _bentomls_models_dir().resolve()

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not re.fullmatch(r"\*|\[[0-9A-Fa-f:.]+\]|[\w.-]+", host, re.ASCII):
                raise ValueError(f"expected names such as example.org or [::1], without a port, or *; received {host}")
        return hosts

    @field_validator("allowed_hosts", "cors_origins", mode="before")
    @classmethod
    def _separated(cls, stated: object) -> object:
        return tuple(part.strip() for part in stated.split(",") if part.strip()) if isinstance(stated, str) else stated

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            scheme, _, rest = origin.partition("://")
            if scheme not in ("http", "https") or not rest or "/" in rest or "*" in rest:
                raise ValueError(f"expected origins such as https://example.org, without a path; received {origin}")
        return origins

    @field_validator("keys_file", "tls_certificate_file", "tls_key_file", mode="before")
    @classmethod
    def _empty_is_none(cls, stated: object) -> object:
        return None if stated == "" else stated  # templates set unused variables to ""

    @model_validator(mode="after")
    def _times_fit(self) -> "Settings":
        if self.grace_seconds <= self.drain_seconds:
            stated = f"{self.grace_seconds:g} and {self.drain_seconds:g}"
            raise ValueError(f"expected UNROLL_GRACE_SECONDS to be more than UNROLL_DRAIN_SECONDS; received {stated}")
        if self.timeout_ms > self.max_timeout_ms:
            stated = f"{self.timeout_ms} and {self.max_timeout_ms}"
            raise ValueError(f"expected UNROLL_TIMEOUT_MS to be at most UNROLL_MAX_TIMEOUT_MS; received {stated}")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("expected both UNROLL_TLS_CERTIFICATE_FILE and UNROLL_TLS_KEY_FILE, or neither; received one")
        return self


def misspelt(variables: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that is no setting and looks like one."""
    known, slips = [*map(str.upper, Settings.model_fields), CLIENTS], []
    for variable in sorted(variables):
        name = variable.upper().removeprefix(PREFIX)
        if not variable.upper().startswith(PREFIX) or name in known:
            continue
        if name == "PORT" and "://" not in variables[variable]:
            slips.append(f"{variable} is no setting. Name the port with --port {variables[variable]}.")
        elif not _INJECTED.fullmatch(name):
            longer = [each for each in known if len(name) > 3 and each.startswith(name)]
            if near := longer[:1] or get_close_matches(name, known, n=1, cutoff=_NEAR):
                slips.append(f"{variable} is no setting. Did you mean {PREFIX}{near[0]}?")
    return slips
