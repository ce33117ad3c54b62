"""Brunel's random network in its four regimes, beside the paper and beside NEST.

    python brunel.py                     # the size and the windows that NEST ran
    python brunel.py --scale 1 --seconds 1 --threads 2      # 12,500 neurons, 15.6 M synapses: as published
    python brunel.py --figure raster     # writes raster_ai.png, ...

Excitatory and inhibitory LIF neurons with delta synapses, 10 % connections, an independent Poisson drive of `eta`
times the rate that brings the mean to threshold. At a smaller scale j grows with 1 / scale, so that the mean input
stays; fluctuations grow, and the slow regime fires faster.

Source
------
Brunel, "Dynamics of sparsely connected networks of excitatory and inhibitory spiking neurons", J. Comput. Neurosci. 8,
2000, model A and figure 8. NEST: this project's tests/golden/simulate/statistics_nest.json (NEST 3.10, scale 0.4, eight
seeds). The paper's numbers are those of its figure's caption, simulation; noted down from memory.
"""

import argparse
import resource
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import analysis, ms, mV

DT, SETTLE = 0.1 * ms, 0.3  # s, s
NEURONS, J = 12_500, 0.1 * mV
TAU_M, V_TH, V_RESET, T_REF, DELAY = 20 * ms, 20 * mV, 10 * mV, 2 * ms, 1.5 * ms


@dataclass(frozen=True)
class Regime:
    """What sets a regime, and what others found in it: rate (Hz), CV, correlation of NEST at scale 0.4; the paper."""

    title: str
    g: float
    eta: float
    window: float  # s, as NEST's
    nest: tuple[float, float, float]
    paper: str


REGIMES = {
    "sr": Regime("synchronous regular", 3.0, 2.0, 1.0, (333.1, 0.008, 0.247), "near 1 / t_ref"),
    "si_fast": Regime(
        "synchronous irregular, fast", 6.0, 4.0, 1.0, (58.8, 1.18, 0.012), "60.7 Hz, 180 Hz"
    ),
    "ai": Regime("asynchronous irregular", 5.0, 2.0, 2.0, (41.3, 0.83, 0.032), "37.7 Hz, none"),
    "si_slow": Regime(
        "synchronous irregular, slow", 4.5, 0.9, 4.0, (12.0, 0.72, 0.103), "5.6 Hz, 22 Hz"
    ),
}


def network(regime: Regime, scale: float, *, seed: int) -> sw.Network:
    """Return the network; a neuron has 10 % of each population as inputs, drawn with replacement."""
    sizes = {"exc": round(0.8 * NEURONS * scale), "inh": round(0.2 * NEURONS * scale)}
    weight = J / scale
    params = {"tau_m": TAU_M, "e_l": 0.0, "v_th": V_TH, "v_reset": V_RESET, "t_ref": T_REF}
    draw, seeds = np.random.default_rng(seed), count(10 * seed)
    populations = {
        name: sw.Population(sw.DeltaLIF, n, params, {"v": draw.uniform(0.0, V_TH, n)})
        for name, n in sizes.items()
    }
    projections = {
        f"{pre}->{post}": sw.Projection(
            pre,
            post,
            sw.FixedInDegree(sizes[post], sizes[pre] // 10, strength, seed=next(seeds)),
            # DeltaLIF tests its threshold on arrivals in their own step: NEST's delay less one step
            delay=DELAY - DT,
        )
        for pre, strength in (("exc", weight), ("inh", -regime.g * weight))
        for post in sizes
    }
    rate = regime.eta * V_TH / (weight * TAU_M)
    drives = {f"outside->{name}": sw.PoissonDrive(name, rate, weight) for name in sizes}
    return sw.Network(
        dt=DT, populations=populations, projections=projections, drives=drives, name=regime.title
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("regimes", nargs="*", help=f"of {', '.join(REGIMES)}; default: all")
    parser.add_argument("--scale", type=float, default=0.4)
    parser.add_argument("--seconds", type=float, help="default: as NEST's, 1 to 4")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--figure", help="begin of the names of rasters to write")
    options = parser.parse_args()
    if unknown := set(options.regimes) - set(REGIMES):
        parser.error(f"no regime {', '.join(sorted(unknown))}")
    for name in options.regimes or REGIMES:
        regime = REGIMES[name]
        seconds = options.seconds or regime.window
        net = network(regime, options.scale, seed=options.seed)
        ready = sw.prepare(net, precision="single", threads=options.threads)
        state = sw.run(ready, steps=round(SETTLE / DT), seed=options.seed, spikes=()).state
        began = time.process_time()
        recording = sw.run(ready, steps=round(seconds / DT), seed=options.seed, state=state)
        took = time.process_time() - began
        found = analysis.statistics(recording)["exc"]
        print(f"{name}: {regime.title}, g = {regime.g:g}, eta = {regime.eta:g}")
        print(
            f"  here   {found.rate:6.1f} Hz, CV {found.cv:.2f}, correlation {found.correlation:.3f}, "
            f"power greatest at {found.peak:.0f} Hz"
        )
        print("  NEST   {:6.1f} Hz, CV {:.2f}, correlation {:.3f} (scale 0.4)".format(*regime.nest))
        print(f"  paper  {regime.paper} (rate, frequency of the population; scale 1)")
        print(
            f"  {took / recording.duration:.2g} CPU seconds per second, {net.n_weights:.3g} synapses"
        )
        if options.figure:
            end = recording.first_step * DT + 0.1
            figure = analysis.plot_raster(recording, end=end, width=0.5 * ms)
            figure.savefig(Path(f"{options.figure}_{name}.png"), dpi=150)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{options.scale:g} of the published size; {memory:.2g} GiB of memory")


if __name__ == "__main__":
    main()
