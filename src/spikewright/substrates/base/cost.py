"""What a run costs on a substrate: counts from a Recording times constants with sources, term by term.

`E = P_static T + e_clock steps + sum_k n_k e_k + E_overhead`. Terms are kept apart; two totals are made:
*device* (static, clock, events, converters) and *system* (device plus overhead: host, management processors,
cooling). Substrates are ranked by the second only. A total carries the weakest grade in it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from spikewright.substrates.base.constant import Constant, Grade


class Category(enum.Enum):
    """What a term of a cost belongs to."""

    STATIC = "static"
    CLOCK = "clock"
    EVENTS = "events"
    CONVERTERS = "converters"
    OVERHEAD = "overhead"


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
    """

    substrate: str
    preset: str
    energy: tuple[Term, ...] = ()
    latency: tuple[Term, ...] = ()
    area: tuple[Term, ...] = ()
    steps: int = 0
    unpublished: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_priced(self) -> bool:
        """Whether it has an energy at all (the ideal substrate has none)."""
        return bool(self.energy)

    @property
    def device(self) -> Total:
        """Energy of the device, J: everything but overhead."""
        return total(t for t in self.energy if t.category is not Category.OVERHEAD)

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
