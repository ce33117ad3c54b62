"""Single neurons of NEST and Brian2, with a current, then input spikes, then both: the same traces and spikes here.

Linear models are equal to the 40 bits that the files keep. Others differ by the integrator, which is measured.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import MODELS, Method, Network, Population

FOLDER = Path(__file__).resolve().parent / "simulate"
KEPT = 2.0**-40
"""Relative rounding of the files."""


class Case:
    """One file; `arriving[kind]` is the weight that arrives at the beginning of each step."""

    def __init__(self, name):
        with np.load(FOLDER / f"{name}.npz") as stored:
            self.arrays = {key: stored[key] for key in stored.files}
        self.meta = json.loads(str(self.arrays.pop("meta")))
        self.params = {name: value for name, (value, _) in self.meta["params"].items()}
        self.steps, self.dt = len(self.arrays["v"]), self.meta["dt"]
        self.arriving = {
            kind: weight * np.bincount(self.arrays[f"{kind}_steps"], minlength=self.steps + 1)
            for kind, (weight, _) in self.meta["weights"].items()
        }

    def run(self, model, params, inputs, *, method=Method.AUTO, initial=None, fine=1, until=None):
        """Run a model on the file's input, with `fine` steps in one of the file's; return traces and spikes."""
        end = until or self.steps
        population = Population(MODELS[model], 1, params, initial or {}, method)
        network = Network(dt=self.dt / fine, populations={"p": population})
        spread = {}
        for port, values in inputs.items():
            x = np.zeros((end, fine))
            x[:, 0] = values[:end]
            if port not in MODELS[model].jumps and port != "spikes":
                x[:] = values[:end, None]
            spread[f"p.{port}"] = x.reshape(-1, 1, 1)
        found = Reference().run(network, spread, record={"p": tuple(MODELS[model].state)})
        traces = {v: x[fine - 1 :: fine, 0, 0] for v, x in found.traces["p"].items()}
        return traces, found.spikes["p"].step // fine + 1


def nest_membrane(case):
    p = case.params
    names = {"c": "C_m", "tau_m": "tau_m", "e_l": "E_L", "v_th": "V_th", "v_reset": "V_reset"}
    return {ours: p[theirs] for ours, theirs in names.items()} | {"t_ref": p["t_ref"]}


def same(found, expected, rounding=4 * KEPT):
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() <= rounding * scale


# -- NEST, linear ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "model"),
    [("nest_iaf_psc_exp", "ExpCurrentLIF"), ("nest_iaf_psc_alpha", "AlphaCurrentLIF")],
)
def test_nest_current_synapses(name, model):
    case = Case(name)
    params = nest_membrane(case) | {
        "tau_e": case.params["tau_syn_ex"],
        "tau_i": case.params["tau_syn_in"],
    }
    inputs = case.arriving | {"i": case.arrays["i"]}
    traces, spikes = case.run(model, params, inputs)
    assert spikes.tolist() == case.arrays["spikes"].tolist()
    same(traces["v"], case.arrays["v"])
    for ours, theirs, kind in (("i_e", "i_exc", "exc"), ("i_i", "i_inh", "inh")):
        shown = traces[ours]
        if model == "ExpCurrentLIF":  # NEST shows the current behind the arrivals of the next step
            shown = shown + case.arriving[kind][1:]
        same(shown, case.arrays[theirs])


def test_nest_delta_synapses():
    case = Case("nest_iaf_psc_delta")
    arriving = sum(case.arriving.values())
    inputs = {"spikes": arriving[1:], "i": case.arrays["i"]}  # every delay one step shorter
    traces, spikes = case.run("DeltaLIF", nest_membrane(case), inputs)
    assert spikes.tolist() == case.arrays["spikes"].tolist()
    same(traces["v"], case.arrays["v"])


def test_nest_delta_synapses_are_not_those_of_lif():
    case = Case("nest_iaf_psc_delta")
    params = nest_membrane(case)
    params = {
        "tau_m": params["tau_m"], "r": params["tau_m"] / params["c"], "v_rest": params["e_l"],
        "v_th": params["v_th"], "v_reset": params["v_reset"], "t_ref": params["t_ref"],
    }  # fmt: skip
    inputs = {"spikes": sum(case.arriving.values()), "i": case.arrays["i"]}
    traces, _ = case.run("LIF", params, inputs)
    assert np.abs(traces["v"] - case.arrays["v"]).max() > 1e-3, "a jump decays before it is seen"


# -- NEST, conductances ---------------------------------------------------------------------------------


def conductances(case):
    p = case.params
    return {
        "c": p["C_m"], "g_l": p["g_L"], "e_l": p["E_L"], "v_reset": p["V_reset"], "t_ref": p["t_ref"],
        "e_e": p["E_ex"], "e_i": p["E_in"], "tau_e": p["tau_syn_ex"], "tau_i": p["tau_syn_in"],
    }  # fmt: skip


def jumping(case):
    return {kind: np.abs(x) for kind, x in case.arriving.items()} | {"i": case.arrays["i"]}


def test_nest_conductance_synapses():
    case = Case("nest_iaf_cond_exp")
    params = conductances(case) | {"v_th": case.params["V_th"]}
    traces, spikes = case.run("ConductanceLIF", params, jumping(case), method=Method.RK4)
    assert spikes.tolist() == case.arrays["spikes"].tolist()
    assert np.abs(traces["v"] - case.arrays["v"]).max() < 1e-9  # NEST's integrator is adaptive
    same(traces["g_e"] + np.abs(case.arriving["exc"][1:]), case.arrays["g_exc"], 3e-9)
    same(traces["g_i"] + np.abs(case.arriving["inh"][1:]), case.arrays["g_inh"], 3e-9)


def test_exponential_euler_is_near():
    case = Case("nest_iaf_cond_exp")
    params = conductances(case) | {"v_th": case.params["V_th"]}
    traces, spikes = case.run("ConductanceLIF", params, jumping(case))
    assert np.abs(spikes - case.arrays["spikes"]).max() <= 2
    before = case.arrays["spikes"][2] - 1  # behind it, the traces are a step apart
    assert np.abs(traces["v"] - case.arrays["v"])[:before].max() < 2e-4


def aeif(case):
    p = case.params
    more = {"v_t": p["V_th"], "delta_t": p["Delta_T"], "v_peak": p["V_peak"]}
    return conductances(case) | more | {name: p[name] for name in ("tau_w", "a", "b")}


def test_nest_adaptive_exponential():
    case = Case("nest_aeif_cond_exp")
    first = int(case.arrays["spikes"][0]) - 2
    model, given = "ConductanceAdEx", (aeif(case), jumping(case))
    _, spikes = case.run(model, *given, method=Method.RK4)
    # NEST finds a spike within the step, here it is found at the end of the step
    assert len(spikes) == len(case.arrays["spikes"])
    assert np.abs(spikes - case.arrays["spikes"]).max() <= 4
    error = []
    for fine in (1, 2):
        traces, _ = case.run(model, *given, method=Method.RK4, fine=fine, until=first)
        error.append(np.abs(traces["v"] - case.arrays["v"][:first]).max())
        assert np.abs(traces["w"] - case.arrays["w"][:first]).max() < 1e-15
    assert error[0] < 1e-7
    assert error[1] < error[0] / 8, "the upstroke is integrated better the finer the step"


def test_nest_izhikevich():
    case = Case("nest_izhikevich")
    params = {name: case.params[name] for name in "abcd"}
    arriving = sum(case.arriving.values())
    traces, spikes = case.run(
        "Izhikevich",
        params | {"v_peak": case.params["V_th"]},
        {"spikes": arriving, "i": case.arrays["i"]},
        method=Method.EULER,
        initial={"v": case.meta["initial"]["V_m"][0], "u": case.meta["initial"]["U_m"][0]},
    )
    # as for delta synapses, NEST adds arrivals before it tests the threshold: here no jump reaches it
    assert spikes.tolist() == case.arrays["spikes"].tolist()
    same(traces["v"] + arriving[1:], case.arrays["v"])
    same(traces["u"], case.arrays["u"])


# -- Brian2 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "model", "method", "rounding"),
    [
        ("lif_delta_exact", "LIF", Method.EXACT, 4 * KEPT),
        ("lif_exp_exact", "CubaLIF", Method.EXACT, 4 * KEPT),
        ("coba_exponential_euler", "ConductanceLIF", Method.EXPONENTIAL_EULER, 4 * KEPT),
        ("adex_euler", "AdEx", Method.EULER, 4 * KEPT),
        # within the step of the upstroke, rates beyond the peak are those at the peak here
        ("adex_rk4", "AdEx", Method.RK4, 1e-4),
        ("izhikevich_euler", "Izhikevich", Method.EULER, 4 * KEPT),
        (
            "hodgkin_huxley_exponential_euler",
            "HodgkinHuxley",
            Method.EXPONENTIAL_EULER,
            2e-11,
        ),
    ],
)
def test_brian2(name, model, method, rounding):
    case = Case(f"brian2_{name}")
    ports, params = MODELS[model].inputs, dict(case.params)
    if "t_ref" in params:  # Brian2 counts the step of the spike, so that it holds one step less
        params["t_ref"] -= case.dt
    inputs = dict(case.arriving) if "exc" in ports else {"spikes": sum(case.arriving.values())}
    inputs["i_ext" if "i_ext" in ports else "i"] = case.arrays["i"]
    start = {k: v for k, (v, _) in case.meta["initial"].items() if k in MODELS[model].state}
    traces, spikes = case.run(model, params, inputs, method=method, initial=start)
    assert spikes.tolist() == case.arrays["spikes"].tolist()
    # Brian2 adds the arrivals of step m at the end of step m - 1, behind its threshold: between two steps, as here
    quiet = np.ones(case.steps, bool)
    quiet[np.concatenate([case.arrays["exc_steps"], case.arrays["inh_steps"]]) - 1] = False
    for state in traces:
        theirs = "i_syn" if state == "i" else state
        if theirs in case.arrays:
            same(traces[state][quiet], case.arrays[theirs][quiet], rounding)
