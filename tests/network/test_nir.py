"""NIR in and out: what each node becomes, what is kept, what is named, what is refused.

Longer than most files: the two directions are tested against each other, for every node type.
"""

from __future__ import annotations

import errno
import json
import os
from itertools import pairwise
from pathlib import Path

import h5py
import hypothesis.strategies as st
import nir
import numpy as np
import pytest
from hypothesis import given, settings

from spikewright.engines.reference import Reference
from spikewright.errors import FormatError, NetworkError, SpikewrightError
from spikewright.network import (
    IF,
    LI,
    LIF,
    AvgPool,
    Compose,
    Conv,
    CubaLI,
    CubaLIF,
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
    Relay,
    Reset,
    Scale,
    Sparse,
    SumPool,
    ThresholdUnit,
)
from spikewright.network.nir import (
    Current,
    Document,
    Graph,
    IfInput,
    Node,
    Status,
    from_nir,
    read_document,
    to_nir,
    write_document,
    write_nir,
)
from spikewright.network.store import load, save
from spikewright.rng import stream
from spikewright.testing.mutation import mutated

F = np.float32


def lif(n: int, **changes: object) -> Node:
    full = {
        "tau": np.full(n, 2e-3, F),
        "r": np.ones(n, F),
        "v_leak": np.zeros(n, F),
        "v_threshold": np.full(n, 0.5, F),
        "v_reset": np.zeros(n, F),
    }
    return Node("LIF", {k: v for k, v in (full | changes).items() if v is not None})


def end(kind: str, *shape: int) -> Node:
    return Node(kind, {"shape": np.asarray(shape, np.int64)})


def linear(post: int, pre: int, seed: int = 0) -> Node:
    return Node("Linear", {"weight": stream(seed, "w").normal(size=(post, pre)).astype(F)})


def affine(post: int, pre: int, seed: int = 0) -> Node:
    draw = stream(seed, "a")
    weight, bias = draw.normal(size=(post, pre)).astype(F), draw.normal(size=post).astype(F)
    return Node("Affine", {"weight": weight, "bias": bias})


def document(nodes: dict[str, Node | Graph], *edges: str) -> Document:
    pairs = tuple(tuple(e.split(">")) for e in edges)
    return Document(Graph(nodes, pairs))  # type: ignore[arg-type]


def chain_of(n_in: int, n_out: int, **nodes: Node) -> Document:
    everything = {"input": end("Input", n_in), **nodes, "output": end("Output", n_out)}
    names = list(everything)
    return document(everything, *(f"{a}>{b}" for a, b in pairwise(names)))


def answer(
    doc: Document | Path, x: np.ndarray, node: str = "output", **options: object
) -> np.ndarray:
    imported = from_nir(doc, **options)  # type: ignore[arg-type]
    inputs = {p: x[:, None] for p in imported.inputs.values()}
    return Reference().run(imported.network, inputs).dense(imported.outputs[node])[:, 0]


def same(a: Node | Graph, b: Node | Graph) -> None:
    assert type(a) is type(b)
    assert set(a.metadata) == set(b.metadata)
    for key, value in a.metadata.items():
        if isinstance(value, dict):
            assert value.keys() == b.metadata[key].keys()
        else:
            assert np.array_equal(value, b.metadata[key])
    if isinstance(a, Graph):
        assert a.edges == b.edges
        assert sorted(a.nodes) == sorted(b.nodes)
        for name in a.nodes:
            same(a.nodes[name], b.nodes[name])
        return
    assert a.kind == b.kind
    assert set(a.params) == set(b.params)
    for key, value in a.params.items():
        other = b.params[key]
        if isinstance(value, str):
            assert value == other
        else:
            assert (value.dtype, value.shape) == (other.dtype, other.shape)  # type: ignore[union-attr]
            assert value.tobytes() == other.tobytes()  # type: ignore[union-attr]


def all_graphs(shared: Path) -> list[Path]:
    found = sorted((shared / "vectors" / "nir").glob("*.nir"))
    found += sorted((shared / "data" / "nir_paper").rglob("*.nir"))
    return [p for p in found if "_subgraph" not in p.name and "rockpool" not in p.name]


# -- round trips ---------------------------------------------------------------------------------------


