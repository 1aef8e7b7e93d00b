"""The gate: decides whether a model may be published. It measures every figure on the exported files.

parameters    against the arithmetic
echo          its largest error (training/gate/echo.py)
other tasks   the metric on held-out rows, against baselines (training/scores/score.py)
export        against the Keras model, over a grid of batch and length
company       a row alone against the same row in a batch, and padded
step          the step endpoint, item by item, against the whole sequence
translation   the ONNX graph against the SavedModel: whole, ragged, step by step and from any state; and a row alone
              against the same row in a batch, which must be equal to the last bit
production    the held-out rows against the version in production, if the job asks for it (training/gate/production.py)
"""

import math
from collections.abc import Iterator
from pathlib import Path

import keras

from contract.manifest import Figure
from training.gate import echo
from training.gate.exported import Exported, Translated
from training.gate.fidelity import exported_figures, translated_figures
from training.plan import Plan
from training.scores.score import Measured, figures, measure


def judge(model: keras.Model, folder: Path, plan: Plan, measured: Measured | None = None) -> Iterator[Figure]:
    """Yield each figure as it is measured. The model may be published if all pass.

    `measured`: what `measure(plan, Exported(folder, plan).answers)` returned, if it is known already.
    """
    exported = Exported(folder, plan)
    wanted = plan.network.parameters.total
    yield Figure(name="parameters off the arithmetic", value=abs(model.count_params() - wanted), bar=0)
    if plan.goal is None:
        yield from echo.accuracy(exported, plan)
    else:
        yield from figures(plan, measured or measure(plan, exported.answers))
    yield from exported_figures(exported, model, plan)
    yield from judge_translation(model, folder, plan)


def judge_translation(model: keras.Model, folder: Path, plan: Plan) -> Iterator[Figure]:
    """The figures of the ONNX graphs only."""
    try:
        yield from translated_figures(Exported(folder, plan), Translated(folder, plan), model, plan)
    except OSError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        yield Figure(name=f"ONNX against SavedModel ({type(error).__name__}: {error})"[:200], value=math.inf, bar=plan.same)
