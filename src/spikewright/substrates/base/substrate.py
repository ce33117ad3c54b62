"""A substrate is limits, passes and prices; it is not a simulator.

`compile(network)` checks the limits, runs the passes `Network -> Network`, and gives a `Compiled`: the lowered network
(which runs on the same engines as any other), where its neurons lie, and a list of every change with its reason. `cost`
multiplies the counts of a Recording of the lowered network with the price list.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import SubstrateError, explain
from spikewright.network.graph import Network
from spikewright.substrates.base.constant import Chip, Constant
from spikewright.substrates.base.cost import Costs


@dataclass(frozen=True)
class Change:
    """One thing that a pass changed, and why.

    Parameters
    ----------
    by : name of the pass
    where : population or projection
    what : what is different now
    why : the limit, the arithmetic or the physics behind it
    size : relative size of the change, where it has one (for instance the rms weight error over the rms weight)
    """

    by: str
    where: str
    what: str
    why: str
    size: float | None = None

    def __str__(self) -> str:
        size = "" if self.size is None else f" ({self.size:.2g} relative)"
        return f"{self.by}: {self.where}: {self.what}{size} — {self.why}"


class Pass(Protocol):
    """`Network -> Network` with a list of changes; the same seed gives the same result."""

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the changed network and what was changed."""


@dataclass(frozen=True)
class Placement:
    """Where neurons lie.

    Parameters
    ----------
    core_of : population -> core of each neuron, int64 (n,); populations outside the chip (inputs) are absent
    position : (n_cores, 2) or (n_cores, 3), place of each core on the mesh (in tiles)
    mesh : size of the mesh in tiles
    load : core -> limit name -> fraction used
    """

    core_of: Mapping[str, NDArray[np.int64]]
    position: NDArray[np.int64]
    mesh: tuple[int, ...]
    load: tuple[Mapping[str, float], ...] = ()

    @property
    def n_cores(self) -> int:
        """Number of cores in use."""
        return len(self.position)


@dataclass(frozen=True)
class Compiled:
    """A network lowered to a substrate.

    Parameters
    ----------
    network : the lowered network; its populations keep the names of the ones they stand for
    source : the network it was compiled from
    substrate : name
    changes : what the passes did
    placement : where neurons lie, or None
    seed : the chip instance and every other draw
    facts : numbers that the cost model needs, by name
    """

    network: Network
    source: Network
    substrate: str
    changes: tuple[Change, ...]
    placement: Placement | None = None
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


class Substrate(ABC):
    """One substrate with its options. Abstract; concrete substrates are frozen dataclasses."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its short name; concrete substrates write `name: ClassVar[str] = "..."`."""

    @property
    @abstractmethod
    def chip(self) -> Chip:
        """The chip file."""

    @abstractmethod
    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network.

        Raises
        ------
        LimitError : it does not fit; every limit that is exceeded, by how much, and what to do
        SubstrateError : a model or projection cannot be expressed
        """

    @abstractmethod
    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference of a run costs, averaged over its samples."""

    def presets(self) -> tuple[str, ...]:
        """Return the names of its price lists, the default first."""
        return ("default",)

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return what each event of a compiled network costs: the part of `cost` that training can lower.

        Times the counts of a run they give the terms of `cost` that are events or conversions.

        Raises
        ------
        SubstrateError : its costs are not a price times a count
        """
        raise SubstrateError(
            explain(
                self.name,
                "has no price per event",
                cure="choose a substrate with an energy per spike, operation or read",
            )
        )

    @property
    def fan_in(self) -> Constant | None:
        """The most synapses that one neuron can have, or None where nothing limits them."""
        return self.chip.limits.get("fan_in")

    @property
    def weight_range(self) -> tuple[Constant | None, Constant | None]:
        """The smallest and largest weight, in the unit of the port that it reaches; None where nothing limits it."""
        return self.chip.limits.get("weight_low"), self.chip.limits.get("weight_high")

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Passes that keep the structure of a network, to train through (`fit(..., through=chip.passes)`)."""
        return ()

    def adapted(self, network: Network) -> Network:
        """Return the network to train for this substrate: the same shape, with neurons that it can compute.

        Substrates that approximate any linear neuron return the network as it is. One whose neurons differ in kind
        (a leak that does not depend on the voltage, say) replaces the models here, so that training meets them;
        `passes` then quantize what is trained.

        Raises
        ------
        SubstrateError : a model has no counterpart
        """
        return network

    def check_rules(self, network: Network) -> None:
        """Raise SubstrateError where synapses change by a rule: nothing here computes that."""
        learning = [n for n, p in network.projections.items() if p.rule is not None]
        if learning:
            raise SubstrateError(
                explain(
                    self.name,
                    "has no synapses that change by a rule",
                    found=", ".join(learning),
                    cure="compile what was learned: `recording.learned().without_rules()`",
                )
            )

    def check_preset(self, preset: str) -> None:
        """Raise SubstrateError where there is no such price list."""
        if preset not in self.presets():
            raise SubstrateError(
                explain(self.name, f"no preset {preset!r}", expected=", ".join(self.presets()))
            )

    def run_passes(
        self, network: Network, passes: tuple[Pass, ...], seed: int
    ) -> tuple[Network, tuple[Change, ...]]:
        """Return the network after some passes, and all their changes."""
        changes: tuple[Change, ...] = ()
        for one in passes:
            network, made = one(network, seed)
            changes += made
        return network, changes

    def check_recording(self, compiled: Compiled, recording: Recording) -> None:
        """Raise SubstrateError where a recording is not of the compiled network."""
        if recording.network is not compiled.network:
            raise SubstrateError(
                explain(
                    f"{self.name}.cost",
                    "the recording is of another network",
                    found=recording.network.name,
                    expected="a run of compiled.network",
                )
            )
