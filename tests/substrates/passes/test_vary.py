from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.network import LIF, Compose, Dense, Input, Network, Population, Projection
from spikewright.substrates.passes.quantize import weights_of
from spikewright.substrates.passes.vary import Vary


def network(n: int = 400, **more: Population) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 5), "a": Population(LIF, n, {"tau_m": 10e-3}), **more},
        projections={"w": Projection("in", "a", Dense(np.full((n, 5), 2.0)))},
        outputs=("a",),
    )


def weight(net: Network, name: str = "w") -> np.ndarray:
    return np.asarray(net.projections[name].topology.weight)


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_zero_spread_is_the_identity(seed: int, trial_seed: int) -> None:
    source = network(3)
    found = Vary({"tau_m": 0.0, "v_th": 0.0}, weights=0.0, trial_seed=trial_seed)(source, seed)
    assert found == (source, ())


def test_the_seed_is_the_chip() -> None:
    one, two, other = (Vary(weights=0.1)(network(), seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(weight(one), weight(two))
    assert not np.array_equal(weight(one), weight(other))


def test_spread_is_relative_to_the_nominal_value() -> None:
    found, changes = Vary({"tau_m": 0.05}, weights=0.2)(network(2000), 3)
    tau = found.populations["a"].param("tau_m")
    assert tau.mean() == pytest.approx(10e-3, rel=0.01)
    assert tau.std() == pytest.approx(0.05 * 10e-3, rel=0.1)
    assert weight(found).std() == pytest.approx(0.4, rel=0.05)
    assert [(c.by, c.where, c.size) for c in changes] == [("vary", "a", 0.05), ("vary", "w", 0.2)]


def test_streams_are_named_so_that_adding_something_changes_nothing_else() -> None:
    alone, _ = Vary({"tau_m": 0.1}, weights=0.1)(network(), 1)
    more, _ = Vary({"v_th": 0.1, "tau_m": 0.1}, weights=0.1)(network(b=Population(LIF, 7)), 1)
    np.testing.assert_array_equal(
        alone.populations["a"].param("tau_m"), more.populations["a"].param("tau_m")
    )
    np.testing.assert_array_equal(weight(alone), weight(more))


def test_streams_of_parameters_and_parts_are_independent() -> None:
    found, _ = Vary({"v_th": 0.1, "tau_m": 0.1})(network(2000), 1)
    a = found.populations["a"].param("v_th") - 1.0
    b = found.populations["a"].param("tau_m") / 10e-3 - 1.0
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.1
    two = Compose((Dense(np.ones((30, 30))), Dense(np.ones((30, 30)))))
    source = Network(
        dt=1e-3,
        populations={"in": Population(Input, 30), "a": Population(LIF, 30)},
        projections={"w": Projection("in", "a", two)},
    )
    varied, _ = Vary(weights=0.1)(source, 1)
    first, second = weights_of(varied.projections["w"].topology)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.15


def test_trials_differ_on_the_same_chip() -> None:
    first, changes = Vary(weights=0.3, trial=0.4, trial_seed=1)(network(), 1)
    again, _ = Vary(weights=0.3, trial=0.4, trial_seed=1)(network(), 1)
    other, _ = Vary(weights=0.3, trial=0.4, trial_seed=2)(network(), 1)
    chip, _ = Vary(weights=0.3)(network(), 1)
    np.testing.assert_array_equal(weight(first), weight(again))
    assert not np.array_equal(weight(first), weight(other))
    trial = weight(first) / weight(chip) - 1.0
    assert trial.std() == pytest.approx(0.4, rel=0.1)
    assert changes[0].size == pytest.approx(0.5)


def test_populations_without_the_parameter_stay_themselves() -> None:
    found, changes = Vary({"c": 0.1})(network(3), 1)
    assert changes == ()
    assert found.populations["a"].params == {"tau_m": 10e-3}
