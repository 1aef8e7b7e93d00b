import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from bentoml._internal.configuration.containers import BentoMLContainer

from service.hosting.shared_metrics import sweep, use_own_folder

NEVER_A_PROCESS = 2**22 + 1


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    BentoMLContainer.prometheus_multiproc_dir.set(str(tmp_path))
    yield tmp_path
    BentoMLContainer.prometheus_multiproc_dir.reset()


def test_each_service_has_a_folder_of_its_own(shared: Path) -> None:
    use_own_folder()
    assert BentoMLContainer.prometheus_multiproc_dir.get() == str(shared / f"{socket.gethostname()}-{os.getpid()}")


def test_folders_of_ended_services_of_this_machine_are_swept_and_no_others(shared: Path) -> None:
    host = socket.gethostname()
    kept = {f"{host}-{os.getppid()}", f"elsewhere-{NEVER_A_PROCESS}", f"{host}-mine", "counter_1.db"}
    for name in (*kept, f"{host}-{NEVER_A_PROCESS}"):
        (shared / name).mkdir()
    use_own_folder()
    sweep()
    assert {path.name for path in shared.iterdir()} == kept
