"""Recurrent networks that Brian2 ran from our export: every spike is ours, traces to the rounding of the integrators.

Script: benchmarks/peers/brian2_exported.py. Fifteen networks of 40 neurons: every way of integrating, delays of one
number and of one per synapse, parameters of each neuron, refractory periods, resets, input without delay. Errors of
rounding grow between spikes, most in Hodgkin and Huxley's equations: 1e-11 of a trace's range, 2e-14 in linear ones.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import spikewright as sw

FOLDER = Path(__file__).with_name("simulate")
NAMES = sorted(p.stem.removeprefix("exported_") for p in FOLDER.glob("exported_*.npz"))


def test_all_are_there():
    assert len(NAMES) == 15


@pytest.mark.parametrize("name", NAMES)
def test_spikes_and_traces_are_those_of_brian2(name):
    network = sw.load_network(FOLDER / f"exported_{name}.h5")
    with np.load(FOLDER / f"exported_{name}.npz") as file:
        found = {k: file[k] for k in file.files}
    meta = json.loads(str(found.pop("meta")))
    inputs = {
        k.removeprefix("inputs/"): v.astype(float)
        for k, v in found.items()
        if k.startswith("inputs/")
    }
    record = {n: tuple(p.model.state) for n, p in network.populations.items() if p.model.state}
    ours = sw.run(network, inputs, steps=meta["steps"], record=record)
    spikes = 0
    for population in network.populations:
        if f"{population}:step" in found:
            mine = ours.spikes[population]
            assert np.array_equal(mine.step, found[f"{population}:step"])
            assert np.array_equal(mine.address, found[f"{population}:address"])
            spikes += mine.n
    assert spikes > 200
    for population, variables in record.items():
        for variable in variables:
            expected = found[f"{population}:{variable}"]
            trace = ours.trace(population, variable)[:: meta["every"], 0, : expected.shape[1]]
            np.testing.assert_allclose(trace, expected, rtol=0, atol=1e-10 * np.ptp(expected))
