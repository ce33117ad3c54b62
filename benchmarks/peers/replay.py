"""Replays stored traces from their files alone, in NumPy: shows that the conventions in the README are complete.

    python benchmarks/peers/replay.py [FOLDER]

Linear models by their exact propagator, the others with the method that the file names (or, for NEST's
adaptive integrators, with small Runge-Kutta steps). No peer is needed. Prints the largest difference of each state.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import expm
from vectors import FOLDER

State = dict[str, float]
FINE = 20  # Runge-Kutta steps in one step of the grid, where the peer's integrator is adaptive


class Case:
    """One file: arrays, parameters in SI units, and the weight that arrives at each step."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as stored:
            self.arrays = {key: stored[key] for key in stored.files}
        self.meta: dict[str, Any] = json.loads(str(self.arrays.pop("meta")))
        self.params = {k: v for k, (v, _) in self.meta["params"].items()}
        self.dt, self.steps = self.meta["dt"], self.meta["steps"]
        self.arriving = {}
        for kind, (weight, _) in self.meta.get("weights", {}).items():
            counts = np.bincount(self.arrays[f"{kind}_steps"], minlength=self.steps + 1)
            self.arriving[kind] = counts * weight

    def compare(self, states: dict[str, np.ndarray], spikes: list[int]) -> str:
        found = self.arrays["spikes"]
        said = [f"{len(found)} spikes " + ("equal" if spikes == found.tolist() else "DIFFER")]
        for name, values in states.items():
            if name in self.arrays:
                scale = np.abs(self.arrays[name]).max()
                error = np.abs(values - self.arrays[name]).max()
                said.append(f"{name} {error / scale:.1e}")
        return ", ".join(said)


def nest_linear(
    case: Case,
    matrix: list[list[float]],
    names: list[str],
    jumps: dict[str, tuple[str, float]],
) -> str:
    """Exact step, then arrivals due at its end, then the threshold: NEST's order.

    The last state is v above rest, and takes the current; `jumps` says where a weight goes and its factor.
    """
    p, n = case.params, len(names)
    full = np.zeros((n + 1, n + 1))
    full[:n, :n], full[n - 1, n] = matrix, 1 / p["C_m"]
    propagator = expm(full * case.dt)
    x = np.zeros(n)
    refractory, spikes = 0, []
    states = {name: np.empty(case.steps) for name in names}
    for k in range(case.steps):
        moved = (propagator @ np.r_[x, case.arrays["i"][k]])[:n]
        held = refractory > 0
        if held:
            moved[-1] = x[-1]
            refractory -= 1
        for kind, (target, factor) in jumps.items():
            if target != "v" or not held:  # what arrives at v itself is lost while refractory
                moved[names.index(target)] += factor * case.arriving[kind][k + 1]
        if not held and moved[-1] >= p["V_th"] - p["E_L"]:
            spikes.append(k + 1)
            moved[-1] = p["V_reset"] - p["E_L"]
            refractory = round(p["t_ref"] / case.dt)
        x = moved
        for name, value in zip(names, x, strict=True):
            states[name][k] = value + (p["E_L"] if name == "v" else 0.0)
    return case.compare(states, spikes)


def psc_delta(case: Case) -> str:
    leak = -1 / case.params["tau_m"]
    return nest_linear(case, [[leak]], ["v"], {"exc": ("v", 1.0), "inh": ("v", 1.0)})


def psc_exp(case: Case) -> str:
    p = case.params
    e, i, leak, c = -1 / p["tau_syn_ex"], -1 / p["tau_syn_in"], -1 / p["tau_m"], p["C_m"]
    return nest_linear(
        case,
        [[e, 0, 0], [0, i, 0], [1 / c, 1 / c, leak]],
        ["i_exc", "i_inh", "v"],
        {"exc": ("i_exc", 1.0), "inh": ("i_inh", 1.0)},
    )


