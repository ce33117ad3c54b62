"""Wiring diagrams: counts of published ones, parts and lesions, signs, tables and what can be wrong, the fly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright import rng
from spikewright.engines import plan, run
from spikewright.errors import DataError, FormatError, NetworkError
from spikewright.events import Events
from spikewright.network import ConductanceLIF, Input, Network, Population, Projection, Sparse
from spikewright.network.connectome import (
    Connectome,
    c_elegans,
    fly_visual_system,
    larval_drosophila,
    read_connectome,
    shiu2024,
    shiu_experiment,
    shiu_network,
    synthetic_fly,
)
from spikewright.network.connectome.adult import DT, KICK, W_SYN
from spikewright.network.connectome.larva import KINDS
from spikewright.network.connectome.tables import read_table
from spikewright.units import mV, nS

WORM = {
    "cook2019": (7379, 448, 39702),
    "white1986": (2961, 309, 8914),
    **{
        f"witvliet2021_{k}": (n, None, None)
        for k, n in enumerate((858, 1110, 1106, 1345, 1807, 1739, 2493), 1)
    },
}


@pytest.mark.parametrize("diagram", WORM)
def test_worms_have_the_counts_of_their_files(shared: Path, diagram: str) -> None:
    edges, cells, synapses = WORM[diagram]
    found = c_elegans(shared / "data/celegans", diagram)
    assert found.n_edges == edges
    assert cells in (None, found.n)
    assert synapses in (None, found.n_synapses)
    assert set(found.kinds) == {"chemical", "electrical"}
    assert found.types[found.index("ADAL")[0]] == "Layer 3 interneuron"


def test_varshneys_synapses_stand_twice_and_are_read_once(shared: Path) -> None:
    every = c_elegans(shared / "data/celegans", "varshney2011", once=False)
    assert (every.n, every.n_synapses) == (281, 15975)
    assert len(read_table(shared / "data/celegans/varshney2011.csv")["pre"]) == 6417
    once = c_elegans(shared / "data/celegans", "varshney2011")
    sent, received = (every.of_kind(*k).n_synapses for k in (("S", "Sp"), ("R", "Rp")))
    assert sent == received == once.of_kind("chemical").n_synapses == 6394
    with pytest.raises(DataError, match="witvliet2021_7"):
        c_elegans(shared / "data/celegans", "cook2020")


def test_the_larva_has_the_counts_of_its_file(shared: Path) -> None:
    path = shared / "data/larval_drosophila/larval_connectome.npz"
    expected = {
        "ad": (63545, 234958),
        "aa": (40636, 90800),
        "dd": (9019, 20415),
        "da": (3722, 6438),
        "all_all": (110677, 352611),
    }
    for kind in ("ad", "all_all"):
        found = larval_drosophila(path, kind)
        assert (found.n, found.n_edges, found.n_synapses) == (2952, *expected[kind])
    assert np.count_nonzero(found.pre == found.post) == 537
    assert np.count_nonzero(found.types != "unknown") == 2606
    four = larval_drosophila(path, "kinds")
    for kind, name in KINDS.items():
        part = four.of_kind(name)
        assert (part.n_edges, part.n_synapses) == expected[kind]
    np.testing.assert_array_equal(four.matrix(), found.matrix())


def test_the_visual_system_has_the_counts_of_its_file(shared: Path) -> None:
    path = shared / "data/flyvis/fib25-fib19_v2.2.json"
    system = fly_visual_system(path)
    assert (len(system.types), system.n_edges) == (65, 605)
    raw = json.loads(path.read_text())
    types = system.by_type()
    assert (types.n, types.n_edges) == (65, 605)
    np.testing.assert_allclose(
        types.n_synapses, sum(o[1] for e in raw["edges"] for o in e["offsets"])
    )
    assert np.count_nonzero(types.sign < 0) == 228
    # in the middle of a large enough lattice a cell has every offset of every edge that reaches its type
    lattice = system.lattice(7)
    middle = lattice.index("T4a(0,0)")[0]
    mine = lattice.post == middle
    of_t4a = [e for e in raw["edges"] if e["tar"] == "T4a"]
    full = [e for e in of_t4a if e["src"] not in ("Lawf1", "Lawf2")]
    total = sum(o[1] for e in full for o in e["offsets"])
    kept = mine & ~np.isin(lattice.types[lattice.pre], ["Lawf1", "Lawf2"])
    np.testing.assert_allclose(lattice.count[kept].sum(), total)
    assert set(lattice.types[lattice.pre[mine]]) <= {e["src"] for e in of_t4a}
    # 721 columns: the published size of the whole model
    assert system.lattice(15).n == 45669
    with pytest.raises(NetworkError, match=r"lattice\(radius=\): out of range; found -1"):
        system.lattice(-1)


def test_offsets_lead_from_the_source_to_the_target(shared: Path) -> None:
    system = fly_visual_system(shared / "data/flyvis/fib25-fib19_v2.2.json")
    k = int(np.flatnonzero(np.abs(system.offset).sum(axis=1) > 0)[0])
    edge, (du, dv) = system.edge[k], system.offset[k]
    source, target = system.types[system.source[edge]], system.types[system.target[edge]]
    lattice = system.lattice(6)
    pre, post = lattice.index(f"{source}(0,0)")[0], lattice.index(f"{target}({du},{dv})")[0]
    (found,) = lattice.count[(lattice.pre == pre) & (lattice.post == post)]
    assert found == system.count[k]


# -- the type --------------------------------------------------------------------------------------------


def small(**more: Any) -> Connectome:
    return Connectome.of(
        [10, 30, 20, 40], [30, 10, 10, 20, 40], [10, 20, 30, 40, 40], [2, 5, 1, 4, 3],
        types=["a", "b", "a", "c"], marks={"side": ["l", "r", "r", "l"]}, **more,
    )  # fmt: skip


def test_edges_are_sorted_and_found() -> None:
    found = small()
    assert found.start.tolist() == [0, 2, 3, 4, 5]
    assert found.count.tolist() == [1, 5, 2, 4, 3]
    assert found.out_degree.tolist() == [2, 1, 1, 1]
    assert found.in_degree.tolist() == [1, 1, 1, 2]
    assert found.matrix()[found.index(20)[0], found.index(10)[0]] == 5
    assert {t: v.tolist() for t, v in found.groups.items()} == {"a": [0, 2], "b": [1], "c": [3]}
    assert "1 self edges" in found.summary()


def test_parts_keep_what_connects_them() -> None:
    found = small()
    np.testing.assert_array_equal(found.subset([40, 20]).ids, [40, 20])
    assert found.subset([40, 20]).count.tolist() == [3, 4]
    assert found.remove("c").n_edges == 3
    assert found.remove(side="r").ids.tolist() == [10, 40]
    assert found.select("a", side="l").ids.tolist() == [10]
    assert found.silenced([10]).count.tolist() == [2, 4, 3]
    assert found.at_least(3).n_edges == 3
    assert found.without_self_edges().n_edges == 4
    for made in (found.remove("c"), found.subset([20, 10, 30])):
        matrix = found.matrix()
        at = found.index(made.ids)
        np.testing.assert_array_equal(made.matrix(), matrix[np.ix_(at, at)])


def test_what_is_not_there_is_named() -> None:
    found = small()
    with pytest.raises(
        NetworkError, match=r"2 id\(s\) are not known; found 7, 8, expected one of 4 ids"
    ):
        found.subset([10, 7, 8])
    with pytest.raises(
        NetworkError,
        match=r"type: no neuron is 'd'; expected a, b, c",
    ):
        found.remove("d")
    with pytest.raises(NetworkError, match=r"neurons have no mark 'hand'; expected side"):
        found.select(hand="l")
    with pytest.raises(NetworkError, match=r"no edges are 'electrical'"):
        found.of_kind("electrical")
    with pytest.raises(NetworkError, match=r"is named twice"):
        found.subset([10, 10])
    with pytest.raises(NetworkError, match=r"ids of another kind; found texts, expected numbers"):
        found.index(["10"])


def test_signs_come_from_the_source() -> None:
    found = small().signed({"a": 1, "b": -1, "c": -1}, by="type")
    assert found.sign.tolist() == [1, 1, -1, 1, -1]
    assert small().signed({"b": -1}, by="type", default=1).sign.tolist() == [1, 1, -1, 1, 1]
    with pytest.raises(NetworkError, match=r"types without a sign; found 'c', expected a, b"):
        small().signed({"a": 1, "b": -1}, by="type")
    with pytest.raises(NetworkError, match=r"no mark 'transmitter'"):
        small().signed({"ACH": 1})


def test_duplicates_are_an_error_or_are_added_up() -> None:
    edges = ([1, 1, 2], [2, 2, 1], [3, 4, 5])
    with pytest.raises(NetworkError, match=r"the edge 1 -> 2 is there twice; found 1 such edges"):
        Connectome.of([1, 2], *edges)
    assert Connectome.of([1, 2], *edges, duplicates="sum").count.tolist() == [7, 5]
    assert Connectome.of([1, 2], *edges, kind=["x", "y", "x"]).n_edges == 3
    with pytest.raises(NetworkError, match="with both signs"):
        Connectome.of([1, 2], *edges, sign=[1, -1, 1], duplicates="sum")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ids": [1, 1]}, r"1 is there twice"),
        ({"count": [0, 1]}, r"an edge without synapses"),
        ({"count": [1.0, np.nan]}, r"count: not finite"),
        ({"sign": [2, 1]}, r"sign: not 1 or -1"),
        ({"post": [2]}, r"another length than pre"),
        ({"types": ["a"]}, r"types: not one text per neuron"),
        ({"pre": [1, 3]}, r"id\(s\) are not known; found 3"),
        ({"ids": [1.0, 2.5]}, r"not whole numbers; found 2.5"),
    ],
)
def test_what_is_wrong_with_edges_is_named(more: dict[str, Any], message: str) -> None:
    given = {"ids": [1, 2], "pre": [1, 2], "post": [2, 1], "count": [1, 1]} | more
    with pytest.raises(NetworkError, match=message):
        Connectome.of(
            given.pop("ids"), given.pop("pre"), given.pop("post"), given.pop("count"), **given
        )


def test_a_network_has_a_neuron_for_each_and_the_weights_of_the_counts() -> None:
    found = small().signed({"b": -1}, by="type", default=1)
    network = shiu_network(found)
    (projection,) = network.projections.values()
    matrix = projection.topology.synapses((4,)).matrix()
    signs = np.where(found.types == "b", -1.0, 1.0)
    np.testing.assert_allclose(matrix, found.matrix() * signs * W_SYN, rtol=1e-6)
    assert network.metadata["groups"] == {"a": [[0, 1], [2, 3]], "b": [[1, 2]], "c": [[3, 4]]}
    split = found.to_network(
        ConductanceLIF, weight_per_synapse=1 * nS, delay=1e-3, port="exc", inhibitory_port="inh"
    )
    exc, inh = split.projections.values()
    assert (exc.port, inh.port) == ("exc", "inh")
    np.testing.assert_allclose(inh.topology.weight, [2e-9], rtol=1e-6)


# -- tables ----------------------------------------------------------------------------------------------

EDGES = "pre_root_id,post_root_id,syn_count\n5,6,3\n6,7,1\n7,7,2\n"
CELLS = "root_id,cell_type,nt_type\n7,c,GABA\n5,a,ACH\n6,b,ACH\n"


def written(folder: Path, edges: str = EDGES, cells: str = CELLS) -> tuple[Path, Path]:
    (folder / "edges.csv").write_text(edges)
    (folder / "cells.csv").write_text(cells)
    return folder / "edges.csv", folder / "cells.csv"


def test_columns_are_guessed_or_said(tmp_path: Path) -> None:
    edges, cells = written(tmp_path)
    found = read_connectome(edges, cells, signs={"ACH": 1, "GABA": -1})
    assert found.ids.tolist() == [7, 5, 6]
    assert found.types.tolist() == ["c", "a", "b"]
    assert found.sign.tolist() == [-1, 1, 1]
    np.savez(tmp_path / "e.npz", von=[5, 6], nach=[6, 7], zahl=[1, 2])
    said = read_connectome(
        tmp_path / "e.npz", columns={"pre": "von", "post": "nach", "count": "zahl"}
    )
    assert said.ids.tolist() == [5, 6, 7]
    assert said.n_synapses == 3
    assert read_connectome(edges, cells, self_edges="drop").n_edges == 2


def test_ids_of_18_digits_keep_all_of_them(tmp_path: Path) -> None:
    edges, cells = written(
        tmp_path,
        "pre,post\n720575940660219265,720575940660219266\n",
        "id\n720575940660219266\n720575940660219265\n",
    )
    assert read_connectome(edges, cells).ids.tolist() == [720575940660219266, 720575940660219265]


@pytest.mark.parametrize(
    ("edges", "more", "error", "message"),
    [
        (
            EDGES.replace("pre_root_id", "a"),
            {},
            FormatError,
            r"no column for 'pre'.*say columns=\{'pre': ...\}",
        ),
        (
            EDGES,
            {"columns": {"count": "weight"}},
            FormatError,
            r"no column 'weight'; expected 'pre_root_id'",
        ),
        (EDGES, {"columns": {"size": "weight"}}, FormatError, r"'size' is not one of ours"),
        (
            EDGES + "5,9,1\n",
            {},
            NetworkError,
            r"post: 1 id\(s\) are not known; found 9, expected one of 3 ids",
        ),
        (EDGES + "5,6,1\n", {}, NetworkError, r"the edge 5 -> 6 is there twice"),
        (EDGES + "5,6\n", {}, FormatError, r"line 5: has another number of columns"),
        (
            EDGES,
            {"self_edges": "error"},
            NetworkError,
            r"7 is connected to itself; found 1 self edges",
        ),
        (EDGES, {"signs": {"ACH": 1}}, NetworkError, r"transmitters without a sign; found 'GABA'"),
        (EDGES, {"duplicates": "mean"}, NetworkError, r"duplicates: unknown; found 'mean'"),
        (EDGES, {"unknown": "guess"}, NetworkError, r"unknown=\): unknown; found 'guess'"),
        ("", {}, FormatError, r"no column for 'pre'|has no columns"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(
    tmp_path: Path, edges: str, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    paths = written(tmp_path, edges)
    with pytest.raises(error, match=r"(?s)" + message):
        read_connectome(*paths, **more)


def test_unknown_neurons_are_added_or_dropped(tmp_path: Path) -> None:
    paths = written(tmp_path, EDGES + "5,9,1\n")
    assert read_connectome(*paths, unknown="add").ids.tolist() == [7, 5, 6, 9]
    assert read_connectome(*paths, unknown="drop").n_edges == 3


@pytest.mark.parametrize("name", ["missing.csv", "other.xyz"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "other.xyz").write_text("a")
    with pytest.raises(FormatError, match=r"cannot be read|unknown kind of table"):
        read_connectome(tmp_path / name)


# -- the adult fly ---------------------------------------------------------------------------------------


def fly_table(folder: Path, *, parquet: bool) -> tuple[Path, Path]:
    """Write files as the paper's, of a few of its own neurons."""
    ids = np.array([720575940660219265, 720575940624963786, 720575940630233916, 720575940637568838])
    pre, post, count = (
        np.array([1, 1, 2, 3]),
        np.array([2, 3, 0, 0]),
        np.array([400, 600, 900, 200]),
    )
    sign = np.array([1, 1, 1, -1])
    table = {
        "Presynaptic_ID": ids[pre], "Postsynaptic_ID": ids[post], "Presynaptic_Index": pre, "Postsynaptic_Index": post,
        "Connectivity": count, "Excitatory": sign, "Excitatory x Connectivity": sign * count,
    }  # fmt: skip
    cells = folder / "completeness.csv"
    cells.write_text(",Completed\n" + "".join(f"{i},True\n" for i in ids))
    if parquet:
        arrow = pytest.importorskip("pyarrow")
        path = folder / "connectivity.parquet"
        pytest.importorskip("pyarrow.parquet").write_table(arrow.table(table), path)
    else:
        path = folder / "connectivity.npz"
        np.savez(path, **table)
    return path, cells


