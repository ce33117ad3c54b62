"""Xylo as a substrate: limits of its versions, lowering to the integer neurons, costs in clock cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import Problems, SubstrateError
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.topology import Dense
from spikewright.substrates.base import (
    Change,
    Chip,
    Compiled,
    Constant,
    Costs,
    Pass,
    Placement,
    Substrate,
    load_chip,
)
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.passes.retime import Retime
from spikewright.substrates.xylo import costs
from spikewright.substrates.xylo.limits import Used, check, check_structure, used_by
from spikewright.substrates.xylo.model import EVENTS_MAX, XyloHidden, XyloInput, XyloReadout
from spikewright.substrates.xylo.neuron import Cell, adapt, cells_of
from spikewright.substrates.xylo.storage import Stored, StoreWeights, matrix_of, store

VERSIONS = ("audio2", "audio3", "imu")


@dataclass(frozen=True)
class Xylo(Substrate):
    """SynSense Xylo.

    Parameters
    ----------
    version : "audio2", "audio3" or "imu": their limits differ
    events : most events of an input channel in a step, 1 to 15, that currents have room for without saturating
    """

    version: str = "audio2"
    events: int = 1
    name: ClassVar[str] = "xylo"

    def __post_init__(self) -> None:
        problems = Problems()
        if self.version not in VERSIONS:
            problems.add(
                "xylo: version", "unknown", found=repr(self.version), expected=", ".join(VERSIONS)
            )
        if self.events not in range(1, EVENTS_MAX + 1):
            problems.add(
                "xylo: events", "a channel has no such number of events per step",
                found=self.events, expected=f"1 to {EVENTS_MAX}",
            )  # fmt: skip
        problems.raise_as(SubstrateError)

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    @property
    def limits(self) -> Mapping[str, Constant]:
        """Limits of this version, those of the family included."""
        chip = self.chip
        return {**chip.limits, **chip.tables[f"versions.{self.version}"]}

    @property
    def fan_in(self) -> Constant | None:
        """Nothing limits how many synapses reach a neuron."""
        return None

    @property
    def _synapses(self) -> int:
        return int(self.limits["synapses"].value)

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Weights, biases and time constants as registers keep them, to train through."""
        return (StoreWeights(self._synapses, self.events, self.name),)

    def adapted(self, network: Network) -> Network:
        """Return the network with Xylo's neurons in real numbers; see `Substrate.adapted`.

        Their currents spread over several steps, they subtract the threshold on a spike, and hidden ones fire up to 31
        spikes in a step.
        """
        self.check_rules(network)
        written = network.written_out()
        check_structure(written, self.name)
        cells = cells_of(written, synapses=self._synapses, substrate=self.name)
        return adapt(written, cells, frozenset(written.outputs))[0]

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to Xylo's integers; see `Substrate.compile`."""
        self.check_rules(network)
        timed, changes = Retime()(network.written_out(), seed)
        cells = cells_of(timed, synapses=self._synapses, substrate=self.name)
        check_structure(timed, self.name)
        kept = store(timed, cells, self.events, self.name)
        used = used_by(timed, kept.weight)
        check(timed, used, self.limits, self.name)
        populations: dict[str, Population] = {
            n: Population(XyloInput, timed.populations[n].shape) for n in timed.inputs
        }
        for name, cell in cells.items():
            made, done = _population(timed, name, cell, kept)
            populations[name] = made
            changes += done
        projections: dict[str, Projection] = {}
        for name, p in timed.projections.items():
            matrix = matrix_of(timed, name)
            shift, port = kept.shift[matrix], f"a{cells[p.post].slot[timed.port_of(name)] + 1}"
            projections[name] = Projection(
                p.pre, p.post, Dense(kept.weight[name]), port=port, exponent=shift
            )
            unit = kept.scale[p.post][:, None] / 2.0**shift
            size = relative_error(kept.weight[name], kept.volts[name] * unit)
            what = f"weights stored with 8 bits, shift {shift}, synapse {port[1]}"
            changes += (Change("quantize", name, what, f"matrix {matrix!r} of the core", size),)
        lowered = replace(
            timed,
            populations={n: populations[n] for n in timed.populations},
            projections=projections,
            name=f"{network.name} on xylo {self.version}",
        )
        facts = {
            "version": self.version,
            "events": self.events,
            "shift": dict(kept.shift),
            "scale": {n: s.tolist() for n, s in kept.scale.items()},
        }
        return Compiled(
            lowered, network, self.name, changes, self._placement(lowered, used), seed, facts
        )

    def _placement(self, lowered: Network, used: Used) -> Placement:
        limits = self.limits
        load = {k: used.total(k) / limits[k].value for k in used.counts if limits[k].value}
        core_of = {
            n: np.zeros(p.n, np.int64)
            for n, p in lowered.populations.items()
            if n not in lowered.inputs
        }
        return Placement(core_of, np.zeros((1, 2), np.int64), (1, 1), (load,))

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return prices of spikes in clock cycles; see `Substrate.event_prices`."""
        return costs.event_prices(self.chip, self.version, compiled)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        return costs.price(self.chip, self.version, compiled, recording)


def _population(
    network: Network, name: str, cell: Cell, kept: Stored
) -> tuple[Population, tuple[Change, ...]]:
    old = network.populations[name]
    model = XyloReadout if name in network.outputs else XyloHidden
    params = {
        "dash_1": cell.dash[:, 0],
        "dash_2": cell.dash[:, 1],
        "dash_m": cell.dash_m,
        "v_th": kept.threshold[name],
        "bias": kept.bias[name],
    }
    scale = kept.scale[name]
    why = f"the chip's integer neuron; 1 V is {scale.min():.4g} to {scale.max():.4g} integers"
    what = f"{old.model.name} becomes {model.name}, time constants powers of two"
    changes = [Change("replace", name, what, why, cell.error)]
    if cell.resets_by_value:
        what = "a spike subtracts the threshold instead of resetting"
        why = "the chip's reset; train with `adapted` to meet it"
        changes.append(Change("replace", name, what, why))
    size = relative_error(kept.bias[name], kept.wanted_bias[name] * scale)
    if np.any(kept.wanted_bias[name]):
        what = "bias acts at once, rounded to an integer"
        changes.append(
            Change("quantize", name, what, "the chip adds its bias to the voltage", size)
        )
    shaped = {k: v.reshape(old.shape) for k, v in params.items() if k in model.params}
    return Population(model, old.shape, shaped), tuple(changes)
