"""Node sets: names for selections of nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.network.sonata.nodes import NodePopulation

IDS = ("node_id", "node_ids")


def resolve(
    chosen: object,
    sets: Mapping[str, Any],
    nodes: Mapping[str, NodePopulation],
    where: str,
    seen: tuple[str, ...] = (),
) -> dict[str, NDArray[np.int64]]:
    """Return the nodes of a node set: population -> places, ascending.

    Parameters
    ----------
    chosen : the name of a set or of a population, a list of names, or {"population": ..., "node_id": ..., attribute:
        value or list of values}; all conditions of one object hold together
    sets : name -> set
    nodes : populations of nodes
    where : for messages

    Raises
    ------
    FormatError : a name is neither a set nor a population, an attribute is nowhere, a set contains itself
    """
    if isinstance(chosen, str):
        if chosen in seen:
            raise FormatError(explain(where, f"node set {chosen!r} contains itself"))
        if chosen in sets:
            return resolve(sets[chosen], sets, nodes, where, (*seen, chosen))
        if chosen in nodes:
            return {chosen: np.arange(nodes[chosen].n)}
        raise FormatError(
            explain(
                where, f"no node set and no population {chosen!r}",
                expected=", ".join((*sets, *nodes)) or "a node set",
            )
        )  # fmt: skip
    if isinstance(chosen, list) and all(isinstance(x, str) for x in chosen):
        joined: dict[str, NDArray[np.int64]] = {}
        for name in chosen:
            for population, places in resolve(name, sets, nodes, where, seen).items():
                joined[population] = np.union1d(joined.get(population, places), places)
        return joined
    if not isinstance(chosen, dict):
        raise FormatError(
            explain(
                where, "is no node set", found=repr(chosen)[:80], expected="a name or an object"
            )
        )
    conditions = dict(chosen)
    named = conditions.pop("population", list(nodes))
    found = {}
    for name in [named] if isinstance(named, str) else named:
        if name not in nodes:
            raise FormatError(
                explain(
                    where, f"no population {name!r}", expected=", ".join(nodes) or "a population"
                )
            )
        places = _selected(nodes[name], conditions, where)
        if len(places):
            found[name] = places
    if not found and conditions:
        known = set().union(*(_known(p) for p in nodes.values())) if nodes else set()
        for key in conditions:
            if key not in known and key not in IDS:
                raise FormatError(
                    explain(
                        where,
                        f"no node has an attribute {key!r}",
                        expected=", ".join(sorted(known)),
                    )
                )
    return found


def _known(nodes: NodePopulation) -> set[str]:
    return set(nodes.own).union(*nodes.types.values(), ("node_type_id",))


def _selected(
    nodes: NodePopulation, conditions: Mapping[str, Any], where: str
) -> NDArray[np.int64]:
    chosen = np.ones(nodes.n, np.bool_)
    for key, wanted in conditions.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if key in IDS:
            here = np.zeros(nodes.n, np.bool_)
            here[nodes.index(np.array(values, np.int64), where)] = True
            chosen &= here
        elif key == "node_type_id":
            chosen &= np.isin(nodes.type_id, values)
        elif key not in _known(nodes):
            chosen[:] = False
        else:
            texts = any(isinstance(v, str) for v in values)
            own = nodes.attribute(key, "" if texts else np.inf)
            chosen &= np.isin(own.astype(str) if texts else own, values)
    return np.flatnonzero(chosen)
