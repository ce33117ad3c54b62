"""The mesh that cores lie on: rectangular, torus, or triangular torus; its cores, what is dead, which links failed.

Tiles are numbered `y * mesh.x + x`. A link is named by the tile that it leaves and its direction: E is +x, N is +y,
NE is +x and +y at once (only on the triangular torus, where links leave in six directions).

Source
------
Davidson et al., "Concentric hexagonal SpiNNaker networks", and Furber et al., Proc. IEEE 102(5), 2014: six links per
chip, folded into a torus; a hop along NE or SW counts as one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems, SubstrateError

DIRECTIONS = ("E", "N", "W", "S", "NE", "SW")
STEP_X = (1, 0, -1, 0, 1, -1)
STEP_Y = (0, 1, 0, -1, 1, -1)
OPPOSITE = (2, 3, 0, 1, 5, 4)

Link = tuple[int, int, str]
"""x and y of the tile that a link leaves, and its direction."""


class Grid(enum.Enum):
    """How tiles are linked."""

    MESH = 0
    """Four neighbours, none beyond the edge."""
    TORUS = 1
    """Four neighbours; opposite edges are linked."""
    TRIANGULAR = 2
    """Six neighbours (also NE and SW); opposite edges are linked."""


@dataclass(frozen=True)
class Mesh:
    """Tiles, their cores and links.

    Parameters
    ----------
    x, y : tiles along each axis
    per_tile : cores of a tile, which share its router
    grid : how tiles are linked
    dead : cores that must not be used: (x, y) for all of a tile, (x, y, n) for its n-th core
    failed : links that carry nothing, one direction each

    Raises
    ------
    SubstrateError : a size below 1, or something dead or failed that is not there
    """

    x: int
    y: int
    per_tile: int = 1
    grid: Grid = Grid.MESH
    dead: tuple[tuple[int, ...], ...] = ()
    failed: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("x", "y", "per_tile"):
            if getattr(self, name) < 1:
                problems.add(
                    f"mesh.{name}", "too small", found=getattr(self, name), expected=">= 1"
                )
        for place in self.dead:
            inside = len(place) in (2, 3) and 0 <= place[0] < self.x and 0 <= place[1] < self.y
            if not inside or (len(place) == 3 and not 0 <= place[2] < self.per_tile):
                problems.add(
                    "mesh.dead",
                    "no such core",
                    found=place,
                    expected=f"(x, y) or (x, y, n) on {self.x} x {self.y} tiles of {self.per_tile}",
                )
        for link in self.failed:
            if self.neighbor(link) is None:
                problems.add(
                    "mesh.failed",
                    "no such link",
                    found=link,
                    expected=f"(x, y, one of {', '.join(DIRECTIONS[: self.n_directions])})",
                )
        problems.raise_as(SubstrateError)

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.x * self.y

    @property
    def n_directions(self) -> int:
        """Links that leave a tile: 4 or 6."""
        return 6 if self.grid is Grid.TRIANGULAR else 4

    def neighbor(self, link: Link) -> tuple[int, int] | None:
        """Return the tile that a link reaches, or None where there is no such link."""
        x, y, direction = link
        if direction not in DIRECTIONS[: self.n_directions]:
            return None
        if not (0 <= x < self.x and 0 <= y < self.y):
            return None
        d = DIRECTIONS.index(direction)
        to = x + STEP_X[d], y + STEP_Y[d]
        if self.grid is Grid.MESH:
            return to if 0 <= to[0] < self.x and 0 <= to[1] < self.y else None
        return to[0] % self.x, to[1] % self.y

    def alive(self) -> NDArray[np.int64]:
        """Return the tile of every core that can be used, tile by tile along a snake, int64 (cores,)."""
        room = np.full(self.n_tiles, self.per_tile, np.int64)
        for place in {tuple(p) for p in self.dead if len(p) == 3}:
            room[place[1] * self.x + place[0]] -= 1
        for place in (p for p in self.dead if len(p) == 2):
            room[place[1] * self.x + place[0]] = 0
        rows = np.arange(self.n_tiles).reshape(self.y, self.x)
        rows[1::2] = rows[1::2, ::-1]
        order = rows.ravel()
        return np.repeat(order, room[order]).astype(np.int64)

    def open_links(self) -> NDArray[np.bool_]:
        """Return which links carry packets, (tiles, 6)."""
        found = np.zeros((self.n_tiles, 6), np.bool_)
        for d in range(self.n_directions):
            for y in range(self.y):
                for x in range(self.x):
                    there = self.neighbor((x, y, DIRECTIONS[d])) is not None
                    found[y * self.x + x, d] = there
        for x, y, direction in self.failed:
            found[y * self.x + x, DIRECTIONS.index(direction)] = False
        return found

    def check_room(self, n_cores: int, substrate: str) -> None:
        """Raise LimitError where there are fewer cores alive than are needed."""
        room = len(self.alive())
        if n_cores > room:
            dead = self.n_tiles * self.per_tile - room
            problems = Problems()
            problems.add(
                substrate,
                "the mesh has too few cores" + (f" ({dead} of them are dead)" if dead else ""),
                found=f"{n_cores} cores to place",
                expected=f"{room} at most",
                cure="use a larger mesh, or fewer cores",
            )
            problems.raise_as(LimitError)
