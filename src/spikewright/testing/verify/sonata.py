"""Circuits of SONATA: what a folder holds is read and compared with `expected.json`, and indices with the edges.

`expected.json` holds, per population of nodes, `size`, `attributes`, `x_first3`; per population of edges, `size`,
`source`, `target`, sums of numbers, weights and delays, `afferent_edges_of_N`, `efferent_edges_of_N`,
`connecting_A_to_B`; and per file of spikes `n`, `first3` (ms), `sorting`, `n_of_node_N`. Numbers summed in float32
are compared to `FLOAT32`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.errors import SpikewrightError, VerifyError, explain
from spikewright.network.sonata import (
    EdgePopulation,
    NodePopulation,
    SpikeTrain,
    read_configuration,
    read_edge_populations,
    read_node_populations,
    read_spikes,
)
from spikewright.testing.verify.case import Case

EXPECTED = "expected.json"
CONFIGURATIONS = ("simulation_config.json", "circuit_config.json")
FLOAT32 = 1e-6
"""Relative; sums of float32 numbers."""
NAMES = ("source", "target")


def verify(folder: Path) -> list[Case]:
    """Compare a folder with its expected readings; one Case or more per file.

    Raises
    ------
    VerifyError : no such folder, or no readable `expected.json` in it
    """
    root = Path(folder)
    try:
        expected = json.loads((root / EXPECTED).read_text(encoding="utf-8"))
        if not isinstance(expected, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise VerifyError(
            explain(
                str(root / EXPECTED),
                "cannot be read",
                found=error,
                expected="readings of a circuit",
            )
        ) from None
    cases: list[Case] = []
    wanted = {n: v for n, v in expected.items() if isinstance(v, dict)}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        if name in ("README.md", EXPECTED, "SHA256SUMS") or path.suffix == ".csv":
            continue  # tables of types are read with their nodes and edges
        try:
            cases += _file(path, name, wanted)
        except SpikewrightError as error:
            cases.append(Case(name, False, str(error)))
    cases += [Case(n, False, "expected, but in no file") for n in wanted]
    return cases


def _file(path: Path, name: str, wanted: dict[str, dict[str, Any]]) -> list[Case]:
    """Compare one file; what was compared is taken out of `wanted`."""
    if path.name in CONFIGURATIONS:
        found = read_configuration(path)
        missing = [f.data for f in (*found.nodes, *found.edges) if not f.data.is_file()]
        if missing:
            return [Case(name, False, f"names {missing[0]}, which is not there")]
        return [
            Case(
                name,
                True,
                f"{len(found.nodes)} files of nodes, {len(found.edges)} of edges, {len(found.inputs)} inputs",
            )
        ]
    if path.suffix != ".h5":
        return [Case(name, False, "not recognized")]
    types = path.with_name(path.stem[:-1] + "_types.csv")
    table = types if types.is_file() else None
    kinds: dict[str, tuple[Callable[[], Any], Callable[..., dict[str, Any]]]] = {
        "nodes": (lambda: read_node_populations(path, table), _nodes),
        "edges": (lambda: read_edge_populations(path, table), _edges),
        "spikes": (lambda: read_spikes(path), _spikes),
    }
    ending = path.stem.rpartition("_")[2]
    if ending not in kinds:
        return [Case(name, False, "not recognized")]
    read, measure = kinds[ending]
    cases = []
    for population, what in read().items():
        key = path.stem if ending == "spikes" else population
        label = f"{name} {population}"
        if key not in wanted:
            cases.append(Case(label, False, "no reading is expected of it"))
            continue
        cases.append(_compared(label, measure(what, wanted[key]), wanted.pop(key)))
    return cases


def _nodes(nodes: NodePopulation, wanted: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"size": nodes.n, "attributes": sorted(nodes.own)}
    for key in wanted:
        first = re.fullmatch(r"(\w+)_first(\d+)", key)
        if first and first.group(1) in nodes.own:
            found[key] = nodes.own[first.group(1)][: int(first.group(2))].tolist()
    return found


def _edges(edges: EdgePopulation, wanted: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "size": edges.n,
        "source": edges.source,
        "target": edges.target,
        "source_sum": int(edges.source_id.sum()),
        "target_sum": int(edges.target_id.sum()),
    }
    for key, attribute in (("weight_sum", "syn_weight"), ("delay_sum", "delay")):
        if key in wanted:
            found[key] = float(edges.attribute(attribute).sum(dtype=np.float64))
    for key in wanted:
        one = re.fullmatch(r"(afferent|efferent)_edges_of_(\d+)", key)
        two = re.fullmatch(r"connecting_(\d+)_to_(\d+)", key)
        if one:
            of = edges.afferent if one.group(1) == "afferent" else edges.efferent
            found[key] = of(int(one.group(2))).tolist()
        elif two:
            found[key] = edges.connecting(int(two.group(1)), int(two.group(2))).tolist()
    return found


def _spikes(train: SpikeTrain, wanted: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"n": train.n, "sorting": train.sorting}
    for key in wanted:
        first, node = re.fullmatch(r"first(\d+)", key), re.fullmatch(r"n_of_node_(\d+)", key)
        if first:
            n = int(first.group(1))
            found[key] = [
                [int(i), float(t) * 1e3]
                for i, t in zip(train.ids[:n], train.times[:n], strict=True)
            ]
        elif node:
            found[key] = len(train.of(int(node.group(1))))
    return found


def _compared(label: str, found: dict[str, Any], wanted: dict[str, Any]) -> Case:
    for key, value in wanted.items():
        if key not in found:
            return Case(label, False, f"{key}: not known to this reader, expected {value}")
        if not _equal(found[key], value):
            return Case(label, False, f"{key}: found {found[key]}, expected {value}")
    return Case(label, True, f"{len(wanted)} readings equal")


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(map(_equal, found, wanted))
        )
    if isinstance(wanted, float):
        return isinstance(found, int | float) and abs(found - wanted) <= FLOAT32 * abs(wanted)
    return bool(found == wanted)
