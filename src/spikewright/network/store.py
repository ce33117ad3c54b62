"""A network in a file of our own: everything, bit for bit, and nothing that could run.

HDF5, written whole or not at all. Neuron models are their text (`NeuronModel.as_dict`), checked like any other when
read. Numbers keep their dtype and every bit.

    /format                       "spikewright.network"
    /version                      1, or 2 where there are drives, rules, recipes or drawn delays
    /network                      JSON: name, dt, propagation, outputs, metadata
    /models/<k>                   JSON: one neuron model
    /populations/<k>/about        JSON: name, model (its k), shape, method
    /populations/<k>/params/..    one array per parameter; /initial/.. one per variable
    /projections/<k>/about        JSON: name, pre, post, port, exponent
    /projections/<k>/rule         JSON: model (its whole text), params, initial (only where there is a rule)
    /projections/<k>/delay, bias  arrays (bias only where there is one); a drawn delay is JSON, its distribution
    /projections/<k>/topology/    kind (text), its fields; for a composition maps/<j>/ likewise; for a recipe about
                                  (JSON: fields that are not arrays) and its arrays
    /drives/<k>/about             JSON: name, kind, post, port; and one array per number of the drive

A reader takes every version up to its own; `tests/golden/network_v1.h5` is kept for ever. What version 1 can
say is written as version 1, so that older installations read it.

Longer than most files: writer and reader of one layout stand side by side.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from spikewright.errors import FormatError, ModelError, NetworkError, explain
from spikewright.files import replacing_hdf5
from spikewright.network.compose import TOPOLOGIES, Compose
from spikewright.network.connectivity.distribution import Distribution, from_dict
from spikewright.network.connectivity.plain import from_plain, to_plain
from spikewright.network.connectivity.recipe import Recipe
from spikewright.network.drive import DRIVES, Drive, kind_of
from spikewright.network.graph import Method, Network, Population, Projection, Propagation
from spikewright.network.hdf5 import Source, opened, put
from spikewright.network.model import NeuronModel
from spikewright.network.synapse import Rule, SynapseModel
from spikewright.network.topology import Topology

FORMAT = "spikewright.network"
VERSION = 2
MAX_TEXT = 64 * 2**20
"""Characters of one JSON text."""
MAX_JSON_DEPTH = 100
"""Lists and objects within each other."""
MAX_NEURONS = 2**28
"""Neurons of one population."""
MAX_MAPS = 256
"""Compositions within compositions."""

_WRONG = (
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network, whole or not at all.

    Raises
    ------
    NetworkError : something in it is not plain data (metadata), or not a topology of ours
    FormatError : the place cannot be written
    """
    texts = _texts(network, f"network {network.name!r}")
    with replacing_hdf5(path) as file:
        _write(file, network, texts)


def write(group: Any, network: Network) -> None:
    """Write a network into an empty group of an HDF5 file; raises as `save` does."""
    _write(group, network, _texts(network, f"network {network.name!r}"))


def _write(file: Any, network: Network, texts: Mapping[str, str]) -> None:
    put(file, "format", FORMAT)
    put(file, "version", np.asarray(_version(network), np.int64))
    for name, text in texts.items():
        put(file, name, text)
    for k, population in enumerate(network.populations.values()):
        for part, values in (
            ("params", population.params),
            ("initial", population.initial),
        ):
            for name, value in values.items():
                put(file, f"populations/{k}/{part}/{name}", value)
    for k, projection in enumerate(network.projections.values()):
        delay = projection.delay
        drawn = isinstance(delay, Distribution)
        put(file, f"projections/{k}/delay", json.dumps(delay.as_dict()) if drawn else delay)
        if projection.bias is not None:
            put(file, f"projections/{k}/bias", projection.bias)
        _write_topology(file.create_group(f"projections/{k}/topology"), projection.topology)
    for k, drive in enumerate(network.drives.values()):
        for name in _drive_numbers(type(drive)):
            put(file, f"drives/{k}/{name}", getattr(drive, name))


def _version(network: Network) -> int:
    """Return the oldest version that can say the network."""
    plastic = any(p.rule is not None for p in network.projections.values())
    drawn = any(isinstance(p.delay, Distribution) for p in network.projections.values())
    made = any(_has_recipe(p.topology) for p in network.projections.values())
    return 2 if network.drives or plastic or drawn or made else 1


def _has_recipe(topology: Topology) -> bool:
    parts = topology.maps if isinstance(topology, Compose) else ()
    return isinstance(topology, Recipe) or any(map(_has_recipe, parts))


def _drive_numbers(kind: type[Drive]) -> list[str]:
    return [field.name for field in fields(kind) if field.name not in ("post", "port")]


