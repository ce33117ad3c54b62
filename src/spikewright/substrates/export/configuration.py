"""A compiled network as chip-neutral tables in an HDF5 file that anyone can read.

Written whole or not at all. All numbers are little-endian integers or doubles, all text is UTF-8; JSON where a part is
not an array. Nothing in it can run.

    /format                        "spikewright.configuration"
    /version                       1
    /about                         JSON: substrate, seed, name, dt (s), propagation, outputs, mesh, facts,
                                   left_out (facts of the cost model that are not plain data)
    /chip/name, file, sha256       which constants were used: the chip file and its hash
    /chip/constants                JSON: "table.name" -> value, unit (SI), source, grade
    /changes                       JSON: list of {by, where, what, why, size}
    /models/<m>                    JSON: one neuron model, its equations as text
    /populations/<p>               JSON: name, model (its m), shape, method
    /projections/<q>               JSON: name, pre, post (names), port, exponent
    /cores/<c>/position            int (2,) or (3,): tile of the core on the mesh
    /cores/<c>/load                JSON: limit -> fraction used
    /cores/<c>/neurons/<p>/index   int (n,): flat index in population p of each neuron that lies here
    /cores/<c>/neurons/<p>/params/<name>, initial/<name>
                                   one number, or (n,)
    /cores/<c>/synapses/<q>/       the synapses of projection q that end here, compressed by source:
        source (k,)                flat index of each source neuron in the population before
        start (k + 1,)             source j has synapses start[j]:start[j + 1]
        target (s,)                place of the target in the index of its neurons here
        weight (s,), delay (s,)    whole numbers; delay in steps, besides the one a spike takes by itself
        bias (n,)                  only where the projection has one: added at every step
    /cores/<c>/axons/              where the neurons of this core send, over synapses that are not 0:
        population, neuron (k,)    each source
        start (k + 1,), core (d,)  source j reaches the cores core[start[j]:start[j + 1]]
    /outside/                      likewise, for what lies on no core (inputs); core -1 means this

What a target adds up in a step, per projection and delay, is `sum(weight) << exponent` (shifted right, rounding down,
where the exponent is negative). A spike is emitted at the end of a step and arrives in the next one, plus its delay;
what a population without state sends (an input) arrives in the same step, plus its delay.

`load_configuration` reads every version up to its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from spikewright.errors import SubstrateError, explain
from spikewright.files import replacing_hdf5
from spikewright.network.graph import Population
from spikewright.network.hdf5 import put
from spikewright.substrates.base import Chip, Compiled
from spikewright.substrates.export.tables import OUTSIDE, Tables, check_digital, tables_of

FORMAT = "spikewright.configuration"
VERSION = 1


def export_configuration(
    compiled: Compiled, path: str | os.PathLike[str], *, chip: Chip | None = None
) -> None:
    """Write what each core of a compiled network holds, whole or not at all.

    Parameters
    ----------
    compiled : for a digital chip
    path : of the file (.h5)
    chip : the chip file of its substrate; default: that of the installed substrate of this name

    Raises
    ------
    SubstrateError : it has no cores, or is not a network of integers; all that is in the way is listed
    FormatError : the place cannot be written
    """
    check_digital(compiled, "export_configuration")
    chip = chip or chip_of(compiled)
    network = compiled.network.written_out()
    tables = tables_of(compiled)
    placement = compiled.placement
    if placement is None:
        raise SubstrateError(explain(compiled.substrate, "has no cores"))
    models: list[Any] = []
    for population in network.populations.values():
        if population.model not in models:
            models.append(population.model)
    lost: list[str] = []
    about = {
        "substrate": compiled.substrate,
        "seed": compiled.seed,
        "name": network.name,
        "dt": network.dt,
        "propagation": network.propagation.value,
        "outputs": list(network.outputs),
        "mesh": [int(n) for n in placement.mesh],
        "facts": _plain(compiled.facts, "", lost),
        "left_out": lost,
    }
    with replacing_hdf5(path) as file:
        put(file, "format", FORMAT)
        put(file, "version", np.asarray(VERSION, np.int64))
        put(file, "about", json.dumps(about, ensure_ascii=False))
        put(file, "chip/name", chip.name)
        put(file, "chip/file", chip.path.name)
        put(file, "chip/sha256", chip_hash(chip))
        put(file, "chip/constants", json.dumps(_constants(chip), ensure_ascii=False))
        changes = [
            {"by": c.by, "where": c.where, "what": c.what, "why": c.why, "size": c.size}
            for c in compiled.changes
        ]
        put(file, "changes", json.dumps(changes, ensure_ascii=False))
        for m, model in enumerate(models):
            put(file, f"models/{m}", json.dumps(model.as_dict(), ensure_ascii=False))
        for p, (name, population) in enumerate(network.populations.items()):
            told: dict[str, Any] = {"name": name, "model": models.index(population.model)}
            told |= {"shape": list(population.shape), "method": population.method.value}
            put(file, f"populations/{p}", json.dumps(told, ensure_ascii=False))
        for q, (name, projection) in enumerate(network.projections.items()):
            told = {"name": name, "pre": projection.pre, "post": projection.post}
            told |= {"port": projection.port, "exponent": projection.exponent}
            put(file, f"projections/{q}", json.dumps(told, ensure_ascii=False))
        for c in range(placement.n_cores):
            put(file, f"cores/{c}/position", np.asarray(placement.position[c], np.int64))
            load = dict(placement.load[c]) if c < len(placement.load) else {}
            put(file, f"cores/{c}/load", json.dumps({k: float(v) for k, v in load.items()}))
        _write_tables(file, tables)


def _write_tables(file: Any, tables: Tables) -> None:
    network = tables.network
    for p, (name, population) in enumerate(network.populations.items()):
        for core, index in tables.neurons(name):
            place = f"{_group(core)}/neurons/{p}"
            put(file, f"{place}/index", index)
            for part in ("params", "initial"):
                for key, value in _values(population, part).items():
                    each = np.asarray(value)
                    put(
                        file,
                        f"{place}/{part}/{key}",
                        each.reshape(-1)[index] if each.ndim else each,
                    )
    for q, (name, projection) in enumerate(network.projections.items()):
        for core, synapses in tables.synapses(name):
            for key in ("source", "start", "target", "weight", "delay"):
                put(file, f"{_group(core)}/synapses/{q}/{key}", getattr(synapses, key))
        if projection.bias is not None:
            bias = np.asarray(projection.bias).reshape(-1)
            for core, index in tables.neurons(projection.post):
                put(file, f"{_group(core)}/synapses/{q}/bias", bias[index])
    for core, axons in tables.axons().items():
        for key in ("population", "neuron", "start", "core"):
            put(file, f"{_group(core)}/axons/{key}", getattr(axons, key))


def _group(core: int) -> str:
    return "outside" if core == OUTSIDE else f"cores/{core}"


def _values(population: Population, part: str) -> Mapping[str, Any]:
    """Return all parameters, defaults written out, or the starting values that are given."""
    if part == "initial":
        return population.initial
    return {name: population.param(name) for name in population.model.params}


def chip_of(compiled: Compiled) -> Chip:
    """Return the chip file of the installed substrate of a compiled network's name.

    Raises
    ------
    SubstrateError : none of this name is installed
    """
    from spikewright import substrates

    return substrates.get(compiled.substrate).chip


def chip_hash(chip: Chip) -> str:
    """Return the SHA-256 of a chip file, in hexadecimal."""
    return hashlib.sha256(chip.path.read_bytes()).hexdigest()


def _constants(chip: Chip) -> dict[str, dict[str, Any]]:
    return {
        f"{table}.{c.name}": {
            "value": c.value,
            "unit": c.unit,
            "source": c.source,
            "grade": c.grade.value,
        }
        for table, c in chip.constants()
    }


def _plain(value: Any, where: str, lost: list[str]) -> Any:
    """Return facts as JSON can say them: numbers, texts, lists and objects of them; note the places of others."""
    if isinstance(value, Mapping):
        each = {str(k): _plain(v, f"{where}{k}.", lost) for k, v in value.items()}
        return {k: v for k, v in each.items() if v is not _LOST}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        items = [_plain(v, f"{where}{i}.", lost) for i, v in enumerate(value)]
        return [None if v is _LOST else v for v in items]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    lost.append(where.rstrip("."))
    return _LOST


_LOST = object()
