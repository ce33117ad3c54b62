from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import LimitError, SubstrateError
from spikewright.substrates.passes.mesh import DIRECTIONS, OPPOSITE, Grid, Mesh


def test_cores_that_live_lie_along_a_snake() -> None:
    mesh = Mesh(3, 2, 2, dead=((1, 0), (0, 1, 1), (0, 1, 1)))
    assert mesh.alive().tolist() == [0, 0, 2, 2, 5, 5, 4, 4, 3]


@pytest.mark.parametrize("grid", list(Grid))
def test_every_link_has_one_back(grid: Grid) -> None:
    mesh = Mesh(4, 3, grid=grid)
    for t, d in zip(*np.nonzero(mesh.open_links()), strict=True):
        x, y = int(t % 4), int(t // 4)
        to = mesh.neighbor((x, y, DIRECTIONS[d]))
        assert to is not None
        assert mesh.neighbor((*to, DIRECTIONS[OPPOSITE[d]])) == (x, y)
    links = {Grid.MESH: 2 * (3 * 3 + 4 * 2), Grid.TORUS: 48, Grid.TRIANGULAR: 72}
    assert mesh.open_links().sum() == links[grid]


def test_failed_links_are_closed() -> None:
    mesh = Mesh(4, 3, failed=((1, 2, "E"),))
    closed = Mesh(4, 3).open_links() & ~mesh.open_links()
    assert np.argwhere(closed).tolist() == [[9, 0]]


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(SubstrateError) as caught:
        Mesh(4, 3, 0, dead=((4, 0), (0, 0, 2), (1,)), failed=((3, 0, "E"), (0, 0, "NE")))
    text = str(caught.value)
    assert "6 problems" in text
    assert "mesh.per_tile: too small; found 0, expected >= 1" in text
    assert (
        "mesh.dead: no such core; found (4, 0), expected (x, y) or (x, y, n) on 4 x 3 tiles of 0"
        in text
    )
    assert (
        "mesh.failed: no such link; found (0, 0, 'NE'), expected (x, y, one of E, N, W, S)" in text
    )


def test_too_few_cores_are_explained() -> None:
    with pytest.raises(LimitError) as caught:
        Mesh(2, 2, 2, dead=((0, 0),)).check_room(7, "x")
    assert str(caught.value) == (
        "x: the mesh has too few cores (2 of them are dead); found 7 cores to place, expected 6 at most"
        " — use a larger mesh, or fewer cores"
    )
