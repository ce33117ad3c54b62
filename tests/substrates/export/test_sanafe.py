from __future__ import annotations

import csv
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import FormatError, SubstrateError
from spikewright.network import Population
from spikewright.substrates.base import Compiled, Placement
from spikewright.substrates.export import export_sanafe
from spikewright.substrates.export.linear import probe
from spikewright.substrates.ideal.substrate import Ideal
from spikewright.substrates.loihi.model import LoihiSigma
from spikewright.substrates.loihi.substrate import Loihi

LINE = re.compile(r"^( *)(- )?([^:]+): ?(.*)$")
SCRIPT = """
import sys, sanafe
folder, steps = sys.argv[1], int(sys.argv[2])
arch = sanafe.load_arch(folder + "/arch.yaml")
chip = sanafe.SpikingChip(arch)
chip.load(sanafe.load_net(folder + "/snn.yaml", arch))
result = chip.sim(steps, timing_model="simple", spike_trace=folder + "/spikes.csv")
print("SOMA", result["energy"]["soma"], "SYNAPSE", result["energy"]["synapse"])
"""


def keys(path: Path) -> dict[str, str]:
    """Return "a.b.c" -> text of the plain entries of a file, the last one where a name comes twice."""
    found, stack = {}, []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = LINE.match(line)
        assert match, line
        depth = len(match[1]) + (2 if match[2] else 0)
        while stack and stack[-1][0] >= depth:
            stack.pop()
        stack.append((depth, match[3]))
        if match[4]:
            found[".".join(name for _, name in stack)] = match[4]
    return found


def test_the_chip_is_the_chip_file(compiled: Compiled, tmp_path: Path) -> None:
    files = export_sanafe(compiled, tmp_path / "out", preset="nahuku")
    found = keys(files.architecture)
    assert found["architecture.attributes.width"] == "8"
    assert found["architecture.attributes.height"] == "4"
    assert found["architecture.tile.name"] == "tile[0..31]"
    tile = "architecture.tile.attributes."
    assert float(found[tile + "energy_north_hop"]) == pytest.approx(4.2e-12)
    assert float(found[tile + "latency_east_hop"]) == pytest.approx(4.1e-9)
    core = "architecture.tile.core."
    assert float(found[core + "axon_out.attributes.energy_message_out"]) == pytest.approx(111e-12)
    assert float(found[core + "axon_in.attributes.latency_message_in"]) == pytest.approx(16e-9)
    assert "1: 6e-07, 2: 1e-06" in found["architecture.attributes.latency_sync"]
    text = files.architecture.read_text(encoding="utf-8")
    assert "energy_access_neuron: 5.12e-11" in text
    assert "energy_spike_out: 6.93e-11" in text
    davies = export_sanafe(compiled, tmp_path / "out")
    assert davies.preset == "davies"
    assert "energy_process_spike: 2.36e-11" in davies.architecture.read_text(encoding="utf-8")


def test_neurons_edges_and_places(compiled: Compiled, tmp_path: Path, spikes: Any) -> None:
    files = export_sanafe(compiled, tmp_path, inputs={"in": spikes(4, 1)[:, 0]})
    lines = files.network.read_text(encoding="utf-8").splitlines()
    assert files.groups == {"in": "in", "hid": "hid", "out": "out"}
    # tiles are counted along y, so tile (1, 0) of a mesh 8 x 4 is number 4
    assert "  - hid.0: [core: 0.0, soma: neuron, dendrite: sum]" in lines
    assert "  - hid.1: [core: 4.0, soma: neuron, dendrite: sum]" in lines
    assert "  - out.0: [core: 4.0, soma: neuron, dendrite: sum_late]" in lines
    assert '  - in.3: [core: 0.0, soma: "input[3]"]' in lines
    train = ", ".join(map(str, spikes(4, 1)[:, 0].reshape(4, 20)[:, 3]))
    assert f"        - 3: [spikes: [{train}]]" in lines
    hid = compiled.network.populations["hid"]
    neuron = next(line for line in lines if line.startswith("        - 0..11: [soma:"))
    assert f"threshold: {int(hid.param('v_th')) / 64!r}" in neuron
    assert f"leak_decay: {1 - int(hid.param('dv')) / 4096!r}" in neuron
    projection = compiled.network.projections["a"]
    weight = int(projection.topology.weight[3, 2]) << projection.exponent  # type: ignore[index]
    assert f"    - in.2 -> hid.3: [weight: {float(weight)!r}, synapse_hw_name: dense]" in lines
    edges = sum(" -> " in line for line in lines)
    assert edges == 20 * 12 + 12 * 12 + len(compiled.network.projections["b"].topology.target)  # type: ignore[attr-defined]


