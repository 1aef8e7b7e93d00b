"""Draw kept results anew, without measuring: the page and the picture beside each file, by today's statistics.

    python -m benchmarks.report reports/capacity-<time>.json [reports/soak-<time>.json ...] [--results benchmarks]

With --results, a result of benchmarks.serving also rewrites RESULTS.md and results.svg in that folder.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.report import capacity_page, pictures, results_page, results_picture, serving_page, soak_page
from benchmarks.report.results import Results
from benchmarks.report.soak_statement import verdict


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="results of benchmarks.capacity, soak or serving (.json)")
    parser.add_argument("--results", type=Path, help="folder of RESULTS.md (default: do not rewrite it)")
    options = parser.parse_args(arguments)
    for path in options.files:
        try:
            print(redraw(path, options.results))
        except (OSError, ValueError, KeyError) as error:
            expected = "expected a .json result of benchmarks.capacity, benchmarks.soak or benchmarks.serving"
            print(f"benchmarks.report: {path}: {expected}; {type(error).__name__}: {error}", file=sys.stderr)
            return 2
    return 0


def redraw(path: Path, results_folder: Path | None) -> str:
    found = json.loads(path.read_text())
    beside = path.with_suffix("")
    if "arrivals" in found:
        return pictures.write(beside, found, capacity_page.html(found), capacity_page.picture(found))
    if "windows" in found:
        found |= verdict(found["windows"])
        return pictures.write(beside, found, soak_page.html(found), soak_page.picture(found))
    results = TypeAdapter(Results).validate_python(found)
    drawn = results_picture.picture(results)
    if results_folder:
        results_page.write(results_folder, results, drawn)
    return pictures.write(beside, results.as_json(), serving_page.html(results), drawn)


if __name__ == "__main__":
    sys.exit(main())
