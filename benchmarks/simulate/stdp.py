"""Brunel's network with 6.4 million plastic excitatory synapses: pair STDP on all pairs, additive, clipped.

The network of `brunel.py` with constant drive. A presynaptic spike depresses by `A_MINUS` times the postsynaptic
trace, a postsynaptic spike potentiates by `A_PLUS` times the presynaptic trace; both traces decay with `TAU_TRACE`,
and 0 <= w <= `W_MAX`. The mean and spread of the weights after the run are in the result.

    python stdp.py SIMULATOR [--threads 2] [--seconds 1]

Source
------
Morrison, Diesmann, Gerstner, "Phenomenological models of synaptic plasticity based on spike timing", Biol. Cybern. 98,
2008, with additive updates.
"""

from __future__ import annotations

import math

import numpy as np
from brunel import (
    DELAY,
    DT,
    MV,
    PROBABILITY,
    T_REF,
    TAU_M,
    V_RESET,
    V_TH,
    G,
    J,
    Size,
    genn_delta_neuron,
    mean_drive,
    size,
)
from peers import (
    MS,
    simulate_annarchy,
    simulate_brian2,
    simulate_genn,
    simulate_nest,
    start_annarchy,
    start_brian2,
    start_genn,
    start_nest,
)
from timing import Run, main

W_MAX, A_PLUS, A_MINUS, TAU_TRACE = 0.2e-3, 1e-7, 1.05e-7, 20e-3  # V, V, V, s


def finish(run: Run, n: Size, weights: np.ndarray, **measured: object) -> None:
    """Report with the plastic weights, in volts."""
    run.report(
        neurons=n.neurons,
        synapses=n.synapses,
        plastic=n.n_exc * n.c_exc,
        weight_mean=float(np.mean(weights)),
        weight_sd=float(np.std(weights)),
        **measured,
    )


def nest(run: Run) -> None:
    n = size(run.scale)
    nest = start_nest(run, DT)
    neurons = nest.Create(
        "iaf_psc_delta",
        n.neurons,
        params={
            "C_m": 1.0,
            "tau_m": TAU_M * MS,
            "E_L": 0.0,
            "V_th": V_TH * MV,
            "V_reset": V_RESET * MV,
            "t_ref": T_REF * MS,
            "I_e": mean_drive() * MV / (TAU_M * MS),
            "tau_minus": TAU_TRACE * MS,
        },
    )
    neurons.V_m = nest.random.uniform(0.0, V_TH * MV)
    exc, inh = neurons[: n.n_exc], neurons[n.n_exc :]
    from_exc = {"rule": "fixed_indegree", "indegree": n.c_exc}
    from_inh = {"rule": "fixed_indegree", "indegree": n.c_inh}
    plastic = {
        "synapse_model": "stdp_synapse",
        "weight": J * MV,
        "delay": DELAY * MS,
        "tau_plus": TAU_TRACE * MS,
        "lambda": A_PLUS / W_MAX,
        "alpha": A_MINUS / A_PLUS,
        "mu_plus": 0.0,
        "mu_minus": 0.0,
        "Wmax": W_MAX * MV,
    }
    nest.Connect(exc, exc, from_exc, plastic)
    nest.Connect(exc, inh, from_exc, {"weight": J * MV, "delay": DELAY * MS})
    nest.Connect(inh, neurons, from_inh, {"weight": -G * J * MV, "delay": DELAY * MS})
    spikes = simulate_nest(run, nest)
    weights = np.array(nest.GetConnections(exc[:50], exc).weight) / MV
    finish(run, n, weights, spikes=spikes, version=nest.__version__)


