"""One real service with keys and TLS for all of these tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import serving
from tests.e2e.security.guarded import ORIGIN, Guarded


@pytest.fixture(scope="package")
def guarded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    it = Guarded(tmp_path_factory.mktemp("guarded"))
    shutil.copytree(home / "models", it.folder / "models")  # of its own, because an admin changes it
    it.make("alice", "predict")
    it.make("root", "admin")
    it.make("prometheus", "metrics")
    it.make("slow", "predict", rate=0.001)
    it.make("past", "predict", days=-1)
    it.certify()
    settings = {
        "UNROLL_KEYS_FILE": str(it.keys.folder / "keys"),
        "UNROLL_TLS_CERTIFICATE_FILE": str(it.tls.folder / "certificate"),
        "UNROLL_TLS_KEY_FILE": str(it.tls.folder / "key"),
        "UNROLL_REREAD_SECONDS": "0.1",
        "UNROLL_CORS_ORIGINS": ORIGIN,
        "SSL_CERT_FILE": str(it.trusted),  # for whoever waits until it is ready
    }
    with serving(it.folder, scheme="https", settings=settings) as it.url:
        yield it
