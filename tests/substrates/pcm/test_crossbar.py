"""Weights on device pairs: what is kept, what is lost, what compensation gives back."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import SubstrateError
from spikewright.network import (
    LIF,
    AvgPool,
    Conv,
    Dense,
    Input,
    Network,
    OneToOne,
    Population,
    Projection,
)
from spikewright.substrates.pcm.crossbar import ProgramDevices, is_analog, program
from spikewright.substrates.pcm.devices import PcmLike
from spikewright.substrates.pcm.substrate import Pcm

QUIET = PcmLike(programming_scale=0.0, drift_scale=0.0, read_scale=0.0)
YEAR = 3.156e7


def weights(shape: tuple[int, ...] = (40, 60), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.3, shape)


def net(weight: np.ndarray) -> Network:
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, weight.shape[1]),
            "out": Population(LIF, weight.shape[0]),
        },
        projections={"w": Projection("in", "out", Dense(weight))},
    )


def test_without_noise_and_drift_weights_are_kept() -> None:
    w = weights()
    made = program(w, QUIET, YEAR, 0, "w")
    np.testing.assert_allclose(made.weight, w, rtol=1e-12, atol=1e-15)
    assert made.compensation == pytest.approx(1.0)


def test_zero_weights_stay_finite() -> None:
    made = program(np.zeros((3, 4)), PcmLike(), 0.0, 0, "w")
    assert np.all(made.weight == 0.0)
    assert made.compensation == 1.0


def test_one_seed_is_one_chip_and_names_are_independent() -> None:
    w = weights()
    first = program(w, PcmLike(), 1.0, 7, "a").weight
    assert np.array_equal(first, program(w, PcmLike(), 1.0, 7, "a").weight)
    assert not np.array_equal(first, program(w, PcmLike(), 1.0, 8, "a").weight)
    assert not np.array_equal(first, program(w, PcmLike(), 1.0, 7, "b").weight)


def test_drift_shrinks_weights_and_compensation_restores_their_mean() -> None:
    w = weights((200, 200))
    made = program(w, PcmLike(), YEAR, 0, "w")
    assert np.abs(made.weight).mean() < 0.6 * np.abs(made.early).mean()
    restored = np.abs(made.weight * made.compensation).mean()
    assert restored == pytest.approx(np.abs(made.early).mean(), rel=1e-9)


def test_programming_error_has_the_size_of_the_published_fit() -> None:
    # at half of g_max both devices of a pair scatter: one at r = 1/2, one at r = 0 where negative values are cut
    devices = PcmLike(read_scale=0.0, drift_scale=0.0)
    w = np.full((400, 400), 0.5)
    w[0, 0] = 1.0
    made = program(w, devices, 0.0, 0, "w")
    sigma_half = float(devices.programming_sigma(0.5 * devices.g_max)) / devices.g_max
    sigma_zero = float(devices.programming_sigma(0.0)) / devices.g_max
    # variance of max(z, 0) for a standard normal z is 1/2 - 1/(2 pi)
    expected = np.sqrt(sigma_half**2 + sigma_zero**2 * (0.5 - 0.5 / np.pi))
    assert np.std(made.weight[1:]) == pytest.approx(expected, rel=0.01)


def test_the_pass_keeps_the_structure_and_says_what_it_did() -> None:
    network = net(weights())
    made, changes = ProgramDevices()(network, 3)
    assert set(made.projections) == set(network.projections)
    assert made.projections["w"].topology.weight.shape == (40, 60)
    assert [c.where for c in changes] == ["w"]
    assert 0.0 < changes[0].size < 0.5


def test_levels_are_evenly_spaced_conductances() -> None:
    w = np.array([[1.0, 0.8, 0.4, 0.1, -0.2, -0.6]])
    made = program(w, QUIET, YEAR, 0, "w", levels=4)
    np.testing.assert_allclose(made.weight, np.array([[3, 2, 1, 0, -1, -2]]) / 3, atol=1e-12)
    many = program(np.clip(weights(), -0.6, 0.6), QUIET, 0.0, 0, "w", levels=4).weight
    assert len(np.unique(np.round(many, 9))) == 7
    fine = program(weights(), QUIET, 0.0, 0, "w", levels=4096).weight
    np.testing.assert_allclose(fine, weights(), atol=np.abs(weights()).max() / 4095)


def test_levels_change_the_targets_and_not_the_draws() -> None:
    w = np.array([[1.0, -1.0, 0.0, 0.0]])
    for time in (0.0, YEAR):
        free, coarse = (program(w, PcmLike(), time, 3, "w", levels=n) for n in (None, 4))
        np.testing.assert_array_equal(free.weight, coarse.weight)


def test_the_pass_programs_what_the_chip_programs() -> None:
    network = net(weights())
    chip = Pcm(levels=3, time=0.0, compensation=False)
    made, _ = chip.passes[0](network, 5)
    compiled = chip.compile(network, seed=5).network
    analog = compiled.projections["w.tile0"].topology.weight
    np.testing.assert_allclose(
        made.projections["w"].topology.weight,
        analog * compiled.projections["w"].topology.weight,
        rtol=1e-12,
    )


@pytest.mark.parametrize("levels", [1, 2.5])
def test_levels_that_cannot_be(levels: float) -> None:
    for make in (Pcm, ProgramDevices):
        with pytest.raises(
            SubstrateError, match=r"pcm: levels: not possible; found .*, expected a who"
        ):
            make(levels=levels)


def test_what_lies_on_a_crossbar() -> None:
    assert is_analog(Dense(np.ones((2, 2))))
    assert is_analog(Conv(np.ones((1, 1, 3, 3))))
    assert not is_analog(OneToOne(2.0))
    assert not is_analog(AvgPool(2))
