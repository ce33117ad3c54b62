"""Configurations: JSON with variables (`manifest`) that paths are written with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikewright.errors import FormatError, explain

MAX_CONFIGURATION = 16 * 2**20
"""Bytes that a configuration or a file of parameters may have."""
VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
CIRCUIT = "circuit_config.json"


@dataclass(frozen=True)
class Files:
    """A file of nodes or edges, and the table of their types, or None."""

    data: Path
    types: Path | None


@dataclass(frozen=True)
class Configuration:
    """What a circuit's configuration and, where there is one, a simulation's name; all paths are resolved.

    Parameters
    ----------
    path : the file that was asked for
    nodes, edges : files, those that are not `enabled` left out
    components : kind of component -> folder
    node_sets : name -> what it selects
    inputs : name -> its fields, `input_file` resolved
    run : `tstop`, `dt`, ... in ms, as written; empty without a simulation
    conditions : `v_init`, ... as written
    output : as written
    simulator : `target_simulator` in upper case, or ""
    """

    path: Path
    nodes: tuple[Files, ...] = ()
    edges: tuple[Files, ...] = ()
    components: Mapping[str, Path] = field(default_factory=dict)
    node_sets: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    simulator: str = ""


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file that holds an object.

    Raises
    ------
    FormatError : no such file, not JSON, or no object
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise FormatError(explain(str(path), "cannot be read", found=found))
    try:
        if path.stat().st_size > MAX_CONFIGURATION:
            raise FormatError(
                explain(
                    str(path), "is too large", expected=f"{MAX_CONFIGURATION >> 20} MiB at most"
                )
            )
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(
            explain(str(path), "is not JSON", found=str(error).splitlines()[0][:160])
        ) from None
    if not isinstance(found, dict):
        raise FormatError(
            explain(str(path), "is not an object", found=type(found).__name__, expected="{...}")
        )
    return found


def read_configuration(path: str | os.PathLike[str]) -> Configuration:
    """Read a circuit's configuration, a simulation's (with its circuit), or the one that names both.

    A simulation that names no `network` belongs to the `circuit_config.json` beside it.

    Raises
    ------
    FormatError : a file is missing or not what it should be, a variable is not in the manifest
    """
    place = Path(path)
    found = read_json(place)
    if "networks" in found:
        return _with_simulation(_circuit(place, found), place, found)
    if "simulation" in found:
        variables = _Manifest(place, found)
        simulation = variables.path(found["simulation"], "simulation")
        fields = read_json(simulation)
        circuit = found.get("network", fields.get("network"))
        if circuit is None:
            raise FormatError(explain(str(place), "names no circuit", expected="'network'"))
        where = variables.path(circuit, "network")
        return _with_simulation(_circuit(where, read_json(where)), simulation, fields)
    if "run" in found or "inputs" in found or "network" in found:
        named = found.get("network")
        variables = _Manifest(place, found)
        where = place.parent / CIRCUIT if named is None else variables.path(named, "network")
        return _with_simulation(_circuit(where, read_json(where)), place, found)
    raise FormatError(
        explain(
            str(place),
            "is no configuration of SONATA",
            found=", ".join(sorted(found)[:8]) or "nothing",
            expected="'networks' (a circuit), 'run' (a simulation), or 'network' and 'simulation'",
        )
    )


class _Manifest:
    """The variables of one file."""

    def __init__(self, path: Path, fields: Mapping[str, Any]) -> None:
        self.path_of_file = path
        raw = fields.get("manifest", {})
        if not isinstance(raw, dict) or not all(isinstance(v, str) for v in raw.values()):
            raise FormatError(
                explain(f"{path}: manifest", "is not a table of texts", found=str(raw)[:80])
            )
        self.raw = {str(name).lstrip("$").strip("{}"): text for name, text in raw.items()}

    def text(self, text: str, where: str, seen: tuple[str, ...] = ()) -> str:
        """Return a text with its variables put in."""

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            place = f"{self.path_of_file}: {where}"
            if name in seen:
                raise FormatError(explain(place, f"${name} is made of itself"))
            if name not in self.raw:
                known = ", ".join(f"${n}" for n in self.raw) or "none"
                raise FormatError(explain(place, f"${name} is not in the manifest", expected=known))
            return self.text(self.raw[name], where, (*seen, name))

        return VARIABLE.sub(value, text)

    def path(self, text: object, where: str) -> Path:
        """Return a path; relative ones begin at the file's folder."""
        if not isinstance(text, str) or not text:
            raise FormatError(
                explain(f"{self.path_of_file}: {where}", "is not a path", found=repr(text)[:80])
            )
        return Path(os.path.normpath(self.path_of_file.parent / self.text(text, where)))


def _table(path: Path, fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name, {})
    if not isinstance(found, dict):
        raise FormatError(
            explain(f"{path}: {name}", "is not an object", found=type(found).__name__)
        )
    return found


def _circuit(path: Path, fields: Mapping[str, Any]) -> Configuration:
    variables = _Manifest(path, fields)
    networks = _table(path, fields, "networks")
    if "nodes" not in networks:
        raise FormatError(explain(f"{path}: networks", "names no nodes"))

    def files(kind: str) -> tuple[Files, ...]:
        listed = networks.get(f"{kind}s", [])
        found = []
        if not isinstance(listed, list) or not all(isinstance(x, dict) for x in listed):
            raise FormatError(explain(f"{path}: networks.{kind}s", "is not a list of objects"))
        for entry in listed:
            if entry.get("enabled", True) is False:
                continue
            where = f"networks.{kind}s.{kind}s_file"
            types = entry.get(f"{kind}_types_file")
            found.append(
                Files(
                    variables.path(entry.get(f"{kind}s_file"), where),
                    None
                    if types in (None, "NULL", "")
                    else variables.path(types, f"{kind}_types_file"),
                )
            )
        return tuple(found)

    components = {
        name: variables.path(text, f"components.{name}")
        for name, text in _table(path, fields, "components").items()
    }
    return Configuration(
        path,
        files("node"),
        files("edge"),
        components,
        simulator=str(fields.get("target_simulator", "")).upper(),
    )


def _with_simulation(
    circuit: Configuration, path: Path, fields: Mapping[str, Any]
) -> Configuration:
    variables = _Manifest(path, fields)
    sets: dict[str, Any] = {}
    if "node_sets_file" in fields:
        sets = read_json(variables.path(fields["node_sets_file"], "node_sets_file"))
    inputs = {}
    for name, given in _table(path, fields, "inputs").items():
        if not isinstance(given, dict):
            raise FormatError(explain(f"{path}: inputs.{name}", "is not an object"))
        if given.get("enabled", True) is False:
            continue
        entry = dict(given)
        if "input_file" in entry:
            entry["input_file"] = variables.path(entry["input_file"], f"inputs.{name}.input_file")
        inputs[name] = entry
    components = dict(circuit.components) | {
        name: variables.path(text, f"components.{name}")
        for name, text in _table(path, fields, "components").items()
    }
    return Configuration(
        path,
        circuit.nodes,
        circuit.edges,
        components,
        sets,
        inputs,
        _table(path, fields, "run"),
        _table(path, fields, "conditions"),
        _table(path, fields, "output"),
        str(fields.get("target_simulator", circuit.simulator)).upper(),
    )
