"""Files of other tools on the command line: networks of lava-dl in, tables, NIR and SANA-FE out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spikewright.network import store
from spikewright.network.nir import from_nir
from spikewright.substrates.export import load_configuration


def test_compile_writes_every_kind_of_file(call: Any, tmp_path: Path) -> None:
    found = call(
        "compile @net.h5 loihi --export-configuration chip.h5 --nir chip.nir --sanafe sanafe --json"
    )
    assert found.status == 0
    told = found.json["exported"]
    assert told["configuration"]["file"] == "chip.h5"
    assert told["nir"]["report"]["settings"]["current"] == "sequential"
    assert told["sanafe"]["preset"] == "davies"
    assert "configuration: chip.h5" in found.err
    assert "SANA-FE: sanafe/arch.yaml" in found.err
    assert load_configuration(tmp_path / "chip.h5").substrate == "loihi"
    assert "hidden1" in from_nir(tmp_path / "chip.nir").network.populations
    assert sorted(p.name for p in (tmp_path / "sanafe").iterdir()) == ["arch.yaml", "snn.yaml"]


def test_a_configuration_is_a_network_again(call: Any, tmp_path: Path) -> None:
    assert call("compile @net.h5 loihi --export-configuration chip.h5").status == 0
    assert call("run chip.h5 --events @events.npz").status == 0
    assert call("convert chip.h5 low.h5").status == 0
    assert store.load(tmp_path / "low.h5").populations["hidden1"].model.integer


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--export-configuration a.nir", "a.nir: unknown ending; found '.nir', expected .h5"),
        ("--nir a.h5", "a.h5: unknown ending; found '.h5', expected .nir"),
        ("--nir nowhere/a.nir", "found no such folder"),
        ("--export-configuration nowhere/a.h5", "found no such folder"),
        ("--sanafe @net.h5", "cannot be made"),
    ],
)
def test_compile_refuses_a_place(call: Any, tmp_path: Path, line: str, message: str) -> None:
    before = sorted(tmp_path.iterdir())
    found = call(f"compile @net.h5 loihi {line}")
    assert (found.status, found.out) == (2, "")
    assert message in found.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_of_what_was_compiled_is_priced_and_drawn(call: Any, tmp_path: Path) -> None:
    found = call("compile @net.h5 loihi --inputs @arrays.npz --heat heat.svg --json")
    assert found.status == 0
    costs = found.json["costs"]
    assert costs["steps"] == 10
    assert sum(costs["cores"]["synaptic events"]) > 0
    assert np.shape(costs["links"]["packets"]) == (8, 4, 4)
    assert "<svg" in (tmp_path / "heat.svg").read_text()
    text = call("compile @net.h5 loihi --inputs @arrays.npz")
    assert "an inference of 10 steps, price list davies: device " in text.out
    assert call("compile @net.h5 loihi --json").json["costs"] is None


def test_faults_are_options(call: Any) -> None:
    found = call("compile @net.h5 loihi -o faulty=[(0,0),(1,1)] -o failed_links=[(2,0,'E')] --json")
    assert found.status == 0
    assert not {(0, 0), (1, 1)} & {tuple(xy) for xy in found.json["placement"]["position"]}
    found = call("compile @net.h5 loihi -o faulty=[(9,0)]")
    assert "loihi: faulty: no such core; found (9, 0)" in found.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("loihi --heat heat.svg", "--heat: needs a run"),
        ("loihi --inputs @arrays.npz --heat heat.gif", "heat.gif: unknown ending"),
        ("ideal --inputs @arrays.npz --heat heat.svg", "--heat: ideal has no heat maps"),
    ],
)
def test_heat_maps_that_cannot_be(call: Any, tmp_path: Path, line: str, message: str) -> None:
    found = call(f"compile @net.h5 {line}")
    assert found.status == 2
    assert message in found.err
    assert not list(tmp_path.glob("heat*"))


def test_a_substrate_without_cores(call: Any) -> None:
    found = call("compile @net.h5 ideal --export-configuration a.h5")
    assert found.status == 2
    assert "export_configuration: ideal: has no cores" in found.err


def net(path: Path, weight: Any) -> None:
    with h5py.File(path, "w") as file:
        layer = file.create_group("layer/0")
        layer["type"], layer["shape"] = np.array([b"dense"]), [len(weight)]
        layer["weight"] = np.asarray(weight, np.float32)
        for name, value in {"type": "CUBA", "vThMant": 2, "iDecay": 4096, "vDecay": 0}.items():
            layer[f"neuron/{name}"] = value


def test_a_network_of_lava_dl_is_told_by_content(call: Any, tmp_path: Path) -> None:
    net(tmp_path / "of.lava", [[3, -4], [2, 2]])
    found = call("convert of.lava out.h5 --dt 0.002")
    assert found.status == 0
    assert (
        found.err == "/layer/0: odd weights of both signs; Loihi's synapses keep even ones there\n"
    )
    made = store.load(tmp_path / "out.h5")
    assert (made.dt, made.populations["layer0"].model.name) == (0.002, "LoihiLIF")
    assert call("run of.lava --steps 3 --json").json["sent"]["layer0"] == 0
    net(tmp_path / "bad.net", [[0.5]])
    found = call("convert bad.net out2.h5")
    assert found.status == 2
    assert "/layer/0/weight: not a whole number" in found.err
