"""Each model does what its paper says it does."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from spikewright.engines import run
from spikewright.network import (
    ALIF,
    IF,
    LI,
    MODELS,
    AdEx,
    ConductanceLIF,
    Dense,
    HodgkinHuxley,
    Input,
    Izhikevich,
    Method,
    Network,
    NoisyLIF,
    PoissonSource,
    Population,
    Projection,
    ResonateAndFire,
    ThresholdUnit,
)


def drive(model, value, *, seconds, dt=1e-4, port="i", record=(), n=1, **more):
    steps = round(seconds / dt)
    network = Network(dt=dt, populations={"p": Population(model, n, **more)})
    inputs = {f"p.{port}": np.full((steps, 1, n), value)} if port else {}
    return run(network, inputs, steps=steps, record={"p": record})


def intervals(recording):
    return np.diff(recording.spikes["p"].step) * recording.network.dt


@pytest.mark.parametrize("name", MODELS)
def test_every_model_names_its_source(name):
    model = MODELS[name]
    assert model.name == name
    assert len(model.source) > 10


def test_if_counts_charge():
    found = drive(IF, 10.0, seconds=1.0)
    assert found.sent["p"][0, 0] == pytest.approx(10, abs=1)


def test_alif_slows_down_and_recovers():
    found = drive(ALIF, 2.0, seconds=2.0)
    assert intervals(found)[-1] > 3 * intervals(found)[0]


def test_adex_adapts_to_a_regular_rate():
    # regular spiking with adaptation, Brette and Gerstner 2005, figure 2
    found = intervals(drive(AdEx, 1e-9, seconds=0.6))
    assert np.all(np.diff(found[:8]) > 0)
    assert found[-1] / found[0] > 2
    assert found[-1] == pytest.approx(found[-2], rel=0.02)


def test_adex_rheobase():
    # (g_l + a) (v_t - e_l - delta_t) + delta_t a ln(...) : between 0.5 and 0.9 nA for the paper's cell
    assert drive(AdEx, 0.5e-9, seconds=0.5).sent["p"].item() == 0
    assert drive(AdEx, 0.9e-9, seconds=0.5).sent["p"].item() > 0


@pytest.mark.parametrize("method", [Method.EULER, Method.RK4, Method.EXPONENTIAL_EULER])
def test_adex_stays_finite_in_its_upstroke(method):
    found = drive(AdEx, 5e-9, seconds=0.2, record=("v", "w"), method=method)
    assert found.sent["p"].item() > 10
    assert np.all(np.isfinite(found.trace("p", "v")))
    assert np.all(np.isfinite(found.trace("p", "w")))


def test_izhikevich_regular_and_fast_spiking():
    # Izhikevich 2003, figure 2: at I = 10 a regular cell adapts to a few spikes per 100 ms, a fast one does not adapt
    regular = intervals(drive(Izhikevich, 10.0, seconds=1.0))
    fast = intervals(drive(Izhikevich, 10.0, seconds=1.0, params={"a": 100.0, "d": 2.0}))
    assert regular[0] < regular[-1]
    assert 0.02 < regular[-1] < 0.06
    assert fast[-1] < regular[-1] / 2


def test_izhikevich_chatters():
    found = intervals(drive(Izhikevich, 10.0, seconds=1.0, params={"c": -50e-3, "d": 2.0}))
    assert found.max() > 5 * found.min()


def test_hodgkin_huxley_spikes_overshoot_and_speed_up():
    rates = []
    for current in (-0.1e-9, 0.5e-9, 2e-9):
        found = drive(HodgkinHuxley, current, seconds=0.3, dt=2e-5, record=("v",))
        rates.append(found.sent["p"].item() / 0.3)
    assert rates[0] == 0
    assert 50 < rates[1] < 120
    assert 1.5 * rates[1] < rates[2]
    v = found.trace("p", "v")
    assert 0.03 < v.max() < 0.05, "below the reversal potential of sodium"
    assert v.min() > -0.09, "above that of potassium"


def test_hodgkin_huxley_rests():
    rest = {"params": {"e_l": -70e-3}}
    found = drive(HodgkinHuxley, 0.0, seconds=0.2, dt=2e-5, record=("v", "m", "h", "n"), **rest)
    for gate in "mhn":
        trace = found.trace("p", gate)
        assert np.all((trace >= 0) & (trace <= 1))
    v = found.trace("p", "v").ravel()
    assert v[-1] == pytest.approx(v[-1000], abs=1e-4)


def test_conductances_pull_to_their_reversal_potential():
    more = {"params": {"v_th": 1.0}, "record": ("v",)}
    for port, level in (("exc", 0.0), ("inh", -80e-3)):
        found = drive(ConductanceLIF, 1e-6, seconds=0.05, port=port, **more)
        assert found.trace("p", "v")[-1].item() == pytest.approx(level, abs=2e-3)


def test_resonator_prefers_its_own_period():
    # Izhikevich 2001, figure 5: a pair of pulses fires the cell only when spaced by its period
    period = 2 * math.pi / 1000.0
    fired = {}
    for gap in (0.5, 1.0, 1.5):
        pulses = np.zeros((300, 1, 1))
        pulses[[10, 10 + round(gap * period / 1e-4)]] = 0.85
        network = Network(dt=1e-4, populations={"p": Population(ResonateAndFire, 1)})
        fired[gap] = run(network, {"p.spikes": pulses}).sent["p"].item()
    assert fired[0.5] == 0
    assert fired[1.0] == 1
    assert fired[1.5] == 0


def test_poisson_source_has_the_rate_and_variation_of_a_poisson_process():
    found = drive(PoissonSource, 0, seconds=20.0, dt=1e-3, port="", n=50, params={"rate": 20.0})
    counts = found.sent["p"].ravel()
    rate = -math.log(1 - counts.mean() / 20000) * 1000
    assert rate == pytest.approx(20.0, rel=0.02)
    one = np.concatenate([
        np.diff(found.spikes["p"].step[found.spikes["p"].address == n]) for n in range(50)
    ])  # fmt: skip
    assert one.std() / one.mean() == pytest.approx(1.0, abs=0.03)
    assert np.abs(np.corrcoef(found.dense("p")[:, 0, :4].T) - np.eye(4)).max() < 0.03


def test_noisy_lif_has_the_declared_deviation():
    found = drive(
        NoisyLIF, 0.0, seconds=1.0, n=400, record=("v",), params={"v_th": 100.0, "sigma": 0.2}
    )
    late = found.trace("p", "v")[2000:]
    assert late.std() == pytest.approx(0.2, rel=0.03)
    assert late.mean() == pytest.approx(0.0, abs=0.01)


def test_li_integrates_what_it_gets():
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 1), "p": Population(LI, 1)},
        projections={"a": Projection("in", "p", Dense([[0.5]]))},
    )
    x = np.zeros((4, 1, 1))
    x[1] = 1
    v = run(network, {"in": x}).dense("p").ravel()
    np.testing.assert_allclose(v, [0, *0.5 * np.exp(-np.array([1, 2, 3]) / 20)], rtol=1e-12)


def test_threshold_unit():
    network = Network(dt=1e-3, populations={"p": Population(ThresholdUnit, 3)})
    found = run(network, {"p": np.array([[[0.5, 1.0, 1.5]]])})
    assert found.sent["p"].tolist() == [[0, 0, 1]]


def test_hodgkin_huxley_is_the_published_equations():
    # the same equations in mV, ms and per cm^2, with their removable gaps, integrated by SciPy
    def slope(_, z, current=2.5):
        v, m, h, n = z
        x = v + 63.0
        a_m, b_m = (
            0.32 * (13 - x) / math.expm1((13 - x) / 4),
            0.28 * (x - 40) / math.expm1((x - 40) / 5),
        )
        a_h, b_h = 0.128 * math.exp((17 - x) / 18), 4 / (1 + math.exp((40 - x) / 5))
        a_n, b_n = 0.032 * (15 - x) / math.expm1((15 - x) / 5), 0.5 * math.exp((10 - x) / 40)
        ions = 0.05 * (v + 60) + 100 * m**3 * h * (v - 50) + 30 * n**4 * (v + 90)
        gates = (a_m * (1 - m) - b_m * m, a_h * (1 - h) - b_h * h, a_n * (1 - n) - b_n * n)
        return [current - ions, *gates]

    start = {"v": -60.5e-3, "m": 0.03, "h": 0.9, "n": 0.05}
    network = Network(
        dt=1e-5, populations={"p": Population(HodgkinHuxley, 1, initial=start, method=Method.RK4)}
    )
    inputs = {"p.i": np.full((1500, 1, 1), 2.5e-6 * 20000e-8)}
    found = run(network, inputs, record={"p": ("v",)}).trace("p", "v").ravel()
    peer = solve_ivp(
        slope,
        (0, 15),
        [-60.5, 0.03, 0.9, 0.05],
        rtol=1e-10,
        atol=1e-10,
        t_eval=np.arange(1, 1501) / 100,
    )
    np.testing.assert_allclose(found, peer.y[0] * 1e-3, atol=2e-5)
    assert found.max() > 0
