"""Where a run stands, in a file: every bit of a State, and a fingerprint of the network it belongs to.

Going on from a checkpoint is going on from the state: the same bits as a run that was never cut. What a state holds for
lazy engines goes with one network: it is written and read with the network that left it, and left out with any other.

    /format        "spikewright.state"
    /version       1
    /about         JSON: fingerprint, network (its name), step, seed, first_sample (null where they were not said)
    /index         JSON: "arrays": for each where in the state it belongs, a list of names of fields and keys;
                   "empty": likewise for mappings without members
    /arrays/<k>    the arrays, in the order of the index
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.recording import Quiet, Spikes, State, SynapseState, plain_parts
from spikewright.errors import EngineError, FormatError, explain
from spikewright.files import replacing_hdf5
from spikewright.network.fingerprint import fingerprint
from spikewright.network.graph import Network
from spikewright.network.hdf5 import Source, opened, put

FORMAT = "spikewright.state"
VERSION = 1

Place = tuple[str | tuple[str, ...], ...]


def save_state(
    path: str | os.PathLike[str],
    state: State,
    network: Network,
    *,
    seed: int | None = None,
    first_sample: int | None = None,
) -> None:
    """Write a state, whole or not at all.

    Parameters
    ----------
    path : .h5
    state : of a run of `network`
    network : the network
    seed, first_sample : those of the run; where they are said, `load_state` refuses others

    Raises
    ------
    FormatError : the place cannot be written; what was there before is unchanged
    """
    about = {
        "fingerprint": fingerprint(network), "network": network.name, "step": int(state.step),
        "seed": seed, "first_sample": first_sample,
    }  # fmt: skip
    with replacing_hdf5(path) as file:
        put(file, "format", FORMAT)
        put(file, "version", np.asarray(VERSION, np.int64))
        put(file, "about", json.dumps(about))
        write_state(file, state, network)


def load_state(
    path: str | os.PathLike[str],
    network: Network,
    *,
    seed: int | None = None,
    first_sample: int | None = None,
) -> State:
    """Read the state of a run of `network`; lazy neurons keep their bits where the run goes on with this very object.

    Raises
    ------
    FormatError : no such file, damaged, too new, or of something else
    EngineError : of another network, or of a run with another seed or first sample
    """
    with opened(path, "a checkpoint of Spikewright (HDF5)") as source:
        check_format(source, FORMAT, VERSION, "checkpoint")
        about = read_json(source, "about")
        expected = fingerprint(network)
        if about.get("fingerprint") != expected:
            raise EngineError(
                explain(
                    str(source.path),
                    "a checkpoint of another network",
                    found=f"{about.get('network')!r} ({about.get('fingerprint')})",
                    expected=f"{network.name!r} ({expected})",
                    cure="go on with the network as it was when the checkpoint was written, or start anew",
                )
            )
        for name, value in (("seed", seed), ("first_sample", first_sample)):
            if value is not None and about.get(name) not in (None, value):
                raise EngineError(
                    explain(
                        str(source.path),
                        f"a checkpoint of a run with another {name}",
                        found=about[name],
                        expected=value,
                        cure=f"say {name}={about[name]}",
                    )
                )
        return read_state(source, network)


def write_state(group: Any, state: State, network: Network) -> None:
    """Write a state into a group of an HDF5 file that is of `network`."""
    quiet = state.resting(network)
    state = dataclasses.replace(state, quiet=quiet, underway=state.underway if quiet else {})
    places: dict[str, list[list[Any]]] = {"arrays": [], "empty": []}
    for place, array in _flat(state, ()):
        told = [list(part) if isinstance(part, tuple) else part for part in place]
        if array is None:
            places["empty"].append(told)
            continue
        put(group, f"arrays/{len(places['arrays'])}", array)
        places["arrays"].append(told)
    put(group, "index", json.dumps(places))


def read_state(source: Source, network: Network | str) -> State:
    """Read the state that `write_state` wrote for a network, which is given, or its fingerprint.

    Raises
    ------
    FormatError : damaged
    """
    places = read_json(source, "index")
    tree: dict[Any, Any] = {}

    def hang(place: Any, value: Any) -> None:
        keys = [tuple(part) if isinstance(part, list) else part for part in place]
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
        branch[keys[-1]] = value

    try:
        arrays = source.group(source.root, "arrays")
        for k, place in enumerate(places["arrays"]):
            hang(place, source.array(arrays, str(k), finite=False))
        for place in places["empty"]:
            hang(place, {})
        return _state(tree, network)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise source.error("/index", "not a state", found=error) from None


def _flat(value: Any, place: Place) -> list[tuple[Place, NDArray[Any] | None]]:
    """Return every array in a state with its place, and None for every mapping that is empty."""
    if value is None:
        return []
    if dataclasses.is_dataclass(value):
        inner = [
            (f.name, getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.metadata.get("saved", True)
        ]
    elif isinstance(value, Mapping):
        inner = list(value.items())
        if not inner:
            return [(place, None)]
    else:
        return [(place, np.asarray(value))]
    return [found for key, part in inner for found in _flat(part, (*place, key))]


def _state(tree: Mapping[Any, Any], network: Network | str) -> State:
    synapses = {
        name: SynapseState(**(found | {"underway": Spikes(**found["underway"])}))
        for name, found in tree["synapses"].items()
    }
    values, pending = tree["values"], tree["pending"]
    quiet = {
        name: Quiet(**found, of=plain_parts(name, values, pending))
        for name, found in tree.get("quiet", {}).items()
    }
    underway = {name: Spikes(**found) for name, found in tree.get("underway", {}).items()}
    whose = network if quiet else None
    return State(
        int(tree["step"]), values, tree["waiting"], pending, synapses, quiet, underway, whose
    )


def check_format(source: Source, kind: str, version: int, what: str) -> None:
    """Raise FormatError unless a file is of a kind, and not newer than a version."""
    members = source.names(source.root)
    if "format" not in members or "version" not in members:
        raise source.error(
            "", f"not a {what} of Spikewright", found=", ".join(members[:8]) or "an empty file"
        )
    found = source.text(source.root, "format")
    if found != kind:
        raise source.error("/format", "another format", found=repr(found[:60]), expected=kind)
    number = source.array(source.root, "version")
    if number.size != 1 or number.dtype.kind != "i" or int(number.ravel()[0]) < 1:
        raise source.error("/version", "not a version", found=number.ravel()[:4])
    if int(number.ravel()[0]) > version:
        raise source.error(
            "/version",
            "written by a newer Spikewright",
            found=int(number.ravel()[0]),
            expected=f"{version} at most",
            cure="update Spikewright",
        )


def read_json(source: Source, name: str) -> dict[str, Any]:
    """Return a JSON text of a file, which must be an object.

    Raises
    ------
    FormatError : it is not
    """
    if not source.has(source.root, name):
        raise source.error(f"/{name}", "missing", cure="the file is damaged; write it again")
    try:
        data = json.loads(source.text(source.root, name))
    except (ValueError, RecursionError) as error:
        raise source.error(f"/{name}", "not JSON", found=str(error)[:160]) from None
    if not isinstance(data, dict):
        raise source.error(f"/{name}", "not a JSON object", found=type(data).__name__)
    return data
