"""One population by itself: the adjoint of its step, and whether all its neurons keep the same traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikewright.network.expression import names_in
from spikewright.train.fused.adjoint import Straight, adjoint
from spikewright.train.fused.build import Arrivals, Populace, plan_of
from spikewright.train.fused.group import kernels
from spikewright.train.fused.plan import Plan
from spikewright.train.step import Firing

Reals = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Local:
    """A population's step, differentiated without what its spikes do elsewhere.

    Parameters
    ----------
    plan : of the population alone
    own : constants with one value per neuron
    is_shared : whether its state is linear in its past and in what arrives, with constant coefficients that are the
        same for all neurons
    """

    plan: Plan
    own: tuple[Reals, ...]
    is_shared: bool

    @property
    def n_variables(self) -> int:
        """Number of state variables."""
        return len(self.plan.shape.members[0].rows.step.variables)

    @property
    def ports(self) -> tuple[str, ...]:
        """Live ports, in the model's order."""
        return self.plan.shape.members[0].rows.step.ports

    @property
    def kept(self) -> tuple[str, ...]:
        """What of the forward pass a sweep reads: tapes, the refractory flag, noise."""
        rows = self.plan.shape.members[0].rows
        noise = tuple(f"noise_{rows.step.noise.index(x)}" for x in rows.noise_back)
        flag = ("flag",) if rows.flagged else ()
        return (*(f"tape_{x}" for x in range(len(rows.tapes))), *flag, *noise)

    def sweep(
        self, kept: Mapping[str, Reals], sent: Reals, bars: Sequence[Reals], ports: Sequence[Reals]
    ) -> None:
        """Go back over steps of the population.

        Parameters
        ----------
        kept : as `kept` names them, n B N
        sent : n B N, derivative with respect to what is sent
        bars : per state variable B N: its derivative after the last step, replaced by that before the first
        ports : per live port n B N: filled with the derivative with respect to what arrives
        """
        values: dict[str, Any] = {"numbers_0": self.plan.numbers[0][1], "grad_sent_0": sent}
        for name, x in kept.items():
            kind, _, number = name.partition("_")
            values[f"{kind}_0_{number}" if number else f"{kind}_0"] = x
        values |= {f"own_0_{x}": a for x, a in enumerate(self.own)}
        values |= {f"bars_0_{x}": a for x, a in enumerate(bars)}
        values |= {f"grad_0_{k}": a for k, a in enumerate(ports)}
        built = kernels(self.plan.shape)
        steps, batch = sent.shape[:2]
        built.backward(0, batch, steps, batch, *(values[a] for a in built.backward_arguments))

    def instant(self, kept: Mapping[str, Reals], sent: Reals, ports: Sequence[Reals]) -> None:
        """As `sweep`, every step by itself: nothing goes back from a step to the one before."""
        n = sent.shape[2]
        rows = sent.shape[0] * sent.shape[1]
        bars = [np.zeros((rows, n), sent.dtype) for _ in range(self.n_variables)]
        self.sweep(
            {name: x.reshape(1, rows, n) for name, x in kept.items()},
            sent.reshape(1, rows, n),
            bars,
            [x.reshape(1, rows, n) for x in ports],
        )


def local(member: Populace, own: tuple[Reals, ...], firing: Firing, dtype: torch.dtype) -> Local:
    """Return a population by itself; of `member`, the live ports count, not what arrives there.

    Raises
    ------
    ModelError : the model has no derivative
    """
    like = torch.zeros((1, 1, member.population.n), dtype=dtype)
    arrivals = {port: Arrivals(outside=like) for port in member.arrivals}
    alone = replace(member, arrivals=arrivals, history=None)
    plan = plan_of({"": alone}, (), firing, looped=False, dtype=dtype)
    step = plan.shape.members[0].rows.step
    return Local(plan, own, is_shared(step, firing.detached(member.population.model)))


def is_shared(step: Straight, detached: frozenset[str]) -> bool:
    """Return whether the state after a step depends on that before, and on what arrives, through numbers alone.

    A reset by a number, whose spike is held constant, changes no coefficient; every other reset does.
    """
    back = adjoint(step, {*step.variables, *step.ports})
    for reset, terms in back.resets:
        if reset.kind != "subtract" or reset.variable not in detached or terms:
            return False
    varying = step.is_variable | set(step.arrays)
    reached = set(step.ended.values())
    for name, terms in back.statements:
        if name not in reached:
            continue
        for term in terms:
            if term.factor is not None and names_in(term.factor) & varying:
                return False
            reached.add(term.target)
    return True
