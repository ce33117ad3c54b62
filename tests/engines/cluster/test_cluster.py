"""The contract of engines on one rank and on three that are threads; what ranks agree on; how they stop together."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spikewright import engines
from spikewright.engines.checkpoint import load_state
from spikewright.engines.cluster import Cluster, ranks, run
from spikewright.engines.cluster.build import block
from spikewright.engines.cluster.ranks import Stopped
from spikewright.engines.cpu import Cpu
from spikewright.engines.record import Record
from spikewright.engines.recorder import read_recording
from spikewright.engines.recording import Recording
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError, MissingExtra
from spikewright.network import (
    LIF,
    CubaLIF,
    Dense,
    Input,
    Network,
    Normal,
    Population,
    Projection,
    Propagation,
    Rule,
)
from spikewright.network.plasticity import RULES, GapJunction
from spikewright.testing.engine_suite import EngineSuite, assert_same, spikes_in, weights_in
from spikewright.testing.ranks import balanced, on_ranks
from spikewright.testing.synapses import CASES, case


def together(size: int, *given: Any, gather: bool = True, **options: Any) -> list[Any]:
    """Run on `size` ranks; return what each returns, or raise rank 0's error."""
    found = on_ranks(size, lambda comm: Cluster(comm, gather=gather).run(*given, **options))
    if isinstance(found[0], Exception):
        raise found[0]
    return found


class TestCluster(EngineSuite):
    """One rank; every model of the library runs on three, below."""

    engine = Cluster
    test_library_model = None  # type: ignore[assignment]


