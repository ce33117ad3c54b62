"""The cortical microcircuit of Potjans and Diesmann: 77,169 neurons and 299 million synapses at scale 1.

`--scale` multiplies the numbers of neurons and of inputs; weights grow by 1 / sqrt(scale), and a constant current
keeps the mean input (the published down-scaling). Drive: `poisson` (8 Hz times the number of external inputs) or
`dc`, its mean. Current synapses with exponential decay, weights normal (10 %), delays normal (50 %, at least one
step).

    python potjans.py SIMULATOR [--scale 0.2] [--threads 2] [--seconds 1] [--split 1]

Source
------
Potjans and Diesmann, Cereb. Cortex 24, 2014, tables 1 and 5; initial voltages as in the model's public implementations.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from peers import (
    MS,
    simulate_brian2,
    simulate_genn,
    simulate_nest,
    start_brian2,
    start_genn,
    start_nest,
)
from timing import Run, main

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
NEURONS = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
# connection probability, [post, pre]
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
EXTERNAL_INPUTS = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
FULL_RATES = np.array([0.903, 2.965, 4.414, 5.876, 7.569, 8.633, 1.105, 7.829])  # Hz, scale 1
INITIAL_MEAN = np.array([-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43])  # mV
INITIAL_SD = np.array([5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48])  # mV
TAU_M, TAU_S, T_REF, DT = 10e-3, 0.5e-3, 2e-3, 1e-4  # s
C, E_L, V_TH, V_RESET = 250e-12, -65e-3, -50e-3, -65e-3  # F, V, V, V
PSP, INHIBITION, BACKGROUND = 0.15e-3, -4.0, 8.0  # V, 1, Hz
DELAY_EXC, DELAY_INH = 1.5e-3, 0.75e-3  # s
WEIGHT_SPREAD, DELAY_SPREAD = 0.1, 0.5
MV, PA = 1e3, 1e12  # peers count in mV and pA


class Circuit(NamedTuple):
    """The network at one scale; matrices are [post, pre]."""

    neurons: np.ndarray
    synapses: np.ndarray  # number of each pair of populations
    weight: np.ndarray  # A, mean
    external_weight: float  # A
    external_rate: np.ndarray  # Hz, of all external inputs of one neuron
    current: np.ndarray  # A

    def pairs(self) -> list[tuple[int, int]]:
        """Return (post, pre) of every pair of populations that is connected."""
        return [(int(t), int(s)) for t, s in np.argwhere(self.synapses > 0)]

    def delay(self, post: int, pre: int) -> float:
        """Return the mean delay, s."""
        return DELAY_EXC if self.weight[post, pre] > 0 else DELAY_INH


def circuit(scale: float, drive: str) -> Circuit:
    """Return the network at `scale`, with its drive."""
    neurons = np.round(NEURONS * scale).astype(int)
    full = np.log(1 - PROBABILITY) / np.log(1 - 1 / np.outer(NEURONS, NEURONS))
    synapses = np.round(full / NEURONS[:, None] * neurons[:, None] * scale).astype(int)
    weight_of_psp = current_for(PSP)
    weight = np.tile([weight_of_psp, INHIBITION * weight_of_psp] * 4, (8, 1))
    weight[0, 2] *= 2  # from L4E to L23E
    external_rate = BACKGROUND * EXTERNAL_INPUTS * scale
    current = np.zeros(8)
    if scale < 1:
        recurrent = (weight * (full / NEURONS[:, None]) * FULL_RATES[None, :]).sum(axis=1)
        external = weight_of_psp * EXTERNAL_INPUTS * BACKGROUND
        current = TAU_S * (1 - math.sqrt(scale)) * (recurrent + external)
    weight, external_weight = weight / math.sqrt(scale), weight_of_psp / math.sqrt(scale)
    if drive == "dc":
        current = current + TAU_S * external_weight * external_rate
        external_rate = np.zeros(8)
    return Circuit(neurons, synapses, weight, external_weight, external_rate, current)


def current_for(psp: float) -> float:
    """Return the synaptic current (A) whose potential peaks at `psp` (V)."""
    difference = TAU_S - TAU_M
    ratio = TAU_M / TAU_S
    shape = ratio ** (TAU_M / difference) - ratio ** (TAU_S / difference)
    return psp * C * difference / (TAU_M * TAU_S * shape)


def finish(run: Run, net: Circuit, **measured: object) -> None:
    run.report(neurons=int(net.neurons.sum()), synapses=int(net.synapses.sum()), **measured)


def nest(run: Run) -> None:
    """`--split 1` gives inhibition a model of its own: NEST stores at most 2^27 synapses per model and thread."""
    net = circuit(run.scale, run.drive)
    nest = start_nest(run, DT)
    if run.split:
        nest.CopyModel("static_synapse", "inhibitory_synapse")
    populations = []
    for i, count in enumerate(net.neurons):
        population = nest.Create(
            "iaf_psc_exp",
            int(count),
            params={
                "C_m": C * 1e12,
                "tau_m": TAU_M * MS,
                "tau_syn_ex": TAU_S * MS,
                "tau_syn_in": TAU_S * MS,
                "t_ref": T_REF * MS,
                "E_L": E_L * MV,
                "V_th": V_TH * MV,
                "V_reset": V_RESET * MV,
                "I_e": net.current[i] * PA,
            },
        )
        population.V_m = nest.random.normal(INITIAL_MEAN[i], INITIAL_SD[i])
        populations.append(population)
    for post, pre in net.pairs():
        weight, delay = net.weight[post, pre] * PA, net.delay(post, pre) * MS
        bounds = {"min": 0.0, "max": np.inf} if weight > 0 else {"min": -np.inf, "max": 0.0}
        model = "inhibitory_synapse" if run.split and weight < 0 else "static_synapse"
        nest.Connect(
            populations[pre],
            populations[post],
            {"rule": "fixed_total_number", "N": int(net.synapses[post, pre])},
            {
                "synapse_model": model,
                "weight": nest.math.redraw(
                    nest.random.normal(weight, abs(weight) * WEIGHT_SPREAD), **bounds
                ),
                "delay": nest.math.redraw(
                    nest.random.normal(delay, delay * DELAY_SPREAD), min=0.5 * DT * MS, max=np.inf
                ),
            },
        )
    for i, rate in enumerate(net.external_rate):
        if rate:
            generator = nest.Create("poisson_generator", params={"rate": rate})
            synapse = {"weight": net.external_weight * PA, "delay": DELAY_EXC * MS}
            nest.Connect(generator, populations[i], syn_spec=synapse)
    spikes = simulate_nest(run, nest)
    finish(run, net, spikes=spikes, version=nest.__version__)


def brian2_standalone(run: Run) -> None:
    net = circuit(run.scale, run.drive)
    b2 = start_brian2(run, DT, standalone=True)
    volt, second, amp = b2.volt, b2.second, b2.amp
    first = np.r_[0, np.cumsum(net.neurons)]
    neurons = b2.NeuronGroup(
        int(first[-1]),
        """dv/dt = (e_l - v) / tau_m + (i_syn + i_ext) / c : volt (unless refractory)
           di_syn/dt = -i_syn / tau_s : amp
           i_ext : amp""",
        threshold="v >= v_th",
        reset="v = v_reset",
        refractory=T_REF * second,
        method="exact",
        namespace={
            "e_l": E_L * volt,
            "v_th": V_TH * volt,
            "v_reset": V_RESET * volt,
            "tau_m": TAU_M * second,
            "tau_s": TAU_S * second,
            "c": C * b2.farad,
        },
    )
    objects = [neurons]
    for i in range(8):
        part = neurons[first[i] : first[i + 1]]
        part.v = f"{INITIAL_MEAN[i]:g} * mV + {INITIAL_SD[i]:g} * mV * randn()"
        part.i_ext = net.current[i] * amp
        if net.external_rate[i]:
            drive = b2.PoissonInput(
                part,
                "i_syn",
                N=round(EXTERNAL_INPUTS[i] * run.scale),
                rate=BACKGROUND * b2.hertz,
                weight=net.external_weight * amp,
            )
            objects.append(drive)
    synapses = b2.Synapses(neurons, neurons, "w : amp", on_pre="i_syn_post += w")
    pre, post, weight, delay = drawn_synapses(net, run.seed)
    synapses.connect(i=pre, j=post)
    synapses.w, synapses.delay = weight * amp, delay * second
    del pre, post, weight, delay
    objects += [synapses, b2.SpikeMonitor(neurons, record=False)]
    finish(run, net, **simulate_brian2(run, b2, objects, standalone=True))


def drawn_synapses(net: Circuit, seed: int) -> list[np.ndarray]:
    """Return pre, post, weight (A) and delay (s) of every synapse."""
    draw = np.random.default_rng(seed)
    first = np.r_[0, np.cumsum(net.neurons)]
    parts = []
    for post, pre in net.pairs():
        n, mean, delay = (
            net.synapses[post, pre],
            net.weight[post, pre],
            net.delay(post, pre),
        )
        parts.append(
            (
                draw.integers(first[pre], first[pre + 1], n, dtype=np.int32),
                draw.integers(first[post], first[post + 1], n, dtype=np.int32),
                draw.normal(mean, abs(mean) * WEIGHT_SPREAD, n),
                np.maximum(draw.normal(delay, delay * DELAY_SPREAD, n), DT),
            )
        )
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def genn(run: Run) -> None:
    net = circuit(run.scale, run.drive)
    pygenn, model = start_genn(run, "potjans", DT)
    slow, fast = math.exp(-DT / TAU_M), math.exp(-DT / TAU_S)
    gain = (fast - slow) / (C * PA * (1 / (TAU_M * MS) - 1 / (TAU_S * MS)))
    external = ""
    if run.drive == "poisson":
        external = """
            scalar p = 1.0;
            int drawn = -1;
            do { drawn++; p *= gennrand_uniform(); } while(p > Silent);
            I += WExt * drawn;"""
    neuron = pygenn.create_neuron_model(
        "lif_exponential",
        params=["Ie", "Silent", "WExt"],
        vars=[("V", "scalar"), ("I", "scalar"), ("R", "scalar")],
        sim_code=f"""
            const scalar before = I;
            if(R > 0.0) {{ R -= dt; }}
            else {{
                V = {E_L * MV!r} + (V - ({E_L * MV!r})) * {slow!r} + before * {gain!r}
                    + Ie * {TAU_M * MS / (C * PA) * (1 - slow)!r};
            }}
            I = before * {fast!r} + Isyn;{external}""",
        threshold_condition_code=f"R <= 0.0 && V >= {V_TH * MV!r}",
        reset_code=f"V = {V_RESET * MV!r}; R = {(T_REF - 0.5 * DT) * MS!r};",
    )
    clipped = pygenn.create_var_init_snippet(
        "delay_in_steps",
        params=["mean", "sd", "min", "max"],
        var_init_code="""
            const scalar drawn = mean + gennrand_normal() * sd;
            value = (uint8_t)(rint(fmin(fmax(drawn, min), max) / dt) - 1.0);""",
    )
    populations = []
    for i, name in enumerate(POPULATIONS):
        params = {
            "Ie": net.current[i] * PA,
            "Silent": math.exp(-net.external_rate[i] * DT),
            "WExt": net.external_weight * PA,
        }
        spread = {"mean": INITIAL_MEAN[i], "sd": INITIAL_SD[i]}
        initial = {"V": pygenn.init_var("Normal", spread), "I": 0.0, "R": 0.0}
        populations.append(
            model.add_neuron_population(name, int(net.neurons[i]), neuron, params, initial)
        )
    longest = 6.3  # ms: eight standard deviations, and what a byte holds
    for post, pre in net.pairs():
        weight, delay = net.weight[post, pre] * PA, net.delay(post, pre) * MS
        spread = {"mean": weight, "sd": abs(weight) * WEIGHT_SPREAD}
        times = {"mean": delay, "sd": delay * DELAY_SPREAD, "min": DT * MS, "max": longest}
        synapses = model.add_synapse_population(
            POPULATIONS[pre] + POPULATIONS[post],
            "SPARSE",
            populations[pre],
            populations[post],
            pygenn.init_weight_update(
                "StaticPulseDendriticDelay",
                {},
                {"g": pygenn.init_var("Normal", spread), "d": pygenn.init_var(clipped, times)},
            ),
            pygenn.init_postsynaptic("DeltaCurr"),
            pygenn.init_sparse_connectivity(
                "FixedNumberTotalWithReplacement", {"num": int(net.synapses[post, pre])}
            ),
        )
        synapses.max_dendritic_delay_timesteps = 64
    spikes = simulate_genn(run, model, populations)
    finish(run, net, spikes=spikes, version=pygenn.__version__)


def spikewright(run: Run) -> None:
    from ours import simulate_on

    import spikewright as sw

    net = circuit(run.scale, run.drive)
    network = microcircuit(net, run.seed)
    run.lap("import")
    recording, spikes = simulate_on(run.clock, network, run.seconds, run.threads, run.seed)
    rates = [
        round(float(recording.sent[name].sum()) / network.populations[name].n / run.seconds, 3)
        for name in POPULATIONS
    ]
    finish(run, net, spikes=spikes, version=sw.__version__, precision="single", rates_hz=rates)


def microcircuit(net: Circuit, seed: int):
    """Return the network; excitation and inhibition decay alike, so that both are one current."""
    import spikewright as sw

    draw = np.random.default_rng(seed)
    populations = {}
    for i, name in enumerate(POPULATIONS):
        count, r = int(net.neurons[i]), TAU_M / C
        params = {
            "tau_m": TAU_M, "tau_s": TAU_S, "r": r, "v_rest": E_L + r * float(net.current[i]),
            "v_th": V_TH, "v_reset": V_RESET, "t_ref": T_REF,
        }  # fmt: skip
        v = draw.normal(INITIAL_MEAN[i] / MV, INITIAL_SD[i] / MV, count)
        populations[name] = sw.Population(sw.CubaLIF, count, params, {"v": v})
    projections = {}
    for number, (post, pre) in enumerate(net.pairs()):
        mean, late = float(net.weight[post, pre]), net.delay(post, pre)
        side = {"low": 0.0} if mean > 0 else {"high": 0.0}
        recipe = sw.FixedTotal(
            int(net.neurons[post]),
            int(net.synapses[post, pre]),
            weights=sw.Normal(mean, WEIGHT_SPREAD * abs(mean), **side),
            seed=1000 * seed + number,
        )
        projections[f"{POPULATIONS[pre]}->{POPULATIONS[post]}"] = sw.Projection(
            POPULATIONS[pre],
            POPULATIONS[post],
            recipe,
            delay=sw.Normal(late, DELAY_SPREAD * late, low=DT),
        )
    drives = {
        name: sw.PoissonDrive(name, float(rate), float(net.external_weight))
        for name, rate in zip(POPULATIONS, net.external_rate, strict=True)
        if rate > 0
    }
    return sw.Network(dt=DT, populations=populations, projections=projections, drives=drives)


SIMULATORS = {
    "nest": nest,
    "brian2_standalone": brian2_standalone,
    "genn": genn,
    "spikewright": spikewright,
}

if __name__ == "__main__":
    main(__doc__, SIMULATORS, drive=("poisson", "dc"), scale=0.2, split=0)
