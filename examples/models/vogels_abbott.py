"""The network of Vogels and Abbott: conductances, no drive, activity that keeps itself up, beside NEST and Brian2.

    python vogels_abbott.py                          # the published size, 1 s
    python vogels_abbott.py --seconds 5 --figure vogels_abbott.png

4000 integrate-and-fire neurons, four excitatory ones to each inhibitory, 2 % connections. It starts from random
conductances and can die out: then its rate is 0, here as elsewhere.

Source
------
Vogels and Abbott, "Signal propagation and logic gating in networks of integrate-and-fire neurons", J. Neurosci. 25,
2005, as benchmark 1 of Brette et al., J. Comput. Neurosci. 23, 2007. NEST 3.10 and Brian2 2.9: this project's
tests/golden/simulate/statistics_nest.json and statistics_brian2.json, means and standard deviations over eight seeds.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import analysis, ms, mV, nS

DT, SETTLE = 0.1 * ms, 0.3  # s, s
SIZES, PROBABILITY = {"exc": 3200, "inh": 800}, 0.02
WEIGHTS = {"exc": 6 * nS, "inh": 67 * nS}
FOUND = {  # rate (Hz), CV, correlation: mean and standard deviation over seeds
    "NEST": ((18.89, 0.65), (1.570, 0.023), (0.0038, 0.0008)),
    "Brian2": ((19.71, 0.83), (1.607, 0.032), (0.0037, 0.0012)),
}


def network(seed: int) -> sw.Network:
    """Return the network; the library's `ConductanceLIF` has the benchmark's parameters."""
    draw = np.random.default_rng(seed)
    populations = {
        name: sw.Population(
            sw.ConductanceLIF,
            n,
            initial={
                "v": draw.uniform(-60 * mV, -50 * mV, n),
                "g_e": draw.uniform(0.0, 20 * nS, n),
                "g_i": draw.uniform(0.0, 100 * nS, n),
            },
        )
        for name, n in SIZES.items()
    }
    projections = {
        f"{pre}->{post}": sw.Projection(
            pre,
            post,
            sw.Bernoulli(n, PROBABILITY, WEIGHTS[pre], seed=10 * seed + 2 * i + j),
            port=pre,
            delay=DT,
        )
        for i, pre in enumerate(SIZES)
        for j, (post, n) in enumerate(SIZES.items())
    }
    return sw.Network(dt=DT, populations=populations, projections=projections, name="Vogels-Abbott")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="a raster to write")
    options = parser.parse_args()
    net = network(options.seed)
    ready = sw.prepare(net, precision="single", threads=options.threads)
    state = sw.run(ready, steps=round(SETTLE / DT), spikes=()).state
    began = time.process_time()
    recording = sw.run(ready, steps=round(options.seconds / DT), state=state)
    took = time.process_time() - began
    found = analysis.statistics(recording)
    print(analysis.summary.table(found))
    exc = found["exc"]
    print(f"here    {exc.rate:5.2f} Hz, CV {exc.cv:.2f}, correlation {exc.correlation:.4f}")
    for name, values in FOUND.items():
        rate, cv, pair = (f"{mean:g} ± {sd:g}" for mean, sd in values)
        print(f"{name:7} {rate} Hz, CV {cv}, correlation {pair} (over windows of 1 s)")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{took / recording.duration:.2g} CPU seconds per second, {memory:.2g} GiB of memory")
    if options.figure:
        analysis.plot_raster(recording, width=5 * ms).savefig(options.figure, dpi=150)


if __name__ == "__main__":
    main()
