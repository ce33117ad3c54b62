"""What a run costs on a substrate: counts from a Recording times constants with sources, term by term.

`E = P_static T + e_clock steps + sum_k n_k e_k + E_overhead`. Terms are kept apart; two totals are made:
*device* (static, clock, events, memory, links, barrier, converters) and *system* (device plus management processors,
input and output, and other overhead: host, cooling). Substrates are ranked by the second only. A total carries the
weakest grade in it. See docs/concepts/costs.md.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from spikewright.substrates.base.constant import Constant, Grade


class Category(enum.Enum):
    """What a term of a cost belongs to."""

    STATIC = "static"
    """Leakage, for as long as it runs."""
    CLOCK = "clock"
    """What runs with every step or cycle, whatever happens."""
    EVENTS = "events"
    """Neuron updates, spikes, synaptic operations."""
    MEMORY = "memory"
    """Reads and writes of weights and states, where they are priced on their own."""
    LINKS = "links"
    """Packets on their way between cores."""
    BARRIER = "barrier"
    """Cores waiting for each other at the end of a step."""
    CONVERTERS = "converters"
    """Between analog and digital."""
    MANAGEMENT = "management"
    """Embedded processors that start, stop and watch; not part of the device."""
    IO = "input and output"
    """Spikes that enter and leave the chip; not part of the device."""
    OVERHEAD = "overhead"
    """Host, cooling, resets between inferences; not part of the device."""

    @property
    def is_device(self) -> bool:
        """Whether it counts to the device's total."""
        return self not in (Category.MANAGEMENT, Category.IO, Category.OVERHEAD)

    @property
    def is_per_event(self) -> bool:
        """Whether its terms are counts of what spikes cause: the part that training can lower."""
        return self in (Category.EVENTS, Category.MEMORY, Category.LINKS, Category.CONVERTERS)


@dataclass(frozen=True)
class Total:
    """A sum with its band and the weakest grade in it."""

    value: float
    low: float
    high: float
    grade: Grade | None


@dataclass(frozen=True)
class Term:
    """One line of a cost: a count times a constant, per inference.

    Parameters
    ----------
    name : what is counted
    category : where it belongs
    count : how many per inference (or seconds, for a power)
    constant : what one costs
    count_low, count_high : band of the count, where the model cannot say which
    """

    name: str
    category: Category
    count: float
    constant: Constant
    count_low: float | None = None
    count_high: float | None = None

    @property
    def value(self) -> float:
        """Count times constant."""
        return self.count * self.constant.value

    @property
    def low(self) -> float:
        """Lower end of the band."""
        count = self.count if self.count_low is None else self.count_low
        return count * self.constant.low

    @property
    def high(self) -> float:
        """Upper end of the band."""
        count = self.count if self.count_high is None else self.count_high
        return count * self.constant.high


def total(terms: Iterable[Term]) -> Total:
    """Return the sum of some terms."""
    kept = list(terms)
    return Total(
        sum(t.value for t in kept),
        sum(t.low for t in kept),
        sum(t.high for t in kept),
        Grade.weakest(t.constant.grade for t in kept if t.count),
    )


@dataclass(frozen=True)
class Costs:
    """What one inference costs on a substrate, averaged over the samples of a run.

    Parameters
    ----------
    substrate : its name
    preset : which set of constants
    energy : terms in joules
    latency : terms in seconds, one after the other
    area : terms in square metres
    steps : network steps of one inference
    unpublished : what is left out for lack of a published value
    notes : operating point and assumptions
    cores : heat maps, what is shown and its unit ("energy (J)") -> one number per core of the placement, per inference
    links : heat maps of the mesh, what is shown and its unit ("packets") -> (mesh x, mesh y, 4): what leaves a tile
        towards east, west, north (y + 1) and south, per inference; on a triangular torus (mesh x, mesh y, 6), with
        north-east and south-west
    """

    substrate: str
    preset: str
    energy: tuple[Term, ...] = ()
    latency: tuple[Term, ...] = ()
    area: tuple[Term, ...] = ()
    steps: int = 0
    unpublished: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cores: Mapping[str, NDArray[Any]] = field(default_factory=dict, compare=False)
    links: Mapping[str, NDArray[Any]] = field(default_factory=dict, compare=False)

    @property
    def is_priced(self) -> bool:
        """Whether it has an energy at all (the ideal substrate has none)."""
        return bool(self.energy)

    @property
    def device(self) -> Total:
        """Energy of the device, J: everything but management processors, input and output, and overhead."""
        return total(t for t in self.energy if t.category.is_device)

    @property
    def system(self) -> Total:
        """Energy of the system, J."""
        return total(self.energy)

    @property
    def time(self) -> Total:
        """Latency of one inference, s."""
        return total(self.latency)

    @property
    def silicon(self) -> Total:
        """Area, m^2."""
        return total(self.area)

    def by_category(self) -> dict[Category, Total]:
        """Return the energy of each category that has terms."""
        return {
            c: total(t for t in self.energy if t.category is c)
            for c in Category
            if any(t.category is c for t in self.energy)
        }
