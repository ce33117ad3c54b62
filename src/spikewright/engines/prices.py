"""What the events of a run cost, as data: the part of a device's energy that spikes decide.

A price list is made by a substrate for one compiled network (`substrate.event_prices(compiled)`) and is plain numbers,
so that whoever has counts can use it: a recording here, a differentiable run in training. Names are those of the
network that was compiled, not of what it was lowered to.

    E = sum_k sum_j n_kj spike_k[j] + sum_p o_p operation_p + sum_k a_k active_step_k + T step

with n the spikes of neuron j of population k, o the synaptic operations of projection p (synapses whose weight is not
0 that a spike reaches), a the steps in which at least one neuron of population k sends something, and T steps. What
does not depend on events is left out: static power, clocks, overhead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.recording import Recording
from spikewright.errors import EngineError, Problems, explain


@dataclass(frozen=True)
class EventPrices:
    """What each event costs, in joules.

    Parameters
    ----------
    device : name of the device and of its price list
    spike : population -> J per spike, one number or one per neuron (n,)
    operation : projection -> J per synaptic operation
    active_step : population -> J per step in which at least one of its neurons sends something
    step : J per step, whatever happens: neuron updates

    Raises
    ------
    EngineError : a price that is negative or not finite, or an array that is not (n,)
    """

    device: str
    spike: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    operation: Mapping[str, float] = field(default_factory=dict)
    active_step: Mapping[str, float] = field(default_factory=dict)
    step: float = 0.0

    def __post_init__(self) -> None:
        spike = {n: np.array(x, np.float64) for n, x in self.spike.items()}
        for array in spike.values():
            array.flags.writeable = False
        object.__setattr__(self, "spike", spike)
        problems = Problems()
        for what, price in self._each():
            wrong = price.ndim > 1 or not np.all((price >= 0) & (price < np.inf))
            if wrong:
                problems.add(
                    f"EventPrices of {self.device!r}: {what}",
                    "not a price",
                    found=price.shape if price.ndim > 1 else price.min(),
                    expected="0 J or more, one number or one per neuron",
                )
        problems.raise_as(EngineError)

    def _each(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        for kind in ("spike", "operation", "active_step"):
            for name, price in getattr(self, kind).items():
                yield f"{kind}[{name!r}]", np.asarray(price, np.float64)
        yield "step", np.asarray(self.step, np.float64)

    @property
    def populations(self) -> tuple[str, ...]:
        """Populations whose events have a price."""
        return tuple(dict.fromkeys((*self.spike, *self.active_step)))

    def energy(self, recording: Recording) -> NDArray[np.float64]:
        """Return the energy of each sample's events, J, (B,).

        Raises
        ------
        EngineError : the recording is of a network that lacks a population or projection with a price
        """
        network = recording.network
        missing = [n for n in self.populations if n not in network.populations]
        missing += [n for n in self.operation if n not in network.projections]
        if missing:
            raise EngineError(
                explain(
                    f"EventPrices of {self.device!r}",
                    "the recording is of another network: it lacks what has a price",
                    found=", ".join(missing),
                    cure="use the network that the prices were made for",
                )
            )
        total = np.full(recording.batch, self.step * recording.steps)
        for name, price in self.spike.items():
            total += (recording.sent[name] * price).sum(axis=1)
        for name, one in self.operation.items():
            total += recording.operations(name) * one
        for name, one in self.active_step.items():
            total += np.count_nonzero(recording.activity[name], axis=0) * one
        return total
