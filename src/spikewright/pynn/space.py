"""Where neurons are, and how far from each other: structures of populations, and the space between two of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import NetworkError, explain
from spikewright.pynn.random import NumpyRNG


class BaseStructure(ABC):
    """Makes positions. Abstract; scripts may derive their own."""

    parameter_names: tuple[str, ...] = ()

    @abstractmethod
    def generate_positions(self, n: int) -> NDArray[np.float64]:
        """Return the positions of `n` neurons, (3, n)."""

    def get_parameters(self) -> dict[str, Any]:
        """Return what it was made with."""
        return {name: getattr(self, name) for name in self.parameter_names}

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_parameters().items())
        return f"{type(self).__name__}({given})"


class Line(BaseStructure):
    """Neurons on a line along x, `dx` apart."""

    parameter_names = ("dx", "x0", "y", "z")

    def __init__(self, dx: float = 1.0, x0: float = 0.0, y: float = 0.0, z: float = 0.0) -> None:
        self.dx, self.x0, self.y, self.z = dx, x0, y, z

    def generate_positions(self, n: int) -> NDArray[np.float64]:
        x = self.x0 + self.dx * np.arange(n, dtype=np.float64)
        return np.stack([x, np.full(n, self.y), np.full(n, self.z)])


class Grid2D(BaseStructure):
    """Neurons on a grid, `aspect_ratio` as many along x as along y; y runs faster, or in random order."""

    parameter_names = ("aspect_ratio", "dx", "dy", "x0", "y0", "z", "fill_order")

    def __init__(
        self,
        aspect_ratio: float = 1.0,
        dx: float = 1.0,
        dy: float = 1.0,
        x0: float = 0.0,
        y0: float = 0.0,
        z: float = 0.0,
        fill_order: str = "sequential",
        rng: Any = None,
    ) -> None:
        self.aspect_ratio, self.dx, self.dy = aspect_ratio, dx, dy
        self.x0, self.y0, self.z = x0, y0, z
        self.fill_order, self.rng = fill_order, rng

    def calculate_size(self, n: int) -> tuple[int, int]:
        """Return how many neurons stand along x and y."""
        nx = round(np.sqrt(n * self.aspect_ratio))
        ny = n // max(nx, 1)
        if nx * ny != n or abs(nx - self.aspect_ratio * ny) > 1e-6 * nx:
            raise _uneven("Grid2D", n, f"aspect ratio {self.aspect_ratio:g}")
        return nx, ny

    def generate_positions(self, n: int) -> NDArray[np.float64]:
        nx, ny = self.calculate_size(n)
        x, y = np.meshgrid(
            self.x0 + self.dx * np.arange(nx), self.y0 + self.dy * np.arange(ny), indexing="ij"
        )
        made = np.stack([x.ravel(), y.ravel(), np.full(n, float(self.z))])
        return _filled(made, self.fill_order, self.rng)


class Grid3D(BaseStructure):
    """Neurons on a grid in three dimensions; z runs fastest, or the places are in random order."""

    parameter_names = (
        "aspect_ratioXY", "aspect_ratioXZ", "dx", "dy", "dz", "x0", "y0", "z0", "fill_order",
    )  # fmt: skip

    def __init__(
        self,
        aspect_ratioXY: float = 1.0,
        aspect_ratioXZ: float = 1.0,
        dx: float = 1.0,
        dy: float = 1.0,
        dz: float = 1.0,
        x0: float = 0.0,
        y0: float = 0.0,
        z0: float = 0.0,
        fill_order: str = "sequential",
        rng: Any = None,
    ) -> None:
        self.aspect_ratioXY, self.aspect_ratioXZ = aspect_ratioXY, aspect_ratioXZ
        self.dx, self.dy, self.dz = dx, dy, dz
        self.x0, self.y0, self.z0 = x0, y0, z0
        self.fill_order, self.rng = fill_order, rng

    def calculate_size(self, n: int) -> tuple[int, int, int]:
        """Return how many neurons stand along x, y and z."""
        nx = round(float(np.cbrt(n * self.aspect_ratioXY * self.aspect_ratioXZ)))
        ny, nz = round(nx / self.aspect_ratioXY), round(nx / self.aspect_ratioXZ)
        if nx * ny * nz != n:
            raise _uneven(
                "Grid3D", n, f"aspect ratios {self.aspect_ratioXY:g}, {self.aspect_ratioXZ:g}"
            )
        return nx, ny, nz

    def generate_positions(self, n: int) -> NDArray[np.float64]:
        nx, ny, nz = self.calculate_size(n)
        axes = (
            self.x0 + self.dx * np.arange(nx),
            self.y0 + self.dy * np.arange(ny),
            self.z0 + self.dz * np.arange(nz),
        )
        made = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])
        return _filled(made, self.fill_order, self.rng)


class Shape(ABC):
    """A volume. Abstract; scripts may derive their own."""

    @abstractmethod
    def sample(self, n: int, rng: Any) -> NDArray[np.float64]:
        """Return `n` points in it, drawn evenly, (n, 3)."""


class Cuboid(Shape):
    """A box around the origin: width along x, height along y, depth along z."""

    def __init__(self, width: float, height: float, depth: float) -> None:
        self.width, self.height, self.depth = width, height, depth

    def sample(self, n: int, rng: Any) -> NDArray[np.float64]:
        sides = np.array([self.width, self.height, self.depth])
        return (_uniform(rng, 3 * n).reshape(n, 3) - 0.5) * sides


class Sphere(Shape):
    """A ball around the origin."""

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def sample(self, n: int, rng: Any) -> NDArray[np.float64]:
        height = 2.0 * _uniform(rng, n) - 1.0
        angle = 2.0 * np.pi * _uniform(rng, n)
        distance = self.radius * np.cbrt(_uniform(rng, n))
        ring = np.sqrt(1.0 - height**2)
        unit = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
        return distance[:, None] * unit


class RandomStructure(BaseStructure):
    """Neurons drawn evenly from a volume."""

    parameter_names = ("boundary", "origin")

    def __init__(
        self, boundary: Shape, origin: tuple[float, float, float] = (0.0, 0.0, 0.0), rng: Any = None
    ) -> None:
        self.boundary, self.origin = boundary, origin
        self.rng = NumpyRNG() if rng is None else rng

    def generate_positions(self, n: int) -> NDArray[np.float64]:
        return (np.asarray(self.origin) + self.boundary.sample(n, self.rng)).T


class Space:
    """How distances are measured between a population and another.

    Parameters
    ----------
    axes : which of 'xyz' count; None: all
    scale_factor, offset : the positions of the target become `scale_factor * (position + offset)`
    periodic_boundaries : for x, y and z a pair (low, high), where opposite sides touch, or None
    """

    def __init__(
        self,
        axes: str | None = None,
        scale_factor: float = 1.0,
        offset: Any = 0.0,
        periodic_boundaries: Any = None,
    ) -> None:
        names = "xyz" if axes is None else axes
        if not names or set(names) - set("xyz"):
            raise NetworkError(
                explain("Space(axes=)", "not axes", found=repr(axes), expected="some of 'xyz'")
            )
        self.axes = tuple("xyz".index(name) for name in names)
        self.scale_factor, self.offset = scale_factor, offset
        self.periodic_boundaries = periodic_boundaries

    def displacements(self, pre: NDArray[Any], post: NDArray[Any]) -> NDArray[np.float64]:
        """Return how far apart positions are along each axis; (3, ...) each, broadcast against each other."""
        offset = np.asarray(self.offset, np.float64)
        offset = offset.reshape(3, *(1,) * (post.ndim - 1)) if offset.ndim else offset
        far = np.abs(self.scale_factor * (post + offset) - pre)
        for axis, bounds in enumerate(self.periodic_boundaries or ()):
            if bounds is not None:
                length = bounds[1] - bounds[0]
                far[axis] = np.minimum(far[axis], length - far[axis])
        return far

    def between(self, pre: NDArray[Any], post: NDArray[Any]) -> NDArray[np.float64]:
        """Return the distances of positions (3, ...), broadcast against each other."""
        far = self.displacements(pre, post)
        return np.sqrt(sum(far[axis] ** 2 for axis in self.axes))

    def distances(self, A: Any, B: Any, expand: bool = False) -> NDArray[np.float64]:
        """Return the distances of all points of A, (n, 3), to all of B, (m, 3): (n, m), or (3, n, m) with `expand`."""
        pre = np.atleast_2d(np.asarray(A, np.float64)).T[:, :, None]
        post = np.atleast_2d(np.asarray(B, np.float64)).T[:, None, :]
        return self.displacements(pre, post) if expand else self.between(pre, post)


def _uniform(rng: Any, n: int) -> NDArray[np.float64]:
    return np.asarray(rng.next(n, "uniform", {"low": 0.0, "high": 1.0}))


def _filled(places: NDArray[np.float64], order: str, rng: Any) -> NDArray[np.float64]:
    if order == "sequential":
        return places
    if order != "random":
        raise NetworkError(
            explain("fill_order", "unknown", found=repr(order), expected="'sequential', 'random'")
        )
    drawn = _uniform(NumpyRNG() if rng is None else rng, places.shape[1])
    return places[:, np.argsort(drawn, kind="stable")]


def _uneven(kind: str, n: int, ratio: str) -> NetworkError:
    return NetworkError(
        explain(kind, f"{n} neurons fill no grid of {ratio}", cure="choose another number or ratio")
    )
