"""Closed forms of linear models, to rounding, and the order of every integrator: on all engines of float64."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from spikewright.engines import run
from spikewright.network import (
    LIF,
    AlphaCurrentLIF,
    ConductanceLIF,
    CubaLIF,
    DeltaLIF,
    ExpCurrentLIF,
    Method,
    Network,
    Population,
    StepCurrent,
)

DT = 1e-4
ENGINES = ("reference", "cpu")
every_engine = pytest.mark.parametrize("engine", ENGINES)
EXACT = {"rtol": 1e-12, "atol": 0}


def alone(
    model, steps, inputs, engine, *, params=None, initial=None, method=Method.AUTO, dt=DT, **more
):
    population = Population(model, 1, params or {}, initial or {}, method)
    network = Network(dt=dt, populations={"p": population}, **more)
    entering = {f"p.{port}": np.asarray(x, float).reshape(-1, 1, 1) for port, x in inputs.items()}
    recorded = {"p": tuple(model.state)}
    return run(network, entering, steps=steps, record=recorded, engine=engine)


def pulse(at, weight, steps):
    x = np.zeros(steps)
    x[at] = weight
    return x


# -- constant current ------------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize("current", [1.01, 1.3, 2.0, 7.0])
@pytest.mark.parametrize("t_ref", [0, 23])
def test_lif_under_constant_current(engine, current, t_ref):
    tau, steps = 20e-3, 1500
    found = alone(LIF, steps, {"i": np.full(steps, current)}, engine, params={"t_ref": t_ref * DT})
    # the first step at whose end current (1 - exp(-t / tau)) > 1
    n = math.floor(tau * math.log(current / (current - 1)) / DT) + 1
    spikes = found.spikes["p"].step
    assert np.array_equal(spikes, np.arange(n - 1, steps, n + t_ref))
    v = found.trace("p", "v").ravel()
    start = 0
    for spike in [*spikes, steps]:
        t = DT * np.arange(1, spike - start + 1)
        np.testing.assert_allclose(v[start:spike], -current * np.expm1(-t / tau), **EXACT)
        assert np.all(v[spike : spike + 1 + t_ref] == 0)
        start = spike + 1 + t_ref


@every_engine
def test_a_current_in_pieces_is_a_sum_of_steps(engine):
    tau, r = 10e-3, 40e6
    times, values = np.array([3e-3, 5e-3, 20e-3]), np.array([2e-10, -1e-10, 3e-10])
    drives = {"i": StepCurrent("p", times, values, "i")}
    params = {"tau_m": tau, "c": tau / r, "v_th": 1.0}
    v = alone(ExpCurrentLIF, 400, {}, engine, params=params, drives=drives).trace("p", "v").ravel()
    t = DT * np.arange(1, 401)
    expected = np.full(400, -70e-3)
    for time, jump in zip(times, np.diff(values, prepend=0.0), strict=True):
        expected += np.where(t > time, -jump * r * np.expm1(-np.maximum(t - time, 0) / tau), 0)
    np.testing.assert_allclose(v, expected, rtol=1e-12)


# -- what one spike does -----------------------------------------------------------------------------------


@every_engine
def test_delta_synapse(engine):
    v = alone(LIF, 300, {"spikes": pulse(20, 0.3, 300)}, engine).trace("p", "v").ravel()
    t = DT * np.arange(1, 281)
    assert np.all(v[:20] == 0)
    np.testing.assert_allclose(v[20:], 0.3 * np.exp(-t / 20e-3), **EXACT)


@every_engine
def test_delta_synapse_at_the_end_of_the_step(engine):
    found = alone(DeltaLIF, 300, {"spikes": pulse(20, 7e-3, 300)}, engine)
    v = found.trace("p", "v").ravel()
    t = DT * np.arange(280)
    np.testing.assert_allclose(v[20:], 7e-3 * np.exp(-t / 10e-3) - 70e-3, rtol=1e-14)
    params = {"v_th": -70e-3 + 6.999999e-3}
    fired = alone(DeltaLIF, 30, {"spikes": pulse(20, 7e-3, 30)}, engine, params=params)
    assert fired.spikes["p"].step.tolist() == [20], "the threshold sees the whole jump"


def psp(t, tau, tau_m):
    """v' = -v / tau_m + exp(-t / tau)."""
    return (np.exp(-t / tau) - np.exp(-t / tau_m)) / (1 / tau_m - 1 / tau)


