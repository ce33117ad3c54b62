"""Circuits of SONATA become networks: the published spikes come out, and what is wrong is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import FormatError
from spikewright.network import LIF, AlphaCurrentLIF, Propagation
from spikewright.network.drive import StepCurrent
from spikewright.network.sonata import (
    Template,
    read_configuration,
    read_edge_populations,
    read_node_populations,
    read_sonata,
    read_spikes,
)
from spikewright.units import ms, mV, pA


@pytest.fixture(scope="module")
def examples(shared: Path) -> Path:
    return shared / "data" / "sonata"


@pytest.fixture
def circuit(shared: Path, tmp_path: Path) -> Path:
    """A copy of the small circuit of the vectors, to be damaged."""
    for path in (shared / "vectors" / "sonata").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    return tmp_path


def text(path: Path, old: str, new: str) -> None:
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))


INTFIRE_IN_MS = Template(
    LIF,
    {"tau_m": ("tau_m", ms), "t_ref": ("t_ref", ms)},
    1.0,
    "spikes",
    "spikes",
    fixed={"v_rest": 0.0, "v_th": 1.0, "v_reset": 0.0},
)
OWN = {"nrn:IntFire1": INTFIRE_IN_MS}


def test_the_published_network_gives_all_its_spikes_to_the_microsecond(examples: Path) -> None:
    imported = read_sonata(examples / "300_intfire" / "config.json")
    network = imported.network
    sizes = {
        n: p.topology.synapses((network.populations[p.pre].n,)).n
        for n, p in network.projections.items()
    }
    assert sizes == {"v1_to_v1": 61560, "lgn_to_v1": 17160, "tw_to_v1": 9000}
    assert {n: e.n for n, e in imported.inputs.items()} == {"lgn": 2738, "tw": 295}
    assert network.propagation is Propagation.CONTINUOUS
    recording = run(network, imported.inputs, engine="event", steps=imported.steps, spikes=("v1",))
    times, address = recording.times("v1")
    stored = read_spikes(examples / "300_intfire" / "output" / "spikes.h5")["v1"]
    assert len(times) == stored.n == 4322
    ours = np.lexsort((address, np.rint(times * 1e6)))
    theirs = np.lexsort((stored.ids, np.rint(stored.times * 1e6)))
    np.testing.assert_array_equal(imported.ids("v1", address[ours])[1], stored.ids[theirs])
    assert np.abs(times[ours] - stored.times[theirs]).max() < 1e-6


def test_models_of_nest_get_their_parameters_ports_and_delays(examples: Path) -> None:
    imported = read_sonata(examples / "300_pointneurons" / "config.json", dt=0.1 * ms)
    inside = imported.network.populations["internal"]
    assert inside.model is AlphaCurrentLIF
    kind = imported.nodes["internal"].type_id
    np.testing.assert_allclose(inside.param("tau_m")[kind == 104], 12.5 * ms)
    np.testing.assert_allclose(inside.param("c")[kind == 100], 239e-12)
    assert inside.initial["v"] == -80 * mV  # of the simulation's conditions
    projections = imported.network.projections
    assert set(projections) == {
        "internal_to_internal.exc",
        "internal_to_internal.inh",
        "external_to_internal.exc",
    }
    np.testing.assert_allclose(
        np.unique(projections["internal_to_internal.inh"].topology.weight), [-7.5 * pA, -3 * pA]
    )
    assert imported.network.delay_range("external_to_internal.exc") == (10, 10)  # 1 ms
    assert any("have no delay" in note for note in imported.notes)
    # no output is published: that it fires, and never within 3 ms, is all that can be said
    steps = 3000
    early = {n: e for n, e in imported.inputs.items()}
    early["external"] = early["external"].__class__(
        early["external"].t[early["external"].t * 1e-9 < steps * 0.1 * ms],
        early["external"].address[early["external"].t * 1e-9 < steps * 0.1 * ms],
        early["external"].shape,
        tick=1e-9,
    )
    recording = run(imported.network, early, steps=steps, engine="reference")
    times, address = recording.times("internal")
    assert len(times) > 100
    order = np.lexsort((times, address))
    gaps, same = np.diff(times[order]), np.diff(address[order]) == 0
    assert gaps[same].min() >= 3 * ms - 1e-9


def test_a_current_clamp_is_a_step_current(examples: Path) -> None:
    folder = examples / "sim_tests/intfire/one_cell_iclamp_nest/input"
    cells = examples / "shared_components/nest_models/cell_models"
    with pytest.raises(FormatError, match=r"file of parameters is not there.*components="):
        read_sonata(folder / "config.json")
    imported = read_sonata(
        folder / "config.json", dt=0.1 * ms, components={"point_neuron_models_dir": cells}
    )
    (drive,) = imported.network.drives.values()
    assert isinstance(drive, StepCurrent)
    np.testing.assert_allclose(drive.times, [0.1, 0.9])
    np.testing.assert_allclose(drive.values.ravel(), [190 * pA, 0.0])
    recording = run(imported.network, steps=5000, engine="reference")
    times, _ = recording.times("one_cell_iclamp")
    # the closed form: tau 22.1 ms, 22.1 / 117 GOhm, from -50 mV (reset) to -47 mV (threshold), 3 ms refractory
    end = -78 + 22.1 / 117 * 190
    interval = 22.1 * np.log((end + 50) / (end + 47)) + 3.0
    assert len(times) > 10
    np.testing.assert_allclose(np.diff(times), interval * ms, atol=0.1 * ms)


def test_virtual_nodes_and_types_of_two_models_become_populations(circuit: Path) -> None:
    imported = read_sonata(circuit / "simulation_config.json", templates=OWN)
    assert imported.network.inputs == ("ext",)
    assert imported.inputs["ext"].n == 120
    assert imported.steps == 5000
    (projection,) = (p for n, p in imported.network.projections.items() if n == "cortex_cortex")
    edges = imported.edges["cortex_cortex"]
    signs = np.where(edges.type_id == 101, -1, 1)
    assert signs.min() == -1
    total = float((edges.own["syn_weight"].astype(float) * signs).sum())
    np.testing.assert_allclose(projection.topology.weight.sum(), total)
    assert np.size(projection.delay) == edges.n


def test_an_index_under_either_name_finds_what_a_search_finds(circuit: Path) -> None:
    found = []
    for gone in ("node_id_to_ranges", "node_id_to_range", "indices"):
        copy = circuit / f"{gone}.h5"
        shutil.copyfile(circuit / "ext_edges.h5", copy)
        with h5py.File(copy, "r+") as file:
            group = file["edges/ext_cortex"]
            if gone == "indices":
                del group["indices"]
            else:
                for direction in group["indices"].values():
                    del direction[gone]
        (edges,) = read_edge_populations(copy).values()
        found.append(
            [edges.afferent(k).tolist() for k in range(31)]
            + [edges.efferent(k).tolist() for k in range(8)]
        )
    assert found[0] == found[1] == found[2]


def test_an_index_that_loses_an_edge_is_refused(circuit: Path) -> None:
    with h5py.File(circuit / "edges.h5", "r+") as file:
        spans = file["edges/cortex_cortex/indices/target_to_source/range_to_edge_id"]
        spans[3] = [24, 29]
    with pytest.raises(FormatError, match=r"target_to_source: does not fit the edges"):
        read_edge_populations(circuit / "edges.h5")


def _without(path: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / path).unlink()

    return change


def _edited(path: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: text(folder / path, old, new)


def _h5(path: str, where: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with h5py.File(folder / path, "r+") as file:
            file[where][0] = value

    return change


BROKEN = {
    "a type that the table lacks": (
        _edited("node_types.csv", "\n101 ", "\n102 "),
        r"node type 101 is not in the table of types; found \d+ nodes of it, expected one of 100, 102",
    ),
    "an edge type that the table lacks": (
        _edited("edge_types.csv", "101 ", "107 "),
        r"edge type 101 is not in the table of types",
    ),
    "a model that is not known": (
        _edited("node_types.csv", "nrn:IntFire1", "nest:glif_psc"),
        r"node type 100: a model that is not known here; found 'nest:glif_psc'.*nest:iaf_psc_alpha",
    ),
    "a missing file": (_without("edges.h5"), r"edges\.h5: cannot be read; found no such file"),
    "a missing table": (_without("node_types.csv"), r"node_types\.csv: cannot be read"),
    "a cut file": (
        lambda folder: (folder / "nodes.h5").write_bytes((folder / "nodes.h5").read_bytes()[:900]),
        r"nodes\.h5: not a whole HDF5 file",
    ),
    "a node that is not there": (
        _h5("ext_edges.h5", "edges/ext_cortex/source_node_id", 99),
        r"does not fit the edges",
    ),
    "a variable that is not there": (
        _edited("circuit_config.json", "$DIR/nodes.h5", "$DIRS/nodes.h5"),
        r"\$DIRS is not in the manifest; expected \$DIR",
    ),
    "a variable made of itself": (
        _edited("circuit_config.json", '"$DIR": "."', '"$DIR": "$DIR/x"'),
        r"\$DIR is made of itself",
    ),
    "a synapse that learns": (
        _edited("edge_types.csv", "100 static_synapse", "100 stdp_synapse"),
        r"edge type 100: a synapse that is not known here; found 'stdp_synapse'",
    ),
    "an input that is not known": (
        _edited("simulation_config.json", '"spikes"', '"voltage_clamp"'),
        r"inputs\.ext: an input that is not known here; found 'voltage_clamp'",
    ),
    "a node set that is not there": (
        _edited("simulation_config.json", '"population": "ext"', '"population": "text"'),
        r"no population 'text'; expected cortex, ext",
    ),
    "a line of another length": (
        _edited("node_types.csv", "101 inh", "101"),
        r"node_types\.csv: line 3: has another number of columns",
    ),
    "no JSON": (_edited("circuit_config.json", '"networks"', "networks"), r"is not JSON"),
    "a spike of a node that is not there": (
        _h5("ext_spikes.h5", "spikes/ext/node_ids", 50),
        r"node 50 is not in population 'ext'",
    ),
    "a step of 0": (
        _edited("simulation_config.json", '"dt": 0.1', '"dt": 0'),
        r"run\.dt: must be above 0",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_named(circuit: Path, case: str) -> None:
    change, message = BROKEN[case]
    change(circuit)
    with pytest.raises(FormatError, match=r"(?s)" + message):
        read_sonata(circuit / "simulation_config.json", templates=OWN)


def test_a_parameter_without_default_is_asked_for(circuit: Path) -> None:
    with pytest.raises(FormatError, match=r"nrn:IntFire1 needs 'tau'"):
        read_sonata(circuit / "simulation_config.json")


def test_a_parameter_that_is_not_known_is_not_lost(examples: Path, tmp_path: Path) -> None:
    cells = tmp_path / "cells"
    shutil.copytree(examples / "shared_components/nest_models/cell_models", cells)
    cells.chmod(0o755)
    path = cells / "473863035_point.json"
    path.chmod(0o644)
    path.write_text(json.dumps({"tau_m": 20.0, "tau_minus": 3.0}))
    with pytest.raises(FormatError, match=r"nest:iaf_psc_alpha has no parameter 'tau_minus'"):
        read_sonata(
            examples / "sim_tests/intfire/one_cell_iclamp_nest/input/config.json",
            components={"point_neuron_models_dir": cells},
        )


def test_attributes_of_the_file_come_before_those_of_the_type(circuit: Path) -> None:
    nodes = read_node_populations(circuit / "nodes.h5", circuit / "node_types.csv")["cortex"]
    np.testing.assert_array_equal(np.unique(nodes.attribute("tau_m")), [10.0, 20.0])
    with h5py.File(circuit / "nodes.h5", "r+") as file:
        file["nodes/cortex/0"].create_dataset("tau_m", data=np.arange(31.0))
    nodes = read_node_populations(circuit / "nodes.h5", circuit / "node_types.csv")["cortex"]
    np.testing.assert_array_equal(nodes.attribute("tau_m"), np.arange(31.0))
    with pytest.raises(FormatError, match=r"no 'depth'; found none in the file, none in type 100"):
        nodes.attribute("depth")


def test_configurations_are_found_from_any_of_the_three(examples: Path) -> None:
    folder = examples / "300_intfire"
    for name, inputs in (
        ("config.json", 2),
        ("simulation_config.json", 2),
        ("circuit_config.json", 0),
    ):
        found = read_configuration(folder / name)
        assert (len(found.nodes), len(found.edges), len(found.inputs)) == (3, 3, inputs)
