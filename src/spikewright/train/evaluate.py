"""Running a module on labeled samples without learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.network.graph import Network
from spikewright.train.delays.learned import evaluating
from spikewright.train.distributed import ALONE, Ranks
from spikewright.train.gradient import Batch
from spikewright.train.inputs import tensor_of
from spikewright.train.loss import Loss
from spikewright.train.measure import Measure, records
from spikewright.train.module import Module
from spikewright.train.samples import Part
from spikewright.train.segments import in_segments

EVALUATION_BATCH = 256
"""Samples per batch where no gradient is needed."""


@dataclass(frozen=True)
class Evaluation:
    """Mean loss per sample, share of right decisions, spikes per sample without inputs, every decision, and what
    else was measured, per sample."""

    loss: float
    accuracy: float
    spikes: float
    decisions: NDArray[np.int64]
    measures: Mapping[str, float] = field(default_factory=dict)


def evaluate(
    module: Module,
    samples: Part,
    loss: Loss,
    *,
    seed: int = 0,
    epoch: int = 0,
    instance: Network | None = None,
    batch: int = EVALUATION_BATCH,
    measures: Sequence[Measure] = (),
    segment: Callable[[int], int] | None = None,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Run a module on samples without learning.

    Parameters
    ----------
    module : what is run
    samples : labeled
    loss : what judges, and decides
    seed, epoch : of encodings and of declared noise
    instance : as in `Module.run`
    batch : samples that are run at once
    measures : what is measured beside
    segment : how many steps of so many are held in memory at once; None: all
    ranks : processes of which each runs a share of every batch
    """
    like = next(module.parameters())
    record = records(*(x.record(module.network) for x in (loss, *measures)))
    totals = np.zeros(2 + len(measures))
    decisions = np.zeros(samples.n, np.int64)
    with torch.no_grad(), evaluating(module):
        for low in range(0, samples.n, batch):
            chosen, first = ranks.share(np.arange(low, min(low + batch, samples.n)))
            if not len(chosen):
                continue
            inputs = tensor_of(samples.batch(chosen, seed=seed, epoch=epoch))
            labels = torch.tensor(samples.labels[chosen], device=like.device)
            part = Batch(
                module, inputs.to(device=like.device, dtype=like.dtype), labels, loss,
                record=record, seed=seed, first_sample=low + first, instance=instance,
            )  # fmt: skip
            run, spikes = in_segments(
                part.run,
                part.inputs,
                part.steps if segment is None else segment(part.steps),
                parameters=(),
                # a measure looks at whatever it likes
                keep=None if measures else part.looked_at,
            )
            totals += np.array(
                [
                    float(loss(run, labels)) * len(chosen),
                    spikes,
                    *(m.of(run) * len(chosen) for m in measures),
                ]
            )
            decisions[chosen] = loss.decide(run)
    totals, decisions = ranks.sum(totals), ranks.sum(decisions)
    right = float(np.mean(decisions == samples.labels))
    loss_, spikes_, *measured = (float(x) for x in totals / samples.n)
    named = {m.name: x for m, x in zip(measures, measured, strict=True)}
    return Evaluation(loss_, right, spikes_, decisions, named)
