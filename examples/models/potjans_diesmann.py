"""The cortical microcircuit of Potjans and Diesmann: eight populations below a square millimeter, beside known rates.

    python potjans_diesmann.py                                       # 10 %: 7717 neurons, seconds
    python potjans_diesmann.py --scale 1 --seconds 1 --threads 2     # 77,169 neurons, 299 million synapses, 2.3 GiB

Current synapses with exponential decay, weights normal (10 %), delays normal (50 %), Poisson drive of 8 Hz times the
number of external inputs. At a smaller scale there are fewer neurons and fewer inputs for each: weights grow by
1 / sqrt(scale), and a constant current keeps the mean input (van Albada, Helias, Diesmann, "Scalability of asynchronous
networks is limited by one-to-one mapping between effective connectivity and correlations", PLoS Comput. Biol. 11,
2015). Rates then fall by a tenth at 20 %, by more below: L23E fires at half its rate at 10 %.

Source
------
Potjans and Diesmann, "The cell-type specific cortical microcircuit", Cereb. Cortex 24, 2014, tables 1 and 5. Rates at
full scale and initial voltages: those that come with the model's public implementation for NEST.
"""

import argparse
import math
import resource
import time
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import analysis, ms, mV, pF

NAMES = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
NEURONS = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
# connection probability, [post, pre]
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
EXTERNAL_INPUTS = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
FULL_RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz
INITIAL = np.array(  # V: mean and standard deviation
    [
        [-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43],
        [5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48],
    ]
)
TAU_M, TAU_S, T_REF, DT, SETTLE = 10 * ms, 0.5 * ms, 2 * ms, 0.1 * ms, 0.1
C, E_L, V_TH, V_RESET = 250 * pF, -65 * mV, -50 * mV, -65 * mV
PSP, INHIBITION, BACKGROUND = 0.15 * mV, -4.0, 8.0  # V, 1, Hz
DELAYS = {"E": 1.5 * ms, "I": 0.75 * ms}


def current_for(psp: float) -> float:
    """Return the synaptic current (A) whose potential peaks at `psp` (V)."""
    ratio, difference = TAU_M / TAU_S, TAU_S - TAU_M
    shape = ratio ** (TAU_M / difference) - ratio ** (TAU_S / difference)
    return psp * C * difference / (TAU_M * TAU_S * shape)


def network(scale: float, *, seed: int) -> sw.Network:
    """Return the circuit; excitation and inhibition decay alike, so that both are one current."""
    neurons = np.round(NEURONS * scale).astype(int)
    inputs = np.log(1 - PROBABILITY) / np.log(1 - 1 / np.outer(NEURONS, NEURONS)) / NEURONS[:, None]
    full = np.tile([1.0, INHIBITION] * 4, (8, 1)) * current_for(PSP)
    full[0, 2] *= 2  # from L4E to L23E
    external = current_for(PSP) * EXTERNAL_INPUTS * BACKGROUND
    current = TAU_S * (1 - math.sqrt(scale)) * ((full * inputs * FULL_RATES).sum(axis=1) + external)
    weights = full / math.sqrt(scale)
    draw = np.random.default_rng(seed)
    r = TAU_M / C
    populations, projections, drives = {}, {}, {}
    for i, name in enumerate(NAMES):
        params = {"tau_m": TAU_M, "tau_s": TAU_S, "r": r, "v_rest": E_L + r * current[i]}
        params |= {"v_th": V_TH, "v_reset": V_RESET, "t_ref": T_REF}
        v = draw.normal(INITIAL[0, i] * mV, INITIAL[1, i] * mV, neurons[i])
        populations[name] = sw.Population(sw.CubaLIF, int(neurons[i]), params, {"v": v})
        rate = BACKGROUND * EXTERNAL_INPUTS[i] * scale
        drives[name] = sw.PoissonDrive(name, rate, current_for(PSP) / math.sqrt(scale))
    for t, post in enumerate(NAMES):
        for s, pre in enumerate(NAMES):
            total = round(inputs[t, s] * neurons[t] * scale)
            if not total:
                continue
            weight, late = float(weights[t, s]), DELAYS[pre[-1]]
            side = {"low": 0.0} if weight > 0 else {"high": 0.0}
            recipe = sw.FixedTotal(
                int(neurons[t]),
                total,
                weights=sw.Normal(weight, 0.1 * abs(weight), **side),
                seed=1000 * seed + 8 * t + s,
            )
            delay = sw.Normal(late, 0.5 * late, low=DT)
            projections[f"{pre}->{post}"] = sw.Projection(pre, post, recipe, delay=delay)
    return sw.Network(
        dt=DT, populations=populations, projections=projections, drives=drives, name="microcircuit"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="a raster to write")
    options = parser.parse_args()
    began = time.process_time()
    net = network(options.scale, seed=options.seed)
    ready = sw.prepare(net, precision="single", threads=options.threads)
    built = time.process_time() - began
    state = sw.run(ready, steps=round(SETTLE / DT), seed=options.seed, spikes=()).state
    began = time.process_time()
    recording = sw.run(ready, steps=round(options.seconds / DT), seed=options.seed, state=state)
    took = time.process_time() - began
    print(
        f"{net.n_neurons} neurons, {net.n_weights:.3g} synapses, built in {built:.2g} CPU seconds"
    )
    print("population  rate Hz  at full scale   CV    correlation")
    for name, found in analysis.statistics(recording).items():
        known = FULL_RATES[NAMES.index(name)]
        print(
            f"{name:10} {found.rate:8.2f} {known:14.2f} {found.cv:5.2f} {found.correlation:12.4f}"
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{took / recording.duration:.2g} CPU seconds per second, {memory:.2g} GiB of memory")
    if options.figure:
        analysis.plot_raster(recording, NAMES[::-1], width=2 * ms).savefig(options.figure, dpi=150)


if __name__ == "__main__":
    main()
