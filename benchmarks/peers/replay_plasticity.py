"""Replays the stored weights of NEST's plastic synapses in plain Python: the rules and their conventions, in one page.

    python benchmarks/peers/replay_plasticity.py [FOLDER]

Times are in ms, as in the file. A presynaptic spike is at the synapse when it is fired; a postsynaptic spike comes
there `delay` later (NEST counts the whole delay as dendritic). Nothing happens at postsynaptic spikes: at a
presynaptic spike at `t`, those that came in `(last, t]` are worked off in order, then `t` itself. Traces are sums
over all pairs, unless said.
"""

from __future__ import annotations

import json
import sys
from math import exp
from pathlib import Path

import numpy as np
from vectors import FOLDER

MS = 0.1  # a step
SAME = 1e-6  # times closer than this are one time


class Post:
    """The postsynaptic spikes, as the synapse sees them."""

    def __init__(self, times: list[float], delay: float) -> None:
        self.times, self.delay = times, delay

    def arrived(self, last: float, t: float) -> list[float]:
        """Return the times of arrival in `(last, t]`."""
        return [p + self.delay for p in self.times if last + SAME < p + self.delay <= t + SAME]

    def trace(self, t: float, tau: float) -> float:
        """Return the trace just before a spike that would arrive at `t`: that spike itself does not count."""
        seen = t - self.delay
        return sum(exp((p - seen) / tau) for p in self.times if p < seen - SAME)

    def nearest(self, t: float, tau: float) -> float:
        """Return what the last spike before that alone has left."""
        seen = t - self.delay
        before = [p for p in self.times if p < seen - SAME]
        return exp((before[-1] - seen) / tau) if before else 0.0


def pair(pre: list[float], post: Post, p: dict, tau_minus: float, *, nearest: bool) -> list[float]:
    """Additive (mu 0), multiplicative (mu 1) and Guetig's (between) STDP: w in units of Wmax."""
    top, weight = p["Wmax"], p["weight"] / p["Wmax"]
    step, alpha = p["lambda"], p["alpha"]
    last, trace, weights = 0.0, 0.0, []
    for t in pre:
        for arrival in post.arrived(last, t):
            seen = trace * exp((last - arrival) / p["tau_plus"])
            weight = min(1.0, weight + step * (1 - weight) ** p["mu_plus"] * seen)
        seen = post.nearest(t, tau_minus) if nearest else post.trace(t, tau_minus)
        weight = max(0.0, weight - alpha * step * weight ** p["mu_minus"] * seen)
        trace = 1.0 if nearest else trace * exp((last - t) / p["tau_plus"]) + 1.0
        last = t
        weights.append(weight * top)
    return weights


def triplet(
    pre: list[float], post: Post, p: dict, tau_minus: float, tau_slow: float
) -> list[float]:
    """Pfister and Gerstner: the slow traces are those before the spike that reads them."""
    weight, last, fast, slow, weights = p["weight"], 0.0, 0.0, 0.0, []
    for t in pre:
        for arrival in post.arrived(last, t):
            gain = p["Aplus"] + p["Aplus_triplet"] * post.trace(arrival, tau_slow)
            weight = min(p["Wmax"], weight + gain * fast * exp((last - arrival) / p["tau_plus"]))
        slow *= exp((last - t) / p["tau_plus_triplet"])
        loss = p["Aminus"] + p["Aminus_triplet"] * slow
        weight = max(0.0, weight - loss * post.trace(t, tau_minus))
        slow += 1.0
        fast = fast * exp((last - t) / p["tau_plus"]) + 1.0
        last = t
        weights.append(weight)
    return weights


def vogels_sprekeler(pre: list[float], post: Post, p: dict) -> list[float]:
    """Symmetric, with a constant depression `alpha * eta` at every presynaptic spike."""
    weight, last, trace, weights = p["weight"], 0.0, 0.0, []
    for t in pre:
        for arrival in post.arrived(last, t):
            weight += p["eta"] * trace * exp((last - arrival) / p["tau"])
            weight = min(p["Wmax"], weight)
        weight = min(p["Wmax"], weight + p["eta"] * post.trace(t, p["tau"]))
        weight = max(0.0, weight - p["alpha"] * p["eta"])
        trace = trace * exp((last - t) / p["tau"]) + 1.0
        last = t
        weights.append(weight)
    return weights


