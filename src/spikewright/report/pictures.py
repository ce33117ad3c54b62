"""What one sample did: spikes of every population, one membrane, cores of the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spikewright.engines import run
from spikewright.network.graph import Network
from spikewright.report.result import Layout, Picture
from spikewright.substrates.base import Placement

MOST_SPIKES = 20_000
"""Spikes of one population that a picture keeps; the rest is left out, the first steps are kept."""


def membrane_of(network: Network, population: str) -> str:
    """Return the variable that a threshold looks at, else the first one, else nothing."""
    model = network.populations[population].model
    return model.thresholded or next(iter(model.state), "")


def most_active(
    network: Network,
    shown: tuple[str, ...],
    inputs: Mapping[str, Any],
    *,
    engine: str,
    seed: int,
    steps: int | None = None,
) -> dict[str, int]:
    """Run one sample; return the neuron of each population whose membrane tells most.

    That is the one that fires most in up to half of the steps (one that fires in every step is always at its reset),
    among equals the one whose membrane moves most.
    """
    record = {n: (v,) for n in shown if (v := membrane_of(network, n))}
    recording = run(network, inputs, engine=engine, seed=seed, steps=steps, record=record)
    found = {}
    for name, (variable,) in record.items():
        trace = recording.trace(name, variable).reshape(recording.steps, recording.batch, -1)
        moved = trace[:, 0].std(axis=0)
        sent = recording.sent[name][0]
        sent = np.where(2 * sent <= recording.steps, sent, 0)
        found[name] = int(np.argmax(np.where(sent == sent.max(), moved, -1.0)))
    return found


def picture(
    network: Network,
    shown: tuple[str, ...],
    neurons: Mapping[str, int],
    inputs: Mapping[str, Any],
    *,
    engine: str,
    seed: int,
    steps: int | None = None,
) -> tuple[Picture, ...]:
    """Run one sample and return what the populations `shown` did, with the membranes of `neurons`."""
    shown = tuple(n for n in shown if n in network.populations)
    record = {n: (v,) for n in shown if n in neurons and (v := membrane_of(network, n))}
    recording = run(network, inputs, engine=engine, seed=seed, steps=steps, record=record)
    made = []
    for name in shown:
        spikes = recording.spikes[name]
        own = np.flatnonzero(spikes.sample == 0)[:MOST_SPIKES]
        neuron = neurons.get(name, 0)
        trace: tuple[float, ...] = ()
        if name in record:
            values = recording.trace(name, record[name][0])
            flat = values.reshape(recording.steps, recording.batch, -1)
            trace = tuple(float(v) for v in flat[:, 0, neuron])
        made.append(
            Picture(
                name,
                network.populations[name].n,
                network.dt,
                recording.steps,
                tuple(int(k) for k in spikes.step[own]),
                tuple(int(a) for a in spikes.address[own]),
                trace,
                neuron,
                record[name][0] if name in record else "",
            )
        )
    return tuple(made)


def layout(placement: Placement | None) -> Layout | None:
    """Return a placement as a picture needs it."""
    if placement is None or not placement.n_cores:
        return None
    load, binding = [], []
    for core in range(placement.n_cores):
        shares = dict(placement.load[core]) if core < len(placement.load) else {}
        worst = max(shares, key=lambda name: shares[name], default="")
        load.append(float(shares[worst]) if worst else 0.0)
        binding.append(worst)
    return Layout(
        tuple(int(n) for n in placement.mesh),
        tuple(tuple(int(x) for x in p) for p in placement.position),
        tuple(load),
        tuple(binding),
    )
