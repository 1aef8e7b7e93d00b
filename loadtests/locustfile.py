"""The file that Locust runs: users, shape, options, summary. `python -m loadtests` starts it. Without the last table:

    locust -f loadtests/locustfile.py --host http://127.0.0.1:3000

in the repository's root, against a running service.
"""

import logging
import time
from pathlib import Path
from typing import Any

import locust.stats
from locust import LoadTestShape, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from contract.topologies import TOPOLOGY_NAMES
from loadtests.load_shapes import SHAPES
from loadtests.report import Failure, Figures, Summary
from loadtests.users import EchoUser, ManyToManyUser, ManyToOneUser, OneToOneUser, WrongAnswerError

__all__ = ["ManyToManyUser", "ManyToOneUser", "OneToOneUser", "TableShape"]  # Locust finds these names


class TableShape(LoadTestShape):
    """The shape that --shape names. Every tick reads the option, since Locust's page can change it between two runs."""

    def tick(self) -> tuple[int, float] | None:
        options: Any = self.runner and self.runner.environment.parsed_options
        shape = SHAPES[options.shape].scaled(options.peak_users, options.shape_seconds)
        stage = shape.stage_at(self.get_run_time())  # type: ignore[no-untyped-call]
        return (stage.users, stage.spawn_rate) if stage else None


def add_options(parser: LocustArgumentParser, **_: Any) -> None:
    """The first three also stand on Locust's page. 0 keeps the number of the shape."""
    parser.add_argument("--shape", choices=list(SHAPES), default="smoke", help="load shape")
    parser.add_argument("--peak-users", type=int, default=0, help="scale the shape to this many users; 0: unscaled")
    parser.add_argument("--shape-seconds", type=float, default=0.0, help="scale the shape to this length; 0: unscaled")
    parser.add_argument("--seed", type=int, default=0, help="seed of the payloads", include_in_web_ui=False)
    parser.add_argument("--lengths", default="5", help="row lengths of many_to_one, like 5,10", include_in_web_ui=False)
    parser.add_argument("--summary", type=Path, help="file for the figures of each topology", include_in_web_ui=False)


def summarise(environment: Environment) -> Summary:
    """Our summary of Locust's statistics: a row for every user class, also without requests."""
    stats = environment.stats
    asked = {user.topology for user in environment.user_classes if issubclass(user, EchoUser)}
    wrong: dict[str, int] = {name: 0 for name in TOPOLOGY_NAMES if name in asked}
    for error in stats.errors.values():
        if isinstance(error.error, WrongAnswerError):
            wrong[error.name] += error.occurrences
    figures = []
    for topology, wrong_answers in wrong.items():
        entry = stats.get(topology, "POST")
        p50, p95, p99 = (entry.get_response_time_percentile(p) for p in (0.50, 0.95, 0.99))
        figures.append(
            Figures(
                topology=topology,
                requests=entry.num_requests,
                per_second=entry.total_rps,
                p50=p50,
                p95=p95,
                p99=p99,
                failures=entry.num_failures,
                wrong=wrong_answers,
            )
        )
    failures = [Failure(topology=e.name, what=e.parse_error(e.error), times=e.occurrences) for e in stats.errors.values()]
    return Summary(figures=figures, failures=failures)


def finish(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    if options.summary:
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)  # we print our table instead of its three
        options.summary.write_text(summarise(environment).model_dump_json(indent=2))
    time.sleep(1.5 * locust.stats.CSV_STATS_INTERVAL_SEC)  # Locust writes its CSV files once a second, but not at its end


def three_digits(milliseconds: float) -> float:
    """Three significant digits. Locust rounds to milliseconds, and most answers here take less than one."""
    return float(f"{milliseconds:.3g}")


locust.stats.bucket_response_time = three_digits  # type: ignore[assignment]  # Locust only counts them, so floats work
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.quitting.add_listener(finish)  # type: ignore[no-untyped-call]
