"""Shows the versions in memory, `GET /models`, a model's card, `GET /models/{name}`, and the versions on trial,
`GET /models/{name}/comparison`.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np

from contract.aliases import PRODUCTION
from service.http.messages import Request, Response
from service.http.routes import Route
from service.protocols.problem import render_error
from service.protocols.schemas import (
    Card,
    Comparison,
    ComparisonInfo,
    Limits,
    ModelInfo,
    Models,
    RefusedVersion,
    SideInfo,
    VersionInfo,
    Worker,
)
from service.versions.not_served import unknown_model
from service.versions.registry import Registry
from service.versions.served_versions import ServedVersions
from service.versions.trials import Trial, quantile
from service.versions.worker_states import WorkerStates


class ModelPages:
    def __init__(self, registry: Registry, workers: WorkerStates, limits: Limits) -> None:
        self._registry, self._workers, self._limits = registry, workers, limits

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/models", "GET", self._models, render_error),
            Route("/models/{name}", "GET", self._card, render_error),
            Route("/models/{name}/comparison", "GET", self._comparison, render_error),
        ]

    def tell(self) -> None:
        """Publish this worker's versions and trials for the other workers."""
        serving = {name: _serving(served) for name, served in {**self._registry.served}.items()}
        trials = [{"model": trial.name, **trial.state()} for trial in self._registry.trials]
        self._workers.tell({"serving": serving, "trials": trials})

    def _told(self) -> list[dict[str, Any]]:
        """The versions and trials of every worker. Call it in a thread: while another process publishes, the disk is slow."""
        self.tell()
        return self._workers.all()

    async def _models(self, _request: Request) -> Response:
        workers = await asyncio.to_thread(self._told)
        served = [*self._registry.served.values()]
        models = Models(
            models=[_info(each, version) for each in served for version in sorted(each.versions)],
            limits=self._limits,
            refused=[RefusedVersion(name=r.name, version=r.version, reason=r.reason) for r in self._registry.refusals],
            workers=[Worker.model_validate(state) for state in workers],
        )
        return Response(models.model_dump_json().encode())

    async def _card(self, request: Request) -> Response:
        served = self._served(request.path["name"])
        infos = [_info(served, version) for version in sorted(served.versions)]
        versions = [VersionInfo.model_validate(info.model_dump(include=set(VersionInfo.model_fields))) for info in infos]
        default = next(info for info in infos if info.default)
        manifest = served.default.manifest
        more = {**manifest.model_dump(include={"curve", "golden", "golden_tolerance"}), "figures": manifest.gate}
        return Response(Card(**default.model_dump(), **more, versions=versions).model_dump_json().encode())

    def _served(self, name: str) -> ServedVersions:
        """Raises UnknownModel."""
        if (served := self._registry.served.get(name)) is None:
            raise unknown_model(name, [*self._registry.served])
        return served

    async def _comparison(self, request: Request) -> Response:
        name = request.path["name"]
        self._served(name)
        seen: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for worker in await asyncio.to_thread(self._told):
            for trial in worker["trials"]:
                if trial["model"] == name:
                    what = tuple(trial[field] for field in ("kind", "alias", "baseline", "candidate", "since"))
                    seen.setdefault(what, []).append(trial)
        comparison = Comparison(model=name, trials=[_merged(states) for states in seen.values()])
        return Response(comparison.model_dump_json().encode())


def _info(served: ServedVersions, version: str) -> ModelInfo:
    model = served.versions[version]
    aliases = sorted(alias for alias, named in served.aliases.items() if named == version)
    return ModelInfo.of(model.manifest, model.runtime.name, aliases, model is served.default)


def _serving(served: ServedVersions) -> dict[str, str | None]:
    def candidate(trials: Mapping[str, Trial]) -> str | None:
        trial = trials.get(PRODUCTION)
        return trial.candidate.manifest.version if trial is not None and not trial.ended else None

    trials = {"canary": candidate(served.canaries), "shadow": candidate(served.shadows)}
    return {**served.aliases, "default": served.default.manifest.version, **trials}


def _merged(states: list[dict[str, Any]]) -> ComparisonInfo:
    """The states of one trial in several workers, added up."""
    rows, answers = (sum(state[field] for state in states) for field in ("rows", "answers"))
    return ComparisonInfo(
        **{field: states[0][field] for field in ("kind", "alias", "baseline", "candidate", "percent", "since")},
        compared_rows=rows,
        differing_rows=sum(state["differing"] for state in states),
        differing_share=sum(state["answers_differing"] for state in states) / answers if answers else 0.0,
        largest_difference=max(state["largest"] for state in states),
        mean_difference=sum(state["total"] for state in states) / rows if rows else 0.0,
        uncompared_requests=sum(state["uncompared"] for state in states),
        sides={side: _merged_side([state["sides"][side] for state in states]) for side in ("baseline", "candidate")},
    )


def _merged_side(sides: list[dict[str, Any]]) -> SideInfo:
    seconds = np.sum([side["seconds"] for side in sides], axis=0)
    return SideInfo(
        requests=sum(side["requests"] for side in sides),
        errors=sum(side["errors"] for side in sides),
        p50_ms=1e3 * quantile(seconds, 0.5),
        p99_ms=1e3 * quantile(seconds, 0.99),
    )
