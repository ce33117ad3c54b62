"""A compiled network as the two YAML files of SANA-FE, to cross-check spikes, energy and latency with it.

`arch.yaml` is the chip: mesh, tiles, cores, and what each event costs, from the chip file. `snn.yaml` is the network: a
group per population, an edge per synapse, the core of each neuron. Only the documented formats are used; SANA-FE
(GPL-3) is not part of this package, and none of its code is.

Voltages are written in 1/64 of an integer unit, since SANA-FE keeps its potential on a lattice of 1/64: what remains of
a voltage is then truncated just as by a chip that truncates towards zero. What differs is in `SanafeFiles.notes`.

Longer than most files: the writers of the two files share what they know of the chip.

Source
------
SANA-FE 2.2: `arch/README.md`, `snn/README.md`, `docs/models/*.rst`; Boyle et al., IEEE TCAD 44(8), 2025
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, Problems, SubstrateError, explain
from spikewright.files import replacing
from spikewright.network.compose import Compose
from spikewright.network.topology import Dense, Topology
from spikewright.network.windows import Conv
from spikewright.substrates.base import Chip, Compiled, Constant
from spikewright.substrates.export.configuration import chip_of
from spikewright.substrates.export.linear import Linear, NotLinear, probe
from spikewright.substrates.export.tables import check_digital, written_out

LATTICE = 64
MAX_EDGES = 5_000_000
"""Edges that are written at most; each is a line of text."""


@dataclass(frozen=True)
class SanafeFiles:
    """What `export_sanafe` wrote.

    Parameters
    ----------
    architecture, network : the files
    groups : population -> name of its group
    delay : steps by which chip neurons run later there than here: an input is a neuron there
    preset : price list that was written
    notes : what differs, or was left out
    """

    architecture: Path
    network: Path
    groups: Mapping[str, str]
    delay: int
    preset: str
    notes: tuple[str, ...]


def export_sanafe(
    compiled: Compiled,
    folder: str | os.PathLike[str],
    *,
    inputs: Mapping[str, Any] | None = None,
    preset: str = "",
    chip: Chip | None = None,
) -> SanafeFiles:
    """Write `arch.yaml` and `snn.yaml` into a folder, each whole or not at all.

    Parameters
    ----------
    compiled : for a digital chip with a two-dimensional mesh and linear neurons
    folder : made where it does not exist
    inputs : input population -> spikes, 0 or 1, shape (T, *shape), to be played; default: no input
    preset : which of the chip's price lists; default: the first one
    chip : the chip file; default: that of the installed substrate of this name

    Raises
    ------
    SubstrateError : SANA-FE cannot say something; all of it is listed
    FormatError : the folder cannot be written
    """
    check_digital(compiled, "export_sanafe")
    chip = chip or chip_of(compiled)
    writer = _Writer(compiled, chip, preset, dict(inputs or {}))
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(explain(str(target), f"cannot be made: {error.strerror}")) from None
    files = (target / "arch.yaml", target / "snn.yaml")
    for file, lines in zip(files, (writer.architecture(), writer.snn()), strict=True):
        with replacing(file) as temporary, open(temporary, "w", encoding="utf-8") as out:
            out.writelines(f"{line}\n" for line in lines)
    return SanafeFiles(*files, writer.group, 1, writer.preset, tuple(writer.notes))


class _Writer:
    def __init__(self, compiled: Compiled, chip: Chip, preset: str, inputs: dict[str, Any]) -> None:
        placement = compiled.placement
        if placement is None or len(placement.mesh) != 2:
            raise SubstrateError(
                explain(
                    f"export_sanafe: {compiled.substrate}",
                    "SANA-FE knows meshes of two dimensions",
                    found=None if placement is None else placement.mesh,
                )
            )
        self.network, self.placement, self.chip = compiled.network.written_out(), placement, chip
        self.notes: list[str] = []
        self.preset, self.energy, self.time = _prices(chip, preset)
        self.group = _group_names(tuple(self.network.populations))
        self.core = _core_names(placement.position, placement.mesh)
        self.linear: dict[str, Linear] = {}
        problems = Problems()
        for name, population in self.network.populations.items():
            if name in placement.core_of:
                where = f"export_sanafe: population {name!r} ({population.model.name})"
                try:
                    self.linear[name] = probe(population)
                except NotLinear as no:
                    problems.add(where, str(no))
            elif name not in self.network.inputs:
                problems.add(f"export_sanafe: population {name!r}", "lies on no core")
        for name in self.linear:
            self._check(name, problems)
        edges = sum(p.topology.synapses(self.network.populations[p.pre].shape).n
                    for p in self.network.projections.values())  # fmt: skip
        if edges > MAX_EDGES:
            problems.add(
                "export_sanafe", "too many synapses for a text file", found=edges,
                expected=f"{MAX_EDGES} at most", cure="use export_configuration",
            )  # fmt: skip
        self.spikes = self._spikes(inputs, problems)
        problems.raise_as(SubstrateError)
        self.notes.append(
            f"inputs are neurons of core {self.core[0]} there: their packets and hops are counted, "
            "and what they drive runs one step later"
        )

    def _check(self, name: str, problems: Problems) -> None:
        found = self.linear[name]
        if any(np.any(v) for v in self.network.populations[name].initial.values()):
            self.notes.append(f"{name}: starts at 0 there")
        if found.has_current:
            self.notes.append(f"{name}: its current decays in real numbers there, not in integers")
        if np.any(found.bias):
            self.notes.append(f"{name}: its bias acts in the one step before the first input, too")
        self.notes += [f"{name}: {note}" for note in found.notes]
        if any(np.any(self.network.delay_steps(q)) for q in self.network.incoming(name)):
            self.notes.append(
                f"{name}: delays go through the dendrite 'accumulator_with_delay', with which version 2.2.9 "
                "sometimes gave other spikes"
            )
        for projection in self.network.incoming(name):
            if self.network.projections[projection].bias is not None:
                problems.add(f"export_sanafe: projection {projection!r}", "has a bias of its own")
            if self.network.projections[projection].exponent < 0:
                self.notes.append(f"{projection}: sums are shifted right in real numbers there")

    def _spikes(self, inputs: dict[str, Any], problems: Problems) -> dict[str, NDArray[np.int64]]:
        found = {}
        for name, rows in inputs.items():
            if name not in self.network.inputs:
                problems.add("export_sanafe(inputs=)", f"no input {name!r}",
                             expected=", ".join(self.network.inputs))  # fmt: skip
                continue
            n = self.network.populations[name].n
            spikes = np.asarray(rows)
            if spikes.ndim < 2 or spikes[0].size != n or np.any((spikes != 0) & (spikes != 1)):
                problems.add(
                    f"export_sanafe(inputs=): {name!r}", "not spikes of one sample",
                    found=f"shape {spikes.shape}", expected=f"0 or 1, (T, {n})",
                )  # fmt: skip
                continue
            found[name] = spikes.reshape(len(spikes), n).astype(np.int64)
        return found

    # -- the chip ------------------------------------------------------------------------------------

    def architecture(self) -> Iterator[str]:
        width, height = self.placement.mesh
        per_tile = 1 + max(int(name.split(".")[1]) for name in self.core)
        n_inputs = sum(self.network.populations[n].n for n in self.network.inputs)
        e, t = self.energy, self.time
        yield "architecture:"
        yield f"  name: {_word(self.chip.name)}"
        yield "  attributes:"
        yield "    topology: mesh"
        yield f"    width: {width}"
        yield f"    height: {height}"
        yield "    link_buffer_size: 16"
        barrier = _barrier(self.time)
        yield "    sync_model: table" if barrier else "    sync_model: fixed"
        yield f"    latency_sync: {{ {barrier} }}" if barrier else "    latency_sync: 0.0"
        yield "  tile:"
        yield f"    - name: tile[0..{width * height - 1}]"
        yield "      attributes:"
        for side, name in (("east", "hop_east_west"), ("west", "hop_east_west"),
                           ("north", "hop_north_south"), ("south", "hop_north_south")):  # fmt: skip
            yield f"        energy_{side}_hop: {_value(e, name)}"
            yield f"        latency_{side}_hop: {_value(t, name)}"
        yield "      core:"
        yield f"        - name: core[0..{per_tile - 1}]"
        yield "          attributes:"
        yield "            buffer_position: soma"
        yield "            buffer_inside_unit: false"
        most = max(int(np.bincount(c).max()) for c in self.placement.core_of.values())
        most = max(most * len(self.placement.core_of) + n_inputs, 1)
        yield f"            max_neurons_supported: {most}"
        yield from _unit(
            "axon_in", "axons_in", message_in=(_value(e, "axon_in"), _value(t, "axon_in"))
        )
        yield "          synapse:"
        for kind in ("dense", "sparse", "conv"):
            yield from _entry(kind, "current_based", process_spike=self._synapse(kind))
        yield "          dendrite:"
        yield from _entry("sum", "accumulator", update=(0.0, 0.0))
        yield from _entry("sum_late", "accumulator_with_delay", update=(0.0, 0.0))
        yield "          soma:"
        yield from _entry(
            "neuron",
            "leaky_integrate_fire",
            access_neuron=_either(e, t, "neuron_access", "neuron_update_inactive"),
            update_neuron=_either(e, t, "neuron_update"),
            spike_out=_fires(e, t),
        )
        if n_inputs:
            yield from _entry(
                f"input[0..{n_inputs - 1}]", "input",
                access_neuron=(0.0, 0.0), update_neuron=(0.0, 0.0), spike_out=(0.0, 0.0),
            )  # fmt: skip
        yield from _unit(
            "axon_out", "axons_out", message_out=(_value(e, "axon_out"), _value(t, "axon_out"))
        )

    def _synapse(self, kind: str) -> tuple[float, float]:
        return _either(self.energy, self.time, f"synapse_{kind}", "synaptic_operation")

    # -- the network ---------------------------------------------------------------------------------

    def snn(self) -> Iterator[str]:
        network = self.network
        yield "network:"
        yield f"  name: {_word(network.name)}"
        yield "  groups:"
        for name, population in network.populations.items():
            yield f"    - name: {self.group[name]}"
            yield "      attributes: [log_spikes: true, log_potential: true]"
            yield "      neurons:"
            if name in self.linear:
                yield from self._neurons(name, population.n)
            else:
                yield from self._input_neurons(name, population.n)
        yield "  edges:"
        for name in network.projections:
            yield from self._edges(name)
        yield "mappings:"
        first = 0
        for name, population in network.populations.items():
            group = self.group[name]
            if name in self.linear:
                late = any(np.any(network.delay_steps(q)) for q in network.incoming(name))
                dendrite = "sum_late" if late else "sum"
                core = self.placement.core_of[name]
                for i in range(population.n):
                    yield (
                        f"  - {group}.{i}: [core: {self.core[core[i]]}, soma: neuron, dendrite: {dendrite}]"
                    )
            else:
                for i in range(population.n):
                    yield f'  - {group}.{i}: [core: {self.core[0]}, soma: "input[{first + i}]"]'
                first += population.n

    def _neurons(self, name: str, n: int) -> Iterator[str]:
        found = self.linear[name]
        values = {
            "threshold": (found.level - 0.5) / LATTICE,
            "leak_decay": found.keep_v,
            "bias": found.bias / LATTICE,
            "reset": found.reset / LATTICE,
        }
        if found.has_current:
            values["input_decay"] = found.keep_u
        kind = "dense"
        for projection in self.network.incoming(name):
            kind = _kind(self.network.projections[projection].topology)
        full = {k: np.broadcast_to(np.ravel(v), (n,)) for k, v in values.items()}
        mode = "soft" if found.subtracts else "hard"
        same = all(np.all(v == v[0]) for v in full.values())
        for i in range(1 if same else n):
            where = f"0..{n - 1}" if same and n > 1 else f"{i}"
            told = ", ".join(f"{k}: {_number(v[i])}" for k, v in full.items())
            yield (
                f"        - {where}: [soma: {{{told}, reset_mode: {mode}, force_update: true}}, "
                f"synapse_hw_name: {kind}]"
            )

    def _input_neurons(self, name: str, n: int) -> Iterator[str]:
        rows = self.spikes.get(name)
        for i in range(n):
            train = [] if rows is None else rows[:, i].tolist()
            text = ", ".join(map(str, train)) or "0"
            yield f"        - {i}: [spikes: [{text}]]"

    def _edges(self, name: str) -> Iterator[str]:
        p = self.network.projections[name]
        made, delay = written_out(self.network, name)
        gain = self.linear[p.post].gain[self.network.port_of(name)]
        each = np.broadcast_to(gain, (made.n_post,))
        value = made.weight * 2.0**p.exponent * each[made.target] / LATTICE
        pre, post = self.group[p.pre], self.group[p.post]
        kind = _kind(p.topology)
        for j, i, w, d in zip(made.source, made.target, value, delay, strict=True):
            # the delayed dendrite takes a step of its own
            late = f", delay: {d - 1}" if d else ""
            yield f"    - {pre}.{j} -> {post}.{i}: [weight: {_number(w)}{late}, synapse_hw_name: {kind}]"


# -- pieces of text ------------------------------------------------------------------------------------


def _entry(name: str, model: str, **costs: tuple[float, float]) -> Iterator[str]:
    yield f'            - name: "{name}"' if "[" in name else f"            - name: {name}"
    yield "              attributes:"
    yield f"                model: {model}"
    for what, (energy, latency) in costs.items():
        yield f"                energy_{what}: {energy!r}"
        yield f"                latency_{what}: {latency!r}"


def _unit(part: str, name: str, **costs: tuple[float, float]) -> Iterator[str]:
    yield f"          {part}:"
    yield f"            - name: {name}"
    yield "              attributes:"
    for what, (energy, latency) in costs.items():
        yield f"                energy_{what}: {energy!r}"
        yield f"                latency_{what}: {latency!r}"


def _number(value: float) -> str:
    return repr(float(value))


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "unnamed"


def _group_names(names: tuple[str, ...]) -> dict[str, str]:
    """Return names of letters, digits and _ for populations, all different."""
    found: dict[str, str] = {}
    for name in names:
        word = _word(name)
        base, k = word, 2
        while word in found.values():
            word, k = f"{base}_{k}", k + 1
        found[name] = word
    return found


def _core_names(position: NDArray[np.int64], mesh: tuple[int, ...]) -> list[str]:
    """Return "tile.core" of each core; tiles are counted along y first."""
    seen: dict[int, int] = {}
    names = []
    for x, y in position.tolist():
        tile = x * mesh[1] + y
        names.append(f"{tile}.{seen.get(tile, 0)}")
        seen[tile] = seen.get(tile, 0) + 1
    return names


def _kind(topology: Topology) -> str:
    if isinstance(topology, Compose):
        return _kind(topology.maps[-1])
    return (
        "dense"
        if isinstance(topology, Dense)
        else "conv"
        if isinstance(topology, Conv)
        else "sparse"
    )


# -- prices --------------------------------------------------------------------------------------------

Table = Mapping[str, Constant]


def _prices(chip: Chip, preset: str) -> tuple[str, Table, Table]:
    """Return the name of a price list, its energies and its times."""
    known = [name.removeprefix("energy.") for name in chip.tables if name.startswith("energy.")]
    if preset and preset not in known:
        raise SubstrateError(
            explain(
                f"export_sanafe: {chip.name}",
                f"no preset {preset!r}",
                expected=", ".join(known) or "none",
            )
        )
    chosen = preset or (known[0] if known else "")
    key = f".{chosen}" if chosen else ""
    return chosen, chip.tables.get(f"energy{key}", {}), chip.tables.get(f"time{key}", {})


def _value(table: Table, name: str) -> float:
    return table[name].value if name in table else 0.0


def _either(energy: Table, time: Table, *names: str) -> tuple[float, float]:
    """Return energy and time of the first name that a table has; 0 where it has none."""
    each = (next((t[n].value for n in names if n in t), 0.0) for t in (energy, time))
    first, second = each
    return first, second


def _fires(energy: Table, time: Table) -> tuple[float, float]:
    """Return what a neuron that fires costs in addition."""
    found = []
    for table in (energy, time):
        if "spike" in table:
            found.append(table["spike"].value)
        else:
            active = _value(table, "neuron_update_active")
            found.append(
                max(active - _value(table, "neuron_update_inactive"), 0.0) if active else 0.0
            )
    return found[0], found[1]


def _barrier(time: Table) -> str:
    """Return the barrier's latency by the number of tiles in use, as the entries of a mapping."""
    known = sorted(
        (int(m.group(1)), c.value)
        for n, c in time.items()
        if (m := re.match(r"barrier_(\d+)_tile", n))
    )
    return ", ".join(f"{tiles}: {value!r}" for tiles, value in known)
