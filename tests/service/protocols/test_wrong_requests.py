"""Wrong requests, as strangers send them: each answer says what to type next, and the example that it shows works."""

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route as StarletteRoute

from contract.aliases import PRODUCTION
from contract.store import ModelStore
from service.engine.engine import Engine
from service.hosting.outermost import Outermost
from service.http.body import BodyLimits
from service.http.transport import Limits
from service.overload.admission import Admission
from service.protocols.admin import Admin
from service.protocols.models import ModelPages
from service.protocols.native import Native
from service.protocols.schemas import Limits as RequestLimits
from service.runtime.runtimes import Runtime
from service.runtime.runtimes import load as load_graph
from service.security.key_check import Guard
from service.security.key_rates import KeyRates
from service.security.keys import line, new
from service.versions.registry import Registry
from service.versions.worker_states import WorkerStates
from tests.conftest import make_manifest
from tests.service import registries
from tests.service.asgi import Client, untraced
from tests.service.conftest import BARS
from tests.service.own_models import publish_own

Ask = Callable[..., Client]
LIMITS = Limits(BodyLimits(10_000, seconds=30), timeout=10, most_timeout=60)
TOLD = RequestLimits(max_rows=3, max_items=50, max_body_bytes=10_000, timeout_ms=10_000, max_timeout_ms=60_000)
JSON = {"content-type": "application/json"}


class Asking(Client):
    """One request to an application that is shared."""

    def __init__(self, app: Starlette) -> None:
        self.sent, self.chunks_read, self._app = [], 0, app


