"""FastAPI with pydantic models: `uvicorn benchmarks.peers.fastapi_app:app`.

The endpoint is `async`, since the call takes microseconds: FastAPI would run a plain `def` in a thread of its pool.
"""

# mypy: disable-error-code="import-not-found,untyped-decorator"

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.peers.model import load


class Sequences(BaseModel):
    sequences: list[list[float]]


class Steps(BaseModel):
    sequences: list[list[list[float]]]


class Classes(BaseModel):
    labels: list[str]
    probabilities: list[list[float]]


app = FastAPI()
model = load()


@app.post("/predict")
async def predict(body: Sequences) -> Sequences:
    return Sequences(sequences=model(body.sequences).tolist())


@app.post("/classify")
async def classify(body: Steps) -> Classes:
    return Classes(**model.plain_answer(body.sequences))
