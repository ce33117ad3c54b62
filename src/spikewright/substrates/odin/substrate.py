"""ODIN as a substrate: rows of the crossbar, lowering to the 8-bit neuron, the published power equation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import LimitError, Problems, SubstrateError, explain
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
from spikewright.substrates.odin import costs
from spikewright.substrates.odin.model import OdinInput, OdinLIF, OdinNeuron
from spikewright.substrates.odin.neuron import adapt, cells_of
from spikewright.substrates.odin.storage import Integers, StoreWeights, rows_of, store
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.passes.retime import Retime


@dataclass(frozen=True)
class Odin(Substrate):
    """ODIN.

    Parameters
    ----------
    clock : Hz, at most 75 MHz (at 0.55 V)
    dale : every source keeps one sign, and so takes one row; otherwise one with weights of both signs takes two
    """

    clock: float = 75e6
    dale: bool = False
    name: ClassVar[str] = "odin"

    def __post_init__(self) -> None:
        fastest = self.chip.limit("clock")
        if not 0 < self.clock <= fastest:
            raise SubstrateError(
                explain(
                    "odin: clock",
                    "limit clock",
                    found=f"{self.clock:g} Hz",
                    expected=f"above 0 and at most {fastest:g} Hz",
                )
            )

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    @property
    def fan_in(self) -> Constant:
        """Every source takes a row."""
        return self.chip.limits["rows"]

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Weights and leaks as the memories keep them, to train through."""
        return (StoreWeights(self.dale),)

    def adapted(self, network: Network) -> Network:
        """Return the network with ODIN's neuron in real numbers: a linear leak, no voltage below rest.

        Every projection "p" is two: "p" holds its excitatory weights, "p.inh" its inhibitory ones, 0 or more both.
        """
        self.check_rules(network)
        written = network.written_out()
        cells = cells_of(written)
        _check_structure(written)
        return adapt(written, cells)

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to ODIN's integers; see `Substrate.compile`."""
        self.check_rules(network)
        timed, changes = Retime()(network.written_out(), seed)
        cells = cells_of(timed)
        _check_structure(timed)
        kept = store(timed, cells, dale=self.dale)
        rows = rows_of(timed, kept)
        limit = int(self.chip.limit("rows"))
        _check_rows(timed, rows, limit)
        populations = {n: Population(OdinInput, timed.populations[n].shape) for n in timed.inputs}
        for name, cell in cells.items():
            old, scale = timed.populations[name], kept.scale[name]
            params = {
                "leak": kept.leak[name],
                "v_th": kept.threshold[name],
                "lost": kept.lost[name],
            }
            shaped = {k: v.reshape(old.shape) for k, v in params.items()}
            populations[name] = Population(OdinLIF, old.shape, shaped)
            what = f"{old.model.name} becomes OdinLIF"
            if old.model != OdinNeuron:
                what += ", its leak linear and its voltage never below rest"
            why = (
                f"the chip's integer neuron; 1 V is {scale.min():.4g} to {scale.max():.4g} integers"
            )
            changes += (Change("replace", name, what, why, cell.error),)
            size = relative_error(kept.leak[name], cell.leak * scale)
            if size:
                changes += (
                    Change("quantize", name, "leak rounded to an integer", "register", size),
                )
        projections: dict[str, Projection] = {}
        for x in kept.parts:
            p = timed.projections[x.source]
            projections[x.name] = Projection(p.pre, p.post, Dense(kept.weight[x.name]), port=x.port)
            wanted = kept.volts[x.name] * kept.scale[p.post][:, None]
            what = "weights stored with 3 bits" + (", one sign per source" if self.dale else "")
            size = relative_error(kept.weight[x.name], wanted)
            changes += (Change("quantize", x.name, what, "synaptic memory", size),)
        for name, each in rows.items():
            twice = int(np.count_nonzero(each == 2))
            if twice:
                what = f"{twice} of {len(each)} take a second row, their spikes are sent on both"
                changes += (Change("split", name, what, "a source has one sign"),)
        lowered = replace(
            timed,
            populations={n: populations[n] for n in timed.populations},
            projections=projections,
            name=f"{network.name} on odin",
        )
        core_of = {
            n: np.zeros(len(each), np.int64) for n, each in rows.items() if n not in timed.inputs
        }
        used = sum(int(each.sum()) for each in rows.values())
        placement = Placement(
            core_of, np.zeros((1, 2), np.int64), (1, 1), ({"rows": used / limit},)
        )
        facts = {
            "rows": {n: each.tolist() for n, each in rows.items()},
            "scale": {n: s.tolist() for n, s in kept.scale.items()},
        }
        return Compiled(lowered, network, self.name, changes, placement, seed, facts)

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return prices of spikes on their rows; see `Substrate.event_prices`."""
        return costs.event_prices(self.chip, compiled)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        return costs.price(self.chip, self.clock, compiled, recording)


def _check_structure(network: Network) -> None:
    problems = Problems()
    for name, drive in network.drives.items():
        problems.add(
            f"odin: population {drive.post!r}",
            f"the chip has no drive such as {name!r}",
            cure="pass what it gives as input",
        )
    seen: dict[tuple[str, str, str], str] = {}
    for name, p in network.projections.items():
        where = f"odin: projection {name!r}"
        latest = int(network.delay_steps(name).max(initial=0))
        if latest:
            problems.add(
                where,
                "limit delays: the chip has none",
                found=f"{latest} steps",
                expected="0 steps",
                cure="train without delays",
            )
        if p.bias is not None and np.any(p.bias):
            problems.add(
                where,
                "the chip's neuron has no bias",
                found=f"{float(np.max(np.abs(p.bias))):g}",
                expected="0",
                cure="train with bias=False, or add an input that always sends",
            )
        place = (p.pre, p.post, network.port_of(name))
        if place in seen:
            problems.add(
                f"odin: projections {seen[place]!r} and {name!r}",
                "join the same populations: the chip has one weight for two neurons",
                cure="add their weights into one projection",
            )
        seen.setdefault(place, name)
    problems.raise_as(SubstrateError)


def _check_rows(network: Network, rows: Mapping[str, Integers], limit: int) -> None:
    total = sum(int(each.sum()) for each in rows.values())
    if total <= limit:
        return
    share = ", ".join(
        f"population {n!r} {int(each.sum())}"
        + (
            f", {int(np.count_nonzero(each == 2))} of {len(each)} with both signs"
            if np.any(each == 2)
            else ""
        )
        for n, each in rows.items()
    )
    single = sum(len(each) for each in rows.values())
    cure = "use fewer inputs and neurons"
    if single <= limit:
        cure = f"use Odin(dale=True), one sign per source: {single} rows; or {cure}"
    raise LimitError(
        explain(
            "odin: limit rows",
            f"exceeded {total / limit:.3g} times: inputs and neurons share the crossbar's",
            found=f"{total} ({share})",
            expected=f"{limit} at most",
            cure=cure,
        )
    )
