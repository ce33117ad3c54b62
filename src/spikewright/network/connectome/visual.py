"""The fly's visual system, per type of cell: synapse counts between columns of the eye at every offset.

A column is a place (u, v) of a hexagonal lattice. An edge from type A to type B with offset (du, dv) leads from A in
column (u, v) to B in column (u + du, v + dv), for every column.

Source
------
Lappalainen et al., "Connectome-constrained networks predict neural activity across the fly visual system", Nature 634,
2024; data of the package flyvis 1.2.0.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, NetworkError, explain
from spikewright.network.connectome.diagram import Connectome

MAX_RADIUS = 40
SOURCE = "Lappalainen et al., Nature 634 (2024)"


@dataclass(frozen=True, eq=False)
class VisualSystem:
    """Types of cells, and what connects them.

    Parameters
    ----------
    types : names of the types
    stride : (types, 2), a cell stands in every so-many-th column along u and v
    inputs, outputs : types that light enters, and that are read
    source, target : int64 (edges,), places in `types`
    sign : int8 (edges,)
    edge : int64 (offsets,), which edge an offset belongs to
    offset : int64 (offsets, 2), (du, dv) from source to target
    count : (offsets,), synapses: means over cells, so not whole
    """

    types: tuple[str, ...]
    stride: NDArray[np.int64]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    sign: NDArray[np.int8]
    edge: NDArray[np.int64]
    offset: NDArray[np.int64]
    count: NDArray[np.float64]

    @property
    def n_edges(self) -> int:
        """Number of pairs of types that are connected."""
        return len(self.source)

    def by_type(self) -> Connectome:
        """Return the diagram of types: one neuron per type, counts added over all offsets."""
        total = np.bincount(self.edge, self.count, minlength=self.n_edges)
        names = np.array(self.types)
        return Connectome.of(
            names, names[self.source], names[self.target], total, types=names, sign=self.sign,
            name="fly_visual_system", source=SOURCE,
        )  # fmt: skip

    def lattice(self, radius: int) -> Connectome:
        """Return the diagram of all cells of the columns at most `radius` from the middle: 1 + 3 r (r + 1) of them.

        Cells are called type(u,v), and stand type by type; edges that would leave the lattice are left out. Marks
        "u" and "v" say the column.

        Raises
        ------
        NetworkError : the radius is below 0 or too large
        """
        if not 0 <= radius <= MAX_RADIUS:
            raise NetworkError(
                explain(
                    "lattice(radius=)", "out of range", found=radius, expected=f"0 to {MAX_RADIUS}"
                )
            )
        u, v = (x.ravel() for x in np.mgrid[-radius : radius + 1, -radius : radius + 1])
        inside = np.abs(u + v) <= radius
        u, v = u[inside], v[inside]
        side = 2 * radius + 1
        place = np.full((len(self.types), side, side), -1, np.int64)
        own: list[NDArray[np.int64]] = []
        n = 0
        for k in range(len(self.types)):
            here = (u % self.stride[k, 0] == 0) & (v % self.stride[k, 1] == 0)
            own.append(np.flatnonzero(here))
            place[k, u[here] + radius, v[here] + radius] = n + np.arange(len(own[-1]))
            n += len(own[-1])
        kind = np.repeat(np.arange(len(self.types)), [len(x) for x in own])
        column = np.concatenate(own)
        pre, post, which = [], [], []
        for k in range(len(self.edge)):
            e = self.edge[k]
            at = own[self.source[e]]
            to_u, to_v = u[at] + self.offset[k, 0] + radius, v[at] + self.offset[k, 1] + radius
            ok = (to_u >= 0) & (to_u < side) & (to_v >= 0) & (to_v < side)
            found = place[self.target[e], to_u[ok], to_v[ok]]
            source = place[self.source[e], u[at][ok] + radius, v[at][ok] + radius]
            pre.append(source[found >= 0])
            post.append(found[found >= 0])
            which.append(np.full(np.count_nonzero(found >= 0), k))
        names = np.array(
            [f"{self.types[t]}({u[c]},{v[c]})" for t, c in zip(kind, column, strict=True)]
        )
        one = np.concatenate(which)
        return Connectome.of(
            names, names[np.concatenate(pre)], names[np.concatenate(post)], self.count[one],
            types=np.array(self.types)[kind], sign=self.sign[self.edge[one]],
            marks={"u": u[column], "v": v[column]}, name=f"fly_visual_system, radius {radius}", source=SOURCE,
        )  # fmt: skip


def fly_visual_system(path: str | os.PathLike[str]) -> VisualSystem:
    """Read the fly's visual system from `fib25-fib19_v2.2.json`.

    Raises
    ------
    FormatError : missing, not JSON, an edge names a type that is not there, a field is missing
    """
    # the one way in which this project reads JSON that nobody vouches for
    from spikewright.network.sonata.config import read_json

    place = Path(path)
    found = read_json(place)
    try:
        nodes, edges = found["nodes"], found["edges"]
        types = tuple(str(node["name"]) for node in nodes)
        index = {t: k for k, t in enumerate(types)}
        for node in nodes:
            if node["pattern"][0] != "stride":
                raise FormatError(
                    explain(
                        f"{place}: node {node['name']!r}",
                        "unknown pattern",
                        found=node["pattern"][0],
                        expected="stride",
                    )
                )
        stride = np.array([node["pattern"][1] for node in nodes], np.int64).reshape(-1, 2)
        unknown = sorted({str(e[x]) for e in edges for x in ("src", "tar")} - set(types))
        if unknown:
            raise FormatError(
                explain(str(place), f"edges name types that are not there: {', '.join(unknown)}")
            )
        offsets = [(k, *o[0], o[1]) for k, e in enumerate(edges) for o in e["offsets"]]
        rows = np.array(offsets, np.float64).reshape(-1, 4)
        ends: Sequence[tuple[int, int, int]] = [
            (index[e["src"]], index[e["tar"]], int(e["alpha"])) for e in edges
        ]
        made = np.array(ends, np.int64).reshape(-1, 3)
        inputs = tuple(str(t) for t in found.get("input_units", ()))
        outputs = tuple(str(t) for t in found.get("output_units", ()))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise FormatError(
            explain(
                str(place),
                "not the description of a visual system",
                found=f"{type(error).__name__}: {error}",
            )
        ) from None
    if np.any(np.abs(made[:, 2]) != 1) or np.any(rows[:, 3] <= 0) or np.any(stride < 1):
        raise FormatError(
            explain(str(place), "a sign is not 1 or -1, or a count or a stride not above 0")
        )
    return VisualSystem(
        types, stride, inputs, outputs, made[:, 0], made[:, 1], made[:, 2].astype(np.int8), rows[:, 0].astype(np.int64),
        rows[:, 1:3].astype(np.int64), rows[:, 3],
    )  # fmt: skip
