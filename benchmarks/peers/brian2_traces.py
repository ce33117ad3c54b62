"""Traces of single Brian2 neurons: a current step, then input spikes, then both. Writes `brian2_<name>.npz`.

    $SPIKEWRIGHT_PEERS/brian/bin/python benchmarks/peers/brian2_traces.py [NAME ...]

Parameters carry the names of our model library, in SI units. Runs Brian2's NumPy target: no compiler is needed.
"""

from __future__ import annotations

import sys
from typing import Any

import brian2 as b2
import numpy as np
from vectors import DT, input_spikes, save, step_current

SEED = 11
STEPS = 1000  # 100 ms

LIF = {
    "tau_m": (10e-3, "s"),
    "r": (40e6, "ohm"),
    "v_rest": (-70e-3, "V"),
    "v_th": (-55e-3, "V"),
    "v_reset": (-65e-3, "V"),
    "t_ref": (2e-3, "s"),
}
CELL = {
    "c": (200e-12, "F"),
    "g_l": (10e-9, "S"),
    "e_l": (-60e-3, "V"),
    "e_e": (0.0, "V"),
    "e_i": (-80e-3, "V"),
    "tau_e": (5e-3, "s"),
    "tau_i": (10e-3, "s"),
}
COBA = CELL | {"v_th": (-50e-3, "V"), "v_reset": (-60e-3, "V"), "t_ref": (5e-3, "s")}
HH = CELL | {
    "g_na": (20e-6, "S"),
    "g_k": (6e-6, "S"),
    "e_na": (50e-3, "V"),
    "e_k": (-90e-3, "V"),
    "v_t": (-63e-3, "V"),
    "v_th": (-20e-3, "V"),
    "t_ref": (3e-3, "s"),
}
ADEX = {
    "c": (281e-12, "F"),
    "g_l": (30e-9, "S"),
    "e_l": (-70.6e-3, "V"),
    "v_t": (-50.4e-3, "V"),
    "delta_t": (2e-3, "V"),
    "tau_w": (144e-3, "s"),
    "a": (4e-9, "S"),
    "b": (80.5e-12, "A"),
    "v_peak": (-40.4e-3, "V"),
    "v_reset": (-60e-3, "V"),
}
IZHIKEVICH = {
    "k2": (0.04e6, "Hz/V"),
    "k1": (5e3, "Hz"),
    "k0": (140.0, "V/s"),
    "a": (20.0, "Hz"),
    "b": (200.0, "Hz"),
    "c": (-65e-3, "V"),
    "d": (8.0, "V/s"),
    "v_peak": (30e-3, "V"),
}
SYNAPSES = """dg_e/dt = -g_e / tau_e : siemens
              dg_i/dt = -g_i / tau_i : siemens"""
CURRENT = "g_e * (e_e - v) + g_i * (e_i - v) + i_ext"
ADEX_EQUATIONS = """
    dv/dt = (g_l * (e_l - v) + g_l * delta_t * exp((v - v_t) / delta_t) - w + i_ext) / c : volt
    dw/dt = (a * (v - e_l) - w) / tau_w : amp"""
UP = {  # rates of the gates, x = (v - v_t) / mV
    "m": "1.28 / exprel((13 - x) / 4) / ms",
    "h": "0.128 * exp((17 - x) / 18) / ms",
    "n": "0.16 / exprel((15 - x) / 5) / ms",
}
DOWN = {
    "m": "1.4 / exprel((x - 40) / 5) / ms",
    "h": "4 / (1 + exp((40 - x) / 5)) / ms",
    "n": "0.5 * exp((10 - x) / 40) / ms",
}


def _gates() -> str:
    rows = [f"d{gate}/dt = {UP[gate]} * (1 - {gate}) - {DOWN[gate]} * {gate} : 1" for gate in UP]
    return "\n".join([*rows, "x = (v - v_t) / mV : 1"])