def test_names_are_made_of_letters(compiled: Compiled, tmp_path: Path) -> None:
    network = compiled.network
    renamed = replace(
        network,
        populations={
            {"hid": "a.b", "out": "a b", "in": "in"}[n]: p for n, p in network.populations.items()
        },
        projections={
            n: replace(
                p, pre={"hid": "a.b"}.get(p.pre, p.pre), post={"hid": "a.b", "out": "a b"}[p.post]
            )
            for n, p in network.projections.items()
        },
        outputs=("a b",),
    )
    placement = compiled.placement
    assert placement is not None
    cores = {"a.b": placement.core_of["hid"], "a b": placement.core_of["out"]}
    files = export_sanafe(
        replace(compiled, network=renamed, placement=replace(placement, core_of=cores)), tmp_path
    )
    assert files.groups == {"in": "in", "a.b": "a_b", "a b": "a_b_2"}


def test_what_differs_is_said(cuba: Compiled, tmp_path: Path) -> None:
    notes = " ".join(export_sanafe(cuba, tmp_path).notes)
    assert "hid: its current decays in real numbers there" in notes
    assert "out: delays go through the dendrite" in notes
    assert "inputs are neurons of core 0.0 there" in notes


def test_what_cannot_be_said_is_refused(compiled: Compiled, tmp_path: Path, network: Any) -> None:
    with pytest.raises(SubstrateError, match="export_sanafe: ideal: has no cores"):
        export_sanafe(Ideal().compile(network()), tmp_path)
    with pytest.raises(SubstrateError, match="no preset 'dear'; expected davies, nahuku"):
        export_sanafe(compiled, tmp_path, preset="dear")
    sums = compiled.network.replacing(populations={"out": Population(LoihiSigma, 5)})
    with pytest.raises(SubstrateError, match=r"'out' .LoihiSigma.: it does not send 1 where"):
        export_sanafe(replace(compiled, network=sums), tmp_path)
    assert compiled.placement is not None
    deep = Placement(compiled.placement.core_of, np.zeros((2, 3), np.int64), (2, 2, 2))
    with pytest.raises(SubstrateError, match="SANA-FE knows meshes of two dimensions"):
        export_sanafe(replace(compiled, placement=deep), tmp_path)
    for inputs, message in (
        ({"x": np.zeros((3, 20))}, "no input 'x'; expected in"),
        ({"in": np.zeros((3, 19))}, r"not spikes of one sample; found shape \(3, 19\)"),
        ({"in": np.full((3, 20), 2)}, "not spikes of one sample"),
    ):
        with pytest.raises(SubstrateError, match=message):
            export_sanafe(compiled, tmp_path, inputs=inputs)
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match="cannot be made"):
        export_sanafe(compiled, tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_probing_finds_the_registers(cuba: Compiled) -> None:
    hid = cuba.network.populations["hid"]
    found = probe(hid)
    assert found.has_current
    assert float(found.keep_v[0]) * 4096 == pytest.approx(4096 - int(hid.param("dv")), abs=0.01)
    assert float(found.keep_u[0]) * 4096 == pytest.approx(4095 - int(hid.param("du")), abs=0.01)
    assert float(found.gain["a"][0]) == 64.0
    assert float(found.level[0]) == int(hid.param("v_th")) + 0.5


@pytest.mark.peer
def test_sanafe_gives_the_same_spikes(tmp_path: Path, network: Any, spikes: Any) -> None:
    """With the environment `sanafe` in the folder that SPIKEWRIGHT_PEERS names."""
    folder = os.environ.get("SPIKEWRIGHT_PEERS")
    python = Path(folder or "") / "sanafe" / "bin" / "python"
    if not folder or not python.exists():
        pytest.skip("SPIKEWRIGHT_PEERS names no folder with an environment 'sanafe'")
    compiled = Loihi(preset="nahuku").compile(network(delay=0.0))
    steps, rows = 100, spikes(100, 1)
    files = export_sanafe(compiled, tmp_path, inputs={"in": rows[:, 0]}, preset="nahuku")
    script = [str(python), "-c", SCRIPT, str(tmp_path), str(steps + files.delay)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=True)
    recording = run(compiled.network, {"in": rows})
    shapes = {n: compiled.network.populations[n].n for n in ("hid", "out")}
    theirs = {n: np.zeros((steps + files.delay, k), int) for n, k in shapes.items()}
    with open(tmp_path / "spikes.csv", encoding="utf-8") as file:
        for neuron, step in list(csv.reader(file))[1:]:
            group, _, index = neuron.partition(".")
            if group in theirs:
                theirs[group][int(step) - 1, int(index)] = 1
    for name, found in theirs.items():
        assert found.sum() > 50
        assert np.array_equal(found[files.delay :], recording.dense(name)[:, 0])
    fired = sum(int(found.sum()) for found in theirs.values())
    words = done.stdout.split()
    soma = float(words[words.index("SOMA") + 1])
    updates = 17 * (steps + files.delay)
    assert soma == pytest.approx(updates * (51.2e-12 + 21.6e-12) + fired * 69.3e-12, rel=1e-9)
