from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import FormatError, NetworkError, SubstrateError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection
from spikewright.substrates import SUBSTRATES, get
from spikewright.substrates.base import Compiled
from spikewright.substrates.export import export_configuration, load_configuration
from spikewright.substrates.ideal.substrate import Ideal
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.pcm.substrate import Pcm


@pytest.fixture(scope="module")
def file(compiled: Compiled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configuration") / "chip.h5"
    export_configuration(compiled, path)
    return path


def test_what_is_loaded_runs_bit_for_bit_alike(compiled: Compiled, file: Path, spikes: Any) -> None:
    found = load_configuration(file)
    record = {"hid": ("u", "v"), "out": ("u", "v")}
    ours, theirs = (
        run(n, {"in": spikes()}, record=record) for n in (compiled.network, found.network)
    )
    for name, variables in record.items():
        assert ours.dense(name).sum() > 100
        assert np.array_equal(ours.dense(name), theirs.dense(name))
        for v in variables:
            assert np.array_equal(ours.trace(name, v), theirs.trace(name, v))


def test_everything_else_comes_back(compiled: Compiled, file: Path) -> None:
    found = load_configuration(file)
    assert found.changes == compiled.changes
    assert (found.substrate, found.seed, found.chip_name) == ("loihi", 0, "loihi")
    chip = Loihi().chip.path
    assert found.chip_sha256 == hashlib.sha256(chip.read_bytes()).hexdigest()
    placement = compiled.placement
    assert placement is not None
    assert {n: c.tolist() for n, c in found.placement.core_of.items()} == {
        n: c.tolist() for n, c in placement.core_of.items()
    }
    assert found.placement.position.tolist() == placement.position.tolist()
    assert (found.placement.mesh, found.placement.load) == (placement.mesh, placement.load)
    assert found.facts["scale"] == dict(compiled.facts["scale"])
    assert found.network.outputs == compiled.network.outputs
    assert list(found.network.projections) == list(compiled.network.projections)


def test_a_reader_with_h5py_alone_finds_what_a_step_adds(
    compiled: Compiled, file: Path, spikes: Any
) -> None:
    """One step of the first neuron of core 1, from the tables as the documented layout says."""
    rows = spikes(steps=1, batch=1)[0, 0].ravel()
    with h5py.File(file) as h:
        names = [json.loads(h[f"projections/{q}"][()])["name"] for q in range(3)]
        q = names.index("a")
        exponent = json.loads(h[f"projections/{q}"][()])["exponent"]
        core = h["cores/1"]
        assert core["neurons/1/index"][:].tolist() == [1, 3, 5, 7, 9, 11]
        table = core[f"synapses/{q}"]
        total = 0
        for j, source in enumerate(table["source"][:]):
            for s in range(table["start"][j], table["start"][j + 1]):
                if rows[source] and table["target"][s] == 0:
                    total += int(table["weight"][s])
        # neuron 0 lies on core 0 and reaches both cores
        axons = h["cores/0/axons"]
        assert axons["neuron"][0] == 0
        assert axons["core"][axons["start"][0] : axons["start"][1]].tolist() == [0, 1]
        assert {c["name"] for c in json.loads(h["models/1"][()])["params"] and [
            json.loads(h[f"populations/{p}"][()]) for p in range(3)
        ]} == {"in", "hid", "out"}  # fmt: skip
        assert json.loads(h["chip/constants"][()])["limits.cores"]["value"] == 128
    found = run(compiled.network, {"in": rows.reshape(1, 1, 4, 5)}, record={"hid": ["u"]})
    assert int(found.trace("hid", "u")[0, 0, 1]) == (total << exponent) << 6


def test_biases_and_starting_values_are_kept(tmp_path: Path, network: Any, spikes: Any) -> None:
    net = network()
    hid = net.populations["hid"]
    biased = Projection("in", "hid", net.projections["a"].topology, bias=np.linspace(-0.1, 0.2, 12))
    started = Population(LIF, 12, hid.params, {"v": np.linspace(0, 0.5, 12)})
    compiled = Loihi().compile(
        net.replacing(projections={"a": biased}, populations={"hid": started})
    )
    export_configuration(compiled, tmp_path / "a.h5")
    again = load_configuration(tmp_path / "a.h5").network
    ours, theirs = (run(n, {"in": spikes(30)}).dense("hid") for n in (compiled.network, again))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", sorted(set(SUBSTRATES) - {"ideal", "pcm", "loihi"}))
def test_every_digital_chip_is_covered(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    net = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 8),
            "hid": Population(LIF, 6, {"tau_m": 10e-3}),
            "out": Population(LIF, 4, {"tau_m": 10e-3}),
        },
        projections={
            "v": Projection("in", "hid", Dense(rng.normal(0.3, 0.3, (6, 8)))),
            "w": Projection("hid", "out", Dense(rng.normal(0.3, 0.3, (4, 6)))),
        },
    )
    chip = get(name)
    compiled = chip.compile(chip.adapted(net))
    if compiled.placement is None or not all(
        p.model.integer for p in compiled.network.populations.values()
    ):
        with pytest.raises(SubstrateError, match="export_configuration"):
            export_configuration(compiled, tmp_path / "a.h5")
        return
    export_configuration(compiled, tmp_path / "a.h5")
    found = load_configuration(tmp_path / "a.h5")
    entering = {n: (rng.random((60, 1, *compiled.network.populations[n].shape)) < 0.3).astype(int)
                for n in compiled.network.inputs}  # fmt: skip
    ours, theirs = (run(n, entering, seed=1) for n in (compiled.network, found.network))
    for population in compiled.network.populations:
        if population not in compiled.network.inputs:
            assert np.array_equal(ours.dense(population), theirs.dense(population))


