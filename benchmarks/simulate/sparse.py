"""A large quiet network: 100,000 LIF neurons, 10 million synapses, 1 % of the neurons active.

Exponential current synapses as in the whole-brain models of the fly. Every neuron has 100 random targets; 1000
neurons get a constant drive above threshold (about 45 Hz), and the others only what these send, which stays below
threshold.

    python sparse.py SIMULATOR [--threads 2] [--seconds 1]

Source
------
Regime and neuron parameters: Shiu et al., "A Drosophila computational brain model reveals sensorimotor processing",
Nature 634, 2024; the connections here are random.
"""

from __future__ import annotations

import math

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

NEURONS, TARGETS, ACTIVE = 100_000, 100, 1000
TAU_M, TAU_S, T_REF, DELAY, DT = 20e-3, 5e-3, 2.2e-3, 1.8e-3, 1e-4  # s
WEIGHT, V_TH, DRIVE = 0.05e-3, 7e-3, 11e-3  # V above rest; reset to rest, at 0
SYNAPSES = NEURONS * TARGETS
MV = 1e3  # peers count in mV


def nest(run: Run) -> None:
    nest = start_nest(run, DT)
    neurons = nest.Create(
        "iaf_psc_exp",
        NEURONS,
        params={
            "C_m": TAU_M * MS,  # pF: a current in pA is then the voltage in mV that it leads to
            "tau_m": TAU_M * MS,
            "E_L": 0.0,
            "V_m": 0.0,
            "V_th": V_TH * MV,
            "V_reset": 0.0,
            "t_ref": T_REF * MS,
            "tau_syn_ex": TAU_S * MS,
            "tau_syn_in": TAU_S * MS,
        },
    )
    neurons[:ACTIVE].I_e = DRIVE * MV
    rule = {"rule": "fixed_outdegree", "outdegree": TARGETS}
    nest.Connect(neurons, neurons, rule, {"weight": WEIGHT * MV, "delay": DELAY * MS})
    spikes = simulate_nest(run, nest)
    run.report(neurons=NEURONS, synapses=SYNAPSES, spikes=spikes, version=nest.__version__)


def brian2(run: Run, *, standalone: bool = False) -> None:
    b2 = start_brian2(run, DT, standalone=standalone)
    volt, second = b2.volt, b2.second
    neurons = b2.NeuronGroup(
        NEURONS,
        """dv/dt = (g + drive - v) / tau_m : volt (unless refractory)
           dg/dt = -g / tau_s : volt
           drive : volt""",
        threshold="v >= v_th",
        reset="v = 0 * volt",
        refractory=T_REF * second,
        method="exact",
        namespace={"tau_m": TAU_M * second, "tau_s": TAU_S * second, "v_th": V_TH * volt},
    )
    neurons.drive[:ACTIVE] = DRIVE * volt
    synapses = b2.Synapses(neurons, neurons, "w : volt", on_pre="g_post += w", delay=DELAY * second)
    targets = np.random.default_rng(run.seed).integers(0, NEURONS, SYNAPSES, dtype=np.int32)
    synapses.connect(i=np.repeat(np.arange(NEURONS, dtype=np.int32), TARGETS), j=targets)
    synapses.w = WEIGHT * volt
    monitor = b2.SpikeMonitor(neurons, record=False)
    measured = simulate_brian2(run, b2, [neurons, synapses, monitor], standalone=standalone)
    run.report(neurons=NEURONS, synapses=SYNAPSES, **measured)


def brian2_standalone(run: Run) -> None:
    brian2(run, standalone=True)


def propagator() -> tuple[float, float, float]:
    """Return the decays of v and g over a step, and what g adds to v."""
    slow, fast = math.exp(-DT / TAU_M), math.exp(-DT / TAU_S)
    return slow, fast, TAU_S / (TAU_S - TAU_M) * (fast - slow)