def psc_alpha(case: Case) -> str:
    """A weight w starts the derivative of the current at w e / tau, so that the current peaks at w."""
    p = case.params
    e, i, leak, c = -1 / p["tau_syn_ex"], -1 / p["tau_syn_in"], -1 / p["tau_m"], p["C_m"]
    matrix = [
        [e, 0, 0, 0, 0],
        [1, e, 0, 0, 0],
        [0, 0, i, 0, 0],
        [0, 0, 1, i, 0],
        [0, 1 / c, 0, 1 / c, leak],
    ]
    return nest_linear(
        case,
        matrix,
        ["slope_exc", "i_exc", "slope_inh", "i_inh", "v"],
        {"exc": ("slope_exc", -np.e * e), "inh": ("slope_inh", -np.e * i)},
    )


def runge_kutta(rates: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dt: float) -> np.ndarray:
    h = dt / FINE
    for _ in range(FINE):
        a = rates(x)
        b = rates(x + h / 2 * a)
        c = rates(x + h / 2 * b)
        d = rates(x + h * c)
        x = x + h / 6 * (a + 2 * b + 2 * c + d)
    return x


def cond_exp(case: Case) -> str:
    p, dt = case.params, case.dt
    x = np.array([p["E_L"], 0.0, 0.0])
    refractory, spikes = 0, []
    out = np.empty((case.steps, 3))
    for k in range(case.steps):
        current = case.arrays["i"][k]

        def rates(y: np.ndarray, held: bool = refractory > 0, current: float = current):
            v, e, i = (p["V_reset"] if held else y[0]), y[1], y[2]
            total = p["g_L"] * (p["E_L"] - v) + e * (p["E_ex"] - v) + i * (p["E_in"] - v)
            rise = 0.0 if held else (total + current) / p["C_m"]
            return np.array([rise, -e / p["tau_syn_ex"], -i / p["tau_syn_in"]])

        x = runge_kutta(rates, x, dt)
        if refractory:
            refractory -= 1
            x[0] = p["V_reset"]
        elif x[0] >= p["V_th"]:
            spikes.append(k + 1)
            x[0] = p["V_reset"]
            refractory = round(p["t_ref"] / dt)
        x[1] += case.arriving["exc"][k + 1]
        x[2] += abs(case.arriving["inh"][k + 1])
        out[k] = x
    return case.compare(dict(zip(("v", "g_exc", "g_inh"), out.T, strict=True)), spikes)


def izhikevich(case: Case) -> str:
    """Euler from the old values, then arrivals due at the step's end, then the threshold."""
    p, dt = case.params, case.dt
    v, u = (case.meta["initial"][k][0] for k in ("V_m", "U_m"))
    spikes, out = [], np.empty((case.steps, 2))
    for k in range(case.steps):
        dv = 0.04e6 * v**2 + 5e3 * v + 140.0 - u + case.arrays["i"][k]
        du = p["a"] * (p["b"] * v - u)
        v, u = v + dt * dv, u + dt * du
        v += case.arriving["exc"][k + 1] + case.arriving["inh"][k + 1]
        if v >= p["V_th"]:
            spikes.append(k + 1)
            v, u = p["c"], u + p["d"]
        out[k] = v, u
    return case.compare({"v": out[:, 0], "u": out[:, 1]}, spikes)


def brian2(case: Case, step: Callable[[dict[str, float], State, float, bool], State]) -> str:
    """Integrate, test the threshold, add arrivals due at the step's end, reset: Brian2's order."""
    p, dt = case.params, case.dt
    state = {name: value for name, (value, _) in case.meta["initial"].items()}
    for target in case.meta["jumps"].values():
        state.setdefault(target, 0.0)  # not recorded: a conductance that starts at zero
    jumps, gated = case.meta["jumps"], "unless refractory" in case.meta["equations"]
    refractory = round(p.get("t_ref", 0.0) / dt)
    last, spikes = -refractory, []
    out = {name: np.empty(case.steps) for name in state}
    for k in range(case.steps):
        free = k - last >= refractory
        state = step(p, state, case.arrays["i"][k], free or not gated)
        limit = p.get("v_th", p.get("v_peak", 0.0))
        fires = free and (
            state["v"] >= limit if ">=" in case.meta["threshold"] else state["v"] > limit
        )
        for kind, target in jumps.items():
            if target == "v" and gated and (fires or not free):
                continue  # written into the synapse: a delta input is lost while refractory
            if target in state:
                state[target] += case.arriving[kind][k + 1]
        if fires:
            spikes.append(k + 1)
            last = k
            if "v_reset" in p:
                state["v"] = p["v_reset"]
            if "w" in state:
                state["w"] += p["b"]
            if "u" in state:
                state["v"], state["u"] = p["c"], state["u"] + p["d"]
        for name in out:
            out[name][k] = state[name]
    return case.compare(out, spikes)