def _texts(network: Network, where: str) -> dict[str, str]:
    """Return every JSON text of a network, before a file is opened."""
    models: list[NeuronModel] = []
    found: dict[str, str] = {}
    about = {
        "name": network.name,
        "dt": network.dt,
        "propagation": network.propagation.value,
        "outputs": list(network.outputs),
        "metadata": dict(network.metadata),
    }
    found["network"] = _dump(about, f"{where}.metadata")
    for k, (name, population) in enumerate(network.populations.items()):
        if population.model not in models:
            models.append(population.model)
        told = {
            "name": name,
            "model": models.index(population.model),
            "shape": list(population.shape),
            "method": population.method.value,
        }
        found[f"populations/{k}/about"] = _dump(told, f"{where}.populations[{name!r}]")
    for k, model in enumerate(models):
        found[f"models/{k}"] = _dump(model.as_dict(), f"model {model.name!r}")
    for k, (name, projection) in enumerate(network.projections.items()):
        place = f"{where}.projections[{name!r}]"
        parts = [projection.topology]
        while parts:
            part = parts.pop()
            if TOPOLOGIES.get(part.kind) is not type(part):
                raise NetworkError(
                    explain(
                        place,
                        f"a topology that the file format does not know: {type(part).__name__}",
                        expected=", ".join(TOPOLOGIES),
                        cure="write it as Sparse",
                    )
                )
            parts += part.maps if isinstance(part, Compose) else ()
        told = {
            "name": name,
            "pre": projection.pre,
            "post": projection.post,
            "port": projection.port,
            "exponent": int(projection.exponent),
        }
        found[f"projections/{k}/about"] = _dump(told, place)
        rule = projection.rule
        if rule is not None:
            told = {
                "model": rule.model.as_dict(),
                "params": dict(rule.params),
                "initial": dict(rule.initial),
            }
            found[f"projections/{k}/rule"] = _dump(told, f"{place}.rule")
    for k, (name, drive) in enumerate(network.drives.items()):
        told = {"name": name, "kind": kind_of(drive), "post": drive.post, "port": drive.port}
        found[f"drives/{k}/about"] = _dump(told, f"{where}.drives[{name!r}]")
    return found


