"""Training through hardware: what is drawn when, what the gradient is, which chip it is for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.engines import run
from spikewright.errors import SubstrateError, TrainError
from spikewright.network import LIF, AdEx, Network, chain, dense, neurons, source
from spikewright.rng import stream
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.passes.quantize import Quantize
from spikewright.substrates.passes.vary import Vary
from spikewright.substrates.pcm.crossbar import ProgramDevices
from spikewright.substrates.pcm.substrate import Pcm
from spikewright.train import AdamW, CountCrossEntropy, Module, Redraw, Through, Trained, fit

CLASSES = 4


def toy(n: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes of 8 addresses; each class has its own pattern of rates, close to those of the others."""
    draw = stream(3, f"test_hardware/{part}")
    labels = draw.integers(0, CLASSES, n)
    pattern = stream(3, "test_hardware/pattern").random((CLASSES, 8)) * 0.5
    return (draw.random((15, n, 8)) < pattern[labels]).astype(np.float32), labels


DATA = (toy(160, "train"), toy(80, "validation"))
TEST = toy(200, "test")


def net(model: Any = LIF) -> Network:
    return chain(
        source(8), dense(16, gain=2.0), neurons(model, tau_m=10e-3), dense(CLASSES, gain=2.0),
        neurons(LIF, tau_m=10e-3), dt=1e-3, seed=2,
    )  # fmt: skip


def train(**changes: Any) -> Trained:
    how: dict[str, Any] = {
        "epochs": 2,
        "batch": 32,
        "seed": 3,
        "optimizer": AdamW(lr=0.02),
        "loss": CountCrossEntropy(gain=0.5),
        "progress": False,
    }
    return fit(net(), DATA, **(how | changes))


def weights(network: Network) -> list[np.ndarray]:
    return [np.asarray(p.topology.weight) for p in network.projections.values()]


def on_chip(network: Network) -> float:
    """Return the accuracy on the test part, of a network that was compiled."""
    x, labels = TEST
    recording = run(network, {network.inputs[0]: x})
    counts = recording.sent[network.outputs[0]]
    return float(np.mean(counts.argmax(1) == labels))


