import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from spikewright.engines.cpu import Cpu
from spikewright.engines.discretize import discretize, method_of, propagator, step_matrix
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError
from spikewright.network import (
    LI,
    LIF,
    MODELS,
    AlphaLIF,
    CubaLI,
    Method,
    Network,
    NeuronModel,
    Population,
)
from spikewright.network.library.nir_models import NirCubaLIF

TAU, TAU_S, DT = 20e-3, 5e-3, 1e-4


def run(model, inputs=None, *, steps, dt=DT, **more):
    network = Network(dt=dt, populations={"p": Population(model, 1, **more)})
    port = {f"p.{name}": np.full((steps, 1, 1), x) for name, x in (inputs or {}).items()}
    return Reference().run(network, port, steps=steps, record={"p": tuple(model.state)})


# -- closed forms ------------------------------------------------------------------------------------


def test_exact_leak():
    v = run(LI, steps=100, initial={"v": 1.0}).trace("p", "v").ravel()
    t = DT * np.arange(1, 101)
    np.testing.assert_allclose(v, np.exp(-t / TAU), rtol=1e-12)


def test_exact_current_step():
    v = run(LI, {"i": 2.0}, steps=100).trace("p", "v").ravel()
    t = DT * np.arange(1, 101)
    np.testing.assert_allclose(v, 2 * (1 - np.exp(-t / TAU)), rtol=1e-12)


def test_exact_synaptic_current():
    v = run(CubaLI, steps=300, initial={"i": 1.0}).trace("p", "v").ravel()
    t = DT * np.arange(1, 301)
    expected = TAU_S / (TAU - TAU_S) * (np.exp(-t / TAU) - np.exp(-t / TAU_S))
    np.testing.assert_allclose(v, expected, rtol=1e-11)


def test_two_equal_time_constants_have_no_gap():
    more = {"initial": {"i": 1.0}, "params": {"tau_m": TAU, "tau_s": TAU}}
    v = run(CubaLI, steps=100, **more).trace("p", "v").ravel()
    t = DT * np.arange(1, 101)
    np.testing.assert_allclose(v, t / TAU * np.exp(-t / TAU), rtol=1e-11)


def test_alpha_current_peaks_with_the_weight_after_tau():
    i = run(AlphaLIF, steps=300, initial={"a": 0.3}).trace("p", "i").ravel()
    t = DT * np.arange(1, 301)
    np.testing.assert_allclose(i, 0.3 * math.e * t / TAU_S * np.exp(-t / TAU_S), rtol=1e-11)
    assert t[np.argmax(i)] == pytest.approx(TAU_S)
    assert i.max() == pytest.approx(0.3)


CURRENTS = np.array([0.5, 1.0, 1.05, 1.2, 1.5, 2.0, 3.0, 5.0])


def interval_of(current):
    return TAU * np.log(current / (current - 1))


@pytest.mark.parametrize("t_ref", [0.0, 3e-3])
def test_interval_of_a_lif(t_ref):
    population = Population(LIF, 8, {"t_ref": t_ref})
    network = Network(dt=DT, populations={"p": population})
    inputs = {"p.i": np.broadcast_to(CURRENTS, (3000, 1, 8))}
    spikes = Reference().run(network, inputs).spikes["p"]
    for neuron, current in enumerate(CURRENTS):
        steps = spikes.step[spikes.address == neuron]
        if current <= 1:
            assert len(steps) == 0
            continue
        assert len(steps) > 3
        assert np.all(np.abs(np.diff(steps) * DT - interval_of(current) - t_ref) <= DT)


def test_rate_curve_of_a_lif():
    network = Network(dt=DT, populations={"p": Population(LIF, 8)})
    found = Cpu().run(network, {"p.i": np.broadcast_to(CURRENTS, (20000, 1, 8))}).sent["p"][0] / 2.0
    assert found[:2].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found[2:], 1 / interval_of(CURRENTS[2:]), rtol=0.02, atol=0.5)


def test_propagator_composes():
    population = Population(AlphaLIF, 1)
    constants = {name: population.param(name) for name in AlphaLIF.params}
    names = [*AlphaLIF.state, *AlphaLIF.inputs, "1"]

    def matrix(dt):
        found = np.eye(len(names))
        for (row, column), value in propagator(AlphaLIF, constants, dt).items():
            found[names.index(row), names.index(column)] = value
        return found

    np.testing.assert_allclose(matrix(1e-3) @ matrix(2e-3), matrix(3e-3), rtol=1e-12, atol=1e-15)


def test_propagator_of_each_neuron():
    constants = {
        "tau_m": np.array([1e-2, 2e-2, 1e-2]),
        "r": np.asarray(1.0),
        "v_rest": np.asarray(0.0),
    }
    found = propagator(LI, constants, 1e-3)
    np.testing.assert_allclose(found["v", "v"], np.exp(-1e-3 / constants["tau_m"]), rtol=1e-14)
    assert ("v", "1") not in found, "zero entries are left out"


# -- order of convergence ------------------------------------------------------------------------------

Curved = NeuronModel(
    name="Curved",
    state={"x": "1", "y": "1"},
    params={"tau": (1.0, "s")},
    inputs={},
    dynamics={"x": "(y - x ** 3 + tanh(y)) / tau", "y": "(-x + 0.5 * y * (1 - x ** 2)) / tau"},
    initial={"x": "1.2", "y": "-0.4"},
)


