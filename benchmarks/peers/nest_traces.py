"""Traces of single NEST neurons: a current step, then input spikes, then both. Writes `nest_<model>.npz`.

    $SPIKEWRIGHT_PEERS/nest/bin/python benchmarks/peers/nest_traces.py [MODEL ...]

Native units are NEST's (mV, pF, nS, pA, ms); the files hold SI units beside them.
"""

from __future__ import annotations

import sys
from typing import Any

import nest
import numpy as np
from vectors import DT, STEPS, input_spikes, save, step_current

SEED = 7
MS = DT * 1e3
DELAY = MS  # the shortest that NEST allows
SI = {"mV": (1e-3, "V"), "pF": (1e-12, "F"), "nS": (1e-9, "S"), "pA": (1e-12, "A")}
SI |= {"ms": (1e-3, "s"), "mV/ms": (1.0, "V/s"), "1/ms": (1e3, "Hz"), "1": (1.0, "1")}

LEAK = {"C_m": 250.0, "tau_m": 10.0, "E_L": -70.0, "V_th": -55.0, "V_reset": -65.0, "t_ref": 2.0}
UNITS = {"C_m": "pF", "tau_m": "ms", "t_ref": "ms", "tau_syn_ex": "ms", "tau_syn_in": "ms"}
UNITS |= {name: "mV" for name in ("E_L", "V_th", "V_reset", "E_ex", "E_in", "Delta_T", "V_peak")}
UNITS |= {"g_L": "nS", "a": "nS", "b": "pA", "tau_w": "ms", "gsl_error_tol": "1"}

# model: parameters, what is recorded (NEST's name, our name, unit), weights, unit of a weight, current pieces
CASES: dict[str, dict[str, Any]] = {
    "iaf_psc_exp": {
        "params": LEAK | {"tau_syn_ex": 2.0, "tau_syn_in": 5.0},
        "record": [("V_m", "v", "mV"), ("I_syn_ex", "i_exc", "pA"), ("I_syn_in", "i_inh", "pA")],
        "weights": (600.0, -300.0),
        "weight_unit": "pA",
        "current": [(100, 700, 500.0), (1500, 2000, 330.0)],
    },
    "iaf_psc_delta": {
        "params": LEAK,
        "record": [("V_m", "v", "mV")],
        "weights": (4.0, -3.0),
        "weight_unit": "mV",
        "current": [(100, 700, 500.0), (1500, 2000, 330.0)],
    },
    "iaf_psc_alpha": {
        "params": LEAK | {"tau_syn_ex": 2.0, "tau_syn_in": 5.0},
        "record": [("V_m", "v", "mV"), ("I_syn_ex", "i_exc", "pA"), ("I_syn_in", "i_inh", "pA")],
        "weights": (300.0, -120.0),
        "weight_unit": "pA",
        "current": [(100, 700, 500.0), (1500, 2000, 330.0)],
    },
    "iaf_cond_exp": {
        "params": {
            "C_m": 200.0,
            "g_L": 10.0,
            "E_L": -60.0,
            "V_th": -50.0,
            "V_reset": -60.0,
            "t_ref": 5.0,
            "E_ex": 0.0,
            "E_in": -80.0,
            "tau_syn_ex": 5.0,
            "tau_syn_in": 10.0,
        },
        "record": [("V_m", "v", "mV"), ("g_ex", "g_exc", "nS"), ("g_in", "g_inh", "nS")],
        "weights": (6.0, -20.0),
        "weight_unit": "nS",
        "current": [(100, 700, 150.0), (1500, 2000, 90.0)],
    },
    "aeif_cond_exp": {
        "params": {
            "C_m": 281.0,
            "g_L": 30.0,
            "E_L": -70.6,
            "V_th": -50.4,
            "Delta_T": 2.0,
            "V_peak": 0.0,
            "V_reset": -60.0,
            "t_ref": 1.0,
            "a": 4.0,
            "b": 80.5,
            "tau_w": 144.0,
            "E_ex": 0.0,
            "E_in": -85.0,
            "tau_syn_ex": 2.0,
            "tau_syn_in": 5.0,
            "gsl_error_tol": 1e-10,
        },
        "record": [
            ("V_m", "v", "mV"),
            ("w", "w", "pA"),
            ("g_ex", "g_exc", "nS"),
            ("g_in", "g_inh", "nS"),
        ],
        "weights": (20.0, -10.0),
        "weight_unit": "nS",
        "current": [(100, 700, 900.0), (1500, 2000, 500.0)],
    },
    "izhikevich": {
        "params": {"a": 0.02, "b": 0.2, "c": -65.0, "d": 8.0, "V_th": 30.0},
        "units": {"a": "1/ms", "b": "1/ms", "c": "mV", "d": "mV/ms", "V_th": "mV"},
        "record": [("V_m", "v", "mV"), ("U_m", "u", "mV/ms")],
        "initial": {"V_m": -65.0, "U_m": -13.0},
        "weights": (3.0, -2.0),
        "weight_unit": "mV",
        "current_unit": "mV/ms",
        "current": [(100, 900, 12.0), (1500, 2000, 5.0)],
    },
}


