"""A synfire chain: volleys of spikes that are strong and sharp enough travel on for ever, others die out.

    python synfire_chain.py
    python synfire_chain.py --groups 20 --figure synfire.png

Ten groups of 100 neurons, each neuron of a group to every neuron of the next. Every neuron has its own background: the
noise of 20,000 synapses as a mean and a white noise that go through the same synaptic filter. A volley of some spikes
with some spread enters the first group; what comes out of each group is counted.

Source
------
Diesmann, Gewaltig, Aertsen, "Stable propagation of synchronous spiking in cortical neural networks", Nature 402,
1999. Time constants, weight and background in the form that Brian2's documentation gives for this paper; its volley is
the second one here. The delay is by choice. The paper's result (noted down from memory): volleys end either near the
whole group within less than 1 ms, or nowhere, and which of the two is a line in the plane of spikes and spread.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import analysis, ms, mV

DT, AT, DELAY, GROUP = 0.1 * ms, 50 * ms, 5 * ms, 100  # s, s, s, neurons
WEIGHT = 4.86 * mV  # of the filter's first stage; its potential peaks at 0.14 mV
VOLLEYS = ((90, 0.0), (85, 1.0), (60, 0.0), (90, 4.0), (30, 0.0), (30, 3.0))  # spikes, ms

SynfireNeuron = sw.NeuronModel(
    name="SynfireNeuron",
    state={"v": "V", "x": "V", "y": "V"},
    params={
        "tau_m": (10 * ms, "s"),
        "tau_psp": (0.325 * ms, "s"),
        "v_rest": (-70 * mV, "V"),
        "v_th": (-55 * mV, "V"),
        "t_ref": (1 * ms, "s"),
        "mean": (25.27, "V/s"),
        "spread": (39.24e-3 / ms**0.5, "V*s^-0.5"),
    },
    inputs={"spikes": "V"},
    jumps={"spikes": "y"},
    noise={"noise": sw.Noise.WHITE},
    dynamics={
        "v": "(v_rest - v + x) / tau_m",
        "x": "(y - x) / tau_psp",
        "y": "mean - y / tau_psp + spread * noise",
    },
    threshold="v > v_th",
    reset={"v": "v_rest"},
    refractory=sw.Refractory("t_ref", hold=("v",)),
    source="Diesmann et al., Nature 402 (1999), as in Brian2's documentation",
)


def network(groups: int, *, seed: int) -> sw.Network:
    """Return a chain behind a population that volleys enter through."""
    draw = np.random.default_rng(seed)
    populations = {"volley": sw.Population(sw.Input, GROUP)}
    projections = {}
    before = "volley"
    for g in range(groups):
        name = f"group {g + 1}"
        v = draw.uniform(-70 * mV, -55 * mV, GROUP)
        populations[name] = sw.Population(SynfireNeuron, GROUP, initial={"v": v})
        every = sw.AllToAll(GROUP, WEIGHT)
        projections[f"{before}->{name}"] = sw.Projection(before, name, every, delay=DELAY)
        before = name
    return sw.Network(dt=DT, populations=populations, projections=projections, name="synfire chain")


def volley(a: int, sigma: float, *, seed: int) -> sw.Events:
    """Return one spike of each of `a` neurons around the time AT, `sigma` in s."""
    late = np.random.default_rng(seed).normal(AT, sigma, a)
    step = np.clip(np.rint(late / DT), 0, None).astype(int)
    order = np.argsort(step, kind="stable")
    return sw.Events(step[order], np.arange(a)[order], (GROUP,), tick=DT)


def response(trains: analysis.Trains, expected: float) -> tuple[int, float]:
    """Return the number of spikes around the time at which a volley should come out, and their spread, s."""
    near = trains.time[np.abs(trains.time - expected) < 6 * ms]
    near = near[np.abs(near - np.median(near)) < 3 * ms] if len(near) else near
    return len(near), float(near.std()) if len(near) else 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="a raster of the second volley to write")
    options = parser.parse_args()
    net = network(options.groups, seed=options.seed)
    ready = sw.prepare(net, batch=len(VOLLEYS))
    entering = [volley(a, sigma * ms, seed=options.seed) for a, sigma in VOLLEYS]
    # a volley takes about 1.5 ms in a group besides the delay
    pace = DELAY + 1.5 * ms
    steps = round((AT + (options.groups + 2) * pace) / DT)
    began = time.process_time()
    recording = sw.run(ready, {"volley": entering}, steps=steps, seed=options.seed)
    took = time.process_time() - began
    print("volley, and the spikes with which each group answers; the spread of the last")
    for sample, (a, sigma) in enumerate(VOLLEYS):
        found, at = [], AT
        for g in range(options.groups):
            trains = analysis.Trains.from_recording(recording, f"group {g + 1}", sample=sample)
            # follow the volley where there is one
            count, spread = response(trains, at + pace)
            near = trains.time[np.abs(trains.time - at - pace) < 6 * ms]
            at = float(np.median(near)) if count > GROUP / 2 else at + pace
            found.append(count)
        end = f"{spread / ms:.2f} ms" if found[-1] > GROUP / 2 else "died out"
        print(f"{a:3} spikes, {sigma:.1f} ms: {' '.join(f'{n:3}' for n in found)}   {end}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{took / recording.duration / len(VOLLEYS):.2g} CPU seconds per second, {memory:.2g} GiB"
    )
    if options.figure:
        groups = [f"group {g + 1}" for g in range(options.groups)]
        analysis.plot_raster(recording, groups, sample=1, width=1 * ms).savefig(
            options.figure, dpi=150
        )


if __name__ == "__main__":
    main()