def alpha_psp(t, tau, tau_m):
    """v' = -v / tau_m + e (t / tau) exp(-t / tau)."""
    b = 1 / tau - 1 / tau_m
    return math.e / tau * (np.exp(-t / tau_m) - np.exp(-t / tau) * (1 + b * t)) / b**2


@every_engine
@pytest.mark.parametrize(
    ("model", "shape"), [(ExpCurrentLIF, psp), (AlphaCurrentLIF, alpha_psp)], ids=["exp", "alpha"]
)
def test_current_synapses(engine, model, shape):
    # two kinds, several spikes each: the sum of their shapes
    steps, times = 800, {"exc": ((5, 40e-12), (6, 10e-12), (300, 40e-12)), "inh": ((100, -60e-12),)}
    inputs = {port: sum(pulse(k, w, steps) for k, w in some) for port, some in times.items()}
    params = {"tau_e": 2e-3, "tau_i": 7e-3, "v_th": 1.0}
    v = alone(model, steps, inputs, engine, params=params).trace("p", "v").ravel()
    expected = np.full(steps, -70e-3)
    for port, some in times.items():
        for k, weight in some:
            t = DT * np.maximum(np.arange(1, steps + 1) - k, 0)
            tau = params["tau_e" if port == "exc" else "tau_i"]
            expected += weight / 250e-12 * shape(t, tau, 10e-3)
    np.testing.assert_allclose(v, expected, rtol=1e-12)


@every_engine
def test_exponential_synapse(engine):
    found = alone(CubaLIF, 300, {"spikes": pulse(20, 1.5, 300)}, engine)
    t = DT * np.arange(1, 281)
    i = found.trace("p", "i").ravel()[20:]
    np.testing.assert_allclose(i, 1.5 * np.exp(-t / 5e-3), **EXACT)
    v = found.trace("p", "v").ravel()[20:]
    np.testing.assert_allclose(v, 1.5 * psp(t, 5e-3, 20e-3) / 20e-3, rtol=2e-12)


# -- integrators -------------------------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize(
    ("method", "order"),
    [
        (Method.EULER, 1),
        (Method.SEQUENTIAL_EULER, 1),
        (Method.EXPONENTIAL_EULER, 1),
        (Method.RK4, 4),
    ],
)
def test_error_falls_with_the_order_of_the_method(engine, method, order):
    initial, params = {"g_e": 8e-9, "g_i": 12e-9}, {"v_th": 1.0}
    p = {name: float(ConductanceLIF.params[name][0]) for name in ConductanceLIF.params}

    def slope(_, z):
        v, g_e, g_i = z
        total = p["g_l"] * (p["e_l"] - v) + g_e * (p["e_e"] - v) + g_i * (p["e_i"] - v)
        return [total / p["c"], -g_e / p["tau_e"], -g_i / p["tau_i"]]

    start, end = [-60e-3, 8e-9, 12e-9], 10e-3
    options = {"rtol": 1e-12, "atol": [1e-15, 1e-21, 1e-21], "method": "DOP853"}
    exact = solve_ivp(slope, (0, end), start, **options).y[0, -1]
    steps = np.array([10, 20, 40]) * (1 if order > 1 else 8)
    error = []
    for n in steps:
        found = alone(
            ConductanceLIF, int(n), {}, engine, params=params, initial=initial, method=method, dt=end / n
        )  # fmt: skip
        error.append(abs(found.state.values["p"]["v"].item() - exact))
    measured = -np.polyfit(np.log(steps), np.log(error), 1)[0]
    assert measured == pytest.approx(order, abs=0.25)
