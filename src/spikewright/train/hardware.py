"""Training through hardware: which passes every forward run goes through, when they are drawn, and what comes back.

Forward, a run has the weights, biases and parameters that passes give: few bits, mismatch, noise. Backward, the
gradient goes straight through to the values that are trained, as if the passes were not there. A pass is any function
`(network, seed) -> (network, changes)` that keeps the structure; those of a chip are `substrate.passes`.

Source
------
Straight-through: Bengio, Leonard, Courville, arXiv 1308.3432, 2013. No gradient outside the range: Hubara et al.,
"Binarized neural networks", NeurIPS 2016. One chip in the loop, gradient of the nominal network: Schmitt et al.,
"Neuromorphic hardware in the loop", IJCNN 2017, arXiv 1703.01909.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spikewright.errors import Problems, TrainError
from spikewright.network.graph import Network
from spikewright.rng import key

Pass = Callable[..., tuple[Network, Any]]
"""`pass_(network, seed) -> (network, changes)`: weights, biases and parameters may change, the structure may not."""


class Redraw(enum.Enum):
    """When passes draw anew."""

    PER_BATCH = "per_batch"
    """For every batch: training for any chip of its kind. Seeds follow from the seed of `fit`."""
    ONCE = "once"
    """Never: training in the loop with one chip, whose seed every pass gets."""


@dataclass(frozen=True)
class Through:
    """The passes of training, and how they are used.

    Parameters
    ----------
    passes : applied in order
    redraw : when they draw anew
    chip : the seed of the one chip, with `Redraw.ONCE`; the network that comes out is made for
        `substrate.compile(network, seed=chip)`
    clip : (low, high) in the unit of the network's weights: a weight outside gets no gradient through the run. For
        passes that cut weights off there; None: the gradient goes through everywhere

    Raises
    ------
    TrainError : a pass that cannot be called, a chip without `Redraw.ONCE`, or no range

    Examples
    --------
    >>> def halve(network, seed):
    ...     return network.with_weights({n: 0.5 * p.topology.weight for n, p in network.projections.items()}), ()
    >>> Through((halve,), redraw=Redraw.ONCE, chip=3).clip is None
    True
    """

    passes: tuple[Pass, ...]
    redraw: Redraw = Redraw.PER_BATCH
    chip: int = 0
    clip: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "passes", tuple(self.passes))
        problems = Problems()
        for number, pass_ in enumerate(self.passes):
            if not callable(pass_):
                problems.add(
                    f"through: pass {number}",
                    "is not a pass",
                    found=repr(pass_),
                    expected="a function (network, seed) -> (network, changes)",
                )
        if not isinstance(self.redraw, Redraw):
            problems.add(
                "through: redraw",
                "no such value",
                found=repr(self.redraw),
                expected=", ".join(map(str, Redraw)),
            )
        elif self.redraw is Redraw.PER_BATCH and self.chip:
            problems.add(
                "through: chip",
                "is the seed of one chip, and passes are drawn for every batch",
                found=self.chip,
                cure="say redraw=Redraw.ONCE",
            )
        if self.clip is not None:
            low, high = self.clip
            if not low < high or math.isnan(low) or math.isnan(high):
                problems.add(
                    "through: clip", "not a range", found=self.clip, expected="(low, high)"
                )
        problems.raise_as(TrainError)

    @staticmethod
    def of(through: Sequence[Pass] | Through) -> Through:
        """Return passes with how they are used; a plain sequence is drawn for every batch."""
        return through if isinstance(through, Through) else Through(tuple(through))

    def instance(self, network: Network, seed: int, at: str) -> Network | None:
        """Return the network after the passes, or None where there are none.

        Parameters
        ----------
        network : with the weights that are trained
        seed : of the training
        at : names the batch
        """
        if not self.passes:
            return None
        for number, pass_ in enumerate(self.passes):
            drawn = key(seed, f"train/through/{number}/{at}") & 0x7FFFFFFF
            network = pass_(network, self.chip if self.redraw is Redraw.ONCE else drawn)[0]
        return network
