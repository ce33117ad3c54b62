from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import LimitError
from spikewright.network import LIF, Network, Population
from spikewright.substrates.passes.partition import partition

LIMITS = {"neurons": 10.0, "words": 100.0}


def network(**sizes: int) -> Network:
    return Network(dt=1e-3, populations={name: Population(LIF, n) for name, n in sizes.items()})


def per_neuron(words: dict[str, float]):  # type: ignore[no-untyped-def]
    def needs(name: str, begin: int, end: int) -> dict[str, float]:
        return {"neurons": end - begin, "words": (end - begin) * words[name]}

    return needs


def test_cores_are_filled_one_after_the_other() -> None:
    found = partition(
        network(a=7, b=6),
        ("a", "b"),
        per_neuron({"a": 1, "b": 1}),
        LIMITS,
        n_cores=2,
        substrate="x",
    )
    assert found.core_of["a"].tolist() == [0] * 7
    assert found.core_of["b"].tolist() == [0] * 3 + [1] * 3
    assert found.binding == {"a": "", "b": "neurons"}
    assert found.used == ({"neurons": 10, "words": 10}, {"neurons": 3, "words": 3})


def test_the_binding_limit_is_the_one_that_is_exceeded_most() -> None:
    found = partition(network(a=9), ("a",), per_neuron({"a": 30}), LIMITS, n_cores=3, substrate="x")
    assert found.n_cores == 3
    assert found.binding["a"] == "words"


def test_one_neuron_that_fits_no_core_is_explained() -> None:
    with pytest.raises(LimitError) as caught:
        partition(
            network(a=2, b=1),
            ("a", "b"),
            per_neuron({"a": 1, "b": 130}),
            LIMITS,
            n_cores=9,
            substrate="x",
        )
    assert str(caught.value) == (
        "x: one neuron of population 'b' needs more words than a core has; found 130, expected 100 at most"
        " — reduce its fan-in, prune weights, or split the population's inputs"
    )


def test_too_few_cores_are_explained_with_what_binds() -> None:
    with pytest.raises(LimitError) as caught:
        partition(
            network(a=4, b=25),
            ("a", "b"),
            per_neuron({"a": 50, "b": 1}),
            LIMITS,
            n_cores=3,
            substrate="x",
        )
    assert str(caught.value) == (
        "x: the network needs more cores than there are; found 5 cores ('a' by words, 'b' by neurons),"
        " expected 3 at most — use smaller populations, prune weights, or fewer bits per weight"
    )


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 100)), min_size=1, max_size=5),
    st.integers(1, 12),
)
def test_every_neuron_lies_on_one_core_and_no_limit_is_exceeded(
    populations: list[tuple[int, float]], per_core: int
) -> None:
    sizes = {f"p{i}": n for i, (n, _) in enumerate(populations)}
    words = {f"p{i}": w for i, (_, w) in enumerate(populations)}
    limits = {"neurons": float(per_core), "words": 100.0}
    found = partition(
        network(**sizes), tuple(sizes), per_neuron(words), limits, n_cores=10_000, substrate="x"
    )
    used = [dict.fromkeys(limits, 0.0) for _ in range(found.n_cores)]
    for name, n in sizes.items():
        core = found.core_of[name]
        assert core.shape == (n,)
        assert np.all(np.diff(core) >= 0), "slices are contiguous"
        for c in core:
            used[c]["neurons"] += 1
            used[c]["words"] += words[name]
    for core_used, said in zip(used, found.used, strict=True):
        assert core_used["neurons"] > 0, "no core is empty"
        for limit, amount in core_used.items():
            assert amount <= limits[limit] * (1 + 1e-9)
            assert amount == pytest.approx(said[limit])
