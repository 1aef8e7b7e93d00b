"""A BentoML service that does nothing, to compare start-up times: `bentoml serve benchmarks.peers.bentoml_idle:Idle`."""

# mypy: disable-error-code="untyped-decorator"

import bentoml


@bentoml.service
class Idle:
    @bentoml.api
    def predict(self, sequences: list[list[float]]) -> list[list[float]]:
        return sequences
