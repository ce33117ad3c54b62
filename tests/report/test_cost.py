from __future__ import annotations

import numpy as np
import pytest

from spikewright.errors import SubstrateError
from spikewright.report import cost
from spikewright.substrates.base import Category, Constant, Costs, Grade, Term


def term(count: float, value: float, grade: Grade = Grade.MEASURED, name: str = "spikes") -> Term:
    constant = Constant(name, value, "J", 0.5 * value, 2 * value, "a paper", grade)
    return Term(name, Category.EVENTS, count, constant)


def test_mean_over_runs_is_term_by_term_and_missing_terms_are_zero() -> None:
    a = Costs("chip", "p", energy=(term(2, 1e-12), term(4, 1e-12, name="hops")))
    b = Costs("chip", "p", energy=(term(4, 1e-12),))
    joined = cost.mean_costs([a, b])
    assert {t.name: t.count for t in joined.energy} == {"spikes": 3, "hops": 2}


def test_mean_over_pieces_is_weighted_by_their_samples() -> None:
    a, b = (Costs("chip", "p", energy=(term(n, 1.0),)) for n in (1, 5))
    assert cost.mean_costs([a, b], [3, 1]).energy[0].count == 2


def test_mean_heat_maps_are_of_the_runs_with_the_same_cores() -> None:
    runs = [
        Costs("chip", "p", cores={"events": np.array(v)}, links={"packets": np.full((1, 1, 4), n)})
        for v, n in (([2.0, 4.0], 1.0), ([4.0, 0.0], 3.0), ([9.0], 5.0))
    ]
    joined = cost.mean_costs(runs, [3, 1, 4])
    assert joined.cores["events"].tolist() == [2.5, 3.0]
    assert joined.links["packets"].tolist() == [[[(3 + 3 + 20) / 8] * 4]]


def test_mean_refuses_costs_of_several_price_lists() -> None:
    with pytest.raises(SubstrateError, match="mean_costs: costs of one substrate and price list"):
        cost.mean_costs([Costs("chip", "a"), Costs("chip", "b")])


def test_band_holds_the_bands_of_all_price_lists_and_the_weakest_grade() -> None:
    a = Costs("chip", "a", energy=(term(1, 4.0),))
    b = Costs("chip", "b", energy=(term(1, 1.0, Grade.ASSUMED),))
    found = cost.across([a, b], lambda c: c.system)
    assert found is not None
    assert (found.value, found.low, found.high, found.grade) == (4.0, 0.5, 8.0, Grade.ASSUMED)


def test_what_has_no_price_has_no_total() -> None:
    assert cost.across([Costs("ideal", "default")], lambda c: c.system) is None
    assert cost.show_total(None, "J") == "-"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5e-6, "J", "1.5 µJ"),
        (2e-3, "s", "2 ms"),
        (6e-5, "m^2", "60 mm²"),
        (1e-10, "m^2", "100 µm²"),
        (0.0, "m^2", "0 mm²"),
    ],
)
def test_values_are_shown_with_prefixes_and_areas_squared(
    value: float, unit: str, text: str
) -> None:
    assert cost.show_value(value, unit) == text
