"""Event-based training: what it takes, what it refuses, that it agrees with the engines, that it learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spikewright import engines
from spikewright.data import Latency
from spikewright.data.base import Samples
from spikewright.errors import TrainError
from spikewright.network import (
    IF,
    LIF,
    AlphaLIF,
    CubaLI,
    CubaLIF,
    Dense,
    Network,
    NoisyLIF,
    Population,
    Projection,
)
from spikewright.network.chain import chain, dense, neurons, source
from spikewright.network.model import Reset
from spikewright.train import SGD, AdamW, eventprop
from spikewright.train.eventprop import (
    GreatestCrossEntropy,
    MeanCrossEntropy,
    Perturbation,
    Spikes,
    TimeCrossEntropy,
    Wake,
    evaluate,
    fit,
    gradient,
    simulate,
)
from spikewright.train.eventprop.neuron import read
from spikewright.train.eventprop.plan import plan

MODEL = {"tau_m": 20e-3, "tau_s": 5e-3}
UNTIL = 60e-3


def toy(n: int = 60, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return spike times of 6 addresses; each of 3 classes has two early ones."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 3, n)
    early = np.arange(6)[None, :] // 2 == labels[:, None]
    return draw.random((n, 6)) * 5e-3 + np.where(early, 0.0, 8e-3), labels


def net(
    seed: int = 1, last: Any = CubaLIF, gain: float = 8.0, dt: float = 0.1e-3, **params: float
) -> Network:
    """Return a network 6-12-3 whose hidden weights are positive, so that it spikes."""
    found = chain(
        source(6), dense(12), neurons(CubaLIF, **(MODEL | params)), dense(3), neurons(last, **MODEL), dt=dt
    )  # fmt: skip
    draw = np.random.default_rng(seed)
    return found.with_weights(
        {
            "input->hidden1": draw.normal(0.3 * gain, 0.1 * gain, (12, 6)),
            "hidden1->output": draw.normal(0.2 * gain, 0.1 * gain, (3, 12)),
        }
    )


LOSS = TimeCrossEntropy(tau=1e-3, price=1e-3, rouse=5.0)
SETTINGS: dict[str, Any] = dict(
    until=UNTIL, loss=LOSS, epochs=4, batch=16, seed=3, optimizer=AdamW(lr=0.02), progress=False
)
DATA = (toy(), toy(30, 2))


# -- agreement with the engines -----------------------------------------------------------------------


@pytest.mark.parametrize("recurrent", [False, True])
def test_engines_converge_to_it(recurrent: bool) -> None:
    """A fine grid gives the same spikes, each late by less than a step for every population on its way, and resets
    that are late as much before."""
    found = net(t_ref=1e-3 if recurrent else 0.0)
    if recurrent:
        weight = np.random.default_rng(5).normal(0.0, 1.0, (12, 12))
        found = found.joined({"loop": Projection("hidden1", "hidden1", Dense(weight), delay=1e-3)})
    times, _ = toy(4)
    errors = []
    for dt in (4e-6, 1e-6):
        grid = found.replacing(dt=dt)
        steps = np.rint(times / dt).astype(int)
        bins = np.zeros((round(40e-3 / dt), *times.shape), np.float32)
        bins[steps, np.arange(len(times))[:, None], np.arange(6)] = 1.0
        recorded = engines.get("cpu").run(grid, {"input": bins}, threads=1)
        exact = simulate(grid, Spikes.from_bins(bins, dt), until=40e-3)
        worst = 0.0
        for name in ("hidden1", "output"):
            theirs, ours = recorded.spikes[name], exact.spikes[name]
            order = np.lexsort((theirs.step, theirs.address, theirs.sample))
            mine = np.lexsort((ours.time, ours.address, ours.sample))
            np.testing.assert_array_equal(theirs.address[order], ours.address[mine])
            late = (theirs.step[order] + 1) * dt - ours.time[mine]
            worst = max(worst, np.abs(late).max())
        errors.append(worst)
    assert errors[1] < 60 * 1e-6
    assert errors[1] < 0.4 * errors[0]  # first order: a quarter


def test_subtracting_reset_and_renamed_neurons_are_read_from_their_text() -> None:
    p = read(Population(CubaLIF, 2, {"v_rest": 0.25, "v_th": [1.0, 2.0], "tau_m": 0.01}), "here")
    np.testing.assert_allclose(p.level, [0.75, 1.75])
    np.testing.assert_allclose(p.reset, -0.25)
    np.testing.assert_allclose((p.a, p.gain), 100.0)
    p = read(Population(CubaLIF.resetting(Reset.SUBTRACT), 1, {"v_rest": 0.25}), "here")
    np.testing.assert_allclose(p.reset, -0.25)
    mine = CubaLIF.variant(
        "Mine",
        state={"x": "A", "q": "V"},
        jumps={"spikes": "x"},
        dynamics={"x": "-2 * x / tau_s", "q": "(v_rest - q) / tau_m + 3 * r * x / tau_m"},
        threshold="q >= v_th",
        reset={"q": "q - 2 * v_th"},
        refractory=None,
        initial={"q": "v_rest"},
    )
    p = read(Population(mine, 1, {"tau_m": 0.01, "tau_s": 0.01}), "here")
    np.testing.assert_allclose((p.a[0], p.b[0], p.gain[0], p.reset[0]), (100.0, 200.0, 300.0, -1.0))


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "params", "message"),
    [
        (LIF, {}, "LIF is not a linear neuron with one synaptic current; found state v, linear"),
        (IF, {}, "IF is not a linear neuron"),
        (AlphaLIF, {}, "AlphaLIF is not a linear neuron .* found state a, i, v"),
        (NoisyLIF, {}, "NoisyLIF is not a linear neuron .* noise — use CubaLIF"),
        (
            CubaLIF,
            {"v_reset": 1.5},
            "the reset is not below the threshold; found 1.5, expected less than 1",
        ),
        (CubaLIF, {"tau_s": -1.0}, "time constants must be more than 0"),
    ],
)
def test_neurons_without_event_based_run(model: Any, params: Any, message: str) -> None:
    bad = chain(source(2), dense(3), neurons(model, **params), dt=1e-3)
    with pytest.raises(TrainError, match=message):
        simulate(bad, [[0.0, 0.0]], until=UNTIL)


def test_a_threshold_on_the_current_is_refused() -> None:
    direct = CubaLIF.variant(
        "Direct", jumps={"spikes": "i"}, threshold="i > v_th / r", reset={"i": "0 * i"}
    )
    with pytest.raises(TrainError, match="times of spikes do not change smoothly with weights"):
        read(Population(direct, 1), "here")


def test_graded_spikes_are_refused() -> None:
    graded = CubaLIF.variant("Graded", output="2 * v")
    with pytest.raises(TrainError, match="Graded sends other numbers than 1"):
        read(Population(graded, 1), "here")


def test_networks_without_event_based_run() -> None:
    good = net()
    q = good.projections["input->hidden1"]
    biased = Projection(q.pre, q.post, q.topology, bias=np.ones(12))
    with pytest.raises(
        TrainError, match="a bias is added at every step, and there are no steps here"
    ):
        plan(good.replacing(projections={"input->hidden1": biased}))
    held = Projection(q.pre, q.post, q.topology, port="i_ext")
    with pytest.raises(
        TrainError,
        match="reaches port 'i_ext', whose input is held over steps; expected port 'spikes'",
    ):
        plan(good.replacing(projections={"input->hidden1": held}))
    silent = net(last=CubaLI).joined(
        {"back": Projection("output", "hidden1", Dense(np.ones((12, 3))))}
    )
    with pytest.raises(TrainError, match="'output' has no threshold, so it sends no spikes"):
        plan(silent)
    alone = Network(dt=1e-3, populations={"a": Population(CubaLIF, 2)})
    with pytest.raises(TrainError, match="has no input"):
        plan(alone)


def test_losses_and_outputs_must_fit() -> None:
    x, labels = toy(4)
    for bad, loss, message in (
        (
            net(),
            MeanCrossEntropy(),
            "has a threshold — MeanCrossEntropy needs neurons that do not, such as CubaLI",
        ),
        (net(last=CubaLI), LOSS, "has no threshold — TimeCrossEntropy needs neurons that spike"),
        (net().replacing(outputs=("hidden1", "output")), LOSS, "needs one output population"),
    ):
        with pytest.raises(TrainError, match=message):
            gradient(bad, x, labels, loss, until=UNTIL)
    with pytest.raises(
        TrainError, match=r"has fewer neurons than there are classes; found 3, expected 5"
    ):
        gradient(net(), x, [0, 1, 2, 4], LOSS, until=UNTIL)
    held = chain(source(6), dense(3), neurons(CubaLIF, t_ref=1e-3), dt=1e-3)
    with pytest.raises(TrainError, match=r"rouse=5.* refractory period.* say rouse=0"):
        gradient(held, x, labels, LOSS, until=UNTIL)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TimeCrossEntropy(tau=0.0), r"TimeCrossEntropy\(tau=\): must be more than 0"),
        (lambda: TimeCrossEntropy(price=-1.0), r"TimeCrossEntropy\(price=\): must be 0 or more"),
        (lambda: MeanCrossEntropy(tau=-1.0), r"MeanCrossEntropy\(tau=\)"),
        (lambda: Wake(share=2.0), r"Wake\(share=\): must be a share"),
        (lambda: Wake(step=-1.0), r"Wake\(step=\)"),
        (lambda: Perturbation(drop=1.0), r"Perturbation\(drop=\)"),
        (lambda: Perturbation(jitter=-1.0), r"Perturbation\(jitter=\)"),
        (lambda: simulate(net(), toy(2)[0], until=0.0), "until: must be a time, more than 0 s; found 0"),
        (lambda: simulate(net(), toy(2)[0], until=UNTIL, tau=0.0), r"simulate\(tau=\)"),
        (lambda: simulate(net(), np.zeros((2, 5)), until=UNTIL), "wrong number of addresses; found 5, expected 6"),
        (lambda: simulate(net(), {"in": toy(2)[0]}, until=UNTIL), r"inputs: not one per input; found \['in'\]"),
        (lambda: gradient(net(), toy(3)[0], [0, 1], LOSS, until=UNTIL), "labels: must be one whole number per sample"),
        (lambda: fit(net(), DATA, **(SETTINGS | {"epochs": 0})), r"fit\(epochs=\): must be at least 1"),
        (lambda: fit(net(), DATA, **(SETTINGS | {"threads": 0})), r"fit\(threads=\): must be at least 1"),
        (lambda: fit(net(), DATA, **SETTINGS, trainable=("taus",)), "trainable: nothing is called 'taus'"),
        (lambda: fit(net(), DATA, **SETTINGS, trainable=()), "trainable: nothing to train"),
        (lambda: fit(net(), DATA[0], **SETTINGS), "is neither samples nor a pair"),
        (lambda: fit(net(), (toy(), (toy(3)[0], [0.5, 1, 2])), **SETTINGS), "data: validation: labels: must be one"),
        (lambda: Spikes.from_times([[np.nan]]), "times must be numbers"),
        (lambda: Spikes.from_bins(np.full((2, 1, 1), 0.5), 1e-3), "bins must be whole numbers of spikes"),
        (lambda: Spikes([0, 2], [2.0, 1.0], [0, 0], 1), "times of a sample are not sorted"),
        (lambda: Spikes([0, 1], [-1.0], [0], 1), "times must be finite and 0 or more"),
        (lambda: Spikes([0, 1], [1.0], [3], 2), "addresses outside the population; found 3 to 3, expected 0 to 1"),
        (lambda: Spikes([0, 3], [1.0], [0], 2), "start does not divide the spikes"),
    ],
)  # fmt: skip
def test_bad_input_is_explained(call: Any, message: str) -> None:
    with pytest.raises(TrainError, match=message):
        call()


def test_a_runaway_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventprop.run, "LIMIT", 500)
    wild = net().joined({"loop": Projection("hidden1", "hidden1", Dense(np.full((12, 12), 50.0)))})
    with pytest.raises(TrainError, match="population hidden1: more than 500 spikes in one sample"):
        simulate(wild, toy(2)[0], until=UNTIL)


# -- spikes -------------------------------------------------------------------------------------------


def test_spikes_from_a_grid_and_from_times_are_the_same() -> None:
    times = np.array([[0.0, 3e-3, np.inf], [1e-3, np.inf, 1e-3]])
    bins = np.zeros((5, 2, 3), np.uint8)
    for b, n in np.argwhere(np.isfinite(times)):
        bins[round(times[b, n] / 1e-3), b, n] = 1
    a, b = Spikes.from_times(times), Spikes.from_bins(bins, 1e-3)
    for name in ("start", "time", "address"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(a.first(), times)
    np.testing.assert_array_equal(a.take([1, 0, 1]).first(), times[[1, 0, 1]])
    np.testing.assert_array_equal(Spikes.joined([a, b]).counts(), np.isfinite(times[[0, 1, 0, 1]]))
    double = Spikes.from_bins(2 * bins, 1e-3)
    np.testing.assert_array_equal(double.counts(), 2 * np.isfinite(times))


def test_perturbed_spikes() -> None:
    spikes = {"input": Spikes.from_times(np.random.default_rng(1).random((200, 50)))}
    found = Perturbation(drop=0.3, jitter=0.01).apply(spikes, seed=1, name="a")["input"]
    again = Perturbation(drop=0.3, jitter=0.01).apply(spikes, seed=1, name="a")["input"]
    other = Perturbation(drop=0.3, jitter=0.01).apply(spikes, seed=1, name="b")["input"]
    np.testing.assert_array_equal(found.time, again.time)
    assert len(other.time) != len(found.time) or not np.array_equal(other.time, found.time)
    assert abs(len(found.time) / 10_000 - 0.7) < 0.03
    Spikes(found.start, found.time, found.address, found.size)  # still sorted within samples
    moved = np.where(np.isfinite(found.first()), found.first() - spikes["input"].first(), np.nan)
    assert abs(np.nanstd(moved) - 0.01) < 1e-3


# -- training -----------------------------------------------------------------------------------------


def test_it_learns_times() -> None:
    done = fit(net(), DATA, **(SETTINGS | {"epochs": 8}))
    assert done.history[-1].loss < 0.5 * done.history[0].loss
    assert done.history[done.best].validation_accuracy > 0.9
    found = evaluate(done.network, toy(30, 2), LOSS, until=UNTIL)
    assert found.accuracy == done.history[done.best].validation_accuracy
    assert found.loss == pytest.approx(done.history[done.best].validation_loss)


@pytest.mark.parametrize(
    "loss", [GreatestCrossEntropy(gain=2.0), MeanCrossEntropy(gain=10.0, tau=20e-3)]
)
def test_it_learns_membranes(loss: Any) -> None:
    settings = SETTINGS | {"loss": loss, "epochs": 24, "optimizer": AdamW(lr=0.1)}
    done = fit(net(last=CubaLI), (toy(), None), **settings)
    assert done.history[-1].accuracy > 0.9
    assert done.best == 23


def test_delays_alone_learn_and_land_on_the_grid() -> None:
    """Equal weights tell no class apart; delays of each synapse do."""
    known = chain(source(6), dense(3), neurons(CubaLIF, **MODEL), dt=0.1e-3)
    q = known.projections["input->output"]
    late = np.random.default_rng(2).integers(20, 40, (3, 6)) * 0.1e-3
    known = known.replacing(
        projections={
            "input->output": Projection(q.pre, q.post, Dense(np.full((3, 6), 3.0)), delay=late)
        }
    )
    loss = TimeCrossEntropy(tau=1e-3)
    settings = SETTINGS | {
        "loss": loss,
        "trainable": ("delays",),
        "epochs": 20,
        "optimizer": AdamW(lr=0.1),
    }
    before = evaluate(known, toy(), loss, until=UNTIL).accuracy
    done = fit(known, (toy(), toy(30, 2)), **settings)
    assert before < 0.6
    assert done.history[done.best].validation_accuracy > 0.9
    found = done.network.projections["input->output"]
    np.testing.assert_array_equal(found.topology.weight, 3.0)
    assert np.asarray(found.delay).min() >= 0
    np.testing.assert_allclose(np.rint(found.delay / 0.1e-3) * 0.1e-3, found.delay, rtol=1e-12)
    after = evaluate(done.network, toy(30, 2), loss, until=UNTIL)
    assert after.accuracy == done.history[done.best].validation_accuracy


def test_one_projection_alone() -> None:
    start = net()
    done = fit(start, (toy(), None), **SETTINGS, trainable=("hidden1->output",))
    weights = [n.projections["input->hidden1"].topology.weight for n in (start, done.network)]
    np.testing.assert_array_equal(*weights)
    assert not np.array_equal(
        *(n.projections["hidden1->output"].topology.weight for n in (start, done.network))
    )


def test_same_seed_same_weights_on_any_number_of_threads() -> None:
    settings = SETTINGS | {"batch": 50, "epochs": 2}
    found = [fit(net(), DATA, **(settings | {"threads": k})) for k in (1, 2)]
    other = fit(net(), DATA, **(settings | {"seed": 4}))
    for n in net().projections:
        a, b, c = (f.network.projections[n].topology.weight for f in (*found, other))
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert found[0].history == found[1].history
    assert found[0].fingerprint == found[1].fingerprint != other.fingerprint


def test_silent_neurons_wake() -> None:
    """Without spikes there are no derivatives: only Wake gets a network of weak weights going."""
    weak = net(gain=0.8)
    x, _ = toy()
    assert len(simulate(weak, x, until=UNTIL).spikes["hidden1"].time) == 0
    loss = TimeCrossEntropy(tau=1e-3)
    settings = SETTINGS | {"loss": loss, "epochs": 25}
    asleep = fit(weak, (toy(), None), **settings, wake=Wake(step=0.0))
    np.testing.assert_array_equal(
        asleep.network.projections["input->hidden1"].topology.weight,
        weak.projections["input->hidden1"].topology.weight,
    )
    awake = fit(weak, (toy(), None), **settings)
    assert awake.history[-1].spikes > 5
    assert awake.history[-1].accuracy > 0.6


def test_a_data_set_on_a_grid() -> None:
    x, labels = toy(40)
    grey = (1.0 - x / 20e-3).astype(np.float32)
    samples = Samples(grey, labels, Latency(), 40, 0.5e-3, "train")
    done = fit(net(dt=0.5e-3), (samples, None), **SETTINGS)
    assert done.history[-1].accuracy > done.history[0].accuracy
    with pytest.raises(TrainError, match="data: validation: is neither samples nor a pair"):
        fit(net(), (samples, 3), **SETTINGS)


def test_a_loss_that_is_not_finite_stops() -> None:
    steep = SETTINGS | {"loss": GreatestCrossEntropy(gain=1e308), "optimizer": SGD(lr=0.1)}
    with (
        np.errstate(all="ignore"),
        pytest.raises(TrainError, match="epoch 1, batch 1: the loss or its gradient is not finite"),
    ):
        fit(net(last=CubaLI, gain=20.0), DATA, **steep)
