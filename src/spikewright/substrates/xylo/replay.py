"""A compiled network in the chip's own order: whether an engine gave what the chip gives, and what saturates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spikewright.engines.recording import Recording
from spikewright.substrates.base import Compiled
from spikewright.substrates.xylo.core import Core
from spikewright.substrates.xylo.simulate import Trace, simulate


@dataclass(frozen=True)
class Replay:
    """A run repeated in the chip's order.

    Parameters
    ----------
    trace : states of the core, hidden populations side by side
    differing : spikes, of all neurons, samples and steps, in which engine and chip differ
    """

    trace: Trace
    differing: int

    def __str__(self) -> str:
        t = self.trace
        return (
            f"{self.differing} spike counts differ from the engine's; clipped at 16 bits: {t.synapse} additions to "
            f"currents, {t.voltage} to voltages; {t.capped} spikes above 31 per step kept back"
        )


def core_of(compiled: Compiled) -> Core:
    """Return what is written to the chip for a compiled network: hidden and output populations side by side."""
    network = compiled.network
    hidden = [
        n for n in network.populations if n not in network.inputs and n not in network.outputs
    ]
    rows = {}
    for group in (network.inputs, hidden, network.outputs):
        start = 0
        for name in group:
            rows[name] = slice(start, start + network.populations[name].n)
            start = rows[name].stop
    n_in, n_hidden, n_out = (
        sum(network.populations[n].n for n in group)
        for group in (network.inputs, hidden, network.outputs)
    )
    w_in = np.zeros((n_in, n_hidden, 2), np.int64)
    w_rec = np.zeros((n_hidden, n_hidden, 2), np.int64)
    w_out = np.zeros((n_hidden, n_out), np.int64)
    for name, p in network.projections.items():
        weight = np.asarray(p.topology.weight).T
        at = (rows[p.pre], rows[p.post])
        if p.post in network.outputs:
            w_out[at] = weight
        else:
            matrix = w_in if p.pre in network.inputs else w_rec
            matrix[(*at, int(network.port_of(name) == "a2"))] = weight

    def joined(names: list[str], param: str) -> np.ndarray:
        parts = [
            np.broadcast_to(
                network.populations[n].param(param), network.populations[n].shape
            ).ravel()
            for n in names
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    outputs = list(network.outputs)
    shift = compiled.facts["shift"]
    return Core(
        w_in=w_in,
        w_rec=w_rec,
        w_out=w_out,
        dash_syn=np.stack([joined(hidden, "dash_1"), joined(hidden, "dash_2")], axis=1),
        dash_mem=joined(hidden, "dash_m"),
        threshold=joined(hidden, "v_th"),
        bias=joined(hidden, "bias"),
        dash_syn_out=joined(outputs, "dash_1"),
        dash_mem_out=joined(outputs, "dash_m"),
        threshold_out=joined(outputs, "v_th"),
        bias_out=joined(outputs, "bias"),
        shift_in=shift["in"],
        shift_rec=shift["rec"],
        shift_out=shift["out"],
    )


def replay(compiled: Compiled, recording: Recording) -> Replay:
    """Run what entered a recording through the core in the chip's own order.

    Parameters
    ----------
    recording : a run of `compiled.network` from its start, with the spikes of all populations

    Raises
    ------
    SubstrateError : more than 15 events of a channel in a step
    """
    network = compiled.network
    events = _side_by_side(recording, network.inputs)
    trace = simulate(core_of(compiled), events)
    hidden = tuple(
        n for n in network.populations if n not in network.inputs and n not in network.outputs
    )
    differing = np.count_nonzero(_side_by_side(recording, hidden) != trace.spikes)
    differing += np.count_nonzero(_side_by_side(recording, network.outputs) != trace.out_spikes)
    return Replay(trace, int(differing))


def _side_by_side(recording: Recording, names: tuple[str, ...]) -> np.ndarray:
    shape = (recording.steps, recording.batch, -1)
    parts = [recording.dense(n).reshape(shape) for n in names]
    return np.concatenate(parts, axis=2) if parts else np.zeros((*shape[:2], 0), np.int64)
