"""What a manifest says of a model, as far as the plan settles it."""

from typing import Any

from training.plan import Plan


def described(plan: Plan) -> dict[str, Any]:
    """Fields of `contract.manifest.Manifest`."""
    network, data = plan.network, plan.data
    numbers = plan.task in ("forecast", "regress")
    return {
        "name": plan.name,
        "topology": plan.topology.name,
        "task": plan.task,
        "features": plan.features,
        "targets": data.goals if data is not None and numbers else [],
        "classes": data.classes if data is not None and not numbers else [],
        "horizon": data.horizon if data is not None and plan.task == "forecast" and not plan.topology.per_step else None,
        "length": plan.length,
        "any_length": plan.any_length,
        "highest_length": plan.highest_length,
        "units": network.units,
        "layers": network.layers,
        "scaling": "none" if plan.scaling is None else plan.scaling.kind,
        "parameters": network.parameters.total,
        "data": None if data is None else data.facts,
        "recipe": plan.recipe.name,
        "seed": plan.seed,
    }
