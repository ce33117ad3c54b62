import ast
import keyword
import re
from dataclasses import replace

import numpy as np
import pytest

from spikewright.engines.cpu import Cpu
from spikewright.engines.generate import Port, write
from spikewright.engines.lazy_source import tables, write_lazy
from spikewright.engines.program import lower, lower_projection
from spikewright.engines.recording import State
from spikewright.engines.reference import Reference
from spikewright.engines.rule_source import write_rule
from spikewright.engines.source import LOCALS
from spikewright.network import (
    LIF,
    Dense,
    Input,
    Network,
    NeuronModel,
    Noise,
    PoissonDrive,
    Population,
    Projection,
    Refractory,
    Rule,
    SynapseModel,
)
from spikewright.network.expression import FUNCTIONS
from spikewright.network.plasticity import RULES
from spikewright.testing.engine_suite import assert_same
from spikewright.testing.synapses import case, forced

REAL = [
    "x + y",
    "x - y",
    "x * y / z",
    "x / y",
    "x // y",
    "x % y",
    "x ** 2",
    "x ** -1",
    "x ** 0.5",
    "x ** 2.0",
    "x ** 12",
    "x ** -3",
    "-x",
    "+x - -y",
    "exp(x)",
    "log(x)",
    "sqrt(x)",
    "tanh(x)",
    "exprel(x)",
    "exprel(1e-9 * x)",
    "abs(x)",
    "sign(x)",
    "floor(x)",
    "trunc(x)",
    "round(x)",
    "round(0.5 * floor(x))",
    "minimum(x, y)",
    "maximum(x, y)",
    "clip(x, y, z)",
    "x if x > y else z",
    "x if not (x >= y and y < z or x == z) else y",
    "x if x != y else 1 / 3 - 2 ** 0.5 + 7 // 2 + 7 % 4 - -0.0",
    "x if 1 > 2 or x > y else exp(1) * tanh(2) * y",
    "x * 1e308 * 10",
    "sqrt(-1) if x > 0 else log(0) * x",
]
INTEGER = [
    "x + y * z",
    "x - y",
    "x // y",
    "x % y",
    "x >> y",
    "x << y",
    "x & y",
    "-x",
    "abs(x)",
    "sign(x)",
    "minimum(x, y)",
    "maximum(x, y)",
    "clip(x, y, z)",
    "x if x > y else z",
    "x if not (x == y) or z < 3 else (7 // -2) - (1 << 70)",
    "x << 40",
    "(x >> 3) % 5",
]
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    np.inf,
    -np.inf,
    np.nan,
    1e308,
    -1e308,
    5e-324,
]
SPECIAL += [1e-9, 710.0, -745.2, 3.0, 7.25, -7.25, 0.1, 1e16]
WHOLE = [0, 1, -1, 2, -2, 3, 7, -7, 63, 64, 65, -63, 2**62, -(2**63), 2**63 - 1, 1000003]


def calculator(texts: list[str], integer: bool) -> NeuronModel:
    state = {name: "1" for name in "xyz"} | {f"out{i}": "1" for i in range(len(texts))}
    return NeuronModel(
        name="Calculator",
        state=state,
        params={},
        inputs={},
        update={f"out{i}": text for i, text in enumerate(texts)},
        output="x",
        integer=integer,
    )


@pytest.mark.parametrize(
    ("texts", "values", "integer"), [(REAL, SPECIAL, False), (INTEGER, WHOLE, True)]
)
def test_every_operation_means_the_same_for_every_value(texts, values, integer):
    rng = np.random.default_rng(0)
    some = rng.integers(-9, 9, 500) if integer else rng.normal(0, 20, 500)
    grid = np.array(np.meshgrid(values, values)).reshape(2, -1)
    x, y = (
        np.concatenate([g, s]) for g, s in zip(grid, (some, rng.permutation(some)), strict=True)
    )
    z = rng.permutation(y)
    network = Network(dt=1.0, populations={"c": Population(calculator(texts, integer), len(x))})
    start = Cpu().run(network, steps=0).state
    given = dict(start.values["c"]) | {"x": x[None], "y": y[None], "z": z[None]}
    state = State(0, {"c": given}, {}, {})
    runs = [
        engine.run(network, steps=1, state=state, spikes=(), check_finite=False)
        for engine in (Reference(), Cpu())
    ]
    for i, text in enumerate(texts):
        expected, found = (run.state.values["c"][f"out{i}"][0] for run in runs)
        same = (expected == found) & (np.signbit(expected) == np.signbit(found))
        if not integer:
            same |= np.isnan(expected) & np.isnan(found)
        at = int(np.argmin(same))
        assert same.all(), (text, x[at], y[at], z[at], expected[at], found[at])


