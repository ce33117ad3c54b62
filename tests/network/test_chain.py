"""Layered networks: names, shapes, fused maps, seeded weights, and messages."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.errors import NetworkError
from spikewright.network import (
    LI,
    LIF,
    Compose,
    Conv,
    Dense,
    Propagation,
    Relay,
    avg_pool,
    chain,
    conv,
    dense,
    flatten,
    neurons,
    scale,
    source,
    sum_pool,
)


class TestChain:
    def test_names_and_shapes(self) -> None:
        network = chain(
            source((2, 12, 12)), conv(4, 5), sum_pool(2), neurons(LIF, tau_m=5e-3),
            conv(6, 3, padding=1, stride=2, bias=True), neurons(LIF, name="mid"),
            flatten(), dense(10), neurons(LI), dt=1e-3, name="net",
        )  # fmt: skip
        assert {n: p.shape for n, p in network.populations.items()} == {
            "input": (2, 12, 12), "hidden1": (4, 4, 4), "mid": (6, 2, 2), "output": (10,)
        }  # fmt: skip
        assert list(network.projections) == ["input->hidden1", "hidden1->mid", "mid->output"]
        assert isinstance(network.projections["input->hidden1"].topology, Compose)
        assert isinstance(network.projections["hidden1->mid"].topology, Conv)
        assert network.projections["hidden1->mid"].bias.shape == (6, 2, 2)
        assert network.populations["hidden1"].param("tau_m") == 5e-3
        assert network.inputs == ("input",)
        assert network.outputs == ("output",)
        assert network.name == "net"
        assert all(q.topology.weight is not None for q in network.projections.values())

    def test_recurrent(self) -> None:
        for propagation, delay in ((Propagation.NEXT_STEP, 0.0), (Propagation.SAME_STEP, 1e-3)):
            network = chain(
                source(3), dense(4, recurrent=True), neurons(LIF), dense(2, delay=2e-3), neurons(LIF),
                dt=1e-3, propagation=propagation,
            )  # fmt: skip
            loop = network.projections["hidden1->hidden1"]
            assert (loop.pre, loop.post, loop.delay) == ("hidden1", "hidden1", delay)
            assert loop.topology.weight.shape == (4, 4)
            assert network.projections["hidden1->output"].delay == 2e-3
            Reference().run(network, {"input": np.ones((3, 1, 3))})

    def test_one_dimension_scale_and_average(self) -> None:
        network = chain(
            source((2, 9)), conv(3, 4), avg_pool((2,)), scale(0.5), neurons(LIF), dt=1e-3
        )
        assert network.populations["output"].shape == (3, 3)

    def test_weights_are_drawn_by_name(self) -> None:
        def weights(*parts: object) -> dict[str, np.ndarray]:
            network = chain(source(30), *parts, dt=1e-3, seed=5)
            return {n: q.topology.weight for n, q in network.projections.items()}

        short = weights(dense(20), neurons(LIF, name="a"), dense(5), neurons(LIF, name="b"))
        long = weights(
            dense(20),
            neurons(LIF, name="a"),
            dense(5),
            neurons(LIF, name="b"),
            dense(7),
            neurons(LIF),
        )
        for name, weight in short.items():
            np.testing.assert_array_equal(weight, long[name])
        assert short["input->a"].std() == pytest.approx(1 / np.sqrt(30), rel=0.1)
        other = chain(source(30), dense(20), neurons(LIF, name="a"), dt=1e-3, seed=6)
        assert not np.array_equal(other.projections["input->a"].topology.weight, short["input->a"])

    def test_linear_layer_by_a_relay(self) -> None:
        network = chain(source(4), dense(3), neurons(Relay), dense(2), neurons(LIF), dt=1e-3)
        assert isinstance(network.projections["hidden1->output"].topology, Dense)


class TestErrors:
    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ((), r"chain: part 1: must be source\(shape\); found nothing"),
            ((dense(3), neurons(LIF)), r"chain: part 1: must be source\(shape\); found dense\(3\)"),
            ((source(3), dense(3)), r"chain: part 2: the last part must be neurons"),
            ((source(3),), r"chain: part 1: the last part must be neurons"),
            (
                (source(3), neurons(LIF)),
                "chain: part 2: neurons need a map before them; found Source",
            ),
            (
                (source(3), dense(2), neurons(LIF), neurons(LIF)),
                r"chain: part 4: neurons need a map before them; found neurons\(LIF\)",
            ),
            ((source(3), source(3), dense(2), neurons(LIF)), "chain: part 2: must be a linear map"),
            ((source(3), LIF, neurons(LIF)), "chain: part 2: must be a linear map or neurons"),
            (
                (source(3), dense(2, recurrent=True), scale(2), neurons(LIF)),
                "chain: part 2: recurrent weights need neurons right after them; found scale",
            ),
            (
                (source(3), dense(2), dense(4), neurons(LIF)),
                r"chain: 'input->output': two maps with weights in one projection; "
                r"found dense\(2\) and dense\(4\) — put neurons",
            ),
            ((source(3), conv(2, 3), neurons(LIF)), r"chain: part 2, conv\(2, 3\): .*found \(3,\)"),
            (
                (source((1, 4, 4)), conv(2, 5), neurons(LIF)),
                r"chain: part 2, conv\(2, 5\): Conv: the kernel is larger than the input",
            ),
            (
                (source(3), dense(2), neurons(LIF, name="a"), dense(2), neurons(LIF, name="a")),
                "chain: part 5: the name 'a' is taken",
            ),
            (
                (source(3), dense(2), neurons(LIF, tau=1.0)),
                r"params\['tau'\]: LIF has no such parameter",
            ),
        ],
    )
    def test_message(self, parts: tuple[object, ...], message: str) -> None:
        with pytest.raises(NetworkError, match=message):
            chain(*parts, dt=1e-3)