class TestThreeRanks(EngineSuite):
    """Populations of the suite have four neurons: every rank owns one or two."""

    engine = Cluster

    def run(
        self, network: Network, inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> Recording:
        try:
            found: Recording = together(3, network, inputs, **options)[0]
        except EngineError as error:
            if "on other ranks without delay" not in str(error):
                raise
            # what several ranks refuse, one rank runs
            return Cluster().run(network, inputs, **options)
        return found


RECORD: dict[str, Any] = {"exc": Record(("v", "output"), neurons=[70, 3, 119], every=7)}


class TestOneResult:
    @pytest.mark.parametrize("size", [2, 4])
    def test_balanced_network(self, size: int) -> None:
        options: dict[str, Any] = {"steps": 600, "seed": 3, "record": RECORD}
        expected = Cpu().run(balanced(), **options)
        assert expected.sent["exc"].sum() > 100
        found = together(size, balanced(), **options)
        assert_same(found[0], expected)
        for rank, own in enumerate(found[1:], 1):
            low, high = block(120, rank, size)
            assert own.spikes["exc"].n == 0
            assert np.array_equal(own.sent["exc"][:, low:high], expected.sent["exc"][:, low:high])
            assert own.sent["exc"].sum() == expected.sent["exc"][:, low:high].sum()

    def test_delays_and_weights_that_are_drawn(self) -> None:
        network = balanced(late=Normal(1.5e-3, 0.7e-3, low=1e-4))
        options: dict[str, Any] = {"steps": 300, "precision": "single", "batch": 2}
        assert_same(together(3, network, **options)[0], Cpu().run(network, **options))

    def test_threads_of_each_rank(self) -> None:
        network = balanced(400)
        found = together(2, network, steps=300, threads=2)[0]
        assert_same(found, Cpu().run(network, steps=300, threads=1))

    def test_more_spikes_than_a_message_holds(self) -> None:
        network = balanced(4000).replacing(projections=balanced(4000).projections, drives={})
        burst = {"exc.spikes": np.zeros((40, 1, 3200))}
        burst["exc.spikes"][5] = 0.03
        found = together(2, network, burst)
        assert found[0].activity["exc"].max() == 3200
        assert_same(found[0], Cpu().run(network, burst))

    @pytest.mark.parametrize("name", CASES)
    def test_every_rule(self, name: str) -> None:
        network, inputs = case(RULES[name])
        record = {n: (*p.model.state, "output") for n, p in network.populations.items()}
        if RULES[name].current:
            with pytest.raises(EngineError, match="lets currents flow at every step, across ranks"):
                together(3, network, inputs)
            return
        expected = Reference().run(network, inputs, record=record)
        assert_same(together(3, network, inputs, record=record)[0], expected)
        first = together(2, network, {n: x[:47] for n, x in inputs.items()})[0].state
        rest = {n: x[47:] for n, x in inputs.items()}
        second = together(3, network, rest, state=first)[0]
        for variable, values in expected.state.synapses["s"].values.items():
            assert np.array_equal(second.state.synapses["s"].values[variable], values)

    def test_plastic_balanced_network(self) -> None:
        network = balanced(plastic=True)
        expected = Cpu().run(network, steps=600)
        assert_same(together(3, network, steps=600)[0], expected)
        start = network.projections["exc->exc"].topology.synapses((120,)).weight
        assert np.any(expected.state.synapses["exc->exc"].values["w"] != start)

    def test_each_rank_goes_on_from_its_own_state(self) -> None:
        network = balanced()

        def twice(comm: Any) -> Recording:
            engine = Cluster(comm)
            prepared = engine.prepare(network)
            state = engine.run(prepared, steps=211, seed=1).state
            return engine.run(prepared, steps=189, seed=1, state=state)

        whole = Cpu().run(network, steps=400, seed=1)
        found = on_ranks(3, twice)[0]
        assert np.array_equal(found.state.values["inh"]["v"], whole.state.values["inh"]["v"])
        late = whole.spikes["exc"].step >= 211
        assert np.array_equal(found.spikes["exc"].address, whole.spikes["exc"].address[late])

    def test_recordings_kept_by_each_rank(self) -> None:
        options: dict[str, Any] = {"steps": 300, "record": {"exc": ("v",)} | {"inh": RECORD["exc"]}}
        options["record"]["inh"] = Record("v", neurons=[20, 1], every=5)
        expected = Cpu().run(balanced(), **options)
        found = together(3, balanced(), gather=False, **options)
        parts = [own.trace("exc", "v") for own in found]
        assert np.array_equal(np.concatenate(parts, axis=-1), expected.trace("exc", "v"))
        for rank, own in enumerate(found):
            low, high = block(120, rank, 3)
            assert own.trace_neurons("exc").tolist() == list(range(low, high))
            mine = (expected.spikes["exc"].address >= low) & (expected.spikes["exc"].address < high)
            assert np.array_equal(own.spikes["exc"].step, expected.spikes["exc"].step[mine])
        inh = [own.trace_neurons("inh").tolist() for own in found]
        assert inh == [[1], [], [20]]
        assert np.array_equal(
            found[2].trace("inh", "v")[..., 0], expected.trace("inh", "v")[..., 0]
        )

    def test_a_rank_stores_its_own_synapses(self) -> None:
        network = balanced(400)
        whole = Cpu().prepare(network, threads=1).own
        found = on_ranks(4, lambda comm: Cluster(comm).prepare(network).own)
        for name, stored in whole.stored.items():
            assert sum(own.stored[name].n for own in found) == stored.n
            assert max(own.stored[name].n for own in found) == stored.n // 4


class TestKeeping:
    def test_a_checkpoint_is_taken_up_by_any_number_of_ranks(self, tmp_path: Path) -> None:
        network = balanced()
        expected = Cpu().run(network, steps=500, seed=2)
        kept: dict[str, Any] = {"file": tmp_path / "r.h5", "checkpoint": tmp_path / "c.h5"}
        seen: list[int] = []
        together(3, network, steps=230, seed=2, progress=seen.append, **kept)
        assert seen[-1] == 230
        assert load_state(kept["checkpoint"], network, seed=2).step == 230
        found = together(2, network, steps=500, seed=2, **kept)[0]
        assert np.array_equal(found.spikes["exc"].address, expected.spikes["exc"].address)
        assert np.array_equal(found.state.values["exc"]["v"], expected.state.values["exc"]["v"])
        assert read_recording(kept["file"]).steps == 500

    def test_ranks_that_keep_their_own(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match="rank 0 does this, and needs the whole recording"):
            together(2, balanced(), steps=5, gather=False, file=tmp_path / "r.h5")

    def test_a_full_disk_on_rank_0_stops_all(self, tmp_path: Path) -> None:
        place = tmp_path / "no" / "r.h5"
        found = on_ranks(2, lambda comm: Cluster(comm).run(balanced(), steps=50, file=place))
        assert "cannot" in str(found[0]) or "no such" in str(found[0]).lower()
        assert isinstance(found[1], Stopped)
        assert str(found[0])[:40] in str(found[1])


class TestStopping:
    def test_an_error_of_one_rank_stops_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        advance = run.ClusterRun.chunk

        def failing(self: run.ClusterRun, step: int, steps: int) -> None:
            if self.ranks.rank == 1 and step > 0:
                raise MemoryError("no room on rank 1")
            advance(self, step, steps)

        network = balanced()

        def once_more(comm: Any) -> tuple[Any, Any]:
            engine = Cluster(comm)
            try:
                first: Any = engine.run(network, steps=1000)
            except (MemoryError, EngineError) as error:
                first = error
            return first, engine.run(network, steps=100)

        monkeypatch.setattr(run.ClusterRun, "chunk", failing)
        found = on_ranks(3, once_more)
        for rank in (0, 2):
            assert isinstance(found[rank][0], Stopped)
            message = "cluster: rank 1 of 3 stopped the run: MemoryError: no room on rank 1"
            assert str(found[rank][0]) == message
        assert str(found[1][0]) == "no room on rank 1"
        assert_same(found[0][1], Cpu().run(network, steps=100))

    def test_a_bad_argument_is_told_by_every_rank(self) -> None:
        found = on_ranks(2, lambda comm: Cluster(comm).run(balanced(), steps=-1))
        assert all(str(error).startswith("run: needs steps and samples") for error in found)

    def test_a_bad_argument_of_one_rank(self) -> None:
        def different(comm: Any) -> Recording:
            return Cluster(comm).run(balanced(), steps=10 - 11 * comm.rank)

        found = on_ranks(2, different)
        assert str(found[0]).startswith(
            "cluster: rank 1 of 2 stopped the run: EngineError: run: needs"
        )

    def test_ranks_with_different_runs(self) -> None:
        found = on_ranks(2, lambda comm: Cluster(comm).run(balanced(), steps=10, seed=comm.rank))
        assert (
            "the ranks were given different runs: seed differs; found rank 0: 0, rank 1: 1"
            in str(found[1])
        )

    def test_ranks_with_different_networks(self) -> None:
        def odd(comm: Any) -> Recording:
            weights = np.random.default_rng(comm.rank).random((4, 5))
            network = Network(
                dt=1e-3,
                populations={"in": Population(Input, 5), "n": Population(LIF, 4)},
                projections={"s": Projection("in", "n", Dense(weights))},
            )
            return Cluster(comm).run(network, steps=3)

        for error in on_ranks(2, odd):
            assert "the ranks made different networks; found rank 1 differs from rank 0" in str(
                error
            )

    def test_ranks_that_do_different_things(self) -> None:
        def one(comm: Any) -> Any:
            met = ranks.Ranks(comm)
            with met.together():
                return met.agreed(3) if comm.rank else met.gather(4)

        for error in on_ranks(2, one):
            assert str(error).startswith(
                "cluster: the ranks do not do the same; found rank 0: collect, rank 1: agree"
            )

    def test_numbers_that_ranks_agree_on(self) -> None:
        def one(comm: Any) -> int:
            met = ranks.Ranks(comm)
            with met.together():
                return met.agreed(2**40 + 7 if comm.rank == 0 else 1)

        assert on_ranks(3, one) == [2**40 + 7] * 3

    def test_the_first_state_that_is_not_finite(self) -> None:
        suite = TestThreeRanks()
        network, x = suite.exploding()
        found = on_ranks(3, lambda comm: Cluster(comm).run(network, {"in": x}))
        assert len({str(error) for error in found}) == 1
        assert found[0].recording.steps == 9


class TestRefusals:
    def test_no_delay_across_ranks(self) -> None:
        network = Network(
            dt=1e-3,
            populations={
                "in": Population(Input, 5),
                "a": Population(LIF, 4),
                "b": Population(LIF, 3),
            },
            projections={
                "in->a": Projection("in", "a", Dense(weights_in(4, 5))),
                "a->b": Projection("a", "b", Dense(weights_in(3, 4))),
            },
            propagation=Propagation.SAME_STEP,
        )
        inputs = {"in": spikes_in(20, 1, 5)}
        with pytest.raises(
            EngineError,
            match=r"projection 'a->b': 'a' reaches 'b' on other ranks without delay; found 0 steps",
        ):
            together(2, network, inputs)
        assert_same(Cluster().run(network, inputs), Reference().run(network, inputs))
        late = network.replacing(
            projections=dict(network.projections)
            | {"a->b": replace(network.projections["a->b"], delay=1e-3)}
        )
        assert_same(together(2, late, inputs)[0], Reference().run(late, inputs))

    def test_currents_between_ranks(self) -> None:
        rule = Rule(GapJunction)
        network = Network(
            dt=1e-3,
            populations={"a": Population(CubaLIF, 4)},
            projections={"g": Projection("a", "a", Dense(np.ones((4, 4))), "i_ext", rule=rule)},
        )
        with pytest.raises(EngineError, match="run it on one rank, or with engine='cpu'"):
            together(2, network, steps=3)

    def test_lazy_neurons(self) -> None:
        with pytest.raises(EngineError, match="engine 'cluster' advances all neurons"):
            Cluster().run(balanced(), steps=3, lazy=True)

    def test_memory_that_does_not_suffice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("spikewright.engines.cluster.build.available_memory", lambda: 1e4)
        with pytest.raises(EngineError, match=r"this rank's part needs 0\.00 GiB, has 0\.00 GiB"):
            together(2, balanced(), steps=3)

    def test_without_mpi4py(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "mpi4py", None)
        monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
        with pytest.raises(
            MissingExtra, match=r"engine 'cluster' needs mpi4py — pip install 'spikewright\[mpi\]'"
        ):
            engines.run(balanced(), steps=1, engine="cluster")
