"""Ray Serve, one replica: `python -m benchmarks.peers.ray_app PORT`."""

# mypy: disable-error-code="import-not-found,untyped-decorator,attr-defined"

import os
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.peers.model import load


@serve.deployment(num_replicas=1)
class Model:
    def __init__(self, folder: str) -> None:
        self.model = load(folder)

    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        return self.model.plain_answer(body["sequences"])


if __name__ == "__main__":
    ray.init(include_dashboard=False, _node_ip_address="127.0.0.1", object_store_memory=10**8, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config={"enable_access_log": False})
    serve.run(Model.bind(os.environ["MODEL"]), route_prefix="/predict", blocking=True)
