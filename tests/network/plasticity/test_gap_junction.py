"""Gap junctions: what flows, and where two cells end."""

import numpy as np
import pytest

from spikewright.engines.reference import Reference
from spikewright.network import LI, Dense, Network, OneToOne, Population, Projection, Rule
from spikewright.network.plasticity import GapJunction

G = 0.5


def coupled(order: tuple[str, str] = ("a", "b")) -> Network:
    """Return two integrators (tau 20 ms, r 1 ohm) joined by a junction of G siemens."""
    rule = Rule(GapJunction)
    return Network(
        dt=1e-4,
        populations={n: Population(LI, 1) for n in order},
        projections={
            "ab": Projection("a", "b", Dense([[G]]), "i", rule=rule),
            "ba": Projection("b", "a", Dense([[G]]), "i", rule=rule),
        },
    )


def test_steady_state() -> None:
    """v_a = i - g (v_a - v_b) and v_b = g (v_a - v_b): the difference is i / (1 + 2 g)."""
    recording = Reference().run(coupled(), {"a.i": np.ones((3000, 1, 1))})
    v = [float(recording.state.values[n]["v"][0, 0]) for n in "ab"]
    assert v[0] - v[1] == pytest.approx(1 / (1 + 2 * G), abs=1e-6)
    assert sum(v) == pytest.approx(1, abs=1e-6)


def test_values_are_those_at_the_start_of_the_step() -> None:
    inputs = {"a.i": np.ones((50, 1, 1))}
    record = {"a": ("v",), "b": ("v",)}
    one = Reference().run(coupled(), inputs, record=record)
    other = Reference().run(coupled(("b", "a")), inputs, record=record)
    decay = np.exp(-1e-4 / 20e-3)
    a = b = 0.0
    for k in range(50):
        flow = G * (a - b)
        a, b = a * decay + (1 - flow) * (1 - decay), b * decay + flow * (1 - decay)
        assert one.trace("a", "v")[k, 0, 0] == pytest.approx(a, abs=1e-15)
        assert one.trace("b", "v")[k, 0, 0] == pytest.approx(b, abs=1e-15)
    for n in "ab":
        assert np.array_equal(one.trace(n, "v"), other.trace(n, "v"))


def test_within_a_population() -> None:
    ring = np.roll(np.eye(4), 1, 0) + np.roll(np.eye(4), -1, 0)
    net = Network(
        dt=1e-3,
        populations={"n": Population(LI, 4)},
        projections={"gap": Projection("n", "n", Dense(0.3 * ring), "i", rule=Rule(GapJunction))},
    )
    drive = np.zeros((400, 1, 4))
    drive[..., 0] = 1
    v = Reference().run(net, {"n.i": drive}).state.values["n"]["v"][0]
    laplacian = 0.3 * (2 * np.eye(4) - ring)
    assert v == pytest.approx(np.linalg.solve(np.eye(4) + laplacian, [1, 0, 0, 0]), abs=1e-6)


def test_one_to_one() -> None:
    rule = Rule(GapJunction)
    net = Network(
        dt=1e-3,
        populations={"a": Population(LI, 2), "b": Population(LI, 2)},
        projections={"ab": Projection("a", "b", OneToOne([0.0, G]), "i", rule=rule)},
    )
    v = Reference().run(net, {"a.i": np.ones((400, 1, 2))}).state.values["b"]["v"][0]
    assert v == pytest.approx([0, G / (1 + G)], abs=1e-6)