def locals_of(*texts):
    """Names that kernels use themselves, of their functions and modules."""
    found = set()
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.alias):
                found.add(node.asname or node.name)
            elif isinstance(node, ast.FunctionDef):
                found.add(node.name)
    return found


def everything(text="v"):
    """A graded population with everything that a kernel may hold: noise, drives, refractoriness, an own parameter."""
    model = NeuronModel(
        name="Everything",
        state={"v": "1"},
        params={
            "tau": (1e-2, "s"),
            "t_ref": (2e-3, "s"),
            "v_th": (0.5, "1"),
            "one": (1.0, "s^-0.5"),
        },
        inputs={"spikes": "1", "i": "1"},
        jumps={"spikes": "v"},
        noise={"xi": Noise.WHITE},
        dynamics={"v": "(i - v) / tau + one * xi"},
        threshold="v > v_th",
        reset={"v": "0"},
        output=text,
        refractory=Refractory("t_ref", hold=("v",)),
    )
    net = Network(
        dt=1e-3,
        populations={"p": Population(model, 2, {"tau": [1e-2, 2e-2], "t_ref": [0.0, 2e-3]})},
        drives={"d": PoissonDrive("p", 100.0, 1.0, "i")},
    )
    ports = {
        "spikes": Port(ring=True, outside=True, biases=1),
        "i": Port(ring=True, outside=False, biases=0, drives=1),
    }
    return write(lower(net).populations["p"], ports, peaks=("v",))


def test_names_of_kernels_are_taken():
    """Names that the writers use and a model could have are in LOCALS; no model's begins with `_`."""
    texts = [everything().text]
    net = Network(dt=1e-3, populations={"p": Population(LIF, 2, {"v_rest": [0.0, 0.1]})})
    lazy = lower(net).populations["p"]
    made = tables(lazy, net.dt)
    none = Port(ring=False, outside=False, biases=1)
    texts.append(write_lazy(lazy, made, {"spikes": none, "i": none}, precision="double").text)
    own = {"v", "spikes", "xi", "tau", "t_ref", "v_th", "i", *LIF.params}
    own |= {f"P_v_{x}" for x in ("1", "i", "v", "xi")}
    for model in RULES.values():
        net, _ = case(model)
        for name in net.projections:
            rule = lower_projection(net, name).rule
            texts.append(write_rule(rule, single=False, target="uint16", value="").text)
            own |= {*rule.constants, *model.synaptic, *model.pre, *model.post, *model.signals}
            own |= {f"{v}_pre" for v in model.reads_pre} | {f"{v}_post" for v in model.reads_post}
    joined = ("ring", "outside", "state", "first", "second", "after", "number", "exponent")
    joined += (
        "all",
        "decay",
        "goal",
        "noted",
        "old",
        "now",
        "after",
        "peak",
        "pre_state",
        "post_state",
    )
    missing = {
        n
        for n in {n for n in locals_of(*texts) - LOCALS if n.rstrip("_") not in own}
        if not n.startswith("_") and not n.startswith(tuple(f"{kind}_" for kind in joined))
    }
    missing -= {"numba", "math", "numpy", "w_total"}
    assert not missing


def free_names(*without):
    """Names that kernels use themselves, and a model may use."""
    taken = {*keyword.kwlist, *FUNCTIONS, "dt", *without}
    return sorted(n for n in LOCALS if re.fullmatch("[a-zA-Z][a-zA-Z0-9_]*", n) and n not in taken)


def total(names):
    """Their sum, not nested deeper than expressions may be."""
    return " + ".join(f"({' + '.join(names[i : i + 20])})" for i in range(0, len(names), 20))


def test_names_of_the_model_cannot_disturb_the_kernel():
    states = [
        "b",
        "n",
        "row",
        "np",
        "k",
        "flags",
        "ref",
        "sent",
        "state_b",
        "P_b_b",
        "i",
        "t",
        "table",
    ]
    params = free_names(*states, "value", "math")
    model = NeuronModel(
        name='Names; import os #\n\'"""',
        state={name: "1" for name in states} | {"after_b": "1"},
        params={"tau": (1e-2, "s"), "exponent_1": (2.0, "1"), "number_1": (2.0, "1")}
        | {n: (0.01, "1") for n in params},
        inputs={"value": "1", "ring_value": "1", "math": "1"},
        jumps={"value": "k", "ring_value": "b"},
        dynamics={"b": f"(n - b ** 0.5 + math + {total(params)}) / tau", "n": "-n / tau"},
        threshold="b > 1 + 0.1 * number_1",
        reset={
            "b": "b - exponent_1",
            "n": "n + b",
            "row": "row + 1",
            "i": "i + k",
            "t": "t + table",
        },
        output="b",
        refractory=None,
    )
    network = Network(
        dt=1e-3,
        populations={"p": Population(model, 2, {params[0]: [0.1, 0.2]})},
        projections={"again": Projection("p", "p", Dense(np.full((2, 2), 0.1)), "value", 2e-3)},
    )
    inputs = {"p.value": np.ones((9, 1, 2)), "p.ring_value": np.full((9, 1, 2), 0.8)}
    record = {"p": tuple(model.state)}
    expected = Reference().run(network, inputs, record=record, check_finite=False)
    assert expected.sent["p"].sum() > 0
    assert_same(Cpu().run(network, inputs, record=record, check_finite=False), expected)


