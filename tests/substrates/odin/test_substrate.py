"""ODIN as a substrate: its contract, rows and signs, training with its neurons, event by event, the power equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import LIF, AdEx, CubaLIF, Dense, Input, Network, Population, Projection
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.network.model import Reset
from spikewright.rng import stream
from spikewright.substrates.base import Substrate
from spikewright.substrates.odin.costs import accelerated, power
from spikewright.substrates.odin.model import OdinNeuron
from spikewright.substrates.odin.simulate import replay
from spikewright.substrates.odin.substrate import Odin
from spikewright.testing.substrate_suite import SubstrateSuite
from spikewright.units import ms


def small(model: Any = LIF, **params: Any) -> Network:
    """Return a recurrent network of 24, 16 and 4 neurons."""
    draw = stream(7, "odin/weights")
    shared = {"tau_m": 10 * ms} if "tau_m" in model.params else {}
    return Network(
        dt=1 * ms,
        populations={
            "in": Population(Input, 24),
            "hidden": Population(model, 16, shared | params),
            "out": Population(model, 4, shared | params),
        },
        projections={
            "in->hidden": Projection("in", "hidden", Dense(draw.normal(0.05, 0.25, (16, 24)))),
            "hidden->hidden": Projection("hidden", "hidden", Dense(draw.normal(0, 0.1, (16, 16)))),
            "hidden->out": Projection("hidden", "out", Dense(draw.normal(0.1, 0.3, (4, 16)))),
        },
        name="small",
    )


def spikes(n: int = 24, *, steps: int = 60, rate: float = 0.1) -> dict[str, np.ndarray]:
    """Return input spikes of four samples."""
    drawn = stream(5, "odin/spikes").random((steps, 4, n)) < rate
    return {"in": drawn.astype(np.float64)}


def one_neuron(weights: list[float], **params: Any) -> Network:
    """Return inputs that reach one neuron."""
    return Network(
        dt=1.0,
        populations={
            "in": Population(Input, len(weights)),
            "out": Population(OdinNeuron, 1, params),
        },
        projections={
            "w": Projection("in", "out", Dense(np.maximum([weights], 0.0)), port="exc"),
            "w.inh": Projection(
                "in", "out", Dense(np.maximum(-np.array([weights]), 0.0)), port="inh"
            ),
        },
    )


class TestOdin(SubstrateSuite):
    def make(self) -> Substrate:
        return Odin()

    def network(self) -> Network:
        return small()

    def unsupported(self) -> Network:
        return small(AdEx)


# -- what fits ---------------------------------------------------------------------------------------


def test_the_digits_network_is_refused_with_its_rows() -> None:
    parts = (dense(256), neurons(LIF), dense(128), neurons(LIF), dense(10), neurons(LIF))
    network = chain(source(64), *parts, dt=1 * ms)
    with pytest.raises(LimitError) as error:
        Odin().compile(network)
    text = str(error.value)
    for part in (
        "odin: limit rows: exceeded 3.53 times",
        "found 903 (population 'input' 128, 64 of 64 with both signs",
        "population 'output' 10), expected 256 at most — use fewer inputs and neurons",
    ):
        assert part in text


def test_one_sign_per_source_is_the_cure_where_it_is_enough() -> None:
    network = chain(source(64), dense(160), neurons(LIF), dense(10), neurons(LIF), dt=1 * ms)
    with pytest.raises(LimitError, match=r"use Odin\(dale=True\), one sign per source: 234 rows"):
        Odin().compile(network)
    compiled = Odin(dale=True).compile(network)
    assert compiled.placement is not None
    assert compiled.placement.load == ({"rows": 234 / 256},)
    exc, inh = (
        compiled.network.projections[n].topology.weight
        for n in ("input->hidden1", "input->hidden1.inh")
    )
    assert not np.any((exc > 0).any(axis=0) & (inh > 0).any(axis=0))


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
        Odin().compile(small(**params))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (CubaLIF, r"population 'hidden' \(CubaLIF\): .*no current"),
        (LIF.resetting(Reset.SUBTRACT), "the chip resets its voltage to rest"),
    ],
)
def test_models_that_the_chip_does_not_have_are_refused(model: Any, message: str) -> None:
    with pytest.raises(SubstrateError, match=message):
        Odin().compile(small(model))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delay": 3 * ms}, "limit delays: the chip has none; found 3 steps, expected 0 steps"),
        ({"bias": np.ones(4)}, "no bias; found 1, expected 0"),
    ],
)
def test_ways_that_the_chip_does_not_have_are_refused(changes: Any, message: str) -> None:
    network = small()
    p = network.projections["hidden->out"]
    made = Projection(**({"pre": p.pre, "post": p.post, "topology": p.topology} | changes))
    with pytest.raises(SubstrateError, match=rf"projection 'hidden->out': .*{message}"):
        Odin().compile(network.replacing(projections={"hidden->out": made}))


def test_a_leak_beyond_7_bits_is_refused() -> None:
    with pytest.raises(
        LimitError, match=r"population 'out': limit leak: .*found 200, expected 127"
    ):
        Odin().compile(one_neuron([7.0], leak=200.0, v_th=255.0))


@pytest.mark.parametrize("clock", [0.0, 80e6, float("nan")])
def test_a_clock_beyond_the_chips_is_refused(clock: float) -> None:
    with pytest.raises(SubstrateError, match=r"odin: limit clock|odin: clock"):
        Odin(clock=clock)


# -- what is computed --------------------------------------------------------------------------------


def test_whole_numbers_are_stored_as_they_are() -> None:
    compiled = Odin().compile(one_neuron([7.0, 3.0, -5.0], leak=2.0, v_th=40.0))
    exc, inh = (compiled.network.projections[n].topology.weight for n in ("w", "w.inh"))
    assert (exc.tolist(), inh.tolist()) == ([[7, 3, 0]], [[0, 0, 5]])
    params = compiled.network.populations["out"].params
    assert (params["v_th"].tolist(), params["leak"].tolist(), params["lost"].tolist()) == (
        [40],
        [2],
        [2],
    )


def test_engine_and_events_agree_below_the_threshold() -> None:
    """v: 10 after both; 10 - 2 - 5 = 3, then +3; inhibition at rest is lost."""
    compiled = Odin().compile(one_neuron([7.0, 3.0, -5.0], leak=2.0, v_th=40.0))
    x = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1], [0, 1, 1]], float)[:, None]
    recording = run(compiled.network, {"in": x}, record={"out": ("v",)})
    assert recording.trace("out", "v")[:, 0, 0].tolist() == [10, 6, 0, 3]
    found = replay(compiled, recording)
    assert (found.differing, found.floored) == (0, 1 + 1)


def test_a_neuron_fires_on_the_event_that_takes_it_there() -> None:
    """12 events of 3 against a threshold of 7: the chip fires on every third, and starts from 0 each time."""
    compiled = Odin().compile(one_neuron([3.0, 7.0], leak=0.0, v_th=7.0))
    recording = run(compiled.network, {"in": np.array([[[12, 0]]])})
    found = replay(compiled, recording)
    assert found.spikes["out"].ravel().tolist() == [4]
    assert "clipped" in str(found)


def test_replay_is_near_the_engine() -> None:
    compiled = Odin().compile(small())
    recording = run(compiled.network, spikes())
    found = replay(compiled, recording)
    total = sum(recording.dense(n).sum() for n in ("hidden", "out"))
    theirs = sum(s.sum() for s in found.spikes.values())
    assert total > 100
    assert abs(total - theirs) < 0.1 * total
    assert 0 < found.differing < 0.4 * total


def by_hand(network: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the spikes of one sample by the documented rule, event by event, in plain Python."""
    names = ("hidden", "out")
    v = {n: [0] * network.populations[n].n for n in names}
    last = np.zeros(network.populations["hidden"].n)
    spikes = {n: np.zeros((len(x), len(v[n]))) for n in names}
    for t, given in enumerate(x):
        for n in names:
            v[n] = [
                max(u - d, 0)
                for u, d in zip(v[n], network.populations[n].param("leak"), strict=True)
            ]
        for port in ("inh", "exc"):
            for pre, counts in (("in", given), ("hidden", last)):
                for row, _ in ((j, k) for j, count in enumerate(counts) for k in range(int(count))):
                    for p in network.projections.values():
                        if (p.pre, p.port) != (pre, port):
                            continue
                        level = network.populations[p.post].param("v_th")
                        for j, w in enumerate(p.topology.weight[:, row]):
                            v[p.post][j] = min(
                                max(v[p.post][j] + (w if port == "exc" else -w), 0), 255
                            )
                            if w and v[p.post][j] >= level[j]:
                                spikes[p.post][t, j] += 1
                                v[p.post][j] = 0
        last = spikes["hidden"][t]
    return spikes


