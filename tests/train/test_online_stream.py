"""Learning from streams: the same gradient as from whole samples, updates in between, memory that does not grow."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import TrainError
from spikewright.network import LI, LIF, Dense, Input, Network, Population, Projection, Reset
from spikewright.train import SGD, AdamW, Module, ResetGradient, Schedule
from spikewright.train.gradient import Batch
from spikewright.train.online import (
    OTTT,
    EProp,
    Moment,
    OnlineRule,
    StepCrossEntropy,
    StepSquaredError,
    fit_stream,
    moments,
)
from spikewright.train.surrogate import Arctan

ms = 1e-3
STEPS, SAMPLES = 12, 3
RATE = 0.5
PLAIN = SGD(lr=RATE, momentum=0.0, schedule=Schedule.CONSTANT)
OPTIONS: dict[str, Any] = {
    "optimizer": PLAIN,
    "reset_gradient": ResetGradient.DETACHED,
    "dtype": torch.float64,
}
LABELS = np.array([0, 1, 2])
SOFT = LIF.resetting(Reset.SUBTRACT)


def network() -> Network:
    draw = np.random.default_rng(0)
    return Network(
        dt=1 * ms,
        populations={
            "in": Population(Input, 5),
            "hid": Population(SOFT, 7),
            "out": Population(LI, 3, {"tau_m": 15 * ms}),
        },
        projections={
            "in->hid": Projection("in", "hid", Dense(draw.normal(0.3, 0.6, (7, 5)))),
            "hid->out": Projection("hid", "out", Dense(draw.normal(0.0, 0.6, (3, 7)))),
        },
    )


def spikes(steps: int = STEPS, seed: int = 3) -> np.ndarray:
    return (np.random.default_rng(seed).random((steps, SAMPLES, 5)) < 0.4).astype(np.float64)


def steps_of(x: np.ndarray, target: Any = LABELS) -> Iterator[Moment]:
    for k, row in enumerate(x):
        yield Moment(row, target, k == 0)


def weights(of: Network) -> dict[str, np.ndarray]:
    return {n: np.array(q.topology.weight) for n, q in of.projections.items()}


def step_down(of: Network, x: np.ndarray, rule: OnlineRule) -> Network:
    """Return a network after one plain step along the gradient of a whole sample."""
    module = Module(of, dtype=torch.float64, reset_gradient=ResetGradient.DETACHED)
    rule.learn(Batch(module, torch.from_numpy(x), torch.from_numpy(LABELS), StepCrossEntropy()))
    with torch.no_grad():
        for p in module.parameters():
            p -= RATE * p.grad  # type: ignore[operator]
    return module.to_network()


class TestUpdates:
    @pytest.mark.parametrize("rule", [EProp(window=5), OTTT(window=5)], ids=["eprop", "ottt"])
    def test_once_a_sample_is_the_gradient_of_the_sample(self, rule: OnlineRule) -> None:
        first, second = spikes(), spikes(seed=4)
        wanted = step_down(step_down(network(), first, rule), second, rule)
        stream = [*steps_of(first), *steps_of(second)]
        done = fit_stream(network(), stream, rule=rule, every=STEPS, **OPTIONS)
        for name, weight in weights(wanted).items():
            assert np.abs(weight - weights(network())[name]).max() > 1e-3
            # the lag between populations: what is left when a sample ends is learned before the next begins
            np.testing.assert_allclose(weights(done.network)[name], weight, rtol=0, atol=1e-9)

    def test_at_every_step_is_the_formula(self) -> None:
        """OTTT_O: weights change in every step, traces go on."""
        x, units = spikes(40), Module(network(), dtype=torch.float64).units
        w = {n: a.copy() for n, a in weights(network()).items()}
        decay, out = np.exp(-1 / 20), np.exp(-1 / 15)
        v, y = np.zeros((SAMPLES, 7)), np.zeros((SAMPLES, 3))
        trace, late = np.zeros((SAMPLES, 5)), np.zeros((SAMPLES, 7))
        sent = slope = np.zeros((SAMPLES, 7))
        before = trace
        for row in x:
            y = (y + sent @ w["hid->out"].T) * out
            trace, late = decay * trace + row, out * late + sent
            share = np.exp(y) / np.exp(y).sum(1, keepdims=True)
            error = (share - np.eye(3)[LABELS]) / SAMPLES * out
            # spikes of the step before arrive in this one, so their error is known now
            back = (error @ w["hid->out"]) * slope * decay
            v = (v + row @ w["in->hid"].T) * decay
            slope = Arctan().slope(torch.from_numpy(v - 1.0)).numpy()
            sent = (v > 1.0).astype(float)
            v = v - sent
            w["hid->out"] = w["hid->out"] - RATE * units["hid->out"] ** 2 * error.T @ late
            w["in->hid"] = w["in->hid"] - RATE * units["in->hid"] ** 2 * back.T @ before
            before = trace
        # the gradient of the last step's spikes comes one step late, and never here
        stream = list(steps_of(x))
        done = fit_stream(network(), stream, rule=OTTT(), every=1, **OPTIONS)
        for name, weight in w.items():
            assert np.abs(weight - weights(network())[name]).max() > 1e-3
            np.testing.assert_allclose(weights(done.network)[name], weight, rtol=0, atol=1e-9)

    def test_steps_without_target_are_not_judged(self) -> None:
        x = spikes()
        stream = [Moment(r, LABELS if k >= 8 else None, k == 0) for k, r in enumerate(x)]
        done = fit_stream(network(), stream, every=STEPS, **OPTIONS)
        module = Module(network(), dtype=torch.float64, reset_gradient=ResetGradient.DETACHED)
        loss = StepCrossEntropy(last=4)
        EProp().learn(Batch(module, torch.from_numpy(x), torch.from_numpy(LABELS), loss))
        with torch.no_grad():
            for p in module.parameters():
                p -= RATE * p.grad  # type: ignore[operator]
        for name, weight in weights(module.to_network()).items():
            np.testing.assert_allclose(weights(done.network)[name], weight, rtol=0, atol=1e-12)

    def test_outputs_follow_numbers(self) -> None:
        """The paper's pattern generation, small: no labels, a target of its own in every step."""
        x = spikes(200)
        time = np.arange(200)[:, None, None]
        target = 0.5 * np.sin(time / 15.0 + np.arange(3)) * np.ones((1, SAMPLES, 1))
        stream = [
            Moment(r, t, k == 0)
            for _ in range(30)
            for k, (r, t) in enumerate(zip(x, target, strict=True))
        ]
        done = fit_stream(
            network(), stream, loss=StepSquaredError(), every=50, report=40,
            **(OPTIONS | {"optimizer": AdamW(lr=0.01, schedule=Schedule.CONSTANT)}),
        )  # fmt: skip
        assert len(done.history) == 3
        assert done.history[-1].loss < 0.8 * done.history[0].loss
        assert done.history[-1].accuracy == 0.0

    def test_samples_of_a_data_set(self) -> None:
        labels = np.arange(7) % 3
        x = np.arange(4 * 7 * 5).reshape(4, 7, 5)
        seen = list(moments((x, labels), batch=3, epochs=2, seed=1))
        assert len(seen) == 2 * 2 * 4  # one of seven is left out
        assert [m.is_start for m in seen[:5]] == [True, False, False, False, True]
        for first in range(0, len(seen), 4):
            whole = np.stack([m.inputs for m in seen[first : first + 4]])
            numbers = (whole[0, :, 0] // 5).astype(int)
            np.testing.assert_array_equal(whole, x[:, numbers])
            np.testing.assert_array_equal(seen[first].target, labels[numbers])

    def test_history_counts_judged_steps(self) -> None:
        seen: list[Any] = []
        done = fit_stream(
            network(), steps_of(spikes(60)), every=2, report=10,
            watch=lambda number, epoch: seen.append((number, epoch)), **OPTIONS,
        )  # fmt: skip
        assert [n for n, _ in seen] == [1, 2, 3]
        assert tuple(e for _, e in seen) == done.history
        assert all(0 <= e.accuracy <= 1 and e.loss > 0 and e.spikes > 0 for e in done.history)


class TestMemory:
    def test_what_is_held_does_not_depend_on_the_number_of_steps(self) -> None:
        from spikewright.train.online import stream as module

        held, peaks = [], []
        for steps in (100, 3000):
            row, seen = spikes(1)[0], []
            course = module.Teaching.course

            def watched(self: Any, *given: Any, seen: Any = seen, course: Any = course) -> Any:
                seen.append(course(self, *given))
                return seen[-1]

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(module.Teaching, "course", watched)
                tracemalloc.start()
                fit_stream(
                    network(), (Moment(row, LABELS) for _ in range(steps)), every=10, **OPTIONS
                )
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
            held.append([c.n_bytes for c in seen])
        assert len(held[0]) == 1
        assert held[0] == held[1]
        assert peaks[1] < 1.05 * peaks[0] + 20_000

    def test_the_process_does_not_grow(self) -> None:
        """What neither Python nor NumPy counts is in there too: tensors, what kernels allocate."""
        code = f"""
import resource, sys
sys.path.insert(0, {str(__import__("pathlib").Path(__file__).parent)!r})
import numpy as np
from test_online_stream import *
row = spikes(1)[0]
def go(steps):
    fit_stream(network(), (Moment(row, LABELS) for _ in range(steps)), rule=EProp(), every=10, **OPTIONS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
go(300)
before = go(300)
print(go(3000) - before)
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        # half of what 2700 steps would take as float64: 15 neurons, three values each, three samples
        assert int(done.stdout) * 1024 < 2700 * 15 * 3 * 3 * 8 / 2


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"every": 0}, r"every=\).*at least 1"),
            ({"report": 0}, r"report=\).*at least 1"),
            ({"optimizer": AdamW()}, "needs to know how many changes"),
            ({"loss": StepCrossEntropy(last=3)}, "a stream has no last step"),
        ],
    )
    def test_settings(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(TrainError, match=said):
            fit_stream(network(), steps_of(spikes()), **(OPTIONS | options))

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            (Moment(np.zeros((3, 4)), LABELS), "step 0: steps do not fit each other"),
            (Moment(np.zeros((2, 5)), LABELS[:2], is_start=True), "another number of samples"),
            (Moment({"hid": np.zeros((3, 7))}, LABELS, is_start=True), "has other inputs"),
            (Moment(np.zeros((3, 5)), LABELS[:2]), "step 0: the target does not fit"),
            (Moment(np.zeros((3, 5)), LABELS + 1, is_start=True), "labels from 0 to 2"),
            (Moment(np.zeros((3, 5)), np.zeros((3, 3)), is_start=True), "one label per sample"),
        ],
    )
    def test_steps(self, wrong: Moment, said: str) -> None:
        stream = [*list(steps_of(spikes()))[:4], wrong]
        with pytest.raises(TrainError, match=said):
            fit_stream(network(), stream, every=6, **OPTIONS)

    def test_a_loss_that_is_not_finite(self) -> None:
        stream = steps_of(np.full((8, SAMPLES, 5), 1e308))
        with pytest.raises(TrainError, match="not finite"):
            fit_stream(network(), stream, every=4, **OPTIONS)
