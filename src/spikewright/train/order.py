"""In which order populations are run: groups that reach each other, each after all that reach it."""

from __future__ import annotations

from spikewright.network.graph import Network


def groups(network: Network) -> list[tuple[tuple[str, ...], bool]]:
    """Return the strongly connected groups of populations, sources first, and whether each is a cycle.

    Within a group the populations stand in the order of a step.

    Source
    ------
    Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1, 1972; without recursion.
    """
    sources: dict[str, list[str]] = {n: [] for n in network.populations}
    for q in network.projections.values():
        sources[q.post].append(q.pre)
    place = {n: i for i, n in enumerate(network.order())}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()
    found: list[tuple[tuple[str, ...], bool]] = []
    for root in network.populations:
        work = [(root, iter(sources[root]))] if root not in index else []
        if work:
            index[root] = low[root] = len(index)
            stack.append(root)
            waiting.add(root)
        while work:
            name, remaining = work[-1]
            for source in remaining:
                if source not in index:
                    index[source] = low[source] = len(index)
                    stack.append(source)
                    waiting.add(source)
                    work.append((source, iter(sources[source])))
                    break
                if source in waiting:
                    low[name] = min(low[name], index[source])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    group = []
                    while True:
                        member = stack.pop()
                        waiting.discard(member)
                        group.append(member)
                        if member == name:
                            break
                    group.sort(key=place.__getitem__)
                    found.append((tuple(group), len(group) > 1 or name in sources[name]))
    return found
