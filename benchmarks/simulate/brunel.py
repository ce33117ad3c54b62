"""Brunel's random balanced network: 10,000 LIF neurons with delta synapses, 10 million synapses.

8000 excitatory and 2000 inhibitory neurons, 800 + 200 inputs each, every synapse with a weight of its own. The
drive is `poisson` (an independent process per neuron) or `dc`, a constant current of the same mean: the network
without the cost of random numbers. `--scale` multiplies the numbers of neurons and of inputs.

    python brunel.py SIMULATOR [--drive dc|poisson] [--threads 2] [--seconds 1]

Source
------
Brunel, J. Comput. Neurosci. 8, 2000, model A with g = 5, eta = 1.2.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
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

TAU_M, V_TH, V_RESET, T_REF = 20e-3, 20e-3, 10e-3, 2e-3  # s, V, V, s
J, G, ETA = 0.1e-3, 5.0, 1.2  # V, 1, 1
DELAY, DT = 1.5e-3, 1e-4  # s
PROBABILITY = 0.1
FAST = 50.0  # Hz, of the neurons that fire in `build`
MV = 1e3  # peers count in mV


class Size(NamedTuple):
    """Numbers of neurons and of inputs per neuron."""

    n_exc: int
    n_inh: int
    c_exc: int
    c_inh: int

    @property
    def neurons(self) -> int:
        return self.n_exc + self.n_inh

    @property
    def synapses(self) -> int:
        return self.neurons * (self.c_exc + self.c_inh)


def size(scale: float) -> Size:
    """Return the network's size; the connection probability is 0.1 at every scale."""
    n_exc, n_inh = round(8000 * scale), round(2000 * scale)
    return Size(n_exc, n_inh, n_exc // 10, n_inh // 10)


def external_rate() -> float:
    """Return the rate of all external spikes of one neuron, Hz: `ETA` times what brings the mean to threshold."""
    return ETA * V_TH / (J * TAU_M)


def mean_drive() -> float:
    """Return the mean depolarization by the drive, V."""
    return external_rate() * J * TAU_M


def nest(run: Run) -> None:
    n = size(run.scale)
    nest = start_nest(run, DT)
    params = {
        "C_m": 1.0,  # pF: so that a current in pA is a slope in mV/ms
        "tau_m": TAU_M * MS,
        "E_L": 0.0,
        "V_th": V_TH * MV,
        "V_reset": V_RESET * MV,
        "t_ref": T_REF * MS,
    }
    if run.drive == "dc":
        params["I_e"] = mean_drive() * MV / (TAU_M * MS)
    neurons = nest.Create("iaf_psc_delta", n.neurons, params=params)
    neurons.V_m = nest.random.uniform(0.0, V_TH * MV)
    synapse = {"synapse_model": "static_synapse", "delay": DELAY * MS}
    for pre, indegree, weight in (
        (neurons[: n.n_exc], n.c_exc, J * MV),
        (neurons[n.n_exc :], n.c_inh, -G * J * MV),
    ):
        rule = {"rule": "fixed_indegree", "indegree": indegree}
        nest.Connect(pre, neurons, rule, synapse | {"weight": weight})
    if run.drive == "poisson":
        generator = nest.Create("poisson_generator", params={"rate": external_rate()})
        nest.Connect(generator, neurons, syn_spec=synapse | {"weight": J * MV})
    spikes = simulate_nest(run, nest)
    run.report(neurons=n.neurons, synapses=n.synapses, spikes=spikes, version=nest.__version__)


def brian2(run: Run, *, standalone: bool = False) -> None:
    n = size(run.scale)
    b2 = start_brian2(run, DT, standalone=standalone)
    space = {
        "tau_m": TAU_M * b2.second,
        "drive": mean_drive() * b2.volt if run.drive == "dc" else 0.0 * b2.volt,
        "v_th": V_TH * b2.volt,
        "v_reset": V_RESET * b2.volt,
    }
    neurons = b2.NeuronGroup(
        n.neurons,
        "dv/dt = (drive - v) / tau_m : volt (unless refractory)",
        threshold="v >= v_th",
        reset="v = v_reset",
        refractory=T_REF * b2.second,
        method="exact",
        namespace=space,
    )
    neurons.v = "rand() * v_th"
    objects = [neurons]
    for pre, weight in ((neurons[: n.n_exc], J), (neurons[n.n_exc :], -G * J)):
        synapses = b2.Synapses(
            pre,
            neurons,
            "w : volt",
            on_pre="v_post += w * int(not_refractory_post)",
            delay=DELAY * b2.second,
        )
        synapses.connect(p=PROBABILITY)
        synapses.w = weight * b2.volt
        objects.append(synapses)
    if run.drive == "poisson":
        sources = 1000
        rate = external_rate() / sources * b2.hertz
        objects.append(b2.PoissonInput(neurons, "v", N=sources, rate=rate, weight=J * b2.volt))
    objects.append(b2.SpikeMonitor(neurons, record=False))
    measured = simulate_brian2(run, b2, objects, standalone=standalone)
    run.report(neurons=n.neurons, synapses=n.synapses, **measured)


def brian2_standalone(run: Run) -> None:
    brian2(run, standalone=True)


def annarchy(run: Run) -> None:
    """ANNarchy has no Poisson deviate: its Poisson drive is the Gaussian of the same mean and variance."""
    n = size(run.scale)
    ann, network = start_annarchy(run, DT)
    per_step = external_rate() * DT
    noise, external = [], ""
    if run.drive == "poisson":
        noise = [ann.Variable("noise = Normal(0.0, 1.0)")]
        external = " + jump * (per_step + sqrt(per_step) * noise)"
    model = ann.Neuron(
        parameters={
            "drive": mean_drive() * MV if run.drive == "dc" else 0.0,
            "decay": math.exp(-DT / TAU_M),
            "v_th": V_TH * MV,
            "v_reset": V_RESET * MV,
            "jump": J * MV,
            "per_step": per_step,
        },
        equations=[
            *noise,
            ann.Variable("v = drive + (v - drive) * decay + g_exc - g_inh" + external, init=0.0),
        ],
        spike="v >= v_th",
        reset="v = v_reset",
        refractory=T_REF * MS,
    )
    neurons = network.create(geometry=n.neurons, neuron=model)
    neurons.v = np.random.default_rng(run.seed).uniform(0, V_TH * MV, n.neurons)
    for pre, target, indegree, weight in (
        (neurons[: n.n_exc], "exc", n.c_exc, J),
        (neurons[n.n_exc :], "inh", n.c_inh, G * J),
    ):
        projection = network.connect(pre=pre, post=neurons, target=target)
        projection.fixed_number_pre(number=indegree, weights=weight * MV, delays=DELAY * MS)
    monitor = network.monitor(neurons, "spike")
    spikes = simulate_annarchy(run, network, monitor)
    run.report(neurons=n.neurons, synapses=n.synapses, spikes=spikes, version=ann.__version__)


def genn(run: Run) -> None:
    n = size(run.scale)
    pygenn, model = start_genn(run, "brunel", DT)
    drive = mean_drive() * MV if run.drive == "dc" else 0.0
    external = ""
    if run.drive == "poisson":
        external = f"""
            scalar p = 1.0;
            int drawn = -1;
            do {{ drawn++; p *= gennrand_uniform(); }} while(p > {math.exp(-external_rate() * DT)!r});
            V += {J * MV!r} * drawn;"""
    neuron = genn_delta_neuron(pygenn, drive, external)
    initial = {"V": pygenn.init_var("Uniform", {"min": 0.0, "max": V_TH * MV}), "R": 0.0}
    populations = {
        name: model.add_neuron_population(name, count, neuron, {}, initial)
        for name, count in (("exc", n.n_exc), ("inh", n.n_inh))
    }
    for pre, weight in (("exc", J * MV), ("inh", -G * J * MV)):
        for post in populations:
            synapses = model.add_synapse_population(
                f"{pre}_{post}",
                "SPARSE",
                populations[pre],
                populations[post],
                pygenn.init_weight_update("StaticPulse", {}, {"g": weight}),
                pygenn.init_postsynaptic("DeltaCurr"),
                pygenn.init_sparse_connectivity("FixedProbability", {"prob": PROBABILITY}),
            )
            synapses.axonal_delay_steps = round(DELAY / DT) - 1
    spikes = simulate_genn(run, model, list(populations.values()))
    run.report(neurons=n.neurons, synapses=n.synapses, spikes=spikes, version=pygenn.__version__)


def genn_delta_neuron(pygenn, drive: float, external: str = ""):
    """Return the LIF neuron with delta synapses; half a step keeps the refractory count off a comparison of equals."""
    return pygenn.create_neuron_model(
        "lif_delta",
        vars=[("V", "scalar"), ("R", "scalar")],
        sim_code=f"""
            if(R > 0.0) {{ R -= dt; }}
            else {{
                V = {drive!r} + (V - {drive!r}) * {math.exp(-DT / TAU_M)!r} + Isyn;{external}
            }}""",
        threshold_condition_code=f"R <= 0.0 && V >= {V_TH * MV!r}",
        reset_code=f"V = {V_RESET * MV!r}; R = {(T_REF - 0.5 * DT) * MS!r};",
    )


def spikewright(run: Run) -> None:
    from ours import simulate

    n = size(run.scale)
    simulate(run, balanced(n, drive=run.drive, seed=run.seed), synapses=n.synapses)


def balanced(
    n: Size,
    *,
    drive: str,
    seed: int,
    eta: float = ETA,
    strength: float = 1.0,
    excitation: dict | None = None,
):
    """Return the network.

    `strength` multiplies the weights; `excitation` are more fields of the projection between excitatory neurons.
    """
    import spikewright as sw

    draw = np.random.default_rng(seed)
    counts = {"exc": n.n_exc, "inh": n.n_inh}
    rate = eta * V_TH / (J * TAU_M)
    # a constant drive moves the potential to which a neuron returns
    rest = rate * J * TAU_M if drive == "dc" else 0.0
    params = {"tau_m": TAU_M, "v_th": V_TH, "v_reset": V_RESET, "t_ref": T_REF, "v_rest": rest}
    populations = {
        name: sw.Population(sw.LIF, count, params, {"v": draw.uniform(0.0, V_TH, count)})
        for name, count in counts.items()
    }
    projections = {}
    for i, (pre, inputs, weight) in enumerate(
        (("exc", n.c_exc, strength * J), ("inh", n.c_inh, -G * strength * J))
    ):
        for j, (post, count) in enumerate(counts.items()):
            more = (excitation or {}) if pre == post == "exc" else {}
            recipe = sw.FixedInDegree(count, inputs, weights=weight, seed=10 * seed + 2 * i + j)
            projections[f"{pre}->{post}"] = sw.Projection(pre, post, recipe, delay=DELAY, **more)
    drives = {}
    if drive == "poisson":
        drives = {f"to {name}": sw.PoissonDrive(name, rate, J) for name in counts}
    return sw.Network(dt=DT, populations=populations, projections=projections, drives=drives)


def build(n: int, k: int, rate: float, *, seed: int):
    """Return a network of `n` neurons with `k` inputs each that fires at about `rate` Hz, driven by currents.

    Neurons do not feel each other (weights are 1e-6 of Brunel's): the rate is that of the drive, at every size.
    """
    n_exc, c_exc = 4 * n // 5, 4 * k // 5
    # a share of the neurons fires at FAST, evenly spread, so that no drive is close to threshold:
    # tau ln((I - v_reset) / (I - v_th)) + t_ref = 1 / FAST, for I
    fast = max(FAST, rate)
    x = math.exp((1.0 / fast - T_REF) / TAU_M)
    rest = (x * V_TH - V_RESET) / (x - 1.0)
    counts = Size(n_exc, n - n_exc, c_exc, k - c_exc)
    network = balanced(counts, drive="dc", seed=seed, strength=1e-6)
    driven = {}
    for name, population in network.populations.items():
        fires = np.floor(np.arange(1, population.n + 1) * rate / fast) > np.floor(
            np.arange(population.n) * rate / fast
        )
        params = dict(population.params) | {"v_rest": np.where(fires, rest, 0.0)}
        initial = {"v": np.where(fires, population.initial["v"], 0.0)}
        driven[name] = replace(population, params=params, initial=initial)
    return network.replacing(populations=driven)


def simulate(network, seconds: float, threads: int) -> dict:
    """Run the network for WARM_UP and then for `seconds`; see `scaling.py`."""
    from ours import simulate_on
    from timing import Clock

    clock = Clock()
    _, spikes = simulate_on(clock, network, seconds, threads, 1)
    return {
        "spikes": spikes,
        "synapses": round(network.n_weights),
        "build_s": clock.wall["build"],
        "simulate_s": clock.wall["simulate"],
        "simulate_cpu_s": clock.cpu["simulate"],
    }


SIMULATORS = {
    "nest": nest,
    "brian2": brian2,
    "brian2_standalone": brian2_standalone,
    "annarchy": annarchy,
    "genn": genn,
    "spikewright": spikewright,
}

if __name__ == "__main__":
    main(__doc__, SIMULATORS, drive=("dc", "poisson"), scale=1.0)