CASES: dict[str, dict[str, Any]] = {
    "lif_exp_exact": {
        "params": LIF | {"tau_s": (5e-3, "s")},
        "equations": """dv/dt = (v_rest - v + r * (i_syn + i_ext)) / tau_m : volt (unless refractory)
                        di_syn/dt = -i_syn / tau_s : amp""",
        "method": "exact",
        "threshold": "v > v_th",
        "reset": "v = v_reset",
        "states": {"v": "V", "i_syn": "A"},
        "initial": {"v": "v_rest"},
        "weights": {"exc": (300e-12, "A"), "inh": (-150e-12, "A")},
        "jumps": {"exc": "i_syn", "inh": "i_syn"},
        "current": [(50, 450, 500e-12), (750, 1000, 330e-12)],
    },
    "lif_delta_exact": {
        "params": LIF,
        "equations": "dv/dt = (v_rest - v + r * i_ext) / tau_m : volt (unless refractory)",
        "method": "exact",
        "threshold": "v > v_th",
        "reset": "v = v_reset",
        "states": {"v": "V"},
        "initial": {"v": "v_rest"},
        "weights": {"exc": (4e-3, "V"), "inh": (-3e-3, "V")},
        "jumps": {"exc": "v", "inh": "v"},
        "gate": " * int(not_refractory_post)",
        "current": [(50, 450, 500e-12), (750, 1000, 330e-12)],
    },
    "coba_exponential_euler": {
        "params": COBA,
        "equations": f"dv/dt = (g_l * (e_l - v) + {CURRENT}) / c : volt (unless refractory)\n"
        + SYNAPSES,
        "method": "exponential_euler",
        "threshold": "v > v_th",
        "reset": "v = v_reset",
        "states": {"v": "V", "g_e": "S", "g_i": "S"},
        "initial": {"v": "e_l"},
        "weights": {"exc": (6e-9, "S"), "inh": (20e-9, "S")},
        "jumps": {"exc": "g_e", "inh": "g_i"},
        "current": [(50, 450, 150e-12), (750, 1000, 90e-12)],
    },
    "adex_euler": {
        "params": ADEX,
        "equations": ADEX_EQUATIONS,
        "method": "euler",
        "threshold": "v > v_peak",
        "reset": "v = v_reset; w += b",
        "states": {"v": "V", "w": "A"},
        "initial": {"v": "e_l"},
        "weights": {"exc": (4e-3, "V"), "inh": (-3e-3, "V")},
        "jumps": {"exc": "v", "inh": "v"},
        "current": [(50, 450, 900e-12), (750, 1000, 700e-12)],
    },
    "hodgkin_huxley_exponential_euler": {
        "params": HH,
        "equations": "dv/dt = (g_l * (e_l - v) + g_na * m**3 * h * (e_na - v)"
        f" + g_k * n**4 * (e_k - v) + {CURRENT}) / c : volt\n{SYNAPSES}\n{_gates()}",
        "method": "exponential_euler",
        "threshold": "v > v_th",
        "reset": "",
        "states": {"v": "V", "m": "1", "h": "1", "n": "1"},
        "initial": {"v": "e_l"},
        "weights": {"exc": (6e-9, "S"), "inh": (67e-9, "S")},
        "jumps": {"exc": "g_e", "inh": "g_i"},
        "current": [(50, 450, 200e-12), (750, 1000, 100e-12)],
    },
    "izhikevich_euler": {
        "params": IZHIKEVICH,
        "equations": """dv/dt = k2 * v**2 + k1 * v + k0 - u + i_ext : volt
                        du/dt = a * (b * v - u) : volt/second""",
        "method": "euler",
        "threshold": "v >= v_peak",
        "reset": "v = c; u += d",
        "states": {"v": "V", "u": "V/s"},
        "initial": {"v": "c", "u": "b * c"},
        "weights": {"exc": (3e-3, "V"), "inh": (-2e-3, "V")},
        "jumps": {"exc": "v", "inh": "v"},
        "current": [(50, 450, 12.0), (750, 1000, 5.0)],
        "current_unit": "V/s",
    },
}
CASES["adex_rk4"] = CASES["adex_euler"] | {"method": "rk4"}

UNITS = {
    "V": b2.volt,
    "A": b2.amp,
    "S": b2.siemens,
    "F": b2.farad,
    "s": b2.second,
    "ohm": b2.ohm,
    "Hz": b2.hertz,
    "V/s": b2.volt / b2.second,
    "Hz/V": b2.hertz / b2.volt,
    "1": 1,
}


EXTERNAL = {"A": "amp", "V/s": "volt/second"}


