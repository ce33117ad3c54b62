"""Reading the tables of `export_configuration`: everything is checked, nothing is executed.

The layout stands in `configuration.py`.

Longer than most files: each table is checked where it is read.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import ModelError, NetworkError
from spikewright.network.graph import Method, Network, Population, Projection, Propagation
from spikewright.network.hdf5 import Source, opened
from spikewright.network.model import NeuronModel
from spikewright.network.topology import Sparse
from spikewright.substrates.base import Change, Placement
from spikewright.substrates.export.configuration import FORMAT, VERSION
from spikewright.substrates.export.tables import OUTSIDE, Tables

MAX_TEXT = 64 * 2**20
MAX_NEURONS = 2**28
_WRONG = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)


@dataclass(frozen=True, eq=False)
class Configuration:
    """What a configuration file says.

    Parameters
    ----------
    network : runs bit for bit like the compiled network that was exported
    substrate, seed : what it was compiled for, and the seed of the chip instance
    placement : where neurons lie
    changes : what the compiler did
    chip_name, chip_file, chip_sha256 : the constants that were used; compare the hash with your own chip file
    facts : numbers for the cost model
    left_out : names of facts that were not plain data, which no file can hold
    """

    network: Network
    substrate: str
    seed: int
    placement: Placement
    changes: tuple[Change, ...]
    chip_name: str
    chip_file: str
    chip_sha256: str
    facts: Mapping[str, Any]
    left_out: tuple[str, ...] = ()


def load_configuration(path: str | os.PathLike[str]) -> Configuration:
    """Read what `export_configuration` wrote.

    Raises
    ------
    FormatError : not such a file, damaged, too new; a table is missing, has the wrong shape or points at something that
        is not there; the place in the file is named
    ModelError, NetworkError : what stands in it breaks the rules of a model or of a network
    """
    with opened(path, "a configuration of Spikewright (HDF5)") as source:
        return _Reader(source).read()


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.index: list[dict[int, NDArray[np.int64]]] = []

    def read(self) -> Configuration:
        source = self.source
        self._check_format()
        about = self._object(source.root, "about")
        models = self._models()
        cores = self._cores()
        populations, core_of = self._populations(models, cores)
        projections = self._projections(populations, cores)
        chip = source.group(source.root, "chip") if source.has(source.root, "chip") else None
        if chip is None:
            raise source.error("/chip", "missing", cure="the file is damaged; export it again")
        try:
            network = Network(
                dt=float(about["dt"]),
                populations=populations,
                projections=projections,
                outputs=tuple(map(str, about["outputs"])),
                propagation=Propagation(about["propagation"]),
                name=str(about["name"]),
            )
            mesh = tuple(int(n) for n in about["mesh"])
            seed, substrate = int(about["seed"]), str(about["substrate"])
            facts, lost = dict(about["facts"]), tuple(map(str, about["left_out"]))
        except NetworkError as error:
            raise NetworkError(f"{source.path}: {error}") from None
        except _WRONG as error:
            raise source.error(
                "/about", "not the description of a configuration", found=error
            ) from None
        position, load = self._positions(cores, mesh)
        placement = Placement(core_of, position, mesh, load)
        self._check_axons(network, placement)
        changes = self._changes()
        name, file, sha256 = (source.text(chip, key) for key in ("name", "file", "sha256"))
        return Configuration(
            network, substrate, seed, placement, changes, name, file, sha256, facts, lost
        )

    # -- plain parts ---------------------------------------------------------------------------------

    def _check_format(self) -> None:
        source = self.source
        members = source.names(source.root)
        if "format" not in members or "version" not in members:
            raise source.error(
                "", "not a configuration of Spikewright",
                found=", ".join(members[:8]) or "an empty file", expected=f"/format {FORMAT!r}",
            )  # fmt: skip
        kind = source.text(source.root, "format")
        if kind != FORMAT:
            raise source.error("/format", "another format", found=repr(kind[:60]), expected=FORMAT)
        version = source.array(source.root, "version")
        if version.size != 1 or version.dtype.kind != "i" or int(version.ravel()[0]) < 1:
            raise source.error("/version", "not a version", found=version.ravel()[:4])
        if int(version.ravel()[0]) > VERSION:
            raise source.error(
                "/version", "written by a newer Spikewright",
                found=int(version.ravel()[0]), expected=f"{VERSION} at most",
                cure="update Spikewright, or export with the older version",
            )  # fmt: skip

    def _json(self, group: Any, name: str) -> Any:
        source = self.source
        place = source.place(group, name)
        if not source.has(group, name):
            raise source.error(place, "missing", cure="the file is damaged; export it again")
        text = source.text(group, name)
        if len(text) > MAX_TEXT or text.count("[") + text.count("{") > MAX_TEXT // 16:
            raise source.error(place, "JSON too large")
        try:
            return json.loads(text)
        except (ValueError, RecursionError, MemoryError) as error:
            raise source.error(place, "not JSON", found=str(error)[:160]) from None

    def _object(self, group: Any, name: str) -> dict[str, Any]:
        found = self._json(group, name)
        if not isinstance(found, dict):
            raise self.source.error(self.source.place(group, name), "not an object")
        return found

    def _numbered(self, name: str) -> tuple[Any, int]:
        source = self.source
        if not source.has(source.root, name):
            raise source.error(f"/{name}", "missing", cure="the file is damaged; export it again")
        group = source.group(source.root, name)
        names = source.names(group)
        if set(names) != set(map(str, range(len(names)))):
            raise source.error(f"/{name}", "not numbered from 0", found=sorted(names)[:6])
        return group, len(names)

    def _models(self) -> list[NeuronModel]:
        group, count = self._numbered("models")
        found = []
        for k in range(count):
            try:
                found.append(NeuronModel.from_dict(self._object(group, str(k))))
            except ModelError as error:
                raise ModelError(f"{self.source.path}: /models/{k}: {error}") from None
        return found

    def _changes(self) -> tuple[Change, ...]:
        try:
            return tuple(Change(**entry) for entry in self._json(self.source.root, "changes"))
        except _WRONG as error:
            raise self.source.error("/changes", "not a list of changes", found=error) from None

    # -- cores ---------------------------------------------------------------------------------------

    def _cores(self) -> dict[int, Any]:
        group, count = self._numbered("cores")
        cores = {c: self.source.group(group, str(c)) for c in range(count)}
        if self.source.has(self.source.root, "outside"):
            cores[OUTSIDE] = self.source.group(self.source.root, "outside")
        return cores

    def _positions(
        self, cores: Mapping[int, Any], mesh: tuple[int, ...]
    ) -> tuple[NDArray[np.int64], tuple[Mapping[str, float], ...]]:
        position, load = [], []
        for c in range(sum(c != OUTSIDE for c in cores)):
            place = self._whole(cores[c], "position")
            if place.ndim != 1 or len(place) != len(mesh):
                raise self.source.error(
                    f"/cores/{c}/position", "wrong shape", found=place.shape, expected=(len(mesh),)
                )
            if np.any(place < 0) or np.any(place >= np.asarray(mesh)):
                raise self.source.error(
                    f"/cores/{c}/position", "outside the mesh", found=place.tolist(),
                    expected="within " + " x ".join(map(str, mesh)),
                )  # fmt: skip
            position.append(place)
            used = self._object(cores[c], "load")
            if not all(isinstance(v, int | float) for v in used.values()):
                raise self.source.error(f"/cores/{c}/load", "not fractions")
            load.append({str(k): float(v) for k, v in used.items()})
        shape = (len(position), len(mesh))
        return np.asarray(position, np.int64).reshape(shape), tuple(load)

    def _table(self, group: Any, kind: str, k: int) -> Any | None:
        """Return the table of population or projection k in a core, or None where there is none."""
        if not self.source.has(group, kind):
            return None
        inner = self.source.group(group, kind)
        return self.source.group(inner, str(k)) if self.source.has(inner, str(k)) else None

    def _whole(self, group: Any, name: str) -> NDArray[np.int64]:
        place = self.source.place(group, name)
        if not self.source.has(group, name):
            raise self.source.error(place, "missing", cure="the file is damaged; export it again")
        value = self.source.array(group, name)
        if value.dtype.kind not in "iu":
            raise self.source.error(place, "not whole numbers", found=value.dtype)
        return value.astype(np.int64)

    def _indices(self, group: Any, name: str, end: int, *, low: int = 0) -> NDArray[np.int64]:
        value = self._whole(group, name)
        place = self.source.place(group, name)
        if value.ndim != 1:
            raise self.source.error(place, "wrong shape", found=value.shape, expected="(n,)")
        if value.size and not low <= value.min() <= value.max() < end:
            raise self.source.error(
                place, "points at something that is not there",
                found=f"{value.min()} to {value.max()}", expected=f"{low} to {end - 1}",
            )  # fmt: skip
        return value

    # -- populations ---------------------------------------------------------------------------------

    def _populations(
        self, models: list[NeuronModel], cores: Mapping[int, Any]
    ) -> tuple[dict[str, Population], dict[str, NDArray[np.int64]]]:
        group, count = self._numbered("populations")
        self._no_others(cores, "neurons", count)
        populations: dict[str, Population] = {}
        core_of: dict[str, NDArray[np.int64]] = {}
        for p in range(count):
            about = self._object(group, str(p))
            try:
                name, number = about["name"], about["model"]
                shape, method = tuple(about["shape"]), Method(about["method"])
                if type(number) is not int or not 0 <= number < len(models):
                    raise ValueError(f"there is no model {number!r}")
                if not isinstance(name, str) or name in populations:
                    raise ValueError(f"bad name {name!r}")
                if (
                    not all(type(n) is int and n > 0 for n in shape)
                    or math.prod(shape) > MAX_NEURONS
                ):
                    raise ValueError(f"bad shape {shape!r}")
            except _WRONG as error:
                raise self.source.error(
                    f"/populations/{p}", "not a population", found=error
                ) from None
            made, core = self._population(p, models[number], shape, method, cores)
            populations[name] = made
            if np.any(core != OUTSIDE):
                core_of[name] = core
        return populations, core_of

    def _no_others(self, cores: Mapping[int, Any], kind: str, count: int) -> None:
        """Raise FormatError where a core holds a table of something that is not listed."""
        for core in cores.values():
            if self.source.has(core, kind):
                inner = self.source.group(core, kind)
                extra = set(self.source.names(inner)) - set(map(str, range(count)))
                if extra:
                    raise self.source.error(
                        self.source.place(core, kind), "a table of something that is not listed",
                        found=sorted(extra)[:4], expected=f"0 to {count - 1}",
                    )  # fmt: skip

    def _population(
        self,
        p: int,
        model: NeuronModel,
        shape: tuple[int, ...],
        method: Method,
        cores: Mapping[int, Any],
    ) -> tuple[Population, NDArray[np.int64]]:
        n = math.prod(shape)
        core = np.full(n, OUTSIDE - 1, np.int64)
        found: dict[int, NDArray[np.int64]] = {}
        values: dict[str, dict[str, list[tuple[NDArray[np.int64], NDArray[Any]]]]] = {}
        for c, group in cores.items():
            table = self._table(group, "neurons", p)
            if table is None:
                continue
            index = self._indices(table, "index", n)
            place = self.source.place(table, "index")
            if np.any(core[index] >= OUTSIDE) or len(np.unique(index)) < len(index):
                raise self.source.error(place, f"a neuron of population {p} stands there twice")
            core[index] = c
            found[c] = index
            for part in ("params", "initial"):
                if self.source.has(table, part):
                    inner = self.source.group(table, part)
                    for name in self.source.names(inner):
                        value = self.source.array(inner, name)
                        if value.shape not in ((), index.shape):
                            raise self.source.error(
                                self.source.place(inner, name), "wrong shape",
                                found=value.shape, expected=f"() or {index.shape}",
                            )  # fmt: skip
                        values.setdefault(part, {}).setdefault(name, []).append((index, value))
        missing = np.flatnonzero(core == OUTSIDE - 1)
        if missing.size:
            raise self.source.error(
                f"/populations/{p}", "neurons lie on no core", found=f"neuron {missing[0]}",
                expected=f"each of {n} in one table", cure="the file is damaged; export it again",
            )  # fmt: skip
        self.index.append(found)
        joined: dict[str, dict[str, Any]] = {"params": {}, "initial": {}}
        for part, named in values.items():
            for name, pieces in named.items():
                if sum(len(index) for index, _ in pieces) != n:
                    raise self.source.error(
                        f"/populations/{p}", f"some of its tables lack {part}/{name}"
                    )
                joined[part][name] = _joined(pieces, n, shape)
        try:
            return Population(model, shape, joined["params"], joined["initial"], method), core
        except _WRONG as error:
            raise self.source.error(f"/populations/{p}", "not a population", found=error) from None

    # -- projections ---------------------------------------------------------------------------------

    def _projections(
        self, populations: Mapping[str, Population], cores: Mapping[int, Any]
    ) -> dict[str, Projection]:
        if not self.source.has(self.source.root, "projections"):
            return {}
        group, count = self._numbered("projections")
        self._no_others(cores, "synapses", count)
        names = list(populations)
        dt = float(self._object(self.source.root, "about").get("dt", 0.0))
        found: dict[str, Projection] = {}
        for q in range(count):
            about = self._object(group, str(q))
            try:
                name, pre, post = about["name"], about["pre"], about["post"]
                port, exponent = about["port"], about["exponent"]
                if not isinstance(name, str) or name in found or not isinstance(port, str):
                    raise ValueError(f"bad name {name!r} or port {port!r}")
                if pre not in populations or post not in populations:
                    raise ValueError(f"no population {pre!r} or {post!r}")
                if type(exponent) is not int:
                    raise ValueError(f"exponent {exponent!r}")
            except _WRONG as error:
                raise self.source.error(
                    f"/projections/{q}", "not a projection", found=error
                ) from None
            number = names.index(post)
            found[name] = self._projection(
                q, (pre, post, port, exponent), populations, self.index[number], cores, dt
            )
        return found

    def _projection(
        self,
        q: int,
        ends: tuple[str, str, str, int],
        populations: Mapping[str, Population],
        index: Mapping[int, NDArray[np.int64]],
        cores: Mapping[int, Any],
        dt: float,
    ) -> Projection:
        pre, post, port, exponent = ends
        n_pre, n_post = populations[pre].n, populations[post].n
        parts: dict[str, list[NDArray[Any]]] = {
            k: [] for k in ("source", "target", "weight", "delay")
        }
        biases: list[tuple[NDArray[np.int64], NDArray[Any]]] = []
        for c, group in cores.items():
            table = self._table(group, "synapses", q)
            if table is None:
                continue
            here = index.get(c)
            place = self.source.place(table, "target")
            if here is None:
                raise self.source.error(place, f"core {c} holds no neurons of {post!r}")
            if self.source.has(table, "bias"):
                bias = self._whole(table, "bias")
                if bias.shape != here.shape:
                    raise self.source.error(
                        self.source.place(table, "bias"), "wrong shape", found=bias.shape,
                        expected=here.shape,
                    )  # fmt: skip
                biases.append((here, bias))
                if set(self.source.names(table)) == {"bias"}:
                    continue
            source = self._indices(table, "source", n_pre)
            target = self._indices(table, "target", len(here))
            start = self._whole(table, "start")
            if (
                start.shape != (len(source) + 1,)
                or start[0] != 0
                or np.any(np.diff(start) < 0)
                or start[-1] != len(target)
            ):
                raise self.source.error(
                    self.source.place(table, "start"), "does not fit its synapses",
                    found=f"shape {start.shape}",
                    expected=f"({len(source) + 1},), from 0 up to {len(target)}",
                )  # fmt: skip
            parts["source"].append(np.repeat(source, np.diff(start)))
            parts["target"].append(here[target])
            for key in ("weight", "delay"):
                value = self._whole(table, key)
                if value.shape != target.shape:
                    raise self.source.error(
                        self.source.place(table, key), "wrong shape", found=value.shape,
                        expected=target.shape,
                    )  # fmt: skip
                if key == "delay" and np.any(value < 0):
                    raise self.source.error(self.source.place(table, key), "negative delays")
                parts[key].append(value)
        empty = np.zeros(0, np.int64)
        joined = {k: np.concatenate(v) if v else empty for k, v in parts.items()}
        order = np.lexsort((joined["target"], joined["source"]))
        start = np.zeros(n_pre + 1, np.int64)
        np.cumsum(np.bincount(joined["source"], minlength=n_pre), out=start[1:])
        steps = joined["delay"][order]
        delay: Any = steps * dt
        if not steps.size or np.all(steps == steps[0]):
            delay = float(steps[0] * dt) if steps.size else 0.0
        topology = Sparse(start, joined["target"][order], joined["weight"][order], n_post)
        bias_all = _joined(biases, n_post, populations[post].shape) if biases else None
        return Projection(pre, post, topology, port, delay, bias_all, exponent)

    # -- axons ---------------------------------------------------------------------------------------

    def _check_axons(self, network: Network, placement: Placement) -> None:
        """Raise FormatError where the axon tables do not lead where the synapses are."""
        source = self.source
        expected = Tables(network, dict(placement.core_of), placement.n_cores).axons()
        for c, group in self._cores().items():
            wanted = expected.get(c)
            place = "/outside/axons" if c == OUTSIDE else f"/cores/{c}/axons"
            if not source.has(group, "axons"):
                if wanted is not None:
                    raise source.error(place, "missing", expected=f"{len(wanted.neuron)} axons")
                continue
            table = source.group(group, "axons")
            self._indices(table, "core", placement.n_cores, low=OUTSIDE)
            for key in ("population", "neuron", "start", "core"):
                value = self._whole(table, key)
                if wanted is None or not np.array_equal(value, getattr(wanted, key)):
                    raise source.error(
                        f"{place}/{key}", "does not lead where the synapses are",
                        cure="the file is damaged; export it again",
                    )  # fmt: skip


def _joined(
    pieces: list[tuple[NDArray[np.int64], NDArray[Any]]], n: int, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return values from several cores as one number where they are the same 0-d number, else one per neuron."""
    if (
        all(value.ndim == 0 for _, value in pieces)
        and len({value.item() for _, value in pieces}) == 1
    ):
        return np.asarray(pieces[0][1])
    whole = np.zeros(n, np.result_type(*(value for _, value in pieces)))
    for index, value in pieces:
        whole[index] = value
    return whole.reshape(shape)


__all__ = ["Configuration", "load_configuration"]
