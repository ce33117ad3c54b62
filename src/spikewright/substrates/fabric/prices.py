"""What each thing on a mesh of cores costs: constants with their sources, for energy and for time alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.substrates.base import Constant


@dataclass(frozen=True)
class Prices:
    """What each thing costs, in J or in s; None where nothing is charged.

    Parameters
    ----------
    access : every neuron on a core, every step
    update : a neuron that is updated, in addition
    fire : a neuron that fires, in addition
    send : a packet, where it leaves its core
    receive : a packet, where it arrives
    synapse : kind of synapse -> a synaptic event
    hop_x, hop_y : a packet from tile to tile
    local : a packet that stays in its tile
    """

    access: Constant | None = None
    update: Constant | None = None
    fire: Constant | None = None
    send: Constant | None = None
    receive: Constant | None = None
    synapse: Mapping[str, Constant] = field(default_factory=dict)
    hop_x: Constant | None = None
    hop_y: Constant | None = None
    local: Constant | None = None

    @staticmethod
    def of_table(table: Mapping[str, Constant]) -> Prices:
        """Return the prices of a chip file's table that names them so: neuron_access, neuron_update, spike, axon_out,
        axon_in, synapse_<kind>, hop_east_west, hop_north_south, spike_within_tile."""
        return Prices(
            table.get("neuron_access"),
            table.get("neuron_update"),
            table.get("spike"),
            table.get("axon_out"),
            table.get("axon_in"),
            {
                name.removeprefix("synapse_"): constant
                for name, constant in table.items()
                if name.startswith("synapse_")
            },
            table.get("hop_east_west"),
            table.get("hop_north_south"),
            table.get("spike_within_tile"),
        )

    def on_core(self, kinds: tuple[str, ...]) -> NDArray[np.float64]:
        """Return what happens on a core as numbers, in the order of `account`'s columns: access, update, fire, send,
        receive, then each kind of synapse.

        Raises
        ------
        SubstrateError : a kind of synapse has no price
        """
        lacking = [kind for kind in kinds if kind not in self.synapse]
        if lacking and self.synapse:
            raise SubstrateError(
                explain(
                    "fabric: prices",
                    f"no price for synapses of kind {', '.join(lacking)}",
                    expected=", ".join(self.synapse),
                )
            )
        plain = (self.access, self.update, self.fire, self.send, self.receive)
        return np.array(
            [value_of(c) for c in plain] + [value_of(self.synapse.get(kind)) for kind in kinds]
        )


def value_of(constant: Constant | None) -> float:
    """Return its value; 0 where nothing is charged."""
    return 0.0 if constant is None else constant.value


@dataclass(frozen=True)
class Barrier:
    """How long cores wait for each other at the end of a step.

    Parameters
    ----------
    of_tiles : number of tiles in use -> s
    is_stepped : whether a number of tiles takes the entry at or below it; else what lies between two entries is
        interpolated
    """

    of_tiles: Mapping[int, Constant]
    is_stepped: bool = False

    @staticmethod
    def of_table(table: Mapping[str, Constant], *, is_stepped: bool = False) -> Barrier:
        """Return the barrier of a chip file's table with entries barrier_<n>_tile(s)."""
        found = {
            int(name.split("_")[1]): constant
            for name, constant in table.items()
            if name.startswith("barrier_")
        }
        return Barrier(dict(sorted(found.items())), is_stepped)

    def at(self, tiles: int) -> Constant:
        """Return the barrier of so many tiles.

        Raises
        ------
        SubstrateError : it has no entries
        """
        if not self.of_tiles:
            raise SubstrateError(
                explain("fabric: barrier", "has no times", expected="a time per number of tiles")
            )
        known = sorted(self.of_tiles.items())
        if self.is_stepped:
            return next((c for n, c in reversed(known) if n <= tiles), known[0][1])
        value = float(np.interp(tiles, [n for n, _ in known], [c.value for _, c in known]))
        first = known[0][1]
        return Constant(
            f"barrier over {tiles} tiles",
            value,
            first.unit,
            value,
            value,
            f"{first.source}, between {known[0][0]} and {known[-1][0]} tiles",
            first.grade,
        )