def end(method, steps):
    network = Network(dt=1.0 / steps, populations={"p": Population(Curved, 1, method=method)})
    values = Reference().run(network, steps=steps).state.values["p"]
    return np.array([values["x"][0, 0], values["y"][0, 0]])


@pytest.mark.parametrize(
    ("method", "order"),
    [
        (Method.EULER, 1),
        (Method.SEQUENTIAL_EULER, 1),
        (Method.EXPONENTIAL_EULER, 1),
        (Method.RK4, 4),
    ],
)
def test_error_falls_with_the_declared_order(method, order):
    def slope(_, z):
        x, y = z
        return [y - x**3 + math.tanh(y), -x + 0.5 * y * (1 - x**2)]

    exact = solve_ivp(slope, (0, 1), [1.2, -0.4], rtol=1e-13, atol=1e-14, method="DOP853").y[:, -1]
    steps = np.array([40, 80, 160])
    error = [np.abs(end(method, n) - exact).max() for n in steps]
    measured = -np.polyfit(np.log(steps), np.log(error), 1)[0]
    assert measured == pytest.approx(order, abs=0.1)


def test_methods_agree_where_the_step_is_small():
    ends = [
        run(CubaLI, {"i_ext": 1.0}, steps=200, dt=5e-6, method=method).state.values["p"]["v"].item()
        for method in Method
    ]
    np.testing.assert_allclose(ends, ends[0], rtol=1e-3)


def test_exponential_euler_is_exact_for_one_linear_equation():
    exact = run(LI, {"i": 2.0}, steps=50, method=Method.EXACT)
    found = run(LI, {"i": 2.0}, steps=50, method=Method.EXPONENTIAL_EULER)
    np.testing.assert_allclose(found.trace("p", "v"), exact.trace("p", "v"), rtol=1e-12)


# -- what the step consists of ---------------------------------------------------------------------------


def test_default_method():
    assert method_of(Population(LIF, 1)) is Method.EXACT
    assert method_of(Population(MODELS["AdEx"], 1)) is Method.EXPONENTIAL_EULER
    assert method_of(Population(LIF, 1, method=Method.RK4)) is Method.RK4


def test_sequential_euler_sees_what_was_advanced():
    def names(method):
        step = discretize(Population(CubaLI, 1, method=method), 1e-3)
        return [name for name, _ in step.assign]

    assert names(Method.SEQUENTIAL_EULER) == ["i", "i", "v"]
    assert names(Method.EULER) == ["i", "_new_i", "_new_v", "i", "v"]


def test_refractory_period_is_rounded_to_steps():
    step = discretize(Population(LIF, 2, {"t_ref": [1.4e-3, 2.6e-3]}), 1e-3)
    assert step.refractory is not None
    assert step.refractory.tolist() == [1, 3]


def test_only_constants_that_are_used_are_kept():
    step = discretize(Population(LIF, 1), 1e-3)
    assert set(step.constants) == {"v_th", "v_reset", "P_v_v", "P_v_i"}


def test_names_of_entries_do_not_collide():
    model = NeuronModel(
        name="Twins",
        state={"a": "1", "a_b": "1"},
        params={"tau": (1.0, "s")},
        inputs={"b_c": "1", "c": "1"},
        dynamics={"a": "(-a + 2 * b_c) / tau", "a_b": "(-a_b + 3 * c) / tau"},
    )
    network = Network(dt=0.1, populations={"p": Population(model, 1)})
    inputs = {"p.b_c": np.ones((1, 1, 1)), "p.c": np.ones((1, 1, 1))}
    values = Reference().run(network, inputs).state.values["p"]
    gain = 1 - math.exp(-0.1)
    assert values["a"].item() == pytest.approx(2 * gain)
    assert values["a_b"].item() == pytest.approx(3 * gain)


def test_no_exact_step():
    with pytest.raises(EngineError) as caught:
        discretize(Population(MODELS["AdEx"], 1, method=Method.EXACT), 1e-3, where="cells")
    assert str(caught.value) == (
        "cells: AdEx is not linear, so it has no exact step "
        "— use Method.EXPONENTIAL_EULER, RK4 or EULER"
    )


@pytest.mark.parametrize("method", [Method.EULER, Method.SEQUENTIAL_EULER, Method.EXACT])
def test_the_step_matrix_is_what_an_engine_does(method: Method) -> None:
    params = {"tau_m": [8e-3, 20e-3], "tau_s": 5e-3, "v_rest": 0.2, "v_th": 9.0, "w_in": 3.0}
    start = {"i": [0.3, 0.6], "v": [0.5, 0.1]}
    population = Population(NirCubaLIF, 2, params, start, method)
    matrix = step_matrix(population, 1e-3)
    values = start | {"i_in": 0.7, "1": 1.0}
    recording = Reference().run(
        Network(dt=1e-3, populations={"n": population}),
        {"n.i_in": np.full((1, 1, 2), 0.7)},
        record={"n": ["i", "v"]},
    )
    for variable in ("i", "v"):
        terms = [m * np.asarray(values[j]) for (x, j), m in matrix.items() if x == variable]
        assert recording.trace("n", variable)[0, 0] == pytest.approx(
            np.sum(np.broadcast_arrays(*terms), 0)
        )