# --- refused ----------------------------------------------------------------------------------------


def test_what_has_no_cores_or_no_integers_is_refused(tmp_path: Path, network: Any) -> None:
    with pytest.raises(SubstrateError, match="export_configuration: ideal: has no cores"):
        export_configuration(Ideal().compile(network()), tmp_path / "a.h5")
    with pytest.raises(SubstrateError, match=r"'hid' .LIF.: computes with real numbers"):
        export_configuration(Pcm().compile(network(delay=0.0)), tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_would_lose_is_refused(compiled: Compiled, tmp_path: Path) -> None:
    learns = replace(compiled, facts={"learning": {"a": object()}})
    with pytest.raises(SubstrateError, match="projection 'a': learns on the chip"):
        export_configuration(learns, tmp_path / "a.h5")


def test_facts_that_are_no_plain_data_are_named(compiled: Compiled, tmp_path: Path) -> None:
    facts = {"table": np.arange(3), "flag": True, "rate": np.float64(0.5), "odd": {"x": object()}}
    export_configuration(replace(compiled, facts=facts), tmp_path / "a.h5")
    found = load_configuration(tmp_path / "a.h5")
    assert found.facts == {"table": [0, 1, 2], "flag": True, "rate": 0.5, "odd": {}}
    assert found.left_out == ("odd.x",)


def test_a_place_that_cannot_be_written(compiled: Compiled, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="found no such folder"):
        export_configuration(compiled, tmp_path / "nowhere" / "a.h5")


def change(path: Path, target: Path, place: str, value: Any) -> Path:
    """Copy a file with one dataset changed; None removes it."""
    target.write_bytes(path.read_bytes())
    with h5py.File(target, "a") as h:
        old = h[place][()] if isinstance(h.get(place), h5py.Dataset) else None
        if place in h:
            del h[place]
        if callable(value):
            value = value(json.loads(old) if isinstance(old, bytes) else old)
            value = json.dumps(value) if isinstance(old, bytes) else value
        if value is not None:
            h.create_dataset(place, data=value)
    return target


def put(key: str, value: Any) -> Any:
    return lambda old: {**old, key: value}


def at(index: int, value: int) -> Any:
    def changed(old: Any) -> Any:
        new = np.array(old)
        new[index] = value
        return new

    return changed


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("format", None, "not a configuration of Spikewright; found .* expected /format"),
        ("format", "spikewright.network", "/format: another format; found 'spikewright.network'"),
        ("version", 2, "/version: written by a newer Spikewright; found 2, expected 1 at most"),
        ("version", 0, "/version: not a version; found"),
        ("about", None, "/about: missing"),
        ("about", "[", "/about: not JSON"),
        ("about", "[]", "/about: not an object"),
        ("about", put("mesh", ["x"]), "/about: not the description of a configuration"),
        ("about", put("propagation", "soon"), "/about: not the description of a configuration"),
        ("about", put("mesh", [8, 4, 2]), "/cores/0/position: wrong shape; found .2,., expected"),
        ("chip", None, "/chip: missing"),
        ("changes", "[1]", "/changes: not a list of changes"),
        ("models", None, "/models: missing"),
        ("models/1", None, "/models: not numbered from 0|no model 1"),
        ("cores", None, "/cores: missing"),
        ("cores/0", None, "/cores: not numbered from 0; found \\['1'\\]"),
        ("cores/1/position", None, "/cores/1/position: missing"),
        ("cores/1/position", [8, 0], "/cores/1/position: outside the mesh; found \\[8, 0\\]"),
        ("cores/1/load", '{"a": "b"}', "/cores/1/load: not fractions"),
        ("populations/1", put("model", 7), "/populations/1: not a population; found there is no"),
        ("populations/1", put("shape", [13]), "/populations/1: neurons lie on no core; .* 12,"),
        ("populations/1", put("shape", [11]), "index: points at something that is not there"),
        ("populations/1", put("name", "in"), "/populations/1: not a population; found bad name"),
        ("cores/0/neurons/1/index", at(0, 1), "a neuron of population 1 stands there twice"),
        ("cores/0/neurons/1/index", at(0, 2), "a neuron of population 1 stands there twice"),
        ("cores/0/neurons/1/index", [0.5], "/cores/0/neurons/1/index: not whole numbers"),
        ("cores/0/neurons/1", None, "/populations/1: neurons lie on no core"),
        ("cores/0/neurons/9/index", [0], "/cores/0/neurons: a table of something that is not"),
        ("cores/0/neurons/1/params/v_th", [1, 2], "params/v_th: wrong shape; found .2,., expected"),
        ("cores/0/neurons/1/params/v_th", None, "some of its tables lack params/v_th"),
        ("projections/0", put("post", "x"), "/projections/0: not a projection; found no pop"),
        ("projections/0", put("exponent", 0.5), "/projections/0: not a projection; found expon"),
        ("cores/0/synapses/0/target", at(3, 6), "target: points at something that is not there"),
        ("cores/0/synapses/0/source", at(0, 20), "source: points at something that is not there"),
        ("cores/0/synapses/0/start", at(1, 1000), "start: does not fit its synapses"),
        ("cores/0/synapses/0/start", [0], "start: does not fit its synapses"),
        ("cores/0/synapses/0/weight", None, "/cores/0/synapses/0/weight: missing"),
        ("cores/0/synapses/0/weight", [1], "/cores/0/synapses/0/weight: wrong shape"),
        ("cores/0/synapses/0/weight", [1.5], "/cores/0/synapses/0/weight: not whole numbers"),
        ("cores/1/synapses/2/delay", at(0, -1), "/cores/1/synapses/2/delay: negative delays"),
        ("cores/0/axons/core", at(0, 2), "axons/core: points at something that is not there"),
        ("cores/0/axons/core", at(0, 1), "axons/core: does not lead where the synapses are"),
        ("cores/0/axons", None, "/cores/0/axons: missing; expected 6 axons"),
        ("outside", None, "/populations/0: neurons lie on no core"),
    ],
)
def test_a_malformed_file_is_answered(
    file: Path, tmp_path: Path, place: str, value: Any, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        load_configuration(change(file, tmp_path / "bad.h5", place, value))


def test_what_breaks_the_rules_of_a_network(file: Path, tmp_path: Path) -> None:
    bad = change(file, tmp_path / "bad.h5", "projections/0", put("port", "nowhere"))
    with pytest.raises(NetworkError, match=r"bad\.h5: .*has no port 'nowhere'"):
        load_configuration(bad)


def test_another_file_and_a_cut_one(file: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.h5").write_bytes(file.read_bytes()[:2000])
    with pytest.raises(FormatError, match="not a whole HDF5 file"):
        load_configuration(tmp_path / "cut.h5")
    with pytest.raises(FormatError, match="no such file"):
        load_configuration(tmp_path / "none.h5")
