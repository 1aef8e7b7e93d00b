from training.sequences.source import DataRefused, Fault, Source


def test_faults_come_in_the_files_order_and_say_where() -> None:
    late, early = (Fault("a.csv", row, row + 1, "value", "is bad") for row in (9, 3))
    refused = DataRefused([late, early, Fault("a.csv", None, None, None, "is odd")])
    assert str(refused).splitlines() == [
        "a.csv: is odd",
        "a.csv, line 4, column value: is bad",
        "a.csv, line 10, column value: is bad",
    ]
    assert str(Fault("a.npz", 3, None, None, "is bad")) == "a.npz, row 3: is bad"
    assert (Source("/tmp/my.csv").file, Source("-").file) == ("my.csv", "standard input")