def brian2_standalone(run: Run) -> None:
    n = size(run.scale)
    b2 = start_brian2(run, DT, standalone=True)
    volt, second = b2.volt, b2.second
    neurons = b2.NeuronGroup(
        n.neurons,
        "dv/dt = (drive - v) / tau_m : volt (unless refractory)",
        threshold="v >= v_th",
        reset="v = v_reset",
        refractory=T_REF * second,
        method="exact",
        namespace={
            "tau_m": TAU_M * second,
            "drive": mean_drive() * volt,
            "v_th": V_TH * volt,
            "v_reset": V_RESET * volt,
        },
    )
    neurons.v = "rand() * v_th"
    exc, inh = neurons[: n.n_exc], neurons[n.n_exc :]
    plastic = b2.Synapses(
        exc,
        exc,
        """w : volt
           dx/dt = -x / tau : 1 (event-driven)
           dy/dt = -y / tau : 1 (event-driven)""",
        on_pre="""v_post += w * int(not_refractory_post)
                  x += 1
                  w = clip(w - a_minus * y, 0 * volt, w_max)""",
        on_post="""y += 1
                   w = clip(w + a_plus * x, 0 * volt, w_max)""",
        delay=DELAY * second,
        namespace={
            "tau": TAU_TRACE * second,
            "a_plus": A_PLUS * volt,
            "a_minus": A_MINUS * volt,
            "w_max": W_MAX * volt,
        },
    )
    plastic.connect(p=PROBABILITY)
    plastic.w = J * volt
    objects = [neurons, plastic]
    for pre, post, weight in ((exc, inh, J), (inh, neurons, -G * J)):
        synapses = b2.Synapses(
            pre,
            post,
            on_pre="v_post += jump * int(not_refractory_post)",
            delay=DELAY * second,
            namespace={"jump": weight * volt},
        )
        synapses.connect(p=PROBABILITY)
        objects.append(synapses)
    objects.append(b2.SpikeMonitor(neurons, record=False))
    seen: list[np.ndarray] = []
    measured = simulate_brian2(
        run,
        b2,
        objects,
        standalone=True,
        read=lambda: seen.append(np.asarray(plastic.w[:40000])),
    )
    finish(run, n, seen[0], **measured)


def annarchy(run: Run) -> None:
    n = size(run.scale)
    ann, network = start_annarchy(run, DT)
    model = ann.Neuron(
        parameters={
            "drive": mean_drive() * MV,
            "decay": math.exp(-DT / TAU_M),
            "v_th": V_TH * MV,
            "v_reset": V_RESET * MV,
        },
        equations=[ann.Variable("v = drive + (v - drive) * decay + g_exc - g_inh", init=0.0)],
        spike="v >= v_th",
        reset="v = v_reset",
        refractory=T_REF * MS,
    )
    neurons = network.create(geometry=n.neurons, neuron=model)
    neurons.v = np.random.default_rng(run.seed).uniform(0, V_TH * MV, n.neurons)
    rule = ann.Synapse(
        parameters={
            "tau": TAU_TRACE * MS,
            "a_plus": A_PLUS * MV,
            "a_minus": A_MINUS * MV,
            "w_max": W_MAX * MV,
        },
        equations=[
            ann.Variable("tau * dx/dt = -x", method="event-driven"),
            ann.Variable("tau * dy/dt = -y", method="event-driven"),
        ],
        pre_spike="g_target += w\nx += 1.0\nw = clip(w - a_minus * y, 0.0, w_max)",
        post_spike="y += 1.0\nw = clip(w + a_plus * x, 0.0, w_max)",
    )
    exc, inh = neurons[: n.n_exc], neurons[n.n_exc :]
    plastic = network.connect(exc, exc, "exc", synapse=rule)
    plastic.fixed_number_pre(number=n.c_exc, weights=J * MV, delays=DELAY * MS)
    static = network.connect(exc, inh, "exc")
    static.fixed_number_pre(number=n.c_exc, weights=J * MV, delays=DELAY * MS)
    inhibition = network.connect(inh, neurons, "inh")
    inhibition.fixed_number_pre(number=n.c_inh, weights=G * J * MV, delays=DELAY * MS)
    monitor = network.monitor(neurons, "spike")
    spikes = simulate_annarchy(run, network, monitor)
    weights = np.concatenate([np.asarray(plastic.dendrite(i).w) for i in range(50)]) / MV
    finish(run, n, weights, spikes=spikes, version=ann.__version__)