@pytest.mark.parametrize("parquet", [False, True])
def test_the_files_of_the_paper_are_read(tmp_path: Path, parquet: bool) -> None:
    found = shiu2024(*fly_table(tmp_path, parquet=parquet))
    assert found.ids[0] == 720575940660219265
    assert (found.count * found.sign).tolist() == [400, 600, 900, -200]
    assert (found.pre.tolist(), found.post.tolist()) == ([1, 1, 2, 3], [2, 3, 0, 0])
    assert shiu2024(fly_table(tmp_path, parquet=parquet)[0]).n_edges == 4


def test_files_of_two_versions_do_not_mix(tmp_path: Path) -> None:
    path, cells = fly_table(tmp_path, parquet=False)
    lines = cells.read_text().splitlines()
    cells.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    with pytest.raises(
        FormatError, match=r"Presynaptic_Index: does not lead to the neurons of Presynaptic_ID.*783"
    ):
        shiu2024(path, cells)
    np.savez(tmp_path / "less.npz", Presynaptic_ID=[1])
    with pytest.raises(FormatError, match=r"no column 'Postsynaptic_ID'"):
        shiu2024(tmp_path / "less.npz")


def test_constants_are_those_of_the_reference(shared: Path) -> None:
    said = json.loads((shared / "data/fly_shiu2024/reference.json").read_text())["model"]
    brain = shiu_network(small()).populations["brain"]
    for ours, theirs in (
        ("v_rest", "v_rest_mV"), ("v_reset", "v_reset_mV"), ("v_th", "v_threshold_mV"), ("tau_m", "tau_membrane_ms"),
        ("tau_s", "tau_synapse_ms"),
    ):  # fmt: skip
        np.testing.assert_allclose(brain.param(ours), said[theirs] * 1e-3)
    np.testing.assert_allclose(W_SYN, said["weight_per_synapse_mV"] * mV)
    np.testing.assert_allclose(KICK, said["poisson_weight_scale"] * W_SYN)
    np.testing.assert_allclose(brain.param("t_ref") + DT, said["refractory_ms"] * 1e-3)
    assert shiu_network(small()).delay_range("brain->brain") == (18, 18)
    ids = np.load(shared / "data/fly_shiu2024/neuron_ids_783.npz")["root_id"]
    assert Connectome.of(ids, ids[:3], ids[1:4]).n == 138639


