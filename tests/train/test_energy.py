"""Energy of a run: the joules that a substrate's costs say, their gradient, and what training makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.engines import run
from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import TrainError
from spikewright.network import (
    LI,
    LIF,
    AvgPool,
    Compose,
    Conv,
    Dense,
    Flatten,
    Input,
    Network,
    OneToOne,
    Population,
    Projection,
    Sparse,
    SumPool,
    Topology,
    chain,
    dense,
    neurons,
    source,
)
from spikewright.rng import stream
from spikewright.substrates.base import Compiled, Described, Substrate
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.pcm.substrate import Pcm
from spikewright.train import (
    AdamW,
    CountCrossEntropy,
    EnergyMeasure,
    EnergyRegularizer,
    Module,
    Run,
    Through,
    TorchState,
    event_energy,
    fit,
)

STEPS, BATCH = 20, 4


def draw(name: str, *shape: int) -> np.ndarray:
    return stream(9, f"test_energy/{name}").normal(0.1, 0.4, shape)


def net() -> Network:
    recurrent = draw("recurrent", 12, 12) * (draw("mask", 12, 12) > 0.1)
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 10),
            "hid": Population(LIF, 12, {"tau_m": 8e-3}),
            "out": Population(LIF, 3, {"tau_m": 8e-3}),
        },
        projections={
            "a": Projection("in", "hid", Dense(draw("a", 12, 10))),
            "r": Projection("hid", "hid", Sparse.from_matrix(0.3 * recurrent), delay=1e-3),
            "b": Projection("hid", "out", Dense(draw("b", 3, 12))),
        },
    )


def spikes(n: int = 10) -> np.ndarray:
    return (stream(9, "test_energy/spikes").random((STEPS, BATCH, n)) < 0.2).astype(float)


def described(folder: Path) -> Described:
    def number(value: str) -> str:
        return f'{{ value = "{value}", source = "test, p. 1", grade = "measured" }}'

    text = (
        'name = "tiny"\ntitle = "Tiny"\n[energy]\n'
        f"spike = {number('3 pJ')}\ninput_spike = {number('5 pJ')}\nsynaptic_operation = {number('7 pJ')}\n"
        f"neuron_update = {number('11 pJ')}\nstep = {number('13 pJ')}\n[static]\npower = {number('1 mW')}\n"
        f"[time]\nstep = {number('1 us')}\n"
    )
    path = folder / "chip.toml"
    path.write_text(text, encoding="utf-8")
    return Described(path)


def events(chip: Substrate, compiled: Compiled, recording: Recording) -> float:
    """Return what the costs of the report say of what spikes cause, J."""
    terms = chip.cost(compiled, recording).energy
    return float(sum(t.value for t in terms if t.category.is_per_event))


def as_run(recording: Recording, network: Network) -> Run:
    """Return a recording of a lowered network as a run of its source."""
    sent = {n: torch.from_numpy(recording.dense(n).astype(np.float64)) for n in network.populations}
    return Run(
        sent, {}, ("out",), ("hid",), ("hid", "out"), TorchState(0, {}, {}, {}),
        network=network, is_instance=True,
    )  # fmt: skip


class TestValue:
    def test_of_a_run_is_what_the_costs_say_of_the_same_run(self, tmp_path: Path) -> None:
        chip, network = described(tmp_path), net()
        compiled = chip.compile(network)
        recording = run(compiled.network, {"in": spikes()})
        want = events(chip, compiled, recording)
        module = Module(network, dtype=torch.float64)
        ours = module.run(torch.from_numpy(spikes()))
        assert recording.sent["hid"].sum() > 50
        assert torch.equal(ours.sent["hid"].sum(), torch.tensor(float(recording.sent["hid"].sum())))
        prices = chip.event_prices(compiled)
        for weight in (1.0, 2e9):
            term = EnergyRegularizer(prices, weight)(ours)
            assert term.item() == pytest.approx(weight * want, rel=1e-6)
        assert EnergyMeasure(prices).of(ours) == pytest.approx(want, rel=1e-12)
        single = Module(network).run(torch.from_numpy(spikes()).float())
        assert EnergyRegularizer(prices, 2e9)(single).item() == pytest.approx(2e9 * want, rel=1e-6)

    @pytest.mark.parametrize(
        "chip",
        [Loihi("davies"), Loihi("nahuku"), Loihi("davies", weight_bits=3), Pcm()],
        ids=["davies", "nahuku", "davies, 3 bits", "pcm"],
    )
    def test_of_a_chips_own_counts_is_what_its_costs_say(self, chip: Substrate) -> None:
        compiled = chip.compile(net(), seed=2)
        recording = run(compiled.network, {"in": spikes()})
        # operations are counted by the weights that the chip stores: those of the pass
        lowered = chip.passes[0](net(), 2)[0] if isinstance(chip, Loihi) else net()
        found = event_energy(chip.event_prices(compiled), as_run(recording, lowered))
        assert found.shape == (BATCH,)
        assert float(found.mean()) == pytest.approx(events(chip, compiled, recording), rel=1e-12)
        np.testing.assert_allclose(found, chip.event_prices(compiled).energy(recording))

    def test_of_neurons_far_apart(self) -> None:
        # 1024 neurons fill a core, so spikes travel
        network = Network(
            dt=1e-3,
            populations={
                "in": Population(Input, 4),
                "hid": Population(LIF, 4000),
                "out": Population(LIF, 3000),
            },
            projections={
                "a": Projection("in", "hid", Dense(np.full((4000, 4), 0.6))),
                "b": Projection(
                    "hid",
                    "out",
                    Sparse.from_edges(
                        np.arange(4000), np.arange(4000) % 3000, 0.7, n_pre=4000, n_post=3000
                    ),
                ),
            },
        )
        for preset in ("davies", "nahuku"):
            chip = Loihi(preset)
            compiled = chip.compile(network)
            prices = chip.event_prices(compiled)
            assert len(np.unique(prices.spike["hid"])) > 1, "some spikes travel further"
            recording = run(compiled.network, {"in": spikes(4)})
            found = event_energy(prices, as_run(recording, network)).mean()
            assert float(found) == pytest.approx(events(chip, compiled, recording), rel=1e-12)

    def test_weights_that_a_pass_sets_to_0_take_no_operation(self) -> None:
        network = net()
        module = Module(network, dtype=torch.float64)
        prices = EventPrices("mine", operation={"a": 1.0})
        x = torch.from_numpy(spikes())
        full = float(event_energy(prices, module.run(x)).mean())
        assert full == pytest.approx(spikes().sum() / BATCH * 12)

        def half(network: Network, seed: int) -> tuple[Network, None]:
            weight = np.array(network.projections["a"].topology.weight)
            weight[:6] = 0.0
            return network.with_weights({"a": weight}), None

        instance = Through((half,)).instance(network, 0, "")
        assert float(event_energy(prices, module.run(x, instance=instance)).mean()) == full / 2
        with torch.no_grad():
            module.weights["a"][:, :5] = 0.0
        kept = spikes()[:, :, 5:].sum() / BATCH * 12
        assert float(event_energy(prices, module.run(x)).mean()) == pytest.approx(kept)

    @pytest.mark.parametrize(
        ("topology", "pre", "post"),
        [
            (Dense(draw("d", 5, 8) * (draw("m", 5, 8) > 0)), 8, 5),
            (Sparse.from_matrix(draw("d", 5, 8) * (draw("m", 5, 8) > 0)), 8, 5),
            (OneToOne(np.array([1.0, 0.0, 2.0])), 3, 3),
            (OneToOne(np.asarray(0.5)), 3, 3),
            (Conv(draw("c", 3, 2, 3, 3), padding=1, stride=2), (2, 5, 5), (3, 3, 3)),
            (SumPool(2), (2, 4, 4), (2, 2, 2)),
            (Compose((AvgPool(2), Flatten(), Dense(draw("p", 5, 8)))), (2, 4, 4), 5),
        ],
        ids=["dense", "sparse", "one_to_one", "scalar", "conv", "pool", "composed"],
    )
    def test_operations_of_every_map(self, topology: Topology, pre: Any, post: Any) -> None:
        network = Network(
            dt=1e-3,
            populations={
                "in": Population(Input, pre),
                "mid": Population(LIF, post),
                "out": Population(LIF, 2),
            },
            projections={
                "w": Projection("in", "mid", topology),
                "last": Projection("mid", "out", Dense(np.ones((2, int(np.prod(post)))))),
            },
        )
        shape = (pre,) if isinstance(pre, int) else pre
        x = (stream(9, "test_energy/maps").random((6, 2, *shape)) < 0.5).astype(float)
        recording = run(network, {"in": x}, engine="reference")
        prices = EventPrices("mine", operation={"w": 1.0})
        for ran in (
            Module(network).run(torch.from_numpy(x).float()),
            Module(network).run(torch.from_numpy(x).float(), instance=network),
        ):
            np.testing.assert_allclose(event_energy(prices, ran), recording.operations("w"))


class TestGradient:
    def test_of_a_spike_is_its_price(self) -> None:
        sent = torch.zeros(4, 2, 3, dtype=torch.float64, requires_grad=True)
        ran = replace(as_run_of(sent), is_instance=True)
        prices = EventPrices(
            "mine", spike={"hid": np.array([1.0, 2.0, 3.0])}, operation={"b": 10.0}
        )
        event_energy(prices, ran).sum().backward()
        # source 1 of `b` has one synapse less
        assert sent.grad[0, 0].tolist() == [1 + 20, 2 + 10, 3 + 20]
        assert torch.equal(sent.grad, sent.grad[0, 0].expand_as(sent))

    def test_of_an_active_step_is_shared_by_its_spikes(self) -> None:
        sent = torch.zeros(3, 1, 3, dtype=torch.float64)
        sent[0, 0, 1] = 1.0
        sent[1, 0, :2] = 1.0
        sent.requires_grad_()
        event_energy(
            EventPrices("mine", active_step={"hid": 6.0}), as_run_of(sent)
        ).sum().backward()
        assert sent.grad[:, 0].tolist() == [[0, 6, 0], [3, 3, 0], [2, 2, 2]]

    def test_of_graded_values_counts_what_is_sent(self) -> None:
        sent = torch.tensor([[[0.0, 0.5, -2.0]]], dtype=torch.float64, requires_grad=True)
        energy = event_energy(EventPrices("mine", spike={"hid": 3.0}), as_run_of(sent))
        assert energy.tolist() == [6.0]
        energy.sum().backward()
        assert sent.grad[0, 0].tolist() == [3.0, 6.0, -1.5]
        constant = event_energy(EventPrices("mine", spike={"hid": 3.0}), as_run_of(sent.detach()))
        assert constant.tolist() == [6.0]

    def test_reaches_the_weights(self) -> None:
        module = Module(net(), dtype=torch.float64)
        chip = Loihi()
        term = EnergyRegularizer(chip.event_prices(chip.compile(net())), weight=1e9)
        term(module.run(torch.from_numpy(spikes()))).backward()
        assert module.weights["a"].grad.abs().sum() > 0
        # spikes cost, so less input is better: weights go down
        assert module.weights["a"].grad.mean() > 0


def as_run_of(sent: torch.Tensor) -> Run:
    n = sent.shape[2]
    weight = np.ones((2, n))
    weight[0, 1] = 0.0
    network = Network(
        dt=1e-3,
        populations={"hid": Population(LIF, n), "out": Population(LIF, 2)},
        projections={"b": Projection("hid", "out", Dense(weight))},
    )
    silent = sent.detach().new_zeros((*sent.shape[:2], 2))
    return Run(
        {"hid": sent, "out": silent}, {}, ("out",), ("hid",), ("hid", "out"),
        TorchState(0, {}, {}, {}), network=network,
    )  # fmt: skip


def toy(n: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    generator = stream(9, f"test_energy/{part}")
    labels = generator.integers(0, 3, n)
    rate = 0.1 + 0.4 * (np.arange(9)[None, :] // 3 == labels[:, None])
    return (generator.random((12, n, 9)) < rate).astype(np.float32), labels


class TestTraining:
    def network(self) -> Network:
        return chain(
            source(9), dense(24, gain=3.0), neurons(LIF, tau_m=10e-3), dense(3, gain=2.0),
            neurons(LIF, tau_m=10e-3), dt=1e-3, seed=4,
        )  # fmt: skip

    def test_lowers_the_joules_of_the_chip_and_says_them(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        chip, network = Loihi(), self.network()
        prices = chip.event_prices(chip.compile(network))
        measure = EnergyMeasure(prices, name="energy on loihi")

        def train(weight: float) -> Any:
            return fit(
                network,
                (toy(120, "train"), toy(60, "validation")),
                epochs=6,
                batch=20,
                optimizer=AdamW(lr=0.02),
                loss=CountCrossEntropy(gain=0.5),
                regularizers=(EnergyRegularizer(prices, weight),),
                measures=(measure,),
                progress=bool(weight),
            )

        free, frugal = train(0.0), train(3e8)
        shown = [e.measures["energy on loihi"] for e in frugal.history]
        assert "energy on loihi" in capsys.readouterr().err
        x, _ = toy(60, "validation")
        joules = []
        for done in (free, frugal):
            compiled = chip.compile(done.network)
            recording = run(compiled.network, {compiled.network.inputs[0]: x})
            joules.append(events(chip, compiled, recording))
        # updates, and what inputs bring, are the same for both
        inputs = recording.operations("input->hidden1").mean() * prices.operation["input->hidden1"]
        floor = prices.step * 12 + inputs
        assert joules[1] - floor < 0.7 * (joules[0] - floor), (joules, floor)
        assert frugal.history[-1].validation_accuracy >= 0.9
        # what is shown is what the chip's costs say, but for what rounding of weights changes
        assert shown[frugal.best] == pytest.approx(joules[1], rel=0.05)
        assert shown[-1] < shown[0]


class TestMessages:
    def test_prices_of_another_network_stop_before_the_first_step(self) -> None:
        prices = EventPrices(
            "mine", spike={"hidden1": np.ones(5), "elsewhere": 1.0}, operation={"nowhere": 1.0}
        )
        with pytest.raises(TrainError) as caught:
            fit(
                TestTraining().network(),
                (toy(6, "train"), None),
                regularizers=(EnergyRegularizer(prices),),
                progress=False,
            )
        cure = " — make the prices for this network: chip.event_prices(chip.compile(network))"
        assert str(caught.value).splitlines() == [
            "3 problems",
            "  1. energy of mine: population 'hidden1': has prices for another number of neurons; found 5, expected 24"
            + cure,
            f"  2. energy of mine: has a price for 'elsewhere', which is no population{cure}",
            f"  3. energy of mine: has a price for 'nowhere', which is no projection{cure}",
        ]

    def test_a_run_without_its_network(self) -> None:
        ran = replace(as_run_of(torch.zeros(1, 1, 3)), network=None)
        with pytest.raises(
            TrainError, match="energy: the run does not say which network ran — use Mo"
        ):
            event_energy(EventPrices("mine"), ran)

    @pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
    def test_a_weight(self, weight: float) -> None:
        with pytest.raises(
            TrainError, match=r"EnergyRegularizer\.weight: not a loss per joule; fo"
        ):
            EnergyRegularizer(EventPrices("mine"), weight)


def test_potentials_are_no_spikes_but_count_where_they_are_sent() -> None:
    network = chain(source(9), dense(3), neurons(LI), dt=1e-3, seed=4)
    module = Module(network)
    ran = module.run(torch.from_numpy(toy(5, "train")[0]))
    prices = EventPrices("mine", spike={"output": 1.0})
    recording = run(network, {"input": toy(5, "train")[0]})
    np.testing.assert_allclose(event_energy(prices, ran).detach(), prices.energy(recording))
