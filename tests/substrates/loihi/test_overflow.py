from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import SubstrateError
from spikewright.network import LIF, Dense, Input, Network, NeuronModel, Population, Projection
from spikewright.rng import stream
from spikewright.substrates.loihi.model import (
    Arithmetic,
    LoihiChipLIF,
    LoihiInput,
    LoihiLIF,
    LoihiResettingLIF,
)
from spikewright.substrates.loihi.overflow import counting, overflows
from spikewright.substrates.loihi.substrate import Loihi

STEPS, N_IN, N = 60, 40, 9


def written(model: NeuronModel, weight: int, **params: Any) -> Network:
    w = stream(1, "overflow").integers(-weight, weight, (N, N_IN))
    return Network(
        dt=1e-3,
        populations={"in": Population(LoihiInput, N_IN), "p": Population(model, N, params)},
        projections={"w": Projection("in", "p", Dense(w), port="a")},
    )


def entering() -> dict[str, np.ndarray]:
    return {"in": stream(2, "overflow").integers(0, 2, (STEPS, 2, N_IN))}


def in_wide_registers(
    network: Network, half: int, shift: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sums of every step, (T, B, N), computed from what the neurons held before it."""
    found = run(network, entering(), record={"p": ["u", "v", "output"]})
    u, v, fired = (found.trace("p", x) for x in ("u", "v", "output"))
    p = network.populations["p"]
    before = np.concatenate([np.zeros((1, *u.shape[1:]), int), u[:-1]])
    a = entering()["in"] @ np.asarray(network.projections["w"].topology.weight).T
    taken = (a + half) % (2 * half) - half if half else a
    kept = np.sign(before) * (np.abs(before) * (4095 - int(p.param("du"))) >> 12)
    held = np.concatenate([np.zeros((1, *v.shape[1:]), int), v[:-1]])
    held = np.sign(held) * (np.abs(held) * (4096 - int(p.param("dv"))) >> 12)
    assert fired.any()
    # what was held is what these sums leave, so that they are the sums
    assert np.all((u - kept - (taken << shift)) % 2**24 == 0)
    return a, kept + (taken << shift), held + u + int(p.param("bias"))


def test_lava_counts_what_its_registers_lose() -> None:
    network = written(LoihiLIF, 3000, du=100, dv=10, v_th=2**22, bias=5)
    _, u, v = in_wide_registers(network, 0, 6)
    half = 2**23
    u_lost, v_lost = (u > half) | (u <= -half), np.abs(v) > half - 1
    assert 0 < u_lost.sum() < u.size
    found = {o.register: o for o in overflows(network, entering())}
    assert found["u"].count == u_lost.sum()
    assert found["u"].neurons == u_lost.any(axis=(0, 1)).sum()
    assert found["u"].largest == np.abs(u).max()
    assert found["v"].count == v_lost.sum() > 0


def test_chip_counts_the_summed_input_too() -> None:
    network = written(LoihiChipLIF, 400_000, du=100, dv=10, v_th=2**22)
    a, u, _ = in_wide_registers(network, 2**21, 0)
    found = {o.register: o for o in overflows(network, entering())}
    assert found["summed input"].count == np.count_nonzero((a < -(2**21)) | (a >= 2**21)) > 0
    assert found["u"].count == np.count_nonzero((u < -(2**23)) | (u >= 2**23)) > 0
    assert found["v"].count > 0
    assert found["summed input"].wraps
    assert not found["v"].wraps


@pytest.mark.parametrize("model", [LoihiLIF, LoihiChipLIF, LoihiResettingLIF])
def test_twins_compute_the_same_integers(model: NeuronModel) -> None:
    extra = {"interval": 7, "offset": 3} if model is LoihiResettingLIF else {}
    if model is LoihiChipLIF:
        extra = {"refract": 4, "v_min": -(2**20)}
    network = written(model, 90_000, du=100, dv=10, v_th=2**21, bias=7, **extra)
    p = network.populations["p"]
    twin = network.replacing(
        populations={**network.populations, "p": Population(counting(model), N, dict(p.params))}
    )
    one, other = (run(n, entering(), record={"p": ["u", "v"]}) for n in (network, twin))
    assert one.sent["p"].sum() > 0
    for name in ("u", "v"):
        assert np.array_equal(one.trace("p", name), other.trace("p", name))


def test_messages_name_population_register_count_and_cure() -> None:
    found = overflows(written(LoihiLIF, 3000, du=100, dv=10, v_th=2**22), entering())
    text = str(next(o for o in found if o.register == "u"))
    assert text.startswith("loihi: population 'p': u wrapped ")
    assert "times in" in text
    assert "8388608 at most" in text
    assert "use smaller weights" in text


def test_small_and_compiled_networks_lose_nothing() -> None:
    assert overflows(written(LoihiLIF, 20, du=100, dv=10, v_th=2**22), entering()) == ()
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(LIF, 2)},
        projections={"w": Projection("in", "out", Dense(np.full((2, 3), 0.5)))},
    )
    compiled = Loihi().compile(network)
    assert overflows(compiled.network, {"in": np.ones((50, 1, 3), int)}) == ()


def test_networks_without_its_neurons_are_refused() -> None:
    network = Network(dt=1e-3, populations={"out": Population(LIF, 2)}, projections={})
    with pytest.raises(SubstrateError, match="no neurons whose registers are counted"):
        overflows(network, steps=5)


@pytest.mark.parametrize("arithmetic", list(Arithmetic), ids=lambda a: a.value)
def test_inputs_that_send_more_have_a_smaller_scale_and_still_lose_nothing(
    arithmetic: Arithmetic,
) -> None:
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 40), "out": Population(LIF, 2, {"v_th": 0.01})},
        projections={"w": Projection("in", "out", Dense(np.full((2, 40), 0.8)))},
    )
    one, many = (Loihi(arithmetic=arithmetic, input_max=m).compile(network) for m in (1, 900))
    assert many.facts["scale"]["out"] < one.facts["scale"]["out"]
    x = {"in": np.full((30, 1, 40), 900)}
    assert overflows(one.network, x) != ()
    assert overflows(many.network, x) == ()
