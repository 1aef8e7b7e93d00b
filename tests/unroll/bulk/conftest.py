"""The command, and files for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from contract.rows import Floats
from unroll.commands.predict import predict

Run = Callable[..., Result]


@pytest.fixture
def run(kinds: Path) -> Run:
    """The command, with the store of all kinds."""

    def run(*arguments: object, store: Path = kinds) -> Result:
        return CliRunner().invoke(predict, [*map(str, arguments), "--store", str(store)])

    return run


def lists(rows: list[Floats], features: tuple[str, ...], file: Path, **more: Any) -> Path:
    """Parquet with a list of numbers for each feature."""
    columns = {name: pa.array([row[:, place] for row in rows]) for place, name in enumerate(features)}
    pq.write_table(pa.table({**columns, **more}), file, row_group_size=7)
    return file
