import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.engines.decay import HORIZON, LONG, Decay, decay_of, decay_table, factor
from spikewright.network import Rule, SynapseModel

TABLE = decay_table(1 / 20e-3, 1e-4)


def test_table() -> None:
    assert TABLE.shape == (HORIZON + LONG,)
    assert TABLE[0] == 1.0
    for d in (1, 2, 777, HORIZON - 1):
        assert TABLE[d] == math.exp(-(d * 1e-4) * (1 / 20e-3))
    assert TABLE[HORIZON + 3] == math.exp(-(8 * HORIZON * 1e-4) * (1 / 20e-3))


@given(st.integers(0, 2**40), st.floats(1e-7, 10.0))
def test_factor(steps: int, rate: float) -> None:
    table = decay_table(rate, 1e-3)
    found = float(factor(table, np.int64(steps)))
    assert found == pytest.approx(math.exp(-steps * 1e-3 * rate), rel=1e-8, abs=1e-300)


def test_factor_is_a_product_lowest_bit_first() -> None:
    table = decay_table(1e-3, 1e-3)
    d = 5 + HORIZON * (1 + 4)
    assert factor(table, np.int64(d)) == table[5] * table[HORIZON] * table[HORIZON + 2]
    several = factor(table, np.array([0, 5, d]))
    assert several.tolist() == [1.0, table[5], table[5] * table[HORIZON] * table[HORIZON + 2]]


def test_forward() -> None:
    to_zero, to_one = Decay(0.0, 20e-3, TABLE), Decay(0.1, 20e-3, TABLE)
    x = np.array([0.3, 0.7])
    assert np.array_equal(to_zero.forward(x, np.array([0, 9])), [0.3, 0.7 * TABLE[9]])
    # without a step nothing is rounded
    assert np.array_equal(to_one.forward(x, np.array([0, 9])), [0.3, 0.1 + (0.7 - 0.1) * TABLE[9]])


def test_decay_of() -> None:
    model = SynapseModel(
        name="M",
        params={"tau": (20e-3, "s")},
        pre={"x": "1"},
        dynamics={"x": "(0.25 - x) / tau"},
    )
    found = decay_of(Rule(model, {"tau": 10e-3}), "x", 1e-3)
    assert (found.target, found.tau) == pytest.approx((0.25, 10e-3))
    assert found.table[10] == pytest.approx(math.exp(-1))
