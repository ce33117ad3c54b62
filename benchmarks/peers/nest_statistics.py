"""Activity statistics of random networks in NEST over several seeds. Writes `statistics_nest.json`.

$SPIKEWRIGHT_PEERS/nest/bin/python benchmarks/peers/nest_statistics.py [--seeds 8] [REGIME ...]
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import nest
import numpy as np
from measures import DEFINITIONS, measure, summary
from networks import BRUNEL, COBA, REGIMES
from vectors import save_json

THREADS = 2


def start(dt: float, seed: int) -> None:
    """Reset NEST."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=dt * 1e3, local_num_threads=THREADS, rng_seed=seed)


def watched(neurons: Any, size: dict[str, Any], *, warm: float, window: float) -> dict[str, float]:
    """Simulate, and measure the window behind the warm-up."""
    recorder = nest.Create("spike_recorder", params={"start": warm * 1e3})
    nest.Connect(neurons, recorder)
    begin = time.perf_counter()
    nest.Simulate((warm + window) * 1e3)
    wall = time.perf_counter() - begin
    events = recorder.events
    at = events["times"] * 1e-3 - warm
    n_exc = size["n_exc"]
    found = measure(
        events["senders"] - neurons[0].global_id,
        at,
        window=window,
        dt=size["dt"],
        n_exc=n_exc,
        n=len(neurons),
    )
    print("  ", {k: round(v, 4) for k, v in found.items()}, f"{wall:.1f} s", flush=True)
    return found


def brunel(regime: dict[str, float], seed: int) -> dict[str, float]:
    """One run of Brunel's network; C_m is 1 pF, so that a current in pA is a slope in mV/ms."""
    b = BRUNEL
    start(b["dt"], seed)
    neurons = nest.Create(
        "iaf_psc_delta",
        b["n_exc"] + b["n_inh"],
        params={
            "C_m": 1.0,
            "tau_m": b["tau_m"] * 1e3,
            "E_L": 0.0,
            "V_th": b["v_th"] * 1e3,
            "V_reset": b["v_reset"] * 1e3,
            "t_ref": b["t_ref"] * 1e3,
        },
    )
    neurons.V_m = nest.random.uniform(0.0, b["v_th"] * 1e3)
    weight, delay = b["j"] * 1e3, b["delay"] * 1e3
    for pre, indegree, w in (
        (neurons[: b["n_exc"]], b["c_exc"], weight),
        (neurons[b["n_exc"] :], b["c_inh"], -regime["g"] * weight),
    ):
        rule = {"rule": "fixed_indegree", "indegree": indegree}
        nest.Connect(pre, neurons, rule, {"weight": w, "delay": delay})
    threshold_rate = b["v_th"] / (b["j"] * b["tau_m"])  # all external synapses together, Hz
    drive = nest.Create("poisson_generator", params={"rate": regime["eta"] * threshold_rate})
    nest.Connect(drive, neurons, syn_spec={"weight": weight, "delay": delay})
    return watched(neurons, b, warm=b["warm"], window=regime["window"])


def coba(_: dict[str, float], seed: int) -> dict[str, float]:
    """One run of the conductance network of Vogels and Abbott, as in Brette et al. 2007, benchmark 1."""
    c = COBA
    start(c["dt"], seed)
    neurons = nest.Create(
        "iaf_cond_exp",
        c["n_exc"] + c["n_inh"],
        params={
            "C_m": c["c"] * 1e12,
            "g_L": c["g_l"] * 1e9,
            "E_L": c["e_l"] * 1e3,
            "V_th": c["v_th"] * 1e3,
            "V_reset": c["v_reset"] * 1e3,
            "t_ref": c["t_ref"] * 1e3,
            "E_ex": c["e_e"] * 1e3,
            "E_in": c["e_i"] * 1e3,
            "tau_syn_ex": c["tau_e"] * 1e3,
            "tau_syn_in": c["tau_i"] * 1e3,
        },
    )
    neurons.V_m = nest.random.uniform(c["e_l"] * 1e3, c["v_th"] * 1e3)
    neurons.g_ex = nest.random.uniform(0.0, c["initial_g_e"] * 1e9)
    neurons.g_in = nest.random.uniform(0.0, c["initial_g_i"] * 1e9)
    rule = {"rule": "pairwise_bernoulli", "p": c["p"]}
    delay = c["delay"] * 1e3
    n_exc = c["n_exc"]
    nest.Connect(neurons[:n_exc], neurons, rule, {"weight": c["w_e"] * 1e9, "delay": delay})
    nest.Connect(neurons[n_exc:], neurons, rule, {"weight": -c["w_i"] * 1e9, "delay": delay})
    return watched(neurons, c, warm=c["warm"], window=c["window"])


def main() -> None:
    """Run every network with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("regimes", nargs="*", default=[*REGIMES, "coba"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    seeds = list(range(1, options.seeds + 1))
    networks = {}
    for name in options.regimes:
        print(name)
        run = coba if name == "coba" else brunel
        found = [run(REGIMES.get(name, {}), seed) for seed in seeds]
        networks[name] = {
            "network": COBA if name == "coba" else BRUNEL | REGIMES[name],
            "seeds": seeds,
            "statistics": summary(found),
            "runs": [{key: round(float(value), 6) for key, value in one.items()} for one in found],
        }
    if not options.dry:
        provenance = {
            "script": "benchmarks/peers/nest_statistics.py",
            "peer": "NEST",
            "version": nest.__version__,
            "numpy": np.__version__,
            "threads": THREADS,
        }
        save_json("statistics_nest", provenance | {"measures": DEFINITIONS, "networks": networks})


if __name__ == "__main__":
    main()
