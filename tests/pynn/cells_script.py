"""One neuron of each cell type, driven by a current and by spikes: a script for any simulator of PyNN.

python tests/pynn/cells_script.py nest      # or brian2, spikewright: needs PyNN
"""

import importlib
import sys
from typing import Any

WEIGHTS = {
    "IF_curr_alpha": 1.0,
    "IF_cond_exp": 0.01,
    "IF_cond_alpha": 0.05,
    "EIF_cond_exp_isfa_ista": 0.01,
    "EIF_cond_alpha_isfa_ista": 0.01,
}


def spike_times(sim: Any) -> dict[str, list[float]]:
    """Return the spike times of 1 s, in ms, by cell type."""
    sim.setup(timestep=0.1, min_delay=0.1)
    source = sim.Population(
        1, sim.SpikeSourceArray(spike_times=[float(t) for t in range(10, 990, 7)])
    )
    cells = {}
    for name, weight in WEIGHTS.items():
        current = 1.0 if name.startswith("EIF") else 0.8
        cells[name] = sim.Population(1, getattr(sim, name)(i_offset=current))
        cells[name].record("spikes")
        synapse = sim.StaticSynapse(weight=weight, delay=1.0)
        sim.Projection(
            source, cells[name], sim.AllToAllConnector(), synapse, receptor_type="excitatory"
        )
    sim.run(1000.0)
    found = {}
    for name, population in cells.items():
        train = population.get_data("spikes").segments[0].spiketrains[0]
        found[name] = [round(float(t), 4) for t in train]
    sim.end()
    return found


if __name__ == "__main__":
    chosen = sys.argv[1]
    module = "spikewright.pynn" if chosen == "spikewright" else f"pyNN.{chosen}"
    for cell, times in spike_times(importlib.import_module(module)).items():
        sys.stdout.write(f"{cell} {len(times)} {times}\n")
