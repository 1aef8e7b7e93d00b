"""`unroll predict`: files of every layout become the answers of the model, whatever stops the command in between."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from contract.rows import Floats
from tests.unroll.bulk.conftest import Run, lists
from tests.unroll.conftest import KINDS, given
from unroll import Model


def end_to_end(column: Any) -> Floats:
    cells = column.combine_chunks()
    while pa.types.is_list(cells.type):
        cells = cells.flatten()
    numbers: Floats = cells.to_numpy(zero_copy_only=False)
    return numbers


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".npz"])
@pytest.mark.parametrize("name", KINDS)
def test_a_model_of_each_kind_gives_the_bits_of_load(
    name: str, suffix: str, models: dict[str, Model], run: Run, tmp_path: Path
) -> None:
    rows, model = given(name), models[name]
    answer, output = model.predict(rows), tmp_path / f"answers{suffix}"
    done = run(name, lists(rows, model.features, tmp_path / "rows.parquet"), "-o", output)
    assert done.exit_code == 0, done.output
    assert f"40 rows, 1 out of the domain by {name}@{model.version} (a list per row)" in done.stderr
    column, width = "probabilities" if model.classes else "outputs", answer.values.shape[1]
    labels = [] if answer.labels is None else [label for row in answer.labels for label in np.atleast_1d(row)]
    if suffix == ".parquet":
        table = pq.read_table(output)
        values, inside, versions = end_to_end(table[column]), table["in_domain"].to_pylist(), table["version"].to_pylist()
        found = [label for row in table["label"].to_pylist() for label in np.atleast_1d(row)] if labels else []
    elif suffix == ".csv":
        kinds = {"version": pa.string()}
        table = pyarrow.csv.read_csv(output, convert_options=pyarrow.csv.ConvertOptions(column_types=kinds))
        names = [each for each in table.column_names if each not in ("row", "step", "label", "version", "in_domain")]
        values = np.stack([table[each].to_numpy().astype(np.float32) for each in names], axis=1).ravel()
        firsts = table.filter(pc.equal(table["step"], 0)) if "step" in table.column_names else table
        inside, versions = (firsts[each].to_pylist() for each in ("in_domain", "version"))
        found = table["label"].to_pylist() if labels else []
        assert len(names) == width
    else:
        with np.load(output) as arrays:
            values, inside, versions = arrays[column].ravel(), arrays["in_domain"].tolist(), arrays["version"].tolist()
            found = arrays["label"].tolist() if labels else []
            assert not model.classes or tuple(arrays["classes"]) == model.classes
            assert "lengths" not in arrays or arrays["lengths"].tolist() == answer.lengths.tolist()
    assert np.array_equal(values, answer.values.ravel())
    assert inside == answer.in_domain.tolist()
    assert versions == [model.version] * 40
    assert found == labels
    assert sorted(path.name for path in tmp_path.iterdir()) == [output.name, "rows.parquet"]


STEPS = [[[0.1, 1.0], [0.2, 2.0]], [[0.3, 3.0], [-0.4, -4.0]], [[0.5, 5.0], [0.6, 6.0]]]
WIDE = "id,x_0,y_0,x_1,y_1\nb,0.1,1,0.2,2\na,0.3,3,-0.4,-4\nc,0.5,5,0.6,6\n"
LONG = "time,y,walk,x,kind\n2,2,b,0.2,up\n1,3,a,0.3,up\n1,1,b,0.1,up\n1,5,c,0.5,up\n2,-4,a,-0.4,up\n2,6,c,0.6,up\n"


def write_layouts(folder: Path) -> dict[str, tuple[str, ...]]:
    """Files with STEPS -> options."""
    steps = np.array(STEPS)
    (folder / "wide.csv").write_text(WIDE)
    (folder / "long.csv").write_text(LONG)
    pq.write_table(pyarrow.csv.read_csv(folder / "wide.csv"), folder / "wide.parquet")
    pq.write_table(pyarrow.csv.read_csv(folder / "long.csv"), folder / "long.parquet")
    pq.write_table(pa.table({"steps": STEPS}), folder / "steps.parquet")
    x, y = steps.transpose(2, 0, 1).tolist()
    pq.write_table(pa.table({"y": y, "x": x, "id": ["b", "a", "c"]}), folder / "lists.parquet")
    pq.write_table(pa.table({"a": x, "b": y}), folder / "others.parquet")
    np.savez(folder / "rows.npz", inputs=steps)
    np.savez(folder / "named.npz", inputs=steps[..., ::-1], features=["y", "x"])
    (folder / "rows.jsonl").write_text("".join(f'{{"inputs": {row}}}\n' for row in STEPS))
    long = ("--sequence-column", "walk")
    others = {"long.csv": long, "long.parquet": long, "others.parquet": ("--features", "a,b")}
    return {path.name: others.get(path.name, ()) for path in folder.iterdir()}


def test_files_of_every_layout_hold_the_same_rows(models: dict[str, Model], run: Run, tmp_path: Path) -> None:
    answer, layouts = models["walks"].predict(STEPS), write_layouts(tmp_path)
    assert len(layouts) == 10
    for file, options in layouts.items():
        done = run("walks", tmp_path / file, "-o", tmp_path / "out" / f"{file}.parquet", *options)
        assert done.exit_code == 0, (file, done.output)
        table = pq.read_table(tmp_path / "out" / f"{file}.parquet")
        assert np.array_equal(end_to_end(table["probabilities"]), answer.values.ravel()), file
        assert answer.labels is not None
        assert table["label"].to_pylist() == list(answer.labels)
        column = next((name for name in ("walk", "id") if name in table.column_names), None)
        assert (column is None) == (file in ("steps.parquet", "others.parquet", "rows.npz", "named.npz", "rows.jsonl")), file
        assert column is None or table[column].to_pylist() == ["b", "a", "c"]


def test_the_last_steps_of_longer_rows(models: dict[str, Model], run: Run, tmp_path: Path) -> None:
    rows = [
        np.random.default_rng(seed).uniform(-1, 1, (length, 2)).astype(np.float32) for seed, length in enumerate((9, 7, 30))
    ]
    file = lists(rows, ("x", "y"), tmp_path / "rows.parquet")
    refused = run("windows", file, "-o", tmp_path / "answers.npz")
    assert refused.exit_code == 1
    assert "in rows 1 to 3 of the file: windows expected rows of one length" in refused.output
    assert "--last takes the last steps of longer rows" in refused.output
    assert run("windows", file, "-o", tmp_path / "answers.npz", "--last").exit_code == 0
    with np.load(tmp_path / "answers.npz") as arrays:
        assert np.array_equal(arrays["outputs"], models["windows"].predict([row[-7:] for row in rows]).outputs)


def test_a_row_too_far_out_has_no_numbers_and_stops_no_other(models: dict[str, Model], run: Run, tmp_path: Path) -> None:
    rows = [np.full((7, 2), 0.5, np.float32) for _ in range(3)]
    rows[1][:2] = [[3e38, 3e38], [3e38, -3e38]]
    done = run("windows", lists(rows, ("x", "y"), tmp_path / "rows.parquet"), "-o", tmp_path / "answers.parquet")
    assert "3 rows, 1 out of the domain, 1 of them too far out to have a finite answer" in done.stderr
    table = pq.read_table(tmp_path / "answers.parquet")
    right = models["windows"].predict(rows[:1]).values.ravel().tolist()
    assert [table["outputs"][0].as_py(), table["outputs"][2].as_py()] == [right, right]
    assert None in table["outputs"][1].as_py()
    assert table["in_domain"].to_pylist() == [True, False, True]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,x_0,y_0\na,1,2\nb,1,two\n", "wide.csv, line 3, column y_0: 'two' is not a number"),
        ("id,x_0,y_0\na,1,2\nb,1\n", "wide.csv, line 3: 2 cells in a table of 3 columns"),
        ("id,x_0,y_0\na,,2\n", "wide.csv, line 2, column x_0: the cell is empty"),
        ("x,z\n1,2\n", "expected a column y; received x, z"),
        ("id,x_0,y_0\n", "wide.csv has no rows"),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_written(content: str, said: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(content)
    done = run("walks", tmp_path / "wide.csv", "-o", tmp_path / "answers.csv")
    assert (done.exit_code, said in done.output) == (1, True), done.output
    assert not (tmp_path / "answers.csv").exists()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"x": [[1.0], [1.0, None]], "y": [[1.0], [2.0, 3.0]]}, "rows.parquet, row 2, column x: the cell is empty"),
        ({"x": [[1.0], None], "y": [[1.0], [2.0]]}, "rows.parquet, row 2, column x: the cell is empty"),
        (
            {"x": [[1.0], [1.0]], "y": [[1.0], [2.0, 3.0]]},
            "rows.parquet, row 2, column y: expected 1 numbers, as x has; received 2",
        ),
        ({"x": [[1.0], [float("inf")]], "y": [[1.0], [2.0]]}, "rows.parquet, row 2, column x: inf is not finite"),
        ({"a": [[[1.0, 2.0]], [[1.0]]]}, "rows.parquet, row 2: expected steps of 2 numbers; received one of 1"),
        (
            {"a": [[1.0]]},
            "a list for each feature (x, y), or one column with lists of steps; received lists in a",
        ),
        ({"x": [["a"]], "y": [["b"]]}, "expected lists of numbers in column x; received list<element: string>"),
        ({"x": [[1.0], []], "y": [[1.0], []]}, "row 2 of the file is empty: leave it out"),
    ],
)
def test_wrong_lists_are_refused(columns: dict[str, Any], said: str, run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    done = run("walks", tmp_path / "rows.parquet", "-o", tmp_path / "answers.csv")
    assert (done.exit_code, said in done.output) == (1, True), done.output


def test_missing_numbers_are_filled_from_the_past_where_the_user_says_so(
    models: dict[str, Model], run: Run, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"x": [[1.0], [None, 1.0, None]], "y": [[1.0], [2.0, None, 3.0]]}), tmp_path / "rows.parquet")
    done = run("walks", tmp_path / "rows.parquet", "-o", tmp_path / "answers.npz", "--missing", "fill")
    assert done.exit_code == 0, done.output
    with np.load(tmp_path / "answers.npz") as arrays:
        right = models["walks"].predict([[[1.0, 1.0]], [[1.0, 2.0], [1.0, 2.0], [1.0, 3.0]]])
        assert np.array_equal(arrays["probabilities"], right.values)


def test_what_is_there_is_replaced_only_by_force(run: Run, tmp_path: Path) -> None:
    file, output = lists(given("walks"), ("x", "y"), tmp_path / "rows.parquet"), tmp_path / "answers.csv"
    output.write_text("mine")
    assert f"{output} exists: name another output, or add --force" in run("walks", file, "-o", output).output
    assert output.read_text() == "mine"
    assert run("walks", file, "-o", output, "--force").exit_code == 0
    wrong = run("walks", file, "-o", tmp_path / "answers.txt")
    assert (wrong.exit_code, "expected an output that ends in .parquet, .pq, .csv, .npz" in wrong.output) == (2, True)
