"""One real service with keys for all of these tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.asking import get
from tests.openapi.fuzz import Asked, guarded


@pytest.fixture(scope="package")
def service(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with guarded(home / "models", tmp_path_factory.mktemp("openapi")) as asked:
        yield asked


@pytest.fixture(scope="package")
def document(service: Asked) -> dict[str, Any]:
    """As the service writes it."""
    answer = get(f"{service.url}/docs.json", headers=service.headers)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole
