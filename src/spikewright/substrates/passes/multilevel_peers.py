"""Partitioners of other packages behind the call of our own: imported when asked for, one limit only.

Both get rates as whole numbers (scaled so that the largest is 10^6), and the limit as a tolerated imbalance. What they
return is checked against the capacity all the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, MissingExtra, SubstrateError, explain
from spikewright.substrates.passes.hypergraph import Hypergraph


def by_mtkahypar(
    graph: Hypergraph, size: NDArray[np.float64], room: NDArray[np.float64], k: int, seed: int
) -> NDArray[np.int32]:
    """Return the parts that Mt-KaHyPar finds for KM1 (preset QUALITY, one thread)."""
    _one_limit("mtkahypar", size)
    try:
        import mtkahypar
    except ImportError:
        raise MissingExtra("method 'mtkahypar'", "mtkahypar", "mapping") from None
    starter = mtkahypar.initialize(1, False)
    mtkahypar.set_seed(seed)
    context = starter.context_from_preset(mtkahypar.PresetType.QUALITY)
    whole = _whole(size[:, 0])
    slack = room[0] * k * whole.sum() / size[:, 0].sum() / whole.sum() - 1.0
    context.set_partitioning_parameters(k, max(slack, 0.0), mtkahypar.Objective.KM1)
    context.logging = False
    kept = np.flatnonzero(np.diff(graph.start) > 1)
    nets = [graph.pins[graph.start[e] : graph.start[e + 1]].tolist() for e in kept]
    made = starter.create_hypergraph(
        context, graph.n, len(nets), nets, whole.tolist(), _whole(graph.weight[kept]).tolist()
    )
    part = np.array(made.partition(context).get_partition(), np.int32)
    return _kept("mtkahypar", part, size, room, k)


def by_pymetis(
    graph: Hypergraph, size: NDArray[np.float64], room: NDArray[np.float64], k: int, seed: int
) -> NDArray[np.int32]:
    """Return the parts that METIS finds for the edge cut of the graph of synapses."""
    _one_limit("pymetis", size)
    try:
        import pymetis
    except ImportError:
        raise MissingExtra("method 'pymetis'", "pymetis", "mapping") from None
    from scipy.sparse import csr_matrix

    fan = np.diff(graph.start)
    owner = np.repeat(graph.owner, fan)
    inside = owner >= 0
    pairs = (owner[inside], graph.pins[inside])
    once = csr_matrix((np.repeat(graph.weight, fan)[inside], pairs), shape=(graph.n, graph.n))
    both = (once + once.T).tocsr()
    both.setdiag(0)
    both.eliminate_zeros()
    options = pymetis.Options(seed=seed)
    whole = _whole(size[:, 0])
    options.ufactor = max(int(1000 * (room[0] * k / size[:, 0].sum() - 1.0)), 1)
    _, found = pymetis.part_graph(
        k,
        pymetis.CSRAdjacency(both.indptr, both.indices),
        vweights=whole.tolist(),
        eweights=_whole(both.data).tolist(),
        options=options,
    )
    return _kept("pymetis", np.array(found, np.int32), size, room, k)


def _whole(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return values as whole numbers >= 1 in proportion; whole ones stay."""
    if np.all(values == np.rint(values)):
        return np.maximum(values, 1).astype(np.int64)
    top = float(values.max(initial=0.0)) or 1.0
    return np.maximum(np.rint(values / top * 1e6), 1).astype(np.int64)


def _one_limit(method: str, size: NDArray[np.float64]) -> None:
    if size.shape[1] != 1:
        raise SubstrateError(
            explain(
                f"partition_hypergraph: method {method!r}",
                "keeps one limit only",
                found=size.shape[1],
                cure="use method 'multilevel'",
            )
        )


def _kept(
    method: str, part: NDArray[np.int32], size: NDArray[np.float64], room: NDArray[Any], k: int
) -> NDArray[np.int32]:
    load = np.bincount(part, size[:, 0], k)
    if load.max(initial=0.0) > room[0] * (1 + 1e-12):
        raise LimitError(
            explain(
                f"partition_hypergraph: method {method!r}",
                "returned a part above the capacity",
                found=f"{load.max():g}",
                expected=f"{room[0]:g} at most",
                cure="use more parts, or method 'multilevel'",
            )
        )
    return part
