from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spikewright.errors import SubstrateError
from spikewright.network import (
    LIF,
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
)
from spikewright.substrates.passes.quantize import (
    Quantize,
    map_weights,
    relative_error,
    round_to_levels,
    weights_of,
)

weights = hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e3, 1e3, width=32))


def network(topology: Topology, pre: object = 3, post: object = 4) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, pre), "out": Population(LIF, post)},
        projections={"w": Projection("in", "out", topology)},
    )


def test_levels_by_hand() -> None:
    found = round_to_levels(np.array([1.0, 0.5, 0.49, -0.17, 0.16, 0.0]), 3)
    np.testing.assert_allclose(found, [1, 2 / 3, 1 / 3, -1 / 3, 0, 0])
    assert not round_to_levels(np.zeros(3), 7).any()


def test_half_steps_round_to_even() -> None:
    found = round_to_levels(np.array([4.0, 0.5, 1.5, 2.5, -0.5, -1.5]), 4)
    assert found.tolist() == [4, 0, 2, 2, 0, -2]


def test_relative_error_is_rms_over_rms() -> None:
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 3.0])) == pytest.approx(
        (0.5 / 9) ** 0.5
    )
    assert relative_error(np.zeros(0), np.zeros(0)) == 0
    assert relative_error(np.ones(2), np.zeros(2)) == 0


@given(weights, st.integers(2, 12))
def test_the_error_stays_within_half_a_step(w: np.ndarray, bits: int) -> None:
    levels = 2 ** (bits - 1) - 1
    step = np.abs(w).max() / levels
    found = round_to_levels(w, levels)
    assert np.all(np.abs(found - w) <= step / 2 * (1 + 1e-9))
    assert len(np.unique(np.abs(found))) <= levels + 1


@given(weights, st.integers(2, 15))
def test_more_bits_never_widen_the_error_bound(w: np.ndarray, bits: int) -> None:
    bounds = [np.abs(w).max() / (2 ** (b - 1) - 1) / 2 for b in (bits, bits + 1)]
    errors = [np.abs(round_to_levels(w, 2 ** (b - 1) - 1) - w).max() for b in (bits, bits + 1)]
    assert bounds[1] <= bounds[0]
    assert all(e <= b * (1 + 1e-9) for e, b in zip(errors, bounds, strict=True))


@given(weights)
def test_rounding_twice_is_rounding_once(w: np.ndarray) -> None:
    once, _ = Quantize(5)(network(Dense(w)), 0)
    twice, _ = Quantize(5)(once, 0)
    np.testing.assert_allclose(
        twice.projections["w"].topology.weight, once.projections["w"].topology.weight, rtol=1e-12
    )


def test_weights_that_already_fit_stay_themselves() -> None:
    source = network(Dense(np.arange(-6.0, 6.0).reshape(4, 3) / 4 * 1))
    exact = network(Dense(np.array([[7.0, -7.0, 1.0]] * 4)))
    assert Quantize(4)(exact, 0) == (exact, ())
    _, changes = Quantize(3)(source, 0)
    assert changes[0].where == "w"
    assert changes[0].size
    assert changes[0].size > 0


@pytest.mark.parametrize(
    ("topology", "pre", "post"),
    [
        (Conv(np.random.default_rng(0).normal(size=(2, 1, 3, 3))), (1, 4, 4), (2, 2, 2)),
        (Sparse.from_matrix(np.random.default_rng(0).normal(size=(4, 3))), 3, 4),
        (OneToOne(np.array([0.3, 0.7, -1.0])), 3, 3),
        (
            Compose((SumPool(2), Flatten(), Dense(np.random.default_rng(0).normal(size=(4, 4))))),
            (1, 4, 4),
            4,
        ),
        (
            Compose(
                (
                    Dense(np.random.default_rng(0).normal(size=(5, 3))),
                    Dense(np.random.default_rng(1).normal(size=(4, 5))),
                )
            ),
            3,
            4,
        ),
    ],
)
def test_every_map_with_weights_is_rounded(topology: Topology, pre: object, post: object) -> None:
    found, changes = Quantize(3)(network(topology, pre, post), 0)
    old, new = weights_of(topology), weights_of(found.projections["w"].topology)
    assert [w.shape for w in old] == [w.shape for w in new]
    for a, b in zip(old, new, strict=True):
        np.testing.assert_array_equal(b, round_to_levels(a, 3))
    assert len(changes) == 1


def test_maps_without_weights_stay_themselves() -> None:
    source = network(SumPool(2), (1, 4, 4), (1, 2, 2))
    assert Quantize(2)(source, 0) == (source, ())
    assert weights_of(SumPool(2)) == []


def test_map_weights_numbers_the_parts() -> None:
    parts = Compose((Dense(np.ones((2, 2))), Compose((Flatten(), Dense(np.ones((3, 2)))))))
    seen = []
    map_weights(parts, lambda w, number: (seen.append((number, w.shape)), w)[1])
    assert seen == [(0, (2, 2)), (1, (3, 2))]


@pytest.mark.parametrize("bits", [1, 0, 2.5])
def test_too_few_bits_are_refused(bits: float) -> None:
    with pytest.raises(SubstrateError) as caught:
        Quantize(bits)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"quantize: bits: not possible; found {bits}, expected a whole number >= 2"
    )