def annarchy(run: Run) -> None:
    ann, network = start_annarchy(run, DT)
    slow, fast, gain = propagator()
    model = ann.Neuron(
        parameters={
            "drive": ann.Parameter(0.0, "local"),
            "slow": slow,
            "fast": fast,
            "gain": gain,
            "v_th": V_TH * MV,
        },
        equations=[
            ann.Variable("v = drive + (v - drive) * slow + g * gain", init=0.0),
            ann.Variable("g = g * fast + g_exc", init=0.0),
        ],
        spike="v >= v_th",
        reset="v = 0.0",
        refractory=T_REF * MS,
    )
    neurons = network.create(geometry=NEURONS, neuron=model)
    drive = np.zeros(NEURONS)
    drive[:ACTIVE] = DRIVE * MV
    neurons.drive = drive
    projection = network.connect(neurons, neurons, "exc")
    projection.fixed_number_pre(number=TARGETS, weights=WEIGHT * MV, delays=DELAY * MS)
    monitor = network.monitor(neurons, "spike")
    spikes = simulate_annarchy(run, network, monitor)
    run.report(neurons=NEURONS, synapses=SYNAPSES, spikes=spikes, version=ann.__version__)


def genn(run: Run) -> None:
    pygenn, model = start_genn(run, "sparse", DT)
    slow, fast, gain = propagator()
    neuron = pygenn.create_neuron_model(
        "lif_exponential",
        vars=[("V", "scalar"), ("G", "scalar"), ("R", "scalar"), ("Drive", "scalar")],
        sim_code=f"""
            const scalar before = G;
            if(R > 0.0) {{ R -= dt; }}
            else {{ V = Drive + (V - Drive) * {slow!r} + before * {gain!r}; }}
            G = before * {fast!r} + Isyn;""",
        threshold_condition_code=f"R <= 0.0 && V >= {V_TH * MV!r}",
        reset_code=f"V = 0.0; R = {(T_REF - 0.5 * DT) * MS!r};",
    )
    drive = np.zeros(NEURONS, np.float32)
    drive[:ACTIVE] = DRIVE * MV
    initial = {"V": 0.0, "G": 0.0, "R": 0.0, "Drive": drive}
    population = model.add_neuron_population("neurons", NEURONS, neuron, {}, initial)
    synapses = model.add_synapse_population(
        "synapses",
        "SPARSE",
        population,
        population,
        pygenn.init_weight_update("StaticPulse", {}, {"g": WEIGHT * MV}),
        pygenn.init_postsynaptic("DeltaCurr"),
        pygenn.init_sparse_connectivity("FixedNumberPostWithReplacement", {"num": TARGETS}),
    )
    synapses.axonal_delay_steps = round(DELAY / DT) - 1
    spikes = simulate_genn(run, model, [population])
    run.report(neurons=NEURONS, synapses=SYNAPSES, spikes=spikes, version=pygenn.__version__)


def spikewright(run: Run) -> None:
    from ours import simulate

    import spikewright as sw

    active = np.arange(NEURONS) < ACTIVE
    population = sw.Population(
        sw.CubaLIF,
        NEURONS,
        # r is 1: a weight in ampere is the voltage that its current would lead to, as in the peers
        {
            "tau_m": TAU_M,
            "tau_s": TAU_S,
            "v_rest": np.where(active, DRIVE, 0.0),
            "v_th": V_TH,
            "t_ref": T_REF,
        },
        {"v": 0.0},
    )
    recipe = sw.FixedOutDegree(NEURONS, TARGETS, weights=WEIGHT, seed=run.seed)
    network = sw.Network(
        dt=DT,
        populations={"all": population},
        projections={"all->all": sw.Projection("all", "all", recipe, delay=DELAY)},
    )
    simulate(run, network, synapses=SYNAPSES)


SIMULATORS = {
    "nest": nest,
    "brian2": brian2,
    "brian2_standalone": brian2_standalone,
    "annarchy": annarchy,
    "genn": genn,
    "spikewright": spikewright,
}

if __name__ == "__main__":
    main(__doc__, SIMULATORS)
