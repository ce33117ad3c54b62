"""Models for simulations: conductances of several shapes, NMDA, adaptation. Traces of NEST are in tests/golden."""

import math

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import (
    MODELS,
    ConductanceAdEx,
    ConductanceAlphaLIF,
    Dense,
    DiehlCookExcitatory,
    DiehlCookInhibitory,
    Input,
    Izhikevich2003,
    Method,
    Network,
    NmdaGate,
    NmdaLIF,
    OneToOne,
    Population,
    Projection,
)


def alone(model, inputs, *, steps, dt=1e-4, record=None, **more):
    network = Network(dt=dt, populations={"p": Population(model, 1, **more)})
    entering = {f"p.{port}": np.asarray(x, float).reshape(-1, 1, 1) for port, x in inputs.items()}
    return Reference().run(
        network, entering, steps=steps, record={"p": record or tuple(model.state)}
    )


def pulse(weight, steps):
    return [weight] + [0.0] * (steps - 1)


def test_alpha_conductance_peaks_with_the_weight_after_tau():
    found = alone(
        ConductanceAlphaLIF, {"exc": pulse(3e-9, 100)}, steps=100, dt=1e-5, method=Method.RK4
    )
    g = found.trace("p", "g_e").ravel()
    t = 1e-5 * np.arange(1, 101)
    np.testing.assert_allclose(g, 3e-9 * math.e * t / 0.2e-3 * np.exp(-t / 0.2e-3), rtol=1e-5)
    assert t[np.argmax(g)] == pytest.approx(0.2e-3)


# Jahr and Stevens 1990, with 1 mM of magnesium: the open share at some voltages
BLOCK = {-80e-3: 0.0244, -60e-3: 0.0797, -40e-3: 0.2302, -20e-3: 0.5082, 0.0: 0.7812, 20e-3: 0.9250}


@pytest.mark.parametrize(("v", "share"), BLOCK.items())
def test_magnesium_blocks_below_threshold(v, share):
    # the current that a small, steady NMDA conductance adds at a voltage, from one step of v
    params = {"e_l": v, "v_th": 1.0, "e_e": 50e-3}
    g, dt = 1e-12, 1e-7
    found = alone(
        NmdaLIF, {"s_nmda": [g]}, steps=1, dt=dt, params=params, method=Method.EULER
    ).trace("p", "v").item()  # fmt: skip
    current = (found - v) * 0.5e-9 / dt
    assert current / (g * (50e-3 - v)) == pytest.approx(share, abs=2e-4)


def test_nmda_rises_and_decays():
    found = alone(NmdaLIF, {"nmda": pulse(1e-9, 3000)}, steps=3000, method=Method.RK4)
    g = found.trace("p", "g_n").ravel()
    t = 1e-4 * np.arange(1, 3001)
    scale = 500.0 / (1 / 2e-3 - 1 / 100e-3)
    np.testing.assert_allclose(
        g, 1e-9 * scale * (np.exp(-t / 100e-3) - np.exp(-t / 2e-3)), rtol=1e-5
    )


def test_nmda_gates_saturate_and_reach_their_targets():
    spikes = np.zeros((3000, 1, 2))
    spikes[::50, 0, 0] = 1  # 200 Hz
    spikes[::1000, 0, 1] = 1  # 10 Hz
    network = Network(
        dt=1e-4,
        populations={
            "in": Population(Input, 2),
            "gate": Population(NmdaGate, 2),
            "cell": Population(NmdaLIF, 2, {"v_th": 1.0}),
        },
        projections={
            "a": Projection("in", "gate", OneToOne()),
            "b": Projection("gate", "cell", Dense(np.diag([5e-9, 5e-9])), "s_nmda"),
        },
    )
    found = Reference().run(network, {"in": spikes}, record={"gate": ("s",), "cell": ("v",)})
    s = found.trace("gate", "s")[-500:, 0].mean(0)
    # steady state of the saturating gate: s = tau_n alpha <x> / (1 + tau_n alpha <x>), <x> = rate tau_x
    drive = 0.1 * 500 * 200 * 2e-3
    assert s[0] == pytest.approx(drive / (1 + drive), abs=0.01)
    assert s[0] < 1
    assert 0.2 < s[1] < 0.6
    v = found.trace("cell", "v")[-1, 0]
    assert v[0] > v[1] > -70e-3


def test_adaptive_exponential_with_conductances_adapts():
    found = alone(
        ConductanceAdEx, {"i": np.full(5000, 1e-9)}, steps=5000, record=("w",), method=Method.RK4
    )
    gaps = np.diff(found.spikes["p"].step)
    assert len(gaps) > 5
    assert gaps[-1] > 1.5 * gaps[0]
    assert np.all(np.isfinite(found.trace("p", "w")))


def test_diehl_and_cook_raise_their_threshold():
    steps = 4000
    found = alone(DiehlCookExcitatory, {"exc": np.full(steps, 0.2)}, steps=steps, dt=5e-4)
    spikes = found.spikes["p"].step
    assert len(spikes) > 3
    assert np.diff(spikes).min() >= 10, "5 ms without a spike"
    theta = found.trace("p", "theta").ravel()
    np.testing.assert_allclose(
        theta[-1], 20e-3 + 0.05e-3 * len(spikes), atol=20e-3 * steps * 5e-4 / 1e4 * 1.1
    )
    first = alone(DiehlCookExcitatory, {"exc": pulse(9.0, 50)}, steps=50, dt=5e-4)
    assert first.trace("p", "v").max() < -52e-3 + 1e-2
    assert DiehlCookExcitatory.params["e_i"][0] == -0.1
    found = alone(DiehlCookInhibitory, {"exc": np.full(200, 0.8)}, steps=200, dt=5e-4)
    assert np.diff(found.spikes["p"].step).min() > 4, "2 ms without a spike"
    reset = found.trace("p", "v").ravel()[found.spikes["p"].step]
    assert np.all(reset == -45e-3)


def test_izhikevich_is_the_published_script():
    draw = np.random.default_rng(2)
    n, steps = 40, 300
    re = draw.random(n)
    a, b = 0.02 + 0.0 * re, 0.2 + 0.0 * re
    c, d = -65 + 15 * re**2, 8 - 6 * re**2
    weight = 3.0 * draw.random((n, n))
    current = 5 * draw.standard_normal((steps, n))
    # the script, in mV and ms
    v, u, fired = np.full(n, -65.0), b * -65.0, []
    for t in range(steps):
        found = np.flatnonzero(v >= 30)
        fired += [(t, i) for i in found]
        v[found] = c[found]
        u[found] += d[found]
        i = current[t] + weight[:, found].sum(1)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + i)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + i)
        u = u + a * (b * v - u)
    params = {"a": a * 1e3, "b": b * 1e3, "c": c * 1e-3, "d": d}
    network = Network(
        dt=1e-3,
        populations={"p": Population(Izhikevich2003, n, params, {"v": -65e-3, "u": -13.0})},
        projections={"s": Projection("p", "p", Dense(weight), "i")},
    )
    run = Reference().run(network, {"p.i": current[:, None]})
    ours = [(int(k) + 1, int(i)) for k, i in zip(run.spikes["p"].step, run.spikes["p"].address)]  # noqa: B905
    assert len(fired) > 50
    # the orbits part where rounding has grown; the first hundred steps are the same
    assert [f for f in fired if f[0] < 120] == [f for f in ours if f[0] < 120]


def test_every_new_model_is_listed():
    for name in ("ExpCurrentLIF", "AlphaCurrentLIF", "DeltaLIF", "NmdaLIF", "Izhikevich2003"):
        assert MODELS[name].source
