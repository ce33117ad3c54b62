"""What a network remembers of the NIR document it came from, as plain data in its metadata.

The values themselves stay in the network: for each parameter the origin says where it went (`Carrier`), with dtype and
shape as in the file. So a network that was trained after the import is written with its new weights under the old
names, and one that was saved in between still knows. Where the network's structure has changed since, `rebuilt` says
so, and the network is exported like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.network.compose import Compose
from spikewright.network.graph import Network, Population, Projection, Propagation
from spikewright.network.nir.document import NODE_PARAMS, Document, Graph, Node
from spikewright.network.topology import Topology

KEY = "nir"
"""Where the origin stands in `Network.metadata`."""
FORM = 1
"""Version of this description."""


@dataclass(frozen=True)
class Carrier:
    """Where a parameter went.

    Parameters
    ----------
    kind : 'param', 'weight', 'bias', 'channel_bias' or 'delay'
    owner : the population or projection
    part : the model's parameter, or the number of the map in a `Compose`
    """

    kind: str
    owner: str
    part: str


class _Moved(Exception):
    """The network no longer has the structure of its document."""


def describe(
    graph: Graph,
    version: str,
    carriers: Mapping[tuple[str, ...], Mapping[str, Carrier]],
    populations: Mapping[str, Population],
    projections: Mapping[str, Projection],
    dt: float,
    settings: Mapping[str, str],
) -> dict[str, Any]:
    """Return the origin of a network as plain data."""
    return {
        "form": FORM,
        "version": version,
        "graph": _describe(graph, (), carriers),
        "structure": structure(populations, projections, dt),
        "settings": dict(settings),
    }


def structure(
    populations: Mapping[str, Population], projections: Mapping[str, Projection], dt: float
) -> dict[str, Any]:
    """Return what must stay as it is for a network to be written under its document's names."""
    return {
        "populations": {n: [p.model.name, list(p.shape)] for n, p in populations.items()},
        "projections": {
            n: [p.pre, p.post, p.port, _kinds(p.topology), *_span(p, dt)]
            for n, p in projections.items()
        },
    }


def _span(projection: Projection, dt: float) -> tuple[int, int]:
    steps = np.rint(np.asarray(projection.delay) / dt)
    return int(steps.min()), int(steps.max())


def _kinds(topology: Topology) -> list[str]:
    maps = topology.maps if isinstance(topology, Compose) else (topology,)
    return [m.kind for m in maps]


def _describe(
    item: Node | Graph,
    path: tuple[str, ...],
    carriers: Mapping[tuple[str, ...], Mapping[str, Carrier]],
) -> dict[str, Any]:
    metadata = _pack(item.metadata)
    if isinstance(item, Graph):
        nodes = {n: _describe(x, (*path, n), carriers) for n, x in item.nodes.items()}
        edges = [list(edge) for edge in item.edges]
        return {"type": "NIRGraph", "nodes": nodes, "edges": edges, "metadata": metadata}
    held = carriers.get(path, {})
    params: dict[str, Any] = {}
    for name, value in item.params.items():
        if name in held:
            at = held[name]
            array = np.asarray(value)
            params[name] = {
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "at": [at.kind, at.owner, at.part],
            }
            if at.kind == "delay":
                params[name]["data"] = array.ravel().tolist()
        else:
            params[name] = _pack(value)
    return {"type": item.kind, "params": params, "metadata": metadata}


