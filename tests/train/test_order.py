"""Groups of populations: cycles together, sources first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikewright.network import LIF, Network, OneToOne, Population, Projection
from spikewright.train.order import groups


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14))
def test_groups(edges: list[tuple[int, int]]) -> None:
    network = Network(
        dt=1e-3,
        populations={f"p{i}": Population(LIF, 1) for i in range(7)},
        projections={
            f"q{n}": Projection(f"p{a}", f"p{b}", OneToOne()) for n, (a, b) in enumerate(edges)
        },
        outputs=("p0",),
    )
    reach = np.eye(7, dtype=int)
    for a, b in edges:
        reach[a, b] = 1
    reach = np.linalg.matrix_power(reach, 7) > 0
    found = groups(network)
    names = [n for group, _ in found for n in group]
    assert sorted(names) == sorted(network.populations)
    place = {n: i for i, (group, _) in enumerate(found) for n in group}
    for i in range(7):
        for j in range(7):
            together = place[f"p{i}"] == place[f"p{j}"]
            assert together == bool(reach[i, j] and reach[j, i])
            if reach[i, j] and not together:
                assert place[f"p{i}"] < place[f"p{j}"]
    for group, looped in found:
        assert looped == (len(group) > 1 or any(f"p{a}" == group[0] == f"p{b}" for a, b in edges))
