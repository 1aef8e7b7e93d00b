"""Where the model store is: one rule for training, for serving and for the `unroll` command.

1. UNROLL_MODELS_DIR, the folder of the models itself: images and charts set it.
2. BENTOML_HOME, before the project's store: a user sets it for one command on purpose, and `bentoml` obeys it too.
3. `.bentoml` of the project: of the nearest folder, from the current one upward, that has one or is a checkout of unroll.
4. ~/bentoml, BentoML's own default.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

HOME: Final = ".bentoml"
"""The folder of a project in which its store is."""


class StorePlace(NamedTuple):
    models: Path
    why: str  # what names the place
    ignored: Path | None = None  # the project's own models, where a variable names others

    @property
    def home(self) -> Path:
        """The folder to name as BENTOML_HOME."""
        return self.models.parent

    def __str__(self) -> str:
        other = f"; not {self.ignored}, the project's own" if self.ignored else ""
        return f"{self.models} ({self.why}{other})"


def store_place(environment: Mapping[str, str], folder: Path) -> StorePlace:
    """The store of a process with these variables, which runs in this folder."""
    project = _project(folder.absolute())
    own = None if project is None else project / HOME / "models"
    for variable, below in (("UNROLL_MODELS_DIR", ""), ("BENTOML_HOME", "models")):
        if stated := environment.get(variable):
            models = (folder / Path(stated).expanduser() / below).absolute()
            if own is not None and own.resolve() == models.resolve():
                break
            return StorePlace(models, variable, own if own is not None and own.is_dir() else None)
    if own is not None:
        return StorePlace(own, "the project's")
    return StorePlace(Path.home() / "bentoml" / "models", "BentoML's default; a folder .bentoml makes a project's own")


def for_libraries(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables for a process that imports BentoML or TensorFlow: the same store, and no lines that no user can use."""
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "TF_CPP_MIN_LOG_LEVEL": "3"}
    chosen = {"BENTOML_HOME": str(store_place(environment, folder).home), **quiet}
    return {variable: environment.get(variable) or value for variable, value in chosen.items()}


def _project(folder: Path) -> Path | None:
    return next((each for each in (folder, *folder.parents) if (each / HOME).is_dir() or is_checkout(each)), None)


def is_checkout(folder: Path) -> bool:
    """Whether a folder is one of unroll itself."""
    try:
        return 'name = "unroll"' in (folder / "pyproject.toml").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return False
