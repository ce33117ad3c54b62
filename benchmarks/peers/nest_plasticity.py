"""Weights of NEST's plastic synapses for fixed spike lists. Writes `nest_plasticity.npz`.

    $SPIKEWRIGHT_PEERS/nest/bin/python benchmarks/peers/nest_plasticity.py

A `spike_generator` drives a `parrot_neuron`; its plastic synapse ends on port 1 of a second parrot, which listens but
does not repeat, so that the postsynaptic spikes are a list too. A weight is known after each presynaptic spike.
"""

from __future__ import annotations

from typing import Any

import nest
import numpy as np
from vectors import DT, save

SEED = 3
MS = DT * 1e3
STEPS = 10_000  # 1 s
DELAY = 1.5  # ms
TAU_MINUS, TAU_MINUS_TRIPLET = 33.7, 125.0  # ms; they belong to the postsynaptic neuron in NEST

PAIR = {"weight": 5.0, "tau_plus": 16.8, "lambda": 0.01, "alpha": 1.05, "Wmax": 10.0}
RULES: dict[str, tuple[str, dict[str, float]]] = {
    "stdp_additive": ("stdp_synapse", PAIR | {"mu_plus": 0.0, "mu_minus": 0.0}),
    "stdp_multiplicative": ("stdp_synapse", PAIR | {"mu_plus": 1.0, "mu_minus": 1.0}),
    "stdp_guetig": ("stdp_synapse", PAIR | {"mu_plus": 0.4, "mu_minus": 0.4}),
    "stdp_clipped": (
        "stdp_synapse",
        PAIR | {"mu_plus": 0.0, "mu_minus": 0.0, "lambda": 0.1, "Wmax": 6.0},
    ),
    "triplet": (
        "stdp_triplet_synapse",
        {
            "weight": 5.0,
            "tau_plus": 16.8,
            "tau_plus_triplet": 101.0,
            "Aplus": 0.005,
            "Aminus": 0.007,
            "Aplus_triplet": 0.0062,
            "Aminus_triplet": 0.00023,
            "Wmax": 10.0,
        },
    ),
    "nearest_symmetric": (
        "stdp_nn_symm_synapse",
        PAIR | {"mu_plus": 0.0, "mu_minus": 0.0},
    ),
    "vogels_sprekeler": (
        "vogels_sprekeler_synapse",
        {"weight": 0.5, "tau": 20.0, "eta": 0.002, "alpha": 0.12, "Wmax": 1.0},
    ),
    "tsodyks_facilitating": (
        "tsodyks2_synapse",
        {"weight": 1.0, "U": 0.1, "u": 0.1, "x": 1.0, "tau_rec": 100.0, "tau_fac": 500.0},
    ),
    "tsodyks_depressing": (
        "tsodyks2_synapse",
        {"weight": 1.0, "U": 0.5, "u": 0.5, "x": 1.0, "tau_rec": 300.0, "tau_fac": 0.0},
    ),
}
CLOPATH = {"weight": 0.5, "tau_x": 15.0, "Wmin": 0.0, "Wmax": 100.0}
CLOPATH_NEURON = {
    "A_LTD": 14e-5,
    "A_LTP": 8e-5,
    "A_LTD_const": True,
    "theta_plus": -45.3,
    "theta_minus": -70.6,
    "tau_u_bar_plus": 7.0,
    "tau_u_bar_minus": 10.0,
    "tau_u_bar_bar": 500.0,
    "delay_u_bars": 5.0,
}
CLOPATH_STEPS = 1000  # 100 ms


def spike_lists() -> dict[str, np.ndarray]:
    """Return steps of both neurons: random, with a coincidence, and a post spike that arrives with a pre spike."""
    draw = np.random.default_rng(SEED)

    def some(rate: float) -> np.ndarray:
        span = STEPS - 600
        return np.sort(draw.choice(span, size=round(rate * STEPS * DT), replace=False)) + 300

    pre, post = some(45.0), some(40.0)
    together = pre[10]
    arriving = pre[20] - round(DELAY / MS)
    return {"pre": pre, "post": np.unique(np.r_[post, together, arriving])}


def start() -> None:
    """Reset NEST."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=MS, rng_seed=SEED)


def relay(steps: np.ndarray, params: dict[str, float] | None = None) -> Any:
    """Return a parrot that fires at these steps: the generator's spikes take one step to reach it."""
    source = nest.Create("spike_generator", params={"spike_times": (steps - 1) * MS})
    parrot = nest.Create("parrot_neuron", params=params or {})
    nest.Connect(source, parrot, syn_spec={"delay": MS})
    return parrot


