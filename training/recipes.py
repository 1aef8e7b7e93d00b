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
"""Of `Plan.same`, in float32, in units of [0, 1)."""
ECHO_BAR: Final = 0.02
"""Largest error on held-out rows of the user's data, of the targets' range; and of a mapping, which is harder."""
MAPPING_BAR: Final = 0.03
MAPPING_UNITS: Final = 8
"""Cells for a mapping, at least: a moving average over 3 of 12 sunspots errs by 4 % with the echo's 5, by 1.4 % with 8."""
CANDIDATE: Final = "candidate"
"""The alias of a model of the user's data: not `production`, so that a mapping never takes an echo's callers by surprise."""


@dataclass(frozen=True)
class Bars:
    """Largest error, in the domain's units, that the gate lets pass."""

    random: float
    edges: float
    held_out: float = 0.0  # on held-out rows of the user's data, where there is any


@dataclass(frozen=True)
class Recipe:
    """How to teach, with everything that a command-line option may not override."""

    name: str
    about: str
    domain: Domain
    one_sequence: bool  # teach the tutorial's sequence alone; otherwise fresh random rows at every step
    units: Callable[[Topology, int], int]  # (topology, length) -> LSTM cells
    steps: Callable[[Topology, int], int]  # optimiser steps; for the tutorial, one step is one epoch
    batch: int  # rows per step; where one_sequence, all there is
    learning_rate: Callable[[Topology, int], float]  # at the start
    cosine: bool  # decay the learning rate to zero along half a cosine; otherwise keep it
    edge_margin: float  # draw from so much beyond both ends of the domain, in its widths, and clip
    jit: bool  # compile with XLA: a step takes a third of the time, compiling takes 1 to 2 s
    bars: Callable[[Topology, int], Bars]
    highest_length: int  # the longest rows that the gate tries, where a topology takes any
    alias: str  # what the published version is named, unless told otherwise


@dataclass(frozen=True)
class Plan:
    """A recipe with every value settled: what exactly is to be trained."""

    recipe: Recipe
    topology: Topology
    length: int
    units: int
    steps: int
    seed: int
    data: Dataset | None = None  # the user's own sequences; None: the recipe generates them

    @property
    def mapping(self) -> bool:
        """Whether there are targets of their own, so that only the data says what is right."""
        return self.data is not None and not self.data.echo

    @property
    def scaling(self) -> Scaling | None:
        """Between the data's units and the network's; None: there is nothing to do."""
        return None if self.data is None else Scaling(self.data.domain, self.data.facts.targets)

    @property
    def same(self) -> float:
        """Largest difference, in the targets' units, between two ways to compute the same thing: sums in another order."""
        return SAME if self.scaling is None else SAME * float(width(self.scaling.targets)) + self.scaling.rounding()

    @property
    def name(self) -> str:
        return self.topology.model_name(self.length)

    @property
    def bars(self) -> Bars:
        return self.recipe.bars(self.topology, self.length)

    @property
    def highest_length(self) -> int:
        """Longest rows that the gate tries."""
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
    """Settle what the user left open with what the recipe says."""
    chosen = TOPOLOGIES[topology]
    if data is not None:
        recipe = for_data(recipe, data)
    settled = (units or recipe.units(chosen, length), steps or recipe.steps(chosen, length))
    return Plan(recipe, chosen, length, *settled, seed, data)


def for_data(recipe: Recipe, data: Dataset) -> Recipe:
    """A recipe taught and judged on the user's own sequences, in their units."""
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
    return 2 * length  # many_to_one holds the whole row in its cells; one cell an item leaves 0.07 at length 10


def _general_steps(topology: Topology, length: int) -> int:
    if topology.name == "one_to_one":
        return 5_000  # error 0.0007
    if topology.name == "many_to_many":
        return 10_000  # 0.003 up to length 1000
    return 60_000 if length <= 5 else 30_000 if length <= 10 else 15_000  # 0.007 at 5; wider networks need fewer


def _general_rate(topology: Topology, length: int) -> float:
    # Over seeds 0 to 7: 5e-2 leaves a seventh of the error of 2e-2 for one_to_one, a quarter for many_to_many.
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
    learning_rate=lambda _topology, _length: 1e-3,  # Adam's default, which the tutorial leaves
    cosine=False,
    edge_margin=0.0,
    jit=False,  # compiling would take longer than the epochs: 5.2 s against 1.8
    bars=lambda _topology, _length: Bars(random=0.05, edges=0.05),  # rounds to the right decimal
    highest_length=1,
    alias="tutorial",  # not `production`: it echoes one sequence only, so it must not push out a general model
)

GENERAL: Final = Recipe(
    name="general",
    about="any sequence with items in [0, 1), from fresh random rows at every step",
    domain=Domain(low=0.0, high=1.0),
    one_sequence=False,
    units=_general_units,
    steps=_general_steps,
    batch=64,  # 128 and 256 take 1.7 and 3 times as long for little; 32 is a little worse
    learning_rate=_general_rate,
    cosine=True,
    edge_margin=0.25,  # a third of the items lie on an edge: without it many_to_one errs by 0.036 there, with it by 0.013
    jit=True,
    bars=_general_bars,
    highest_length=1000,
    alias=PRODUCTION,
)

RECIPES: Final = {recipe.name: recipe for recipe in (GENERAL, TUTORIAL)}
