"""Costs of several runs and several price lists, joined into what a table shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import SubstrateError, explain
from spikewright.substrates.base import Costs, Grade, Term, Total
from spikewright.units import show


def mean_costs(costs: Sequence[Costs], weights: Sequence[float] | None = None) -> Costs:
    """Return the mean over runs (seeds, chip instances) of one substrate and price list, term by term.

    A term that some runs lack counts as zero there. The band of a count is the mean of the bands. Heat maps are
    those of the runs that have the first one's shape.

    Parameters
    ----------
    costs : one per run
    weights : of the runs, for instance their samples; default: all alike

    Raises
    ------
    SubstrateError : no costs, or of different substrates or price lists
    """
    kinds = {(c.substrate, c.preset) for c in costs}
    if len(kinds) != 1:
        raise SubstrateError(
            explain("mean_costs", "costs of one substrate and price list", found=sorted(kinds))
        )
    first = costs[0]
    given = [1.0] * len(costs) if weights is None else list(weights)
    share = [w / sum(given) for w in given]
    return replace(
        first,
        energy=_mean([c.energy for c in costs], share),
        latency=_mean([c.latency for c in costs], share),
        area=_mean([c.area for c in costs], share),
        unpublished=tuple(dict.fromkeys(u for c in costs for u in c.unpublished)),
        notes=tuple(dict.fromkeys(n for c in costs for n in c.notes)),
        cores=_mean_maps([c.cores for c in costs], share),
        links=_mean_maps([c.links for c in costs], share),
    )


def _mean_maps(
    runs: Sequence[Mapping[str, NDArray[Any]]], share: Sequence[float]
) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name, first in runs[0].items():
        alike = [
            (np.asarray(maps[name]), weight)
            for maps, weight in zip(runs, share, strict=True)
            if name in maps and np.shape(maps[name]) == np.shape(first)
        ]
        total = np.asarray(sum(m * w for m, w in alike))
        found[name] = total / sum(w for _, w in alike)
    return found


def _mean(runs: Sequence[tuple[Term, ...]], share: Sequence[float]) -> tuple[Term, ...]:
    found: dict[tuple[str, str, str], list[tuple[Term, float]]] = {}
    for terms, weight in zip(runs, share, strict=True):
        for term in terms:
            place = (term.name, term.category.value, term.constant.name)
            found.setdefault(place, []).append((term, weight))
    joined = []
    for group in found.values():
        low = sum(w * (t.count if t.count_low is None else t.count_low) for t, w in group)
        high = sum(w * (t.count if t.count_high is None else t.count_high) for t, w in group)
        banded = any(t.count_low is not None or t.count_high is not None for t, _ in group)
        joined.append(
            replace(
                group[0][0],
                count=sum(w * t.count for t, w in group),
                count_low=low if banded else None,
                count_high=high if banded else None,
            )
        )
    return tuple(joined)


def across(presets: Sequence[Costs], part: Callable[[Costs], Total]) -> Total | None:
    """Return the total of the first price list, with a band that holds the bands of all; None where unpriced."""
    totals = [part(c) for c in presets]
    kept = [t for t in totals if t.grade is not None]
    if not kept or totals[0].grade is None:
        return None
    return Total(
        totals[0].value,
        min(t.low for t in kept),
        max(t.high for t in kept),
        Grade.weakest(t.grade for t in kept),
    )


def show_area(value: float) -> str:
    """Write an area in mm^2 or um^2.

    Examples
    --------
    >>> show_area(6e-5), show_area(2.5e-10)
    ('60 mm²', '250 µm²')
    """
    if value == 0:
        return "0 mm²"
    return f"{value * 1e6:.3g} mm²" if value >= 1e-8 else f"{value * 1e12:.3g} µm²"


def show_value(value: float, unit: str) -> str:
    """Write a value with SI prefix; areas in square millimetres; the micro sign where it belongs."""
    if unit == "m^2":
        return show_area(value)
    text = show(value, unit)
    return text.replace(" u", " µ") if unit and unit != "1" else text


def show_total(found: Total | None, unit: str, *, band: bool = False, between: str = " ") -> str:
    """Write a total, with its band in brackets if wanted; "-" where there is none."""
    if found is None:
        return "-"
    text = show_value(found.value, unit)
    if band and (found.low, found.high) != (found.value, found.value):
        text += f"{between}({show_value(found.low, unit)} to {show_value(found.high, unit)})"
    return text
