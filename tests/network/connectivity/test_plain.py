"""Recipes and drawn delays in a file, in a pickle, and as plain data."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spikewright.errors import FormatError, NetworkError
from spikewright.network import (
    LIF,
    AllToAll,
    Bernoulli,
    Choice,
    Compose,
    Dense,
    DistanceDependent,
    Exponential,
    FixedInDegree,
    FixedOutDegree,
    FixedTotal,
    LogNormal,
    Network,
    Normal,
    Population,
    PowerLaw,
    Profile,
    Projection,
    SmallWorld,
    Uniform,
)
from spikewright.network.compose import TOPOLOGIES
from spikewright.network.connectivity.plain import RECIPES, from_plain, to_plain
from spikewright.network.store import load, save

AT = np.linspace(0.0, 0.9, 24).reshape(12, 2)
DELAY = Normal(1.5e-3, 0.75e-3, low=1e-4)


def everything() -> Network:
    """Return a network with every recipe, and every distribution as weight and as delay."""
    recipes = {
        "all": (AllToAll(12, Normal(1.0, 0.1), seed=2, self_edges=False), DELAY),
        "pairs": (Bernoulli(12, 0.1 + 0.2, Uniform(0.0, 1.0), seed=3), Uniform(0.0, 1e-3)),
        "in": (FixedInDegree(12, np.arange(12), LogNormal(1.0, 0.5), seed=4, dtype="float16"), Exponential(1e-3)),
        "out": (FixedOutDegree(12, 3, Exponential(0.1, high=3.0), seed=5), LogNormal(1e-3, 0.3)),
        "total": (FixedTotal(12, 50, Choice((1.0, 2.0)), seed=2**60, repeats=False), Choice((1e-3, 2e-3), (0.3, 0.7))),
        "power": (PowerLaw(12, 2.1, 1, 9, 0.5, incoming=False), 1e-3),
        "world": (SmallWorld(12, 4, 0.3, -1.0), 2e-3),
        "grid": (DistanceDependent((3, 4), 0.3, (1.0, 1.0), profile=Profile.LINEAR, cutoff=0.2), 0.0),
        "space": (DistanceDependent(12, 0.3, (1.0, 1.0), pre_at=AT, post_at=AT, periodic=True), 0.0),
        "two": (Compose((FixedInDegree(5, 2), Dense(np.ones((12, 5))))), 0.0),
        "dense": (Dense(np.ones((12, 12))), DELAY),
    }  # fmt: skip
    return Network(
        dt=1e-4,
        populations={"a": Population(LIF, (3, 4))},
        projections={n: Projection("a", "a", t, delay=d) for n, (t, d) in recipes.items()},
    )


def same(a: Network, b: Network) -> None:
    assert list(a.projections) == list(b.projections)
    for name, p in a.projections.items():
        q = b.projections[name]
        assert type(p.topology) is type(q.topology)
        assert p.delay == q.delay
        x, y = (t.topology.synapses((3, 4)) for t in (p, q))
        np.testing.assert_array_equal(x.start, y.start)
        np.testing.assert_array_equal(x.target, y.target)
        np.testing.assert_array_equal(x.weight, y.weight)
        np.testing.assert_array_equal(a.delay_steps(name), b.delay_steps(name))


def test_a_file_gives_the_same_network(tmp_path: Path) -> None:
    network = everything()
    save(network, tmp_path / "n.h5")
    assert (tmp_path / "n.h5").stat().st_size < 200_000
    again = load(tmp_path / "n.h5")
    same(network, again)
    for name, p in network.projections.items():
        if p.topology.kind in RECIPES:
            one, other = to_plain(p.topology), to_plain(again.projections[name].topology)  # type: ignore[arg-type]
            assert one[0] == other[0]
            assert {k: v.tolist() for k, v in one[1].items()} == {
                k: v.tolist() for k, v in other[1].items()
            }


def test_a_pickle_gives_the_same_network() -> None:
    network = everything()
    same(network, pickle.loads(pickle.dumps(network)))


def test_the_version_says_whether_older_readers_understand_it(tmp_path: Path) -> None:
    def version(topology: Any, delay: Any) -> int:
        network = Network(
            dt=1e-4,
            populations={"a": Population(LIF, 12)},
            projections={"p": Projection("a", "a", topology, delay=delay)},
        )
        save(network, tmp_path / "n.h5")
        with h5py.File(tmp_path / "n.h5") as file:
            return int(file["version"][()])

    dense = Dense(np.ones((12, 12)))
    assert version(dense, 1e-3) == 1
    assert version(dense, DELAY) == 2
    assert version(AllToAll(12), 1e-3) == 2
    assert version(Compose((AllToAll(12), dense)), 1e-3) == 2


def test_every_recipe_is_known_to_files() -> None:
    assert set(RECIPES) <= set(TOPOLOGIES)


def damaged(path: Path, change: dict[str, Any] | None = None, delay: Any = None) -> Path:
    network = Network(
        dt=1e-4,
        populations={"a": Population(LIF, 12)},
        projections={"p": Projection("a", "a", FixedInDegree(12, 3), delay=DELAY)},
    )
    save(network, path)
    with h5py.File(path, "r+") as file:
        if change is not None:
            place = "projections/0/topology/about"
            data = json.loads(file[place][()]) | change
            del file[place]
            file[place] = json.dumps({k: v for k, v in data.items() if v != "gone"})
        if delay is not None:
            del file["projections/0/delay"]
            file["projections/0/delay"] = json.dumps(delay)
    return path


@pytest.mark.parametrize(
    ("change", "delay", "message"),
    [
        ({"degree": -1}, None, "/projections/0/topology: FixedInDegree: degree must be 0 or more"),
        ({"degree": "many"}, None, "FixedInDegree: degree must be one whole number"),
        ({"degree": [[1], 2]}, None, "not a fixed_in_degree topology"),
        ({"n_post": {"a": 1}}, None, "FixedInDegree: n_post is not a whole number"),
        ({"seed": None}, None, "FixedInDegree: seed is not a whole number"),
        ({"weights": {"kind": "cauchy"}}, None, "distribution: unknown kind; found 'cauchy'"),
        ({"weights": {"kind": "normal", "mean": []}}, None, "not a normal"),
        ({"weights": None}, None, "weights are neither a number nor a distribution"),
        ({"degree": "gone"}, None, "fixed_in_degree: other fields than the recipe has"),
        ({"more": 1}, None, "fixed_in_degree: other fields than the recipe has"),
        ({"seed": "gone"}, None, "incomplete; found no seed"),
        (None, {"kind": "normal", "mean": 1.0}, "/projections/0/delay: distribution: not a normal"),
        (None, {"mean": 1.0}, "/projections/0/delay: incomplete; found no kind"),
        (None, [1], "/projections/0/delay: incomplete"),
        (None, {"kind": "normal", "mean": 1e9, "std": 1.0}, r"projections\['p'\].delay: too long"),
    ],
)
def test_damaged_files(change: Any, delay: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises((NetworkError, FormatError), match=message):
        load(damaged(tmp_path / "n.h5", change, delay))


def test_plain_data_and_back() -> None:
    recipe = DistanceDependent((3, 4), 0.3, (1, 1), weights=Choice((1, 2)), profile=Profile.LINEAR)
    plain, arrays = to_plain(recipe)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["profile"] == "linear"
    assert plain["weights"]["kind"] == "choice"
    assert arrays == {}
    again = from_plain("distance_dependent", json.loads(json.dumps(plain)), arrays)
    assert to_plain(again) == (plain, arrays)