def weights(model: str, params: dict[str, float], lists: dict[str, np.ndarray]) -> np.ndarray:
    """Return the weight after each presynaptic spike."""
    start()
    pre = relay(lists["pre"])
    tau_minus = params.get("tau", TAU_MINUS)  # Vogels and Sprekeler: one time constant
    post = relay(lists["post"], {"tau_minus": tau_minus, "tau_minus_triplet": TAU_MINUS_TRIPLET})
    recorder = nest.Create("weight_recorder")
    nest.CopyModel(model, "recorded", {"weight_recorder": recorder})
    nest.Connect(
        pre,
        post,
        "one_to_one",
        {"synapse_model": "recorded", "delay": DELAY, "receptor_type": 1} | params,
    )
    watch = nest.Create("spike_recorder", 2)
    nest.Connect(pre, watch[0])
    nest.Connect(post, watch[1])
    nest.Simulate(STEPS * MS)
    for kind, recorded in zip(("pre", "post"), watch, strict=True):
        fired = np.round(recorded.events["times"] / MS).astype(int)
        if not np.array_equal(fired, lists[kind]):
            raise SystemExit(f"{model}: the {kind}synaptic spikes are not those of the list")
    events = recorder.events
    if len(events["times"]) != len(lists["pre"]):
        raise SystemExit(f"{model}: {len(events['times'])} weights, {len(lists['pre'])} spikes")
    return events["weights"]


def clopath() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the weight after each presynaptic spike, and the traces of the postsynaptic AdEx neuron."""
    start()
    draw = np.random.default_rng(SEED)
    pre_steps = np.sort(draw.choice(900, size=12, replace=False)) + 60
    pre = relay(pre_steps)
    post = nest.Create("aeif_psc_delta_clopath", params=CLOPATH_NEURON)
    current = nest.Create("step_current_generator")
    begins = np.array([8.0, 22.0, 36.0, 50.0, 64.0, 78.0])  # ms; each pulse makes one spike
    times = np.column_stack([begins, begins + 4.0]).ravel()
    current.set(amplitude_times=times, amplitude_values=[3000.0, 0.0] * len(begins))
    nest.Connect(current, post, syn_spec={"delay": MS})
    recorder = nest.Create("weight_recorder")
    nest.CopyModel("clopath_synapse", "recorded", {"weight_recorder": recorder})
    nest.Connect(pre, post, "one_to_one", {"synapse_model": "recorded", "delay": DELAY} | CLOPATH)
    names = ["V_m", "u_bar_plus", "u_bar_minus", "u_bar_bar"]
    meter = nest.Create("multimeter", params={"interval": MS, "record_from": names})
    spikes = nest.Create("spike_recorder")
    nest.Connect(meter, post)
    nest.Connect(post, spikes)
    nest.Simulate(CLOPATH_STEPS * MS + 2.0)
    events = meter.events
    arrays = {f"clopath_{name.lower()}": events[name][:CLOPATH_STEPS] * 1e-3 for name in names}
    arrays["clopath_pre"] = pre_steps
    arrays["clopath_post"] = np.round(spikes.events["times"] / MS).astype(int)
    arrays["w_clopath"] = recorder.events["weights"]
    return arrays, {"synapse": CLOPATH, "neuron": post.get()}


def main() -> None:
    """Run every rule on the same two spike lists."""
    lists = spike_lists()
    arrays: dict[str, np.ndarray] = dict(lists)
    for name, (model, params) in RULES.items():
        arrays[f"w_{name}"] = weights(model, params, lists)
        w = arrays[f"w_{name}"]
        print(f"{name}: {w[0]:.4f} ... {w[-1]:.4f}, {w.min():.4f} to {w.max():.4f}")
    more, clopath_meta = clopath()
    arrays |= more
    neuron = {
        key: value
        for key, value in clopath_meta.pop("neuron").items()
        if isinstance(value, int | float)
    }
    print("clopath:", arrays["w_clopath"].round(4), "post", arrays["clopath_post"] * MS)
    meta = {
        "script": "benchmarks/peers/nest_plasticity.py",
        "peer": "NEST",
        "version": nest.__version__,
        "seed": SEED,
        "dt": DT,
        "steps": STEPS,
        "delay": (DELAY * 1e-3, "s"),
        "tau_minus": (TAU_MINUS * 1e-3, "s"),
        "tau_minus_triplet": (TAU_MINUS_TRIPLET * 1e-3, "s"),
        "native_unit_of_time": "ms",
        "rules": {name: {"model": m, "params": p} for name, (m, p) in RULES.items()},
        "clopath": clopath_meta | {"neuron": neuron, "steps": CLOPATH_STEPS},
    }
    save("nest_plasticity", arrays, meta)


if __name__ == "__main__":
    main()
