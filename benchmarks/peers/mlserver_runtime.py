"""A custom runtime for `mlserver start`. Its settings are MLSERVER_... variables (see targets.py)."""

# mypy: disable-error-code="import-not-found,misc,untyped-decorator"

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.model import load


class OnnxModel(MLModel):
    async def load(self) -> bool:
        self.model = load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        sequences = self.decode(payload.inputs[0], default_codec=NumpyCodec)  # (rows, time)
        output = NumpyCodec.encode_output("sequences", self.model(sequences))
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=[output])
