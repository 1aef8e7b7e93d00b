"""The face of the project: the `unroll` command, and what a notebook imports. Nothing else in this project imports it.

    unroll.load("many_to_many@production").predict([[0.1, 0.2]])                                # without a server
    unroll.Client("http://127.0.0.1:3000").predict("many_to_many", [[0.1, 0.2]])                # from a running one

Each name is imported at its first use, because a client needs no TensorFlow and a command no HTTP client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from service import errors as errors
    from service.errors import UnrollError as UnrollError
    from unroll.client import AsyncClient as AsyncClient
    from unroll.client import Client as Client
    from unroll.local import Model as Model
    from unroll.local import load as load
    from unroll.predictions import Prediction as Prediction
    from unroll.problems import NotReached as NotReached
    from unroll.problems import OtherAnswer as OtherAnswer

_PLACES: Final = {
    "AsyncClient": "unroll.client",
    "Client": "unroll.client",
    "Model": "unroll.local",
    "NotReached": "unroll.problems",
    "OtherAnswer": "unroll.problems",
    "Prediction": "unroll.predictions",
    "UnrollError": "service.errors",
    "errors": "service.errors",
    "load": "unroll.local",
}
__all__ = [*_PLACES]  # noqa: PLE0604 - the names above


if not TYPE_CHECKING:  # else every misspelt name has a type

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module 'unroll' has no attribute {name!r}")
        module = import_module(_PLACES[name])
        return module if name == "errors" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