class TestRoundTrip:
    def test_write_of_read_is_the_same_graph(self, shared: Path, tmp_path: Path) -> None:
        for path in all_graphs(shared)[::3]:
            first = read_document(path)
            write_document(first, tmp_path / "again.nir")
            second = read_document(tmp_path / "again.nir")
            same(first.graph, second.graph)
            assert first.version == second.version

    def test_export_of_import_is_the_same_graph(self, shared: Path, tmp_path: Path) -> None:
        for path in all_graphs(shared):
            imported = from_nir(path)
            report = write_nir(imported.network, tmp_path / "again.nir")
            assert report.is_exact, path
            again = read_document(tmp_path / "again.nir")
            metadata = {k: v for k, v in again.graph.metadata.items() if k not in ADDED}
            same(imported.document.graph, Graph(again.graph.nodes, again.graph.edges, metadata))
            assert float(again.graph.metadata["dt"]) == 1e-4

    def test_through_our_own_format(self, shared: Path, tmp_path: Path) -> None:
        for name in ("nested", "delay_loop", "cnn_if_avg", "conv1d_same_dilated"):
            imported = from_nir(shared / "vectors" / "nir" / f"{name}.nir")
            save(imported.network, tmp_path / "net.h5")
            again = to_nir(load(tmp_path / "net.h5")).document
            assert again is not None
            for place, node in imported.document.graph.nodes.items():
                same(node, again.graph.nodes[place])

    def test_files_open_with_the_nir_package(self, shared: Path, tmp_path: Path) -> None:
        for name in ("mlp_lif", "cnn_if", "nested", "delay_loop", "rec_cubalif"):
            imported = from_nir(shared / "vectors" / "nir" / f"{name}.nir")
            write_nir(imported.network, tmp_path / "out.nir")
            graph = nir.read(tmp_path / "out.nir")
            assert set(graph.nodes) == set(imported.document.graph.nodes)

    def test_files_of_the_nir_package_open_here(self, tmp_path: Path) -> None:
        weight = stream(0, "w").normal(size=(3, 4)).astype(F)
        graph = nir.NIRGraph.from_list(
            nir.Affine(weight=weight, bias=np.zeros(3, F)),
            nir.LIF(np.ones(3), np.ones(3), np.zeros(3), np.ones(3), np.zeros(3)),
        )
        nir.write(tmp_path / "a.nir", graph)
        imported = from_nir(tmp_path / "a.nir")
        assert np.array_equal(imported.network.projections["affine"].topology.weight, weight)
        assert imported.outputs == {"output": "lif"}

    def test_metadata_and_scalars_and_text_are_kept(self, tmp_path: Path) -> None:
        node = Node(
            "LIF",
            {k: np.asarray(v, np.float64) for k, v in
             {"tau": [2e-3], "r": 1.0, "v_leak": [0.0], "v_threshold": [0.5]}.items()},
            {"who": "me", "n": np.asarray(3), "deep": {"x": np.arange(3.0)}},
        )  # fmt: skip
        doc = chain_of(4, 4, cell=node)
        doc = Document(
            Graph(doc.graph.nodes, doc.graph.edges, {"tags": np.array(["a", "ö"], object)})
        )
        write_document(doc, tmp_path / "m.nir")
        same(doc.graph, read_document(tmp_path / "m.nir").graph)
        imported = from_nir(tmp_path / "m.nir")
        write_nir(imported.network, tmp_path / "n.nir")
        again = read_document(tmp_path / "n.nir")
        same(doc.graph.nodes["cell"], again.graph.nodes["cell"])
        assert list(again.graph.metadata["tags"]) == ["a", "ö"]
        assert "v_reset" not in again.graph.nodes["cell"].params
        assert "broadcast" in imported.report.note("cell")
        assert "no v_reset: 0" in imported.report.note("cell")

    def test_trained_weights_go_under_the_old_names(self, tmp_path: Path) -> None:
        doc = chain_of(4, 2, fc=affine(3, 4), cell=lif(3), ro=linear(2, 3))
        network = from_nir(doc).network
        new = np.full((3, 4), 0.1)
        network = network.with_weights({"fc": new})
        exported = to_nir(network)
        assert exported.document is not None
        node = exported.document.graph.nodes["fc"]
        assert isinstance(node, Node)
        assert np.array_equal(node.params["weight"], new.astype(F))
        same(doc.graph.nodes["ro"], exported.document.graph.nodes["ro"])
        assert exported.report.note("fc") == "weight rounded to float32"
        assert exported.report.of(Status.CHANGED)[0].name == "fc"

    def test_learned_bias_makes_affine_of_linear(self) -> None:
        network = from_nir(chain_of(4, 3, fc=linear(3, 4), cell=lif(3))).network
        fc = network.projections["fc"]
        biased = Projection(fc.pre, fc.post, fc.topology, fc.port, fc.delay, np.ones(3))
        exported = to_nir(network.replacing(projections={"fc": biased}))
        assert exported.document is not None
        assert exported.document.graph.nodes["fc"].kind == "Affine"  # type: ignore[union-attr]
        assert "became Affine" in exported.report.note("fc")

    def test_parameter_that_differs_between_neurons_now(self) -> None:
        cell = lif(3, tau=np.full(1, 2e-3, F))
        network = from_nir(chain_of(3, 3, cell=cell)).network
        old = network.populations["cell"]
        params = dict(old.params) | {"tau_m": np.array([1e-3, 2e-3, 4e-3], F)}
        changed = Population(old.model, old.shape, params, old.initial, old.method)
        exported = to_nir(network.replacing(populations={"cell": changed}))
        assert exported.document is not None
        assert exported.document.graph.nodes["cell"].params["tau"].shape == (3,)  # type: ignore[union-attr]
        assert "differs between neurons now" in exported.report.note("cell")

    def test_changed_structure_is_written_anew_and_said(self) -> None:
        network = from_nir(chain_of(4, 3, fc=linear(3, 4), cell=lif(3))).network
        grown = network.replacing(
            populations={"more": Population(LIF, 3, {"v_rest": 0.0})},
            projections={"extra": Projection("cell", "more", Dense(np.eye(3)), "i")},
        )
        report = to_nir(grown).report
        assert "'more' is new since the import" in str(report)

    def test_damaged_origin(self) -> None:
        network = from_nir(chain_of(4, 3, fc=linear(3, 4), cell=lif(3))).network
        broken = network.replacing(metadata={"nir": {"form": 1, "graph": 3}})
        with pytest.raises(FormatError, match="not the description of an NIR document"):
            to_nir(broken)


