"""A plan: a recipe with every value settled, which is exactly what a run trains."""

from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from contract.manifest import Domain, Metric, Quantity, Task
from contract.topologies import TOPOLOGIES, ParameterCount, Topology, TopologyName
from training.recipes import CANDIDATE, ECHO_BAR, TASK_RECIPES, Bars, Recipe, TaskRecipe
from training.sequences.dataset import Dataset
from training.sequences.scaling import Scaling, scaling_of

SAME: Final = 1e-5
"""`Plan.same` in the network's units, in float32."""


class Network(NamedTuple):
    """What a network computes, whatever its weights."""

    topology: Topology
    units: int
    features: int = 1
    outputs: int = 1
    layers: int = 1
    dropout: float = 0.0
    length: int | None = None  # the only length that it takes; None: any
    softmax: bool = False  # its outputs are probabilities of classes

    @property
    def parameters(self) -> ParameterCount:
        return self.topology.parameters(self.units, self.features, self.outputs, self.layers)


class Goal(NamedTuple):
    """What the gate compares, apart from an echo's errors."""

    metric: Metric
    bar: float | None  # the value that the user asks for
    beats: tuple[str, ...]  # baselines: naive, seasonal:12, mean, majority
    margin: float


@dataclass(frozen=True)
class Chosen:
    """The user's values; None: the recipe's."""

    units: int | None = None
    layers: int | None = None
    dropout: float | None = None
    batch: int | None = None
    steps: int | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    class_weights: bool = False
    scaling: str | None = None
    metric: Metric | None = None
    bar: float | None = None
    beats: tuple[str, ...] = ()  # beside the recipe's


@dataclass(frozen=True)
class Plan:
    recipe: Recipe | TaskRecipe
    name: str  # of the model
    network: Network
    length: int  # steps in the longest training row
    batch: int  # rows
    steps: int  # of the optimiser
    learning_rate: float  # at the start
    seed: int
    data: Dataset | None = None  # the user's own sequences; None: the recipe generates them
    patience: int | None = None  # epochs; None: every step is trained, and the last weights are kept
    class_weights: bool = False  # rare classes count as much as common ones
    scaling: Scaling | None = None  # between the user's units and the network's; None: they are equal
    goal: Goal | None = None  # None: an echo

    @property
    def topology(self) -> Topology:
        return self.network.topology

    @property
    def units(self) -> int:
        return self.network.units

    @property
    def task(self) -> Task:
        return "echo" if self.data is None else self.data.task

    @property
    def any_length(self) -> bool:
        return self.network.length is None

    @property
    def epoch(self) -> int:
        """Steps in which each training row is seen about once."""
        return 1 if self.data is None else max(1, -(-len(self.data.train) // self.batch))

    @property
    def features(self) -> list[Quantity]:
        """The features with their domains."""
        if self.data is not None:
            return self.data.features
        return [Quantity(name="value", domain=self.echo.domain)]

    @property
    def domain(self) -> Domain:
        """Of the first feature: an echo has no other."""
        return self.features[0].domain

    @property
    def echo(self) -> Recipe:
        """The recipe of an echo. Call it for an echo only."""
        return cast(Recipe, self.recipe)

    @property
    def bars(self) -> Bars:
        """Largest errors of an echo, in the user's units."""
        unit = self.echo.bars(self.topology, self.length)
        if self.data is None:
            return unit
        width = self.domain.high - self.domain.low
        return Bars(unit.random * width, unit.edges * width, ECHO_BAR * width)

    @property
    def same(self) -> float:
        """Largest difference between two ways to compute the same value, in the user's units: sums differ in order."""
        return SAME if self.scaling is None else SAME * self.scaling.widest + self.scaling.rounding

    @property
    def highest_length(self) -> int:
        """The longest rows that the gate tries."""
        if isinstance(self.recipe, TaskRecipe):
            return self.length
        anything = self.topology.per_step and not self.recipe.one_sequence
        return max(self.length, self.recipe.highest_length) if anything else self.length

    @property
    def alias(self) -> str:
        """The default alias of the published version."""
        return self.recipe.alias if self.data is None else CANDIDATE


def plan_echo(
    recipe: Recipe,
    topology: TopologyName,
    length: int,
    seed: int,
    chosen: Chosen = Chosen(),
    data: Dataset | None = None,
    name: str | None = None,
) -> Plan:
    """Settle every value that the user left open with the recipe's value."""
    shape = TOPOLOGIES[topology]
    return Plan(
        recipe=recipe,
        name=name or shape.echo_name(length),
        network=Network(
            topology=shape,
            units=chosen.units or recipe.units(shape, length),
            outputs=1 if shape.per_step else length,
            length=None if shape.per_step else length,
        ),
        length=length,
        batch=recipe.batch,
        steps=chosen.steps or chosen.epochs or recipe.steps(shape, length),
        learning_rate=chosen.learning_rate or recipe.learning_rate(shape, length),
        seed=seed,
        data=data,
        scaling=None if data is None else scaling_of(data, "domain"),
    )


def plan_task(data: Dataset, topology: TopologyName, name: str, seed: int, chosen: Chosen = Chosen()) -> Plan:
    """As `plan_echo`, for the other tasks."""
    recipe, shape = TASK_RECIPES[data.task], TOPOLOGIES[topology]
    kind = chosen.scaling or recipe.scaling(shape)
    batch = chosen.batch or recipe.batch
    epoch = max(1, -(-len(data.train) // batch))  # steps
    epochs = chosen.epochs or max(recipe.epochs, -(-recipe.fewest_steps // epoch))
    steps = chosen.steps or epochs * epoch
    patience = max(1, round(recipe.patience * steps / epoch))
    classes = len(data.classes)
    return Plan(
        recipe=recipe,
        name=name,
        network=Network(
            topology=shape,
            units=chosen.units or recipe.units,
            features=len(data.features),
            outputs=classes or len(data.goals) * (1 if shape.per_step else data.horizon),
            layers=chosen.layers or recipe.layers,
            dropout=recipe.dropout if chosen.dropout is None else chosen.dropout,
            length=data.facts.length if kind == "window" else None,
            softmax=bool(classes),
        ),
        length=data.facts.length,
        batch=batch,
        steps=steps,
        learning_rate=chosen.learning_rate or recipe.learning_rate,
        seed=seed,
        data=data,
        patience=patience if chosen.patience is None else chosen.patience,
        class_weights=chosen.class_weights,
        scaling=scaling_of(data, kind),
        goal=Goal(
            chosen.metric or recipe.metric,
            chosen.bar,
            tuple(dict.fromkeys((*recipe.beats, *chosen.beats))),
            recipe.margin,
        ),
    )