def brian2_lif_delta(p: dict[str, float], x: State, i: float, free: bool) -> State:
    target = p["v_rest"] + p["r"] * i
    decayed = target + (x["v"] - target) * np.exp(-1e-4 / p["tau_m"])
    return {"v": decayed if free else x["v"]}


def brian2_lif_exp(p: dict[str, float], x: State, i: float, free: bool) -> State:
    dt, tau_m, tau_s = 1e-4, p["tau_m"], p["tau_s"]
    target = p["v_rest"] + p["r"] * i
    fast, slow = np.exp(-dt / tau_s), np.exp(-dt / tau_m)
    gain = p["r"] * tau_s / (tau_s - tau_m) * (fast - slow)
    decayed = target + (x["v"] - target) * slow + gain * x["i_syn"]
    if not free:  # a held v is a constant, and the exact step of the rest is the same
        decayed = x["v"]
    return {"v": decayed, "i_syn": x["i_syn"] * fast}


def brian2_coba(p: dict[str, float], x: State, i: float, free: bool) -> State:
    dt, total = 1e-4, p["g_l"] + x["g_e"] + x["g_i"]
    target = (p["g_l"] * p["e_l"] + x["g_e"] * p["e_e"] + x["g_i"] * p["e_i"] + i) / total
    decayed = target + (x["v"] - target) * np.exp(-dt * total / p["c"])
    return {
        "v": decayed if free else x["v"],
        "g_e": x["g_e"] * np.exp(-dt / p["tau_e"]),
        "g_i": x["g_i"] * np.exp(-dt / p["tau_i"]),
    }


def _adex(p: dict[str, float], x: np.ndarray, i: float) -> np.ndarray:
    v, w = x
    upstroke = p["delta_t"] * np.exp((v - p["v_t"]) / p["delta_t"])
    dv = (p["g_l"] * (p["e_l"] - v + upstroke) - w + i) / p["c"]
    return np.array([dv, (p["a"] * (v - p["e_l"]) - w) / p["tau_w"]])


def brian2_adex_euler(p: dict[str, float], x: State, i: float, free: bool) -> State:
    y = np.array([x["v"], x["w"]])
    return dict(zip(("v", "w"), y + 1e-4 * _adex(p, y, i), strict=True))


def brian2_adex_rk4(p: dict[str, float], x: State, i: float, free: bool) -> State:
    h, y = 1e-4, np.array([x["v"], x["w"]])
    a = _adex(p, y, i)
    b = _adex(p, y + h / 2 * a, i)
    c = _adex(p, y + h / 2 * b, i)
    d = _adex(p, y + h * c, i)
    return dict(zip(("v", "w"), y + h / 6 * (a + 2 * b + 2 * c + d), strict=True))


def brian2_izhikevich(p: dict[str, float], x: State, i: float, free: bool) -> State:
    v, u = x["v"], x["u"]
    dv = p["k2"] * v**2 + p["k1"] * v + p["k0"] - u + i
    return {"v": v + 1e-4 * dv, "u": u + 1e-4 * p["a"] * (p["b"] * v - u)}


