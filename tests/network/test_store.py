"""Our own format: everything comes back bit for bit; nothing else gets in."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.extra.numpy import arrays

from spikewright.errors import FormatError, ModelError, NetworkError, SpikewrightError
from spikewright.network import (
    LIF,
    MODELS,
    AvgPool,
    Compose,
    Conv,
    Dense,
    Flatten,
    Input,
    Method,
    Network,
    NeuronModel,
    OneToOne,
    Population,
    Projection,
    Propagation,
    Scale,
    Sparse,
    SumPool,
)
from spikewright.network.compose import TOPOLOGIES
from spikewright.network.connectivity.plain import RECIPES
from spikewright.network.store import FORMAT, VERSION, load, save
from spikewright.network.topology import Topology
from spikewright.rng import stream
from spikewright.testing.mutation import mutated

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "network_v1.h5"

Chip = NeuronModel(
    name="Chip",
    state={"v": "1"},
    params={"decay": (128.0, "1"), "level": (64.0, "1")},
    inputs={"x": "1"},
    update={"v": "(v * (4096 - decay) >> 12) + x"},
    threshold="v >= level",
    reset={"v": "0"},
    integer=True,
    source="Made for this test.",
)


def everything() -> Network:
    """Return a network with every topology and every field in use; the golden file holds it."""
    draw = stream(1, "everything")
    image, delays = (2, 6, 6), np.array([[0.0, 1e-3], [3e-3, 2e-3]])
    return Network(
        dt=1e-3,
        name="everything é",
        populations={
            "in.x": Population(Input, image),
            "z": Population(LIF, (4, 3, 3), {"tau_m": draw.uniform(5e-3, 2e-2, (4, 3, 3)), "t_ref": 2e-3},
                            {"v": 0.25}, Method.EULER),
            "a": Population(LIF, 4, {"v_th": 0.1 + 0.2}),
            "b": Population(LIF.variant("Mine", source="mine"), 2, method=Method.RK4),
            "chip": Population(Chip, 2, {"decay": np.array([3, 2**40])}),
        },
        projections={
            "conv": Projection("in.x", "z", Compose((AvgPool(2), Conv(draw.normal(size=(4, 1, 2, 2)), 1,
                               ((1, 0), (0, 1)), 1, 2))), "i", 5e-3, draw.normal(size=(4, 3, 3))),
            "fc": Projection("z", "a", Compose((Compose((SumPool((3, 3)), Flatten())),
                                                Dense(draw.normal(size=(4, 4)))))),
            "few": Projection("a", "b", Sparse.from_edges([0, 2], [1, 0], [0.5, -1e-300], n_pre=4, n_post=2)),
            "self": Projection("b", "b", Dense(draw.normal(size=(2, 2))), "", delays),
            "one": Projection("a", "a", OneToOne(draw.normal(size=4)), "i", 1e-3),
            "scale": Projection("b", "b", Scale(-0.0), "i", 2e-3, np.array([1.5, -2.5], np.float32)),
            "chip": Projection("b", "chip", Dense(np.array([[1, -2], [3, 2**50]])), "", 0.0, np.array([7, -8]), -2),
        },
        outputs=("chip", "a"),
        metadata={"note": "kept", "list": [1, 2.5, None, True], "deep": {"a": {"b": "\u00fc"}}},
    )  # fmt: skip


def same_topology(a: Topology, b: Topology) -> None:
    assert type(a) is type(b)
    if isinstance(a, Compose) and isinstance(b, Compose):
        assert len(a.maps) == len(b.maps)
        for x, y in zip(a.maps, b.maps, strict=True):
            same_topology(x, y)
        return
    for key, value in a.as_dict().items():
        bits(np.asarray(value), np.asarray(b.as_dict()[key]))


def bits(a: np.ndarray, b: np.ndarray) -> None:
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    assert a.tobytes() == b.tobytes()


def same(a: Network, b: Network) -> None:
    assert (a.dt, a.name, a.outputs, a.propagation) == (b.dt, b.name, b.outputs, b.propagation)
    assert dict(a.metadata) == dict(b.metadata)
    assert list(a.populations) == list(b.populations)
    assert list(a.projections) == list(b.projections)
    for name, p in a.populations.items():
        q = b.populations[name]
        assert (p.model, p.shape, p.method) == (q.model, q.shape, q.method)
        for x, y in ((p.params, q.params), (p.initial, q.initial)):
            assert set(x) == set(y)
            for key in x:
                bits(x[key], y[key])
    for name, r in a.projections.items():
        t = b.projections[name]
        assert (r.pre, r.post, r.port, r.exponent) == (t.pre, t.post, t.port, t.exponent)
        bits(r.delay, t.delay)
        assert (r.bias is None) == (t.bias is None)
        if r.bias is not None:
            bits(r.bias, t.bias)
        same_topology(r.topology, t.topology)


class TestRoundTrip:
    def test_everything(self, tmp_path: Path) -> None:
        network = everything()
        kinds = set()
        for p in network.projections.values():
            parts = [p.topology]
            while parts:
                part = parts.pop()
                kinds.add(part.kind)
                parts += part.maps if isinstance(part, Compose) else ()
        assert kinds == set(TOPOLOGIES) - set(RECIPES)  # recipes: connectivity/test_plain.py
        save(network, tmp_path / "n.h5")
        same(network, load(tmp_path / "n.h5"))

    def test_golden_file_of_version_1(self) -> None:
        same(everything(), load(GOLDEN))

    def test_every_library_model(self, tmp_path: Path) -> None:
        network = Network(dt=1e-4, populations={n: Population(m, 2) for n, m in MODELS.items()})
        save(network, tmp_path / "n.h5")
        same(network, load(tmp_path / "n.h5"))

    def test_same_step(self, tmp_path: Path) -> None:
        network = Network(
            dt=1e-4, populations={"n": Population(LIF, 2)}, propagation=Propagation.SAME_STEP
        )
        save(network, tmp_path / "n.h5")
        same(network, load(tmp_path / "n.h5"))

    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        weights=arrays(
            np.float64, (3, 2), elements=st.floats(allow_nan=False, allow_infinity=False)
        ),
        name=st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="/\x00"), min_size=1
        ),
    )
    def test_any_weights_and_names(self, tmp_path: Path, weights: np.ndarray, name: str) -> None:
        network = Network(
            dt=1e-3,
            name=name,
            populations={name: Population(Input, 2), name + "2": Population(LIF, 3)},
            projections={name: Projection(name, name + "2", Dense(weights))},
            metadata={name: name},
        )
        save(network, tmp_path / "n.h5")
        same(network, load(tmp_path / "n.h5"))


class TestSave:
    def test_full_disk_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(h5py.Group, "create_dataset", full)
        with pytest.raises(
            FormatError, match=r"(?i)cannot be written: no space left.*nothing was changed"
        ):
            save(everything(), tmp_path / "n.h5")
        assert not list(tmp_path.iterdir())

    def test_full_disk_keeps_the_old_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save(everything(), tmp_path / "n.h5")
        before = (tmp_path / "n.h5").read_bytes()

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(FormatError, match="cannot be written"):
            save(Network(dt=1e-3, populations={"n": Population(LIF, 2)}), tmp_path / "n.h5")
        assert [p.name for p in tmp_path.iterdir()] == ["n.h5"]
        assert (tmp_path / "n.h5").read_bytes() == before

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match="no such folder"):
            save(everything(), tmp_path / "gone" / "n.h5")

    def test_what_json_changes_a_little(self, tmp_path: Path) -> None:
        metadata = {"x": (1, np.float64(0.5)), "nan": float("nan")}
        network = Network(dt=1e-3, populations={"n": Population(LIF, 2)}, metadata=metadata)
        save(network, tmp_path / "n.h5")
        again = load(tmp_path / "n.h5").metadata
        assert again["x"] == [1, 0.5]
        assert np.isnan(again["nan"])

    @pytest.mark.parametrize(
        "value", [object(), {1, 2}, {1: "number as key"}, np.ones(2), "\ud800"]
    )
    def test_metadata_that_are_no_plain_data(self, tmp_path: Path, value: object) -> None:
        network = Network(dt=1e-3, populations={"n": Population(LIF, 2)}, metadata={"x": value})
        with pytest.raises(NetworkError, match="not plain data"):
            save(network, tmp_path / "n.h5")
        assert not list(tmp_path.iterdir())

    def test_topology_of_a_stranger(self, tmp_path: Path) -> None:
        class Strange(Dense):
            pass

        network = Network(
            dt=1e-3,
            populations={"n": Population(Input, 2), "m": Population(LIF, 2)},
            projections={"p": Projection("n", "m", Strange(np.eye(2)))},
        )
        with pytest.raises(NetworkError, match="does not know: Strange"):
            save(network, tmp_path / "n.h5")


Change = Callable[[h5py.File], None]


def put(place: str, value: object) -> Change:
    def change(file: h5py.File) -> None:
        if place in file:
            del file[place]
        file[place] = value

    return change


def edit(place: str, **values: object) -> Change:
    def change(file: h5py.File) -> None:
        data = json.loads(file[place][()])
        put(place, json.dumps(data | values))(file)

    return change


def drop(place: str) -> Change:
    def change(file: h5py.File) -> None:
        del file[place]

    return change


WEIGHTS = "projections/3/topology/weights"
BAD: list[tuple[Change, type[SpikewrightError], str]] = [
    (put("format", "something"), FormatError, "/format: another format; found 'something'"),
    (put("format", 3), FormatError, "/format: not text"),
    (drop("version"), FormatError, f"not a network of Spikewright.*expected /format '{FORMAT}'"),
    (put("version", VERSION + 1), FormatError, "newer Spikewright.*update Spikewright"),
    (put("version", 0), FormatError, "/version: not a version"),
    (put("network", "{"), FormatError, "/network: not JSON"),
    (put("network", "[" * 100_000), FormatError, "/network: JSON too large or nested too deeply"),
    (put("network", '{"name": ' + "9" * 5000 + "}"), FormatError, "/network: not JSON"),
    (put("network", "[]"), FormatError, "/network: incomplete; found no dt, name"),
    (put("network", b"\xff\xfe"), FormatError, "/network: not UTF-8 text"),
    (edit("network", dt="soon"), FormatError, "/network: not the description of a network"),
    (edit("network", dt=-1), NetworkError, "network.dt: must be positive"),
    (edit("network", propagation="never"), FormatError, "'never' is not a valid Propagation"),
    (edit("network", outputs=["gone"]), NetworkError, "no population 'gone'"),
    (edit("network", outputs=3), FormatError, "outputs must be a list"),
    (edit("network", metadata=[1]), FormatError, "metadata must be an object"),
    (edit("models/1", threshold="__import__('os').system('true')"), ModelError, "unknown function"),
    (edit("models/1", dynamics={"v": "v"}), ModelError, "wrong dimension"),
    (edit("models/1", surprise=1), ModelError, "not a model description"),
    (edit("models/1", state=3), ModelError, "not a model description"),
    (edit("populations/0/about", model=99), FormatError, "there is no model 99"),
    (
        edit("populations/0/about", shape="big"),
        FormatError,
        "/populations/0/about: not a population",
    ),
    (edit("populations/0/about", shape=[2**50]), FormatError, "too large"),
    (edit("populations/0/about", method="magic"), FormatError, "'magic' is not a valid Method"),
    (edit("populations/1/about", name="in.x"), FormatError, "the name 'in.x' stands there twice"),
    (drop("populations/2"), FormatError, "/populations: not numbered from 0"),
    (put("populations/1/params/tau_m", np.ones(5)), NetworkError, "wrong shape"),
    (put("populations/1/params/color", 1.0), NetworkError, "no such parameter"),
    (drop("projections/0/delay"), FormatError, "/projections/0: no delay"),
    (edit("projections/0/about", post="gone"), NetworkError, "no population 'gone'"),
    (edit("projections/0/about", exponent=1.5), FormatError, "exponent a whole number"),
    (put("projections/3/topology/kind", "magic"), FormatError, "unknown topology; found 'magic'"),
    (
        put(WEIGHTS, np.array([[1, np.nan], [0, 1]])),
        FormatError,
        "not finite; found nan at index 1",
    ),
    (put(WEIGHTS, np.ones((2, 2, 2))), NetworkError, "topology: Dense: weights must be"),
    (put(WEIGHTS, np.ones((2, 7))), NetworkError, "does not fit"),
    (drop(WEIGHTS), FormatError, "dense without weights"),
    (put("projections/2/topology/n_post", -5), NetworkError, "a target is not there"),
    (drop("populations"), NetworkError, "network has no populations|network: has no populations"),
]


class TestBadFiles:
    @pytest.mark.parametrize(("change", "error", "words"), BAD)
    def test_one_clear_message(
        self, tmp_path: Path, change: Change, error: type[SpikewrightError], words: str
    ) -> None:
        path = tmp_path / "bad.h5"
        path.write_bytes(GOLDEN.read_bytes())
        with h5py.File(path, "a") as file:
            change(file)
        with pytest.raises(error, match=words) as caught:
            load(path)
        assert str(path) in str(caught.value)

    def test_declared_gigabytes(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.h5"
        path.write_bytes(GOLDEN.read_bytes())
        with h5py.File(path, "a") as file:
            del file[WEIGHTS]
            file.create_dataset(WEIGHTS, (2**20, 2**20), "f8", chunks=(8, 8), compression="gzip")
        with pytest.raises(
            FormatError, match=r"weights: declares 8192.0 GiB; found 0 bytes stored"
        ):
            load(path)

    def test_files_that_are_none(self, tmp_path: Path, shared: Path) -> None:
        (tmp_path / "text").write_text("hello")
        (tmp_path / "cut").write_bytes(GOLDEN.read_bytes()[:3000])
        for name, word in (("text", "not a whole HDF5 file"), ("cut", "not a whole HDF5 file"),
                           ("gone", "no such file")):  # fmt: skip
            with pytest.raises(FormatError, match=word):
                load(tmp_path / name)
        with pytest.raises(FormatError, match="from_nir"):
            load(shared / "vectors" / "nir" / "li.nir")

    def test_damaged_files(self, tmp_path: Path) -> None:
        path = tmp_path / "bad.h5"
        few = Compose((Flatten(), Sparse.from_edges([0, 2], [1, 0], 0.5, n_pre=4, n_post=2)))
        small = Network(
            dt=1e-3,
            populations={"in": Population(Input, (2, 2)), "n": Population(LIF, 2)},
            projections={"few": Projection("in", "n", few, bias=np.ones(2))},
        )
        save(small, path)
        data = path.read_bytes()
        refused = 0
        for seed in range(200):
            path.write_bytes(mutated(data, seed))
            try:
                load(path)
            except SpikewrightError:
                refused += 1
        assert refused > 50
