"""The recipes: frozen training configurations, each value with its reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from contract.manifest import Domain
from contract.store import PRODUCTION
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
    steps: Mapping[TopologyName, int]  # optimiser steps; for the tutorial, one step is one epoch
    batch: int  # rows per step; where one_sequence, all there is
    learning_rate: float
    cosine: bool  # decay the learning rate to zero along half a cosine; otherwise keep it
    bars: Callable[[Topology, int], Bars]
    highest_length: int  # the gate tries every length up to it, where a topology takes any
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
    return Plan(recipe, chosen, length, units or recipe.units(chosen, length), steps or recipe.steps[topology], seed)


def _as_many_as_items(_topology: Topology, length: int) -> int:
    return length


def _enough_to_remember(topology: Topology, length: int) -> int:
    if topology.any_length or length <= 5:
        return 5  # the tutorial's networks: 146, 170 and 146 parameters
    return 32  # many_to_one holds the whole row in its cells; with 10 cells length 10 stays at 0.07


def _general_bars(topology: Topology, length: int) -> Bars:
    return Bars(random=0.03 if topology.any_length or length <= 5 else 0.05, edges=0.05)


TUTORIAL: Final = Recipe(
    name="tutorial",
    about="the tutorial's one sequence, until the model echoes it to one decimal",
    domain=Domain(low=0.0, high=1.0),
    one_sequence=True,
    units=_as_many_as_items,
    steps={"one_to_one": 1000, "many_to_one": 500, "many_to_many": 1000},  # the tutorial's epochs
    batch=5,
    learning_rate=1e-3,  # Adam's default, which the tutorial leaves
    cosine=False,
    bars=lambda _topology, _length: Bars(random=0.05, edges=0.05),  # rounds to the right decimal
    highest_length=5,
    alias="tutorial",  # not `production`: it echoes one sequence only, so it must not push out a general model
)

GENERAL: Final = Recipe(
    name="general",
    about="any sequence with items in [0, 1), from fresh random rows at every step",
    domain=Domain(low=0.0, high=1.0),
    one_sequence=False,
    units=_enough_to_remember,
    steps={"one_to_one": 5_000, "many_to_one": 30_000, "many_to_many": 10_000},
    batch=64,
    learning_rate=2e-2,
    cosine=True,
    bars=_general_bars,
    highest_length=1000,
    alias=PRODUCTION,
)

RECIPES: Final = {recipe.name: recipe for recipe in (GENERAL, TUTORIAL)}
