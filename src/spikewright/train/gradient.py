"""How the gradient of a batch is found: a value that `fit` is given; plain backpropagation through time is one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spikewright.network.graph import Network
from spikewright.train.loss import Loss, Regularizer
from spikewright.train.module import Module
from spikewright.train.run import Run, TorchState

if TYPE_CHECKING:
    from spikewright.train.settings import Settings


def same(run: Run) -> Run:
    """Return the run as it is."""
    return run


@dataclass(frozen=True)
class Batch:
    """Samples to learn from, or one process's share of them, and how they are run and judged.

    Parameters
    ----------
    module : what learns
    inputs : `T B *shape`
    labels : int64, B
    loss, regularizers : what is made small
    record : population -> variables that a run keeps
    seed, first_sample, instance, clip : as in `Module.run`
    share : of the whole batch that these samples are
    whole : makes the run of the whole batch from that of these samples; regularizers look at that one
    """

    module: Module
    inputs: Tensor
    labels: Tensor
    loss: Loss
    regularizers: tuple[Regularizer, ...] = ()
    record: Mapping[str, tuple[str, ...]] | None = None
    seed: int = 0
    first_sample: int = 0
    instance: Network | None = None
    clip: tuple[float, float] | None = None
    share: float = 1.0
    whole: Callable[[Run], Run] = same

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.inputs)

    @property
    def looked_at(self) -> tuple[str, ...] | None:
        """What is sent by which populations is needed after the run; None: by all.

        A loss looks at outputs and at what it records, a regularizer at whatever it likes.
        """
        return None if self.regularizers else self.module.network.outputs

    def run(
        self,
        inputs: Any = None,
        state: TorchState | None = None,
        record: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Run:
        """Run the module on these samples, or on some steps of them from a state."""
        return self.module.run(
            self.inputs if inputs is None else inputs,
            state=state,
            record=self.record if record is None else record,
            seed=self.seed,
            first_sample=self.first_sample,
            instance=self.instance,
            clip=self.clip,
        )

    def objective(self, run: Run) -> tuple[Tensor, Tensor]:
        """Return what is made small, this share's part of it; and the mean loss of these samples alone."""
        loss = self.loss(run, self.labels)
        total = loss if self.share == 1.0 else loss * self.share
        if self.regularizers:
            whole = self.whole(run)
            for term in self.regularizers:
                total = total + term(whole)
        return total, loss


@dataclass(frozen=True)
class Learned:
    """What is known of a batch after its gradient was found.

    Parameters
    ----------
    total : what is made small, with regularizers
    loss : mean per sample
    decided : the class of every sample
    spikes : of all samples together, without those of inputs
    """

    total: float
    loss: float
    decided: NDArray[np.int64]
    spikes: float


class Gradient(ABC):
    """How a gradient is found. Abstract; the values of it are final."""

    def prepare(self, module: Module, settings: Settings) -> None:  # noqa: B027 -- most need nothing
        """Add to a module what is learned beside it; called once, before its optimizer is made.

        Raises
        ------
        TrainError : this way does not fit the module or the settings
        """

    @abstractmethod
    def learn(self, batch: Batch) -> Learned:
        """Add the gradient of `batch.objective` to `.grad` of the module's parameters."""

    def segment(self, steps: int) -> int:
        """Return how many steps are to be held in memory at once, of a run of `steps`."""
        return steps


@dataclass(frozen=True)
class Backpropagation(Gradient):
    """Backpropagation through time over all steps, with the surrogate's slope in place of a spike's."""

    def learn(self, batch: Batch) -> Learned:
        run = batch.run()
        total, loss = batch.objective(run)
        total.backward()
        return Learned(
            float(total.detach()), float(loss.detach()), batch.loss.decide(run), spikes_of(run)
        )


def spikes_of(run: Run) -> float:
    """Return the spikes of a batch, without those of inputs and without numbers that are no spikes."""
    spiking = [*run.hidden, *(n for n in run.outputs if n in run.spiking)]
    return float(sum(run.sent[n].detach().count_nonzero().item() for n in spiking))
