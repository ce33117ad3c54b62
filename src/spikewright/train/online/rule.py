"""Online learning rules as values: what `fit(gradient=...)` and `fit_stream(rule=...)` take.

They calculate a gradient forward in time. What they hold does not grow with the number of steps, and a stream of steps
may go on for ever. Notation and derivation: `docs/concepts/online_learning.md`.

Source
------
e-prop: Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature
Communications 11:3625, 2020. OTTT: Xiao et al., "Online training through time for spiking neural networks", NeurIPS
2022, arXiv 2210.04195.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spikewright.errors import Problems, TrainError
from spikewright.train.gradient import Batch, Gradient, Learned
from spikewright.train.module import Module

if TYPE_CHECKING:
    from spikewright.train.settings import Settings


class Feedback(enum.Enum):
    """Which weights broadcast the error of the outputs to a population of hidden neurons."""

    SYMMETRIC = "symmetric"
    """Those of its projections to the outputs, transposed; of a population that reaches them through others, the
    product of the weights along the shortest way."""
    RANDOM = "random"
    """Drawn once and never changed."""
    ADAPTIVE = "adaptive"
    """Drawn, then changed by the same steps as the weights to the outputs: with weight decay they become alike. Random
    ones for populations that do not project to the outputs."""


@dataclass(frozen=True)
class RateTarget:
    """A pull of every neuron's firing rate to a target: 0.5 weight (rate - target)^2, summed over neurons.

    A rate is the mean spikes per step over the samples and steps between two updates (of one process, where several
    share a batch). Its gradient leaves out the same ways as e-prop itself; it is the paper's, with the rate of these
    samples in place of a running mean.

    Parameters
    ----------
    rate : spikes per step
    weight : of the term
    populations : which; empty: all that spike and are not outputs
    """

    rate: float = 0.02
    weight: float = 1.0
    populations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = Problems()
        if not 0 <= self.rate <= 1:
            problems.add("RateTarget(rate=)", "must be spikes per step, 0 to 1", found=self.rate)
        if not (math.isfinite(self.weight) and self.weight >= 0):
            problems.add("RateTarget(weight=)", "must be 0 or more", found=self.weight)
        problems.raise_as(TrainError)


class OnlineRule(Gradient):
    """A gradient that is calculated forward in time. Abstract."""

    window: int

    def prepare(self, module: Module, settings: Settings) -> None:
        from spikewright.train.online.learn import prepare

        prepare(self, module, settings)

    def learn(self, batch: Batch) -> Learned:
        from spikewright.train.online.learn import learn

        return learn(self, batch)

    def segment(self, steps: int) -> int:
        return max(self.window, 100)


@dataclass(frozen=True)
class EProp(OnlineRule):
    """e-prop: eligibility traces of synapses times an error that is broadcast from the outputs.

    The gradient of backpropagation through time without the ways that lead from a neuron's spikes through other
    neurons to the loss, except through the outputs. Exact where there are no such ways: one hidden population without
    recurrent projections. How a reset is differentiated is what `fit(reset_gradient=)` says; the paper's rule is
    `ResetGradient.ADAPTATION`.

    Parameters
    ----------
    feedback : which weights broadcast errors
    filtered : whether traces pass through the outputs' filter, so that an error reaches spikes that came earlier. It
        needs outputs whose step is linear and the same for all, such as LI; for others an error meets the spikes that
        arrive in its own step only
    rate : a pull to a firing rate, or None
    gain : of random weights: they have the standard deviation gain / sqrt(neurons), in natural units
    seed : of random weights
    window : steps whose local gradients are taken together; the result does not depend on it, memory and speed do
    """

    feedback: Feedback = Feedback.SYMMETRIC
    filtered: bool = True
    rate: RateTarget | None = None
    gain: float = 1.0
    seed: int = 0
    window: int = 64

    def __post_init__(self) -> None:
        problems = Problems()
        _check_window(problems, "EProp", self.window)
        if not (math.isfinite(self.gain) and self.gain > 0):
            problems.add("EProp(gain=)", "must be more than 0", found=self.gain)
        problems.raise_as(TrainError)


@dataclass(frozen=True)
class OTTT(OnlineRule):
    """Online training through time: traces of what arrived times an error that is backpropagated within the step.

    Errors go back through all populations in front of the outputs, but neither through time nor through recurrent
    projections; what a neuron keeps of its past is in the traces. The paper's rule is that of `ResetGradient.DETACHED`
    for neurons that reset by subtraction: the trace decays with the membrane.

    With `fit` gradients are added up over the run (the paper's OTTT_A); `fit_stream(every=1)` changes weights at every
    step (OTTT_O).

    Parameters
    ----------
    window : steps whose local gradients are taken together; the result does not depend on it, memory and speed do
    """

    window: int = 64

    def __post_init__(self) -> None:
        problems = Problems()
        _check_window(problems, "OTTT", self.window)
        problems.raise_as(TrainError)


def _check_window(problems: Problems, name: str, window: int) -> None:
    if window < 1:
        problems.add(f"{name}(window=)", "must be at least 1", found=window)