def published_loop(
    diagram: Connectome, kicked: np.ndarray, n_ref: np.ndarray, steps: int
) -> np.ndarray:
    """Return (steps, n) spikes of the published equations, written down once more: integrate, fire, add, reset."""
    n = diagram.n
    v, g, last = np.full(n, -52.0), np.zeros(n), np.full(n, -(10**6))
    slow, fast = math.exp(-0.1 / 20), math.exp(-0.1 / 5)
    weights = diagram.matrix() * 0.275
    weights[:, diagram.pre[diagram.sign < 0]] *= -1
    spikes = np.zeros((steps, n), bool)
    for k in range(steps):
        free = k - last >= n_ref + 1
        new = -52 + (v + 52) * slow + g * (5 / (5 - 20)) * (fast - slow)
        v, g = np.where(free, new, v), np.where(free, g * fast, g)
        spikes[k] = free & (v > -45)
        if k >= 18:
            g += weights @ spikes[k - 18]
        v += kicked[k] * 68.75
        v[spikes[k]], g[spikes[k]], last[spikes[k]] = -52, 0, k
    return spikes


def kicked_network(diagram: Connectome, n_ref: np.ndarray, *, published: bool) -> Network:
    network = shiu_network(diagram, published=published, refractory=(n_ref + 1) * DT)
    kick = Sparse.from_edges(range(4), range(4), KICK, n_pre=4, n_post=diagram.n)
    return network.replacing(
        populations={"drive": Population(Input, 4)},
        projections={"drive->brain": Projection("drive", "brain", kick, "kick")},
        outputs=("brain",),
    )


