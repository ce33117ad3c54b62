"""Where a value that is not finite began: the batch is run again, with everything recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.train.gradient import Batch, same
from spikewright.train.order import groups
from spikewright.train.run import Run, TorchState
from spikewright.train.segments import join

SENT = "what it sends"

SEGMENT = 64
"""Steps that are recorded at once."""


@dataclass(frozen=True)
class Origin:
    """The first value that is not finite.

    Parameters
    ----------
    where : the population and the step, or the projection
    what : what is not finite there
    found : the value, and which sample and neuron it is of
    """

    where: str
    what: str
    found: str


def origin(batch: Batch, samples: NDArray[np.int64]) -> Origin:
    """Return where it began.

    What is trained comes first, then the run, step by step and each step in the order in which populations are run;
    then the loss; then the gradient, from the last step back.

    Parameters
    ----------
    batch : whose loss or gradient is not finite, with the weights that it had
    samples : what its samples are called
    """
    # the run of the whole batch needs all processes; each looks at its own share
    batch = Batch(**(vars(batch) | {"share": 1.0, "whole": same}))
    return (
        _parameters(batch, gradient=False)
        or _forward(batch, samples)
        or _loss(batch)
        or _backward(batch, samples)
        or _parameters(batch, gradient=True)
        or Origin("gradient", "is too large to be added up", "inf")
    )


def _forward(batch: Batch, samples: NDArray[np.int64]) -> Origin | None:
    network = batch.module.network
    order = _order(batch)
    everything = {n: (*network.populations[n].model.state, "output") for n in order}
    state: TorchState | None = None
    with torch.no_grad():
        for inputs in batch.inputs.split(SEGMENT):
            begin = 0 if state is None else state.step
            run = batch.run(inputs, state, everything)
            state = run.state
            named = {(n, v): run.traces[n][v] for n in order for v in everything[n]}
            bad = {
                key: int(steps.to(torch.uint8).argmax())
                for key, x in named.items()
                if (steps := ~x.isfinite().flatten(1).all(1)).any()
            }
            if bad:
                # of the same step: the population that ran first, its variables before what it sent
                n, v = min(bad, key=lambda key: bad[key])
                k = bad[n, v]
                return Origin(
                    f"population {n!r}, step {begin + k}",
                    f"{SENT if v == 'output' else v} is not finite",
                    _found(named[n, v][k], samples),
                )
    return None


def _loss(batch: Batch) -> Origin | None:
    with torch.no_grad():
        run = batch.run()
        terms = [(batch.loss, batch.loss(run, batch.labels))]
        terms += [(term, term(run)) for term in batch.regularizers]
    for term, x in terms:
        if not bool(x.isfinite()):
            said = "is not finite, though everything in the run is"
            return Origin(type(term).__name__, said, str(float(x)))
    return None


def _backward(batch: Batch, samples: NDArray[np.int64]) -> Origin | None:
    """Look at the gradient of everything sent and of every state, for which each step is a run of its own."""
    runs: list[Run] = []
    state: TorchState | None = None
    for inputs in batch.inputs.split(1):
        run = batch.run(inputs, state)
        state = run.state
        for _, x in _states(batch, run):
            x.retain_grad()
        runs.append(run)
    total, _ = batch.objective(join(runs))
    batch.module.zero_grad(set_to_none=True)
    total.backward()
    for k in reversed(range(len(runs))):
        for (n, v), x in _states(batch, runs[k]):
            if x.grad is not None and not bool(x.grad.isfinite().all()):
                return Origin(
                    f"population {n!r}, step {k}",
                    f"the gradient of {v} is not finite",
                    _found(x.grad[0] if v == SENT else x.grad, samples),
                )
    return None


def _states(batch: Batch, run: Run) -> Iterator[tuple[tuple[str, str], Tensor]]:
    """Yield what a step sent and left that has a gradient, the last population first."""
    for n in reversed(_order(batch)):
        for v, x in {SENT: run.sent[n], **run.state.values[n]}.items():
            if x.requires_grad and not x.is_leaf:
                yield (n, v), x


def _parameters(batch: Batch, *, gradient: bool) -> Origin | None:
    for name, parameter in batch.module.named_parameters():
        x = parameter.grad if gradient else parameter.detach()
        if x is not None and not bool(x.isfinite().all()):
            kind, _, key = name.partition(".")
            said = "have a gradient that is not finite" if gradient else "are not finite"
            bad = x[~x.isfinite()]
            return Origin(f"{kind} {key!r}", said, f"{float(bad[0])} in {len(bad)} of {x.numel()}")
    return None


def _order(batch: Batch) -> list[str]:
    return [n for names, _ in groups(batch.module.network) for n in names]


def _found(x: Tensor, samples: NDArray[np.int64]) -> str:
    """Say the first value of `B *shape` that is not finite, and whose it is."""
    flat = x.detach().flatten(1)
    b, neuron = (int(i) for i in (~flat.isfinite()).nonzero()[0])
    return f"{float(flat[b, neuron])} in neuron {neuron} for sample {samples[b]}"
