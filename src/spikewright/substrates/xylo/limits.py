"""What a network needs of Xylo, against what a version has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikewright.errors import LimitError, Problems, SubstrateError
from spikewright.network.graph import Network
from spikewright.substrates.base import Constant
from spikewright.substrates.xylo.core import Integers
from spikewright.substrates.xylo.storage import matrix_of

CURES = {
    "input_channels": "pool or phase the input into fewer channels, with several events per step each",
    "hidden_neurons": "use fewer hidden neurons",
    "output_neurons": "use fewer classes, or a version with more outputs (audio3 has 32)",
    "fan_out": "use smaller hidden populations, or prune their weights",
    "hidden_synapses": "prune weights among hidden neurons",
    "input_targets": "let inputs reach fewer hidden neurons, or use version audio2",
    "output_sources": "let fewer hidden neurons reach outputs, or use version audio2",
}


@dataclass(frozen=True)
class Used:
    """What a network needs: limit -> population -> number."""

    counts: Mapping[str, Mapping[str, int]]
    largest: frozenset[str] = frozenset({"fan_out"})

    def total(self, limit: str) -> int:
        """Return the number that a limit is compared with."""
        values = self.counts[limit].values()
        return max(values, default=0) if limit in self.largest else sum(values)


def check_structure(network: Network, substrate: str) -> None:
    """Note what no version of the chip has: delays, drives, inputs that reach outputs, outputs that project.

    Raises
    ------
    SubstrateError : all of them
    """
    problems = Problems()
    for name in network.drives:
        problems.add(
            f"{substrate}: population {network.drives[name].post!r}",
            f"the chip has no drive such as {name!r}",
            cure="pass what it gives as input",
        )
    for name in network.outputs:
        if name in network.inputs:
            problems.add(f"{substrate}: population {name!r}", "an input is no output of the chip")
    for name, p in network.projections.items():
        where = f"{substrate}: projection {name!r}"
        if p.pre in network.outputs:
            problems.add(
                where,
                f"output neurons reach nothing, and {p.pre!r} is an output",
                cure="read the answer from a population that projects nowhere",
            )
        if p.pre in network.inputs and p.post in network.outputs:
            problems.add(
                where,
                "inputs reach hidden neurons only",
                cure="put a hidden population in between",
            )
        latest = int(network.delay_steps(name).max(initial=0))
        if latest > 0:
            problems.add(
                where,
                "limit delays: the chip has none",
                found=f"{latest} steps",
                expected="0 steps",
                cure="train without delays",
            )
    cells: dict[tuple[str, str, str], str] = {}
    for name, p in network.projections.items():
        place = (p.pre, p.post, network.port_of(name))
        if place in cells:
            problems.add(
                f"{substrate}: projections {cells[place]!r} and {name!r}",
                "join the same populations: the chip has one weight for two neurons",
                cure="add their weights into one projection",
            )
        cells.setdefault(place, name)
    problems.raise_as(SubstrateError)


def used_by(network: Network, weight: Mapping[str, Integers]) -> Used:
    """Return what a network needs; synapses of weight 0 count for nothing.

    Parameters
    ----------
    weight : projection -> stored weights, (n_post, n_pre)
    """
    hidden = [
        n for n in network.populations if n not in network.inputs and n not in network.outputs
    ]
    fan_out = {n: np.zeros(network.populations[n].n, np.int64) for n in hidden}
    reached = {n: np.zeros(network.populations[n].n, bool) for n in hidden}
    seen = {n: np.zeros(network.populations[n].n, bool) for n in hidden}
    for name, p in network.projections.items():
        used = weight[name] != 0
        match matrix_of(network, name):
            case "in":
                reached[p.post] |= used.any(axis=1)
            case "out":
                seen[p.pre] |= used.any(axis=0)
            case _:
                fan_out[p.pre] += used.sum(axis=0)
    n_of = {n: p.n for n, p in network.populations.items()}
    return Used(
        {
            "input_channels": {n: n_of[n] for n in network.inputs},
            "hidden_neurons": {n: n_of[n] for n in hidden},
            "output_neurons": {n: n_of[n] for n in network.outputs},
            "fan_out": {n: int(x.max(initial=0)) for n, x in fan_out.items()},
            "hidden_synapses": {n: int(x.sum()) for n, x in fan_out.items()},
            "input_targets": {n: int(x.sum()) for n, x in reached.items()},
            "output_sources": {n: int(x.sum()) for n, x in seen.items()},
        }
    )


def check(network: Network, used: Used, limits: Mapping[str, Constant], substrate: str) -> None:
    """Compare with the limits of a version.

    Raises
    ------
    LimitError : every limit that is exceeded, with the populations, by how much, and what to do
    """
    problems = Problems()
    for limit, counts in used.counts.items():
        allowed = limits[limit].value
        if used.total(limit) <= allowed:
            continue
        over = counts
        if limit in used.largest:
            over = {n: x for n, x in counts.items() if x > allowed}
        share = ", ".join(f"population {n!r} {x}" for n, x in over.items() if x)
        problems.add(
            f"{substrate}: limit {limit.replace('_', ' ')}",
            f"exceeded {used.total(limit) / allowed:.3g} times",
            found=f"{used.total(limit)} ({share})",
            expected=f"{allowed:g} at most",
            cure=CURES[limit],
        )
    problems.raise_as(LimitError)
