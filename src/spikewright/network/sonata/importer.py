"""A circuit of SONATA as a Network, and the inputs of its simulation.

A population of nodes becomes one population, or one per model, `name.Model`, where it has several; virtual nodes become
an `Input`. A population of edges becomes one projection, or one per port and pair of populations.

A weight is `syn_weight` times `nsyns` times the `sign` of the synapse's parameters (1 where nothing is said), in the
unit of the template: see `models.py`. Delays are in ms.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, NetworkError, Problems, explain
from spikewright.events import Events
from spikewright.network.drive import Drive
from spikewright.network.graph import Network, Population, Projection, Propagation
from spikewright.network.library import Input
from spikewright.network.sonata.config import Configuration, read_configuration, read_json
from spikewright.network.sonata.edges import EdgePopulation, read_edge_populations
from spikewright.network.sonata.inputs import clamps, spike_inputs
from spikewright.network.sonata.models import DELAY, STATIC, TEMPLATES, Template
from spikewright.network.sonata.nodes import NodePopulation, read_node_populations
from spikewright.network.topology import Sparse
from spikewright.units import ms, mV

VIRTUAL = "virtual"
ON_GRID = 1e-4
"""Steps by which a delay may miss the grid without a note: float32 files."""
FLOAT32 = 2.0**-20


@dataclass(frozen=True)
class Place:
    """Where some nodes of a population are: `nodes` (m,) of the file are neurons 0 to m - 1 of `population`."""

    population: str
    nodes: NDArray[np.int64]
    template: Template | None


@dataclass(frozen=True, eq=False)
class Imported:
    """What a circuit became.

    Parameters
    ----------
    network : the network
    inputs : population -> Events, of the spikes that the simulation gives; for `run`
    steps : steps of the simulation, None without one
    places : population of nodes -> where its nodes are
    nodes, edges : what the files hold, positions and other attributes included
    configuration : what was read
    notes : what was decided on the way, in words
    """

    network: Network
    inputs: Mapping[str, Events]
    steps: int | None
    places: Mapping[str, tuple[Place, ...]]
    nodes: Mapping[str, NodePopulation]
    edges: Mapping[str, EdgePopulation]
    configuration: Configuration
    notes: tuple[str, ...]

    def ids(self, population: str, address: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
        """Return the population of nodes, and their numbers, of neurons of a population of the network."""
        for name, places in self.places.items():
            for place in places:
                if place.population == population:
                    return name, self.nodes[name].ids[place.nodes[address]]
        raise NetworkError(
            explain(
                "Imported.ids",
                f"no population {population!r}",
                expected=", ".join(self.network.populations),
            )
        )


def read_sonata(
    path: str | os.PathLike[str],
    *,
    dt: float | None = None,
    propagation: Propagation | None = None,
    templates: Mapping[str, Template] | None = None,
    components: Mapping[str, str | os.PathLike[str]] | None = None,
) -> Imported:
    """Read a circuit, and the inputs of its simulation.

    Parameters
    ----------
    path : circuit_config.json, simulation_config.json (with the circuit that it names) or config.json (that names both)
    dt : s per step; default: the simulation's, or 0.1 ms
    propagation : default: CONTINUOUS where all neurons are IntFire1 (run it with engine="event"), else NEXT_STEP
    templates : model_template -> Template, besides `TEMPLATES`
    components : kind -> folder, in place of the configuration's, for instance {"point_neuron_models_dir": ...}

    Returns
    -------
    Imported

    Raises
    ------
    FormatError : a file is missing or damaged; a node has a type, a model or a parameter that is not known; an edge
        leads to a node that is not there; a synapse that learns, an input of a kind that is not known
    """
    found = read_configuration(path)
    if components:
        folders = {name: Path(folder) for name, folder in components.items()}
        found = replace(found, components=dict(found.components) | folders)
    return _Importer(found, dict(TEMPLATES) | dict(templates or {})).imported(dt, propagation)


class _Importer:
    """One import."""

    def __init__(self, configuration: Configuration, templates: Mapping[str, Template]) -> None:
        self.configuration = configuration
        self.templates = templates
        self.notes: list[str] = []
        self.nodes: dict[str, NodePopulation] = {}
        self.edges: dict[str, EdgePopulation] = {}
        for files in configuration.nodes:
            self._join(self.nodes, read_node_populations(files.data, files.types), files.data)
        for files in configuration.edges:
            self._join(self.edges, read_edge_populations(files.data, files.types), files.data)

    def _join(self, found: dict[str, Any], more: Mapping[str, Any], path: Path) -> None:
        for name, population in more.items():
            if name in found:
                raise FormatError(
                    explain(str(path), f"population {name!r} is in {found[name].path} too")
                )
            found[name] = population

    def imported(self, dt: float | None, propagation: Propagation | None) -> Imported:
        run = self.configuration.run
        problems = Problems()
        for key in ("dt", "tstop"):
            value = run.get(key, 1.0)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                problems.add(
                    f"{self.configuration.path}: run.{key}", "must be above 0", found=value
                )
        problems.raise_as(FormatError)
        if dt is None:
            dt = float(run["dt"]) * ms if "dt" in run else 0.1 * ms
        populations: dict[str, Population] = {}
        places = {name: self._places(nodes, populations) for name, nodes in self.nodes.items()}
        used = [p.template for own in places.values() for p in own if p.template is not None]
        if propagation is None:
            # they are said by their events alone: a step would only round them
            exact = used and all(t is self.templates["nrn:IntFire1"] for t in used)
            propagation = Propagation.CONTINUOUS if exact else Propagation.NEXT_STEP
            if exact:
                self.notes.append("all neurons are IntFire1: no clock; run it with engine='event'")
        if propagation is Propagation.CONTINUOUS and any(t.clocked for t in used):
            raise FormatError(
                explain(
                    str(self.configuration.path), "iaf_psc_delta of NEST has no meaning without a clock",
                    cure="say propagation=Propagation.NEXT_STEP",
                )
            )  # fmt: skip
        projections: dict[str, Projection] = {}
        for edges in self.edges.values():
            self._project(edges, places, projections, dt, propagation)
        steps = round(float(run["tstop"]) * ms / dt) if "tstop" in run else None
        network = Network(
            dt,
            populations,
            projections,
            outputs=tuple(n for n, p in populations.items() if p.model is not Input)
            or tuple(populations),
            propagation=propagation,
            name=self.configuration.path.parent.name or "sonata",
        )
        inputs = spike_inputs(self.configuration, self.nodes, places, steps, dt, self.notes)
        drives: dict[str, Drive] = clamps(self.configuration, self.nodes, places, network)
        return Imported(
            network.replacing(drives=drives), inputs, steps, places, self.nodes, self.edges, self.configuration,
            tuple(self.notes),
        )  # fmt: skip

    # -- neurons -----------------------------------------------------------------------------------------

    def _places(
        self, nodes: NodePopulation, populations: dict[str, Population]
    ) -> tuple[Place, ...]:
        kinds = nodes.attribute("model_type", "")
        named = nodes.attribute("model_template", "")
        virtual = kinds == VIRTUAL
        label = np.where(virtual, VIRTUAL, named)
        found = []
        where = f"{nodes.path}: nodes {nodes.name!r}"
        labels = sorted(set(label.tolist()), key=lambda x: int(np.flatnonzero(label == x)[0]))
        for text in labels:
            mine = np.flatnonzero(label == text)
            if text != VIRTUAL and text not in self.templates:
                kind = str(kinds[mine[0]])
                raise FormatError(
                    explain(
                        f"{where}: node type {int(nodes.type_id[mine[0]])}",
                        "a model that is not known here" if text else "names no model_template",
                        found=f"{text!r}, model_type {kind!r}, {len(mine)} nodes",
                        expected=f"{', '.join(self.templates)}, or model_type {VIRTUAL!r}",
                        cure="say what it is: read_sonata(templates={...: Template(...)})",
                    )
                )
            template = None if text == VIRTUAL else self.templates[text]
            suffix = "" if len(labels) == 1 else "." + text.rpartition(":")[2]
            name = (nodes.name + suffix).replace("/", "_")
            if name in populations:
                raise FormatError(explain(where, f"population {name!r} would be there twice"))
            populations[name] = (
                Population(Input, (len(mine),))
                if template is None
                else self._population(nodes, mine, text, template, where)
            )
            found.append(Place(name, mine, template))
        return tuple(found)

    def _population(
        self,
        nodes: NodePopulation,
        mine: NDArray[np.int64],
        text: str,
        template: Template,
        where: str,
    ) -> Population:
        values: dict[str, NDArray[np.float64]] = {}
        known = dict(template.params) | ({template.initial: ("v", mV)} if template.initial else {})
        for number in np.unique(nodes.type_id[mine]):
            here = nodes.type_id[mine] == number
            place = f"{where}: node type {int(number)}"
            columns = nodes.types.get(int(number), {})
            given = self._parameters(columns, "point_neuron_models_dir", place)
            for key, value in given.items():
                if key not in known and not isinstance(value, str):
                    raise FormatError(
                        explain(
                            f"{place}: {columns.get('dynamics_params')}", f"{text} has no parameter {key!r}",
                            found=value, expected=", ".join(known),
                        )
                    )  # fmt: skip
            given |= {k: v for k, v in columns.items() if k in known}
            for key in known:
                if key in given:
                    column = values.setdefault(key, np.full(len(mine), np.nan))
                    try:
                        column[here] = float(given[key])
                    except (TypeError, ValueError):
                        raise FormatError(
                            explain(place, f"{key} is not a number", found=repr(given[key])[:60])
                        ) from None
        for key in known:
            own = nodes.own.get(key)
            if own is not None and own.dtype.kind in "if":
                column = values.setdefault(key, np.full(len(mine), np.nan))
                column[...] = np.where(np.isnan(own[mine].astype(np.float64)), column, own[mine])
        for key in template.needed:
            missing = np.isnan(values.get(key, np.full(len(mine), np.nan)))
            if np.any(missing):
                raise FormatError(
                    explain(
                        f"{where}: node type {int(nodes.type_id[mine][missing][0])}", f"{text} needs {key!r}",
                        found="none in its dynamics_params, its type or its nodes", expected="a number",
                    )
                )  # fmt: skip
        params: dict[str, Any] = dict(template.fixed)
        initial: dict[str, Any] = {}
        condition = self.configuration.conditions.get("v_init")
        if template.initial and isinstance(condition, int | float):
            initial["v"] = float(condition) * mV
        for key, column in values.items():
            ours, factor = known[key]
            target = initial if key == template.initial else params
            default = target.get(ours)
            if default is None:
                default = template.model.params[ours][0] if target is params else np.nan
            filled = np.where(np.isnan(column), default, column * factor)
            if np.any(np.isnan(filled)):
                rest = np.broadcast_to(
                    params.get("e_l", template.model.params["e_l"][0]), filled.shape
                )
                filled = np.where(np.isnan(filled), rest, filled)
            target[ours] = filled[0] if np.all(filled == filled[0]) else filled
        return Population(template.model, (len(mine),), params, initial)

    def _parameters(
        self, columns: Mapping[str, float | str], component: str, where: str
    ) -> dict[str, Any]:
        """Return the parameters in the file that a type names, {} where it names none."""
        named = columns.get("dynamics_params")
        if named is None:
            return {}
        folder = self.configuration.components.get(component)
        if folder is None:
            raise FormatError(
                explain(
                    f"{self.configuration.path}: components", f"no {component!r}",
                    expected=f"the folder of {named}, which {where} names",
                )
            )  # fmt: skip
        path = folder / str(named)
        if not path.is_file():
            raise FormatError(
                explain(
                    where, f"its file of parameters is not there: {path}",
                    cure=f"read_sonata(components={{{component!r}: FOLDER}}) where it lies elsewhere",
                )
            )  # fmt: skip
        return read_json(path)

    # -- synapses ----------------------------------------------------------------------------------------

    def _project(
        self, edges: EdgePopulation, places: Mapping[str, tuple[Place, ...]], projections: dict[str, Projection],
        dt: float, propagation: Propagation,
    ) -> None:  # fmt: skip
        where = f"{edges.path}: edges {edges.name!r}"
        ends = {}
        for end in ("source", "target"):
            name = getattr(edges, end)
            if name not in self.nodes:
                raise FormatError(
                    explain(
                        where, f"no population of nodes {name!r}", expected=", ".join(self.nodes)
                    )
                )
            nodes = self.nodes[name]
            at = nodes.index(getattr(edges, f"{end}_id"), where)
            group, local = np.zeros(nodes.n, np.int64), np.zeros(nodes.n, np.int64)
            for k, place in enumerate(places[name]):
                group[place.nodes], local[place.nodes] = k, np.arange(len(place.nodes))
            ends[end] = (group[at], local[at])
        sign = self._signs(edges, where)
        weight = edges.attribute("syn_weight").astype(np.float64)
        weight = weight * edges.attribute("nsyns", 1.0) * sign
        delay = edges.attribute("delay", DELAY).astype(np.float64)
        no_delay = "delay" not in edges.own and not any("delay" in t for t in edges.types.values())
        if no_delay and edges.n:
            self.notes.append(f"edges {edges.name!r} have no delay: {DELAY:g} ms")
        if np.any(delay < 0):
            raise FormatError(explain(where, "a delay is below 0", found=f"{delay.min():g} ms"))
        pairs = ends["source"][0] * len(places[edges.target]) + ends["target"][0]
        for pair in np.unique(pairs):
            pre = places[edges.source][int(pair) // len(places[edges.target])]
            post = places[edges.target][int(pair) % len(places[edges.target])]
            if post.template is None:
                raise FormatError(explain(where, f"edges end at virtual nodes of {edges.target!r}"))
            template = post.template
            several = len(np.unique(pairs)) > 1
            for port in dict.fromkeys((template.excitatory, template.inhibitory)):
                here = pairs == pair
                if template.excitatory != template.inhibitory:
                    here &= (weight >= 0) if port == template.excitatory else (weight < 0)
                if not np.any(here):
                    continue
                name = edges.name.replace("/", "_")
                if several:
                    name += f".{pre.population}.{post.population}"
                if template.excitatory != template.inhibitory:
                    name += f".{port}"
                amount = weight[here] * template.weight
                projections[name] = self._projection(
                    pre.population, post.population, ends["source"][1][here], ends["target"][1][here],
                    np.abs(amount) if template.unsigned else amount,
                    self._delays(delay[here] * ms, dt, propagation, template, where), port,
                    len(pre.nodes), len(post.nodes),
                )  # fmt: skip

    def _projection(
        self, pre: str, post: str, source: NDArray[np.int64], target: NDArray[np.int64], weight: NDArray[np.float64],
        delay: NDArray[np.float64], port: str, n_pre: int, n_post: int,
    ) -> Projection:  # fmt: skip
        topology = Sparse.from_edges(source, target, weight, n_pre=n_pre, n_post=n_post)
        same = bool(np.all(delay == delay[0]))
        # the order of `Sparse.from_edges`
        late = delay[0] if same else delay[np.lexsort((target, source))]
        return Projection(pre, post, topology, port, late)

    def _delays(
        self, delay: NDArray[np.float64], dt: float, propagation: Propagation, template: Template, where: str
    ) -> NDArray[np.float64]:  # fmt: skip
        if propagation is Propagation.CONTINUOUS:
            return delay
        steps = np.rint(delay / dt)
        off = float(np.abs(delay / dt - steps).max())
        if off > ON_GRID:
            self.notes.append(f"{where}: delays are rounded to steps, by up to {off * dt:g} s")
        late: NDArray[np.float64] = np.maximum(steps - template.delay_before, 0.0) * dt
        return late

    def _signs(self, edges: EdgePopulation, where: str) -> NDArray[np.float64]:
        """Return what the types of edges say about signs, (n,), and refuse what synapses here cannot be."""
        used, which = np.unique(edges.type_id, return_inverse=True)
        signs = np.ones(len(used))
        for k, number in enumerate(used):
            columns = edges.types.get(int(number), {})
            place = f"{where}: edge type {int(number)}"
            model = str(columns.get("model_template", ""))
            if model not in STATIC:
                raise FormatError(
                    explain(
                        place,
                        "a synapse that is not known here",
                        found=repr(model),
                        expected="static_synapse",
                    )
                )
            function = columns.get("weight_function", "wmax")
            if function not in ("wmax", "syn_weight"):
                raise FormatError(
                    explain(
                        place, "its weights are computed by a function of the simulator", found=repr(function),
                        expected="'wmax', or weights in the file", cure="write syn_weight per edge",
                    )
                )  # fmt: skip
            given = self._parameters(columns, "synaptic_models_dir", place)
            level = given.get("level_of_detail", "instanteneous")
            # the format's own examples spell it so
            if level not in ("instanteneous", "instantaneous"):
                raise FormatError(
                    explain(
                        place, f"synapses of kind {level!r} are for cells with branches",
                        found=columns.get("dynamics_params"), expected="an instantaneous synapse",
                    )
                )  # fmt: skip
            said = given.get("sign", columns.get("sign", 1.0))
            if not isinstance(said, int | float) or said not in (1, -1):
                raise FormatError(explain(place, "its sign is not 1 or -1", found=repr(said)))
            signs[k] = said
        return signs[which] if len(used) else np.zeros(0)
