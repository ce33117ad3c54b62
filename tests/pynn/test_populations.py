"""Populations, views, assemblies, neurons, and what is recorded of them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import spikewright.pynn as sim
from spikewright.errors import EngineError, FormatError, ModelError, NetworkError
from spikewright.pynn.parameters import Sequence, one_row_each


@pytest.fixture
def cells():
    sim.setup(timestep=0.1)
    return sim.Population(6, sim.IF_curr_exp(tau_m=np.arange(10.0, 16.0)), label="cells")


def test_views_select_and_change_the_population(cells):
    assert cells[2].tau_m == 12.0
    assert cells[-1] == cells.last_id
    assert cells[1:4].get("tau_m").tolist() == [11, 12, 13]
    assert cells[4, 0].get("tau_m").tolist() == [14, 10]
    assert cells[np.arange(6) % 2 == 0][1:].mask.tolist() == [1, 2]
    cells[[0, 5]].set(tau_m=[1.0, 2.0])
    cells[1].tau_m = 3.0
    assert cells.get("tau_m").tolist() == [1, 3, 12, 13, 14, 2]
    assert cells.get("cm") == 1.0
    assert cells.get("cm", simplify=False).tolist() == [1.0] * 6
    assert cells.id_to_index(cells[3]) == 3
    assert cells[3:].id_to_index(cells[4]) == 1
    cells.tset("cm", np.arange(1.0, 7.0))
    cells.rset("tau_refrac", sim.RandomDistribution("uniform", (1.0, 2.0)))
    assert len(set(cells.get("tau_refrac"))) == 6


def test_values_may_be_functions_and_distributions(cells):
    cells.set(v_thresh=lambda i: -50.0 + i, cm=sim.RandomDistribution("normal", (1.0, 0.1)))
    assert cells.get("v_thresh").tolist() == [-50, -49, -48, -47, -46, -45]
    rows = one_row_each(lambda i: Sequence([i, i + 1.0]), 2, "x")
    assert [row.tolist() for row in rows] == [[0, 1], [1, 2]]
    assert [r.tolist() for r in one_row_each([3.0, 1.0], 2, "x")] == [[1, 3], [1, 3]]
    array_only = one_row_each(lambda i: [Sequence([j]) for j in (i - 1)], 2, "x")
    assert [row.tolist() for row in array_only] == [[-1], [0]]
    with pytest.raises(ModelError, match="one row per neuron"):
        one_row_each([Sequence([1.0])] * 3, 2, "x")


def test_assembly_is_its_parts_in_order(cells):
    other = sim.Population(2, sim.IF_cond_exp(), label="other")
    both = cells[4:] + other
    assert both.size == 4
    assert [int(x) for x in both] == [4, 5, 6, 7]
    both.set(tau_m=[1.0, 2.0, 3.0, 4.0])
    assert cells.get("tau_m").tolist()[4:] == [1, 2]
    assert other.get("tau_m").tolist() == [3, 4]
    assert both[1:3].size == 2
    assert both.get_population("other") is other
    assert both.receptor_types == ("excitatory", "inhibitory")
    both += cells
    assert both.size == 10
    with pytest.raises(NetworkError, match="not a population"):
        both + 3


def test_positions(cells):
    grid = sim.Population((2, 3), sim.IF_curr_exp())
    assert grid.positions.tolist() == [[0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2], [0] * 6]
    assert grid.nearest((1.1, 1.9, 0)) == grid[5]
    assert cells[4].position.tolist() == [4, 0, 0]
    assert cells.position_generator(2).tolist() == [2, 0, 0]
    assert len(set(cells.sample(4).mask)) == 4


def test_recording_some_neurons_every_so_often(cells):
    cells[[4, 1]].record("v", sampling_interval=0.5)
    cells.record("spikes")
    cells[1].i_offset = 3.0
    cells.initialize(v=-60.0)
    sim.run(3.0)
    sim.run(2.0)
    segment = cells.get_data().segments[0]
    v = segment.filter(name="v")[0]
    assert np.shape(v) == (11, 2)
    assert np.asarray(v.times) == pytest.approx(np.arange(11) * 0.5)
    assert np.asarray(v)[0].tolist() == [-60, -60]
    assert np.asarray(v)[-1, 1] == pytest.approx(-65 + 5 * np.exp(-5 / 14), abs=1e-9)
    assert len(segment.spiketrains) == 6
    assert cells.get_spike_counts()[cells[1]] == len(segment.spiketrains[1]) > 0
    assert cells[2:].mean_spike_count() == 0
    assert np.shape(cells[4:].get_data("v").segments[0].filter(name="v")[0]) == (11, 1)
    cells.get_data(clear=True)
    assert cells.mean_spike_count() == 0


def test_data_is_written_whole(cells, tmp_path):
    cells.record(["v", "spikes"], to_file=str(tmp_path / "out" / "all.pkl"))
    sim.run(1.0)
    sim.end()
    block = pickle.loads((tmp_path / "out" / "all.pkl").read_bytes())
    assert block.segments[0].filter(name="v")[0].shape == (11, 6)
    cells.write_data(tmp_path / "all.npz", variables="v")
    with np.load(tmp_path / "all.npz") as file:
        assert file["0/v/0"].shape == (11, 6)
    with pytest.raises(FormatError, match="no such format"):
        cells.write_data(tmp_path / "all.what")
    assert not (tmp_path / "all.what").exists()


def test_what_cannot_be_is_refused(cells):
    with pytest.raises(EngineError, match="IF_curr_exp has no such variable; expected spikes, v"):
        cells.record("w")
    with pytest.raises(EngineError, match="not a multiple of the time step"):
        cells.record("v", sampling_interval=0.25)
    with pytest.raises(NetworkError, match="not an index"):
        cells[6]
    with pytest.raises(NetworkError, match="names a neuron twice"):
        cells[1, 1]
    with pytest.raises(ModelError, match="has no parameter 'tau'"):
        cells.set(tau=1.0)
    with pytest.raises(NetworkError, match="needs neurons"):
        sim.Population(0, sim.IF_curr_exp())
    with pytest.raises(NetworkError, match="not a cell type"):
        sim.Population(2, 3)
    with pytest.raises(ModelError, match="no current can be injected"):
        sim.DCSource(amplitude=1.0).inject_into(sim.Population(1, sim.SpikeSourcePoisson()))