def brian2_hodgkin_huxley(p: dict[str, float], x: State, i: float, free: bool) -> State:
    dt, v, y = 1e-4, x["v"], (x["v"] - p["v_t"]) * 1e3

    def exprel(z: float) -> float:
        return np.expm1(z) / z

    up = {"m": 1.28 / exprel((13 - y) / 4), "h": 0.128 * np.exp((17 - y) / 18)}
    down = {"m": 1.4 / exprel((y - 40) / 5), "h": 4 / (1 + np.exp((40 - y) / 5))}
    up["n"], down["n"] = 0.16 / exprel((15 - y) / 5), 0.5 * np.exp((10 - y) / 40)
    sodium, potassium = p["g_na"] * x["m"] ** 3 * x["h"], p["g_k"] * x["n"] ** 4
    total = p["g_l"] + sodium + potassium + x["g_e"] + x["g_i"]
    target = p["g_l"] * p["e_l"] + sodium * p["e_na"] + potassium * p["e_k"] + i
    target = (target + x["g_e"] * p["e_e"] + x["g_i"] * p["e_i"]) / total
    after = {"v": target + (v - target) * np.exp(-dt * total / p["c"])}
    for gate in up:
        rate = up[gate] + down[gate]
        level = up[gate] / rate
        after[gate] = level + (x[gate] - level) * np.exp(-dt * 1e3 * rate)
    after["g_e"] = x["g_e"] * np.exp(-dt / p["tau_e"])
    after["g_i"] = x["g_i"] * np.exp(-dt / p["tau_i"])
    return after


BRIAN2 = {
    "brian2_hodgkin_huxley_exponential_euler": brian2_hodgkin_huxley,
    "brian2_lif_delta_exact": brian2_lif_delta,
    "brian2_lif_exp_exact": brian2_lif_exp,
    "brian2_coba_exponential_euler": brian2_coba,
    "brian2_adex_euler": brian2_adex_euler,
    "brian2_adex_rk4": brian2_adex_rk4,
    "brian2_izhikevich_euler": brian2_izhikevich,
}


def aeif(case: Case) -> str:
    """Threshold tested within the step: NEST resets there, and integrates the rest of the step held."""
    p, h = case.params, case.dt / FINE
    x = np.array([p["E_L"], 0.0, 0.0, 0.0])
    refractory, spikes = 0, []
    out = np.empty((case.steps, 4))
    for k in range(case.steps):
        current = case.arrays["i"][k]
        for _ in range(FINE):

            def rates(y: np.ndarray, held: bool = refractory > 0, current: float = current):
                v, w, e, i = (p["V_reset"] if held else min(y[0], p["V_peak"])), y[1], y[2], y[3]
                upstroke = p["Delta_T"] * np.exp((v - p["V_th"]) / p["Delta_T"])
                total = p["g_L"] * (p["E_L"] - v + upstroke) - w + current
                total += e * (p["E_ex"] - v) + i * (p["E_in"] - v)
                slow = (p["a"] * (v - p["E_L"]) - w) / p["tau_w"]
                rise = 0.0 if held else total / p["C_m"]
                return np.array([rise, slow, -e / p["tau_syn_ex"], -i / p["tau_syn_in"]])

            a = rates(x)
            b = rates(x + h / 2 * a)
            c = rates(x + h / 2 * b)
            x = x + h / 6 * (a + 2 * b + 2 * c + rates(x + h * c))
            if refractory:
                x[0] = p["V_reset"]
            elif x[0] >= p["V_peak"]:
                spikes.append(k + 1)
                x[0], x[1] = p["V_reset"], x[1] + p["b"]
                refractory = round(p["t_ref"] / case.dt) + 1
        refractory -= refractory > 0
        x[2] += case.arriving["exc"][k + 1]
        x[3] += abs(case.arriving["inh"][k + 1])
        out[k] = x
    return case.compare(dict(zip(("v", "w", "g_exc", "g_inh"), out.T, strict=True)), spikes)


REPLAYS = {
    "nest_aeif_cond_exp": aeif,
    "nest_iaf_psc_delta": psc_delta,
    "nest_iaf_psc_exp": psc_exp,
    "nest_iaf_psc_alpha": psc_alpha,
    "nest_iaf_cond_exp": cond_exp,
    "nest_izhikevich": izhikevich,
}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, replay in REPLAYS.items():
        print(f"{name}: {replay(Case(folder / f'{name}.npz'))}")
    for name, step in BRIAN2.items():
        print(f"{name}: {brian2(Case(folder / f'{name}.npz'), step)}")
