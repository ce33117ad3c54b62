"""Spike files: `/spikes/<population>` with `node_ids` and `timestamps`, or the older `/spikes` with `gids`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.files import replacing_hdf5
from spikewright.network.hdf5 import Source, opened
from spikewright.network.sonata.nodes import text_of, whole

SECONDS = {"": 1e-3, "ms": 1e-3, "milliseconds": 1e-3, "s": 1.0, "seconds": 1.0}
"""Unit of timestamps -> seconds; SONATA counts in ms where nothing is said."""
SORTINGS = {"0": "none", "1": "by_id", "2": "by_time", "by_gid": "by_id", "none": "none", "": "none",
            "by_id": "by_id", "by_time": "by_time"}  # fmt: skip
"""How a file says that it is sorted, as a number of its enumeration or as text -> one name."""


@dataclass(frozen=True, eq=False)
class SpikeTrain:
    """Spikes of one population, in the order of the file.

    Parameters
    ----------
    ids : int64 (n,), numbers of nodes
    times : float64 (n,), s
    sorting : none, by_id or by_time
    """

    ids: NDArray[np.int64]
    times: NDArray[np.float64]
    sorting: str = "none"

    @property
    def n(self) -> int:
        """Number of spikes."""
        return len(self.ids)

    def of(self, node: int) -> NDArray[np.float64]:
        """Return the times of one node, s, ascending."""
        return np.sort(self.times[self.ids == node])


def read_spikes(path: str | os.PathLike[str]) -> dict[str, SpikeTrain]:
    """Read a file of spikes: population -> its spikes; the name is "" in the older layout, which has none.

    Raises
    ------
    FormatError : missing, damaged, of another kind, arrays of different length, an unknown unit
    """
    with opened(path, "spikes of SONATA (HDF5)") as source:
        if not source.has(source.root, "spikes"):
            raise source.error(
                "", "holds no spikes", found=", ".join(source.names(source.root)[:8])
            )
        spikes = source.group(source.root, "spikes")
        names = source.names(spikes)
        if "timestamps" in names:
            return {"": _train(source, spikes, "gids" if "gids" in names else "node_ids")}
        return {name: _train(source, source.group(spikes, name), "node_ids") for name in names}


def _train(source: Source, group: Any, ids: str) -> SpikeTrain:
    names = source.names(group)
    for needed in (ids, "timestamps"):
        if needed not in names:
            raise source.error(source.place(group, needed), "is missing", found=", ".join(names))
    nodes, times = whole(source, group, ids), source.array(group, "timestamps")
    if times.shape != nodes.shape:
        raise source.error(
            source.place(group, "timestamps"), "another length than the nodes", found=times.shape, expected=nodes.shape
        )  # fmt: skip
    unit = text_of(source, group["timestamps"], "units")
    if unit not in SECONDS:
        raise source.error(
            source.place(group, "timestamps"), "unknown unit", found=repr(unit), expected="ms or s"
        )
    said = text_of(source, group, "sorting")
    seconds = times.astype(np.float64) * SECONDS[unit]
    return SpikeTrain(nodes, seconds, SORTINGS.get(said, "none"))


def write_spikes(
    path: str | os.PathLike[str], spikes: Mapping[str, SpikeTrain], *, sorting: str = "by_time"
) -> None:
    """Write a file of spikes, whole or not at all.

    Parameters
    ----------
    path : .h5
    spikes : population -> its spikes; of a recording, `SpikeTrain(address, time)` from `Recording.times`
    sorting : none, by_id or by_time

    Raises
    ------
    FormatError : the file cannot be written, a time is not finite or is negative, an unknown sorting

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "spikes.h5"
    >>> write_spikes(path, {"v1": SpikeTrain(np.array([1, 0]), np.array([2e-3, 1e-3]))})
    >>> read_spikes(path)["v1"].ids.tolist(), read_spikes(path)["v1"].sorting
    ([0, 1], 'by_time')
    """
    import h5py

    numbers = {"none": 0, "by_id": 1, "by_time": 2}
    if sorting not in numbers:
        raise FormatError(
            explain("write_spikes(sorting=)", "unknown", found=sorting, expected=", ".join(numbers))
        )
    for name, train in spikes.items():
        times = np.asarray(train.times)
        if not name or "/" in name:
            raise FormatError(
                explain("write_spikes", "not a name for a population", found=repr(name))
            )
        if (
            times.shape != np.shape(train.ids)
            or not np.all(np.isfinite(times))
            or np.any(times < 0)
        ):
            raise FormatError(
                explain(f"write_spikes: {name!r}", "times are not finite, negative, or too few")
            )
    kind = h5py.enum_dtype(numbers, basetype=np.uint8)
    with replacing_hdf5(path) as file:
        mark(file)
        root = file.create_group("spikes")
        for name, train in spikes.items():
            keys = {
                "none": None,
                "by_id": (train.times, train.ids),
                "by_time": (train.ids, train.times),
            }
            chosen = keys[sorting]
            order = np.arange(train.n) if chosen is None else np.lexsort(chosen)
            group = root.create_group(name)
            group.attrs.create("sorting", numbers[sorting], dtype=kind)
            group.create_dataset("node_ids", data=train.ids[order].astype(np.uint64))
            times_ = group.create_dataset("timestamps", data=train.times[order] / SECONDS["ms"])
            times_.attrs["units"] = "ms"


def mark(file: Any) -> None:
    """Write what tells a file of SONATA: its magic number and version."""
    file.attrs.create("magic", 0x0A7A, dtype=np.uint32)
    file.attrs.create("version", [0, 1], dtype=np.uint32)