def load(folder: Path) -> Runtime:
    return load_graph(folder, choice="onnx") if (folder / "assets.extra").exists() else registries.load(folder)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks a service of the three echoes and of two models with two features; with keys for predict, metrics and admin."""
    home = tmp_path_factory.mktemp("home")
    store = ModelStore(home / "models")
    store.root.mkdir()
    for topology in ("one_to_one", "many_to_one", "many_to_many"):
        manifest = make_manifest(topology)

        def fill(staging: Path, manifest: Any = manifest) -> None:
            folder = staging / manifest.name / manifest.version
            folder.mkdir(parents=True)
            (folder / "weights").write_bytes(b"0123")

        store.publish(manifest, fill)
        store.promote(manifest.name, PRODUCTION, manifest.version)
    for name in ("walks", "windows"):
        publish_own(store, name)
    registry = Registry(store, load)
    registry.load_all()
    assert registry.refusals == []
    made = {scope: new(scope, [scope], None, None, None) for scope in ("predict", "metrics", "admin")}
    (home / "keys").write_text("".join(line(key) + "\n" for _, key in made.values()))
    guard = Guard(home / "keys", KeyRates(home))
    transport = untraced(LIMITS, Admission(10_000_000, 10.0), guard)
    admin = Admin(store, guard, Admission(10_000_000, 10.0).aside)
    pages = ModelPages(registry, WorkerStates(), TOLD)
    for protocol in (Native(Engine(registry, BARS), max_rows=3, max_items=50), pages, admin):
        transport.add(*protocol.routes)
    theirs = [StarletteRoute(f"/{path}", lambda _: PlainTextResponse("")) for path in ("livez", "readyz", "metrics")]
    app = Starlette(routes=theirs, middleware=[Middleware(Outermost, layers=[transport.around])])

    def asked(
        method: str, path: str, body: bytes | str = b"", headers: dict[str, str] | None = None, key: str = "predict"
    ) -> Client:
        content = body.encode() if isinstance(body, str) else body
        given = {"authorization": f"Bearer {made[key][0]}"} if key else {}
        stated = {"content-length": str(len(content)), **given, **(JSON if headers is None else headers)}
        stated = {name: value.format(predict=made["predict"][0]) for name, value in stated.items()}
        return Asking(app).request(method, path, stated, [content], never=True, whole=True)  # the client stays

    return asked


RIGHT = '{"sequences": [[0.1, 0.2]]}'
MANY, ONE, WALKS = "/many_to_many", "/many_to_one", "/models/walks/predict"
FORM = "application/x-www-form-urlencoded"
TYPED = "Type: curl -H 'content-type: application/json' -d 'BODY' URL. The field example has a BODY that works."
DUMPS = 'In Python send json.dumps({"sequences": rows})'
GZIP = {**JSON, "content-encoding": "gzip"}
POST: Callable[..., dict[str, Any]] = partial(dict, method="POST", path=MANY, body=RIGHT)
WRONG: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    # by content type
    "CSV, by its type": (POST(headers={"content-type": "text/csv"}), 415, ["0.1,0.2 becomes [0.1, 0.2]", TYPED]),
    "curl -d": (POST(headers={"content-type": FORM}), 415, ["curl -d alone sends this type", TYPED]),
    "curl -F": (POST(headers={"content-type": "multipart/form-data; boundary=x"}), 415, ["curl -F", TYPED]),
    "text/plain": (POST(headers={"content-type": "text/plain"}), 415, ["received text/plain", TYPED]),
    # what is not JSON
    "CSV": (POST(body="a,b\n0.1,0.2\n"), 400, ["received CSV", "0.1,0.2 becomes [0.1, 0.2]"]),
    "CSV of one line": (POST(body="0.1,0.2\n"), 400, ["received CSV"]),
    "multipart": (POST(body='--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n'), 400, ["curl -d @FILE, not -F"]),
    "a form": (POST(body="sequences=[[0.1]]"), 400, ["received a form", "Send the JSON object itself"]),
    "the name of a file without @": (POST(body="data/rows.json"), 400, ["the name of a file", "@ before the name: -d @FILE"]),
    "a bare list of records": (POST(body='[{"x": 1}]'), 422, ['sequences": [[...], ...]}. Write numbers without names, in']),
    "the name of a file": (POST(body="@rows.json"), 400, ["-d @FILE, not with --data-raw"]),
    "gzip without its header": (POST(body=gzip.compress(RIGHT.encode())), 400, ["Add the header content-encoding: gzip."]),
    "zstd without its header": (POST(body=zstandard.compress(RIGHT.encode())), 400, ["content-encoding: zstd."]),
    "a NumPy file": (POST(body=b"\x93NUMPY\x01\x00v\x00{'descr'"), 400, ["received a NumPy file", "rows.tolist()"]),
    "a Parquet file": (POST(body=b"PAR1\x15\x04\x15"), 400, ["received a Parquet file", DUMPS]),
    "NumPy's text": (POST(body="[0.1 0.2]"), 400, ["received numbers without commas", "Write [0.1, 0.2], with commas", DUMPS]),
    "NumPy's text of rows": (POST(body="[[0.1  0.2]\n [0.3  0.4]]"), 400, ["received numbers without commas"]),
    "NumPy's text in JSON": (POST(body='{"sequences": [[0.1 0.2]]}'), 400, ["numbers without commas at byte 20"]),
    "array(...)": (POST(body="array([0.1, 0.2])"), 400, ["received the text of an array", "rows.tolist()"]),
    "array(...) in JSON": (POST(body='{"sequences": array([[0.1]])}'), 400, ["the text of an array at byte 14"]),
    "a list of NumPy's numbers": (POST(body="[np.float64(0.1), np.float64(0.2)]"), 400, ["the text of an array", DUMPS]),
    "a list of them in JSON": (POST(body='{"sequences": [[np.float64(0.1)]]}'), 400, ["the text of an array at byte"]),
    "Python's quotes": (
        POST(body="{'sequences': [[0.1]]}"),
        400,
        ["Python's single quotes at byte 1. JSON has double quotes.", DUMPS],
    ),
    "Python's None": (POST(body='{"sequences": [[0.1]], "model_version": None}'), 400, ["Python's None at byte 40", DUMPS]),
    "Python's True": (POST(body='{"sequences": [[0.1]], "strict": True}'), 400, ["Python's True", "JSON writes null, true"]),
    "Python's nan": (POST(body='{"sequences": [[nan]]}'), 400, ["Python's nan", "has no NaN"]),
    "the shell took the quotes": (POST(body="{sequences: [[0.1]]}"), 400, ["the whole body between single quotes"]),
    "a trailing comma": (POST(body='{"sequences": [[0.1, 0.2,]]}'), 400, ["a comma before the closing bracket", "out."]),
    "cut": (POST(body='{"sequences": [[0.1, 0.2]'), 400, ["JSON that ends too early", "closing bracket missing"]),
    "lines of JSON": (POST(body=f"{RIGHT}\n{RIGHT}"), 400, ["more behind the JSON object", "all rows in sequences"]),
    "nothing": (POST(body=""), 400, ["received an empty body", "Send the object as the body"]),
    "nothing, by curl -X POST -d ''": (POST(body="", headers={"content-type": FORM}), 400, ["received an empty body"]),
    # JSON, but not a request
    "a bare list of rows": (POST(body="[[0.1,0.2]]"), 422, ['Put the rows into an object: {"sequences": [[0.1,0.2]]}']),
    "a bare row": (POST(body="[0.1, 0.2]"), 422, ['Put the rows into an object: {"sequences": [[0.1, 0.2]]}']),
    "a flat list": (POST(body='{"sequences": [0.1, 0.2]}'), 422, ["Put each row in a list of its own: [[0.0, 0.2]]"]),
    "encoded twice": (POST(body=json.dumps(RIGHT)), 422, ["encoded twice", "json=body"]),
    "sequence": (POST(body='{"sequence": [[0.1]]}'), 422, ['a field "sequence"', "Did you mean sequences?"]),
    "instances": (POST(body='{"instances": [[0.1]]}'), 422, ['a field "instances"', "Name the rows sequences."]),
    "inputs": (POST(body='{"inputs": [[0.1]]}'), 422, ["Name the rows sequences."]),
    "version": (POST(body='{"version": "v", "sequences": [[0.1]]}'), 422, ["Did you mean model_version?"]),
    "signature_name": (POST(body='{"signature_name": "a", "sequences": [[1]]}'), 422, ["Leave it out."]),
    "no field": (POST(body="{}"), 422, ["none named sequences", 'Name the rows: {"sequences": [[0.1, 0.2]]}']),
    "NaN": (POST(body='{"sequences": [[0.1, NaN]]}'), 422, ["received NaN at sequences[0][1]", "leave its row out"]),
    "null": (POST(body='{"sequences": [[null]]}'), 422, ["received null at sequences[0][0]", "fill it in"]),
    "a number in quotes": (POST(body='{"sequences": [["0.1"]]}'), 422, ["Write 0.1, without quotes."]),
    "a date": (POST(body='{"sequences": [["2026-01-01", 1]]}'), 422, ["numbers only, and none may be missing"]),
    "records": (
        POST(body='{"sequences": [{"x": 1, "y": 2}]}'),
        422,
        ["received an object at sequences[0]. Write numbers without"],
    ),
    "steps as records": (POST(path=WALKS, body='{"sequences": [[{"x": 1}]]}'), 422, ["in the order of GET /models/{name}"]),
    "columns": (POST(body='{"sequences": {"x": [1], "y": [2]}}'), 422, ["an object at sequences", "frame.to_numpy().tolist()"]),
    "rows as a text": (POST(body='{"sequences": "[[0.1, 0.2]]"}'), 422, ["Leave the quotes around the list out."]),
    "a row as a text": (POST(body='{"sequences": ["[0.1, 0.2]"]}'), 422, ["Leave the quotes around the list out."]),
    "true": (POST(body='{"sequences": [[true]]}'), 422, ["Write 1 or 0."]),
    "no rows": (POST(body='{"sequences": []}'), 422, ["at least one row; received none"]),
    "an empty row": (POST(body='{"sequences": [[0.1], []]}'), 422, ["an empty row at 1", "Leave empty rows out."]),
    "a length that is not served": (
        POST(path=ONE),
        422,
        ["a length that is served: 5; received rows of length 2", "Send more"],
    ),
    "too few features": (POST(path=WALKS), 422, ["walks expected steps of 2 numbers (x, y); received plain numbers"]),
    "too many features": (
        POST(path=WALKS, body='{"sequences": [[[1, 2, 3]]]}'),
        422,
        ["2 numbers (x, y); received steps of 3"],
    ),
    "too short a window": (
        POST(path="/models/windows/predict", body='{"sequences": [[[1, 2]]]}'),
        422,
        ["rows of 7 steps; received rows of 1 steps", "send more steps"],
    ),
    "too long a window": (
        POST(path="/models/windows/predict", body='{"sequences": [[[1, 2],[1, 2],[1, 2],[1, 2],[1, 2],[1, 2],[1, 2],[1, 2]]]}'),
        422,
        ["rows of 7 steps; received rows of 8 steps", "cut the rows to their last steps"],
    ),
    "too many rows": (POST(body='{"sequences": [[1],[1],[1],[1]]}'), 422, ["at most 3 rows", "received 4. Send several"]),
    "too many bytes": (POST(body=" " * 10_001), 413, ["at most 10000 bytes; received 10001. Send the rows in several"]),
    "out of the domain": (
        POST(body='{"sequences": [[0.1, 7.0]], "strict": true}'),
        422,
        ["expected value from 0 up to 1", "received 7 in row 0, step 1", "A request that is not strict is answered"],
    ),
    # paths and methods
    "a trailing slash": (POST(path="/many_to_many/"), 404, ["nothing at /many_to_many/. Did you mean /many_to_many?"]),
    "dashes": (POST(path="/many-to-many"), 404, ["Did you mean /many_to_many?"]),
    "capitals": (POST(path="/Many_To_One"), 404, ["Did you mean /many_to_one?"]),
    "a misspelt route": (POST(path="/many_to_mny"), 404, ["Did you mean /many_to_many?"]),
    "a misspelt part of a route": (POST(path="/model/walks/predict/"), 404, ["Did you mean /models/walks/predict?"]),
    "TensorFlow Serving's path": (POST(path="/v1/models/walks:predict"), 404, ["Did you mean /models/walks/predict?"]),
    "Open Inference's path": (POST(path="/v2/models/walks/infer"), 404, ["Did you mean /models/walks/predict?"]),
    "another server's path": (POST(path="/invocations"), 404, ["There is: ", "/many_to_many, ", "/models/{name}/predict"]),
    "a misspelt probe": ({"method": "GET", "path": "/live", "body": ""}, 404, ["Did you mean /livez?"]),
    "GET for POST": ({"method": "GET", "path": MANY, "body": ""}, 405, ["expected POST at /many_to_many; received GET", TYPED]),
    "POST for GET": (
        POST(path="/models"),
        405,
        ["expected GET or HEAD at /models; received POST", "to /models/{name}/predict."],
    ),
    "POST to a card": (
        POST(path="/models/walks"),
        405,
        ["at /models/{name}; received POST. POST goes to /models/{name}/predict."],
    ),
    # names
    "a misspelt model": (POST(path="/models/wolks/predict"), 404, ["received wolks. Did you mean walks?"]),
    "a misspelt alias": (
        POST(body='{"sequences": [[1]], "model_version": "productoin"}'),
        404,
        ["expected a version or an alias of many_to_many", "received productoin. Did you mean production?"],
    ),
    "an unknown version": (
        POST(body='{"sequences": [[1]], "model_version": "20200101-000000-000000-0000"}'),
        404,
        ["in memory: 2", "Leave model_version out for the version in production"],
    ),
    # encodings
    "brotli": (POST(headers={**JSON, "content-encoding": "br"}), 415, ["expected content-encoding gzip or zstd; received br"]),
    "two encodings": (POST(headers={**JSON, "content-encoding": "gzip, zstd"}), 415, ["Compress the body once"]),
    "gzip, by its header only": (
        POST(headers=GZIP),
        400,
        ["JSON that is not compressed. Leave the header content-encoding out"],
    ),
    "half of a gzip body": (POST(body=gzip.compress(RIGHT.encode())[:-9], headers=GZIP), 400, ["ends too early. Was the"]),
    # keys
    "no key": (POST(key=""), 401, ["authorization: Bearer <key> or x-api-key: <key>; received none", "Type: curl -H 'auth"]),
    "a key without Bearer": (POST(key="", headers={"authorization": "{predict}"}), 401, ["without the word Bearer"]),
    "a key in another header": (POST(key="", headers={"api-key": "{predict}"}), 401, ["received the header api-key"]),
    "half a key": (
        POST(key="", headers={"x-api-key": "unroll_abc"}),
        401,
        ["Was it copied completely? A key has 50 characters."],
    ),
    "a key of another scope": (
        POST(key="metrics"),
        403,
        ["with the scope predict; received the key metrics", "--scope predict"],
    ),
    "a key that may not change": (
        POST(path="/admin/models/walks/promote", body="{}"),
        403,
        ["expected a key with the scope admin", "unroll keys new NAME --scope admin"],
    ),
    "promote without a version": (
        POST(path="/admin/models/walks/promote", body="{}", key="admin"),
        422,
        ["an object with version and alias; received an invalid version", "GET /admin/models/{name} lists the versions"],
    ),
    "promote a misspelt model": (
        POST(path="/admin/models/wolks/promote", body='{"version": "1"}', key="admin"),
        404,
        ["the store has no model wolks", "Did you mean walks?"],
    ),
    "a timeout in seconds": (
        POST(headers={**JSON, "x-request-timeout-ms": "1.5"}),
        400,
        ["a whole number of milliseconds", "Write 2000 for two seconds."],
    ),
}

WITHOUT_EXAMPLE = {
    *("too many rows", "promote without a version", "a timeout in seconds"),
    *("brotli", "two encodings", "gzip, by its header only", "half of a gzip body"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_answer_says_what_to_type_next(ask: Ask, wrong: str) -> None:
    request, status, said = WRONG[wrong]
    answer = ask(**request)
    problem = answer.problem
    assert answer.status == status
    assert [part for part in said if part not in problem["detail"]] == []
    assert len(problem["detail"]) < 500
    if "example" in problem and "/admin" not in request["path"]:
        again = ask("POST", request["path"], json.dumps(problem["example"]))
        assert (again.status, json.loads(again.body)["in_domain"]) == (200, [True])
    elif status in (400, 415, 422):
        assert wrong in WITHOUT_EXAMPLE
