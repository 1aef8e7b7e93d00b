"""The composition root: settings in, service out. Everything it wires is somewhere else."""

import logging
import sys
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import bentoml
import click
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml.images import Image
from bentoml.models import BentoModel

from contract.hints import typed
from contract.store import ModelStore
from contract.topologies import TopologyName
from service.connection.limits import ConnectionLimits, raise_open_files
from service.connection.protocol import Connection
from service.connection.shared import Shared
from service.connection.stalling import UnreadAnswers
from service.engine.engine import Engine
from service.engine.switch_interval import LOOP_SECONDS
from service.hosting import memory, swagger_ui
from service.hosting.draining import Draining
from service.hosting.listening import Listeners
from service.hosting.outermost import Outermost
from service.hosting.ready import Example, Ready
from service.hosting.shared_metrics import supervisor_of, sweep, use_own_folder
from service.hosting.supervised import end_with_supervisor
from service.hosting.uvicorn_config import check_exposure, check_port, listen
from service.http.body import BodyLimits
from service.http.head_rules import HeadRules
from service.http.transport import Limits, Transport
from service.overload.admission import Admission
from service.page.page import Page
from service.protocols.admin import Admin
from service.protocols.models import ModelPages
from service.protocols.native import Native
from service.protocols.native_examples import example
from service.protocols.openapi.documentation import Documentation
from service.protocols.openapi.facts import Facts
from service.protocols.problem import render_error
from service.protocols.schemas import IsStrict, Prediction, PredictionRequest, RoutingKey, Sequences, Wanted
from service.protocols.schemas import Limits as RequestLimits
from service.runtime.runtimes import load
from service.security.cors import cross_origin
from service.security.key_check import Guard
from service.security.key_rates import KeyRates
from service.security.reloaded_files import Unusable
from service.security.tls import certificates_of, tls_options
from service.settings import Settings, metrics_folder
from service.telemetry import log_format, metric_files, metrics
from service.telemetry.metric_buffer import metric_buffer
from service.telemetry.process_metrics import ProcessMetrics
from service.telemetry.request_log import RequestLog
from service.telemetry.tracing import Tracing
from service.versions.registry import Registry
from service.versions.store_watcher import StoreWatcher
from service.versions.trials import Bars
from service.versions.worker_states import WorkerStates, remove_at_exit, shared_folder

memory.keep_little()
use_own_folder()
settings = Settings.read()
store = ModelStore(settings.models_dir)
limits = Limits(
    BodyLimits(settings.max_body_bytes, settings.body_seconds), settings.timeout_ms / 1e3, settings.max_timeout_ms / 1e3
)
admission = Admission(settings.max_waiting_bytes, settings.max_waiting_ms / 1e3)
bars = Bars(
    errors=settings.canary_max_errors,
    differences=settings.canary_max_differences,
    tolerance=settings.compare_tolerance,
    tail=settings.canary_max_tail,
    tail_floor=settings.canary_tail_floor_ms / 1e3,
)
tracing = Tracing(
    settings.otlp_endpoint,
    settings.trace_sample,
    {"service.name": "unroll", "service.version": settings.version, "vcs.ref.head.revision": settings.commit},
)
request_log = RequestLog(tracing, settings.access_log_sample, settings.access_log_per_second)
try:
    guard = Guard(settings.keys_file, KeyRates(shared_folder()), settings.open_metrics)
    tls = tls_options(settings.tls_certificate_file, settings.tls_key_file)
except Unusable as error:
    raise SystemExit(str(error)) from error
transport = Transport(limits, admission, guard, request_log, render_error)
rules = HeadRules(settings.allowed_hosts)
check_address = partial(check_exposure, keys=settings.keys_file is not None, allow_open=settings.allow_open)
connection_limits = ConnectionLimits(
    settings.max_connections,
    settings.max_header_bytes,
    settings.max_header_count,
    settings.header_seconds,
    settings.write_seconds,
    settings.max_unread_bytes,
)
unread = UnreadAnswers(settings.max_unread_bytes)
ready = Ready(settings.log_format, settings.keys_file, settings.allowed_hosts)


def listen_on(address: str) -> None:
    check_address(address)
    rules.listen_on(address, keys=settings.keys_file is not None)


listen(
    partial(Connection, Shared(connection_limits, rules, unread, render_error, transport.early, transport)),
    settings.idle_seconds,
    settings.max_connections,
    certificates_of(settings.reread_seconds),
    listen_on,
    None if (folder := metrics_folder()) is None else Listeners(folder),
    ready.say,
)


