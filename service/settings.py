"""Every setting, once: name, type, default, meaning. The only place that reads the environment (`UNROLL_<NAME>`)."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _models_dir() -> Path:
    # A containerised bento carries its models beside its bento.yaml, two folders above this package.
    bento = Path(__file__).resolve().parents[2]
    if (bento / "bento.yaml").exists() and (bento / "models").is_dir():
        return bento / "models"
    home = os.environ.get("BENTOML_HOME") or Path.home() / "bentoml"
    return Path(home) / "models"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="UNROLL_", frozen=True)

    models_dir: Path = Field(
        default_factory=_models_dir,
        description="The model store. Default: the bento's own models folder if it has one, else `$BENTOML_HOME/models`.",
    )
    max_body_bytes: int = Field(8 * 2**20, ge=1, description="Largest request body, in bytes; beyond it 413.")
    max_rows: int = Field(10_000, ge=1, description="Most rows in one request; beyond it 422.")
    max_items: int = Field(500_000, ge=1, description="Most items in one request, over all rows; beyond it 422.")