def _pack(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {"kind": "group", "members": {str(k): _pack(v) for k, v in value.items()}}
    if isinstance(value, str):
        return {"kind": "text", "data": value}
    array = np.asarray(value)
    kind = "texts" if array.dtype.kind in "OU" else "array"
    dtype = "" if kind == "texts" else array.dtype.str
    return {
        "kind": kind,
        "dtype": dtype,
        "shape": list(array.shape),
        "data": array.ravel().tolist(),
    }


def _unpack(data: Mapping[str, Any]) -> Any:
    if data["kind"] == "group":
        return {k: _unpack(v) for k, v in data["members"].items()}
    if data["kind"] == "text":
        return str(data["data"])
    dtype = object if data["kind"] == "texts" else np.dtype(data["dtype"])
    return np.array(data["data"], dtype=dtype).reshape(data["shape"])


@dataclass(frozen=True)
class Rebuilt:
    """A document with a network's present values, or the reason why there is none.

    Parameters
    ----------
    document : under the names of the file that the network came from; None where the structure has changed
    reason : what has changed
    notes : node path -> what had to be changed in its values
    """

    document: Document | None
    reason: str = ""
    notes: Mapping[str, str] | None = None


def rebuilt(network: Network) -> Rebuilt | None:
    """Return the document that a network came from with its present values; None where it has none."""
    data = network.metadata.get(KEY)
    if data is None:
        return None
    notes: dict[str, str] = {}
    try:
        if data["form"] != FORM:
            raise _Moved(f"its origin is of form {data['form']}, expected {FORM}")
        if network.propagation is not Propagation.SAME_STEP:
            raise _Moved(f"its propagation is {network.propagation.value!r} now")
        _compare(network, data["structure"])
        graph = _rebuild(network, data["graph"], (), notes)
        if not isinstance(graph, Graph):
            raise _Moved("its origin is not a graph")
        return Rebuilt(Document(graph, str(data["version"]), network.name), "", notes)
    except _Moved as moved:
        return Rebuilt(None, str(moved))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as fault:
        where = f"network {network.name!r}: metadata[{KEY!r}]"
        raise FormatError(
            explain(where, "not the description of an NIR document", found=repr(fault)[:120],
                    cure="remove it from the metadata to export the network under its own names")
        ) from None  # fmt: skip


def _compare(network: Network, then: Mapping[str, Any]) -> None:
    now = structure(network.populations, network.projections, network.dt)
    for group in ("populations", "projections"):
        for name in (*then[group], *now[group]):
            old, new = then[group].get(name), now[group].get(name)
            if old != new:
                what = "is new" if old is None else "is gone" if new is None else "has changed"
                raise _Moved(f"{group[:-1]} {name!r} {what} since the import")


def _rebuild(
    network: Network, data: Mapping[str, Any], path: tuple[str, ...], notes: dict[str, str]
) -> Node | Graph:
    metadata = _unpack(data["metadata"])
    if data["type"] == "NIRGraph":
        nodes = {n: _rebuild(network, x, (*path, n), notes) for n, x in data["nodes"].items()}
        return Graph(nodes, tuple((a, b) for a, b in data["edges"]), metadata)
    params: dict[str, Any] = {}
    kind = str(data["type"])
    if kind not in NODE_PARAMS:
        raise ValueError(f"unknown type {kind!r}")
    biased = None
    for name, entry in data["params"].items():
        if "at" not in entry:
            params[name] = _unpack(entry)
            continue
        carrier = Carrier(*(str(x) for x in entry["at"]))
        value = _value(network, carrier, entry)
        params[name] = _stored(value, entry, "/".join(path), name, notes)
        if name == "weight" and kind == "Linear":
            biased = network.projections[carrier.owner].bias
    if biased is not None and np.any(biased):
        # a bias learned since the import
        kind = "Affine"
        params["bias"] = np.asarray(biased, params["weight"].dtype).ravel()
        notes["/".join(path)] = "Linear became Affine: it has a bias now"
    return Node(kind, params, metadata)


def _value(network: Network, at: Carrier, entry: Mapping[str, Any]) -> NDArray[Any]:
    if at.kind == "param":
        return network.populations[at.owner].param(at.part)
    if at.kind == "delay":
        steps = [network.delay_steps(n) for n in network.incoming(at.owner)]
        then = np.asarray(entry["data"], np.float64).reshape(entry["shape"])
        wanted = np.rint(then / network.dt)
        # closing edges into a delay carry one step more
        if steps and not any(np.all(s == wanted) or np.all(s == wanted + 1) for s in steps):
            raise _Moved(f"the delay of {at.owner!r} has changed since the import")
        return then
    projection = network.projections[at.owner]
    if at.kind == "weight":
        maps = projection.topology.maps if isinstance(projection.topology, Compose) else (
            projection.topology,
        )  # fmt: skip
        weight = maps[int(at.part)].weight
        if weight is None:
            raise _Moved(f"projection {at.owner!r} has no weights any more")
        return weight
    if projection.bias is None:
        return np.zeros(entry["shape"])
    bias = np.asarray(projection.bias)
    if at.kind == "channel_bias":
        channels = bias.reshape(bias.shape[0], -1)
        if np.any(channels != channels[:, :1]):
            raise _Moved(f"the bias of projection {at.owner!r} differs within a channel now")
        return channels[:, 0]
    return bias


def _stored(
    value: NDArray[Any], entry: Mapping[str, Any], path: str, name: str, notes: dict[str, str]
) -> NDArray[Any]:
    """Return a value with the dtype and shape of the file where it still fits them."""
    shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
    size = int(np.prod(shape))
    if value.shape != shape:
        if np.all(value == value.flat[0]) and size <= max(value.size, 1):
            value = np.full(shape, value.flat[0])
        elif value.size == 1:
            value = np.full(shape, value.ravel()[0])
        elif value.size == size:
            value = value.reshape(shape)
        else:
            notes[path] = f"{name} differs between neurons now: written with shape {value.shape}"
    if dtype.kind != "f":
        if np.any(value != np.rint(value)):
            dtype = np.dtype(np.float32)
            notes[path] = f"{name} is not whole any more: written as float32"
        return value.astype(dtype)
    with np.errstate(over="ignore"):
        stored = value.astype(dtype)
    if not np.all(np.isfinite(stored)):
        stored = value.astype(np.float64)
        notes[path] = f"{name} does not fit {dtype}: written as float64"
    elif np.any(stored != value):
        notes[path] = f"{name} rounded to {dtype}"
    return stored
