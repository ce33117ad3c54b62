"""SpiNNaker as a target: close to the network, within its limits, in real time or not, with its costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import (
    IF,
    LI,
    LIF,
    CubaLIF,
    Dense,
    ExpCurrentLIF,
    Input,
    Network,
    Population,
    Projection,
    Reset,
    Sparse,
)
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.rng import stream
from spikewright.substrates.spinnaker.costs import saturated, work_of
from spikewright.substrates.spinnaker.substrate import SpiNNaker
from spikewright.testing.substrate_suite import small_network

STEPS = 150


def draws(name: str) -> np.random.Generator:
    return stream(13, f"test_spinnaker/{name}")


def one(population: Population, topology: Any, *, pre: int = 30, **more: Any) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, pre), "a": population},
        projections={"w": Projection("in", "a", topology, **more)},
    )


def spikes(n: int = 30, rate: float = 0.2, batch: int = 2) -> np.ndarray:
    return (draws("spikes").random((STEPS, batch, n)) < rate).astype(float)


def compared(network: Network, chip: SpiNNaker, x: np.ndarray) -> tuple[Any, Any]:
    before = run(network, {"in": x}, engine="reference")
    return before, run(chip.compile(network).network, {"in": x}, engine="reference")


# -- close to the network ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "scale", "params"),
    [
        (LIF, 1.0, {"tau_m": np.linspace(5e-3, 30e-3, 20)}),
        (LIF, 1.0, {"v_rest": -0.1, "v_reset": -0.3, "t_ref": np.arange(20) % 4 * 1e-3}),
        (CubaLIF, 6.0, {"tau_s": np.linspace(2e-3, 8e-3, 20)}),
        (ExpCurrentLIF, 1e-9, {}),
    ],
    ids=["delta", "rest and refractory", "exponential", "nest"],
)
def test_spikes_are_those_of_the_network(model: Any, scale: float, params: dict[str, Any]) -> None:
    weight = draws("close").normal(0.06, 0.2, (20, 30)) * scale
    network = one(Population(model, 20, params), Dense(weight))
    before, after = compared(network, SpiNNaker(), spikes())
    total = before.sent["a"].sum()
    assert total > 200
    assert abs(after.sent["a"].sum() - total) <= 0.005 * total
    assert np.mean(before.dense("a") != after.dense("a")) < 2e-3
    assert saturated(SpiNNaker().compile(network), after) == {"a": 0}


def test_types_of_synapses_have_their_own_time_constants() -> None:
    populations = {
        "in": Population(Input, 30),
        "a": Population(ExpCurrentLIF, 20, {"tau_e": 2e-3, "tau_i": 6e-3}),
    }
    weight = np.abs(draws("types").normal(0, 2.5e-10, (2, 20, 30)))
    network = Network(
        dt=1e-3,
        populations=populations,
        projections={
            "e": Projection("in", "a", Dense(weight[0] * 2), port="exc"),
            "i": Projection("in", "a", Dense(-weight[1] / 4), port="inh"),
        },
    )
    before, after = compared(network, SpiNNaker(), spikes())
    assert before.sent["a"].sum() > 200
    assert np.mean(before.dense("a") != after.dense("a")) < 2e-3
    ports = {n: p.port for n, p in SpiNNaker().compile(network).network.projections.items()}
    assert ports == {"e": "exc", "i": "inh"}
    crossed = network.replacing(
        projections={"i": Projection("in", "a", Dense(weight[1]), port="inh")}
    )
    with pytest.raises(SubstrateError) as caught:
        SpiNNaker().compile(crossed)
    assert str(caught.value) == (
        "spinnaker: population 'a' (ExpCurrentLIF): positive weights share one synaptic time constant;"
        " found projection 'e' and projection 'i' differ — give them the same port, or separate them by sign"
    )


def test_starting_values_and_biases_are_kept() -> None:
    start = {"v": np.linspace(-0.5, 0.9, 5), "i": np.linspace(-1, 2, 5)}
    network = one(
        Population(CubaLIF, 5, {"tau_m": 10e-3}, start),
        Dense(np.zeros((5, 30))),
        bias=np.linspace(0, 0.05, 5),
        port="i_ext",
    )
    chip = SpiNNaker()
    compiled = chip.compile(network)
    x = np.zeros((40, 1, 30))
    before = run(network, {"in": x}, engine="reference", record={"a": ("v",)})
    after = run(compiled.network, {"in": x}, engine="reference", record={"a": ("v",)})
    unit = compiled.facts["scale"]["a"] * 2**15
    np.testing.assert_allclose(after.trace("a", "v") / unit, before.trace("a", "v"), atol=2e-3)


def test_training_sees_the_weights_that_are_compiled() -> None:
    chip = SpiNNaker()
    network = small_network(CubaLIF)
    real, _ = chip.run_passes(network, chip.passes, 0)
    first, again = (chip.compile(n).network.projections for n in (network, real))
    for name, p in first.items():
        np.testing.assert_array_equal(p.topology.weight, again[name].topology.weight)
    old = network.projections["in->hidden"].topology.weight
    new = real.projections["in->hidden"].topology.weight
    assert 0 < np.abs(new - old).max() < 1e-3 * np.abs(old).max()


# -- ring buffers ------------------------------------------------------------------------------------


def test_a_stated_rate_gives_finer_weights_and_sums_that_may_saturate() -> None:
    weight = np.full((3, 400), 0.02)
    network = one(Population(LIF, 3, {"tau_m": 10e-3, "v_th": 30.0}), Dense(weight), pre=400)
    safe = SpiNNaker().compile(network)
    risky = SpiNNaker(ring_buffer_rate=10.0).compile(network)
    assert risky.facts["shift"]["a"]["exc"] < safe.facts["shift"]["a"]["exc"]
    text = "\n".join(map(str, risky.changes))
    assert "quantize: a: exc sums of a step may saturate: " in text
    assert "saturate" not in "\n".join(map(str, safe.changes))
    x = np.zeros((20, 2, 400))
    x[5] = 1.0
    x[9, 0] = 1.0
    found = run(risky.network, {"in": x}, engine="reference")
    assert saturated(risky, found) == {"a": 9}
    note = SpiNNaker(ring_buffer_rate=10.0).cost(risky, found).notes[-1]
    assert note == "sums of a step that a ring buffer cut at 65535: 9 in 'a'"
    assert saturated(safe, run(safe.network, {"in": x}, engine="reference")) == {"a": 0}


def test_worst_sums_fit_the_ring_buffer_to_the_last_unit() -> None:
    for n in (3, 7, 31, 100):
        weight = draws(f"sum{n}").random((4, n))
        compiled = SpiNNaker().compile(one(Population(LIF, 4), Dense(weight), pre=n))
        top = compiled.network.projections["w"].topology.weight.sum(axis=1).max()
        assert 65535 // 2 - n <= top <= 65535


# -- refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("population", "message"),
    [
        (Population(LI, 5), "(LI): spikes carry no value — let the population fire"),
        (
            Population(IF, 5),
            "(IF): the leak of a step is lost in 15 bits; found a step keeps 1 of the voltage, expected 1/32768 to"
            " 32767/32768 — use another time constant or dt; a neuron without leak has none",
        ),
        (
            Population(LIF.resetting(Reset.SUBTRACT), 5),
            "(LIFSubtract): the software resets the voltage to a value; found reset {'v': 'v - (v_th)'}"
            " — train with model.resetting(Reset.VALUE)",
        ),
    ],
    ids=["graded", "no leak", "subtract"],
)
def test_what_the_software_does_not_compute_is_refused(
    population: Population, message: str
) -> None:
    with pytest.raises(SubstrateError) as caught:
        SpiNNaker().compile(one(population, Dense(np.ones((5, 30)))))
    assert str(caught.value) == f"spinnaker: population 'a' {message}"


def test_options_are_checked() -> None:
    with pytest.raises(SubstrateError, match="neurons_per_core: a synapse names its target"):
        SpiNNaker(neurons_per_core=300)
    with pytest.raises(SubstrateError, match="expected_rate: not a rate; found -1"):
        SpiNNaker(expected_rate=-1)
    with pytest.raises(SubstrateError, match="mesh: not a machine"):
        SpiNNaker(mesh=(300, 300))


# -- delays ------------------------------------------------------------------------------------------


def test_long_delays_take_extension_cores_and_keep_their_time() -> None:
    weight = draws("delay").normal(0.1, 0.2, (20, 30))
    steps = draws("delay steps").integers(0, 40, weight.shape)
    network = one(Population(LIF, 20), Dense(weight), delay=steps * 1e-3)
    before, after = compared(network, SpiNNaker(), spikes())
    assert np.mean(before.dense("a") != after.dense("a")) < 2e-3
    compiled = SpiNNaker().compile(network)
    text = "\n".join(map(str, compiled.changes))
    assert "delay: in: 1 delay-extension cores, 2 stages — a synapse delays by 16 ticks" in text
    near = SpiNNaker().compile(one(Population(LIF, 20), Dense(weight), delay=15e-3))
    assert "delay-extension" not in "\n".join(map(str, near.changes))
    assert compiled.placement is not None
    assert near.placement is not None
    assert compiled.placement.n_cores == near.placement.n_cores + 1


def test_too_long_a_delay_is_a_limit() -> None:
    with pytest.raises(LimitError) as caught:
        SpiNNaker().compile(one(Population(LIF, 5), Dense(np.ones((5, 30))), delay=144e-3))
    assert str(caught.value) == (
        "spinnaker: projection 'w': exceeds max_delay; found 145 steps, expected 144 at most"
        " — use a larger dt, or relay populations"
    )


# -- cores and real time -----------------------------------------------------------------------------


def test_slices_shrink_until_their_work_fits_a_tick() -> None:
    network = one(Population(LIF, 510), Dense(draws("work").normal(0, 0.1, (510, 100))), pre=100)
    calm = SpiNNaker(expected_rate=1.0).compile(network)
    busy = SpiNNaker(expected_rate=200.0).compile(network)
    cores = [len(np.unique(c.placement.core_of["a"])) for c in (calm, busy) if c.placement]
    assert cores[0] == 2
    assert cores[1] > cores[0]
    assert [str(c) for c in busy.changes if c.by == "partition"] == [
        f"partition: a: cut into {cores[1]} cores — cycles binds"
    ]


def test_a_neuron_that_is_too_much_slows_the_machine_down_or_is_refused() -> None:
    network = one(Population(LIF, 2), Dense(np.full((2, 20_000), 0.01)), pre=20_000)
    compiled = SpiNNaker(expected_rate=100.0).compile(network)
    # 200 + 0.1 x 20000 x (500 + 30) cycles, of 200000
    assert compiled.facts["machine"].slowdown == pytest.approx(1060200 / 200000)
    assert "budget: a: ticks must be 5.3 times as long as dt" in "\n".join(
        map(str, compiled.changes)
    )
    with pytest.raises(LimitError) as caught:
        SpiNNaker(expected_rate=100.0, real_time=True).compile(network)
    assert str(caught.value) == (
        "spinnaker: population 'a': one neuron needs more cycles than a tick has, at 100 Hz;"
        " found 1060200 cycles, expected 200000 at most"
        " — lower its fan-in, say a lower expected_rate, or real_time=False"
    )


def test_the_real_time_factor_is_that_of_the_run() -> None:
    network = one(Population(LIF, 250, {"v_th": 1e3}), Dense(np.full((250, 100), 0.1)), pre=100)
    chip = SpiNNaker()
    compiled = chip.compile(network)
    x = np.zeros((10, 1, 100))
    x[2] = 1.0
    recording = run(compiled.network, {"in": x}, engine="reference")
    work = work_of(chip.chip, compiled, recording)
    most = 250 * 200 + 100 * 500 + 25_000 * 30
    assert work.factor == pytest.approx(most / 200_000)
    costs = chip.cost(compiled, recording)
    assert costs.time.value == pytest.approx(10e-3 + (most - 200_000) * 5e-9)
    assert "real-time factor 4.25: ticks must be that much longer" in costs.notes
    idle = run(compiled.network, {"in": np.zeros((10, 1, 100))}, engine="reference")
    assert "real-time factor 1: every tick is done in time" in chip.cost(compiled, idle).notes


def test_too_small_a_machine_is_refused() -> None:
    network = one(Population(LIF, 255 * 20), Dense(np.ones((255 * 20, 1))), pre=1)
    with pytest.raises(
        LimitError, match=r"spinnaker: the network needs more cores.*found 20 cores"
    ):
        SpiNNaker(mesh=(1, 1)).compile(network)
    with pytest.raises(LimitError, match=r"more cores than there are .chips x cores_per_chip"):
        SpiNNaker(mesh=(1, 1)).compile(
            one(Population(LIF, 255 * 16), Dense(np.ones((255 * 16, 1))), pre=1)
        )


def test_recurrent_recipe_compiles_with_few_routing_entries() -> None:
    parts: list[Any] = []
    for n in (256, 128):
        parts += [dense(n, recurrent=True), neurons(LIF, tau_m=40e-3)]
    parts += [dense(10), neurons(LIF, tau_m=100e-3)]
    network = chain(source(80), *parts, dt=10e-3, seed=1, name="spoken digits")
    compiled = SpiNNaker().compile(network)
    machine = compiled.facts["machine"]
    assert machine.slowdown == 1.0
    assert max(machine.entries.values()) <= 8
    x = (draws("fsdd").random((20, 1, 80)) < 0.1).astype(float)
    found = run(compiled.network, {"input": x}, engine="reference")
    assert SpiNNaker().cost(compiled, found).time.value >= 0.2


# -- costs -------------------------------------------------------------------------------------------


def test_a_busy_chip_draws_less_than_a_watt() -> None:
    n = 255 * 15
    network = one(Population(LIF, n), Sparse.from_matrix(np.ones((n, 1))), pre=1)
    chip = SpiNNaker(mesh=(1, 1))
    compiled = chip.compile(network)
    recording = run(compiled.network, {"in": np.ones((10, 1, 1))}, engine="reference")
    costs = chip.cost(compiled, recording)
    assert len(compiled.facts["machine"].reach) == 16
    watts = costs.device.value / costs.time.value
    assert 0.9 < watts < 1.0  # Stromatias et al. 2013: under 1 W per chip
    assert costs.device.value < costs.system.value


def test_packets_are_charged_for_every_router_they_pass() -> None:
    network = one(Population(LIF, 40, {"v_th": 1e6}), Dense(np.full((40, 10), 0.1)), pre=10)
    chip = SpiNNaker(neurons_per_core=1, mesh=(3, 3))
    compiled = chip.compile(network)
    x = np.zeros((5, 1, 10))
    x[0, 0, :4] = 1.0
    recording = run(compiled.network, {"in": x}, engine="reference")
    term = next(t for t in chip.cost(compiled, recording).energy if "packets" in t.name)
    machine = compiled.facts["machine"]
    sending = [core in range(40, 44) for _, _, core in machine.senders]
    visits = machine.passed[sending]
    assert np.all(visits > 1)  # 50 cores lie on four chips
    assert term.count == visits.sum()
    assert term.low == pytest.approx(4 * 0.8e-9)


def test_measured_preset_counts_potentials_and_neurons() -> None:
    network = one(Population(LIF, 40, {"v_th": 1e6}), Dense(np.full((40, 10), 0.1)), pre=10)
    chip = SpiNNaker(preset="sharp")
    compiled = chip.compile(network)
    x = np.zeros((5, 1, 10))
    x[0, 0, :4] = 1.0
    costs = chip.cost(compiled, run(compiled.network, {"in": x}, engine="reference"))
    assert costs.device.value == pytest.approx(160 * 43e-9 + 40 * 5 * 100e-9)