def genn(run: Run) -> None:
    n = size(run.scale)
    pygenn, model = start_genn(run, "stdp", DT)
    neuron = genn_delta_neuron(pygenn, mean_drive() * MV)
    decayed = "exp(-(t - st_{}) / " + f"{TAU_TRACE * MS!r})"
    rule = pygenn.create_weight_update_model(
        "stdp_additive",
        vars=[("g", "scalar")],
        pre_vars=[("x", "scalar")],
        post_vars=[("y", "scalar")],
        pre_spike_syn_code=f"""
            addToPost(g);
            g = fmax(0.0, g - {A_MINUS * MV!r} * y * {decayed.format("post")});""",
        post_spike_syn_code=f"""
            g = fmin({W_MAX * MV!r}, g + {A_PLUS * MV!r} * x * {decayed.format("pre")});""",
        pre_spike_code=f"x = x * {decayed.format('pre')} + 1.0;",
        post_spike_code=f"y = y * {decayed.format('post')} + 1.0;",
    )
    initial = {"V": pygenn.init_var("Uniform", {"min": 0.0, "max": V_TH * MV}), "R": 0.0}
    populations = {
        name: model.add_neuron_population(name, count, neuron, {}, initial)
        for name, count in (("exc", n.n_exc), ("inh", n.n_inh))
    }
    plastic = None
    for pre, weight in (("exc", J * MV), ("inh", -G * J * MV)):
        for post in populations:
            is_plastic = pre == post == "exc"
            update = (
                pygenn.init_weight_update(rule, {}, {"g": weight}, {"x": 0.0}, {"y": 0.0})
                if is_plastic
                else pygenn.init_weight_update("StaticPulse", {}, {"g": weight})
            )
            synapses = model.add_synapse_population(
                f"{pre}_{post}",
                "SPARSE",
                populations[pre],
                populations[post],
                update,
                pygenn.init_postsynaptic("DeltaCurr"),
                pygenn.init_sparse_connectivity("FixedProbability", {"prob": PROBABILITY}),
            )
            synapses.axonal_delay_steps = round(DELAY / DT) - 1
            plastic = synapses if is_plastic else plastic
    spikes = simulate_genn(run, model, list(populations.values()))
    plastic.pull_connectivity_from_device()
    plastic.vars["g"].pull_from_device()
    weights = plastic.vars["g"].values / MV
    finish(run, n, weights, spikes=spikes, version=pygenn.__version__)


def spikewright(run: Run) -> None:
    from brunel import balanced
    from ours import simulate_on

    import spikewright as sw

    n = size(run.scale)
    rule = sw.SynapseModel(
        name="BenchmarkSTDP",
        params={
            "tau": (TAU_TRACE, "s"),
            "a_plus": (A_PLUS, "weight"),
            "a_minus": (A_MINUS, "weight"),
            "w_max": (W_MAX, "weight"),
        },
        pre={"x": "1"},
        post={"y": "1"},
        dynamics={"x": "-x / tau", "y": "-y / tau"},
        on_pre={"w": "maximum(w - a_minus * y, 0 * w)", "x": "x + 1"},
        on_post={"w": "minimum(w + a_plus * x, w_max)", "y": "y + 1"},
        send_first=True,
        source="Morrison et al., Biol. Cybern. 98 (2008), additive",
    )
    network = balanced(n, drive="dc", seed=run.seed, excitation={"rule": sw.Rule(rule)})
    run.lap("import")
    recording, spikes = simulate_on(run.clock, network, run.seconds, run.threads, run.seed)
    weights = recording.state.synapses["exc->exc"].values["w"]
    finish(run, n, weights, spikes=spikes, version=sw.__version__, precision="single")


SIMULATORS = {
    "nest": nest,
    "brian2_standalone": brian2_standalone,
    "annarchy": annarchy,
    "genn": genn,
    "spikewright": spikewright,
}

if __name__ == "__main__":
    main(__doc__, SIMULATORS, scale=1.0)
