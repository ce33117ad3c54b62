"""Inputs of a simulation: spikes of virtual nodes, and currents."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import FormatError, explain
from spikewright.events import Events
from spikewright.network.drive import Drive, StepCurrent
from spikewright.network.graph import Network
from spikewright.network.sonata.config import Configuration
from spikewright.network.sonata.nodes import NodePopulation
from spikewright.network.sonata.sets import resolve
from spikewright.network.sonata.spikes import SpikeTrain, read_spikes
from spikewright.units import ms, nA, pA

if TYPE_CHECKING:
    from spikewright.network.sonata.importer import Place

TICK = 1e-9
"""s; the times of spikes are kept to the nanosecond."""
FILES = ("h5", "sonata", "csv")


def spike_inputs(
    configuration: Configuration,
    nodes: Mapping[str, NodePopulation],
    places: Mapping[str, tuple[Place, ...]],
    steps: int | None,
    dt: float,
    notes: list[str],
) -> dict[str, Events]:
    """Return the spikes that virtual nodes send: population of the network -> Events.

    Raises
    ------
    FormatError : a kind or a file that is not known, a node that is not there, spikes for nodes that are not virtual
    """
    kept: dict[str, list[tuple[NDArray[np.float64], NDArray[np.int64]]]] = {}
    for name, entry in configuration.inputs.items():
        where = f"{configuration.path}: inputs.{name}"
        kind, module = entry.get("input_type"), entry.get("module")
        if kind == "current_clamp":
            continue
        if kind != "spikes":
            raise FormatError(
                explain(
                    where,
                    "an input that is not known here",
                    found=repr(kind),
                    expected="spikes, current_clamp",
                )
            )
        if module not in FILES or "input_file" not in entry:
            raise FormatError(
                explain(
                    where,
                    "spikes of a kind that is not known here",
                    found=f"module {module!r}",
                    expected=", ".join(FILES),
                )
            )
        chosen = resolve(entry.get("node_set", list(nodes)), configuration.node_sets, nodes, where)
        path = Path(entry["input_file"])
        trains = _csv(path) if module == "csv" or path.suffix == ".csv" else read_spikes(path)
        for population, train in trains.items():
            _enter(population, train, chosen, nodes, places, where, kept)
    limit = None if steps is None else steps * dt
    found = {}
    for name, parts in kept.items():
        time = np.concatenate([t for t, _ in parts])
        address = np.concatenate([a for _, a in parts])
        if limit is not None and np.any(time >= limit):
            notes.append(
                f"{name}: {np.count_nonzero(time >= limit)} spikes at or after the end, {limit:g} s, are left out"
            )
            address, time = address[time < limit], time[time < limit]
        ticks = np.rint(time / TICK).astype(np.int64)
        order = np.lexsort((address, ticks))
        n = sum(len(p.nodes) for own in places.values() for p in own if p.population == name)
        found[name] = Events(ticks[order], address[order], (n,), tick=TICK)
    return found


def _enter(
    population: str, train: SpikeTrain, chosen: Mapping[str, NDArray[np.int64]], nodes: Mapping[str, NodePopulation],
    places: Mapping[str, tuple[Place, ...]], where: str, kept: dict[str, list[Any]],
) -> None:  # fmt: skip
    if not population:
        # the older layout does not name it: the node set does
        if len(chosen) != 1:
            raise FormatError(
                explain(
                    where,
                    "the file does not say the population of its nodes",
                    found=f"a node set of {len(chosen)}",
                    expected="a node set of one population",
                )
            )
        population = next(iter(chosen))
    if population not in chosen:
        return
    at = nodes[population].index(train.ids, where)
    if np.any(train.times < 0):
        raise FormatError(
            explain(where, "a spike is before the beginning", found=f"{train.times.min():g} s")
        )
    wanted = np.isin(at, chosen[population])
    at, times = at[wanted], train.times[wanted]
    for place in places[population]:
        here = np.isin(at, place.nodes)
        if not np.any(here):
            continue
        if place.template is not None:
            raise FormatError(
                explain(
                    where, f"spikes for nodes of {population!r} that are not virtual",
                    found=f"{np.count_nonzero(here)} spikes", cure="give them to virtual nodes that project there",
                )
            )  # fmt: skip
        kept.setdefault(place.population, []).append(
            (times[here], np.searchsorted(place.nodes, at[here]))
        )


def _csv(path: Path) -> dict[str, SpikeTrain]:
    """Return the spikes of a table: timestamps in ms, population (may be left out), node_ids, separated by blanks."""
    if not path.is_file():
        raise FormatError(
            explain(str(path), "cannot be read", found="no such file", expected="spikes")
        )
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline().split()
            rows = [r for r in csv.reader(file, delimiter=" ", skipinitialspace=True) if r]
        time, node = head.index("timestamps"), head.index("node_ids")
        where = head.index("population") if "population" in head else None
        found: dict[str, tuple[list[int], list[float]]] = {}
        for row in rows:
            ids, times = found.setdefault("" if where is None else row[where], ([], []))
            ids.append(int(row[node]))
            times.append(float(row[time]) * ms)
    except (OSError, ValueError, IndexError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(
            explain(
                str(path),
                "is no table of spikes",
                found=str(error)[:160],
                expected="timestamps population node_ids",
            )
        ) from None
    trains = {n: SpikeTrain(np.array(i, np.int64), np.array(t)) for n, (i, t) in found.items()}
    if any(not np.all(np.isfinite(t.times)) for t in trains.values()):
        raise FormatError(explain(str(path), "a time is not finite"))
    return trains


def clamps(
    configuration: Configuration,
    nodes: Mapping[str, NodePopulation],
    places: Mapping[str, tuple[Place, ...]],
    network: Network,
) -> dict[str, Drive]:
    """Return the currents that are injected; each is a drive.

    Raises
    ------
    FormatError : a field is missing, or nodes take no current
    """
    found: dict[str, Drive] = {}
    for name, entry in configuration.inputs.items():
        if entry.get("input_type") != "current_clamp":
            continue
        where = f"{configuration.path}: inputs.{name}"
        if entry.get("module") != "IClamp":
            raise FormatError(
                explain(
                    where,
                    "a current of a kind that is not known here",
                    found=repr(entry.get("module")),
                    expected="IClamp",
                )
            )
        # NEST's own unit where NEST is meant to run it, the format's elsewhere
        unit = pA if configuration.simulator == "NEST" else nA
        pieces = [_numbers(entry, key, where) for key in ("amp", "delay", "duration")]
        if len({len(p) for p in pieces}) > 1:
            raise FormatError(explain(where, "amp, delay and duration differ in length"))
        amp, delay, duration = (
            np.array(pieces[0]) * unit,
            np.array(pieces[1]) * ms,
            np.array(pieces[2]) * ms,
        )
        edges = np.unique(np.rint(np.concatenate([delay, delay + duration]) / network.dt))
        begin, end = np.rint(delay / network.dt), np.rint((delay + duration) / network.dt)
        on = (begin[:, None] <= edges) & (edges < end[:, None])
        values = (amp[:, None] * on).sum(axis=0)
        chosen = resolve(entry.get("node_set", list(nodes)), configuration.node_sets, nodes, where)
        for population, at in chosen.items():
            for place in places[population]:
                mine = np.isin(place.nodes, at)
                if not np.any(mine):
                    continue
                if place.template is None or not place.template.current:
                    what = "virtual nodes" if place.template is None else place.template.model.name
                    raise FormatError(explain(where, f"{what} of {population!r} take no current"))
                found[f"{name}.{place.population}".replace("/", "_")] = StepCurrent(
                    place.population,
                    edges * network.dt,
                    values[:, None] * mine,
                    place.template.current,
                )
    return found


def _numbers(entry: Mapping[str, Any], key: str, where: str) -> Sequence[float]:
    value = entry.get(key)
    values: list[Any] = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, int | float) and np.isfinite(v) for v in values):
        raise FormatError(explain(where, f"{key} is not a number", found=repr(value)[:60]))
    if key != "amp" and min(values) < 0:
        raise FormatError(explain(where, f"{key} is below 0", found=min(values)))
    return [float(v) for v in values]
