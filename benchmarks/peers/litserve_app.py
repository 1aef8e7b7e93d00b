"""LitServe: `python -m benchmarks.peers.litserve_app PORT`."""

# mypy: disable-error-code="import-not-found,misc"

import sys
from typing import Any

import litserve

from benchmarks.peers.model import load


class ModelAPI(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - its name is LitServe's
        self.model = load()

    def decode_request(self, request: dict[str, Any]) -> Any:
        return request["sequences"]

    def predict(self, sequences: Any) -> Any:
        return self.model.plain_answer(sequences)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(ModelAPI(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, access_log=False)
