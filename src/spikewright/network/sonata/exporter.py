"""A Network and its inputs as a folder of SONATA: files of nodes, edges, types, parameters and spikes, and
configurations.

What SONATA has no word for is refused, all of it at once, before anything is written.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, Problems, explain
from spikewright.events import Events
from spikewright.files import replacing_hdf5
from spikewright.network.drive import StepCurrent
from spikewright.network.graph import Network, Population, Propagation
from spikewright.network.hdf5 import put
from spikewright.network.library import Input
from spikewright.network.sonata.edges import DIRECTIONS, RANGES, indexed
from spikewright.network.sonata.models import TEMPLATES, Template
from spikewright.network.sonata.nodes import DYNAMICS
from spikewright.network.sonata.spikes import SpikeTrain, mark, write_spikes
from spikewright.network.sonata.tables import write_types
from spikewright.units import ms, mV, nA, pA

SIMULATORS = {"nrn": "NEURON", "nest": "NEST"}


def write_sonata(
    network: Network,
    folder: str | os.PathLike[str],
    *,
    inputs: Mapping[str, Events] | None = None,
    duration: float | None = None,
) -> None:
    """Write a network, and the spikes that enter it, as a folder of SONATA.

    Parameters
    ----------
    network : of the models in `TEMPLATES` and `Input`, with synapses that never change
    folder : must not exist, or be empty; appears whole or not at all
    inputs : population of the model `Input` -> Events
    duration : s, of the simulation; default: until the last event, or none is described

    Raises
    ------
    FormatError : every part of the network that SONATA cannot say, together; the folder is there, or cannot be written
    """
    target = Path(folder)
    inputs = inputs or {}
    templates = _check(network, inputs)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FormatError(
            explain(
                str(target),
                "cannot be written",
                found="something is there",
                expected="no folder, or an empty one",
            )
        )
    if not target.parent.is_dir():
        raise FormatError(
            explain(
                str(target),
                "cannot be written",
                found="no such folder",
                cure="create the folder above it",
            )
        )
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise FormatError(explain(str(target), f"cannot be written: {error.strerror}")) from error
    try:
        _write(network, made, templates, inputs, duration)
        made.chmod(0o755)
        if target.exists():
            target.rmdir()
        os.replace(made, target)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise FormatError(explain(str(target), f"cannot be written: {error.strerror}")) from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def template_of(population: Population) -> tuple[str, Template] | None:
    """Return the name of the template that a population is of, and the template, or None."""
    for name, template in TEMPLATES.items():
        if template.model != population.model:
            continue
        if name == "nrn:IntFire1":
            fixed = all(np.all(population.param(p) == v) for p, v in template.fixed.items())
            if not fixed:
                continue
        return name, template
    return None


def _check(
    network: Network, inputs: Mapping[str, Events]
) -> dict[str, tuple[str, Template] | None]:
    problems = Problems()
    found: dict[str, tuple[str, Template] | None] = {}
    for name, population in network.populations.items():
        found[name] = None if population.model == Input else template_of(population)
        if population.model != Input and found[name] is None:
            problems.add(
                f"population {name!r}", f"SONATA has no name for {population.model.name} with these parameters",
                expected=", ".join(f"{t.model.name} ({n})" for n, t in TEMPLATES.items()),
            )  # fmt: skip
        own = found[name]
        extra = (
            set(population.initial) - {"v"}
            if own is not None and own[1].initial
            else set(population.initial)
        )
        if extra:
            problems.add(
                f"population {name!r}", f"initial values of {sorted(extra)} cannot be written"
            )
    spiked = {SIMULATORS[f[0].partition(":")[0]] for f in found.values() if f is not None}
    if len(spiked) > 1:
        problems.add(
            "network", "its models belong to several simulators", found=", ".join(sorted(spiked))
        )
    for name, p in network.projections.items():
        if p.rule is not None:
            problems.add(f"projection {name!r}", "synapses that change", found=p.rule.model.name)
        if p.bias is not None and np.any(p.bias):
            problems.add(f"projection {name!r}", "SONATA has no bias")
        target = found.get(p.post)
        if target is not None and network.port_of(name) not in (
            target[1].excitatory,
            target[1].inhibitory,
        ):
            problems.add(f"projection {name!r}", f"no edge reaches port {network.port_of(name)!r}")
        if network.populations[p.post].model == Input:
            problems.add(f"projection {name!r}", "ends at virtual nodes")
    for name, drive in network.drives.items():
        port = network.driven_port(name)
        own = found.get(drive.post)
        if not isinstance(drive, StepCurrent) or own is None or port != own[1].current:
            problems.add(
                f"drive {name!r}",
                "SONATA has no word for it",
                expected="a StepCurrent at a current's port",
            )
    for name, events in inputs.items():
        if name not in network.inputs:
            problems.add(
                f"inputs[{name!r}]",
                "not a population of the model Input",
                expected=", ".join(network.inputs),
            )
        elif events.size != network.populations[name].n:
            problems.add(f"inputs[{name!r}]", "events of another shape", found=events.shape)
        elif np.any(events.weights() != 1.0) or (events.n and events.t[0] < 0):
            problems.add(
                f"inputs[{name!r}]", "graded events, or before the beginning", expected="spikes"
            )
    problems.raise_as(FormatError)
    return found


def _json(path: Path, fields: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def _write(
    network: Network, folder: Path, templates: Mapping[str, tuple[str, Template] | None],
    inputs: Mapping[str, Events], duration: float | None,
) -> None:  # fmt: skip
    parts = {name: folder / name for name in ("network", "neurons", "synapses", "inputs")}
    for part in parts.values():
        part.mkdir()
    listed: dict[str, list[dict[str, str]]] = {"nodes": [], "edges": []}
    for name, population in network.populations.items():
        _nodes(
            parts["network"] / f"{name}_nodes", name, population, templates[name], parts["neurons"]
        )
        listed["nodes"].append(_files("node", name))
    _json(parts["synapses"] / "excitatory.json", {"level_of_detail": "instanteneous", "sign": 1})
    _json(parts["synapses"] / "inhibitory.json", {"level_of_detail": "instanteneous", "sign": -1})
    for name in network.projections:
        _edges(network, name, templates, parts["network"] / f"{name}_edges")
        listed["edges"].append(_files("edge", name))
    used = [t[0].partition(":")[0] for t in templates.values() if t is not None]
    simulator = SIMULATORS[used[0]] if used else ""
    _json(
        folder / "circuit_config.json",
        {
            "manifest": {"$NETWORK_DIR": "./network"},
            "components": {
                "point_neuron_models_dir": "./neurons",
                "synaptic_models_dir": "./synapses",
            },
            "networks": listed,
            "target_simulator": simulator,
        },
    )
    described: dict[str, Any] = {}
    last = duration
    for name, events in inputs.items():
        times = np.asarray(events.t * events.tick, np.float64)
        write_spikes(parts["inputs"] / f"{name}.h5", {name: SpikeTrain(events.address, times)})
        described[name] = {
            "input_type": "spikes", "module": "sonata", "input_file": f"./inputs/{name}.h5", "node_set": name,
        }  # fmt: skip
        if duration is None:
            last = max(last or 0.0, (float(times[-1]) if len(times) else 0.0) + network.dt)
    for name, drive in network.drives.items():
        if isinstance(drive, StepCurrent):
            described |= _clamp(network, name, drive, simulator, last)
    if last is not None:
        _json(
            folder / "simulation_config.json",
            {
                "network": "./circuit_config.json",
                "target_simulator": simulator,
                "run": {"tstop": last / ms, "dt": network.dt / ms},
                "inputs": described,
                "output": {
                    "output_dir": "./output",
                    "spikes_file": "spikes.h5",
                    "spikes_sort_order": "by_time",
                },
            },
        )


def _files(kind: str, name: str) -> dict[str, str]:
    base = f"$NETWORK_DIR/{name}_{kind}s"
    return {f"{kind}s_file": f"{base}.h5", f"{kind}_types_file": f"{base[:-1]}_types.csv"}


def _nodes(
    base: Path,
    name: str,
    population: Population,
    template: tuple[str, Template] | None,
    folder: Path,
) -> None:
    columns: dict[str, object] = {"model_type": "virtual", "model_name": name}
    own: dict[str, NDArray[np.float64]] = {}
    if template is not None:
        columns = {
            "model_type": "point_process", "model_template": template[0], "model_name": name,
            "dynamics_params": f"{name}.json",
        }  # fmt: skip
        shared = {}
        known = dict(template[1].params)
        values = {key: population.param(ours) / factor for key, (ours, factor) in known.items()}
        if template[1].initial and "v" in population.initial:
            values[template[1].initial] = population.initial["v"] / mV
        for key, value in values.items():
            if value.ndim:
                own[key] = value.reshape(-1)
            else:
                shared[key] = float(value)
        _json(folder / f"{name}.json", shared)
    with replacing_hdf5(base.with_suffix(".h5")) as file:
        mark(file)
        group = file.create_group(f"nodes/{name}")
        n = population.n
        put(group, "node_id", np.arange(n, dtype=np.uint64))
        put(group, "node_type_id", np.full(n, 100, np.int64))
        put(group, "node_group_id", np.zeros(n, np.uint32))
        put(group, "node_group_index", np.arange(n, dtype=np.uint64))
        inner = group.create_group("0")
        if own:
            dynamics = inner.create_group(DYNAMICS)
            for key, value in own.items():
                put(dynamics, key, value)
    write_types(base.parent / f"{base.name[:-1]}_types.csv", "node_type_id", {100: columns})


def _edges(
    network: Network, name: str, templates: Mapping[str, tuple[str, Template] | None], base: Path
) -> None:
    written = network.written_out()
    projection = written.projections[name]
    pre, post = written.populations[projection.pre], written.populations[projection.post]
    own = templates[projection.post]
    if own is None:
        raise FormatError(explain(f"projection {name!r}", "ends at virtual nodes"))
    template = own[1]
    synapses = projection.topology.synapses(pre.shape)
    source, target = synapses.source, synapses.target
    weight = synapses.weight.astype(np.float64) / template.weight
    if template.unsigned and network.port_of(name) == template.inhibitory:
        weight = -weight
    delay = np.asarray(projection.delay, np.float64)
    delay = delay.reshape(-1)[synapses.entry] if delay.ndim else np.full(synapses.n, float(delay))
    if network.propagation is not Propagation.CONTINUOUS:
        delay = delay + template.delay_before * network.dt
    # edges of one target stand together
    order = np.lexsort((source, target))
    source, target = source[order], target[order]
    weight, delay = weight[order], delay[order]
    signed = own[0].startswith("nrn:")
    kinds = np.where(weight < 0, 101, 100) if signed else np.full(len(weight), 100)
    types: dict[int, dict[str, object]] = {}
    for number in np.unique(kinds).tolist() or [100]:
        file = "inhibitory.json" if number == 101 else "excitatory.json"
        types[number] = (
            {"dynamics_params": file} if signed else {"model_template": "static_synapse"}
        )
    with replacing_hdf5(base.with_suffix(".h5")) as h5:
        mark(h5)
        group = h5.create_group(f"edges/{name}")
        for end, ids, population in (
            ("source", source, projection.pre),
            ("target", target, projection.post),
        ):
            put(group, f"{end}_node_id", ids.astype(np.uint64))
            group[f"{end}_node_id"].attrs["node_population"] = population
        put(group, "edge_type_id", kinds.astype(np.int64))
        put(group, "edge_group_id", np.zeros(len(source), np.uint32))
        put(group, "edge_group_index", np.arange(len(source), dtype=np.uint64))
        inner = group.create_group("0")
        put(inner, "syn_weight", np.abs(weight) if signed else weight)
        put(inner, "delay", delay / ms)
        for end, ids, n in (("source", source, pre.n), ("target", target, post.n)):
            made = indexed(ids, n)
            index = group.create_group(f"indices/{DIRECTIONS[end]}")
            for label in RANGES:
                put(index, label, made.ranges.astype(np.uint64))
            put(index, "range_to_edge_id", made.edges.astype(np.uint64))
    write_types(base.parent / f"{base.name[:-1]}_types.csv", "edge_type_id", types)


def _clamp(
    network: Network, name: str, drive: StepCurrent, simulator: str, end: float | None
) -> dict[str, Any]:
    """Return a current as clamps: one per neuron, or one for all where they get the same."""
    unit = pA if simulator == "NEST" else nA
    n = network.populations[drive.post].n
    pieces = len(drive.times)
    values = drive.values.reshape(pieces, -1)
    alike = values.shape[1] == 1 or bool(np.all(values == values[:, :1]))
    # the last piece lasts for ever: until the end, where that is known
    last = max(float(drive.times[-1]) + network.dt, 0.0 if end is None else end)
    until = np.append(drive.times[1:], last)
    found = {}
    for neuron in range(1 if alike else n):
        amp = values[:, neuron]
        if not np.any(amp):
            continue
        label = name if alike else f"{name}.{neuron}"
        chosen: dict[str, Any] = {"population": drive.post}
        if not alike:
            chosen["node_id"] = [neuron]
        on = amp != 0
        found[label] = {
            "input_type": "current_clamp", "module": "IClamp", "node_set": chosen,
            "amp": (amp[on] / unit).tolist(), "delay": (drive.times[on] / ms).tolist(),
            "duration": ((until - drive.times)[on] / ms).tolist(),
        }  # fmt: skip
    return found
