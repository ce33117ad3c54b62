"""The conductance network of Vogels and Abbott: 4000 neurons, 320,000 synapses, self-sustained.

3200 excitatory and 800 inhibitory integrate-and-fire neurons, exponential conductances, 2 % connections, delay of
one step. It starts from random conductances and gets no other input. NEST integrates with error control, the others
with one exponential Euler step: that is a choice of each peer, and part of what is compared.

    python coba.py SIMULATOR [--threads 2] [--seconds 1]

Source
------
Brette et al., J. Comput. Neurosci. 23, 2007, benchmark 1, after Vogels and Abbott 2005.
"""

from __future__ import annotations

import numpy as np
from peers import (
    MS,
    simulate_annarchy,
    simulate_brian2,
    simulate_nest,
    start_annarchy,
    start_brian2,
    start_nest,
)
from timing import Run, main

N_EXC, N_INH, PROBABILITY = 3200, 800, 0.02
C, G_L = 200e-12, 10e-9  # F, S
E_L, E_E, E_I, V_TH, V_RESET = -60e-3, 0.0, -80e-3, -50e-3, -60e-3  # V
TAU_E, TAU_I, T_REF, DELAY, DT = 5e-3, 10e-3, 5e-3, 1e-4, 1e-4  # s
W_E, W_I = 6e-9, 67e-9  # S
INITIAL_G_E, INITIAL_G_I = 20e-9, 100e-9  # S: upper ends of the uniform initial conductances
NEURONS = N_EXC + N_INH
SYNAPSES = round(NEURONS**2 * PROBABILITY)
MV, NS = 1e3, 1e9  # peers count in mV and nS


def nest(run: Run) -> None:
    nest = start_nest(run, DT)
    neurons = nest.Create(
        "iaf_cond_exp",
        NEURONS,
        params={
            "C_m": C * 1e12,
            "g_L": G_L * NS,
            "E_L": E_L * MV,
            "V_th": V_TH * MV,
            "V_reset": V_RESET * MV,
            "E_ex": E_E * MV,
            "E_in": E_I * MV,
            "tau_syn_ex": TAU_E * MS,
            "tau_syn_in": TAU_I * MS,
            "t_ref": T_REF * MS,
        },
    )
    neurons.V_m = nest.random.uniform(E_L * MV, V_TH * MV)
    neurons.g_ex = nest.random.uniform(0.0, INITIAL_G_E * NS)
    neurons.g_in = nest.random.uniform(0.0, INITIAL_G_I * NS)
    rule = {"rule": "pairwise_bernoulli", "p": PROBABILITY}
    for pre, weight in ((neurons[:N_EXC], W_E), (neurons[N_EXC:], -W_I)):
        nest.Connect(pre, neurons, rule, {"weight": weight * NS, "delay": DELAY * MS})
    spikes = simulate_nest(run, nest)
    run.report(neurons=NEURONS, synapses=SYNAPSES, spikes=spikes, version=nest.__version__)


def brian2(run: Run, *, standalone: bool = False) -> None:
    b2 = start_brian2(run, DT, standalone=standalone)
    volt, siemens, second = b2.volt, b2.siemens, b2.second
    space = {"c": C * b2.farad, "g_l": G_L * siemens, "e_l": E_L * volt, "e_e": E_E * volt}
    space |= {"e_i": E_I * volt, "v_th": V_TH * volt, "v_reset": V_RESET * volt}
    space |= {"tau_e": TAU_E * second, "tau_i": TAU_I * second}
    space |= {"top_e": INITIAL_G_E * siemens, "top_i": INITIAL_G_I * siemens}
    neurons = b2.NeuronGroup(
        NEURONS,
        """dv/dt = (g_l * (e_l - v) + g_e * (e_e - v) + g_i * (e_i - v)) / c : volt (unless refractory)
           dg_e/dt = -g_e / tau_e : siemens
           dg_i/dt = -g_i / tau_i : siemens""",
        threshold="v > v_th",
        reset="v = v_reset",
        refractory=T_REF * second,
        method="exponential_euler",
        namespace=space,
    )
    neurons.v = "e_l + rand() * (v_th - e_l)"
    neurons.g_e, neurons.g_i = "rand() * top_e", "rand() * top_i"
    objects = [neurons]
    for pre, port, weight in ((neurons[:N_EXC], "g_e", W_E), (neurons[N_EXC:], "g_i", W_I)):
        synapses = b2.Synapses(
            pre,
            neurons,
            on_pre=f"{port}_post += jump",
            delay=DELAY * second,
            namespace={"jump": weight * siemens},
        )
        synapses.connect(p=PROBABILITY)
        objects.append(synapses)
    objects.append(b2.SpikeMonitor(neurons, record=False))
    measured = simulate_brian2(run, b2, objects, standalone=standalone)
    run.report(neurons=NEURONS, synapses=SYNAPSES, **measured)