def test_the_published_model_is_the_published_loop_spike_for_spike() -> None:
    diagram = synthetic_fly(3, neurons=60, edges=350)
    # strong enough that chains of neurons fire
    strong = Connectome.of(
        diagram.ids,
        diagram.ids[diagram.pre],
        diagram.ids[diagram.post],
        diagram.count * 80,
        sign=diagram.sign,
    )
    steps = 1500
    u = np.stack(
        [rng.uniform(rng.key(5, "kicks"), np.arange(4), np.full(4, k)) for k in range(steps)]
    )
    kicked = np.zeros((steps, 60))
    kicked[:, :4] = u < 0.05
    n_ref = np.full(60, 21)
    n_ref[:4] = -1  # no refractory period at all
    expected = published_loop(strong, kicked, n_ref, steps)
    k, address = np.nonzero(kicked[:, :4])
    inputs = {"drive": Events(k, address, (4,), tick=DT)}
    network = kicked_network(strong, n_ref, published=True)
    found = run(network, inputs, steps=steps, engine="reference").dense("brain")[:, 0]
    assert expected[:, 4:].sum() > 100
    np.testing.assert_array_equal(found.astype(bool), expected)
    # the linear model differs only in what arrives while a neuron is refractory: about as many spikes
    linear = run(
        kicked_network(strong, n_ref, published=False), inputs, steps=steps, engine="reference"
    )
    assert abs(int(linear.count("brain").sum()) - int(expected.sum())) < 0.1 * expected.sum()


