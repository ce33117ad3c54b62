from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.substrates.base import Category, Constant, Costs, Grade, Term, total


def constant(value: float, grade: Grade = Grade.MEASURED, spread: float = 0.0) -> Constant:
    return Constant(
        "c", value, "J", value * (1 - spread), value * (1 + spread), "here, p. 1", grade
    )


def test_a_term_is_count_times_constant_with_both_bands() -> None:
    term = Term("spikes", Category.EVENTS, 10, constant(2.0, spread=0.5))
    assert (term.value, term.low, term.high) == (20.0, 10.0, 30.0)
    counted = Term("spikes", Category.EVENTS, 10, constant(2.0, spread=0.5), 5, 20)
    assert (counted.value, counted.low, counted.high) == (20.0, 5.0, 60.0)


def test_a_total_carries_the_weakest_grade_that_counts() -> None:
    terms = [
        Term("a", Category.EVENTS, 3, constant(1.0)),
        Term("b", Category.EVENTS, 1, constant(1.0, Grade.DERIVED)),
        Term("c", Category.EVENTS, 0, constant(1.0, Grade.ASSUMED)),
    ]
    assert total(terms).grade is Grade.DERIVED
    assert total([]).grade is None
    assert total([]).value == 0


def test_device_leaves_out_overhead_and_categories_add_up() -> None:
    costs = Costs(
        "x",
        "default",
        energy=(
            Term("leak", Category.STATIC, 2, constant(1.0)),
            Term("spikes", Category.EVENTS, 5, constant(3.0)),
            Term("host", Category.OVERHEAD, 1, constant(100.0, Grade.RECALLED)),
        ),
    )
    assert costs.device.value == 17
    assert costs.system.value == 117
    assert costs.device.grade is Grade.MEASURED
    assert costs.system.grade is Grade.RECALLED
    assert {c: t.value for c, t in costs.by_category().items()} == {
        Category.STATIC: 2,
        Category.EVENTS: 15,
        Category.OVERHEAD: 100,
    }
    assert costs.is_priced
    assert not Costs("ideal", "default").is_priced


def test_what_is_not_the_device_is_management_input_and_output_and_overhead() -> None:
    each = tuple(Term(c.value, c, 2.0**n, constant(1.0)) for n, c in enumerate(Category))
    costs = Costs("x", "default", energy=each)
    apart = {"management", "input and output", "overhead"}
    assert {c.value for c in Category if not c.is_device} == apart
    assert costs.device.value == sum(t.value for t in each if t.name not in apart)
    assert list(costs.by_category()) == list(Category)
    assert {c.value for c in Category if c.is_per_event} == {
        "events",
        "memory",
        "links",
        "converters",
    }


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0, 1), st.sampled_from(list(Grade))
        ),
        max_size=8,
    )
)
def test_the_band_of_a_total_holds_its_value(
    parts: list[tuple[float, float, float, Grade]],
) -> None:
    terms = [Term("t", Category.EVENTS, n, constant(v, g, s)) for n, v, s, g in parts]
    found = total(terms)
    assert found.low <= found.value * (1 + 1e-12)
    assert found.value <= found.high * (1 + 1e-12)
    if found.grade is not None:
        assert all(t.constant.grade.rank <= found.grade.rank for t in terms if t.count)


def test_values_are_plain_sums() -> None:
    terms = [Term("t", Category.EVENTS, n, constant(0.5)) for n in range(4)]
    assert total(terms).value == pytest.approx(3.0)