def brian2_standalone(run: Run) -> None:
    brian2(run, standalone=True)


def annarchy(run: Run) -> None:
    ann, network = start_annarchy(run, DT)
    model = ann.Neuron(
        parameters={
            "c_m": C * 1e12,
            "leak": G_L * NS,
            "e_l": E_L * MV,
            "e_e": E_E * MV,
            "e_i": E_I * MV,
            "v_th": V_TH * MV,
            "v_reset": V_RESET * MV,
            "tau_e": TAU_E * MS,
            "tau_i": TAU_I * MS,
        },
        equations=[
            ann.Variable(
                "c_m * dv/dt = leak * (e_l - v) + g_exc * (e_e - v) + g_inh * (e_i - v)",
                method="exponential",
            ),
            ann.Variable("tau_e * dg_exc/dt = -g_exc", method="exponential"),
            ann.Variable("tau_i * dg_inh/dt = -g_inh", method="exponential"),
        ],
        spike="v > v_th",
        reset="v = v_reset",
        refractory=T_REF * MS,
    )
    neurons = network.create(geometry=NEURONS, neuron=model)
    draw = np.random.default_rng(run.seed)
    neurons.v = draw.uniform(E_L * MV, V_TH * MV, NEURONS)
    neurons.g_exc = draw.uniform(0, INITIAL_G_E * NS, NEURONS)
    neurons.g_inh = draw.uniform(0, INITIAL_G_I * NS, NEURONS)
    for pre, target, weight in ((neurons[:N_EXC], "exc", W_E), (neurons[N_EXC:], "inh", W_I)):
        projection = network.connect(pre, neurons, target)
        projection.fixed_probability(
            weights=weight * NS, probability=PROBABILITY, delays=DELAY * MS
        )
    monitor = network.monitor(neurons, "spike")
    spikes = simulate_annarchy(run, network, monitor)
    run.report(neurons=NEURONS, synapses=SYNAPSES, spikes=spikes, version=ann.__version__)


def spikewright(run: Run) -> None:
    from ours import simulate

    simulate(run, network(run.seed), synapses=SYNAPSES)


def network(seed: int):
    """Return the network; the library's `ConductanceLIF` has the benchmark's parameters."""
    import spikewright as sw

    draw = np.random.default_rng(seed)
    populations = {
        name: sw.Population(
            sw.ConductanceLIF,
            count,
            initial={
                "v": draw.uniform(E_L, V_TH, count),
                "g_e": draw.uniform(0.0, INITIAL_G_E, count),
                "g_i": draw.uniform(0.0, INITIAL_G_I, count),
            },
        )
        for name, count in (("exc", N_EXC), ("inh", N_INH))
    }
    projections = {
        f"{pre}->{post}": sw.Projection(
            pre,
            post,
            sw.Bernoulli(populations[post].n, PROBABILITY, weights=weight, seed=10 * seed + i),
            port,
            delay=DELAY,
        )
        for i, (pre, post, port, weight) in enumerate(
            (pre, post, port, weight)
            for pre, port, weight in (("exc", "exc", W_E), ("inh", "inh", W_I))
            for post in populations
        )
    }
    return sw.Network(dt=DT, populations=populations, projections=projections)


SIMULATORS = {
    "nest": nest,
    "brian2": brian2,
    "brian2_standalone": brian2_standalone,
    "annarchy": annarchy,
    "spikewright": spikewright,
}

if __name__ == "__main__":
    main(__doc__, SIMULATORS)
