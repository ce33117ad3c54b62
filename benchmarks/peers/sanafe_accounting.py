"""A network of `benchmarks/chips/accounting.py` on SANA-FE 2.2.9 (GPL-3, a peer only): counts, and seconds per run.

    FOLDER/sanafe/bin/python benchmarks/peers/sanafe_accounting.py NETWORK.npz STEPS ROUNDS

Prints `RESULT {...}`. Building and loading stand apart; one run before the first that counts warms up.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import sanafe


def main(path: str, steps: int, rounds: int) -> None:
    """Build the network once, then run it in both timing models in turn."""
    with np.load(path) as file:
        z: dict[str, Any] = dict(file)
    n, leak = len(z["bias"]), float(z["leak"])
    begin = time.process_time()
    arch = sanafe.load_loihi()
    net = sanafe.Network()
    group = net.create_neuron_group(
        "p",
        n,
        model_attributes={"leak_decay": leak, "input_decay": 0.0, "reset": 0.0},
        default_synapse_hw_name="loihi_dense_synapse",
        soma_hw_name="loihi_lif",
        default_dendrite_hw_name="loihi_dendrites",
    )
    cores = [core for tile in arch.tiles for core in tile.cores]
    for i in range(n):
        own = {"bias": float(z["bias"][i]), "threshold": float(z["threshold"][i])}
        group[i].set_attributes(model_attributes=own)
        group[i].map_to_core(cores[int(z["core"][i])])
    pairs = list(zip(z["source"].tolist(), z["target"].tolist(), strict=True))
    group.connect_neurons_sparse(group, {"weight": z["weight"].astype(float).tolist()}, pairs)
    chip = sanafe.SpikingChip(arch)
    chip.load(net)
    built = time.process_time() - begin
    found: dict[str, Any] = {"version": version("sanafe"), "build_cpu_s": built}
    for round_ in range(rounds + 1):
        for model in ("simple", "detailed"):
            chip.reset()
            cpu, wall = time.process_time(), time.perf_counter()
            result = chip.sim(
                steps,
                timing_model=model,
                processing_threads=1,
                scheduler_threads=0,
                perf_trace=True,
            )
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if round_:
                entry = found.setdefault(model, {"cpu_s": [], "wall_s": []})
                entry["cpu_s"].append(cpu)
                entry["wall_s"].append(wall)
                entry["sim_time"] = result["sim_time"]
                trace = result["perf_trace"]
                for name in ("fired", "updated", "hops", "spikes", "total_energy"):
                    entry[name] = float(np.sum(trace[name]))
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