ADDED = {"dt", "current", "reset"}


# -- meaning -------------------------------------------------------------------------------------------


class TestMeaning:
    x = (stream(5, "x").random((60, 4)) < 0.4).astype(float)

    def test_paths_fuse(self) -> None:
        conv = Node(
            "Conv2d",
            {
                "weight": stream(0, "c").normal(size=(2, 1, 3, 3)).astype(F), "bias": np.zeros(2, F),
                "stride": np.asarray(1), "padding": "same", "dilation": np.asarray(1),
                "groups": np.asarray(1),
            },
        )  # fmt: skip
        pool = Node("SumPool2d", {k: np.full(2, v) for k, v in
                                  {"kernel_size": 2, "stride": 2, "padding": 0}.items()})  # fmt: skip
        flat = Node("Flatten", {"start_dim": np.asarray(0), "end_dim": np.asarray(-1)})
        nodes = {"input": end("Input", 1, 6, 6), "conv": conv, "pool": pool, "flat": flat,
                 "cell": lif(18), "output": end("Output", 18)}  # fmt: skip
        names = list(nodes)
        doc = document(nodes, *(f"{a}>{b}" for a, b in pairwise(names)))
        network = from_nir(doc).network
        assert list(network.populations) == ["input", "cell"]
        topology = network.projections["conv"].topology
        assert isinstance(topology, Compose)
        assert [m.kind for m in topology.maps] == ["conv", "sum_pool", "flatten"]

    def test_bias_in_the_middle_makes_a_relay(self) -> None:
        doc = chain_of(4, 2, fc=affine(3, 4), ro=linear(2, 3))
        network = from_nir(doc).network
        assert network.populations["fc"].model == Relay
        fc, ro = doc.graph.nodes["fc"], doc.graph.nodes["ro"]
        wanted = (self.x @ fc.array("weight").T + fc.array("bias")) @ ro.array("weight").T  # type: ignore[union-attr]
        assert np.allclose(answer(doc, self.x), wanted, atol=1e-6)

    def test_fan_in_and_fan_out_of_a_linear_node(self) -> None:
        doc = document(
            {"a": end("Input", 4), "b": end("Input", 4), "w": linear(3, 4), "p": lif(3),
             "q": linear(2, 3), "p_out": end("Output", 3), "q_out": end("Output", 2),
             "w_out": end("Output", 3)},
            "a>w", "b>w", "w>p", "w>q", "p>p_out", "q>q_out", "w>w_out",
        )  # fmt: skip
        weight = doc.graph.nodes["w"].array("weight")  # type: ignore[union-attr]
        assert np.allclose(answer(doc, self.x, "w_out"), 2 * self.x @ weight.T, atol=1e-6)
        alone = chain_of(4, 3, w=Node("Linear", {"weight": 2 * weight}), p=lif(3))
        assert np.array_equal(answer(doc, self.x, "p_out"), answer(alone, self.x))

    def test_duplicate_edges_add(self) -> None:
        doc = document(
            {"input": end("Input", 4), "output": end("Output", 4)}, "input>output", "input>output"
        )
        assert np.array_equal(answer(doc, self.x), 2 * self.x)

    def test_closing_edge_with_a_bias_carries_nothing_at_first(self) -> None:
        rec = Node("Affine", {"weight": np.zeros((4, 4), F), "bias": np.full(4, 0.25, F)})
        one = Node("I", {"r": np.full(4, 1e4, F)})
        doc = document(
            {"input": end("Input", 4), "v": one, "rec": rec, "output": end("Output", 4)},
            "input>v", "v>rec", "rec>v", "v>output",
        )  # fmt: skip
        got = answer(doc, np.zeros((5, 4)))
        assert np.allclose(got[:, 0], 0.25 * np.arange(5))

    @settings(max_examples=12)
    @given(st.permutations(["input>a", "a>b", "b>a", "b>c", "c>a", "a>output"]))
    def test_closing_edges_do_not_depend_on_the_order_of_edges(self, edges: list[str]) -> None:
        nodes = {"input": end("Input", 4), "a": lif(4), "b": linear(4, 4, 1), "c": linear(4, 4, 2),
                 "output": end("Output", 4)}  # fmt: skip
        base = document(nodes, "input>a", "a>b", "b>a", "b>c", "c>a", "a>output")
        x = self.x[:25]
        assert np.array_equal(answer(document(nodes, *edges), x), answer(base, x))

    def test_if_input(self) -> None:
        def graph(r: float) -> Document:
            cell = {
                "r": np.full(4, r, F),
                "v_threshold": np.full(4, 2.5, F),
                "v_reset": np.zeros(4, F),
            }
            return chain_of(4, 4, cell=Node("IF", cell))

        ones = np.ones((9, 4))
        impulse = answer(graph(1.0), ones, dt=1e-3)
        assert list(np.flatnonzero(impulse[:, 0])) == [2, 5, 8]
        assert np.array_equal(answer(graph(1000.0), ones, dt=1e-3), impulse)
        assert not answer(graph(1.0), ones, dt=1e-3, if_input=IfInput.CURRENT).any()
        doubled = answer(graph(2.0), ones, dt=1e-3, if_input=IfInput.IMPULSE)
        assert list(np.flatnonzero(doubled[:, 0])) == [1, 3, 5, 7]
        assert "impulse" in from_nir(graph(1.0)).report.note("cell")
        assert "1/dt" in from_nir(graph(1e4)).report.note("cell")
        assert "because r is not 1" in from_nir(graph(3.0)).report.note("cell")
        again = to_nir(from_nir(graph(2.0), if_input=IfInput.IMPULSE).network)
        assert again.document is not None
        same(graph(2.0).graph.nodes["cell"], again.document.graph.nodes["cell"])

    def test_reset_by_subtraction(self) -> None:
        doc = chain_of(4, 4, cell=Node("IF", {"r": np.ones(4), "v_threshold": np.full(4, 1.5)}))
        ones = np.ones((6, 4))
        assert list(np.flatnonzero(answer(doc, ones)[:, 0])) == [1, 3, 5]
        assert list(np.flatnonzero(answer(doc, ones, reset=Reset.SUBTRACT)[:, 0])) == [1, 3, 4]
        imported = from_nir(doc, reset=Reset.SUBTRACT)
        assert imported.report.of(Status.CHANGED)[0].name == "cell"
        exported = to_nir(imported.network)
        assert "v_reset" in exported.report.note("cell")
        assert exported.document is not None
        assert from_nir(exported.document).report.settings["reset"] == "subtract"
        with pytest.raises(NetworkError, match="not a reset of NIR"):
            from_nir(doc, reset=Reset.OTHER)

    def test_dt(self) -> None:
        doc = chain_of(4, 4, cell=lif(4))
        assert from_nir(doc).network.dt == 1e-4
        assert "the default" in from_nir(doc).report.settings["dt"]
        stored = to_nir(from_nir(doc, dt=5e-4).network).document
        assert stored is not None
        assert from_nir(stored).network.dt == 5e-4
        assert from_nir(stored, dt=1e-3).network.dt == 1e-3
        with pytest.raises(NetworkError, match="must be positive; found -1"):
            from_nir(doc, dt=-1)

    def test_delay_is_rounded_and_says_so(self) -> None:
        exact = chain_of(4, 4, d=Node("Delay", {"delay": np.array([0, 1e-4, 3e-4, 2e-4], F)}))
        got = answer(exact, self.x)
        assert from_nir(exact).report.is_exact
        for j, steps in enumerate((0, 1, 3, 2)):
            assert np.array_equal(got[steps:, j], self.x[: len(got) - steps, j])
        off = chain_of(4, 4, d=Node("Delay", {"delay": np.array([1.4e-4], F)}))
        finding = from_nir(off).report.of(Status.CHANGED)[0]
        assert finding.name == "d"
        assert "rounded to whole steps" in finding.note
        again = to_nir(from_nir(off).network).document
        assert again is not None
        same(off.graph.nodes["d"], again.graph.nodes["d"])

    def test_nested_graph_and_dots_in_names(self) -> None:
        inner = Graph(
            {"input": end("Input", 4), "x.y": lif(4), "output": end("Output", 4)},
            (("input", "x.y"), ("x.y", "output")),
        )
        doc = document(
            {"input": end("Input", 4), "g": inner, "g.x.y": lif(4), "output": end("Output", 4)},
            "input>g", "g>g.x.y", "g.x.y>output",
        )  # fmt: skip
        imported = from_nir(doc)
        assert imported.network.n_neurons == 12
        again = to_nir(imported.network).document
        assert again is not None
        same(doc.graph.nodes["g"], again.graph.nodes["g"])

    def test_output_of_a_neuron_is_the_neuron(self) -> None:
        imported = from_nir(chain_of(4, 4, cell=lif(4)))
        assert imported.network.outputs == ("cell",)
        assert imported.network.propagation is Propagation.SAME_STEP
        assert imported.inputs == {"input": "input"}


