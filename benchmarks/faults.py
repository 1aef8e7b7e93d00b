"""Runs every fault of tests/faults on a real service, and writes the outcome into docs/reliability.md.

    python -m benchmarks.faults [--page docs/reliability.md]

The exit code is 1 when a test failed, an answer was wrong, or a killed worker was not replaced within 8 s. The page does not
change when a test failed.
"""

import argparse
import subprocess
import sys
import tempfile
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.report.results_page import table
from benchmarks.servers import machine
from loadtests.processes import ROOT

BEGIN, END = "<!-- faults: written by python -m benchmarks.faults -->\n", "<!-- faults: end -->"
WHOLE_SECONDS: Final = 8.0
"""A service that lost a worker must have all workers again within this time."""
KILLED: Final = "a worker killed"
COLUMNS: Final = ("fault", "requests", "lost", "refused", "wrong", "slowest", "all workers again after", "note")
Row = Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    page_help = "page whose table is rewritten (default: docs/reliability.md)"
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md", help=page_help)
    page: Path = parser.parse_args(arguments).page
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "tests/faults", f"--junitxml={report}", "-o", "junit_family=xunit1"]
        try:
            if subprocess.run(command, cwd=ROOT, check=False, stdout=sys.stderr).returncode != 0:
                print("benchmarks.faults: a test failed; the page did not change", file=sys.stderr)
                return 1
        except KeyboardInterrupt:  # pytest was interrupted too, and has ended its service
            return 130
        found = rows(report.read_text())
    page.write_text(with_table(page.read_text(), markdown(found, machine.facts())))
    broken = faults_of(found)
    print("\n".join(broken) or f"{len(found)} faults, no wrong answer; written: {page}", file=sys.stderr)
    return 1 if broken else 0


def rows(report: str) -> list[Row]:
    """The properties that tests recorded, from pytest's JUnit XML: one row a fault."""
    cases = ET.fromstring(report).iter("testcase")
    found = [{p.attrib["name"]: p.attrib["value"] for p in case.iter("property")} for case in cases]
    return [row for row in found if "fault" in row]


def faults_of(found: Sequence[Row]) -> list[str]:
    """The reasons why this run fails; none when it passes."""
    wrong = [f"{row['fault']}: {row['wrong']} wrong answers" for row in found if row["wrong"] != "0"]
    killed = [row for row in found if row["fault"].startswith(KILLED)]
    late = [row for row in killed if float(row["whole_seconds"]) >= WHOLE_SECONDS]
    wrong += [f"{row['fault']}: all workers after {row['whole_seconds']} s, {WHOLE_SECONDS:g} s allowed" for row in late]
    return [*wrong, *([] if killed else ["no worker was killed"])]


def markdown(found: Sequence[Row], facts: Mapping[str, str]) -> str:
    counts = ("fault", "requests", "lost", "refused", "wrong")
    cells = [[*(row[name] for name in counts), f"{row['slowest_ms']} ms", _whole(row), row["note"]] for row in found]
    on = ", ".join(f"{name} {value}" for name, value in facts.items())
    return f"{table(COLUMNS, cells)}\n\n{textwrap.fill(f'Measured on: {on}.', 140)}\n"


def _whole(row: Row) -> str:
    if not row["whole_seconds"]:
        return "-"
    return "never broken" if float(row["whole_seconds"]) == 0 else f"{float(row['whole_seconds']):.1f} s"


def with_table(page: str, written: str) -> str:
    """The page with new text between its marks. Raises ValueError when it has no marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the lines {BEGIN.strip()} and {END} in the page")
    return f"{before}{begin}\n{written}\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
