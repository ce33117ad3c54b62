"""One partitioner in a process of its own, so that its time and memory are its own.

    python mapping_worker.py WHO TASK.npz RESULT.npz '{"k": 40, "capacity": 51, "seed": 0}'

TASK.npz holds `start`, `pins`, `weight`, `owner`, `n` of a hypergraph, or `synapses` and `target` of a network;
RESULT.npz gets `part`, `cpu` seconds of the partitioning alone and `peak` memory of the whole process in MiB. `whole`
maps to the end: hypergraph, partition, traffic, placement, routing. Peers need NumPy and nothing of this project.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import numpy as np

SCALE = 100.0
"""Peers take whole numbers: rates in hundredths of a spike per second."""


def ours(task: Any, k: int, capacity: float, seed: int) -> dict[str, Any]:
    """Our partitioner, after a tiny run that loads what is compiled."""
    from spikewright.substrates.passes.hypergraph import Hypergraph
    from spikewright.substrates.passes.multilevel import partition_hypergraph

    _warm()
    first = (task[name] for name in ("start", "pins", "weight"))
    graph = Hypergraph(*first, int(task["n"]), task["owner"])
    begin = time.process_time()
    part = partition_hypergraph(graph, np.ones(graph.n), [capacity], k, seed)
    return {"part": part, "cpu": time.process_time() - begin}


def whole(task: Any, k: int, capacity: float, seed: int) -> dict[str, Any]:
    """All of mapping, from synapses to the load of links, with the seconds of each step."""
    from spikewright.substrates.passes.hypergraph import Hypergraph
    from spikewright.substrates.passes.mesh import Mesh
    from spikewright.substrates.passes.multilevel import partition_hypergraph
    from spikewright.substrates.passes.place import hop_traffic, place_on
    from spikewright.substrates.passes.route import multicast_of, route

    _warm()
    n, side = int(task["n"]), int(np.ceil(np.sqrt(k)))
    marks = [time.process_time()]
    graph = Hypergraph.from_synapses(task["synapses"], task["target"], n, task["weight"])
    marks.append(time.process_time())
    part = partition_hypergraph(graph, np.ones(n), [capacity], k, seed)
    marks.append(time.process_time())
    sent = multicast_of(graph, part, k)
    traffic = sent.traffic()
    marks.append(time.process_time())
    mesh = Mesh(side, side)
    position = place_on(traffic, mesh, seed=seed)
    marks.append(time.process_time())
    routes = route(sent, position, mesh)
    marks.append(time.process_time())
    line = mesh.alive()[:k]
    in_order = np.stack([line % side, line // side], axis=1)
    names = ("hypergraph", "partition", "traffic", "place", "route")
    steps = dict(zip(names, np.diff(marks).tolist(), strict=True))
    return {
        "part": part,
        "cpu": marks[-1] - marks[0],
        "steps": json.dumps(steps),
        "hop_packets": routes.hops,
        "hop_packets_in_order": route(sent, in_order, mesh).hops,
        "unicast_hops": hop_traffic(traffic, position, mesh),
        "heaviest_link": routes.heaviest[1],
    }


def _warm() -> None:
    from spikewright.substrates.passes.hypergraph import Hypergraph
    from spikewright.substrates.passes.mesh import Mesh
    from spikewright.substrates.passes.multilevel import Effort, partition_hypergraph
    from spikewright.substrates.passes.place import place_on
    from spikewright.substrates.passes.route import multicast_of, route

    draw = np.random.default_rng(0)
    target = draw.integers(0, 900, 9000).astype(np.int32)
    graph = Hypergraph.from_synapses(np.arange(901) * 10, target, 900, draw.random(900))
    part = partition_hypergraph(graph, np.ones(900), [300], 4, 0, effort=Effort(tries=1))
    sent = multicast_of(graph, part, 4)
    route(sent, place_on(sent.traffic(), Mesh(2, 2), moves=10), Mesh(2, 2))


def mtkahypar(task: Any, k: int, capacity: float, seed: int, preset: str = "QUALITY") -> dict[str, Any]:  # fmt: skip
    """Mt-KaHyPar on the same hypergraph with the same capacity, KM1, one thread."""
    import mtkahypar as peer

    starter = peer.initialize(1, False)
    peer.set_seed(seed)
    context = starter.context_from_preset(getattr(peer.PresetType, preset))
    n, start, pins = int(task["n"]), task["start"], task["pins"]
    context.set_partitioning_parameters(k, capacity * k / n - 1.0 + 1e-9, peer.Objective.KM1)
    context.logging = False
    kept = np.flatnonzero(np.diff(start) > 1)
    nets = [pins[start[e] : start[e + 1]].tolist() for e in kept]
    weight = np.maximum(np.rint(task["weight"][kept] * SCALE), 1).astype(int).tolist()
    graph = starter.create_hypergraph(context, n, len(nets), nets, [1] * n, weight)
    begin = time.process_time()
    found = graph.partition(context)
    cpu = time.process_time() - begin
    return {"part": np.array(found.get_partition(), np.int32), "cpu": cpu}


def pymetis(task: Any, k: int, capacity: float, seed: int) -> dict[str, Any]:
    """METIS on the graph of synapses: it lowers the edge cut, not the packets."""
    import pymetis as peer

    n, start = int(task["n"]), task["start"]
    fan = np.diff(start)
    source = np.repeat(task["owner"], fan).astype(np.int64)
    target, weight = task["pins"].astype(np.int64), np.repeat(task["weight"], fan)
    apart = (source != target) & (source >= 0)
    a, b, w = source[apart], target[apart], weight[apart]
    key, where = np.unique(np.concatenate([a * n + b, b * n + a]), return_inverse=True)
    total = np.bincount(where, np.concatenate([w, w]))
    first = np.concatenate([[0], np.cumsum(np.bincount(key // n, minlength=n))])
    options = peer.Options(seed=seed, ufactor=max(int(1000 * (capacity * k / n - 1)), 1))
    adjacency = peer.CSRAdjacency(first, (key % n))
    cost = np.maximum(np.rint(total * SCALE), 1).astype(int)
    begin = time.process_time()
    _, part = peer.part_graph(k, adjacency, eweights=cost.tolist(), options=options)
    return {"part": np.array(part, np.int32), "cpu": time.process_time() - begin}


def main() -> None:
    """Do what the command line says."""
    who, task, result, options = sys.argv[1:5]
    with np.load(task) as stored:
        arrays = {name: stored[name] for name in stored.files}
    found = globals()[who](arrays, **json.loads(options))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    np.savez(result, peak=peak, **found)


if __name__ == "__main__":
    main()
