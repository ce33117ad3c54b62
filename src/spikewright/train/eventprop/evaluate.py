"""Running a network on labeled samples, event by event and without learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.train.evaluate import Evaluation
from spikewright.train.eventprop import run
from spikewright.train.eventprop.exact import (
    check_end,
    check_output,
    chunks,
    entering,
    one_chunk,
    pieces,
)
from spikewright.train.eventprop.loss import EventLoss
from spikewright.train.eventprop.plan import Plan, plan
from spikewright.train.eventprop.samples import Part, as_part

Reals = NDArray[np.float64]
EVALUATION_BATCH = 1024
"""Samples per batch where no gradient is needed."""


def evaluate(
    network: Network,
    samples: Any,
    loss: EventLoss,
    *,
    until: float,
    seed: int = 0,
    threads: int = 1,
) -> Evaluation:
    """Run a network on labeled samples without learning: loss, accuracy, spikes per sample, decisions.

    Parameters
    ----------
    samples : Samples, or (inputs, labels) as in `fit`
    """
    known = plan(network)
    part = as_part(samples, "samples", known.network)
    check_end(until)
    check_output(known, loss, 1 + int(part.labels.max()))
    if threads < 1:
        raise TrainError(explain("evaluate(threads=)", "must be at least 1", found=threads))
    with run.workers(threads) as work:
        return evaluated(known, known.weights, known.delays, part, loss, until, work, seed)


def evaluated(
    known: Plan,
    weights: Mapping[str, Reals],
    delays: Mapping[str, Reals],
    part: Part,
    loss: EventLoss,
    until: float,
    work: Any,
    seed: int,
) -> Evaluation:
    """Run a network of these weights and delays on samples; `work` is a map over chunks."""
    values = run.values(known, weights, delays)
    decisions, total, spikes = [], 0.0, 0
    for low in range(0, part.n, EVALUATION_BATCH):
        chosen = np.arange(low, min(low + EVALUATION_BATCH, part.n))
        inputs = entering(known.network, part.batch(chosen, seed=seed))
        found = work(
            lambda piece: one_chunk(
                known, values, *piece, loss, until, 0.0, frozenset(), learn=False
            ),
            list(zip(chunks(inputs), pieces(part.labels[chosen]), strict=True)),
        )
        for p in found:
            decisions.append(p.decisions)
            total += float(p.losses.sum())
            spikes += sum(len(s.time) for n, s in p.sent.items() if n in known.neurons)
    decided = np.concatenate(decisions)
    right = float(np.mean(decided == part.labels))
    return Evaluation(
        loss=total / part.n, accuracy=right, spikes=spikes / part.n, decisions=decided
    )
