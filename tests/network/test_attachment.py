import re
from pathlib import Path

import numpy as np
import pytest

from spikewright.errors import NetworkError, SubstrateError
from spikewright.network import (
    LI,
    LIF,
    Conv,
    Dense,
    Input,
    Network,
    NeuronModel,
    OneToOne,
    Population,
    Projection,
    Propagation,
    Rule,
    Scale,
    Sparse,
)
from spikewright.network.plasticity import ClopathSTDP, GapJunction, PairSTDP, WeightNormalization
from spikewright.network.topology import Topology
from spikewright.testing.engine_suite import IntegerLIF

EDGES = Sparse.from_edges([0, 1], [1, 0], 0.5, n_pre=2, n_post=2)
WHOLE = Sparse.from_edges([0, 1], [1, 0], 1, n_pre=2, n_post=2)
KERNEL = Conv(np.ones((1, 1, 3, 3)), padding=1)


def model_with(**state: str) -> NeuronModel:
    """Return a neuron model with these variables."""
    return NeuronModel(
        name="Other",
        state=state,
        params={},
        inputs={"x": "1"},
        threshold=f"{next(iter(state))} > 0",
    )


def joined(
    rule: Rule,
    topology: Topology,
    model: NeuronModel = LIF,
    shape: tuple[int, ...] = (2,),
    pre: NeuronModel = Input,
    **fields: object,
) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(pre, shape), "out": Population(model, shape)},
        projections={"s": Projection("in", "out", topology, rule=rule, **fields)},  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("rule", "topology", "fields", "message"),
    [
        (Rule(PairSTDP), OneToOne(0.5), {}, "per synapse, one_to_one shares or lacks them"),
        (Rule(PairSTDP), Scale(0.5), {}, "needs one weight per synapse"),
        (Rule(PairSTDP), KERNEL, {"shape": (1, 4, 4)}, "per synapse, conv shares or lacks them"),
        (Rule(PairSTDP), EDGES, {"model": LI}, "(LI) has no threshold, so no post events"),
        (Rule(PairSTDP), WHOLE, {"model": IntegerLIF}, "is an integer model"),
        (
            Rule(ClopathSTDP),
            EDGES,
            {"model": model_with(z="V")},
            "reads 'v_post', but Other has no variable 'v'; expected z",
        ),
        (
            Rule(ClopathSTDP),
            EDGES,
            {"model": model_with(v="A")},
            "in another unit than Other has; found A, expected V",
        ),
        (
            Rule(GapJunction),
            EDGES,
            {"pre": LIF, "delay": 2e-3, "port": "i"},
            "a current flows at once, the projection has a delay",
        ),
        (Rule(GapJunction), EDGES, {"port": "i"}, "Input has no variable 'v'"),
        (Rule(WeightNormalization, {"t_norm": 1.5e-3}), EDGES, {}, "not a whole number of steps"),
        (Rule(WeightNormalization, {"t_norm": 0.0}), EDGES, {}, "not a whole number of steps"),
    ],
)
def test_what_a_rule_needs(
    rule: Rule, topology: Topology, fields: dict[str, object], message: str
) -> None:
    with pytest.raises(NetworkError, match=re.escape(message)):
        joined(rule, topology, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "topology", [EDGES, Dense(np.ones((2, 2))), OneToOne(np.ones(2)), Scale(np.ones(2))]
)
def test_what_carries_a_rule(topology: Topology) -> None:
    assert joined(Rule(PairSTDP), topology).projections["s"].rule is not None


def test_gap_junctions_make_no_cycle() -> None:
    net = Network(
        dt=1e-3,
        populations={"a": Population(LIF, 2), "b": Population(LIF, 2)},
        projections={
            "ab": Projection("a", "b", EDGES, "i", rule=Rule(GapJunction)),
            "ba": Projection("b", "a", EDGES, "i", rule=Rule(GapJunction)),
        },
        propagation=Propagation.SAME_STEP,
    )
    assert net.order() == ("a", "b")


def test_what_cannot_hold_a_rule_says_so(tmp_path: Path) -> None:
    import spikewright as sw
    from spikewright.network.nir import write_nir

    net = joined(Rule(PairSTDP), EDGES)
    for name in ("pcm", "truenorth"):
        with pytest.raises(SubstrateError, match=f"{name}: has no synapses that change by a rule"):
            sw.substrates.get(name).compile(net)
    assert sw.substrates.get("ideal").compile(net).network is net
    with pytest.raises(NetworkError, match=r"NIR has no synapses with state; the rule PairSTDP"):
        write_nir(net, tmp_path / "net.nir")
