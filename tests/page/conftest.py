"""A real service with models of every task, and a real Chromium that writes down all that it asks and says."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from contract.store import ModelStore
from service.security.keys import line, new
from tests.conftest import ROOT
from tests.e2e.conftest import serving
from tests.e2e.test_named_models import train_named
from tests.service.own_models import publish_own

CHROMIUM: Final = "/usr/bin/chromium"
PICTURES: Final = ROOT / "reports" / "page"
UNTRAINED: Final = ("each", "level", "next", "windows")
"""Models with random weights: shapes that the trained ones do not have."""
CANARY: Final = "each"
WIDTHS: Final = {"phone": 390, "wide": 1440}
expect.set_options(timeout=15_000)


@pytest.fixture(scope="session")
def store(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three echoes, and models for own data: a forecast, a classifier, labels, and `UNTRAINED`."""
    folder = train_named(home, tmp_path_factory.mktemp("own"))
    models = ModelStore(folder / "models")
    for name in UNTRAINED:
        models.promote(name, "production", publish_own(models, name).version)
    canary = publish_own(models, CANARY, seed=2).version
    models.promote(CANARY, "candidate", canary)
    models.set_canary(CANARY, "production", canary, 50.0)
    return models.root


def serving_store(store: Path, folder: Path, **settings: str) -> AbstractContextManager[str]:
    """A service of these models."""
    return serving(folder, settings={"UNROLL_MODELS_DIR": str(store), **settings})


@pytest.fixture(scope="session")
def url(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_store(store, tmp_path_factory.mktemp("served")) as address:
        yield address


@dataclass
class Keyed:
    """A service that asks for keys, and a key for predictions and one for metrics."""

    url: str
    predict: str
    metrics: str


@pytest.fixture(scope="session")
def keyed(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed")
    (predict, one), (metrics, other) = new("alice", ["predict"], None, None, None), new("bob", ["metrics"], None, None, None)
    (folder / "keys").write_text(f"{line(one)}\n{line(other)}\n")
    with serving_store(store, folder, UNROLL_KEYS_FILE=str(folder / "keys")) as address:
        yield Keyed(address, predict, metrics)


@pytest.fixture(scope="session")
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as direct:
        yield direct


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Closed after the tests of this folder: Playwright's event loop keeps `asyncio.run` from working in others."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """A page that is open, and what the browser asked and said meanwhile."""

    page: Page
    origin: str
    name: str
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    refused: int = 0  # answers with an error that the test means to get: the browser notes each of them itself

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))

    def open(self, model: str = "") -> None:
        self.page.goto(f"{self.origin}/?model={model}")
        if model:
            self.answered()

    def answered(self) -> None:
        expect(self.page.locator("#answer dl.said-facts")).to_be_visible()

    @property
    def asked(self) -> dict[str, Any]:
        """The body of the request, as the curl on the page has it."""
        body: dict[str, Any] = json.loads(self.page.locator("#curl").inner_text().partition("-d '")[2].removesuffix("'"))
        return body

    @contextmanager
    def question(self, refused: bool = False) -> Iterator[dict[str, Any]]:
        """This block leads to a question. After it the page shows the answer, or the problem, which is yielded too."""
        found: dict[str, Any] = {}
        self.refused += refused
        with self.page.expect_response(lambda response: response.url.endswith("/predict")) as told:
            yield found
        assert told.value.status == 200 or refused, told.value.text()
        found |= told.value.json()
        if not refused:
            expect(self.page.locator("#answer")).not_to_have_attribute("aria-busy", "true")
            self.answered()

    def numbers(self) -> list[list[str]]:
        """The cells of the answer's table."""
        if self.page.locator("#answer details[open]").count() == 0:
            self.page.locator("#answer summary").click()
        rows = self.page.locator("#answer details table tbody tr").all()
        return [row.locator("th, td").all_text_contents() for row in rows]

    def run(self, command: str) -> dict[str, Any]:
        """What a shell gets for a command."""
        done = subprocess.run(["bash"], input=command, capture_output=True, text=True, check=True, timeout=60)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def no_sideways_scroll(self) -> None:
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    def accessible(self) -> None:
        found = Axe().run(self.page).response["violations"]
        assert not found, [(fault["id"], fault["impact"], [node["html"] for node in fault["nodes"]]) for fault in found]

    def picture(self, what: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{self.name}-{what}.png", full_page=True)

    def check(self) -> None:
        """What holds of every visit."""
        assert {url.split("/", 3)[2] for url in self.requests} == {self.origin.split("/")[2]}
        notes = [said for said in self.said if said.startswith("error: Failed to load resource:")]
        assert [said for said in self.said if said not in notes] == []
        assert len(notes) == self.refused


Opener = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Opener]:
    """Opens pages. At the end: nothing foreign was asked, and the console is empty."""
    visits: list[Visit] = []

    def opened(
        width: str = "wide", scheme: Literal["light", "dark"] = "light", origin: str = url, model: str = "", **options: Any
    ) -> Visit:
        context = browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme, **options)
        made = Visit(context.new_page(), origin, f"{request.node.name.split('[')[0].removeprefix('test_')}-{width}-{scheme}")
        visits.append(made)
        if model:
            made.open(model)
        return made

    yield opened
    for each in visits:
        each.page.context.close()
        each.check()