# `custom`, because BentoML installs compilers in every distribution that it knows. make image
@bentoml.service(
    name="unroll",
    workers=settings.workers,
    image=Image("python:3.11-slim", "custom", "3.11"),
    http={"host": settings.host},
    ssl=tls,
)
class Unroll:
    """LSTM sequence models in three topologies. An echo takes `{"sequences": [[0.0, 0.2, 0.4, 0.6, 0.8], ...]}` and
    answers with the same rows, as the model echoes them. `POST /models/{name}/predict` asks any model. What is served:
    `GET /models`."""

    @bentoml.on_deployment
    @staticmethod
    def check_store() -> None:
        """Once, before any worker starts."""
        if not store.names():
            raise SystemExit(f"No models in {store.root}. Train them with: {typed('train')}")
        if not store.tags():
            raise SystemExit(f"No model in {store.root} is whole. See why with: {typed('models')}")
        from service.hosting import seams, supervisor  # noqa: PLC0415 - a worker needs none of what they import

        sweep()
        remove_at_exit()
        log_format.setup(settings.log_format)
        seams.verify()
        supervisor.attend(settings.drain_seconds, settings.grace_seconds)

    @bentoml.on_deployment
    @staticmethod
    def check_address_and_port() -> None:
        """Once, with the options of `bentoml serve`; each worker checks the address of its socket."""
        command = click.get_current_context(silent=True)
        if command is not None and "host" in command.params:
            host = command.params["host"] or BentoMLContainer.http.host.get()
            check_address(host)
            check_port(host, command.params["port"] or BentoMLContainer.http.port.get())

    def __init__(self) -> None:
        log_format.setup(settings.log_format)
        end_with_supervisor(supervisor_of(metrics_folder()))
        tracing.start()
        raise_open_files(settings.max_connections)
        metrics.build_info.labels(settings.version, settings.commit, version("bentoml")).set(1)
        registry = Registry(store, partial(load, choice=settings.runtime), settings.keep_previous)
        with log_format.starting(settings.log_format):
            registry.load_all()
        ready.models = lambda: [
            Example(name, served.default.manifest.version, served.names_of_default, example(served.default.manifest))
            for name, served in sorted(registry.served.items())
        ]
        self._native = Native(Engine(registry, bars, admission.aside), settings.max_rows, settings.max_items)
        workers = WorkerStates()
        pages = ModelPages(registry, workers, RequestLimits.model_validate(settings, from_attributes=True))
        page = Page(render_error, keys=settings.keys_file is not None)
        documentation = Documentation(lambda: Facts.of(registry.served, settings, guard), swagger_ui.folder(), swagger_ui.FILES)
        protocols = page, self._native, pages, documentation, Admin(store, guard, admission.aside)
        transport.add(*(route for protocol in protocols for route in protocol.routes))
        guard.start(settings.reread_seconds)
        # BentoML turns uvicorn's access log off, but not the work of putting its lines together.
        logging.getLogger("uvicorn.access").propagate = False
        memory.settle()
        sys.setswitchinterval(LOOP_SECONDS)

        def look() -> None:
            registry.refresh()
            pages.tell()
            metric_files.reserve()  # for what the files have grown by with new versions' labels

        pages.tell()
        watcher = StoreWatcher(settings.models_dir, settings.watch_seconds, look)
        watcher.start()
        self._leave = metric_buffer.flush, watcher.stop, workers.leave, tracing.stop

    @bentoml.on_shutdown
    def leave(self) -> None:
        for leave in self._leave:
            leave()

    @bentoml.on_startup
    async def start(self) -> None:
        """On the event loop that will serve."""
        metric_files.reserve()
        ProcessMetrics(admission).start()

    # Over HTTP the transport answers these three routes first, through the same engine. What is declared here is
    # their schema: for BentoML's client, and for calls inside the process.

    @bentoml.api
    async def one_to_one(
        self, sequences: Sequences, model_version: Wanted = None, routing_key: RoutingKey = None, strict: IsStrict = False
    ) -> Prediction:
        """Every item is a sample of its own: (items, 1, 1) -> (items, 1). Rows of any length."""
        return await self._predict("one_to_one", sequences, model_version, routing_key, strict)

    @bentoml.api
    async def many_to_one(
        self, sequences: Sequences, model_version: Wanted = None, routing_key: RoutingKey = None, strict: IsStrict = False
    ) -> Prediction:
        """A row in, one vector out: (rows, length, 1) -> (rows, length). Rows of one length, for which a model is served."""
        return await self._predict("many_to_one", sequences, model_version, routing_key, strict)

    @bentoml.api
    async def many_to_many(
        self, sequences: Sequences, model_version: Wanted = None, routing_key: RoutingKey = None, strict: IsStrict = False
    ) -> Prediction:
        """One item out per item in: (rows, time, 1) -> (rows, time, 1). Rows of any length."""
        return await self._predict("many_to_many", sequences, model_version, routing_key, strict)

    async def _predict(
        self, name: TopologyName, sequences: Sequences, wanted: Wanted, key: RoutingKey, strict: IsStrict
    ) -> Prediction:
        asked = PredictionRequest(sequences=sequences, model_version=wanted, routing_key=key, strict=strict)
        return await self._native.predict(name, asked)


MIDDLEWARES: Final[tuple[tuple[Any, dict[str, Any]], ...]] = (  # the outermost first; BentoML's own are around both
    # Outside of everything once the worker drains; until then it does nothing.
    (Draining, {"pause": settings.drain_seconds, "grace": settings.grace_seconds, "begun": transport.answer_through_asgi}),
    # At the start these layers go around BentoML's own middlewares, the last outermost.
    (Outermost, {"layers": (transport.around, cross_origin(settings.cors_origins)), "without": swagger_ui.UNUSED}),
)
for middleware, options in MIDDLEWARES:
    Unroll.add_asgi_middleware(middleware, **options)  # type: ignore[attr-defined]  # the decorator made it a Service
# What `bentoml build` puts into the bento: the models that this service would serve from the store now. BentoML looks for
# them in its own store, also when it serves, and would not start where they are in another.
if settings.in_bentomls_store:
    Unroll.models.extend(BentoModel(tag) for tag in store.tags())  # type: ignore[attr-defined]
