"""Loihi vectors: every case is built as a Network of Loihi's neurons, run on an engine, and compared bit for bit.

Longer than most files: a function per kind of case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import run
from spikewright.network import (
    Conv,
    Dense,
    Network,
    NeuronModel,
    OneToOne,
    Population,
    Projection,
    Sparse,
    Topology,
)
from spikewright.substrates.loihi import model as chip
from spikewright.substrates.loihi.learning import Stdp
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import cases_of

Arrays = Mapping[str, NDArray[Any]]
DT = 1.0
"""Chip steps have no duration; one second each keeps delays whole."""
ENGINE = "cpu"


def verify(folder: Path) -> list[Case]:
    """Compare every `.npz` file of a folder laid out like the Loihi vectors."""
    return cases_of(folder, compare)


def compare(arrays: Arrays) -> str:
    """Run one case; return "" where equal, else the first difference.

    Raises
    ------
    KeyError : an array or a field of `meta` is missing
    """
    meta = json.loads(str(arrays["meta"]))
    kind = meta["kind"]
    if kind not in KINDS:
        return f"not recognized: kind {kind!r}; known are {', '.join(KINDS)}"
    return KINDS[kind](arrays, meta)


def first_difference(name: str, found: NDArray[Any], expected: NDArray[Any]) -> str:
    """Return where two integer traces (step, neuron) differ first, or ""."""
    return difference(name, found, np.asarray(expected, np.int64))


def _first(*differences: str) -> str:
    return next((d for d in differences if d), "")


def _wide(array: Any) -> NDArray[np.int64]:
    return np.asarray(array, np.int64)


def _shift_bias(mantissa: Any, exponent: Any) -> NDArray[np.int64]:
    m, e = _wide(mantissa), _wide(exponent)
    return np.where(e >= 0, m << np.maximum(e, 0), m >> np.maximum(-e, 0))


def _net(populations: Mapping[str, Population], projections: Mapping[str, Projection]) -> Network:
    return Network(
        dt=DT, populations=populations, projections=projections, outputs=tuple(populations)
    )


def _input(n: Any) -> Population:
    return Population(chip.LoihiInput, n)


def _from_input(post: str, topology: Topology, *, port: str = "", exponent: int = 0) -> Projection:
    """An input row t reaches its target in row t + 1."""
    return Projection("in", post, topology, port=port, delay=DT, exponent=exponent)


def _dense(weight: Any, bits: int = 8, sign: str | None = None) -> Dense:
    return Dense(chip.stored(weight, bits=bits, sign=chip.Sign(sign) if sign else None))


def _run(net: Network, inputs: Any, record: Mapping[str, Any], **more: Any) -> Any:
    rows = _wide(inputs)[:, None]
    return run(net, {"in": rows}, engine=ENGINE, record=record, **more)


def _lif(n: Any, du: int, dv: int, vth: int, **more: Any) -> Population:
    initial = {k: _wide(v) for k, v in more.pop("initial", {}).items()}
    params = {"du": du, "dv": dv, "v_th": vth << 6} | more
    return Population(chip.LoihiLIF, n, params, initial)


def _check_lif(recording: Any, name: str, arrays: Arrays, prefix: str) -> str:
    return _first(
        *(
            first_difference(
                f"{prefix}_{v}", recording.trace(name, v)[:, 0], arrays[f"{prefix}_{v}"]
            )
            for v in ("u", "v")
        ),
        first_difference(f"{prefix}_s", recording.dense(name)[:, 0], arrays[f"{prefix}_s"]),
    )


def _lif_net(z: Arrays, m: Any) -> str:
    populations = {"in": _input(z["in_spikes"].shape[1])}
    for i, p in enumerate(m["populations"]):
        initial = {v: z[f"p{i}_{v}0"] for v in ("u", "v") if f"p{i}_{v}0" in z}
        bias = _shift_bias(z[f"p{i}_bias_mant"], z[f"p{i}_bias_exp"])
        populations[f"p{i}"] = _lif(p["n"], p["du"], p["dv"], p["vth"], bias=bias, initial=initial)
    projections = {}
    for j, c in enumerate(m["projections"]):
        topology = _dense(z[f"c{j}_w"], c["num_weight_bits"], c["sign_mode"])
        own = _wide(z[f"c{j}_delay"]) * DT if c["delayed"] else 0.0
        pre = "in" if c["src"] < 0 else f"p{c['src']}"
        delay = own + (DT if pre == "in" else 0.0)
        projections[f"c{j}"] = Projection(
            pre, f"p{c['dst']}", topology, delay=delay, exponent=c["weight_exp"]
        )
    names = [f"p{i}" for i in range(len(m["populations"]))]
    found = _run(_net(populations, projections), z["in_spikes"], {n: ("u", "v") for n in names})
    return _first(*(_check_lif(found, n, z, n) for n in names))


def _one_lif(z: Arrays, m: Any, population: Population, topology: Topology, exponent: int) -> str:
    shape = z["in_spikes"].shape[1:]
    net = _net(
        {"in": _input(shape), "p0": population},
        {"w": _from_input("p0", topology, exponent=exponent)},
    )
    return _check_lif(_run(net, z["in_spikes"], {"p0": ("u", "v")}), "p0", z, "p0")


def _sparse_lif(z: Arrays, m: Any) -> str:
    weight = chip.stored(z["w0"], bits=m.get("num_weight_bits", 8))
    population = _lif(len(weight), m["du"], m["dv"], m["vth"])
    return _one_lif(z, m, population, Sparse.from_matrix(weight), m.get("weight_exp", 0))


def _graded_dense_lif(z: Arrays, m: Any) -> str:
    topology = _dense(z["w0"], m.get("num_weight_bits", 8))
    population = _lif(len(z["w0"]), m["du"], m["dv"], m["vth"])
    return _one_lif(z, m, population, topology, m.get("weight_exp", 0))


def _lif_reset(z: Arrays, m: Any) -> str:
    population = Population(
        chip.LoihiResettingLIF,
        len(z["w0"]),
        {
            "du": m["du"],
            "dv": m["dv"],
            "v_th": m["vth"] << 6,
            "interval": m["reset_interval"],
            "offset": m["reset_offset"],
        },
    )
    topology = _dense(z["w0"], m.get("num_weight_bits", 8))
    return _one_lif(z, m, population, topology, m.get("weight_exp", 0))


def _conv_lif(z: Arrays, m: Any) -> str:
    # the vectors are X Y C and convolve with the kernel flipped; ours are C X Y and correlate
    kernel = _wide(z["w0"])[:, ::-1, ::-1].transpose(0, 3, 1, 2)
    topology = Conv(kernel, m["stride"], m["padding"], m["dilation"], m["groups"])
    spikes = z["in_spikes"].transpose(0, 3, 1, 2)
    x, y, c = m["out_shape"]
    net = _net(
        {
            "in": _input(spikes.shape[1:]),
            "p0": _lif((c, x, y), m["du"], m["dv"], m["vth"]),
        },
        {"w": _from_input("p0", topology)},
    )
    found = _run(net, spikes, {"p0": ("u", "v")})
    ours = {
        "p0_u": found.trace("p0", "u"),
        "p0_v": found.trace("p0", "v"),
        "p0_s": found.dense("p0"),
    }
    return _first(
        *(first_difference(k, a[:, 0].transpose(0, 2, 3, 1), z[k]) for k, a in ours.items())
    )


def _ternary_lif(z: Arrays, m: Any) -> str:
    def layer(n: int, p: Any, **more: Any) -> Population:
        params = {
            "du": p["du"],
            "dv": p["dv"],
            "v_high": p["vth_hi"] << 6,
            "v_low": p["vth_lo"] << 6,
        }
        return Population(chip.LoihiTernaryLIF, n, params | more)

    net = _net(
        {
            "in": _input(z["in_spikes"].shape[1]),
            "p0": layer(len(z["w0"]), m["p0"], bias=_shift_bias(z["bias_mant"], z["bias_exp"])),
            "p1": layer(len(z["w1"]), m["p1"]),
        },
        {
            "w0": _from_input("p0", _dense(z["w0"])),
            "w1": Projection("p0", "p1", _dense(z["w1"])),
        },
    )
    found = _run(net, z["in_spikes"], {"p0": ("u", "v"), "p1": ("u", "v")})
    return _first(_check_lif(found, "p0", z, "p0"), _check_lif(found, "p1", z, "p1"))


def _sigma_delta(z: Arrays, m: Any) -> str:
    shift = m["sd_spike_exp"] + m["sd_state_exp"]
    n_in, n, n_out = z["in_value"].shape[1], len(z["w0"]), len(z["w1"])
    params = {
        "bias": _wide(z["bias"]) << shift,
        "v_th": m["sd_vth"] << shift,
        "state_exp": m["sd_state_exp"],
        "relu": int(m["sd_act_mode"] == "RELU"),
        "cumulative": int(m["sd_cum_error"]),
    }
    net = _net(
        {
            "in": _input(n_in),
            "delta": Population(chip.LoihiDelta, n_in, {"v_th": m["delta_vth"]}),
            "sd": Population(chip.LoihiSigmaDelta, n, params),
            "out": Population(chip.LoihiSigma, n_out),
        },
        {
            "x": Projection("in", "delta", OneToOne(1)),
            "w0": Projection("delta", "sd", _dense(z["w0"]), exponent=m["w0_opts"]["weight_exp"]),
            "w1": Projection("sd", "out", _dense(z["w1"]), exponent=m["w1_opts"]["weight_exp"]),
        },
    )
    found = _run(net, z["in_value"], {"sd": ("sigma", "act", "residue"), "out": ("sigma",)})
    ours = {
        "delta_s": found.dense("delta"),
        "sd_sigma": found.trace("sd", "sigma"),
        "sd_act": found.trace("sd", "act"),
        "sd_residue": found.trace("sd", "residue"),
        "sd_s": found.dense("sd"),
        "out_sigma": found.trace("out", "sigma"),
    }
    return _first(*(first_difference(k, a[:, 0], z[k]) for k, a in ours.items()))


def _graded_vec(z: Arrays, m: Any) -> str:
    n_in, n = z["in_value"].shape[1], len(z["w0"])
    product = {"v_th": m["prod_vth"], "shift": m["prod_exp"]}
    first, second = _dense(z["w0"]), _dense(z["w1"])
    net = _net(
        {
            "in": _input(n_in),
            "graded": Population(chip.LoihiGraded, n, {"v_th": m["gradedvec_vth"]}),
            "relu": Population(chip.LoihiGradedRelu, n, {"v_th": m["gradedrelu_vth"]}),
            "product": Population(chip.LoihiProduct, n, product),
        },
        {
            "g": _from_input("graded", first),
            "r": _from_input("relu", second),
            "pa": _from_input("product", first, port="a"),
            "pb": _from_input("product", second, port="b"),
        },
    )
    found = _run(net, z["in_value"], {})
    return _first(
        *(
            first_difference(key, found.dense(name)[:, 0], z[key])
            for name, key in (
                ("graded", "gradedvec_s"),
                ("relu", "gradedrelu_s"),
                ("product", "prod_s"),
            )
        )
    )


def _resonator(
    z: Arrays,
    model: NeuronModel,
    params: Mapping[str, Any],
    weights: tuple[str, str],
    traces: Mapping[str, str],
) -> str:
    n = len(z[weights[0]])
    net = _net(
        {"in": _input(z["in_spikes"].shape[1]), "p": Population(model, n, params)},
        {
            "re": _from_input("p", _dense(z[weights[0]]), port="a_re"),
            "im": _from_input("p", _dense(z[weights[1]]), port="a_im"),
        },
    )
    found = _run(net, z["in_spikes"], {"p": tuple(traces)})
    return _first(
        *(first_difference(k, found.trace("p", v)[:, 0], z[k]) for v, k in traces.items()),
        first_difference("s", found.dense("p")[:, 0], z["s"]),
    )


def _rf(z: Arrays, m: Any) -> str:
    params = {
        "c": m["cos_decay_int"],
        "s": m["sin_decay_int"],
        "v_th": m["vth_int"],
        "decay_bits": m["decay_bits"],
        "state_exp": m["state_exp"],
    }
    model = chip.LoihiRF if m["kind"] == "rf" else chip.LoihiRFIzhikevich
    return _resonator(z, model, params, ("w_real", "w_imag"), {"re": "real", "im": "imag"})


def _rf_zero(z: Arrays, m: Any) -> str:
    params = {"c": _wide(z["lct"]), "s": _wide(z["lst"]), "u_th": m["uth"]}
    return _resonator(z, chip.LoihiRFZero, params, ("w_u", "w_v"), {"u": "u", "v": "v"})


def _atrlif(z: Arrays, m: Any) -> str:
    n = len(z["w0"])
    params = {
        "keep_i": 4096 - (m["delta_i"] * 4096 + 1),
        "keep_v": float(int(4096 - m["delta_v"] * 4096)),
        "keep_theta": float(int(4096 - m["delta_theta"] * 4096)),
        "keep_r": float(int(4096 - m["delta_r"] * 4096)),
        "theta_0": float(int(m["theta_0"] * 64)),
        "theta_step": float(int(m["theta_step"] * 64)),
        "bias": _shift_bias(z["bias_mant"], z["bias_exp"]).astype(np.float64),
    }
    net = _net(
        {
            "in": Population(chip.Input, z["in_spikes"].shape[1]),
            "p": Population(chip.LoihiATRLIF, n, params),
        },
        {"w": _from_input("p", _dense(z["w0"]))},
    )
    names = ("i", "v", "theta", "r")
    found = _run(net, z["in_spikes"], {"p": names})
    return _first(
        *(first_difference(k, found.trace("p", k)[:, 0], z[k]) for k in names),
        first_difference("s", found.dense("p")[:, 0], z["s"]),
    )


def _stdp(z: Arrays, m: Any) -> str:
    rule = m["rule"]
    stdp = Stdp(
        z["w_init"],
        tau_plus=rule["tau_plus"],
        tau_minus=rule["tau_minus"],
        a_plus=rule["A_plus"],
        a_minus=rule["A_minus"],
        epoch=rule["t_epoch"],
        seed=rule["rng_seed"],
    )
    n, lif = len(z["w_init"]), m["lif"]
    net = _net(
        {
            "in": _input(z["in_spikes"].shape[1]),
            "teach": _input(z["teach_spikes"].shape[1]),
            "p": _lif(n, lif["du"], lif["dv"], lif["vth"]),
        },
        {
            "w": _from_input("p", Dense(stdp.weight)),
            "t": Projection("teach", "p", _dense(z["w_teach"]), delay=DT),
        },
    )
    pre, teach = _wide(z["in_spikes"]), _wide(z["teach_spikes"])
    state, found = None, {k: [] for k in ("s", "w", "x1", "y1")}
    for t in range(m["T"]):
        # what enters in row t is weighted with the weights of row t and arrives in row t + 1
        recording = run(
            net.with_weights({"w": stdp.weight}),
            {"in": pre[t : t + 1, None], "teach": teach[t : t + 1, None]},
            engine="reference",
            state=state,
        )
        state = recording.state
        spikes = recording.dense("p")[0, 0]
        stdp.observe(t + 1, pre[t], spikes)
        for key, value in (
            ("s", spikes),
            ("w", stdp.weight),
            ("x1", stdp.trace[0]),
            ("y1", stdp.trace[1]),
        ):
            found[key].append(np.array(value))
    return _first(*(first_difference(k, np.array(v), z[k]) for k, v in found.items()))


KINDS: dict[str, Callable[[Arrays, Any], str]] = {
    "lif_net": _lif_net,
    "ternary_lif": _ternary_lif,
    "lif_reset": _lif_reset,
    "sparse_lif": _sparse_lif,
    "conv_lif": _conv_lif,
    "graded_dense_lif": _graded_dense_lif,
    "sigma_delta": _sigma_delta,
    "graded_vec": _graded_vec,
    "rf": _rf,
    "rf_iz": _rf,
    "rf_zero": _rf_zero,
    "atrlif": _atrlif,
    "stdp_bit_approximate": _stdp,
}
