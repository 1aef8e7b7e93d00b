import logging
import os
from pathlib import Path

import pytest

from service.workers import Workers


def test_what_cannot_be_told_to_others_is_still_known_of_oneself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workers = Workers(tmp_path)
    workers.tell({"serving": 1})
    (tmp_path / f"{os.getpid()}.tmp").mkdir()  # in the way of the next file, as a full disk would be
    with caplog.at_level(logging.WARNING):
        workers.tell({"serving": 2})
    assert workers.all() == [{"pid": os.getpid(), "serving": 2}]
    assert "cannot tell the other workers" in caplog.text
    assert Workers(tmp_path)._mine.read_text().endswith('"serving": 1}')
