"""How far a converted network is from the network it came from, for every number of steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikewright.network.graph import Network
from spikewright.train.convert.build import Built
from spikewright.train.module import Module
from spikewright.train.step import Kernels

BATCH = 128
"""Samples that run together."""


@dataclass(frozen=True)
class ConversionReport:
    """Entry T - 1 of every tuple is what the network says after T steps.

    Parameters
    ----------
    samples : how many were compared
    error : mean distance of an output from the original's, in the original's unit
    scale : mean size of the original's outputs, to compare the error with
    agreement : share of samples on which both decide alike, 0 to 1
    spikes : per sample, up to then
    accuracy : share of right decisions; None without labels
    original : share of right decisions of the original; None without labels
    """

    samples: int
    error: tuple[float, ...]
    scale: float
    agreement: tuple[float, ...]
    spikes: tuple[float, ...]
    accuracy: tuple[float, ...] | None = None
    original: float | None = None

    @property
    def steps(self) -> int:
        """The largest T."""
        return len(self.error)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Return a header and a row for T = 1, 2, 4, ... and the last, as text."""
        yield (
            "T",
            "error",
            "of outputs",
            "agreement",
            *(("accuracy",) if self.accuracy else ()),
            "spikes",
        )
        wanted = {2**n for n in range(int(math.log2(self.steps)) + 1)} | {self.steps}
        for steps in sorted(wanted):
            at = steps - 1
            share = self.error[at] / self.scale if self.scale else math.nan
            right = (f"{self.accuracy[at]:.2%}",) if self.accuracy else ()
            yield (
                str(steps), f"{self.error[at]:.4g}", f"{share:.2%}", f"{self.agreement[at]:.2%}", *right,
                f"{self.spikes[at]:.4g}",
            )  # fmt: skip

    @property
    def title(self) -> str:
        """What the table is of, in one line."""
        right = "" if self.original is None else f", accuracy of the original {self.original:.2%}"
        return f"conversion on {self.samples} samples{right}"

    def __str__(self) -> str:
        """Return the table as plain text."""
        rows = list(self.rows())
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([self.title, *lines])

    def __rich__(self) -> Any:
        """Return the table for `rich.print`."""
        from rich.table import Table

        header, *rows = self.rows()
        table = Table(title=self.title)
        for name in header:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*row)
        return table


def outputs(
    network: Network, sizes: Any, x: Tensor, steps: int
) -> Iterator[tuple[NDArray[Any], float]]:
    """Return, after each step, what a converted network says (B, outputs) and the spikes of this step.

    Parameters
    ----------
    network : a converted network
    sizes : population -> activation that one spike stands for
    x : tensor, B *shape, held for all steps
    steps : how many
    """
    trainable: tuple[str, ...] = ("weights", "biases")
    if not any(
        p.topology.weight is not None or p.bias is not None for p in network.projections.values()
    ):
        trainable = (
            "c",
        )  # a module has to have something to train, though nothing is trained here
    # a step at a time, once: kernels would not pay for their making
    module = Module(network, trainable=trainable, dtype=torch.float64, kernels=Kernels.AUTOGRAD)
    (name,) = network.outputs
    total = np.zeros((len(x), network.populations[name].n))
    state = None
    with torch.no_grad():
        for step in range(1, steps + 1):
            run = module.run(x[None], state=state)
            state = run.state
            sent = run.output[0].reshape(len(x), -1).numpy()
            spikes = float(sum(run.sent[n].count_nonzero() for n in run.spiking))
            if name in sizes:
                total = total + sent * sizes[name]
                yield total / step, spikes
            else:
                yield sent / step, spikes


def compare(
    built: Built, module: nn.Module, samples: Tensor, labels: NDArray[Any] | None, *, steps: int
) -> ConversionReport:
    """Run both networks on samples and return how they differ after every number of steps."""
    error, agree, right, fired = (np.zeros(steps) for _ in range(4))
    scale = original = 0.0
    n, width = len(samples), 0
    for low in range(0, n, BATCH):
        x = samples[low : low + BATCH]
        with torch.no_grad():
            wanted = module(x).reshape(len(x), -1).double().numpy()
        width = wanted.shape[1]
        scale += float(np.abs(wanted).sum())
        decided = wanted.argmax(1)
        truth = None if labels is None else labels[low : low + BATCH]
        original += 0.0 if truth is None else float((decided == truth).sum())
        said = outputs(built.network, built.thresholds, x.double(), steps)
        for step, (found, spikes) in enumerate(said):
            error[step] += np.abs(found - wanted).sum()
            agree[step] += (found.argmax(1) == decided).sum()
            right[step] += 0.0 if truth is None else (found.argmax(1) == truth).sum()
            fired[step] += spikes
    return ConversionReport(
        n,
        _tuple(error / (n * width)),
        scale / (n * width),
        _tuple(agree / n),
        _tuple(np.cumsum(fired) / n),
        None if labels is None else _tuple(right / n),
        None if labels is None else original / n,
    )


def _tuple(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
