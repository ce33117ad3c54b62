"""A network written as SONATA reads back as the same; what has no word there is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import FormatError
from spikewright.events import Events
from spikewright.network import (
    LIF,
    RULES,
    AlphaCurrentLIF,
    ConductanceLIF,
    HodgkinHuxley,
    Input,
    Network,
    Population,
    Projection,
    Propagation,
    Rule,
    Sparse,
    StepCurrent,
)
from spikewright.network.sonata import (
    SpikeTrain,
    read_edge_populations,
    read_sonata,
    read_spikes,
    write_sonata,
    write_spikes,
)
from spikewright.units import ms, pA


def random_map(n_pre: int, n_post: int, scale: float, seed: int) -> Sparse:
    draw = np.random.default_rng(seed)
    pre, post = np.nonzero(draw.random((n_pre, n_post)) < 0.4)
    return Sparse.from_edges(
        pre, post, scale * draw.uniform(0.5, 1.0, len(pre)), n_pre=n_pre, n_post=n_post
    )


def currents() -> Network:
    tau = np.linspace(8e-3, 12e-3, 6)
    return Network(
        dt=0.1 * ms,
        populations={
            "in": Population(Input, 4),
            "cells": Population(AlphaCurrentLIF, 6, {"tau_m": tau, "c": 200e-12}, {"v": -60e-3}),
        },
        projections={
            "in->cells": Projection("in", "cells", random_map(4, 6, 900 * pA, 1), "exc", 1.5 * ms),
            "inner": Projection("cells", "cells", random_map(6, 6, -300 * pA, 2), "inh", 2 * ms),
        },
        drives={"push": StepCurrent("cells", [0.0, 0.05], [300 * pA, 0.0], "i")},
    )


def spikes(n: int, seed: int) -> Events:
    draw = np.random.default_rng(seed)
    return Events(np.sort(draw.integers(0, 900, 60)), draw.integers(0, n, 60), (n,), tick=0.1 * ms)


def test_currents_weights_delays_and_spikes_come_back(tmp_path: Path) -> None:
    network, entering = currents(), {"in": spikes(4, 3)}
    write_sonata(network, tmp_path / "out", inputs=entering, duration=0.1)
    back = read_sonata(tmp_path / "out" / "simulation_config.json")
    assert back.steps == 1000
    # one step less of the same arithmetic; ms and s differ in their last bit
    one = run(network, entering, steps=1000, engine="reference")
    two = run(back.network, back.inputs, steps=1000, engine="reference")
    assert one.count("cells").sum() > 10
    for a, b in zip(one.times("cells"), two.times("cells"), strict=True):
        np.testing.assert_allclose(a, b)
    np.testing.assert_allclose(
        one.state.values["cells"]["v"], two.state.values["cells"]["v"], rtol=1e-9
    )


def test_intfire_keeps_its_signs_and_has_no_clock(tmp_path: Path) -> None:
    params = {"tau_m": 20e-3, "t_ref": 3e-3, "v_th": 1.0, "v_reset": 0.0, "v_rest": 0.0}
    both = Sparse.from_edges([0, 0, 1], [1, 2, 0], [1.5, -0.25, 0.75], n_pre=3, n_post=3)
    network = Network(
        dt=0.1 * ms,
        populations={"n": Population(LIF, 3, params)},
        projections={"e": Projection("n", "n", both, "spikes", [1.23e-3, 2e-3, 0.7e-3])},
        propagation=Propagation.CONTINUOUS,
    )
    write_sonata(network, tmp_path / "out")
    back = read_sonata(tmp_path / "out" / "circuit_config.json").network
    assert back.propagation is Propagation.CONTINUOUS
    np.testing.assert_array_equal(back.projections["e"].topology.weight, both.weight)
    np.testing.assert_allclose(
        back.projections["e"].delay, network.projections["e"].delay, rtol=1e-12
    )
    (edges,) = read_edge_populations(tmp_path / "out/network/e_edges.h5").values()
    assert set(edges.index) == {"source", "target"}


def test_conductances_below_zero_are_the_inhibitory_port(tmp_path: Path) -> None:
    network = Network(
        dt=0.1 * ms,
        populations={"n": Population(ConductanceLIF, 2)},
        projections={
            "i": Projection("n", "n", Sparse.from_matrix([[0, 1e-9], [2e-9, 0]]), "inh", 1 * ms)
        },
    )
    write_sonata(network, tmp_path / "out")
    back = read_sonata(tmp_path / "out" / "circuit_config.json").network
    assert [back.port_of(n) for n in back.projections] == ["inh"]
    np.testing.assert_allclose(next(iter(back.projections.values())).topology.weight, [2e-9, 1e-9])
    for name in ("g_l", "e_l", "v_th", "tau_i", "e_i"):
        np.testing.assert_allclose(
            back.populations["n"].param(name), network.populations["n"].param(name)
        )


def test_all_that_sonata_cannot_say_is_refused_together(tmp_path: Path) -> None:
    rule = Rule(RULES["PairSTDP"]) if "PairSTDP" in RULES else Rule(next(iter(RULES.values())))
    network = Network(
        dt=1 * ms,
        populations={"hh": Population(HodgkinHuxley, 2), "n": Population(LIF, 2, {"v_th": 2.0})},
        projections={
            "p": Projection("hh", "n", Sparse.from_matrix(np.eye(2)), "spikes", 1 * ms, rule=rule)
        },
    )
    with pytest.raises(
        FormatError, match=r"(?s)no name for HodgkinHuxley.*no name for LIF.*synapses that change"
    ):
        write_sonata(network, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FormatError, match="something is there"):
        write_sonata(currents(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_spikes_are_written_sorted_and_read_back(tmp_path: Path) -> None:
    train = SpikeTrain(np.array([3, 0, 3]), np.array([5e-3, 2e-3, 1e-3]))
    for sorting, ids in (("by_time", [3, 0, 3]), ("by_id", [0, 3, 3]), ("none", [3, 0, 3])):
        write_spikes(tmp_path / "s.h5", {"a": train}, sorting=sorting)
        back = read_spikes(tmp_path / "s.h5")["a"]
        assert back.ids.tolist() == ids
        assert back.sorting == sorting
    assert back.of(3).tolist() == [1e-3, 5e-3]


@pytest.mark.parametrize("times", [[-1e-3], [np.nan], [1.0, 2.0]])
def test_spikes_that_cannot_be_are_refused_and_the_old_file_stays(
    tmp_path: Path, times: list[float]
) -> None:
    path = tmp_path / "s.h5"
    write_spikes(path, {"a": SpikeTrain(np.array([1]), np.array([1e-3]))})
    with pytest.raises(FormatError, match="times are not finite"):
        write_spikes(path, {"a": SpikeTrain(np.array([1]), np.array(times))})
    assert read_spikes(path)["a"].n == 1
