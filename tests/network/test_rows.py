"""The compact form holds what the written-out form holds: same synapses, same numbers, same order."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from spikewright.errors import NetworkError
from spikewright.network import (
    AllToAll,
    Bernoulli,
    Choice,
    Compose,
    Conv,
    Dense,
    DistanceDependent,
    Distribution,
    Exponential,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    LogNormal,
    Normal,
    OneToOne,
    PowerLaw,
    Profile,
    Recipe,
    SmallWorld,
    Sparse,
    SumPool,
    Topology,
    Uniform,
)
from spikewright.network import rows as rows_module
from spikewright.network.connectivity.plain import RECIPES
from spikewright.network.rows import Rows, available_memory, drawn_steps, estimate, rows

DT = 1e-4

WEIGHTS = st.sampled_from(
    [
        0.1, -2, Normal(1.0, 0.3), Normal(-1.0, 0.5, high=0.0), Uniform(0.0, 1e-12), LogNormal(1e-9, 0.5),
        Exponential(0.2, high=1.0), Choice((0.1, -3.0, 7.0)), Choice((1.0, 2.0), (0.9, 0.1)),
    ]
)  # fmt: skip
DELAYS = st.sampled_from(
    [
        0.0, 1.5e-3, Normal(1.5e-3, 0.75e-3, low=DT), Uniform(0.0, 1e-3), Choice((1e-4, 5e-4)),
        Exponential(10e-3, high=100e-3), Uniform(1e-3, 1.01e-3),
    ]
)  # fmt: skip


@st.composite
def recipes(draw: st.DrawFn, kind: str) -> tuple[Recipe, tuple[int, ...]]:
    """Return a recipe, and a shape of its source."""
    n_pre, n_post = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    repeats, self_edges = draw(st.booleans()), draw(st.booleans())
    if not self_edges or kind == "small_world":
        n_pre = n_post = max(n_pre, 2)
    pool = {"self": n_pre - (not self_edges), "out": n_post - (not self_edges)}
    more: dict[str, Any] = {
        "weights": draw(WEIGHTS),
        "seed": draw(st.integers(0, 2**40)),
        "dtype": draw(st.sampled_from(["float32", "float16", "float64"])),
    }
    if kind == "all_to_all":
        return AllToAll(n_post, self_edges=self_edges, **more), (n_pre,)
    if kind == "bernoulli":
        p = draw(st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.0]))
        return Bernoulli(n_post, p, self_edges=self_edges, **more), (n_pre,)
    if kind == "small_world":
        k = 2 * draw(st.integers(0, (n_post - 1) // 2))
        return SmallWorld(n_post, k, draw(st.sampled_from([0.0, 0.2, 1.0])), **more), (n_pre,)
    if kind == "distance_dependent":
        more |= {
            "profile": draw(st.sampled_from(Profile)),
            "peak": draw(st.sampled_from([0.1, 1.0])),
        }
        more |= {"periodic": draw(st.booleans()), "cutoff": draw(st.sampled_from([None, 0.3]))}
        y = draw(st.integers(1, 6))
        if self_edges:
            return DistanceDependent((n_post, 3), 0.2, (1.0, 0.7), **more), (y, n_pre)
        return DistanceDependent((y, 5), 0.2, (1, 1), self_edges=False, **more), (y, 5)
    more |= {"self_edges": self_edges, "repeats": repeats}
    if kind == "fixed_in_degree":
        return FixedInDegree(n_post, draw(st.integers(0, pool["self"])), **more), (n_pre,)
    if kind == "fixed_out_degree":
        return FixedOutDegree(n_post, draw(st.integers(0, pool["out"])), **more), (n_pre,)
    if kind == "fixed_total":
        return FixedTotal(n_post, draw(st.integers(0, pool["self"] * n_post)), **more), (n_pre,)
    assert kind == "power_law"
    incoming = draw(st.booleans())
    high = draw(st.integers(1, pool["self" if incoming else "out"]))
    return PowerLaw(n_post, 2.0, 1, high, incoming=incoming, **more), (n_pre,)


def check_equal(
    topology: Topology, pre: tuple[int, ...], delay: Any, cuts: list[int], threads: int
) -> None:
    """Compare every part with the synapses onto its targets, written out."""
    n_post = int(np.prod(topology.out_shape(pre)))
    borders = [0, *sorted(min(c, n_post) for c in cuts), n_post]
    bounds = list(pairwise(borders))
    whole = topology.synapses(pre)
    if isinstance(delay, Distribution):
        late = drawn_steps(topology, pre, delay, DT)
        late = late if isinstance(topology, Recipe) else late.ravel()[whole.entry]
    else:
        steps = np.rint(np.asarray(delay) / DT).astype(np.int64)
        late = steps.ravel()[whole.entry] if steps.ndim else np.full(whole.n, steps)
    for sort in (True, False):
        made = rows(topology, pre, n_post, bounds, delay, DT, threads=threads, sort_by_delay=sort)
        for part, (lo, hi) in zip(made, bounds, strict=True):
            inside = (whole.target >= lo) & (whole.target < hi)
            source, target = whole.source[inside], whole.target[inside]
            weight, delays = whole.weight[inside], late[inside]
            order = np.lexsort((delays, source)) if sort else np.arange(len(source))
            np.testing.assert_array_equal(
                np.diff(part.start), np.bincount(source, minlength=whole.n_pre)
            )
            np.testing.assert_array_equal(part.target.astype(np.int64) + lo, target[order])
            np.testing.assert_array_equal(part.weights(), weight[order])
            np.testing.assert_array_equal(part.delays(), delays[order])
            assert (part.lo, part.hi, part.n) == (lo, hi, len(source))


@pytest.mark.parametrize("kind", sorted(RECIPES))
@given(data=st.data())
@settings(max_examples=40)
def test_rows_of_recipes_are_their_synapses(kind: str, data: st.DataObject) -> None:
    recipe, pre = data.draw(recipes(kind))
    cuts = data.draw(st.lists(st.integers(0, 30), max_size=2))
    check_equal(recipe, pre, data.draw(DELAYS), cuts, data.draw(st.sampled_from([1, 2])))


@pytest.mark.parametrize("kind", sorted(RECIPES))
@given(data=st.data())
@settings(max_examples=15)
def test_synapses_of_recipes_are_sorted_and_fit(kind: str, data: st.DataObject) -> None:
    recipe, pre = data.draw(recipes(kind))
    made = recipe.synapses(pre)
    key = made.source * made.n_post + made.target
    assert np.all(np.diff(key) >= 0)
    assert made.start.dtype == made.target.dtype == made.entry.dtype == np.int64
    assert made.weight.dtype == np.float64
    np.testing.assert_array_equal(made.weight, made.weight.astype(recipe.dtype).astype(np.float64))
    if not getattr(recipe, "self_edges", True) or kind == "small_world":
        assert np.all(made.source != made.target)
    if not getattr(recipe, "repeats", kind != "never"):
        assert len(np.unique(key)) == len(key)
    if kind not in ("bernoulli", "distance_dependent", "power_law"):
        assert recipe.expected_synapses(pre) == made.n


@pytest.mark.parametrize(
    ("topology", "pre", "delay"),
    [
        (Dense(np.arange(12.0).reshape(4, 3)), (3,), 1e-3),
        (Dense(np.arange(12.0).reshape(4, 3)), (3,), np.arange(12).reshape(4, 3) * DT),
        (Dense(np.arange(12).reshape(4, 3)), (3,), np.arange(12).reshape(4, 3)[::-1] * DT),
        (Dense(np.arange(12.0).reshape(4, 3)), (3,), Normal(1e-3, 4e-4, low=DT)),
        (Sparse.from_edges([0, 2, 2, 0], [1, 0, 0, 3], [0.5, 1, 2, 3], n_pre=4, n_post=4), (2, 2), Uniform(0, 1e-3)),
        (Sparse.from_edges([0, 2], [1, 0], np.float32([0.1, 1]), n_pre=4, n_post=4), (4,), np.array([300, 2]) * DT),
        (Sparse.from_edges([], [], 1.0, n_pre=3, n_post=2), (3,), 1e-3),
        (OneToOne(np.arange(6.0)), (6,), Choice((DT, 2 * DT))),
        (OneToOne(2.0), (6,), 1e-3),
        (Conv(np.arange(18.0).reshape(1, 2, 3, 3), padding=1), (2, 4, 4), 1e-3),
        (Compose((SumPool(2), Conv(np.ones((1, 1, 2, 2))))), (1, 6, 6), 0.0),
        (Compose((FixedInDegree(6, 2, seed=1), Dense(np.arange(12.0).reshape(2, 6)))), (5,), 0.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_of_other_maps_are_their_synapses(
    topology: Topology, pre: tuple[int, ...], delay: Any, threads: int
) -> None:
    for cuts in ([], [1], [1, 3]):
        check_equal(topology, pre, delay, cuts, threads)


def test_rows_that_are_cut_in_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(1)
    topology = Sparse.from_edges(
        draw.integers(0, 50, 500), draw.integers(0, 40, 500), draw.random(500), n_pre=50, n_post=40
    )
    monkeypatch.setattr(rows_module, "BLOCK", 64)
    check_equal(topology, (50,), draw.integers(0, 300, 500) * DT, [13], 2)


def test_the_compact_form_is_narrow() -> None:
    normal = Normal(1.0, 0.1)
    (one,) = rows(FixedInDegree(100, 10, 0.1, seed=1), (50,), 100, [(0, 100)], 1e-3, DT)
    assert (one.target.dtype, one.weight.ndim, one.delay.ndim) == (np.uint16, 0, 0)
    assert one.weight == np.float32(0.1)
    assert one.delay == 10
    (two,) = rows(
        FixedInDegree(70000, 1, Choice((1.0, 3.0)), seed=1), (50,), 70000, [(0, 70000)],
        Uniform(DT, 40e-3), DT,
    )  # fmt: skip
    assert (two.target.dtype, two.weight.dtype, two.delay.dtype) == (np.int32, np.uint8, np.uint16)
    assert two.values is not None
    assert two.values.tolist() == [1.0, 3.0]
    for dtype in ("float16", "float32", "float64"):
        recipe = FixedInDegree(100, 10, normal, seed=1, dtype=dtype)
        (three,) = rows(recipe, (50,), 100, [(0, 100)], normal_delay(), DT)
        assert (three.weight.dtype, three.delay.dtype) == (np.dtype(dtype), np.uint8)


def normal_delay() -> Normal:
    return Normal(1.5e-3, 0.75e-3, low=DT)


def test_the_estimate_is_what_comes_out() -> None:
    recipe = FixedInDegree(1000, 50, Normal(1.0, 0.1), seed=1)
    bounds = [(0, 400), (400, 1000)]
    found = estimate(recipe, (200,), 1000, bounds, normal_delay(), DT)
    made = rows(recipe, (200,), 1000, bounds, normal_delay(), DT, threads=2)
    assert found.n == sum(r.n for r in made) == 50000
    assert found.size == sum(r.nbytes for r in made)
    assert str(found + found) == "1e+05 synapses, 0.00 GiB"
    sheet = DistanceDependent((40, 40), 0.05, (1, 1), peak=0.6, seed=1)
    expected = estimate(sheet, (40, 40), 1600, [(0, 1600)], 1e-3, DT).n
    assert expected == pytest.approx(sheet.synapses((40, 40)).n, rel=0.05)
    dense = Dense(np.ones((4, 3)))
    found = estimate(dense, (3,), 4, [(0, 4)], np.ones((4, 3)) * DT, DT)
    assert (found.n, found.size) == (12, 12 * (2 + 8 + 1) + 4 * 8)


def test_too_large_for_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = FixedInDegree(2**20, 2**12, Normal(1.0, 0.1))
    (tmp_path / "meminfo").write_text("MemTotal: 9999999 kB\nMemAvailable:    2097152 kB\n")
    monkeypatch.setattr(rows_module, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(rows_module, "GROUP_LIMIT", tmp_path / "none")
    assert available_memory() == 2 * 2**30
    with pytest.raises(
        NetworkError, match=r"fixed_in_degree: needs 3\d\.\d\d GiB, has 2\.00 GiB — "
    ):
        rows(recipe, (2**20,), 2**20, [(0, 2**20)], normal_delay(), DT)
    for name, text in (("max", "1073741824"), ("used", "536870912")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(rows_module, "GROUP_LIMIT", tmp_path / "max")
    monkeypatch.setattr(rows_module, "GROUP_USE", tmp_path / "used")
    assert available_memory() == 2**29
    monkeypatch.setattr(rows_module, "MEMINFO", tmp_path / "none")
    assert available_memory() <= 2**29


def test_written_out_it_would_be_too_large() -> None:
    with pytest.raises(NetworkError, match="FixedInDegree: too large to write out; found 128"):
        FixedInDegree(2**20, 2**12).synapses((2**20,))


def test_bad_requests() -> None:
    recipe = FixedInDegree(10, 2, seed=1)
    with pytest.raises(
        NetworkError, match="rows: fixed_in_degree reaches another number of targets; found 10"
    ):
        rows(recipe, (5,), 9, [(0, 9)], 0.0, DT)
    with pytest.raises(
        NetworkError, match=r"rows: a range of targets is not there; found \(0, 11\)"
    ):
        rows(recipe, (5,), 10, [(0, 11)], 0.0, DT)
    with pytest.raises(
        NetworkError, match=r"rows: a recipe has no array of delays; found shape \(20,\)"
    ):
        rows(recipe, (5,), 10, [(0, 10)], np.zeros(20), DT)
    with pytest.raises(NetworkError, match="sum_pool: drawn delays need a map with weights"):
        drawn_steps(SumPool(2), (1, 2, 2), normal_delay(), DT)


def test_drawn_delays_of_maps_without_a_seed_are_told_apart_by_theirs() -> None:
    dense = Dense(np.ones((20, 20)))
    one, again, other = (drawn_steps(dense, (20,), Uniform(0, 1e-2, seed=s), DT) for s in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert np.all(drawn_steps(dense, (20,), Uniform(1e-3, 1e-3), DT) == 10)


def test_rows_say_what_they_hold() -> None:
    made = Rows(0, 2, np.array([0, 2]), np.array([0, 1], np.uint16), np.asarray(0.5), np.asarray(3))
    assert made.weights().tolist() == [0.5, 0.5]
    assert made.delays().tolist() == [3, 3]
    assert (made.n, made.nbytes) == (2, 16 + 4 + 8 + 8)