class Seeds:
    """A pass that changes nothing and notes its seeds."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, network: Network, seed: int) -> tuple[Network, None]:
        self.seen.append(seed)
        return network, None


class TestRedraw:
    def test_per_batch_is_what_a_plain_sequence_means(self) -> None:
        noise = Vary(weights=0.2)
        plain, said = train(through=(noise,)), train(through=Through((noise,)))
        for a, b in zip(weights(plain.network), weights(said.network), strict=True):
            np.testing.assert_array_equal(a, b)
        assert plain.fingerprint == said.fingerprint

    def test_every_batch_has_seeds_of_its_own(self) -> None:
        first, second = Seeds(), Seeds()
        train(through=(first, second))
        # 2 epochs of 5 batches and a validation
        assert len(first.seen) == 12
        assert len({*first.seen, *second.seen}) == 24

    def test_once_gives_every_pass_the_chip(self) -> None:
        first, second = Seeds(), Seeds()
        train(through=Through((first, second), redraw=Redraw.ONCE, chip=7))
        assert set(first.seen) == set(second.seen) == {7}
        assert len(first.seen) == 12

    def test_mismatch_of_parameters_reaches_the_run(self) -> None:
        network = net()
        x = torch.from_numpy(DATA[0][0]).double()
        module = Module(network, dtype=torch.float64)
        through = Through((Vary({"tau_m": 0.3, "v_th": 0.2}),), redraw=Redraw.ONCE, chip=1)
        instance = through.instance(network, 0, "")
        got = module.run(x, instance=instance).output
        assert torch.equal(got, Module(instance, dtype=torch.float64).run(x).output)
        assert not torch.equal(got, module.run(x).output)

    def test_no_passes_no_instance(self) -> None:
        assert Through(()).instance(net(), 0, "0/0") is None


class TestChips:
    def test_one_chip_in_the_loop_is_the_chip_that_is_compiled(self) -> None:
        chip, network = Pcm(levels=4), net()
        aged = ProgramDevices(chip.devices, chip.time, chip.compensation, chip.levels)
        through = Through((aged,), redraw=Redraw.ONCE, chip=11)
        seen = through.instance(network, 0, "any")
        compiled = chip.compile(network, seed=11).network
        for name, p in network.projections.items():
            analog = compiled.projections[f"{name}.tile0"].topology.weight
            factor = compiled.projections[name].topology.weight
            np.testing.assert_allclose(
                seen.projections[name].topology.weight, analog * factor, rtol=1e-12
            )
            assert not np.allclose(seen.projections[name].topology.weight, p.topology.weight)

    @pytest.mark.parametrize("bits", [2, 3, 5, 8])
    def test_weights_of_any_bits_run_forward_and_the_trained_ones_stay_fine(
        self, bits: int
    ) -> None:
        network = net()
        instance = Through((Quantize(bits),)).instance(network, 0, "")
        for weight, fine in zip(weights(instance), weights(network), strict=True):
            assert len(np.unique(weight)) <= 2**bits - 1
            assert len(np.unique(fine)) == fine.size

    def test_training_through_a_coarse_chip_beats_compiling_after(self) -> None:
        chip = Loihi(weight_bits=2)
        plain = train(epochs=12)
        aware = train(epochs=12, through=chip.passes)
        before = on_chip(chip.compile(plain.network, seed=5).network)
        after = on_chip(chip.compile(aware.network, seed=5).network)
        assert after >= before + 0.1, (before, after)

    def test_a_network_that_the_chip_cannot_hold_stops_before_the_first_step(self) -> None:
        network = chain(
            source(8), dense(3), neurons(AdEx), dense(CLASSES), neurons(LIF), dt=1e-4, seed=1
        )
        with pytest.raises(SubstrateError, match=r"loihi: population 'hidden1' \(AdEx\)"):
            fit(network, DATA, through=Loihi().passes, epochs=1, progress=False)


class TestClip:
    def gradients(self, clip: tuple[float, float] | None) -> dict[str, torch.Tensor]:
        network = net()
        module = Module(network, dtype=torch.float64)
        instance = Through((Quantize(3),)).instance(network, 0, "")
        x = torch.from_numpy(DATA[0][0]).double()
        run = module.run(x, instance=instance, clip=clip)
        CountCrossEntropy()(run, torch.from_numpy(DATA[0][1])).backward()
        return {n: p.grad for n, p in module.weights.items()}

    def test_no_gradient_outside_and_the_same_inside(self) -> None:
        whole, cut = self.gradients(None), self.gradients((-0.1, 0.3))
        network, units = net(), Module(net()).units
        inside_all = []
        for name, p in network.projections.items():
            # the range is in the unit of the weights, gradients are of natural units
            assert units[name] > 0
            weight = torch.tensor(np.array(p.topology.weight))
            inside = (weight >= -0.1) & (weight <= 0.3)
            assert torch.equal(cut[name], whole[name] * inside)
            inside_all.append(inside)
            assert whole[name].abs().sum() > 0
        share = torch.cat([i.flatten() for i in inside_all]).double().mean()
        assert 0.1 < share < 0.9

    def test_a_range_around_all_weights_changes_nothing(self) -> None:
        whole, wide = self.gradients(None), self.gradients((-np.inf, 100.0))
        for name, gradient in whole.items():
            assert torch.equal(gradient, wide[name])

    def test_weights_outside_are_not_moved_by_fit(self) -> None:
        through = Through((Quantize(4),), clip=(-0.05, 0.05))
        optimizer = AdamW(lr=0.02, weight_decay=0.0)
        done = train(through=through, optimizer=optimizer, epochs=1)
        for before, after in zip(weights(net()), weights(done.network), strict=True):
            outside = np.abs(before) > 0.05
            np.testing.assert_allclose(after[outside], before[outside], rtol=1e-6)
            assert np.any(np.abs(after - before)[~outside] > 1e-3)

    def test_it_is_part_of_what_identifies_a_training(self) -> None:
        base = Through((Quantize(4),))
        prints = {
            train(through=t, epochs=1).fingerprint
            for t in (base, replace(base, clip=(-1.0, 1.0)), replace(base, redraw=Redraw.ONCE))
        }
        assert len(prints) == 3


class TestMessages:
    def test_all_that_is_wrong_is_listed(self) -> None:
        with pytest.raises(TrainError) as caught:
            Through((3,), redraw="once", clip=(1.0, 0.0))  # type: ignore[arg-type]
        assert str(caught.value).splitlines() == [
            "3 problems",
            "  1. through: pass 0: is not a pass; found 3, expected a function (network, seed) -> (network, changes)",
            "  2. through: redraw: no such value; found 'once', expected Redraw.PER_BATCH, Redraw.ONCE",
            "  3. through: clip: not a range; found (1.0, 0.0), expected (low, high)",
        ]

    def test_a_chip_without_once(self) -> None:
        with pytest.raises(
            TrainError,
            match=r"through: chip: is the seed of one chip, and passes are drawn for every batch; found 7 — say redraw",
        ):
            Through((Quantize(3),), chip=7)

    def test_a_range_that_is_none(self) -> None:
        with pytest.raises(TrainError, match="through: clip: not a range"):
            Through((), clip=(float("nan"), 1.0))
