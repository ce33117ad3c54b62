"""Activity statistics of the Vogels-Abbott network in Brian2 over several seeds. Writes `statistics_brian2.json`.

    $SPIKEWRIGHT_PEERS/brian/bin/python benchmarks/peers/brian2_statistics.py [--seeds 8]

Brian2 integrates with exponential Euler, as our engine can; NEST's `statistics_nest.json` comes from an adaptive
method.
"""

from __future__ import annotations

import argparse
import time

import brian2 as b2
import numpy as np
from measures import DEFINITIONS, alive, measure, summary
from networks import COBA
from vectors import save_json

UNITS = {"c": b2.farad, "g_l": b2.siemens, "initial_g_e": b2.siemens, "initial_g_i": b2.siemens}
UNITS |= {name: b2.volt for name in ("e_l", "e_e", "e_i", "v_th", "v_reset")}
UNITS |= {name: b2.second for name in ("tau_e", "tau_i")}


def coba(seed: int) -> dict[str, float]:
    """One run."""
    c = COBA
    b2.start_scope()
    b2.seed(seed)
    b2.defaultclock.dt = c["dt"] * b2.second
    neurons = b2.NeuronGroup(
        c["n_exc"] + c["n_inh"],
        """dv/dt = (g_l * (e_l - v) + g_e * (e_e - v) + g_i * (e_i - v)) / c : volt (unless refractory)
           dg_e/dt = -g_e / tau_e : siemens
           dg_i/dt = -g_i / tau_i : siemens""",
        threshold="v > v_th",
        reset="v = v_reset",
        refractory=c["t_ref"] * b2.second,
        method="exponential_euler",
        namespace={name: c[name] * unit for name, unit in UNITS.items()},
    )
    neurons.v = "e_l + rand() * (v_th - e_l)"
    neurons.g_e, neurons.g_i = "rand() * initial_g_e", "rand() * initial_g_i"
    objects = [neurons]
    n_exc = c["n_exc"]
    for pre, port, weight in (
        (neurons[:n_exc], "g_e", c["w_e"]),
        (neurons[n_exc:], "g_i", c["w_i"]),
    ):
        synapses = b2.Synapses(
            pre,
            neurons,
            on_pre=f"{port}_post += jump",
            delay=c["delay"] * b2.second,
            namespace={"jump": weight * b2.siemens},
        )
        synapses.connect(p=c["p"])
        objects.append(synapses)
    monitor = b2.SpikeMonitor(neurons)
    begin = time.perf_counter()
    b2.Network(*objects, monitor).run((c["warm"] + c["window"]) * b2.second)
    # Brian2 stamps a spike with the begin of its step, the measures count from the end
    at = np.asarray(monitor.t) + c["dt"] - c["warm"]
    inside = (at > 0.5 * c["dt"]) & (at < c["window"] + 0.5 * c["dt"])
    found = measure(
        np.asarray(monitor.i)[inside],
        at[inside],
        window=c["window"],
        dt=c["dt"],
        n_exc=n_exc,
        n=n_exc + c["n_inh"],
    )
    wall = time.perf_counter() - begin
    print("  ", {k: round(v, 4) for k, v in found.items()}, f"{wall:.1f} s", flush=True)
    return found


def main() -> None:
    """Run every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8, help="how many whose activity lasts")
    wanted = parser.parse_args().seeds
    seeds, found, died = [], [], []
    for seed in range(1, 4 * wanted):
        run = coba(seed)
        if not alive(run):
            died.append(seed)
            continue
        seeds.append(seed)
        found.append(run)
        if len(found) == wanted:
            break
    save_json(
        "statistics_brian2",
        {
            "script": "benchmarks/peers/brian2_statistics.py",
            "peer": "Brian2",
            "version": b2.__version__,
            "numpy": np.__version__,
            "method": "exponential_euler",
            "measures": DEFINITIONS,
            "networks": {
                "coba": {
                    "network": COBA,
                    "seeds": seeds,
                    "seeds_that_died": died,
                    "statistics": summary(found),
                    "runs": [{k: round(float(v), 6) for k, v in one.items()} for one in found],
                }
            },
        },
    )


if __name__ == "__main__":
    main()
