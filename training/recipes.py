"""The recipes: frozen training configurations, each value with its reason."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from contract.aliases import PRODUCTION
from contract.manifest import Domain
from contract.topologies import TOPOLOGIES, Topology, TopologyName
from training.sequences.dataset import Dataset
from training.sequences.scaling import Scaling, width

SAME: Final = 1e-5
"""`Plan.same` in units of [0, 1), in float32."""
ECHO_BAR: Final = 0.02
"""Largest error on held-out rows of the user's data, as a share of the targets' range. A mapping is harder."""
MAPPING_BAR: Final = 0.03
MAPPING_UNITS: Final = 8
"""Fewest cells for a mapping: a moving average of sunspots errs by 4 % with the echo's 5 cells, by 1.4 % with 8."""
CANDIDATE: Final = "candidate"
"""The alias of a model of the user's data. Not `production`, so that no client gets a mapping in place of an echo."""


@dataclass(frozen=True)
class Bars:
    """Largest errors that pass the gate, in the domain's units."""

    random: float
    edges: float
    held_out: float = 0.0  # on held-out rows of the user's data, if any


@dataclass(frozen=True)
class Recipe:
    """A frozen training configuration, with every value that no command-line option overrides."""

    name: str
    about: str
    domain: Domain
    one_sequence: bool  # train on the tutorial's sequence only; otherwise on fresh random rows at every step
    units: Callable[[Topology, int], int]  # (topology, length) -> LSTM cells
    steps: Callable[[Topology, int], int]  # optimiser steps; for the tutorial, one step is one epoch
    batch: int  # rows per step; 1 for one_sequence
    learning_rate: Callable[[Topology, int], float]  # at the start
    cosine: bool  # decay the learning rate to zero along half a cosine; otherwise constant
    edge_margin: float  # draw this far beyond both ends of the domain, in widths of it, and clip
    jit: bool  # compile with XLA: a step takes a third of the time, compiling takes 1 to 2 s
    bars: Callable[[Topology, int], Bars]
    highest_length: int  # the longest rows that the gate tries, where a topology takes any length
    alias: str  # default alias of the published version


@dataclass(frozen=True)
class Plan:
    """A recipe with every value settled: exactly what a run trains."""

    recipe: Recipe
    topology: Topology
    length: int
    units: int
    steps: int
    seed: int
    data: Dataset | None = None  # the user's own sequences; None: the recipe generates them

    @property
    def mapping(self) -> bool:
        """Whether the data has its own targets, so that only the data knows right answers."""
        return self.data is not None and not self.data.echo

    @property
    def scaling(self) -> Scaling | None:
        """Converts between the data's units and the network's; None: the units are equal."""
        return None if self.data is None else Scaling(self.data.domain, self.data.facts.targets)

    @property
    def same(self) -> float:
        """Largest difference between two ways to compute the same value, in the targets' units: sums differ in order."""
        return SAME if self.scaling is None else SAME * float(width(self.scaling.targets)) + self.scaling.rounding()

    @property
    def name(self) -> str:
        return self.topology.model_name(self.length)

    @property
    def bars(self) -> Bars:
        return self.recipe.bars(self.topology, self.length)

    @property
    def highest_length(self) -> int:
        """The longest rows that the gate tries."""
        anything = self.topology.any_length and not self.recipe.one_sequence and not self.mapping
        return max(self.length, self.recipe.highest_length) if anything else self.length


def plan(
    recipe: Recipe,
    topology: TopologyName,
    length: int,
    seed: int,
    units: int | None = None,
    steps: int | None = None,
    data: Dataset | None = None,
) -> Plan:
    """Settle every value that the user left open with the recipe's value."""
    chosen = TOPOLOGIES[topology]
    if data is not None:
        recipe = for_data(recipe, data)
    settled = (units or recipe.units(chosen, length), steps or recipe.steps(chosen, length))
    return Plan(recipe, chosen, length, *settled, seed, data)


def for_data(recipe: Recipe, data: Dataset) -> Recipe:
    """The recipe for the user's own sequences, in the data's units."""
    scale = float(width(data.facts.targets))

    def bars(topology: Topology, length: int) -> Bars:
        unit = recipe.bars(topology, length)
        return Bars(unit.random * scale, unit.edges * scale, (ECHO_BAR if data.echo else MAPPING_BAR) * scale)

    return replace(
        recipe,
        about=f"the {'echo' if data.echo else 'mapping'} in {data.facts.file}, in its own units",
        domain=data.domain,
        units=recipe.units if data.echo else lambda topology, length: max(MAPPING_UNITS, recipe.units(topology, length)),
        bars=bars,
        alias=CANDIDATE,
    )


def _general_units(topology: Topology, length: int) -> int:
    if topology.any_length or length <= 5:
        return 5  # the tutorial's networks: 146, 170 and 146 parameters
    return 2 * length  # many_to_one keeps the whole row in its cells; one cell per item leaves 0.07 at length 10


def _general_steps(topology: Topology, length: int) -> int:
    if topology.name == "one_to_one":
        return 5_000  # error 0.0007
    if topology.name == "many_to_many":
        return 10_000  # 0.003 up to length 1000
    return 60_000 if length <= 5 else 30_000 if length <= 10 else 15_000  # 0.007 at 5; wider networks need fewer


def _general_rate(topology: Topology, length: int) -> float:
    # Over seeds 0 to 7 the error of 5e-2 is a seventh of that of 2e-2 for one_to_one, a quarter for many_to_many.
    return 5e-2 if topology.any_length or length <= 5 else 2e-2


def _general_bars(topology: Topology, length: int) -> Bars:
    return Bars(random=0.03 if topology.any_length or length <= 5 else 0.05, edges=0.05)


TUTORIAL: Final = Recipe(
    name="tutorial",
    about="the tutorial's one sequence, until the model echoes it to one decimal",
    domain=Domain(low=0.0, high=1.0),
    one_sequence=True,
    units=lambda _topology, length: length,
    steps=lambda topology, _length: 500 if topology.name == "many_to_one" else 1000,  # the tutorial's epochs
    batch=1,
    learning_rate=lambda _topology, _length: 1e-3,  # Adam's default, as in the tutorial
    cosine=False,
    edge_margin=0.0,
    jit=False,  # compiling takes longer than the epochs: 5.2 s against 1.8
    bars=lambda _topology, _length: Bars(random=0.05, edges=0.05),  # rounds to the right decimal
    highest_length=1,
    alias="tutorial",  # not `production`: it echoes one sequence only, so it must not replace a general model
)

GENERAL: Final = Recipe(
    name="general",
    about="any sequence with items in [0, 1), from fresh random rows at every step",
    domain=Domain(low=0.0, high=1.0),
    one_sequence=False,
    units=_general_units,
    steps=_general_steps,
    batch=64,  # 128 and 256 take 1.7 and 3 times as long for a small gain; 32 is slightly worse
    learning_rate=_general_rate,
    cosine=True,
    edge_margin=0.25,  # a third of the items lie on an edge: without it many_to_one errs by 0.036 there, with it by 0.013
    jit=True,
    bars=_general_bars,
    highest_length=1000,
    alias=PRODUCTION,
)

RECIPES: Final = {recipe.name: recipe for recipe in (GENERAL, TUTORIAL)}
