"""What a run of a module takes and leaves: values, never memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.train.fused.products import Choice


@dataclass(frozen=True)
class TorchState:
    """Where a run ended: pass it to the next.

    Parameters
    ----------
    step : the next step
    values : population -> variable -> B *shape
    waiting : population -> refractory counters, B *shape
    history : population -> what it sent in the last steps that can still arrive, L B *shape
    """

    step: int
    values: Mapping[str, Mapping[str, Tensor]]
    waiting: Mapping[str, Tensor]
    history: Mapping[str, Tensor]

    def detach(self) -> TorchState:
        """Return the state without its gradient: truncated backpropagation."""
        return TorchState(
            self.step,
            {n: {v: x.detach() for v, x in vs.items()} for n, vs in self.values.items()},
            dict(self.waiting),
            {n: x.detach() for n, x in self.history.items()},
        )


@dataclass(frozen=True)
class Run:
    """What a run of a module leaves.

    Parameters
    ----------
    sent : population -> what it sent, T B *shape
    traces : population -> variable -> T B *shape, after the reset
    outputs : names of the output populations
    hidden : names of the populations that spike and are not outputs
    spiking : names of all populations that spike
    state : where it ended
    network : what ran: the module's network, or the instance that was given
    weights : projection -> the weights that are trained, in natural units; not the instance's. Fixed ones are absent
    units : projection -> its natural unit
    is_instance : whether `network` is an instance that was given; else its trained weights are those before training
    """

    sent: Mapping[str, Tensor]
    traces: Mapping[str, Mapping[str, Tensor]]
    outputs: tuple[str, ...]
    hidden: tuple[str, ...]
    spiking: tuple[str, ...]
    state: TorchState
    products: Mapping[str, tuple[Choice, float]] = field(default_factory=dict)
    network: Network | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    units: Mapping[str, float] = field(default_factory=dict)
    is_instance: bool = False

    @property
    def output(self) -> Tensor:
        """What the one output population sent.

        Raises
        ------
        TrainError : there are several
        """
        if len(self.outputs) != 1:
            raise TrainError(
                explain("run.output", "there is not one output", found=", ".join(self.outputs))
            )
        return self.sent[self.outputs[0]]
