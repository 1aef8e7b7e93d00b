"""Which columns are read where the user names none."""

import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from training.sequences.check import check
from training.sequences.reader import read
from training.sequences.source import DataRefused, Source

WIDE = "date,goal,kind,note,a b,c\n" + "\n".join(
    f"2024-{n // 28 % 12 + 1:02}-{n % 28 + 1:02},{n},{'xy'[n % 2]},{'text'},{n % 5},{n % 7}" for n in range(280)
)


@pytest.mark.parametrize(
    ("said", "features"), [({"target": ("goal",)}, ["a b", "c"]), ({"label": "kind"}, ["goal", "a b", "c"])]
)
def test_all_other_columns_of_numbers_are_features(tmp_path: Path, said: dict[str, Any], features: list[str]) -> None:
    (tmp_path / "my.csv").write_text(WIDE)
    report, dataset = check(Source(str(tmp_path / "my.csv"), length=5, **said))
    assert dataset is not None
    assert [feature.name for feature in dataset.features] == features
    assert f"features are all {len(features)} other columns of numbers: --features names fewer" in report.warnings


@pytest.mark.parametrize("width", [2, 12])
def test_what_is_suggested_can_be_pasted(tmp_path: Path, width: int) -> None:
    columns = ["year", *(f"of {n}" for n in range(width))]
    (tmp_path / "my.csv").write_text(
        "\n".join([",".join(columns), *(",".join(["2000"] + [str(n)] * width) for n in range(60))])
    )
    with pytest.raises(DataRefused) as refused:
        read(Source(str(tmp_path / "my.csv")))
    words = shlex.split(str(refused.value).split("of one step: ")[1].split(";")[0])
    assert words[0] == "--features"
    chosen = tuple(words[1].split(","))
    assert len(chosen) == min(8, width)
    assert read(Source(str(tmp_path / "my.csv"), features=chosen)).features == list(chosen)
    assert "year" not in chosen


@pytest.mark.parametrize("name", ["YEAR", "month", "day", "timestamp", "ds"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_a_calendar_that_rises_is_the_time(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"my{suffix}"
    rows = [(1700 + n, n * 7 % 11) for n in range(60)]
    if suffix == ".parquet":
        pa.parquet.write_table(pa.table({name: [row[0] for row in rows], "SUN": [row[1] for row in rows]}), path)
    elif suffix == ".jsonl":
        path.write_text("\n".join(f'{{"{name}": {time}, "SUN": {value}}}' for time, value in rows))
    else:
        path.write_text(f"{name},SUN\n" + "\n".join(f"{time},{value}" for time, value in rows))
    found = read(Source(str(path)))
    assert (found.features, found.unread) == (["SUN"], ())
    assert found.times.tolist() == [row[0] for row in rows]


def test_a_month_that_comes_again_is_neither_time_nor_feature(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("month,sales\n" + "\n".join(f"{n % 12 + 1},{n * 7 % 11}" for n in range(60)))
    found = read(Source(str(tmp_path / "my.csv")))
    assert (found.features, found.times, found.unread) == (["sales"], None, ("month",))
    assert read(Source(str(tmp_path / "my.csv"), features=("month", "sales"))).features == ["month", "sales"]