def tsodyks(pre: list[float], p: dict) -> list[float]:
    """Short-term: what a spike delivers is `u * x * weight`, u and x brought to just that spike.

    u counts the facilitation of this spike already; x has lost what the spikes before took.
    """
    u, x, last, weights = p["u"], p["x"], None, []
    for t in pre:
        if last is not None:
            kept = exp((last - t) / p["tau_fac"]) if p["tau_fac"] else 0.0
            x = 1.0 + (x - x * u - 1.0) * exp((last - t) / p["tau_rec"])
            u = p["U"] + u * (1.0 - p["U"]) * kept
        weights.append(u * x * p["weight"])
        last = t
    return weights


def clopath(arrays: dict[str, np.ndarray], meta: dict) -> list[float]:
    """Voltage-based: depression by what stands at the synapse when a spike comes, potentiation step by step.

    The filtered voltages act `delay_u_bars` later; like a postsynaptic spike, they come to the synapse after `delay`.
    """
    n, p, delay = meta["clopath"]["neuron"], meta["clopath"]["synapse"], meta["delay"][0] * 1e3
    v, fast, slow = (arrays[f"clopath_{k}"] * 1e3 for k in ("v_m", "u_bar_plus", "u_bar_minus"))
    late = round(n["delay_u_bars"] / MS)
    fast, slow = (np.r_[np.full(late, n["E_L"]), u[:-late]] for u in (fast, slow))
    above = np.maximum(v - n["theta_plus"], 0.0) * np.maximum(fast - n["theta_minus"], 0.0)
    gain = n["A_LTP"] * above * MS
    loss = n["A_LTD"] * np.maximum(slow - n["theta_minus"], 0.0)
    arrival = (np.arange(len(v)) + 1) * MS + delay
    weight, last, trace, weights = p["weight"], 0.0, 0.0, []
    for t in (arrays["clopath_pre"] * MS).tolist():
        for k in np.flatnonzero((arrival > last + SAME) & (arrival <= t + SAME)):
            weight += gain[k] * trace * exp((last - arrival[k]) / p["tau_x"])
            weight = min(p["Wmax"], weight)
        weight = max(p["Wmin"], weight - loss[round((t - delay) / MS) - 1])
        trace = trace * exp((last - t) / p["tau_x"]) + 1.0 / p["tau_x"]
        last = t
        weights.append(weight)
    return weights


def main() -> None:
    """Print the largest difference of each rule."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with np.load(folder / "nest_plasticity.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    meta = json.loads(str(arrays["meta"]))
    pre = (arrays["pre"] * MS).tolist()
    post = Post((arrays["post"] * MS).tolist(), meta["delay"][0] * 1e3)
    tau, tau_slow = meta["tau_minus"][0] * 1e3, meta["tau_minus_triplet"][0] * 1e3
    for name, rule in meta["rules"].items():
        p = rule["params"]
        match rule["model"]:
            case "stdp_synapse":
                found = pair(pre, post, p, tau, nearest=False)
            case "stdp_nn_symm_synapse":
                found = pair(pre, post, p, tau, nearest=True)
            case "stdp_triplet_synapse":
                found = triplet(pre, post, p, tau, tau_slow)
            case "vogels_sprekeler_synapse":
                found = vogels_sprekeler(pre, post, p)
            case _:
                found = tsodyks(pre, p)
        difference = np.abs(np.array(found) - arrays[f"w_{name}"]).max()
        print(f"{name}: {difference:.1e}")
    difference = np.abs(np.array(clopath(arrays, meta)) - arrays["w_clopath"]).max()
    print(f"clopath: {difference:.1e}")


if __name__ == "__main__":
    main()
