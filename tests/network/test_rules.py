from itertools import pairwise

import numpy as np
import pytest

from spikewright.errors import NetworkError
from spikewright.network import (
    LIF,
    Conv,
    Dense,
    Flatten,
    Input,
    Network,
    NeuronModel,
    OneToOne,
    PoissonSource,
    Population,
    Projection,
    Propagation,
    Relay,
    SumPool,
)

Whole = NeuronModel(
    name="Whole", state={"v": "1"}, params={"p": (1, "1")}, inputs={"x": "1"},
    update={"v": "v + x * p"}, integer=True,
)  # fmt: skip


def network(populations=None, projections=None, **more):
    base = {"in": Population(Input, 3), "hid": Population(LIF, 2)}
    return Network(
        **({"dt": 1e-3} | more),
        populations=base | (populations or {}),
        projections=projections or {},
    )


def dense(post=2, pre=3, **more):
    return Projection("in", "hid", Dense(np.ones((post, pre))), **more)


def test_an_input_and_a_target_are_fine():
    network(projections={"a": dense(delay=3e-3, bias=np.zeros(2))})
    network(projections={"a": dense(delay=1e-3 * np.arange(6).reshape(2, 3))})
    network({"im": Population(LIF, (2, 1))}, {"a": Projection("in", "im", Dense(np.ones((2, 3))))})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dt": 0.0}, "network.dt: must be positive; found 0.0 — e.g. 1 * ms"),
        ({"dt": np.nan}, "network.dt: must be positive"),
        ({"dt": "1 ms"}, "network.dt: must be positive; found 1 ms"),
        ({"populations": {"a": LIF}}, "network.populations['a']: not a Population; found NeuronModel"),
        ({"projections": {"p": OneToOne()}}, "network.projections['p']: not a Projection; found OneToOne"),
        ({"projections": {"p": dense(delay="1 ms")}}, "network.projections['p'].delay: not a number; found 1 ms"),
        ({"projections": {"p": dense(bias=["a", "b"])}}, "network.projections['p'].bias: not numbers"),
        ({"populations": {"a/b": Population(LIF, 1)}}, "network.populations: 'a/b' cannot be a name"),
        ({"populations": {"": Population(LIF, 1)}}, "network.populations: '' cannot be a name"),
        ({"populations": {"a": Population(LIF, 0)}}, "network.populations['a']: needs neurons; found shape (0,)"),
        ({"populations": {"a": Population(LIF, ())}}, "network.populations['a']: needs neurons; found shape ()"),
        ({"populations": {"a": Population(LIF, 2, {"tau": 1.0})}},
         "network.populations['a'].params['tau']: LIF has no such parameter; expected tau_m"),
        ({"populations": {"a": Population(LIF, 2, initial={"u": 1.0})}},
         "network.populations['a'].initial['u']: LIF has no such variable; expected v"),
        ({"populations": {"a": Population(LIF, 2, {"v_th": [1.0, np.nan]})}},
         "params['v_th']: not finite; found nan at index 1"),
        ({"populations": {"a": Population(LIF, 2, {"v_th": [1.0, 2.0, 3.0]})}},
         "params['v_th']: wrong shape; found (3,), expected one number or (2,)"),
        ({"populations": {"a": Population(LIF, 2, {"v_th": "high"})}}, "params['v_th']: not a number"),
        ({"populations": {"a": Population(Whole, 2, {"p": 0.5})}}, "params['p']: not an integer; found 0.5"),
        ({"projections": {"p": Projection("in", "x", OneToOne())}},
         "network.projections['p'].post: no population 'x'; expected in, hid"),
        ({"projections": {"p": Projection("x", "in", OneToOne())}},
         "network.projections['p'].pre: no population 'x'"),
        ({"projections": {"p/q": dense()}}, "network.projections: 'p/q' cannot be a name"),
        ({"projections": {"p": dense(3)}},
         "network.projections['p']: weight (3, 3) gives shape (3,), but 'hid' has shape (2,) — make"
         " 'hid' of shape (3,), or change the map"),
        ({"projections": {"p": dense(2, 4)}},
         "network.projections['p']: does not fit 'in' of shape (3,): Dense: weight is for 4"),
        ({"projections": {"p": Projection("in", "hid", SumPool(2))}}, "SumPool: wrong input"),
        ({"projections": {"p": Projection("in", "hid", Dense([[1.0, np.nan, 1.0]] * 2))}},
         "network.projections['p']: a weight is not finite; found nan at index 1"),
        ({"projections": {"p": Projection("in", "hid", Dense([["a", "b", "c"]] * 2))}}, "weights are not numbers"),
        ({"projections": {"p": dense(delay=-1e-3)}},
         "network.projections['p'].delay: must be 0 or more; found -0.001 s"),
        ({"projections": {"p": dense(delay=np.nan)}}, "network.projections['p'].delay: must be 0 or more"),
        ({"projections": {"p": dense(delay=1.5e-3)}},
         "delay: not a whole number of steps; found 0.0015 s, expected a multiple of dt = 0.001 s —"
         " round it, or choose a finer dt"),
        ({"projections": {"p": dense(delay=np.zeros(6))}},
         "delay: one delay per weight; found (6,), expected (2, 3)"),
        ({"projections": {"p": dense(port="z")}},
         "network.projections['p'].port: LIF has no port 'z'; expected spikes, i"),
        ({"projections": {"p": dense(bias=np.zeros(3))}},
         "network.projections['p'].bias: wrong shape; found (3,), expected (2,)"),
        ({"projections": {"p": dense(bias=[0.0, np.inf])}},
         "network.projections['p'].bias: not finite; found inf at index 1"),
        ({"projections": {"p": dense(exponent=2)}},
         "network.projections['p'].exponent: only integer networks have one; found 2"),
        ({"populations": {"s": Population(PoissonSource, 3)}, "projections": {"p": Projection("in", "s", OneToOne())}},
         "network.projections['p']: 's' (PoissonSource) has no port to reach"),
        ({"populations": {"w": Population(Whole, 3)}, "projections": {"p": Projection("in", "w", OneToOne(0.5))}},
         "network.projections['p']: 'w' is an integer model, the weights are real — quantize the network first"),
        ({"populations": {"w": Population(Whole, 3)},
          "projections": {"p": Projection("in", "w", OneToOne(2), bias=[0.5] * 3)}},
         "network.projections['p'].bias: real, but the target is an integer model"),
        ({"outputs": ("x",)}, "network.outputs: no population 'x'; expected in, hid"),
    ],
)  # fmt: skip
def test_broken_rule(arguments, message):
    with pytest.raises(NetworkError) as caught:
        network(**arguments)
    assert message in str(caught.value)


