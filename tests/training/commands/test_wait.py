import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.servers.stub_server import Quiet, listening
from training.commands.wait import NotServed, wait_until_served


@contextmanager
def standing_in(answer: Callable[[int], Any], key: str | None = None) -> Iterator[str]:
    """A service that answers its n-th `GET /models`, from 0, with `answer(n)`. With `key` it refuses other keys."""
    asked = iter(range(1_000_000))

    class Handler(Quiet):
        def get(self) -> None:
            body = json.dumps(answer(next(asked))).encode()
            wanted = None if key is None else f"Bearer {key}"
            let_in = wanted is None or self.headers["authorization"] == wanted
            self.reply((200 if self.path == "/models" else 404) if let_in else 401, body)

    with listening(Handler) as url:
        yield url


def workers(*served: Mapping[str, str | None]) -> dict[str, Any]:
    """An answer like the service's, with more fields than the client reads."""
    return {
        "models": [],
        "refused": [],
        "workers": [{"pid": pid, "serving": {"many_to_many": each}, "more": 1} for pid, each in enumerate(served, 1)],
    }


def test_waiting_returns_once_the_last_worker_has_the_version() -> None:
    asked: list[int] = []

    def answer(number: int) -> Any:
        asked.append(number)
        return workers({"production": "2"}, {"production": "2" if number >= 3 else "1"})

    with standing_in(answer) as url:
        assert wait_until_served(url + "/", "many_to_many", {"production": "2"}, 60) == 2
    assert asked == [0, 1, 2, 3]


def test_waiting_for_the_end_of_a_trial() -> None:
    trials: list[Mapping[str, str | None]] = [
        {"canary": "2", "shadow": "3"},
        {"canary": "2"},
        {"shadow": "3"},
        {"canary": None},
    ]
    asked: list[int] = []

    def answer(number: int) -> Any:
        asked.append(number)
        return workers(trials[number])

    with standing_in(answer) as url:
        assert wait_until_served(url, "many_to_many", {"canary": None, "shadow": None}, 60) == 1
    assert asked == [0, 1, 2, 3]


def test_workers_with_another_version_are_named() -> None:
    with (
        standing_in(lambda _: workers({"production": "2"}, {"production": "1"}, {})) as url,
        pytest.raises(NotServed) as caught,
    ):
        wait_until_served(url, "many_to_many", {"production": "2"}, 0)
    assert str(caught.value) == (
        f"after 0 s not every worker at {url} has 2 as production of many_to_many: "
        "worker 2 has 1 as production, worker 3 has nothing as production"
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"workers": []}, "it names no worker"),
        ({"models": []}, "is not the answer of an unroll service: workers: Field required"),
        ([], "is not the answer of an unroll service: it: Input should be an object"),
        (workers({}), "worker 1 has nothing"),
    ],
)
def test_the_error_says_why_an_answer_is_not_usable(answer: Any, why: str) -> None:
    with standing_in(lambda _: answer) as url, pytest.raises(NotServed, match=why):
        wait_until_served(url, "many_to_many", {"production": "2"}, 0)


def test_a_refused_connection_and_a_missing_page_are_reported() -> None:
    with standing_in(lambda _: {}) as url, pytest.raises(NotServed, match="404"):
        wait_until_served(f"{url}/elsewhere", "many_to_many", {"production": "2"}, 0)
    with pytest.raises(NotServed, match=f"GET {url}/models: .*refused"):
        wait_until_served(url, "many_to_many", {"production": "2"}, 0)


def test_the_key_is_sent_to_a_service_with_keys() -> None:
    with standing_in(lambda _: workers({"production": "2"}), key="mine") as url:
        for key, hint in (
            (None, "put a key of the service into UNROLL_KEY"),
            ("other", "the service refuses the key in UNROLL_KEY"),
        ):
            with pytest.raises(NotServed, match=f"401 Unauthorized.*: {hint}"):  # at once, since waiting does not help
                wait_until_served(url, "many_to_many", {"production": "2"}, 1e6, key)
        assert wait_until_served(url, "many_to_many", {"production": "2"}, 0, "mine") == 1