def test_the_event_loop_is_the_documented_rule() -> None:
    compiled = Odin().compile(small())
    x = spikes(steps=40)["in"]
    found = replay(compiled, run(compiled.network, {"in": x}))
    expected = by_hand(compiled.network, x[:, 1])
    assert expected["out"].any()
    for name, counts in expected.items():
        np.testing.assert_array_equal(found.spikes[name][:, 1], counts)


def test_inputs_that_are_no_counts_are_refused() -> None:
    compiled = Odin().compile(one_neuron([7.0]))
    recording = run(compiled.network, {"in": np.full((2, 1, 1), -1.0)})
    with pytest.raises(
        SubstrateError, match=r"odin: events: not a number of events; found -1 to -1"
    ):
        replay(compiled, recording)


# -- training ----------------------------------------------------------------------------------------


def test_adapted_networks_have_two_rows_for_each_projection() -> None:
    network, chip = small(), Odin()
    adapted = chip.adapted(network)
    assert adapted.populations["hidden"].model == OdinNeuron
    assert set(adapted.projections) == {
        f"{n}{end}" for n in network.projections for end in ("", ".inh")
    }
    keep = np.exp(-0.1)
    for name, p in network.projections.items():
        exc, inh = (adapted.projections[n].topology.weight for n in (name, f"{name}.inh"))
        assert min(exc.min(), inh.min()) == 0
        np.testing.assert_allclose(exc - inh, p.topology.weight * keep)
    assert float(adapted.populations["hidden"].param("leak")) == pytest.approx((1 - keep) / 2)
    plain, native = (chip.compile(n).network for n in (network, adapted))
    for name, p in plain.projections.items():
        np.testing.assert_array_equal(p.topology.weight, native.projections[name].topology.weight)


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


