"""Weights as pairs of conductances: what programming, drift and read noise make of them, and what compensation
gives back.

`w = (g+ - g-) w_max / (g_max - g_min)`: one device of the pair carries the magnitude, the other stays at its
smallest conductance. Draws are keyed by (chip seed, projection): one seed is one chip, and a projection added
changes no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import SubstrateError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import OneToOne, Topology
from spikewright.substrates.base import Change
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.pcm.devices import PcmLike
from spikewright.substrates.pcm.fits import Devices
from spikewright.substrates.pcm.tile import drift_compensation, to_conductances, to_weight


@dataclass(frozen=True)
class Programmed:
    """A weight array on devices.

    Parameters
    ----------
    early : what the array computes with right after programming
    weight : the same at the time of use, before compensation
    w_max : the weight that g_max stands for
    total : g+ + g- of every pair at the time of use, S
    """

    early: NDArray[np.float64]
    weight: NDArray[np.float64]
    w_max: float
    total: NDArray[np.float64]

    @property
    def compensation(self) -> float:
        """Factor that brings the mean response to single inputs back to what it was after programming."""
        return float(drift_compensation(self.early.reshape(1, -1), self.weight.reshape(1, -1)))


def is_analog(topology: Topology) -> bool:
    """Whether a projection's weights lie on a crossbar; one-to-one factors and pooling stay digital."""
    return topology.weight is not None and not isinstance(topology, OneToOne)


def check_levels(levels: int | None) -> None:
    """Raise SubstrateError where devices cannot have that many levels."""
    if levels is not None and (levels != int(levels) or levels < 2):
        raise SubstrateError(
            explain(
                "pcm: levels", "not possible", found=levels, expected="a whole number >= 2, or None"
            )
        )


def program(
    weight: NDArray[Any],
    devices: Devices,
    time: float,
    seed: int,
    place: str,
    *,
    levels: int | None = None,
) -> Programmed:
    """Program a weight array, and read it `time` seconds later.

    Parameters
    ----------
    weight : any shape
    devices : a device family
    time : s since programming
    seed : the chip
    place : name of the array on the chip
    levels : conductances that a device can be asked for, evenly spaced; None: any
    """
    w_max = float(np.abs(weight).max(initial=0.0))
    generator = rng.stream(seed, f"pcm/{place}")
    early, late = [], []
    for wanted in to_conductances(weight, devices.g_min, devices.g_max):
        target = wanted
        if levels is not None:
            step = (devices.g_max - devices.g_min) / (levels - 1)
            target = devices.g_min + np.rint((wanted - devices.g_min) / step) * step
        programmed = devices.program(target, generator)
        first = devices.read(target, programmed, np.zeros(()), 0.0, generator)
        early.append(first)
        if time:
            nu = devices.drift_exponent(target, generator)
            first = devices.read(target, programmed, nu, time, generator)
        late.append(first)
    window = (devices.g_min, devices.g_max, w_max)
    return Programmed(
        to_weight(early[0], early[1], *window),
        to_weight(late[0], late[1], *window),
        w_max,
        late[0] + late[1],
    )


@dataclass(frozen=True)
class ProgramDevices:
    """Replace every analog weight by what its devices make of it; a pass that keeps the structure.

    Parameters
    ----------
    devices : a device family
    time : s since programming
    compensate : whether drift compensation scales each array
    levels : conductances that a device can be asked for, evenly spaced; None: any
    """

    devices: Devices = field(default_factory=PcmLike)
    time: float = 0.0
    compensate: bool = True
    levels: int | None = None

    def __post_init__(self) -> None:
        check_levels(self.levels)

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return one chip instance of the network."""
        projections, changes = {}, []
        for name, p in network.projections.items():
            if not is_analog(p.topology):
                continue
            weight = np.asarray(p.topology.weight, np.float64)
            made = program(weight, self.devices, self.time, seed, name, levels=self.levels)
            values = made.weight * (made.compensation if self.compensate else 1.0)
            projections[name] = replace(p, topology=p.topology.with_weight(values))
            changes.append(
                Change(
                    "program",
                    name,
                    "weights as device pairs hold them",
                    "programming noise, drift and read noise",
                    relative_error(values, weight),
                )
            )
        return network.replacing(projections=projections), tuple(changes)
