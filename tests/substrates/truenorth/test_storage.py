"""Linear-leak form, trinary weights and blocks: nearest, fixed, repeatable, and exact against the integers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import (
    IF,
    LIF,
    Conv,
    CubaLIF,
    Dense,
    Input,
    Network,
    Population,
    Projection,
    Sparse,
)
from spikewright.network.drive import PoissonDrive
from spikewright.network.model import Reset
from spikewright.rng import stream
from spikewright.substrates.truenorth.adapt import adapt
from spikewright.substrates.truenorth.model import LinearLeak, LinearLeakSubtract
from spikewright.substrates.truenorth.storage import SOURCES, Trinary, nearest
from spikewright.substrates.truenorth.substrate import TrueNorth

ENGINE = "reference"
"""Small networks run there at once; compiled engines are bit-equal, see the contract."""


def layered(weights: np.ndarray, model=LIF, bias=None, **params: float) -> Network:
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, weights.shape[1]),
            "out": Population(model, weights.shape[0], params),
        },
        projections={"w": Projection("in", "out", Dense(weights), bias=bias)},
    )


def drawn(n_post: int, n_pre: int) -> np.ndarray:
    return stream(4, "truenorth/storage").normal(0.02, 0.3, (n_post, n_pre))


@given(st.lists(st.floats(-4, 4, allow_nan=False, width=32), min_size=1, max_size=5))
def test_trinary_weights_are_the_nearest(values: list[float]) -> None:
    w = np.array(values)
    s, least = nearest(np.zeros(len(w), np.int64), w, 1)
    kept = np.where((np.abs(w) >= least[0]) & (w != 0), np.sign(w) * s[0], 0.0)
    error = np.sum((w - kept) ** 2)
    for signs in product((-1, 0, 1), repeat=len(w)):
        t = np.array(signs)
        if np.any(t):
            best = max(float(w @ t) / float(t @ t), 0.0)
            assert error <= np.sum((w - best * t) ** 2) + 1e-9 * (1 + np.sum(w**2))


def test_rows_are_their_own_and_empty_rows_stay_silent() -> None:
    row = np.array([2, 0, 2, 0])
    s, least = nearest(row, np.array([3.0, 1.0, -3.0, 0.1]), 4)
    assert s.tolist() == [1.0, 0.0, 3.0, 0.0]
    assert least[[0, 2]].tolist() == [1.0, 3.0]
    assert np.isinf(least[[1, 3]]).all()


def test_adapted_neurons_leak_what_the_linear_one_loses_at_half_the_threshold() -> None:
    made = TrueNorth().adapted(layered(drawn(3, 5), tau_m=10e-3, v_th=2.0, v_rest=0.5, v_reset=0.5))
    p = made.populations["out"]
    assert p.model == LinearLeak
    assert p.param("v_th") == pytest.approx(1.5)
    assert p.param("leak") == pytest.approx(0.75 * (1 - np.exp(-0.1)))
    assert p.param("v_min") == pytest.approx(-1.5)
    assert TrueNorth().adapted(made) is made


def test_neurons_without_leak_and_with_bias_lose_nothing() -> None:
    subtract = IF.resetting(Reset.SUBTRACT)
    p = adapt(layered(drawn(3, 5), subtract))[0].populations["out"]
    assert p.model == LinearLeakSubtract
    assert p.param("leak") == 0
    biased, changes = adapt(layered(drawn(3, 5), bias=np.full(3, 0.01)))
    assert biased.populations["out"].param("leak") == 0
    assert "one register holds either a leak or a bias" in str(changes[0])


def test_a_pass_twice_is_a_pass_once() -> None:
    once, _ = Trinary()(adapt(layered(drawn(6, 200)))[0], 0)
    twice, changes = Trinary()(once, 0)
    np.testing.assert_allclose(
        twice.projections["w"].topology.weight, once.projections["w"].topology.weight, rtol=1e-12
    )
    for name in ("v_th", "leak", "v_min"):
        np.testing.assert_allclose(
            twice.populations["out"].param(name), once.populations["out"].param(name), rtol=1e-12
        )
    assert all(c.size < 1e-9 for c in changes if c.by == "trinary")


def test_each_neuron_sees_one_block_and_every_source_is_seen() -> None:
    made, changes = Trinary()(adapt(layered(drawn(6, 300)))[0], 0)
    seen = made.projections["w"].topology.weight != 0
    assert np.all((drawn(6, 300) != 0).sum(axis=1) == 300)
    assert seen.sum(axis=1).max() <= SOURCES
    which = [set(np.flatnonzero(row) % 3) for row in seen]
    assert which == [{0}, {0}, {1}, {1}, {2}, {2}]
    assert "one of 3 interleaved blocks" in next(c.what for c in changes if c.by == "blocks")


@pytest.mark.parametrize(
    ("model", "bias"),
    [(LIF, None), (LIF, 0.03), (IF.resetting(Reset.SUBTRACT), None), (LIF.resetting(Reset.SUBTRACT), -0.02)],
    ids=["leak", "bias", "subtract", "subtract with bias"],
)  # fmt: skip
def test_the_float_network_behind_the_pass_spikes_as_the_integers(model, bias) -> None:
    n = 24
    given_bias = None if bias is None else np.full(n, bias)
    network = adapt(layered(drawn(n, 40), model, given_bias))[0]
    inputs = {"in": (stream(5, "truenorth/in").random((80, 2, 40)) < 0.2).astype(np.int64)}
    chip = TrueNorth()
    passed, _ = chip.run_passes(network, chip.passes, 0)
    expected = run(passed, {"in": inputs["in"].astype(float)}, engine=ENGINE).dense("out")
    found = run(chip.compile(network).network, inputs, engine=ENGINE).dense("out")
    assert expected.sum() > 100
    np.testing.assert_array_equal(found, expected)


def test_shared_weights_become_trinary_as_one() -> None:
    kernel = stream(6, "truenorth/kernel").normal(0, 0.5, (2, 1, 3, 3))
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, (1, 6, 6)), "out": Population(LIF, (2, 4, 4))},
        projections={"w": Projection("in", "out", Conv(kernel))},
    )
    made, _ = Trinary()(adapt(network)[0], 0)
    new = made.projections["w"].topology.weight
    assert new.shape == kernel.shape
    assert len(np.unique(np.abs(new))) == 2
    compiled = TrueNorth().compile(network)
    x = (stream(7, "truenorth/conv").random((40, 1, 1, 6, 6)) < 0.4).astype(np.int64)
    expected = run(made, {"in": x.astype(float)}, engine=ENGINE).dense("out")
    found = run(compiled.network, {"in": x}, engine=ENGINE).dense("out")
    np.testing.assert_array_equal(found, expected)
    assert expected.sum() > 10


def test_a_few_sources_of_many_need_no_block() -> None:
    source = np.arange(1000)
    sparse = Sparse.from_edges(source, source % 10, np.ones(1000), n_pre=1000, n_post=10)
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 1000), "out": Population(LIF, 10)},
        projections={"w": Projection("in", "out", sparse)},
    )
    made, changes = Trinary()(adapt(network)[0], 0)
    assert not [c for c in changes if c.by == "blocks"]
    np.testing.assert_allclose(made.projections["w"].topology.weight, 1.0, rtol=1e-2)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (layered(drawn(2, 3), CubaLIF), "no synaptic current or second variable; found i, v"),
        (layered(drawn(2, 3), t_ref=3e-3), "no refractory period; found 0.003 s"),
        (layered(drawn(2, 3), v_reset=0.5), "resets to rest; found 0.5 V from it"),
        (layered(drawn(2, 3), v_th=-0.5), "the threshold must lie above rest"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(network: Network, message: str) -> None:
    with pytest.raises(SubstrateError) as error:
        TrueNorth().compile(network)
    assert "population 'out'" in str(error.value)
    assert message in str(error.value)


def test_drives_are_refused() -> None:
    network = layered(drawn(2, 3)).replacing(drives={"d": PoissonDrive("out", 10.0, 0.1)})
    with pytest.raises(SubstrateError, match="drive 'd': nothing drives 'out' on the chip"):
        TrueNorth().compile(network)


def test_too_many_sources_are_refused() -> None:
    with pytest.raises(LimitError, match=r"population 'out': exceeds fan_in.*found 400 sources"):
        TrueNorth().compile(layered(drawn(3, 400)))
    kernel = np.ones((1, 20, 3, 3))
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, (20, 5, 5)), "out": Population(LIF, (1, 3, 3))},
        projections={"w": Projection("in", "out", Conv(kernel))},
    )
    with pytest.raises(LimitError, match="projection 'w': exceeds fan_in, and shares its weights"):
        TrueNorth().compile(network)