def test_what_is_trained_is_what_the_integers_compute() -> None:
    chip = Odin()
    x = spikes(steps=30)["in"]
    trained = trained_through(chip.adapted(small()), chip.passes, x)
    through, _ = chip.run_passes(trained, chip.passes, 0)
    compiled = chip.compile(trained)
    for name, p in compiled.network.projections.items():
        scale = np.asarray(compiled.facts["scale"][p.post])[:, None]
        seen = through.projections[name].topology.weight * scale
        np.testing.assert_allclose(seen, p.topology.weight, atol=1e-9)
    ours, theirs = run(through, {"in": x}), run(compiled.network, {"in": x})
    for name in ("hidden", "out"):
        # a second spike of a step can miss a tie in float arithmetic
        a, b = ours.dense(name), theirs.dense(name)
        assert a.any()
        assert np.count_nonzero(a != b) <= 0.01 * a.size


# -- costs -------------------------------------------------------------------------------------------


def test_the_measured_power_is_reproduced_within_a_percent() -> None:
    model, published = accelerated(Odin().chip)
    assert model == pytest.approx(published, rel=0.01)
    assert model == pytest.approx(476.925e-6, rel=1e-6)


def test_energy_is_the_power_equation_over_the_time_of_a_run() -> None:
    chip = Odin(clock=20e6)
    compiled = chip.compile(small())
    recording = run(compiled.network, spikes())
    costs = chip.cost(compiled, recording)
    events = 0.0
    for name, rows in compiled.facts["rows"].items():
        events += float(
            (recording.dense(name).sum(axis=(0, 1)) @ np.asarray(rows)) / recording.batch
        )
    time = (events * 513 + recording.steps * 512) / 20e6
    rate = events * 256 / time
    assert costs.time.value == pytest.approx(time)
    assert costs.device.value == pytest.approx(power(chip.chip, 20e6, rate) * time)
    assert rate <= 20e6 / 2