# -- export of networks that never were NIR ------------------------------------------------------------


def native(
    first: NeuronModel, second: NeuronModel, method: Method, *, recurrent: bool, skip: bool
) -> Network:
    draw = stream(3, "native")

    def weights(*shape: int) -> Dense:
        return Dense(draw.normal(0.2, 0.5, shape).astype(F))

    params = {"tau_m": 2.0**-7} if "tau_m" in first.params else {}
    populations = {
        "in": Population(Input, 5),
        "hid": Population(first, 6, params, method=method),
        "out": Population(second, 3, params, method=method),
    }
    projections = {
        "a": Projection("in", "hid", weights(6, 5)),
        "b": Projection("hid", "out", weights(3, 6)),
    }
    if recurrent:
        projections["r"] = Projection("hid", "hid", weights(6, 6), delay=2e-3)
    if skip:
        projections["s"] = Projection("in", "out", weights(3, 5), delay=1e-3)
    return Network(dt=1e-3, populations=populations, projections=projections)


class TestNative:
    x = (stream(7, "x").random((60, 2, 5)) < 0.3) * 1.0

    @pytest.mark.parametrize("model", [LIF, IF, LIF.resetting(Reset.SUBTRACT)])
    @pytest.mark.parametrize("method", [Method.AUTO, Method.EULER])
    @pytest.mark.parametrize("retime", [True, False])
    @pytest.mark.parametrize(("recurrent", "skip"), [(False, False), (True, False), (True, True)])
    def test_spikes_are_those_of_the_network(
        self, model: NeuronModel, method: Method, retime: bool, recurrent: bool, skip: bool, tmp_path: Path
    ) -> None:  # fmt: skip
        network = native(model, model, method, recurrent=recurrent, skip=skip)
        report = write_nir(network, tmp_path / "n.nir", retime=retime)
        nir.read(tmp_path / "n.nir")
        imported = from_nir(tmp_path / "n.nir")
        ours = Reference().run(network, {"in": self.x}).dense("out")
        theirs = Reference().run(imported.network, {"in": self.x}).dense(imported.outputs["output"])
        early = 1 if retime and not skip else 0
        assert ours.any()
        assert np.array_equal(ours[early:], theirs[: len(theirs) - early])
        assert ("1 step earlier" in str(report)) == bool(early)

    def test_synaptic_current_is_the_same_for_the_sequential_step(self) -> None:
        network = native(CubaLIF, CubaLI, Method.SEQUENTIAL_EULER, recurrent=True, skip=False)
        exported = to_nir(network)
        assert exported.document is not None
        imported = from_nir(exported.document)
        ours = Reference().run(network, {"in": self.x}).dense("out")
        theirs = Reference().run(imported.network, {"in": self.x}).dense("out")
        assert np.allclose(ours[1:], theirs[:-1], atol=1e-6)

    def test_error_of_the_exact_step_is_of_order_dt(self) -> None:
        def error(dt: float) -> float:
            cell = {"tau_m": 20e-3, "tau_s": 5e-3}
            network = Network(
                dt=dt,
                populations={"in": Population(Input, 1), "out": Population(CubaLI, 1, cell)},
                projections={"w": Projection("in", "out", Dense([[1.0]]))},
            )
            exported = to_nir(network)
            assert exported.document is not None
            assert "same charge" in exported.report.note("out")
            x = np.zeros((round(20e-3 / dt), 1, 1))
            x[0] = 1
            ours = Reference().run(network, {"in": x}).dense("out")
            theirs = Reference().run(from_nir(exported.document).network, {"in": x}).dense("out")
            return float(np.abs(ours - theirs).max())

        slope = np.log2(error(1e-3) / error(0.5e-3))
        assert 0.8 < slope < 1.2

    def test_every_map(self, tmp_path: Path) -> None:
        draw = stream(1, "maps")
        network = Network(
            dt=1e-3,
            populations={
                "in": Population(Input, (2, 8, 8)),
                "a": Population(LIF, (3, 8, 8), {"tau_m": 2e-3}),
                "b": Population(IF, (3, 4, 4)),
                "c": Population(ThresholdUnit, 5),
                "d": Population(LI, 5),
                "e": Population(LI, 4),
            },
            projections={
                "conv": Projection(
                    "in", "a", Conv(draw.normal(2, 1, (3, 2, 2, 2)), padding=Conv.same((2, 2))), "i",
                    0.0, np.broadcast_to(np.arange(3.0)[:, None, None], (3, 8, 8)),
                ),
                "pool": Projection("a", "b", AvgPool(2)),
                "fc": Projection("b", "c", Compose((SumPool(2), Flatten(), Dense(draw.random((5, 12))))),
                                 bias=np.full(5, 0.5)),
                "own": Projection("c", "d", Scale(np.arange(5.0)), "i", 3e-3),
                "one": Projection("c", "d", OneToOne(), "spikes"),
                "few": Projection("c", "e", Sparse.from_edges([0, 2], [1, 3], [0.5, -1], n_pre=5, n_post=4)),
            },
        )  # fmt: skip
        report = write_nir(network, tmp_path / "m.nir", retime=False)
        nir.read(tmp_path / "m.nir")
        imported = from_nir(tmp_path / "m.nir")
        x = (draw.random((30, 1, 2, 8, 8)) < 0.2) * 1.0
        ours = Reference().run(network, {"in": x})
        theirs = Reference().run(imported.network, {"in": x})
        for name in ("d", "e"):
            got = theirs.dense(imported.outputs[f"output_{name}"])
            assert np.allclose(ours.dense(name), got, atol=1e-4)
        assert ours.dense("d").any()
        assert "sparse map written as a matrix" in report.note("few")
        assert "float32" in report.note("conv")

    def test_what_nir_cannot_say_is_named(self) -> None:
        cell = {"t_ref": 3e-3, "v_rest": -0.5}
        network = Network(
            dt=1e-3, populations={"n": Population(LIF.resetting(Reset.SUBTRACT), 2, cell)}
        )
        note = to_nir(network).report.note("n")
        for words in ("refractory period of 0.003 s is left out", "subtracts the threshold",
                      "v starts at 0 in NIR, not at -0.5"):  # fmt: skip
            assert words in note
        rk4 = Network(dt=1e-3, populations={"n": Population(LIF, 2, method=Method.RK4)})
        assert "stepped by rk4 here" in to_nir(rk4).report.note("n")

    def test_what_is_refused_is_named(self, tmp_path: Path) -> None:
        mine = LIF.variant("Mine", dynamics={"v": "-v * v / (tau_m * v_th)"})
        network = Network(
            dt=1e-3,
            populations={"n": Population(mine, 4), "m": Population(CubaLIF, 4), "k": Population(LIF, (2, 2))},
            projections={
                "late": Projection("n", "n", Dense(np.ones((4, 4))), delay=np.arange(16).reshape(4, 4) * 1e-3),
                "ext": Projection("n", "m", OneToOne(), "i_ext"),
                "back": Projection("m", "k", Dense(np.ones((4, 4)))),
            },
        )  # fmt: skip
        exported = to_nir(network)
        assert exported.document is None
        report = exported.report
        assert "no node for this model" in report.note("n")
        assert "delays that differ" in report.note("late")
        assert "i_ext" in report.note("m")
        assert "cannot reshape back" in report.note("back")
        with pytest.raises(NetworkError, match="NIR cannot say 4 parts of it"):
            write_nir(network, tmp_path / "no.nir")
        assert not list(tmp_path.iterdir())

    def test_float32_overflow_is_refused(self) -> None:
        network = Network(dt=1e-3, populations={"n": Population(LIF, 1, {"v_th": 1e300})})
        assert "does not fit float32" in to_nir(network).report.note("n")


