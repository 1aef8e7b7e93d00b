"""The recipes: frozen training configurations, each value with its reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contract.aliases import PRODUCTION
from contract.manifest import Domain
from contract.topologies import TOPOLOGIES, Topology, TopologyName


@dataclass(frozen=True)
class Bars:
    """Largest error, in the domain's units, that the gate lets pass."""

    random: float
    edges: float


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

    @property
    def name(self) -> str:
        return self.topology.model_name(self.length)

    @property
    def bars(self) -> Bars:
        return self.recipe.bars(self.topology, self.length)

    @property
    def highest_length(self) -> int:
        """Longest rows that the gate tries."""
        anything = self.topology.any_length and not self.recipe.one_sequence
        return max(self.length, self.recipe.highest_length) if anything else self.length


def plan(
    recipe: Recipe,
    topology: TopologyName,
    length: int,
    seed: int,
    units: int | None = None,
    steps: int | None = None,
) -> Plan:
    """Settle what the user left open with what the recipe says."""
    chosen = TOPOLOGIES[topology]
    return Plan(recipe, chosen, length, units or recipe.units(chosen, length), steps or recipe.steps(chosen, length), seed)


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
