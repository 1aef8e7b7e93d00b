"""The routes of the page: types, policy, the mark for keys. tests/page looks at it in a browser."""

import asyncio
import re
from fnmatch import fnmatch

import pytest
import yaml

from service.errors import UnknownRoute
from service.http.messages import Request, Response
from service.page.page import ASSETS, POLICY, Page
from service.protocols.problem import render_error
from service.request_context import Caller
from tests.conftest import ROOT


def get(page: Page, path: str, **parameters: str) -> Response:
    (route,) = (route for route in page.routes if route.path == path)
    assert (route.method, route.scope) == ("GET", None)

    async def handled() -> Response:
        return await route.handle(Request(b"", Caller(), parameters))

    return asyncio.run(handled())


@pytest.fixture
def page() -> Page:
    return Page(render_error, keys=False)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("page.css", b"text/css"),
        ("main.js", b"text/javascript"),
        ("icon.svg", b"image/svg+xml"),
        ("uPlot-LICENSE.txt", b"text/plain"),
    ],
)
def test_a_file_has_its_type_and_its_content(page: Page, file: str, kind: bytes) -> None:
    found = get(page, "/page/{file}", file=file)
    assert found.content_type.split(b";")[0] == kind
    assert found.body == (ASSETS / file).read_bytes()


@pytest.mark.parametrize("file", ["index.html", "missing.js", "..", "../page.py", ""])
def test_there_is_no_other_file(page: Page, file: str) -> None:
    with pytest.raises(UnknownRoute, match="the page has no file"):
        get(page, "/page/{file}", file=file)


def test_the_policy_allows_nothing_foreign_and_nothing_inline(page: Page) -> None:
    for found in (get(page, "/"), get(page, "/page/{file}", file="main.js")):
        assert dict(found.headers)[b"content-security-policy"] == POLICY.encode()
    assert POLICY.startswith("default-src 'none';")
    assert re.search(r"unsafe-|http|\*", POLICY) is None
    for path in ASSETS.glob("*.html"):
        assert re.search(r"<script(?![^>]* src=)|<style|\bstyle=|\bon\w+=", path.read_text()) is None


def test_no_file_of_ours_names_an_address_outside() -> None:
    for path in (path for path in ASSETS.iterdir() if not path.name.startswith("uPlot")):
        assert set(re.findall(r"\bhttps?://[^\"'`\s)]*", path.read_text())) <= {"http://www.w3.org/2000/svg"}, path.name


def test_the_page_knows_whether_the_service_asks_for_keys(page: Page) -> None:
    assert get(page, "/").body.count(b'data-keys="no"') == 1
    keyed = get(Page(render_error, keys=True), "/").body
    assert (keyed.count(b'data-keys="yes"'), keyed.count(b'data-keys="no"')) == (1, 0)


def test_every_module_that_a_file_imports_is_there() -> None:
    for path in ASSETS.glob("*.js"):
        if not path.name.startswith("uPlot"):
            assert len(path.read_text().splitlines()) <= 300
            for imported in re.findall(r'from "\./([^"]+)"', path.read_text()):
                assert (ASSETS / imported).exists(), f"{path.name} imports {imported}"
    for named in re.findall(r'(?:src|href)="page/([^"]+)"', (ASSETS / "index.html").read_text()):
        assert (ASSETS / named).exists(), named


def test_a_bento_has_every_file_of_the_page() -> None:
    patterns = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["include"]
    for path in ASSETS.iterdir():
        assert any(fnmatch(f"/{path.relative_to(ROOT)}", pattern) for pattern in patterns), path.name