def test_names_of_a_rule_cannot_disturb_its_kernel():
    names = free_names("w", "one", "e", "k", "row", "i", "h", "fired", "count", "slot")
    model = SynapseModel(
        name='Names; import os #\n\'"""',
        state={"e": "1", "k": "1"},
        pre={"row": "1", "i": "1"},
        post={"fired": "1", "count": "1"},
        params={"tau": (20e-3, "s"), "one": (1.0, "weight"), "t_often": (5e-3, "s")}
        | {n: (0.01, "1") for n in names},
        dynamics={n: f"-{n} / tau" for n in ("e", "row", "fired")},
        on_pre={
            "e": "e + 1",
            "row": "row + 1",
            "i": "i + row",
            "w": f"w + one * (k + fired + count + {total(names)})",
        },
        on_post={
            "k": "k + e",
            "fired": "fired + 1",
            "count": "count + 1",
            "w": "w - one * (e + row + i)",
        },
        every="t_often",
        on_every={"w": "0.9 * w + one * (row + fired)"},
    )
    net = forced(Rule(model), np.ones((3, 2)), delay=[[0, 1e-3], [2e-3, 0], [1e-3, 1e-3]])
    draw = np.random.default_rng(0)
    inputs = {
        "in": 1.0 * (draw.random((40, 2, 2)) < 0.2),
        "out.fire": 1.0 * (draw.random((40, 2, 3)) < 0.2),
    }
    assert_same(Cpu().run(net, inputs), Reference().run(net, inputs))


def test_names_cannot_disturb_lazy_kernels():
    names = free_names("v", "amount", "hot", "o", "i")
    model = NeuronModel(
        name="LazyNames",
        state={"v": "1", "o": "1", "i": "1"},
        params={n: (0.01, "1") for n in names} | {"tau": (1e-2, "s")},
        inputs={"amount": "1"},
        jumps={"amount": "v"},
        dynamics={"v": f"(o + 0.1 * ({total(names)}) - v) / tau"}
        | {n: f"(v - 2 * {n}) / tau" for n in ("o", "i")},
        threshold="v > 1",
        reset={"v": "0"},
        refractory=None,
    )
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "p": Population(model, 4)},
        projections={"s": Projection("in", "p", Dense(np.full((4, 3), 0.7)), "amount", 1e-3)},
    )
    x = 1.0 * (np.random.default_rng(0).random((60, 1, 3)) < 0.2)
    one, other = Reference().run(net, {"in": x}), Cpu().run(net, {"in": x}, lazy=True)
    assert set(Cpu().prepare(net, lazy=True).own.lazy) == {"p"}
    assert other.sent["p"].sum() > 0
    assert np.array_equal(one.dense("p"), other.dense("p"))
    for name, value in one.state.values["p"].items():
        np.testing.assert_allclose(other.state.values["p"][name], value, rtol=1e-12)


def test_the_file_says_what_it_was_made_from():
    program = lower(Network(dt=1e-3, populations={"p": Population(LIF, 3)}))
    none = Port(ring=False, outside=False, biases=0)
    made = write(program.populations["p"], {"spikes": none, "i": none})
    assert made.name == "LIF"
    assert made.text.startswith(
        "# Generated by Spikewright from the model 'LIF', integrated by exact."
    )
    assert "'(v_rest - v + r * i) / tau_m'" in made.text
    compile(made.text, "LIF.py", "exec")


def test_a_kernel_says_what_its_table_needs():
    made = everything()
    assert made.rings == ("spikes", "i")
    assert made.outside == ("spikes",)
    assert (made.drives, made.variables, made.number, made.graded) == (1, ("v",), "float64", True)
    assert "tau" not in made.shared
    assert "v_th" in made.shared
    assert replace(made, rings=()).size == made.size - 4


def test_the_kernel_does_not_depend_on_numbers_or_sizes():
    def text(precision="double", **more):
        network = Network(dt=1e-3, populations={"p": Population(LIF, **more)})
        none = Port(ring=True, outside=False, biases=0)
        p = lower(network).populations["p"]
        return write(p, {"spikes": none, "i": none}, precision=precision).text

    assert text(shape=3) == text(shape=7, params={"tau_m": 5e-3})
    assert text(shape=3) != text(shape=3, params={"tau_m": [5e-3, 6e-3, 7e-3]})
    assert text(shape=3) != text("single", shape=3)
