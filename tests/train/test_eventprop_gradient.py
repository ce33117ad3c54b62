"""Exact gradients against closed forms and against finite differences of exact runs, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spikewright.network import Conv, CubaLI, CubaLIF, Dense, Input, Network, Population, Projection
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.train.eventprop import (
    EventLoss,
    GreatestCrossEntropy,
    MeanCrossEntropy,
    TimeCrossEntropy,
    evaluate,
    gradient,
    simulate,
)
from spikewright.train.eventprop.plan import Kind, plan

MODEL = {"tau_m": 20e-3, "tau_s": 5e-3}
UNTIL = 60e-3
TIMES = TimeCrossEntropy(tau=1e-3, price=0.1, tau_late=10e-3)
LABELS = np.array([0, 1, 2])
MOST = 16
"""Entries of an array whose derivatives are compared with differences."""


def inputs(n: int = 6) -> np.ndarray:
    return np.random.default_rng(1).random((3, n)) * 20e-3 + 1e-3


def with_random(net: Network, means: dict[str, tuple[float, float]], seed: int = 2) -> Network:
    """Return the network with normal weights of the given mean and deviation."""
    draw = np.random.default_rng(seed)
    return net.with_weights(
        {
            n: draw.normal(m, s, np.shape(net.projections[n].topology.weight))
            for n, (m, s) in means.items()
        }
    )


def layered(last: Any = CubaLIF, second: float = 1.5, **params: float) -> Network:
    net = chain(
        source(6), dense(8), neurons(CubaLIF, **(MODEL | params)), dense(3), neurons(last, **MODEL), dt=1e-6
    )  # fmt: skip
    return with_random(net, {"input->hidden1": (4, 2), "hidden1->output": (second, 1)})


def recurrent(**params: float) -> Network:
    net = chain(
        source(6), dense(8, recurrent=True), neurons(CubaLIF, **(MODEL | params)), dense(3),
        neurons(CubaLIF, **MODEL), dt=1e-6,
    )  # fmt: skip
    means = {
        "input->hidden1": (4.0, 2.0),
        "hidden1->hidden1": (0.3, 1.0),
        "hidden1->output": (1.5, 1.0),
    }
    return with_random(net, means)


def delayed(net: Network, seed: int = 3) -> Network:
    """Return the network with a delay of its own for every weight, multiples of dt."""
    draw = np.random.default_rng(seed)
    changed = {}
    for n, q in net.projections.items():
        steps = draw.integers(0, 4000, np.shape(q.topology.weight))
        changed[n] = Projection(q.pre, q.post, q.topology, delay=steps * net.dt)
    return net.replacing(projections=changed)


def differences(loss: Callable[[np.ndarray], float], at: np.ndarray, step: float) -> np.ndarray:
    """Return central differences, improved by one Richardson step: error of order step^4.

    Of at most `MOST` entries, chosen by chance; the others are NaN.
    """
    found = np.full_like(at, np.nan)
    every = list(np.ndindex(*at.shape))
    chosen = np.random.default_rng(len(every)).permutation(len(every))[:MOST]
    for index in (every[k] for k in chosen):
        value = []
        for h in (step, 2 * step):
            ends = []
            for sign in (1, -1):
                moved = at.copy()
                moved[index] += sign * h
                ends.append(loss(moved))
            value.append((ends[0] - ends[1]) / (2 * h))
        found[index] = (4 * value[0] - value[1]) / 3
    return found


def close(found: np.ndarray, expected: np.ndarray, rel: float = 1e-6) -> None:
    there = ~np.isnan(expected)
    scale = np.abs(expected[there]).max()
    assert scale > 0
    np.testing.assert_allclose(found[there], expected[there], rtol=0, atol=rel * scale)


def check(net: Network, loss: EventLoss, x: np.ndarray | None = None) -> None:
    """Compare derivatives with respect to every weight, delay and input time with differences of exact runs."""
    x = inputs() if x is None else x
    found = gradient(net, x, LABELS, loss, until=UNTIL)

    def run(changed: Network, at: np.ndarray) -> float:
        return evaluate(changed, (at, LABELS), loss, until=UNTIL).loss

    for n, q in net.projections.items():
        weight = np.asarray(q.topology.weight, np.float64)
        numeric = differences(
            lambda w, n=n: run(net.with_weights({n: w}), x), weight, 2e-5 * np.abs(weight).max()
        )
        close(found.weights[n], numeric)
        if not q.delay.any():
            continue

        def late(d: np.ndarray, n: str = n, q: Projection = q) -> float:
            moved = Projection(q.pre, q.post, q.topology, delay=d)
            return run(net.replacing(projections={n: moved}, dt=1e-12), x)

        fine = net.replacing(dt=1e-12)
        assert fine.delay_steps(n).max() > 0
        close(found.delays[n], differences(late, np.asarray(q.delay), 1e-7))
    numeric = differences(lambda t: run(net, t), x, 1e-7)
    close(found.times["input"].reshape(x.shape), np.take_along_axis(numeric, np.argsort(x, 1), 1))


# -- closed forms -------------------------------------------------------------------------------------


def test_one_spike_in_closed_form() -> None:
    """tau_m = 2 tau_s, one input spike at t0 with weight w: exp(-(t - t0) / tau_m) = (1 + sqrt(1 - 4 / j)) / 2 with
    j = w r, so dt/dw = -tau_m / (j^2 x sqrt(1 - 4 / j)), and dt/dt0 = dt/ddelay = 1."""
    w, t0, delay, tau = 6.0, 2e-3, 1e-3, 10e-3
    net = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 1),
            "out": Population(CubaLIF, 1, {"tau_m": tau, "tau_s": tau / 2}),
        },
        projections={"p": Projection("in", "out", Dense([[w]]), delay=delay)},
    )
    root = math.sqrt(1 - 4 / w)
    x = (1 + root) / 2
    time = t0 + delay - tau * math.log(x)
    spikes = simulate(net, [[t0]], until=30e-3).spikes["out"].time
    assert spikes[0] == pytest.approx(time, rel=1e-13)
    # of one class the cross entropy is 0, so that the loss is the price of the time alone
    loss = TimeCrossEntropy(price=1.0, tau_late=1.0)
    found = gradient(net, [[t0]], [0], loss, until=30e-3)
    to_time = math.exp(time)
    assert found.loss == pytest.approx(math.exp(time) - 1, rel=1e-12)
    assert found.weights["p"].item() == pytest.approx(
        -to_time * tau / (w * w * x * root), rel=1e-12
    )
    assert found.delays["p"].item() == pytest.approx(to_time, rel=1e-12)
    assert found.times["in"].item() == pytest.approx(to_time, rel=1e-12)


def test_mean_of_a_membrane_in_closed_form() -> None:
    """Over a long run the integral of a response is w r tau_s: the mean is that over `until`, whatever tau_m."""
    w, until = 0.3, 2.0
    net = chain(source(1), dense(1), neurons(CubaLI, r=2.0, v_rest=0.25, **MODEL), dt=1e-3)
    net = net.with_weights({"input->output": [[w]]})
    found = simulate(net, [[1e-3]], until=until)
    assert found.mean["output"].item() == pytest.approx(0.25 + w * 2.0 * 5e-3 / until, rel=1e-12)
    late = 20e-3 * 5e-3 / 15e-3 * math.log(4.0)
    highest = 0.25 + w * 2.0 / 20e-3 * (math.exp(-late / 20e-3) - math.exp(-late / 5e-3)) / 150.0
    assert found.greatest["output"].item() == pytest.approx(highest, rel=1e-12)


# -- finite differences -------------------------------------------------------------------------------


def test_layers_with_many_spikes() -> None:
    net = layered()
    counts = simulate(net, inputs(), until=UNTIL).spikes["hidden1"].counts()
    assert counts.max() > 2  # resets matter
    assert {s.kind for s in plan(net).stages} == {Kind.LAYER}
    check(net, TIMES)


@pytest.mark.parametrize(
    "params", [{"tau_m": 5e-3}, {"tau_m": 10e-3}, {"v_rest": -0.2, "v_reset": -0.5}]
)
def test_other_constants(params: dict[str, float]) -> None:
    check(layered(**params), TIMES)


@pytest.mark.parametrize(
    "loss",
    [
        GreatestCrossEntropy(gain=2.0),
        MeanCrossEntropy(gain=3.0),
        MeanCrossEntropy(gain=3.0, tau=10e-3),
    ],
)
def test_membranes(loss: EventLoss) -> None:
    check(layered(CubaLI), loss)


def test_greatest_value_at_an_arrival() -> None:
    """An inhibitory spike cuts a rising membrane off: the maximum moves with the spike."""
    net = chain(source(2), dense(3), neurons(CubaLI, **MODEL), dt=1e-6)
    net = net.with_weights({"input->output": [[3.0, -30.0], [2.0, -20.0], [1.0, -1.0]]})
    check(net, GreatestCrossEntropy(gain=4.0), np.array([[1e-3, 3e-3], [1e-3, 4e-3], [2e-3, 4e-3]]))


def test_recurrence() -> None:
    net = recurrent()
    assert plan(net).stages[0].kind is Kind.QUEUE
    check(net, TIMES)


def test_refractory_period() -> None:
    net = recurrent(t_ref=1.5e-3)
    free = simulate(recurrent(), inputs(), until=UNTIL).spikes["hidden1"].counts().sum()
    held = simulate(net, inputs(), until=UNTIL).spikes["hidden1"].counts().sum()
    assert held < free
    check(net, TIMES)


def test_delays_of_each_synapse() -> None:
    check(delayed(layered()), TIMES)


def test_delays_of_each_synapse_with_recurrence_and_of_a_readout() -> None:
    check(delayed(recurrent()), TIMES)
    check(delayed(layered(CubaLI)), MeanCrossEntropy(gain=3.0, tau=10e-3))


def test_one_delay_of_a_projection() -> None:
    net = layered()
    changed = {
        n: Projection(q.pre, q.post, q.topology, delay=2e-3) for n, q in net.projections.items()
    }
    net = net.replacing(projections=changed)
    assert {s.kind for s in plan(net).stages} == {Kind.LAYER}
    check(net, TIMES)


def test_shared_weights_of_a_convolution() -> None:
    hidden = Population(CubaLIF, (2, 4), MODEL)
    draw = np.random.default_rng(4)
    net = Network(
        dt=1e-6,
        populations={
            "input": Population(Input, (1, 6)),
            "hidden": hidden,
            "output": Population(CubaLIF, 3, MODEL),
        },
        projections={
            "a": Projection("input", "hidden", Conv(draw.normal(6, 2, (2, 1, 3)))),
            "b": Projection("hidden", "output", Dense(draw.normal(1.5, 1, (3, 8)))),
        },
    )
    check(net, TIMES)


def test_two_projections_of_one_source_and_a_skip() -> None:
    draw = np.random.default_rng(5)
    populations = {
        "input": Population(Input, 6),
        "a": Population(CubaLIF, 4, MODEL),
        "b": Population(CubaLIF, 5, MODEL),
        "output": Population(CubaLIF, 3, MODEL),
    }
    projections = {
        f"{pre}->{post}": Projection(pre, post, Dense(draw.normal(m, 1, (populations[post].n, populations[pre].n))))
        for pre, post, m in (
            ("input", "a", 4), ("input", "b", 3), ("a", "b", 1), ("a", "output", 1), ("b", "output", 1.5),
            ("input", "output", 0.2),
        )
    }  # fmt: skip
    projections["again"] = Projection(
        "a", "output", Dense(draw.normal(0.5, 0.5, (3, 4))), delay=1e-3
    )
    check(Network(dt=1e-6, populations=populations, projections=projections), TIMES)


def test_silent_labels_are_roused_with_exact_derivatives() -> None:
    net = layered(second=0.05)
    silent = ~np.isfinite(simulate(net, inputs(), until=UNTIL).spikes["output"].first())
    assert silent[np.arange(3), LABELS].any()
    check(net, TimeCrossEntropy(tau=1e-3, price=0.1, rouse=3.0))


# -- the two kernels, and threads ---------------------------------------------------------------------


def test_queue_and_layer_agree() -> None:
    """The same network by the queue: a delay array that holds one value."""
    net = layered()
    q = net.projections["input->hidden1"]
    same = Projection(q.pre, q.post, q.topology, delay=np.zeros((8, 6)))
    other = net.replacing(projections={"input->hidden1": same})
    assert plan(other).stages[0].kind is Kind.QUEUE
    a, b = (simulate(x, inputs(), until=UNTIL).spikes["output"] for x in (net, other))
    np.testing.assert_array_equal(a.address, b.address)
    np.testing.assert_allclose(a.time, b.time, rtol=1e-12)
    first, second = (gradient(x, inputs(), LABELS, TIMES, until=UNTIL) for x in (net, other))
    for n in net.projections:
        close(second.weights[n], first.weights[n], rel=1e-10)


def test_threads_change_no_bit() -> None:
    net, draw = layered(), np.random.default_rng(6)
    x, labels = draw.random((100, 6)) * 20e-3, draw.integers(0, 3, 100)
    found = [gradient(net, x, labels, TIMES, until=UNTIL, threads=k) for k in (1, 3)]
    assert found[0].loss == found[1].loss
    for n in net.projections:
        np.testing.assert_array_equal(found[0].weights[n], found[1].weights[n])
    alone = [gradient(net, x[k : k + 1], labels[k : k + 1], TIMES, until=UNTIL) for k in range(100)]
    total = np.mean([g.weights["input->hidden1"] for g in alone], axis=0)
    close(found[0].weights["input->hidden1"], total, rel=1e-12)


def test_floor_bounds_what_a_touched_threshold_gives() -> None:
    """Just above tangency dt/dw grows without bound; with a floor it does not."""
    net = chain(source(1), dense(1), neurons(CubaLIF, tau_m=10e-3, tau_s=5e-3), dt=1e-3)
    net = net.with_weights({"input->output": [[4.0 * (1 + 1e-10)]]})
    loss = TimeCrossEntropy(price=1.0, tau_late=1.0)
    free, bounded = (
        abs(gradient(net, [[0.0]], [0], loss, until=30e-3, floor=f).weights["input->output"].item())
        for f in (0.0, 0.1)
    )
    assert free > 100
    assert bounded < 0.1
