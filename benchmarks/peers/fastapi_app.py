"""FastAPI with pydantic models and a synchronous endpoint: `uvicorn benchmarks.peers.fastapi_app:app`."""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.peers.model import load


class Sequences(BaseModel):
    sequences: list[list[float]]


app = FastAPI()
echo = load()


@app.post("/predict")
def predict(body: Sequences) -> Sequences:
    return Sequences(sequences=echo(body.sequences).tolist())