def trace(name: str, case: dict[str, Any]) -> None:
    """Run one neuron, and store its states, its spikes and its input."""
    b2.start_scope()
    b2.prefs.codegen.target = "numpy"
    b2.seed(SEED)
    b2.defaultclock.dt = DT * b2.second
    params = {key: value * UNITS[unit] for key, (value, unit) in case["params"].items()}
    current_unit = case.get("current_unit", "A")
    current = step_current(case["current"], steps=STEPS)
    space = params | {
        "driven": b2.TimedArray(np.r_[current, 0.0] * UNITS[current_unit], dt=DT * b2.second)
    }
    neuron = b2.NeuronGroup(
        1,
        f"{case['equations']}\ni_ext : {EXTERNAL[current_unit]}",
        threshold=case["threshold"],
        reset=case["reset"],
        method=case["method"],
        refractory=params.get("t_ref", False),
        namespace=space,
    )
    # held over a step: inside the equations a TimedArray would change between the stages of a Runge-Kutta step
    neuron.run_regularly("i_ext = driven(t)", when="start")
    for state, value in case["initial"].items():
        setattr(neuron, state, value)
    if "m" in case["states"]:  # gates at rest
        _rest(neuron, params)
    initial = {state: float(getattr(neuron, state + "_")[0]) for state in case["states"]}

    # the synapses of step m - 1 act behind its integration: the state at m dt holds the arrival
    arrivals = input_spikes(SEED, first=470, end=STEPS, exc=500.0, inh=120.0)
    objects = [neuron]
    for kind, steps in arrivals.items():
        # a step that is listed twice becomes two sources: one source fires once in a step
        firsts, counts = np.unique(steps, return_counts=True)
        sources = [np.zeros(count, dtype=int) + np.arange(count) for count in counts]
        index = np.concatenate(sources)
        source = b2.SpikeGeneratorGroup(
            int(index.max()) + 1, index, (np.repeat(firsts, counts) - 1) * DT * b2.second
        )
        value, unit = case["weights"][kind]
        synapse = b2.Synapses(
            source,
            neuron,
            on_pre=f"{case['jumps'][kind]}_post += weight{case.get('gate', '')}",
            namespace={"weight": value * UNITS[unit]},
        )
        synapse.connect()
        objects += [source, synapse]
    meter = b2.StateMonitor(neuron, list(case["states"]), record=True, when="start")
    monitor = b2.SpikeMonitor(neuron)
    b2.Network(*objects, meter, monitor).run((STEPS + 1) * DT * b2.second)

    spikes = np.round(np.asarray(monitor.t) / DT).astype(np.int64) + 1
    spikes = spikes[spikes <= STEPS]
    # what is seen at the start of step k + 1 is the state behind step k
    arrays = {state: np.asarray(getattr(meter, state))[0, 1:] for state in case["states"]}
    arrays |= {"spikes": spikes, "i": current}
    arrays |= {f"{kind}_steps": steps for kind, steps in arrivals.items()}
    meta = {
        "script": "benchmarks/peers/brian2_traces.py",
        "peer": "Brian2",
        "version": b2.__version__,
        "model": name,
        "equations": case["equations"],
        "threshold": case["threshold"],
        "reset": case["reset"],
        "method": case["method"],
        "jumps": case["jumps"],
        "seed": SEED,
        "dt": DT,
        "steps": STEPS,
        "params": case["params"],
        "initial": {state: (initial[state], unit) for state, unit in case["states"].items()},
        "weights": case["weights"],
        "units": case["states"] | {"i": current_unit},
    }
    save(f"brian2_{name}", arrays, meta)
    print(f"  {len(spikes)} spikes at {(spikes * DT * 1e3).round(1).tolist()} ms")


def _rest(neuron: Any, params: dict[str, Any]) -> None:
    x = float((params["e_l"] - params["v_t"]) / b2.mV)

    def exprel(y: float) -> float:
        return np.expm1(y) / y

    up = {"m": 1.28 / exprel((13 - x) / 4), "h": 0.128 * np.exp((17 - x) / 18)}
    down = {"m": 1.4 / exprel((x - 40) / 5), "h": 4 / (1 + np.exp((40 - x) / 5))}
    up["n"], down["n"] = 0.16 / exprel((15 - x) / 5), 0.5 * np.exp((10 - x) / 40)
    for gate in up:
        setattr(neuron, gate, up[gate] / (up[gate] + down[gate]))


if __name__ == "__main__":
    for chosen in sys.argv[1:] or CASES:
        trace(chosen, CASES[chosen])
