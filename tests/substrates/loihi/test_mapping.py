from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import Problems
from spikewright.network import IF, LIF, CubaLIF, Dense, Input, Network, Population, Projection
from spikewright.substrates.loihi.mapping import (
    Bound,
    Neuron,
    analyze,
    bias_code,
    choose_scale,
    decay_code,
)
from spikewright.substrates.loihi.model import Arithmetic

DT = 1e-3


def network(population: Population, port: str = "") -> Network:
    return Network(
        dt=DT,
        populations={"in": Population(Input, 1), "a": population},
        projections={"w": Projection("in", "a", Dense(np.ones((population.n, 1))), port=port)},
    )


def analyzed(population: Population, port: str = "") -> Neuron:
    problems = Problems()
    found = analyze(network(population, port), "a", Arithmetic.CHIP, problems)
    assert found is not None, problems.lines
    return found


@given(st.floats(0, 1), st.sampled_from([0, 1]))
def test_the_decay_register_is_the_nearest(keep: float, offset: int) -> None:
    code = int(decay_code(np.asarray(keep), offset=offset))
    kept = 1 - (code + offset) / 4096
    assert 0 <= code <= 4095
    # the ends that the register cannot reach: nothing below 1/4096 without offset, nothing above 4095/4096 with it
    allowed = min(max(keep, (1 - offset) / 4096), 1 - offset / 4096)
    assert abs(kept - allowed) <= 0.5 / 4096 + 1e-12


def test_decay_codes_by_hand() -> None:
    assert decay_code(np.asarray(0.0), offset=1) == 4095  # no synaptic current: cleared every step
    assert decay_code(np.asarray(1.0), offset=0) == 0  # no leak
    keep = math.exp(-1 / 10)
    assert decay_code(np.asarray(keep), offset=0) == round(4096 * (1 - keep)) == 390


def test_lif_gains_are_the_propagator() -> None:
    found = analyzed(
        Population(
            LIF, 1, {"tau_m": 10e-3, "t_ref": 3e-3, "v_th": 0.7, "v_rest": 0.1, "v_reset": 0.1}
        )
    )
    keep = math.exp(-0.1)
    assert found.keep_v == pytest.approx(keep)
    assert found.keep_u == 0
    assert found.gain["spikes"] == pytest.approx(keep)
    assert found.level == pytest.approx(0.6)
    assert found.rest == pytest.approx(0.1)
    assert found.refractory == 3
    assert (found.voltage, found.current, found.filtered) == ("v", "", frozenset())
    held = analyzed(Population(LIF, 1, {"tau_m": 10e-3, "r": 2.0}), port="i")
    assert held.gain["i"] == pytest.approx(2.0 * (1 - keep))


def test_cuba_lif_gain_is_the_two_exponentials() -> None:
    tau_m, tau_s, r = 10e-3, 4e-3, 3.0
    found = analyzed(Population(CubaLIF, 1, {"tau_m": tau_m, "tau_s": tau_s, "r": r}))
    a, b = math.exp(-DT / tau_s), math.exp(-DT / tau_m)
    assert found.gain["spikes"] == pytest.approx(r / tau_m * (a - b) / (1 / tau_m - 1 / tau_s))
    assert found.keep_u == pytest.approx(a)
    assert found.filtered == {"spikes"}
    assert found.current == "i"
    assert found.start_gain == pytest.approx(found.gain["spikes"] / a)


def test_if_keeps_everything() -> None:
    found = analyzed(Population(IF, 1))
    assert (found.keep_v, found.keep_u, found.gain["spikes"]) == (1.0, 0.0, 1.0)


def test_per_neuron_parameters_stay_per_neuron() -> None:
    tau = np.array([5e-3, 10e-3, 20e-3])
    found = analyzed(Population(LIF, 3, {"tau_m": tau}))
    np.testing.assert_allclose(found.keep_v, np.exp(-DT / tau))
    np.testing.assert_allclose(found.gain["spikes"], np.exp(-DT / tau))
    assert np.all(found.level == 1.0)


@given(
    st.floats(1e-3, 1e3),
    st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=4),
    st.floats(0, 1e4),
)
def test_the_scale_overflows_no_register(level: float, weights: list[float], worst: float) -> None:
    largest = {f"w{i}": w for i, w in enumerate(weights)}
    scale = choose_scale(np.asarray(level), largest, [Bound(worst, 2**23 - 1)])
    assert scale.threshold <= 2**17 - 1
    assert scale.threshold >= 1
    assert worst * scale.sigma * 64 <= (2**23 - 1) * (1 + 1e-9)
    for name, w in largest.items():
        assert 0 <= scale.exponent[name] <= 7
        assert w * scale.sigma / 2 ** scale.exponent[name] <= 254 * (1 + 1e-9)


def test_the_scale_is_the_finest() -> None:
    scale = choose_scale(np.asarray(1.0), {"w": 0.5}, [])
    assert scale.sigma == 254 / 0.5
    assert scale.exponent == {"w": 0}
    assert scale.threshold == 508
    two = choose_scale(np.asarray(1.0), {"small": 0.1, "large": 0.4}, [])
    assert two.sigma == pytest.approx(2540)
    assert two.exponent == {"small": 0, "large": 2}
    wide = choose_scale(np.asarray(1.0), {"small": 0.01, "large": 10.0}, [])
    assert wide.exponent["large"] == 7
    assert choose_scale(np.asarray(2.0), {}, []).threshold == 2**17 - 1
    assert choose_scale(np.asarray(1.0), {"w": 0.0}, []).exponent == {"w": 0}


def test_bias_codes_by_hand() -> None:
    assert bias_code(np.array([0.4, 4095.0, -3.6])).tolist() == [0, 4095, -4]
    assert bias_code(np.array([8190.0, 3.0])).tolist() == [8190, 4]  # exponent 1, half to even
    assert bias_code(np.array([1e9])).tolist() == [4095 << 7]


@given(st.lists(st.floats(-(4095 << 7), 4095 << 7), min_size=1, max_size=5))
def test_biases_are_off_by_half_a_mantissa_step_at_most(values: list[float]) -> None:
    bias = np.array(values)
    step = 1
    while np.abs(bias).max() / step > 4095:
        step *= 2
    assert np.all(np.abs(bias_code(bias) - bias) <= step / 2)
