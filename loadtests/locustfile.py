"""The file that Locust runs: users, shape, options, summary. `python -m loadtests` starts it. Without the last table:

    locust -f loadtests/locustfile.py --host http://127.0.0.1:3000

in the repository's root, against a running service.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import locust.stats
from locust import LoadTestShape, events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.alone import WrongAloneError, with_answers
from loadtests.load_shapes import SHAPES
from loadtests.models import Models
from loadtests.processes import NotServing
from loadtests.report import Failure, Figures, Summary
from loadtests.target import served
from loadtests.users import ModelUser, WrongAnswerError, other_version, user_classes


class TableShape(LoadTestShape):
    """The shape that --shape names. Every tick reads the option, since Locust's page can change it between two runs."""

    def tick(self) -> tuple[int, float] | None:
        options: Any = self.runner and self.runner.environment.parsed_options
        least = len(self.runner.user_classes) if self.runner else 1
        shape = SHAPES[options.shape].scaled(options.peak_users, options.shape_seconds, least)
        stage = shape.stage_at(self.get_run_time())  # type: ignore[no-untyped-call]
        return (stage.users, stage.spawn_rate) if stage else None


def add_options(parser: LocustArgumentParser, **_: Any) -> None:
    """The first three also stand on Locust's page. 0 keeps the number of the shape.

    A master sends the options to its workers, and can send no `Path`.
    """
    parser.add_argument("--shape", choices=list(SHAPES), default="smoke", help="load shape")
    parser.add_argument("--peak-users", type=int, default=0, help="scale the shape to this many users; 0: unscaled")
    parser.add_argument("--shape-seconds", type=float, default=0.0, help="scale the shape to this length; 0: unscaled")
    parser.add_argument("--seed", type=int, default=0, help="seed of users and payloads", include_in_web_ui=False)
    parser.add_argument("--models", help="file of `python -m loadtests`; default: ask --host", include_in_web_ui=False)
    parser.add_argument("--summary", help="file for the figures of each model", include_in_web_ui=False)


def models_under_test() -> Models:
    """The models that users ask for. Without --models and --host there are none, as for `locust --help`.

    Locust reads its options after the user classes, and starts a worker's connection before its `init` event. Three options are
    therefore read here, while Locust imports this file.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--host", "-H", default=os.environ.get("LOCUST_HOST"))
    parser.add_argument("--seed", type=int, default=0)
    options, _ = parser.parse_known_args()
    if options.models:
        return Models.model_validate_json(options.models.read_bytes())
    if not options.host:
        return Models(seed=options.seed, models=[])
    host = options.host.rstrip("/")
    try:
        return Models(seed=options.seed, models=with_answers(host, served(host), options.seed))
    except (NotServing, WrongAloneError) as error:
        sys.exit(f"loadtests: {error}")


def summarise(environment: Environment) -> Summary:
    """Our summary of Locust's statistics: a row for every user class, also without requests."""
    stats = environment.stats
    asked = [user.model.name for user in environment.user_classes if issubclass(user, ModelUser)]
    wrong = dict.fromkeys(asked, 0)
    for error in stats.errors.values():
        if isinstance(error.error, WrongAnswerError):
            wrong[error.name] += error.occurrences
    figures = []
    for name, wrong_answers in wrong.items():
        entry = stats.get(name, "POST")
        p50, p95, p99 = (entry.get_response_time_percentile(p) for p in (0.50, 0.95, 0.99))
        figures.append(
            Figures(
                model=name,
                requests=entry.num_requests,
                per_second=entry.total_rps,
                p50=p50,
                p95=p95,
                p99=p99,
                failures=entry.num_failures,
                wrong=wrong_answers,
                other_version=other_version[name],
            )
        )
    failures = [Failure(model=e.name, what=e.parse_error(e.error), times=e.occurrences) for e in stats.errors.values()]
    return Summary(figures=figures, failures=failures)


def finish(environment: Environment, **_: Any) -> None:
    options: Any = environment.parsed_options
    if options.summary and not isinstance(environment.runner, WorkerRunner):  # workers have the master's options
        logging.getLogger("locust.stats_logger").setLevel(logging.WARNING)  # we print our table instead of its three
        Path(options.summary).write_text(summarise(environment).model_dump_json(indent=2))
    time.sleep(1.5 * locust.stats.CSV_STATS_INTERVAL_SEC)  # Locust writes its CSV files once a second, but not at its end


def tell_master(data: dict[str, Any], **_: Any) -> None:
    """A worker sends its counts beside Locust's figures, and begins anew."""
    data["other_version"] = dict(other_version)
    other_version.clear()


def add_worker(data: dict[str, Any], **_: Any) -> None:
    """The master adds a worker's counts."""
    other_version.update(data.get("other_version", {}))


def begin(**_: Any) -> None:
    """Another test on Locust's page starts from zero."""
    other_version.clear()


def three_digits(milliseconds: float) -> float:
    """Three significant digits. Locust rounds to milliseconds, and most answers here take less than one."""
    return float(f"{milliseconds:.3g}")


locust.stats.bucket_response_time = three_digits  # type: ignore[assignment]  # Locust only counts them, so floats work
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.quitting.add_listener(finish)  # type: ignore[no-untyped-call]
events.report_to_master.add_listener(tell_master)  # type: ignore[no-untyped-call]
events.worker_report.add_listener(add_worker)  # type: ignore[no-untyped-call]
events.test_start.add_listener(begin)  # type: ignore[no-untyped-call]
# Locust finds user classes among this module's names. A space keeps a model called `events` from hiding ours.
globals().update({f"model {user.__name__}": user for user in user_classes(models_under_test())})
