from contract.rows import Rows

RAGGED = Rows.of([[0.1, 0.2, 0.3], [0.4], [0.5, 0.6]])
UNIFORM = Rows.of([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


def test_parts_undo_end_to_end() -> None:
    requests = [RAGGED, UNIFORM, Rows.of([[1.0]]), UNIFORM]
    parts = Rows.end_to_end(requests).parts([len(request.lengths) for request in requests])
    assert [(part.values.tolist(), part.lengths) for part in parts] == [
        (request.values.tolist(), request.lengths) for request in requests
    ]


def test_rows_split_into_what_they_were_made_of() -> None:
    assert [row.tolist() for row in RAGGED.split()] == [
        Rows.of([row]).values.tolist() for row in ([0.1, 0.2, 0.3], [0.4], [0.5, 0.6])
    ]
    assert (RAGGED.starts.tolist(), UNIFORM.starts.tolist()) == ([0, 3, 4], [0, 3])
    assert (RAGGED.uniform, UNIFORM.uniform) == (None, 3)
