import subprocess
import sys

import pytest

from tests.conftest import ROOT

LINES = "import sys\nfor n in range(100_000): print('line', n)\nsys.exit(3)"


@pytest.mark.parametrize(("calls", "code", "errors"), [("outlive_reader()", 3, ""), ("", 1, "BrokenPipeError")])
def test_a_command_outlives_the_reader_of_its_output(calls: str, code: int, errors: str) -> None:
    command = [sys.executable, "-c", f"from contract.closed_pipe import outlive_reader\n{calls}\n{LINES}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "line 0\n"
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() == code
    assert errors in said if errors else said == ""
