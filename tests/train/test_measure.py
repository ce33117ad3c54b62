"""What is measured beside loss and accuracy: a mean per sample, kept in the history and shown in the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikewright.network import LIF, Network, chain, dense, neurons, source
from spikewright.train import CountCrossEntropy, Measure, Module, Run, Trained, evaluate, fit
from spikewright.train.measure import records
from spikewright.train.samples import as_part


@dataclass(frozen=True)
class Cost(Measure):
    """Joules per sample: a price for each spike of the output."""

    price: float = 2e-12
    name: str = "energy"
    unit: str = "J"

    def of(self, run: Run) -> float:
        return float(run.output.sum()) / run.output.shape[1] * self.price


@dataclass(frozen=True)
class Membrane(Measure):
    """The largest membrane voltage, which a run has to record."""

    name: str = "peak"
    unit: str = "V"

    def record(self, network: Network) -> dict[str, tuple[str, ...]]:
        return {"output": ("v",)}

    def of(self, run: Run) -> float:
        return float(run.traces["output"]["v"].amax((0, 2)).mean())


def net() -> Network:
    return chain(source(3), dense(2, gain=3.0), neurons(LIF), dt=1e-3, seed=1)


def data(n: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    return (draw.random((9, n, 3)) < 0.5).astype(np.float32), np.arange(n) % 2


def train(**changes: Any) -> Trained:
    settings: dict[str, Any] = dict(
        epochs=2, batch=8, progress=False, measures=(Cost(), Membrane())
    )
    return fit(net(), (data(16), data(10)), **(settings | changes))


def test_mean_per_sample_over_batches_of_other_sizes() -> None:
    """300 samples in batches of 256 and 44: the mean over samples, not over batches."""
    samples = as_part(data(300), "test")
    module = Module(net())
    found = evaluate(module, samples, CountCrossEntropy(), measures=(Cost(), Membrane()))
    with torch.no_grad():
        run = module.run(samples.inputs, record={"output": ("v",)})
    assert float(run.output.sum()) > 0
    assert found.measures["energy"] == pytest.approx(float(run.output.sum()) / 300 * 2e-12)
    assert found.measures["peak"] == pytest.approx(
        float(run.traces["output"]["v"].amax((0, 2)).mean())
    )


def test_is_the_same_in_segments() -> None:
    samples = as_part(data(20), "test")
    plain, cut = (
        evaluate(
            Module(net()), samples, CountCrossEntropy(), measures=(Cost(), Membrane()), segment=segment
        )
        for segment in (None, lambda steps: 4)
    )  # fmt: skip
    assert cut.measures == pytest.approx(plain.measures)
    assert (cut.loss, cut.accuracy, cut.spikes) == pytest.approx(
        (plain.loss, plain.accuracy, plain.spikes)
    )


def test_stays_in_history_and_checkpoint(tmp_path: Path) -> None:
    done = train(checkpoint=tmp_path)
    assert [sorted(e.measures) for e in done.history] == [["energy", "peak"]] * 2
    again = train(checkpoint=tmp_path)
    assert again.was_loaded
    assert again.history == done.history
    other = train(checkpoint=tmp_path, measures=(Cost(price=3e-12),))
    assert not other.was_loaded


def test_does_not_change_the_training() -> None:
    measured, plain = train(), train(measures=())
    for n, p in plain.network.projections.items():
        np.testing.assert_array_equal(
            p.topology.weight, measured.network.projections[n].topology.weight
        )


def test_is_a_column_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    done = train(progress=True, measures=(Cost(),))
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    head = next(k for k, words in enumerate(lines) if "energy" in words)
    assert lines[head] == [
        "epoch", "loss", "accuracy", "spikes/sample", "val.", "loss", "val.", "accuracy", "energy",
    ]  # fmt: skip
    rows = [words for words in lines[head + 1 :] if words and words[-1].endswith("J")]
    assert [r[0] for r in rows] == ["1", "2"]
    epoch = done.history[0]
    assert rows[0][1] == f"{epoch.loss:.4f}"
    assert rows[0][5] == f"{epoch.validation_accuracy:.1%}"
    assert float(rows[0][6]) == pytest.approx(epoch.measures["energy"] / 1e-12, rel=1e-2)
    assert rows[0][7] == "pJ"


def test_records_are_joined() -> None:
    found = records({"a": ("v",)}, {"a": ("i", "v"), "b": ["output"]}, {})
    assert found == {"a": ("v", "i"), "b": ("output",)}
