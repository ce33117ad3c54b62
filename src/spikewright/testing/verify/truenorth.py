"""TrueNorth vectors: every case is built as cores, run on an engine, and compared bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.engines import run
from spikewright.substrates.truenorth.cores import Core, Feed, network_of
from spikewright.substrates.truenorth.model import THRESHOLD_MAX
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_of

DT = 1.0
"""Ticks have no duration here; one second each keeps delays whole."""
ENGINE = "cpu"
KIND = "truenorth_like_ranc"
NEVER = 1_000_000
"""A threshold by which the vectors mark neurons that have no target and never fire."""


def verify(folder: Path) -> list[Case]:
    """Compare every `.npz` file of a folder laid out like the TrueNorth vectors."""
    return cases_of(folder, compare)


def compare(arrays: Arrays) -> str:
    """Run one case; return "" where equal, else the first difference.

    Raises
    ------
    KeyError : an array or a field of `meta` is missing
    """
    meta = json.loads(str(arrays["meta"]))
    if meta["kind"] != KIND:
        return f"not recognized: kind {meta['kind']!r}; known is {KIND}"
    place = {tuple(xy): c for c, xy in enumerate(meta["core_xy"])}
    cores = [_core(arrays, meta, c, place) for c in range(len(place))]
    n_axons = cores[0].n_axons
    packets = np.asarray(arrays["in_packets"], np.int64)
    entering = np.zeros((meta["T"], 1, len(cores) * n_axons), np.int64)
    core = np.array([place[x, y] for x, y in packets[:, 1:3].tolist()], np.int64)
    entering[packets[:, 0], 0, core * n_axons + packets[:, 3]] = 1
    every = np.arange(len(cores) * n_axons)
    feed = Feed((len(every),), every, every // n_axons, every % n_axons, 0 * every)
    network = network_of(cores, {"packets": feed}, dt=DT)
    names = [f"core{c}.neurons" for c in range(len(cores))]
    found = run(
        network, {"packets": entering}, engine=ENGINE, record={name: ("v",) for name in names}
    )
    for c, name in enumerate(names):
        for what, ours in (("V", found.trace(name, "v")), ("S", found.dense(name))):
            key = f"core{c}_{what}"
            wrong = difference(key, ours[:, 0], np.asarray(arrays[key], np.int64))
            if wrong:
                return wrong
    return ""


def _core(arrays: Arrays, meta: Any, c: int, place: dict[Any, int]) -> Core:
    """Return one core; a neuron of the chip sees its spike's target after 1 tick more than the simulator's field."""
    z = {
        key: np.asarray(arrays[f"core{c}_{key}"], np.int64)
        for key in (
            "typ",
            "con",
            "w",
            "leak",
            "th",
            "nth",
            "rp",
            "rm",
            "v0",
            "dx",
            "dy",
            "da",
            "dt",
        )
    }
    x, y = meta["core_xy"][c]
    fires = z["th"] < NEVER
    target = [
        place[x + dx, y + dy] if on else -1
        for dx, dy, on in zip(z["dx"].tolist(), z["dy"].tolist(), fires.tolist(), strict=True)
    ]
    return Core(
        types=z["typ"],
        crossbar=z["con"] != 0,
        weights=z["w"],
        params={
            "leak": z["leak"],
            "alpha": np.where(fires, z["th"], THRESHOLD_MAX),
            "beta": -z["nth"],
            "reset": z["rp"],
            "gamma": z["rm"],
            "kappa": 0,
            "tie": int(meta["neuron_reset_type"]),
        },
        start=z["v0"],
        core=np.array(target, np.int64),
        axon=z["da"],
        delay=np.where(fires, z["dt"] + 1, 1),
    )