def test_no_populations():
    with pytest.raises(NetworkError, match="network: has no populations"):
        Network(dt=1e-3, populations={})


def test_all_broken_rules_at_once():
    with pytest.raises(NetworkError) as caught:
        network(
            {"a": Population(LIF, 0), "b": Population(LIF, 2, {"v_th": np.inf})},
            {"p": dense(5, delay=0.5e-3), "q": Projection("x", "y", OneToOne())},
        )
    assert str(caught.value).startswith("6 problems\n  1. ")


def test_a_cycle_without_delay():
    relays = {name: Population(Relay, 1) for name in "abc"}
    loop = {a + b: Projection(a, b, OneToOne()) for a, b in ("ab", "bc", "ca")}
    with pytest.raises(NetworkError) as caught:
        network(relays, loop)
    message = str(caught.value)
    assert "network.projections: a cycle without delay: " in message
    assert "give one of its projections a delay of at least dt = 0.001 s" in message
    names = message.split("delay: ")[1].split(" — ")[0].split(" -> ")
    assert names[0] == names[-1]
    assert all(f"{a}{b}" in loop for a, b in pairwise(names)), "along the arrows"


def test_a_neuron_on_itself():
    again = {"r": Projection("hid", "hid", OneToOne())}
    network(projections=again)
    with pytest.raises(NetworkError, match="a cycle without delay: hid -> hid"):
        network(projections=again, propagation=Propagation.SAME_STEP)
    network(
        projections={"r": Projection("hid", "hid", OneToOne(), delay=1e-3)},
        propagation=Propagation.SAME_STEP,
    )


def test_images_keep_their_shape():
    image = {"im": Population(Input, (1, 4, 4)), "map": Population(LIF, (2, 3, 3))}
    conv = Conv(np.ones((2, 1, 2, 2)))
    network(image, {"p": Projection("im", "map", conv)})
    with pytest.raises(
        NetworkError, match=r"gives shape \(2, 3, 3\), but 'flat' has shape \(18,\)"
    ):
        network(image | {"flat": Population(LIF, 18)}, {"p": Projection("im", "flat", conv)})
    with pytest.raises(NetworkError, match=r"it gives shape \(16,\), but 'map'"):
        network(image, {"p": Projection("im", "map", Flatten())})