# -- bad files -----------------------------------------------------------------------------------------


def refused(doc: Document, *words: str) -> None:
    with pytest.raises(FormatError) as caught:
        from_nir(doc)
    for word in words:
        assert word in str(caught.value), str(caught.value)


class TestBadInput:
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "good.nir"
        write_document(chain_of(4, 2, fc=affine(3, 4), cell=lif(3), ro=linear(2, 3)), path)
        return path

    def broken(self, tmp_path: Path, change: object, *words: str) -> None:
        path = self.file(tmp_path)
        with h5py.File(path, "a") as file:
            change(file)  # type: ignore[operator]
        with pytest.raises(FormatError) as caught:
            from_nir(path)
        for word in (str(path), *words):
            assert word in str(caught.value), str(caught.value)

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        (tmp_path / "text.nir").write_text("not a graph")
        (tmp_path / "empty.nir").write_bytes(b"")
        cut = self.file(tmp_path).read_bytes()
        (tmp_path / "cut.nir").write_bytes(cut[: len(cut) // 2])
        for name, word in (("text", "not a whole HDF5 file"), ("empty", "not a whole HDF5 file"),
                           ("cut", "truncated"), ("none", "no such file")):  # fmt: skip
            with pytest.raises(FormatError, match=word):
                from_nir(tmp_path / f"{name}.nir")
        with pytest.raises(FormatError, match="a folder"):
            from_nir(tmp_path)
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["x"] = 1
        with pytest.raises(FormatError, match="not an NIR graph; found x"):
            from_nir(tmp_path / "other.h5")

    def test_parts_that_are_wrong(self, tmp_path: Path) -> None:
        def put(name: str, value: object) -> object:
            def change(file: h5py.File) -> None:
                del file[f"node/{name}"]
                file[f"node/{name}"] = value

            return change

        def drop(name: str) -> object:
            def change(file: h5py.File) -> None:
                del file[f"node/{name}"]

            return change

        self.broken(tmp_path, put("nodes/cell/type", "Izhikevich"),
                    "/node/nodes/cell", "unknown node type 'Izhikevich'", "CubaLIF")  # fmt: skip
        self.broken(tmp_path, drop("nodes/cell/tau"), "LIF has no tau")
        self.broken(tmp_path, drop("nodes/cell/type"), "/node/nodes/cell", "has no type")
        self.broken(tmp_path, drop("edges"), "a graph without edges")
        self.broken(tmp_path, put("nodes/cell/tau", np.array([1, np.nan, 1])),
                    "/node/nodes/cell/tau", "not finite", "nan at index 1")  # fmt: skip
        self.broken(tmp_path, put("nodes/cell/tau", np.zeros(3)), "tau must be positive")
        self.broken(tmp_path, put("nodes/cell/tau", "slow"), "/node/nodes/cell/tau", "not numbers")
        self.broken(tmp_path, put("nodes/cell/r", np.ones(5)), "cell")
        self.broken(tmp_path, put("nodes/cell/type", 3), "not text")
        self.broken(tmp_path, put("nodes/output/shape", [2, 1]), "'ro' -> 'output'",
                    "types do not match", "gives shape (2,)", "expected (2, 1)")  # fmt: skip
        self.broken(tmp_path, put("nodes/input/shape", [4.5]), "not whole numbers")
        self.broken(tmp_path, put("nodes/input/shape", [-4]), "impossible shape")
        self.broken(tmp_path, put("nodes/input/shape", [2**40]), "268435456 in all at most")
        self.broken(tmp_path, put("nodes/fc/bias", np.zeros(7)), "bias has shape (7,)")
        self.broken(tmp_path, put("edges", [["input", "gone"]]), "names 'gone'", "not a node")
        self.broken(tmp_path, put("edges", [["input", "fc", "cell"]]), "wrong shape")
        self.broken(tmp_path, put("nodes/cell", 1), "found an array, expected a group")
        self.broken(tmp_path, lambda f: f["node/nodes/cell"].create_dataset("t_ref", data=1.0),
                    "LIF has no parameter t_ref")  # fmt: skip

    def test_files_that_reach_out(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret.h5"
        with h5py.File(secret, "w") as file:
            file["tau"] = np.ones(3)

        def link(file: h5py.File) -> None:
            del file["node/nodes/cell/tau"]
            file["node/nodes/cell/tau"] = h5py.ExternalLink(str(secret), "/tau")

        def outside(file: h5py.File) -> None:
            del file["node/nodes/cell/tau"]
            (tmp_path / "raw").write_bytes(bytes(64))
            file["node/nodes/cell"].create_dataset(
                "tau", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 64)]
            )

        def itself(file: h5py.File) -> None:
            del file["node/nodes/cell"]
            file["node/nodes/cell"] = file["node"]

        self.broken(tmp_path, link, "a link to another place or file")
        self.broken(tmp_path, outside, "kept in another file")
        self.broken(tmp_path, itself, "nested too deeply")

    def test_declared_gigabytes(self, tmp_path: Path) -> None:
        def huge(file: h5py.File) -> None:
            del file["node/nodes/fc/weight"]
            file["node/nodes/fc"].create_dataset(
                "weight", (10**6, 10**6), "f4", chunks=(100, 100), compression="gzip"
            )

        self.broken(tmp_path, huge, "/node/nodes/fc/weight", "declares 3725.3 GiB")

    def test_graphs_that_do_not_fit(self) -> None:
        good = {"input": end("Input", 4), "fc": linear(3, 4), "output": end("Output", 3)}
        refused(document(good, "input>fc", "fc>output", "fc>input"), "enters an Input")
        refused(document(good, "input>output"), "types do not match", "(4,)", "(3,)")
        refused(document(good, "input>fc", "fc>nowhere"), "no node 'nowhere'")
        conv = {"weight": np.ones((2, 1, 3)), "bias": np.zeros(2), "stride": np.asarray(2),
                "padding": "same", "dilation": np.asarray(1), "groups": np.asarray(1)}  # fmt: skip
        nodes = {
            "input": end("Input", 1, 9),
            "c": Node("Conv1d", conv),
            "output": end("Output", 2, 9),
        }
        refused(document(nodes, "input>c", "c>output"), "node 'c' (Conv1d)", "stride 1")
        nodes["c"] = Node("Conv1d", conv | {"padding": "full"})
        refused(document(nodes, "input>c", "c>output"), "padding 'full' is not known")
        nodes["c"] = Node("Conv1d", conv | {"weight": np.ones((2, 1))})
        refused(document(nodes, "input>c", "c>output"), "weight must be")
        two = Graph({"a": end("Input", 4), "b": end("Input", 4)}, ())
        refused(document({"g": two}), "one Input and one Output; found 2 and 0")
        refused(document({"input": end("Input", 4), "d": Node("Delay", {"delay": np.full(4, -1.0)})},
                         "input>d"), "must not be negative")  # fmt: skip

    def test_full_disk_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        network = from_nir(chain_of(4, 4, cell=lif(4))).network

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(
            FormatError, match=r"(?i)cannot be written: no space left.*nothing was changed"
        ):
            write_nir(network, tmp_path / "n.nir")
        assert not list(tmp_path.iterdir())

    def test_names_that_hdf5_has_not(self, tmp_path: Path) -> None:
        doc = document({".": end("Input", 4)})
        with pytest.raises(FormatError, match="cannot be written as NIR"):
            write_document(doc, tmp_path / "n.nir")
        network = Network(dt=1e-3, populations={".": Population(Input, 2)})
        write_nir(network, tmp_path / "m.nir")
        assert "node." in read_document(tmp_path / "m.nir").graph.nodes

    def test_damaged_files(self, tmp_path: Path) -> None:
        data = self.file(tmp_path).read_bytes()
        path = tmp_path / "bad.nir"
        outcomes = {"read": 0, "refused": 0}
        for seed in range(200):
            path.write_bytes(mutated(data, seed))
            try:
                from_nir(path)
                outcomes["read"] += 1
            except SpikewrightError:
                outcomes["refused"] += 1
        assert outcomes["refused"] > 50


class TestReport:
    def test_says_every_node(self) -> None:
        imported = from_nir(chain_of(4, 2, fc=affine(3, 4), cell=lif(3), ro=linear(2, 3)))
        assert [f.name for f in imported.report.findings] == ["input", "fc", "cell", "ro", "output"]
        assert str(imported.report).splitlines()[1] == "exact    input (Input)"

    def test_metadata_are_plain_data(self) -> None:
        metadata = from_nir(chain_of(4, 4, cell=lif(4))).network.metadata
        assert json.loads(json.dumps(dict(metadata))) == dict(metadata)

    @pytest.mark.parametrize("current", list(Current))
    def test_names_the_reading(self, current: Current) -> None:
        doc = chain_of(4, 3, fc=linear(3, 4), cell=lif(3))
        assert from_nir(doc, current=current).report.settings["current"] == current.value
