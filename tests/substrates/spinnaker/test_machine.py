"""The triangular torus: shortest ways, trees without loops, and how many routing entries they need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import LimitError
from spikewright.substrates.spinnaker.machine import (
    LINKS,
    LOCAL,
    Place,
    Sender,
    detour,
    route,
    tree,
)

meshes = st.tuples(st.integers(1, 9), st.integers(1, 9))
places = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=6)


def step(chip: Place, link: int, mesh: Place) -> Place:
    return (chip[0] + LINKS[link][0]) % mesh[0], (chip[1] + LINKS[link][1]) % mesh[1]


def distances(root: Place, mesh: Place) -> dict[Place, int]:
    """Return the links between chips by breadth-first search."""
    found, todo = {root: 0}, [root]
    for chip in todo:
        for link in range(len(LINKS)):
            there = step(chip, link, mesh)
            if there not in found:
                found[there] = found[chip] + 1
                todo.append(there)
    return found


@given(meshes, places)
def test_a_tree_reaches_its_targets_once_and_by_shortest_ways(
    mesh: Place, chips: list[Place]
) -> None:
    root, *targets = [(x % mesh[0], y % mesh[1]) for x, y in chips]
    branches = tree(root, targets, mesh)
    depth, todo = {root: 0}, [root]
    for chip in todo:
        for link in branches[chip]:
            there = step(chip, link, mesh)
            assert there not in depth, "a packet arrives twice"
            depth[there] = depth[chip] + 1
            todo.append(there)
    assert set(depth) == set(branches)
    shortest = distances(root, mesh)
    assert all(depth[t] == shortest[t] for t in targets)


def test_a_packet_that_goes_straight_on_needs_no_entry() -> None:
    position = np.array([[0, 0], [3, 0]])
    routes = route([Sender("a", 0, 0, (1,))], position, (9, 9))
    assert routes.passed.tolist() == [4]
    assert routes.entries == {(0, 0): 1, (1, 0): 0, (2, 0): 0, (3, 0): 1}
    assert routes.load == {((x, 0), 0): (0,) for x in range(3)}


def test_cores_of_a_population_with_one_route_share_an_entry() -> None:
    position = np.array([[0, 0]] * 5 + [[1, 0], [0, 1]])
    together = [Sender("a", n, n, (5,)) for n in range(4)]
    assert route(together, position, (4, 4)).entries[0, 0] == 1
    # the last of four goes elsewhere: two and one share aligned blocks
    parted = [*together[:3], Sender("a", 3, 3, (6,))]
    assert route(parted, position, (4, 4)).entries[0, 0] == 3
    # keys that never come here may be covered
    gap = [together[0], Sender("a", 1, 1, ()), together[2]]
    assert route(gap, position, (4, 4)).entries[0, 0] == 1
    # another population has keys of its own
    other = [*together[:2], Sender("b", 0, 4, (5,))]
    assert route(other, position, (4, 4)).entries[0, 0] == 2


def test_cores_of_the_own_chip_are_part_of_a_route() -> None:
    position = np.zeros((3, 2), np.int64)
    routes = route([Sender("a", 0, 0, (1, 2))], position, (2, 2))
    assert routes.passed.tolist() == [1]
    assert routes.entries == {(0, 0): 1}
    assert len(LINKS) == LOCAL


@given(
    meshes,
    places,
    st.sets(st.tuples(places, st.integers(0, 5)).map(lambda p: (p[0][0], p[1])), max_size=8),
)
def test_a_detour_crosses_no_failed_link_and_is_shortest(
    mesh: Place, chips: list[Place], links: set[tuple[Place, int]]
) -> None:
    root, *targets = [(x % mesh[0], y % mesh[1]) for x, y in chips]
    failed = {((x % mesh[0], y % mesh[1]), link) for (x, y), link in links}
    reached, todo = {root: 0}, [root]
    for chip in todo:
        for link in range(len(LINKS)):
            there = step(chip, link, mesh)
            if (chip, link) not in failed and there not in reached:
                reached[there] = reached[chip] + 1
                todo.append(there)
    if set(targets) - set(reached):
        with pytest.raises(LimitError, match="failed links leave no way between two chips"):
            detour(root, targets, mesh, failed)
        return
    branches = detour(root, targets, mesh, failed)
    depth, todo = {root: 0}, [root]
    for chip in todo:
        for link in branches[chip]:
            assert (chip, link) not in failed
            there = step(chip, link, mesh)
            assert there not in depth, "a packet arrives twice"
            depth[there] = depth[chip] + 1
            todo.append(there)
    assert set(depth) == set(branches)
    assert all(depth[t] == reached[t] for t in targets)


def test_two_populations_on_one_core_have_trees_of_their_own() -> None:
    position = np.array([[0, 0], [1, 0], [3, 0]])
    senders = [Sender("a", 0, 0, (1,), "a"), Sender("b", 0, 0, (2,), "b"), Sender("b", 1, 1, ())]
    routes = route(senders, position, (9, 9))
    assert routes.passed.tolist() == [2, 4, 0]
    assert {(int(s), routes.links[k]) for s, k in routes.crossed} == {
        (0, ((0, 0), 0)), (1, ((0, 0), 0)), (1, ((1, 0), 0)), (1, ((2, 0), 0)),
    }  # fmt: skip