def _dump(data: object, where: str) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, default=_plain)
        text.encode("utf-8")
        _check_keys(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise NetworkError(
            explain(
                where,
                "not plain data",
                found=error,
                expected="text, numbers, truth values, lists, objects with text keys",
            )
        ) from None
    return text


def _check_keys(data: object) -> None:
    """Raise TypeError where an object has a key that JSON would turn into text."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if not isinstance(key, str):
                raise TypeError(f"a key {key!r} that is not text")
            _check_keys(value)
    elif isinstance(data, list | tuple):
        for value in data:
            _check_keys(value)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not plain data")


def _write_topology(group: Any, topology: Topology) -> None:
    put(group, "kind", topology.kind)
    if isinstance(topology, Compose):
        for j, part in enumerate(topology.maps):
            _write_topology(group.create_group(f"maps/{j}"), part)
        return
    if isinstance(topology, Recipe):
        plain, arrays = to_plain(topology)
        put(group, "about", json.dumps(plain))
        for name, array in arrays.items():
            put(group, name, array)
        return
    for field in fields(topology):  # type: ignore[arg-type]
        put(group, field.name, np.asarray(getattr(topology, field.name)))


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network.

    Raises
    ------
    FormatError : not such a file, damaged, too new
    ModelError, NetworkError : what stands in it breaks the rules of a model or of a network
    """
    with opened(path, "a network of Spikewright (HDF5)") as source:
        return read(source)


def read(source: Source) -> Network:
    """Read the network that `write` wrote, from the root of a source; raises as `load` does."""
    _check_format(source)
    about = _json(source, source.root, "network", {"name", "dt", "propagation", "outputs"})
    models = _models(source)
    populations: dict[str, Population] = {}
    for k, group in _numbered(source, "populations"):
        name, population = _population(source, group, f"/populations/{k}", models)
        _once(source, f"/populations/{k}", name, populations)
        populations[name] = population
    projections: dict[str, Projection] = {}
    for k, group in _numbered(source, "projections"):
        name, projection = _projection(source, group, f"/projections/{k}")
        _once(source, f"/projections/{k}", name, projections)
        projections[name] = projection
    drives: dict[str, Drive] = {}
    for k, group in _numbered(source, "drives"):
        name, drive = _drive(source, group, f"/drives/{k}")
        _once(source, f"/drives/{k}", name, drives)
        drives[name] = drive
    try:
        outputs = about["outputs"]
        if not isinstance(outputs, list) or not all(isinstance(o, str) for o in outputs):
            raise TypeError("outputs must be a list of names")
        if not isinstance(about["name"], str) or not isinstance(about["dt"], int | float):
            raise TypeError("name and dt must be a text and a number")
        if not isinstance(about.get("metadata", {}), dict):
            raise TypeError("metadata must be an object")
        return Network(
            dt=float(about["dt"]),
            populations=populations,
            projections=projections,
            outputs=tuple(outputs),
            propagation=Propagation(about["propagation"]),
            name=about["name"],
            metadata=about.get("metadata", {}),
            drives=drives,
        )
    except NetworkError as error:
        raise NetworkError(f"{source.path}: {error}") from None
    except _WRONG as error:
        raise source.error("/network", "not the description of a network", found=error) from None


def _check_format(source: Source) -> None:
    members = source.names(source.root)
    if "format" not in members or "version" not in members:
        raise source.error(
            "", "not a network of Spikewright",
            found=", ".join(members[:8]) or "an empty file", expected=f"/format {FORMAT!r}",
            cure="NIR files are read with spikewright.network.nir.from_nir",
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
            cure="update Spikewright, or save the network with the older version",
        )  # fmt: skip


def _once(source: Source, place: str, name: str, known: Mapping[str, object]) -> None:
    if name in known:
        raise source.error(place, f"the name {name!r} stands there twice")


def _json(source: Source, parent: Any, name: str, keys: set[str]) -> dict[str, Any]:
    place = source.place(parent, name)
    if not source.has(parent, name):
        raise source.error(place, "missing", cure="the file is damaged; save it again")
    text = source.text(parent, name)
    if len(text) > MAX_TEXT or _depth(text) > MAX_JSON_DEPTH:
        raise source.error(
            place, "JSON too large or nested too deeply",
            expected=f"{MAX_TEXT} characters and {MAX_JSON_DEPTH} levels at most",
        )  # fmt: skip
    try:
        data = json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise source.error(place, "not JSON", found=str(error)[:160]) from None
    if not isinstance(data, dict) or not keys <= set(data):
        missing = sorted(keys - set(data)) if isinstance(data, dict) else sorted(keys)
        raise source.error(place, "incomplete", found=f"no {', '.join(missing)}")
    return data


def _depth(text: str) -> int:
    """Return how deep brackets are nested, those within strings counted too: an upper bound, in one pass."""
    deepest = level = 0
    inside = escaped = False
    for letter in text:
        if inside:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                inside = False
        elif letter == '"':
            inside = True
        elif letter in "[{":
            level += 1
            deepest = max(deepest, level)
        elif letter in "]}":
            level -= 1
    return deepest


def _numbered(source: Source, name: str) -> list[tuple[int, Any]]:
    if not source.has(source.root, name):
        return []
    group = source.group(source.root, name)
    names = source.names(group)
    expected = {str(k) for k in range(len(names))}
    if set(names) != expected:
        raise source.error(
            f"/{name}", "not numbered from 0", found=sorted(set(names) - expected)[:4]
        )
    return [(k, source.group(group, str(k))) for k in range(len(names))]


def _models(source: Source) -> list[NeuronModel]:
    if not source.has(source.root, "models"):
        return []
    group = source.group(source.root, "models")
    found = []
    for k in range(len(source.names(group))):
        data = _json(source, group, str(k), {"name", "state", "params", "inputs"})
        try:
            found.append(NeuronModel.from_dict(data))
        except ModelError as error:
            raise ModelError(f"{source.path}: /models/{k}: {error}") from None
        except _WRONG as error:
            raise source.error(f"/models/{k}", "not a neuron model", found=error) from None
    return found


def _population(
    source: Source, group: Any, place: str, models: list[NeuronModel]
) -> tuple[str, Population]:
    about = _json(source, group, "about", {"name", "model", "shape", "method"})
    values: dict[str, dict[str, Any]] = {"params": {}, "initial": {}}
    for part, found in values.items():
        if source.has(group, part):
            inner = source.group(group, part)
            for name in source.names(inner):
                found[name] = source.array(inner, name)
    try:
        number, shape = about["model"], about["shape"]
        if type(number) is not int or not 0 <= number < len(models):
            raise ValueError(f"there is no model {number!r}")
        if not isinstance(shape, list) or not all(type(n) is int for n in shape):
            raise ValueError(f"shape {shape!r}")
        if math.prod(max(n, 1) for n in shape) > MAX_NEURONS:
            raise ValueError(f"shape {shape!r} is too large")
        if not isinstance(about["name"], str):
            raise TypeError("the name is not text")
        made = Population(
            models[number], tuple(shape), values["params"], values["initial"],
            Method(about["method"]),
        )  # fmt: skip
        return about["name"], made
    except _WRONG as error:
        raise source.error(f"{place}/about", "not a population", found=error) from None


def _projection(source: Source, group: Any, place: str) -> tuple[str, Projection]:
    about = _json(source, group, "about", {"name", "pre", "post", "port", "exponent"})
    members = source.names(group)
    for name in ("delay", "topology"):
        if name not in members:
            raise source.error(place, f"no {name}", cure="the file is damaged; save it again")
    delay: Any = None
    if source.is_text(group, "delay"):
        data = _json(source, group, "delay", {"kind"})
        try:
            delay = from_dict(data)
        except NetworkError as error:
            raise NetworkError(f"{source.path}: {place}/delay: {error}") from None
    else:
        delay = source.array(group, "delay")
    bias = source.array(group, "bias") if "bias" in members else None
    topology = _topology(source, source.group(group, "topology"), f"{place}/topology", 0)
    rule = _rule(source, group, f"{place}/rule") if "rule" in members else None
    try:
        ends = [about["name"], about["pre"], about["post"], about["port"]]
        if not all(isinstance(e, str) for e in ends) or type(about["exponent"]) is not int:
            raise TypeError("name, pre, post, port must be text, exponent a whole number")
        made = Projection(ends[1], ends[2], topology, ends[3], delay, bias, about["exponent"], rule)
        return ends[0], made
    except _WRONG as error:
        raise source.error(f"{place}/about", "not a projection", found=error) from None


def _rule(source: Source, group: Any, place: str) -> Rule:
    about = _json(source, group, "rule", {"model", "params", "initial"})
    try:
        if not all(isinstance(about[key], dict) for key in ("model", "params", "initial")):
            raise TypeError("model, params and initial must be objects")
        return Rule(SynapseModel.from_dict(about["model"]), about["params"], about["initial"])
    except ModelError as error:
        raise ModelError(f"{source.path}: {place}: {error}") from None
    except _WRONG as error:
        raise source.error(place, "not a rule", found=error) from None


def _drive(source: Source, group: Any, place: str) -> tuple[str, Drive]:
    about = _json(source, group, "about", {"name", "kind", "post", "port"})
    if not all(isinstance(about[key], str) for key in ("name", "kind", "post", "port")):
        raise source.error(f"{place}/about", "not a drive", found="something that is not text")
    kind = DRIVES.get(about["kind"])
    if kind is None:
        raise source.error(
            f"{place}/about",
            "unknown drive",
            found=repr(about["kind"][:60]),
            expected=", ".join(DRIVES),
        )
    names = _drive_numbers(kind)
    missing = sorted(set(names) - set(source.names(group)))
    if missing:
        raise source.error(place, f"a drive without {', '.join(missing)}")
    values: dict[str, Any] = {name: source.array(group, name) for name in names}
    return about["name"], kind(post=about["post"], port=about["port"], **values)


def _topology(source: Source, group: Any, place: str, level: int) -> Topology:
    if level > MAX_MAPS:
        raise source.error(place[:80], "compositions nested too deeply")
    members = source.names(group)
    kind = source.text(group, "kind") if "kind" in members else ""
    if kind not in TOPOLOGIES:
        raise source.error(
            f"{place}/kind",
            "unknown topology",
            found=repr(kind[:60]),
            expected=", ".join(TOPOLOGIES),
        )
    try:
        if kind == Compose.kind:
            inner = source.group(group, "maps")
            count = len(source.names(inner))
            return Compose(
                tuple(
                    _topology(source, source.group(inner, str(j)), f"{place}/maps/{j}", level + 1)
                    for j in range(count)
                )
            )
        if issubclass(TOPOLOGIES[kind], Recipe):
            plain = _json(source, group, "about", {"n_post", "weights", "seed", "dtype"})
            others = [n for n in members if n not in ("kind", "about")]
            return from_plain(kind, plain, {n: source.array(group, n) for n in others})
        names = [field.name for field in fields(TOPOLOGIES[kind])]  # type: ignore[arg-type]
        missing = [n for n in names if n not in members]
        if missing:
            raise source.error(place, f"{kind} without {', '.join(missing)}")
        values: dict[str, Any] = {}
        for name in names:
            value = source.array(group, name)
            values[name] = value if value.ndim else value[()]
        return TOPOLOGIES[kind](**values)
    except NetworkError as error:
        raise NetworkError(f"{source.path}: {place}: {error}") from None
    except FormatError:
        raise
    except _WRONG as error:
        raise source.error(place, f"not a {kind} topology", found=error) from None
