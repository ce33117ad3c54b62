"""What a run costs on Xylo: clock cycles by the vendor's model, times an energy per cycle, on top of idle power.

    C = N_in (p_in N_ien 3.5 + 1) + N_hid (7 fan p_hid + 3) + N_oen p_hid (1 + 8 N_out) + N_hid (19 + v) + 12 N_out

per step, with p the part of neurons that fire in a step, N_ien and N_oen the hidden neurons that inputs reach and that
outputs see (on Audio 2: all), fan the mean number of recurrent synapses, and
v = 2 max(p, q_t q_s) + 3 max(p q_t, q_t q_s) + p + q_s max(p, q_t), with q_t and q_s the parts that are alias targets
and sources. Without aliases v = 3 p, and C is a number of cycles per spike plus a number per step. The chip runs in
real time: a step lasts dt, whatever it does.

Source
------
Cycle model of rockpool 3.1 (described, not copied); powers: see chip.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.substrates.base import Category, Chip, Compiled, Constant, Costs, Grade, Term


@dataclass(frozen=True)
class Cycles:
    """Clock cycles of a compiled network.

    Parameters
    ----------
    spike : population -> cycles that a spike of each neuron causes, (n,)
    step : cycles of a step in which nothing fires
    """

    spike: Mapping[str, NDArray[np.float64]]
    step: float


def cycles_per_step(
    n_in: int,
    n_hidden: int,
    n_out: int,
    *,
    fan_out: float,
    p_in: float,
    p_hidden: float,
    input_targets: int | None = None,
    output_sources: int | None = None,
    alias_targets: float = 0.0,
    alias_sources: float = 0.0,
) -> float:
    """Return the clock cycles of a step by the vendor's formula; see the head of this file.

    Parameters
    ----------
    fan_out : mean recurrent synapses of a hidden neuron
    p_in, p_hidden : parts of channels and hidden neurons that are active in a step, 0 to 1
    input_targets, output_sources : hidden neurons that inputs reach and that outputs see; None: all
    alias_targets, alias_sources : parts of the hidden neurons
    """
    reached = n_hidden if input_targets is None else input_targets
    seen = n_hidden if output_sources is None else output_sources
    both = alias_targets * alias_sources
    firing = 2 * max(p_hidden, both) + 3 * max(p_hidden * alias_targets, both)
    firing += p_hidden + alias_sources * max(p_hidden, alias_targets)
    return (
        n_in * (p_in * reached * 3.5 + 1)
        + n_hidden * (fan_out * 7 * p_hidden + 3)
        + seen * p_hidden * (1 + 8 * n_out)
        + n_hidden * (19 + firing)
        + 12 * n_out
    )


def cycles_of(chip: Chip, version: str, compiled: Compiled) -> Cycles:
    """Return the cycles of a compiled network, spike by spike."""
    network, table = compiled.network, {k: c.value for k, c in chip.tables["cycles"].items()}
    outputs = set(network.outputs)
    hidden = [n for n in network.populations if n not in outputs and n not in network.inputs]
    n_hidden = sum(network.populations[n].n for n in hidden)
    n_out = sum(network.populations[n].n for n in outputs)
    n_in = sum(network.populations[n].n for n in network.inputs)
    reached = {n: np.zeros(network.populations[n].n, bool) for n in hidden}
    sees = {n: np.zeros(network.populations[n].n, bool) for n in hidden}
    fan_out = {n: np.zeros(network.populations[n].n) for n in hidden}
    for p in network.projections.values():
        used = np.asarray(p.topology.weight) != 0
        if p.pre in network.inputs:
            reached[p.post] |= used.any(axis=1)
        elif p.post in outputs:
            sees[p.pre] |= used.any(axis=0)
        else:
            fan_out[p.pre] += used.sum(axis=0)
    whole = version == "audio2"
    targets = n_hidden if whole else sum(int(r.sum()) for r in reached.values())
    spike = {
        n: np.full(network.populations[n].n, table["input_event"] * targets) for n in network.inputs
    }
    for n in hidden:
        seen = np.ones_like(sees[n]) if whole else sees[n]
        read = table["output_read"] + table["output_synapse"] * n_out
        spike[n] = table["recurrent_synapse"] * fan_out[n] + table["hidden_fire"] + read * seen
    step = n_in * table["input_channel"] + n_out * table["output_update"]
    step += n_hidden * (table["hidden_read"] + table["hidden_update"])
    return Cycles(spike, step)


def price(chip: Chip, version: str, compiled: Compiled, recording: Recording) -> Costs:
    """Return the costs of one inference."""
    cycles = cycles_of(chip, version, compiled)
    network, cycle = compiled.network, chip.tables["energy"]["cycle"]
    sent = {n: recording.sent[n].mean(axis=0) for n in cycles.spike}
    active = {n: float(sent[n] @ each) for n, each in cycles.spike.items()}
    incoming = sum(c for n, c in active.items() if n in network.inputs)
    hidden = sum(c for n, c in active.items() if n not in network.inputs)
    seconds, power = recording.steps * network.dt, chip.tables[f"power.{version}"]
    energy = (
        Term("idle power of the core", Category.STATIC, seconds, power["idle_core"]),
        Term("cycles of every step", Category.CLOCK, cycles.step * recording.steps, cycle),
        Term("cycles of input events", Category.EVENTS, incoming, cycle),
        Term("cycles of hidden spikes", Category.EVENTS, hidden, cycle),
        Term("idle power of input and output", Category.IO, seconds, power["idle_io"]),
    )
    total = cycles.step + (incoming + hidden) / max(recording.steps, 1)
    clock = total * (1 + chip.tables["cycles"]["margin"].value) / network.dt
    fastest = chip.limit("clock")
    notes = [
        f"real time: {recording.steps} steps of {network.dt:g} s; {total:.0f} cycles per step on average, "
        f"so a clock of {clock / 1e6:.3g} MHz at least",
        "energy of a cycle assumed (see chip.toml); it holds core and I/O, so no I/O is added to events",
        "idle power is that at 6.25 MHz; what part of it grows with the clock is not published",
    ]
    if clock > fastest:
        notes.append(
            f"the clock would have to be above {fastest / 1e6:g} MHz: steps would take longer than dt"
        )
    step = Constant(
        "step",
        network.dt,
        "s",
        network.dt,
        network.dt,
        "dt of the network, kept in real time",
        Grade.DERIVED,
    )
    latency = (Term("steps in real time", Category.CLOCK, float(recording.steps), step),)
    return Costs(
        chip.name, "default", energy, latency, (), recording.steps, chip.unpublished, tuple(notes)
    )


def event_prices(chip: Chip, version: str, compiled: Compiled) -> EventPrices:
    """Return what each spike costs: its cycles times the energy of one."""
    cycle = chip.tables["energy"]["cycle"].value
    cycles = cycles_of(chip, version, compiled)
    return EventPrices(chip.name, {n: each * cycle for n, each in cycles.spike.items()})


@dataclass(frozen=True)
class Predicted:
    """A published number, what is modelled of it, and the band of the model."""

    published: float
    model: float
    low: float
    high: float


@dataclass(frozen=True)
class KeywordSpotting:
    """Keyword spotting: power that is predicted, and the published time that makes it an energy.

    Parameters
    ----------
    power : dynamic, W
    duration : of an inference, s: published energy over published power
    """

    power: Predicted
    duration: float

    @property
    def energy(self) -> Predicted:
        """Dynamic energy of an inference, J. Its error is that of the power."""
        time, p = self.duration, self.power
        return Predicted(p.published * time, p.model * time, p.low * time, p.high * time)


def keyword_spotting(chip: Chip) -> KeywordSpotting:
    """Return the anchor of keyword spotting on Xylo Audio 2 (arXiv 2406.15112).

    The power is the energy of a cycle, which stems from another application, times the paper's clock: it ran faster
    than real time, so the core never rested. This tests whether the power of a busy core carries over from one
    application to another at the same clock. It does not test the cycle model: network and activity are not published.
    """
    anchor, cycle = chip.tables["anchor.keyword_spotting"], chip.tables["energy"]["cycle"]
    clock, published = anchor["clock"].value, anchor["dynamic_power"].value
    power = Predicted(published, cycle.value * clock, cycle.low * clock, cycle.high * clock)
    return KeywordSpotting(power, anchor["inference"].value / published)


AMBIENT_LAYERS = (16, 24, 24, 24, 4)
"""Inputs and hidden layers of the vendor's page "The SynNet architecture", which names the paper, and four outputs;
assumed to be the network that was measured."""


def ambient_audio(chip: Chip) -> Predicted:
    """Return the energy of a step of ambient audio classification, J (Bos and Muir, arXiv 2208.12991).

    Layers and activity are assumed, the band is that of the activity alone. It is no test: the low end of the energy
    of a cycle stems from this number.
    """
    anchor, cycle = chip.tables["anchor.ambient_audio"], chip.tables["energy"]["cycle"]
    n_in, *hidden, n_out = AMBIENT_LAYERS
    fan_out = sum(a * b for a, b in pairwise(hidden)) / sum(hidden)

    def step(part: float) -> float:
        cycles = cycles_per_step(
            n_in, sum(hidden), n_out, fan_out=fan_out, p_in=part, p_hidden=part
        )
        return cycles * cycle.value

    part = anchor["activity"]
    return Predicted(anchor["step"].value, step(part.value), step(part.low), step(part.high))
