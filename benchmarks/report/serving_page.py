"""The serving benchmark as an HTML page."""

from benchmarks.report import html_page, results_summary
from benchmarks.report.results import Results, verdicts
from benchmarks.report.results_picture import picture


def html(results: Results) -> str:
    drawn = picture(results)
    judged = [[v.what, v.bar, v.found, "yes" if v.shown else "NO"] for v in verdicts(results)]
    parts = [
        html_page.sentences(results_summary.lines(results)),
        *([html_page.picture(drawn)] if drawn else []),
        html_page.heading("What it must show"),
        html_page.table(["what", "bar", "found", "shown"], judged),
        html_page.heading("Machine"),
        html_page.facts(results.machine),
    ]
    return html_page.page("unroll beside other servers", parts)