def trace(model: str, case: dict[str, Any]) -> None:
    """Run one neuron, and store its states, its spikes and its input."""
    nest.ResetKernel()
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=MS, rng_seed=SEED)
    params, weights = case["params"], dict(zip(("exc", "inh"), case["weights"], strict=True))
    initial = case.get("initial", {"V_m": params.get("E_L")})
    neuron = nest.Create(model, params=params | initial)
    current = step_current(case["current"])
    arrivals = input_spikes(SEED, first=850, end=STEPS, exc=500.0, inh=120.0)

    # a value given for time t reaches the neuron in the step that begins at t + DELAY
    changes = np.flatnonzero(np.diff(current, prepend=0.0))
    generator = nest.Create("step_current_generator")
    generator.set(amplitude_times=changes * MS - DELAY, amplitude_values=current[changes])
    nest.Connect(generator, neuron, syn_spec={"delay": DELAY})
    for kind, steps in arrivals.items():
        source = nest.Create("spike_generator", params={"spike_times": steps * MS - DELAY})
        nest.Connect(source, neuron, syn_spec={"weight": weights[kind], "delay": DELAY})
    names = [name for name, _, _ in case["record"]]
    meter = nest.Create("multimeter", params={"interval": MS, "record_from": names})
    recorder = nest.Create("spike_recorder")
    nest.Connect(meter, neuron)
    nest.Connect(neuron, recorder)
    nest.Simulate(STEPS * MS + 2.0)

    events = meter.events
    steps = np.round(events["times"] / MS).astype(int)
    if not np.array_equal(steps[:STEPS], np.arange(1, STEPS + 1)):
        raise SystemExit(f"{model}: the multimeter did not record every step")
    spikes = np.round(recorder.events["times"] / MS).astype(np.int64)
    spikes = spikes[spikes <= STEPS]
    arrays = {ours: events[name][:STEPS] * SI[u][0] for name, ours, u in case["record"]}
    weight_scale, weight_unit = SI[case["weight_unit"]]
    current_scale, current_unit = SI[case.get("current_unit", "pA")]
    arrays |= {"spikes": spikes, "i": current * current_scale}
    for kind, at in arrivals.items():
        arrays[f"{kind}_steps"] = at
    units = UNITS | case.get("units", {})
    meta = {
        "script": "benchmarks/peers/nest_traces.py",
        "peer": "NEST",
        "version": nest.__version__,
        "model": model,
        "seed": SEED,
        "dt": DT,
        "steps": STEPS,
        "native": params | initial,
        "native_weights": weights,
        "params": {k: (v * SI[units[k]][0], SI[units[k]][1]) for k, v in params.items()},
        "initial": {k: (v * 1e-3, "V") for k, v in initial.items() if k == "V_m"}
        | {k: (v, "V/s") for k, v in initial.items() if k == "U_m"},
        "weights": {k: (v * weight_scale, weight_unit) for k, v in weights.items()},
        "units": {ours: SI[u][1] for _, ours, u in case["record"]} | {"i": current_unit},
    }
    save(f"nest_{model}", arrays, meta)
    print(f"  {len(spikes)} spikes at {(spikes * MS).round(1).tolist()} ms")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or CASES:
        trace(chosen, CASES[chosen])
