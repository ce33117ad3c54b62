"""Cut populations into cores so that no limit of a core is exceeded, and say which limit binds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, Problems
from spikewright.network.graph import Network

Needs = Callable[[str, int, int], Mapping[str, float]]
"""What neurons a..b-1 of a population need of a core: (population, a, b) -> limit name -> amount."""


@dataclass
class _Core:
    slices: list[tuple[str, int, int]] = field(default_factory=list)
    used: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Partition:
    """Cores and what lies on each.

    Parameters
    ----------
    core_of : population -> core of each neuron, int64 (n,)
    used : core -> limit -> amount
    binding : population -> the limit that made it need another core, or "" where one core was enough
    """

    core_of: Mapping[str, NDArray[np.int64]]
    used: tuple[Mapping[str, float], ...]
    binding: Mapping[str, str]

    @property
    def n_cores(self) -> int:
        """Number of cores."""
        return len(self.used)


def partition(
    network: Network,
    populations: tuple[str, ...],
    needs: Needs,
    limits: Mapping[str, float],
    *,
    n_cores: int,
    substrate: str,
) -> Partition:
    """Fill cores with neurons in order, the largest contiguous slice that fits at a time.

    Parameters
    ----------
    network : the network
    populations : which populations lie on cores, in the order in which they are placed
    needs : what a slice of a population needs of a core; must grow with the slice, and add over slices
    limits : limit name -> what one core has
    n_cores : cores of the substrate
    substrate : its name, for messages

    Raises
    ------
    LimitError : one neuron alone exceeds a core, or there are too few cores; says which limit binds
    """
    cores: list[_Core] = []
    core_of, binding = {}, {}
    problems = Problems()
    for name in populations:
        n = network.populations[name].n
        place = np.zeros(n, np.int64)
        begin, bound = 0, ""
        while begin < n:
            if not cores:
                cores.append(_Core())
            core = cores[-1]
            size = _largest(name, begin, n, core.used, needs, limits)
            if size == 0:
                bound = _binding(needs(name, begin, begin + 1), core.used, limits) or bound
                if not core.slices:
                    _explain_one(name, needs(name, begin, begin + 1), limits, substrate, problems)
                    break
                cores.append(_Core())
                continue
            for limit, amount in needs(name, begin, begin + size).items():
                core.used[limit] = core.used.get(limit, 0.0) + amount
            core.slices.append((name, begin, begin + size))
            place[begin : begin + size] = len(cores) - 1
            if begin + size < n:
                bound = _binding(needs(name, begin, begin + size + 1), _minus(core, needs), limits)
                cores.append(_Core())
            begin += size
        core_of[name], binding[name] = place, bound
    problems.raise_as(LimitError)
    if len(cores) > n_cores:
        tight = ", ".join(f"{p!r} by {b}" for p, b in binding.items() if b) or "populations"
        problems.add(
            substrate,
            "the network needs more cores than there are",
            found=f"{len(cores)} cores ({tight})",
            expected=f"{n_cores} at most",
            cure="use smaller populations, prune weights, or fewer bits per weight",
        )
        problems.raise_as(LimitError)
    return Partition(core_of, tuple(dict(c.used) for c in cores), binding)


def _fits(
    need: Mapping[str, float], used: Mapping[str, float], limits: Mapping[str, float]
) -> bool:
    return all(used.get(k, 0.0) + v <= limits.get(k, np.inf) for k, v in need.items())


def _largest(
    name: str,
    begin: int,
    n: int,
    used: Mapping[str, float],
    needs: Needs,
    limits: Mapping[str, float],
) -> int:
    low, high = 0, n - begin
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(needs(name, begin, begin + middle), used, limits):
            low = middle
        else:
            high = middle - 1
    return low


def _binding(
    need: Mapping[str, float], used: Mapping[str, float], limits: Mapping[str, float]
) -> str:
    over = {k: (used.get(k, 0.0) + v) / limits[k] for k, v in need.items() if limits.get(k)}
    worst = max(over, key=lambda k: over[k], default="")
    return worst if over.get(worst, 0.0) > 1 else ""


def _minus(core: _Core, needs: Needs) -> dict[str, float]:
    """Return what the core's other slices use, without the last one."""
    used: dict[str, float] = {}
    for name, a, b in core.slices[:-1]:
        for limit, amount in needs(name, a, b).items():
            used[limit] = used.get(limit, 0.0) + amount
    return used


def _explain_one(
    name: str,
    need: Mapping[str, float],
    limits: Mapping[str, float],
    substrate: str,
    problems: Problems,
) -> None:
    for limit, amount in need.items():
        if amount > limits.get(limit, np.inf):
            problems.add(
                substrate,
                f"one neuron of population {name!r} needs more {limit} than a core has",
                found=f"{amount:g}",
                expected=f"{limits[limit]:g} at most",
                cure="reduce its fan-in, prune weights, or split the population's inputs",
            )