def test_an_experiment_drives_some_and_silences_others(tmp_path: Path) -> None:
    fly = shiu2024(*fly_table(tmp_path, parquet=False))
    sugar, mn9 = fly.ids[1], fly.ids[0]
    network = shiu_experiment(fly, [sugar], rate=100.0)
    counts = run(network, steps=10_000, batch=20, seed=1, engine="cpu", spikes=()).count("brain")
    # one step in 100 has an event; the step of a spike loses the next one
    rate = counts[:, 1].mean()
    assert abs(rate - 100 * (1 - 0.01)) < 5 * math.sqrt(100 / 20)
    assert counts[:, 0].sum() > 0
    quiet = shiu_experiment(fly, [sugar], rate=100.0, silence=[fly.ids[2], fly.ids[3]])
    assert run(quiet, steps=10_000, seed=1, spikes=()).count("brain")[0, 0] == 0
    assert mn9 in fly.ids
    for bad, message in (
        ({"drive": []}, "no neurons"),
        ({"drive": [sugar, sugar]}, "named twice"),
        ({"drive": [12]}, "not known; found 12"),
        ({"drive": [sugar], "rate": 0.0}, "out of range; found 0.0 Hz"),
        ({"drive": [sugar], "silence": [13]}, "not known; found 13"),
    ):
        with pytest.raises(NetworkError, match=message):
            shiu_experiment(fly, **bad)


def test_a_made_fly_is_exact_in_size_and_heavy_in_its_tails() -> None:
    one, again, other = (synthetic_fly(s, neurons=3000, edges=120_000) for s in (1, 1, 2))
    assert (one.n, one.n_edges) == (3000, 120_000)
    np.testing.assert_array_equal(one.post, again.post)
    assert not np.array_equal(one.post, other.post)
    assert len(np.unique(one.pre.astype(np.int64) * 3000 + one.post)) == 120_000
    for degree in (one.out_degree, one.in_degree):
        assert degree.max() > 8 * degree.mean()
        assert 0.7 < np.std(np.log(degree[degree > 3])) < 1.1
    together = np.corrcoef(np.log1p(one.out_degree), np.log1p(one.in_degree))[0, 1]
    assert 0.55 < together < 0.85
    assert 3.0 < one.count.mean() < 4.3
    with pytest.raises(NetworkError, match="sizes do not fit"):
        synthetic_fly(1, neurons=10, edges=90)


def test_its_experiment_is_lazy_in_single_precision() -> None:
    fly = synthetic_fly(1, neurons=2000, edges=20_000)
    made = plan(shiu_experiment(fly, fly.ids[:10]), precision="single")
    assert made.populations["brain"].mode == "lazy"
