"""BentoML's typed endpoint: `bentoml serve benchmarks.peers.bentoml_plain:Plain`."""

# mypy: disable-error-code="untyped-decorator"

import bentoml


@bentoml.service
class Plain:
    def __init__(self) -> None:
        from benchmarks.peers.model import load  # noqa: PLC0415 - BentoML's supervising process needs no model

        self.model = load()

    @bentoml.api
    def predict(self, sequences: list[list[float]]) -> list[list[float]]:
        rows: list[list[float]] = self.model(sequences).tolist()
        return rows
