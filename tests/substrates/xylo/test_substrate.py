"""Xylo as a substrate: its contract, what is refused and why, training with its neurons, costs in cycles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import LIF, AdEx, CubaLIF, Dense, Input, Network, Population, Projection
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.network.graph import Propagation
from spikewright.network.model import Reset
from spikewright.rng import stream
from spikewright.substrates.base import Category, Chip, Substrate
from spikewright.substrates.xylo.costs import (
    ambient_audio,
    cycles_of,
    cycles_per_step,
    keyword_spotting,
)
from spikewright.substrates.xylo.model import XyloHidden, XyloNeuron, XyloOutput
from spikewright.substrates.xylo.replay import core_of, replay
from spikewright.substrates.xylo.substrate import Xylo
from spikewright.testing.substrate_suite import SubstrateSuite
from spikewright.units import ms, pJ


def small(model: Any = LIF, **params: Any) -> Network:
    """Return a recurrent network of 12, 16 and 4 neurons."""
    draw = stream(7, "xylo/weights")
    shared = {"tau_m": 10 * ms} if "tau_m" in model.params else {}
    return Network(
        dt=1 * ms,
        populations={
            "in": Population(Input, 12),
            "hidden": Population(model, 16, shared | params),
            "out": Population(model, 4, shared | params),
        },
        projections={
            "in->hidden": Projection("in", "hidden", Dense(draw.normal(0.05, 0.3, (16, 12)))),
            "hidden->hidden": Projection("hidden", "hidden", Dense(draw.normal(0, 0.1, (16, 16)))),
            "hidden->out": Projection("hidden", "out", Dense(draw.normal(0.1, 0.3, (4, 16)))),
        },
        name="small",
    )


def spikes(n: int = 12, *, steps: int = 60, rate: float = 0.2) -> dict[str, np.ndarray]:
    """Return input spikes of four samples."""
    drawn = stream(5, "xylo/spikes").random((steps, 4, n)) < rate
    return {"in": drawn.astype(np.float64)}


class TestXylo(SubstrateSuite):
    def make(self) -> Substrate:
        return Xylo()

    def network(self) -> Network:
        return small()

    def too_large(self) -> Network:
        weights = stream(7, "xylo/large").normal(0, 0.1, (2, 2000))
        return Network(
            dt=1 * ms,
            populations={
                "in": Population(Input, 2000),
                "crowded": Population(LIF, 2),
                "out": Population(LIF, 2),
            },
            projections={
                "in->crowded": Projection("in", "crowded", Dense(weights)),
                "crowded->out": Projection("crowded", "out", Dense(weights[:, :2])),
            },
        )

    def unsupported(self) -> Network:
        return small(AdEx)


# -- what fits ---------------------------------------------------------------------------------------


def test_the_digits_network_is_refused_with_every_limit_that_binds() -> None:
    parts = (dense(256), neurons(LIF), dense(128), neurons(LIF), dense(10), neurons(LIF))
    network = chain(source(64), *parts, dt=1 * ms)
    with pytest.raises(LimitError) as error:
        Xylo().compile(network)
    text = str(error.value)
    for part in (
        "limit input channels: exceeded 4 times; found 64 (population 'input' 64), expected 16 at most",
        "limit output neurons: exceeded 1.25 times; found 10 (population 'output' 10), expected 8",
        "limit fan out: exceeded 2 times; found 128 (population 'hidden1' 128), expected 64 at most",
    ):
        assert part in text
    assert text.count(" — ") == text.count("limit ")


@pytest.mark.parametrize(
    ("version", "hidden", "limit"),
    [
        ("audio2", 1001, "hidden neurons"),
        ("audio3", 129, "input targets"),
        ("imu", 129, "output sources"),
    ],
)
def test_limits_of_each_version(version: str, hidden: int, limit: str) -> None:
    network = chain(source(4), dense(hidden), neurons(LIF), dense(2), neurons(LIF), dt=1 * ms)
    with pytest.raises(LimitError, match=rf"xylo: limit {limit}: .*'hidden1' {hidden}"):
        Xylo(version=version).compile(network)
    parts = (dense(120), neurons(LIF), dense(2), neurons(LIF))
    Xylo(version=version).compile(chain(source(4), *parts, dt=1 * ms))


def test_the_synapses_among_hidden_neurons_are_counted() -> None:
    parts = (dense(120, recurrent=True), neurons(LIF)) * 2
    network = chain(source(4), *parts, dense(2), neurons(LIF), dt=1 * ms)
    with pytest.raises(LimitError, match=r"limit hidden synapses: .* expected 31744 at most"):
        Xylo(version="imu").compile(network)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delay": 2 * ms}, r"projection 'hidden->out': limit delays: .*found 2 steps, expected 0"),
        ({"pre": "in", "topology": Dense(np.ones((4, 12)))}, "inputs reach hidden neurons only"),
        (
            {"pre": "out", "post": "hidden", "topology": Dense(np.ones((16, 4)))},
            "output neurons reach",
        ),
    ],
)
def test_ways_that_the_chip_does_not_have_are_refused(changes: Any, message: str) -> None:
    network = small()
    old = network.projections["hidden->out"]
    made = Projection(**({"pre": old.pre, "post": old.post, "topology": old.topology} | changes))
    network = network.replacing(projections={"hidden->out": made}, outputs=("out",))
    with pytest.raises(SubstrateError, match=message):
        Xylo().compile(network)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"t_ref": 2 * ms}, "no refractory period; found 0.002 s"),
        ({"v_reset": 0.5}, "v_reset 0.5 V from rest"),
        ({"v_th": -1.0}, "the threshold must lie above rest"),
    ],
)
def test_neurons_that_the_chip_does_not_have_are_refused(params: Any, message: str) -> None:
    with pytest.raises(SubstrateError, match=rf"population 'hidden' \(LIF\): .*{message}"):
        Xylo().compile(small(**params))


@pytest.mark.parametrize(("model", "name"), [(XyloNeuron, "out"), (XyloOutput, "hidden")])
def test_hidden_and_output_neurons_are_not_mixed_up(model: Any, name: str) -> None:
    with pytest.raises(
        SubstrateError, match=rf"population '{name}' .*found {model.name}, expected"
    ):
        Xylo().compile(small(model))


def test_a_network_without_steps_between_its_layers_is_retimed() -> None:
    parts = (dense(6), neurons(LIF), dense(3), neurons(LIF), dense(2), neurons(LIF))
    network = chain(source(4), *parts, dt=1 * ms, propagation=Propagation.SAME_STEP)
    compiled = Xylo().compile(network)
    assert any("answers 2 steps later" in str(c) for c in compiled.changes)
    recording = run(compiled.network, {"input": np.ones((20, 1, 4))})
    assert replay(compiled, recording).differing == 0


def test_two_time_constants_need_two_synapses() -> None:
    network = small(CubaLIF)
    weights = Projection("in", "hidden", Dense(np.ones((16, 12))), port="i_ext")
    network = network.replacing(projections={"direct": weights})
    params = Xylo().compile(network).network.populations["hidden"].params
    assert (int(params["dash_1"][0]), int(params["dash_2"][0])) == (2, 1)
    with pytest.raises(SubstrateError, match=r"'hidden' .*limit synapses .*found 2 .*expected 1"):
        Xylo(version="imu").compile(network)


def test_a_bias_beyond_16_bits_is_refused() -> None:
    network = small()
    p = network.projections["in->hidden"]
    biased = Projection(p.pre, p.post, p.topology, bias=np.full(16, 100.0))
    with pytest.raises(LimitError, match=r"population 'hidden': limit bias: saturates its 16 bits"):
        Xylo().compile(network.replacing(projections={"in->hidden": biased}))


@pytest.mark.parametrize("options", [{"version": "audio9"}, {"events": 16}, {"events": 0}])
def test_unknown_options_are_refused(options: Any) -> None:
    with pytest.raises(SubstrateError, match="expected"):
        Xylo(**options)


# -- what is computed --------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [1, 15])
def test_no_current_saturates_with_the_events_that_there_is_room_for(events: int) -> None:
    compiled = Xylo(events=events).compile(small())
    recording = run(compiled.network, {"in": np.full((60, 1, 12), float(events))})
    hidden = recording.dense("hidden")
    found = replay(compiled, recording)
    if hidden.max() <= 1:
        assert found.trace.synapse == 0
    inputs = core_of(compiled)
    worst = events * np.abs(inputs.w_in << inputs.shift_in).sum(axis=0) * 2
    assert worst.max() <= 2 * 32767


def test_replay_agrees_with_the_engine_and_reports_what_saturates() -> None:
    compiled = Xylo().compile(small())
    found = replay(compiled, run(compiled.network, spikes()))
    assert (found.differing, found.trace.synapse, found.trace.capped) == (0, 0, 0)
    # 15 events at once where there is room for 1: the engine's sums differ, and it is told
    flooded = replay(compiled, run(compiled.network, {"in": spikes(rate=1.0)["in"] * 15}))
    assert flooded.trace.synapse > 0
    assert f"{flooded.trace.synapse} additions to currents" in str(flooded)


def test_a_chip_neuron_keeps_its_charge() -> None:
    """A spike of weight w moves a LIF by w; on the chip w arrives spread over steps, the same in all."""
    network = chain(source(1), dense(1), neurons(LIF, tau_m=1.0), dense(1), neurons(LIF), dt=1 * ms)
    network = network.with_weights({"input->hidden1": [[0.9]]})
    compiled = Xylo().compile(network)
    rows = np.zeros((12, 1, 1))
    rows[0] = 1
    found = run(compiled.network, {"input": rows}, record={"hidden1": ("v",)})
    level = compiled.network.populations["hidden1"].param("v_th")[0]
    assert found.trace("hidden1", "v").max() / level == pytest.approx(0.9, abs=0.02)


def test_changes_tell_what_a_plain_neuron_loses() -> None:
    changes = [str(c) for c in Xylo().compile(small()).changes]
    assert any("hidden: LIF becomes XyloHidden" in c and "relative" in c for c in changes)
    assert any("subtracts the threshold instead of resetting" in c for c in changes)
    subtracting = Xylo().compile(small(LIF.resetting(Reset.SUBTRACT)))
    assert not any("subtracts" in str(c) for c in subtracting.changes)


# -- training ----------------------------------------------------------------------------------------


def test_adapted_networks_have_the_chips_neurons_and_the_same_structure() -> None:
    network, chip = small(), Xylo()
    adapted = chip.adapted(network)
    assert list(adapted.projections) == list(network.projections)
    assert adapted.populations["hidden"].model == XyloNeuron
    assert adapted.populations["out"].model == XyloOutput
    assert adapted.populations["hidden"].param("tau_m") == 8 * ms
    assert chip.adapted(adapted).populations == adapted.populations


def trained_through(network: Network, passes: Any, x: np.ndarray, **options: Any) -> Network:
    """Return a network after three steps of gradient descent on spike counts, through passes."""
    import torch

    from spikewright.train.module import Module
    from spikewright.train.step import Kernels

    # step by step: no kernels to compile
    module = Module(network, kernels=Kernels.AUTOGRAD, **options)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02)
    for _ in range(3):
        instance = module.to_network()
        for one in passes:
            instance = one(instance, 0)[0]
        counts = module.run(torch.tensor(x, dtype=torch.float32), instance=instance).output.sum(0)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(counts, torch.arange(4)).backward()
        optimizer.step()
    return module.to_network()


def test_what_is_trained_is_what_the_chip_computes() -> None:
    chip = Xylo()
    start, x = chip.adapted(small()), spikes(steps=30)["in"]
    trained = trained_through(start, chip.passes, x, trainable=("weights", "tau_m"))
    before, after = (n.projections["in->hidden"].topology.weight for n in (start, trained))
    assert np.any(before != after)
    through, changes = chip.run_passes(trained, chip.passes, 0)
    compiled = chip.compile(trained)
    # the integers are those that training saw
    for name, p in compiled.network.projections.items():
        unit = np.asarray(compiled.facts["scale"][p.post])[:, None] / 2.0**p.exponent
        seen = through.projections[name].topology.weight * unit
        np.testing.assert_allclose(seen, p.topology.weight, atol=1e-9)
    tau = np.asarray(through.populations["hidden"].param("tau_m")) / (1 * ms)
    dash = compiled.network.populations["hidden"].param("dash_m")
    np.testing.assert_array_equal(np.broadcast_to(tau, 16), 2.0**dash)
    assert all(c.size is not None and c.size < 0.02 for c in changes)
    # what is left is the rounding of states, which moves some spikes
    ours, theirs = run(through, {"in": x}), run(compiled.network, {"in": x})
    for name in ("hidden", "out"):
        a, b = ours.dense(name), theirs.dense(name)
        assert np.count_nonzero(a != b) <= 0.15 * np.count_nonzero(a)
        assert abs(a.sum() - b.sum()) <= 0.05 * a.sum()


def test_passes_leave_models_alone_and_round_biases() -> None:
    network = small()
    p = network.projections["in->hidden"]
    biased = Projection(p.pre, p.post, p.topology, bias=np.linspace(-0.01, 0.01, 16))
    network = network.replacing(projections={"in->hidden": biased})
    through, _ = Xylo().run_passes(network, Xylo().passes, 0)
    assert through.populations["hidden"].model == LIF
    scale = np.asarray(Xylo().compile(network).facts["scale"]["hidden"])
    units = through.projections["in->hidden"].bias * scale * np.exp(-0.1)
    np.testing.assert_allclose(units, np.rint(units), atol=1e-6)


# -- costs -------------------------------------------------------------------------------------------


def test_cycles_are_those_of_the_vendors_formula() -> None:
    """Every neuron fires in every step: each term of the formula once, by hand."""
    assert cycles_per_step(2, 10, 3, fan_out=4, p_in=1, p_hidden=1) == (
        2 * (10 * 3.5 + 1) + 10 * (4 * 7 + 3) + 10 * (1 + 24) + 10 * (19 + 3) + 36
    )
    # half of the neurons are alias sources, a quarter targets
    aliased = cycles_per_step(
        0, 8, 0, fan_out=0, p_in=0, p_hidden=0.1, alias_targets=0.25, alias_sources=0.5
    )
    v = 2 * 0.125 + 3 * 0.125 + 0.1 + 0.5 * 0.25
    assert aliased == pytest.approx(8 * 3 + 8 * 0.1 + 8 * (19 + v))


@pytest.mark.parametrize("version", ["audio2", "audio3"])
def test_cycles_of_a_run_are_those_of_the_formula(version: str) -> None:
    chip = Xylo(version=version)
    compiled = chip.compile(small())
    recording = run(compiled.network, spikes())
    cycles = cycles_of(chip.chip, version, compiled)
    assert isinstance(compiled.network.populations["hidden"].model, type(XyloHidden))
    part = {n: recording.sent[n].mean() / recording.steps for n in ("in", "hidden")}
    core = core_of(compiled)
    expected = cycles_per_step(
        12,
        16,
        4,
        fan_out=np.count_nonzero(core.w_rec) / 16,
        p_in=part["in"],
        p_hidden=part["hidden"],
    )
    sent = {n: recording.sent[n].mean(axis=0) / recording.steps for n in cycles.spike}
    found = cycles.step + sum(float(sent[n] @ c) for n, c in cycles.spike.items())
    # the formula takes the mean fan-out, a run the neurons that fire
    assert found == pytest.approx(expected, rel=0.01)


def changed(chip: Chip, table: str, name: str, factor: float) -> Chip:
    """Return the chip with one constant changed."""
    constant = chip.tables[table][name]
    entry = replace(constant, value=constant.value * factor)
    return replace(chip, tables={**chip.tables, table: {**chip.tables[table], name: entry}})


def test_keyword_spotting_is_predicted_by_a_busy_core() -> None:
    found = keyword_spotting(Xylo().chip)
    assert found.power.model == pytest.approx(54.6 * pJ * 6.25e6)
    assert found.power.model / found.power.published == pytest.approx(1.173, abs=1e-3)
    assert found.duration == pytest.approx(22.7 * ms, rel=0.01)
    assert found.energy.published == pytest.approx(6.6e-6)
    assert found.energy.model == pytest.approx(7.74e-6, rel=1e-3)
    for part in (found.power, found.energy):
        assert part.low < part.published < part.model < part.high


def test_keyword_spotting_takes_nothing_but_the_time_from_its_measurement() -> None:
    chip, anchor = Xylo().chip, "anchor.keyword_spotting"
    as_published = keyword_spotting(chip)
    for name in ("dynamic_power", "inference"):
        other = keyword_spotting(changed(chip, anchor, name, 2.0))
        for end in ("model", "low", "high"):
            assert getattr(other.power, end) == getattr(as_published.power, end)
        assert other.duration != as_published.duration


def test_ambient_audio_is_off_as_far_as_its_activity_is_unknown() -> None:
    found = ambient_audio(Xylo().chip)
    assert found.model == pytest.approx(2382.4 * 54.6 * pJ)
    assert found.low == pytest.approx(1648 * 54.6 * pJ)
    assert found.high == pytest.approx(4585.6 * 54.6 * pJ)
    assert found.low < found.published < found.model < found.high


def test_the_energy_of_a_cycle_and_its_band_are_what_their_sources_say() -> None:
    cycle = Xylo().chip.tables["energy"]["cycle"]
    assert cycle.value == pytest.approx(341e-6 / 6.25e6, rel=2e-3)
    assert cycle.high == pytest.approx(341e-6 / (1 - 0.22) / 6.25e6, rel=2e-3)
    # the highest activity of ambient audio needs the cheapest cycle
    found = ambient_audio(Xylo().chip)
    assert cycle.low == pytest.approx(cycle.value * found.published / found.high, rel=0.02)
    assert cycle.low < cycle.value < cycle.high


def test_idle_power_lasts_as_long_as_the_steps() -> None:
    chip = Xylo()
    compiled = chip.compile(small())
    costs = chip.cost(compiled, run(compiled.network, spikes()))
    core, io = (costs.by_category()[c] for c in (Category.STATIC, Category.IO))
    # 60 steps of 1 ms
    assert core.value == pytest.approx(250.1e-6 * 60e-3)
    assert (core.low, core.high) == pytest.approx((216e-6 * 60e-3, 250.1e-6 * 60e-3))
    assert io.value == pytest.approx(99.8e-6 * 60e-3)
    assert costs.system.value - costs.device.value == pytest.approx(io.value)
    assert all(term.low <= term.value <= term.high for term in costs.energy)
    assert any("6.25 MHz" in n and "not published" in n for n in costs.notes)
    assert any("no I/O is added" in n for n in costs.notes)


def test_each_version_has_its_own_idle_power() -> None:
    watts = {}
    for version in ("audio2", "audio3", "imu"):
        chip = Xylo(version=version)
        power = chip.chip.tables[f"power.{version}"]
        watts[version] = power["idle_core"].value, power["idle_io"].value
        if version == "imu":
            continue  # one current only: `small` has two
        compiled = chip.compile(small())
        costs = chip.cost(compiled, run(compiled.network, spikes()))
        found = costs.by_category()
        assert found[Category.STATIC].value == pytest.approx(watts[version][0] * 60e-3)
        assert found[Category.IO].value == pytest.approx(watts[version][1] * 60e-3)
    assert watts["audio3"] == pytest.approx((556.9e-6, 35.9e-6))


def test_prices_of_spikes_are_the_terms_that_spikes_cause() -> None:
    chip = Xylo()
    compiled = chip.compile(small())
    recording = run(compiled.network, spikes())
    costs, prices = chip.cost(compiled, recording), chip.event_prices(compiled)
    caused = sum(t.value for t in costs.energy if t.category.is_per_event)
    spent = sum(float(recording.sent[n].mean(axis=0) @ p) for n, p in prices.spike.items())
    assert caused == pytest.approx(spent)


def test_a_clock_that_cannot_keep_up_is_told() -> None:
    network = small()
    fast = Network(2e-5, network.populations, network.projections)
    chip = Xylo()
    compiled = chip.compile(fast)
    notes = chip.cost(compiled, run(compiled.network, spikes())).notes
    assert any("above 50 MHz" in n for n in notes)
