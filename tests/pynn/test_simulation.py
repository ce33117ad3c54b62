"""The clock, runs in parts, resets, sources, and what changes between runs."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

import spikewright.pynn as sim
from spikewright.errors import EngineError, ModelError


def network():
    sim.setup(timestep=0.1, min_delay=0.1, rng_seed=3)
    noise = sim.Population(20, sim.SpikeSourcePoisson(rate=100.0))
    cells = sim.Population(10, sim.IF_curr_exp())
    sim.Projection(noise, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.3, delay=1.5))
    sim.Projection(
        cells, cells, sim.FixedProbabilityConnector(0.5), sim.StaticSynapse(weight=0.1, delay=2.0)
    )
    sim.NoisyCurrentSource(mean=0.2, stdev=0.5, dt=1.0).inject_into(cells[:5])
    cells.record(["v", "spikes"])
    return cells


def result(cells):
    segment = cells.get_data().segments[-1]
    trains = [np.asarray(t).tolist() for t in segment.spiketrains]
    return np.asarray(segment.filter(name="v")[0]), trains


def test_a_run_in_parts_is_the_whole_run():
    cells = network()
    assert sim.run(60.0) == 60.0
    whole = result(cells)
    cells = network()
    seen = []
    assert sim.run_until(20.0) == 20.0
    cells.set(cm=1.0)  # the network is built anew, and goes on
    sim.run_for(40.0, callbacks=[lambda t: seen.append(round(t, 6)) or t + 10.0])
    parts = result(cells)
    assert seen == [20, 30, 40, 50, 60]
    assert np.array_equal(whole[0], parts[0])
    assert whole[1] == parts[1]
    assert sum(map(len, whole[1])) > 20
    sim.reset()
    assert sim.get_current_time() == 0.0
    sim.run(60.0)
    again = result(cells)
    assert np.array_equal(whole[0], again[0])
    assert len(cells.get_data().segments) == 2


def test_longer_delays_and_new_parts_while_it_runs():
    sim.setup(timestep=0.1, min_delay=0.1)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[4.5, 8.0]))
    cells = sim.Population(1, sim.IF_curr_exp())
    cells.record("isyn_exc")
    p = sim.Projection(source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=1, delay=1))
    sim.run(5.0)
    p.set(delay=3.0)
    other = sim.Population(1, sim.IF_curr_exp())
    sim.Projection(source, other, sim.AllToAllConnector(), sim.StaticSynapse(weight=2.0, delay=1.0))
    other.record("isyn_exc")
    sim.run(10.0)
    i = np.asarray(cells.get_data().segments[0].filter(name="isyn_exc")[0])[:, 0]
    # the spike of 4.5 was sent with 1 ms, that of 8.0 with 3 ms
    assert np.flatnonzero(np.diff(i) > 0).tolist() == [55, 110]
    signal = other.get_data().segments[0].filter(name="isyn_exc")[0]
    assert float(signal.t_start) == 5.0
    assert np.flatnonzero(np.diff(np.asarray(signal)[:, 0]) > 0).tolist() == [40]
    assert sim.get_max_delay() == 3.0
    assert sim.get_min_delay() == 0.1


def test_poisson_source_keeps_window_and_rate():
    sim.setup(timestep=1.0, rng_seed=1)
    # at 3 spikes per step most steps have several
    source = sim.Population(
        50, sim.SpikeSourcePoisson(rate=3000.0, start=20.0, duration=[100.0] * 49 + [0.0])
    )
    source.record("spikes")
    sim.run(200.0)
    counts = np.array(list(source.get_spike_counts().values()))
    assert counts[-1] == 0
    assert abs(counts[:-1].sum() - 49 * 300) < 5 * math.sqrt(49 * 300)
    times = np.asarray(source.get_data().segments[0].spiketrains[0])
    assert times.min() >= 20.0
    assert times.max() < 120.0
    source.set(rate=0.0)
    sim.run(100.0)
    assert sum(source.get_spike_counts().values()) == counts.sum()


def test_current_sources_are_what_they_say():
    sim.setup(timestep=0.1)
    cells = sim.Population(5, sim.IF_curr_exp(v_thresh=1e3, tau_m=1e9, cm=1.0))
    cells.record("v")
    sim.DCSource(amplitude=0.5, start=2.0, stop=7.0).inject_into(cells[:1])
    cells[1:2].inject(sim.StepCurrentSource(times=[1.0, 3.0, 4.0], amplitudes=[1.0, -0.5, 0.2]))
    wave = sim.ACSource(amplitude=1.0, offset=0.3, frequency=50.0, phase=90.0, start=1.0, stop=9.0)
    cells[2].inject(wave)
    noise = sim.NoisyCurrentSource(mean=1.0, stdev=0.1, start=2.0, stop=8.0, dt=0.5)
    noise.inject_into([cells[3]])
    sim.run(10.0)
    # without leak, v - v_rest is the charge over cm: nA ms / nF = mV
    v = np.asarray(cells.get_data().segments[0].filter(name="v")[0]) + 65.0
    t = np.arange(101) * 0.1
    assert v[:, 0] == pytest.approx(0.5 * (np.clip(t, 2, 7) - 2), abs=1e-6)
    steps = np.clip(t, 1, 3) - 1 - 0.5 * (np.clip(t, 3, 4) - 3) + 0.2 * (np.clip(t, 4, 10) - 4)
    assert v[:, 1] == pytest.approx(steps, abs=1e-6)
    s = np.clip(t, 1, 9) - 1
    turn = 2 * np.pi * 50e-3
    assert v[:, 2] == pytest.approx(0.3 * s + np.sin(turn * s) / turn, abs=1e-3)
    current = noise.get_data()[1]
    assert np.cumsum(current) * 0.1 == pytest.approx(v[1:, 3], abs=1e-6)
    assert len(np.unique(current)) == 13
    assert not v[:, 4].any()


def test_izhikevich_takes_currents_and_delta_weights():
    sim.setup(timestep=0.1)
    cells = sim.Population(1, sim.Izhikevich())
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[1.0]))
    sim.Projection(source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=2.0, delay=1.0))
    cells.record("v")
    sim.run(2.1)
    v = np.asarray(cells.get_data().segments[0].filter(name="v")[0])[:, 0]
    assert v[20] == pytest.approx(-70.0, abs=1e-9)
    # slope at -68 with u = -14: 0.04 v^2 + 5 v + 140 + 14 = -1.04 mV/ms
    assert v[21] == pytest.approx(-68.0 - 0.104, abs=5e-3)


def test_what_cannot_be_is_refused():
    for wrong in ({"timestep": 0.0}, {"timestep": 0.1, "min_delay": 0.01}):
        with pytest.raises(EngineError, match="setup"):
            sim.setup(**wrong)
    with pytest.raises(EngineError, match="spike_precision"):
        sim.setup(spike_precision="exact")
    with pytest.warns(UserWarning, match="does not know label, seat"):
        assert sim.setup(label="x", seat=3) == 0
    assert (sim.num_processes(), sim.rank(), sim.get_time_step()) == (1, 0, 0.1)
    sim.run(1.0)
    with pytest.raises(EngineError, match="into the past"):
        sim.run_until(0.5)
    with pytest.raises(EngineError, match="not a time"):
        sim.run(math.inf)
    with pytest.raises(EngineError, match="not in the future"):
        sim.run(1.0, callbacks=[lambda t: t])
    with pytest.raises(ModelError, match="times are not ascending"):
        sim.StepCurrentSource(times=[2.0, 1.0], amplitudes=[1.0, 2.0])
    with pytest.raises(ModelError, match="start and stop"):
        sim.DCSource(start=5.0, stop=1.0)


def test_import_alone_needs_no_setup_and_says_so():
    code = "import spikewright.pynn as sim\nsim.run(1.0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "no simulation — call setup() first" in done.stderr
