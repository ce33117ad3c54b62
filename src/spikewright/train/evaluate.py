"""Running a module on labeled samples without learning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.network.graph import Network
from spikewright.train.loss import Loss
from spikewright.train.module import Module
from spikewright.train.run import Run
from spikewright.train.samples import Part

EVALUATION_BATCH = 256
"""Samples per batch where no gradient is needed."""


@dataclass(frozen=True)
class Evaluation:
    """Mean loss per sample, share of right decisions, spikes per sample without inputs, and every decision."""

    loss: float
    accuracy: float
    spikes: float
    decisions: NDArray[np.int64]


def evaluate(
    module: Module,
    samples: Part,
    loss: Loss,
    *,
    seed: int = 0,
    epoch: int = 0,
    instance: Network | None = None,
    batch: int = EVALUATION_BATCH,
) -> Evaluation:
    """Run a module on samples without learning."""
    total, spikes, decisions = 0.0, 0.0, []
    record = loss.record(module.network)
    with torch.no_grad():
        for low in range(0, samples.n, batch):
            chosen = np.arange(low, min(low + batch, samples.n))
            x = samples.batch(chosen, seed=seed, epoch=epoch)
            run = module.run(x, record=record, seed=seed, first_sample=low, instance=instance)
            labels = torch.tensor(samples.labels[chosen])
            total += float(loss(run, labels)) * len(chosen)
            spikes += spikes_of(run)
            decisions.append(loss.decide(run))
    found = np.concatenate(decisions)
    right = float(np.mean(found == samples.labels))
    return Evaluation(total / samples.n, right, spikes / samples.n, found)


def spikes_of(run: Run) -> float:
    """Return the spikes of a batch, without those of inputs and without numbers that are no spikes."""
    spiking = [*run.hidden, *(n for n in run.outputs if n in run.spiking)]
    return float(sum(run.sent[n].detach().count_nonzero().item() for n in spiking))
