"""A group of populations, run forward and backward on a GPU: the twin of `plan.Plan`.

A population that does not reach itself takes one kernel for all time steps. Populations that reach each other take one
kernel per step, with PyTorch's products between them, sparse projections as matrices too. What enters from outside is
one product for all steps: spikes are multiplied, not gathered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.train.fused.group import Inner
from spikewright.train.fused.plan import Plan, _early, _late
from spikewright.train.fused.products import UNCOUNTED, Choice
from spikewright.train.fused.triton_kernel import Kernel, kernel, on
from spikewright.train.fused.triton_text import Text, Use, backward_text, forward_text

Arrays = dict[str, Tensor]


@dataclass(frozen=True)
class Ready:
    """A population's kernel with all that it takes."""

    kernel: Kernel
    n: int
    size: int
    numbers: Tensor
    arrays: Sequence[Tensor]

    def start(self, first: int, last: int) -> None:
        """Run the steps [first, last), backward from the last."""
        self.kernel.start(first, last, self.n, self.size, self.numbers, self.arrays)


@dataclass(frozen=True, eq=False)
class TritonPlan:
    """A group, ready to run on a GPU.

    Parameters
    ----------
    plan : the group
    """

    plan: Plan
    _held: dict[Any, Tensor] = field(default_factory=dict)

    def outputs(
        self, steps: int, batch: int, words: Mapping[str, int]
    ) -> dict[str, tuple[Any, torch.dtype]]:
        """Return name -> (shape, type) of what comes out: as `Plan.outputs`, without packed spikes."""
        found = self.plan.outputs(steps, batch, words)
        return {n: what for n, what in found.items() if not n.startswith("words_")}

    def forward(self, steps: int, batch: int, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return what comes out, in the order of `outputs`."""
        plan = self.plan
        given = dict(zip(plan.inputs, (t.detach() for t in tensors), strict=True))
        device = tensors[0].device
        words = {n: 0 for n in plan.inputs if n.startswith("x_")}
        made = {
            n: torch.empty(shape, dtype=kind, device="cpu" if n == "choices" else device)
            for n, (shape, kind) in self.outputs(steps, batch, words).items()
        }
        made["choices"][:, 0] = (Choice.BFLOAT16 if plan.half else Choice.DENSE).value
        made["choices"][:, 1] = UNCOUNTED
        for name in made:
            if name.startswith(("state_", "waiting_")):
                made[name].copy_(given[name])
        arrays = given | made
        ready = []
        for i, m in enumerate(plan.shape.members):
            arrays |= self._outside(i, given, steps)
            inner = tuple(k for k in range(len(m.ports)) if self._edges(i, k))
            arrays |= {f"inner_{i}_{k}": self._empty(i, batch, device) for k in inner}
            hold = plan.holds[i]
            if hold is not None:
                arrays[f"hold_{i}"] = self._constant(("hold", i), hold, device)
            ports = tuple(
                replace(use, outside=f"outside_{i}_{k}" in arrays, events=())
                for k, use in enumerate(m.ports)
            )
            use, number, recorded = Use(ports, inner), plan.shape.number, len(m.recorded)
            text = forward_text(m.rows, use, number, recorded, active=m.active)
            ready.append(self._ready(i, text, 0, arrays, batch, device))
        with on(device):
            if not plan.shape.looped:
                ready[0].start(0, steps)
            else:
                weights = self._weights(given)
                for t in range(steps):
                    for i, part in enumerate(ready):
                        self._gather(i, t, arrays, weights)
                        part.start(t, t + 1)
        return list(made.values())

    def backward(
        self,
        steps: int,
        batch: int,
        given: Mapping[str, Tensor],
        kept: Mapping[str, Tensor],
        grads: Mapping[str, Tensor | None],
        wanted: Sequence[str],
    ) -> Arrays:
        """Return the gradient of the inputs in `wanted`, as `Plan.backward`."""
        plan = self.plan
        device = next(iter(given.values())).device
        arrays: Arrays = {**given, **kept}
        ready = []
        for i, m in enumerate(plan.shape.members):
            n, step = plan.sizes[i], m.rows.step
            graded = []
            for name in ("sent", *(f"record_{x}" for x in range(len(m.recorded)))):
                grad = grads.get(_numbered(name, i))
                if grad is not None:
                    graded.append(name)
                    arrays[_numbered(f"grad_{name}", i)] = grad.to(plan.dtype)
            for x in range(len(step.variables)):
                grad = grads.get(f"state_{i}_{x}")
                bars = self._empty(i, batch, device)
                arrays[f"bars_{i}_{x}"] = bars.zero_() if grad is None else bars.copy_(grad)
            for k in range(len(m.ports)):
                shape = (steps, batch, n)
                arrays[f"grad_{i}_{k}"] = torch.empty(shape, dtype=plan.dtype, device=device)
            for x in range(len(m.rows.trained)):
                arrays[f"total_{i}_{x}"] = self._empty(i, batch, device).zero_()
            sends = bool(self._users(i))
            if sends:
                arrays[f"grad_inner_{i}"] = self._empty(i, batch, device)
            use = Use(m.ports, (), frozenset(graded))
            text = backward_text(m.rows, use, plan.shape.number, len(m.recorded), inner=sends)
            ready.append(self._ready(i, text, 1, arrays, batch, device))
        weights = self._weights(given)
        with on(device):
            if not plan.shape.looped:
                ready[0].start(0, steps)
            else:
                for t in reversed(range(steps)):
                    for i in reversed(range(len(ready))):
                        self._spread(i, t, steps, arrays, weights, arrays.get(f"grad_inner_{i}"))
                        ready[i].start(t, t + 1)
        return self._gradients(given, kept, arrays, weights, wanted, steps)

    # -- one population ------------------------------------------------------------------------------

    def _empty(self, i: int, batch: int, device: torch.device) -> Tensor:
        return torch.empty((batch, self.plan.sizes[i]), dtype=self.plan.dtype, device=device)

    def _ready(
        self,
        i: int,
        text: Text,
        direction: int,
        arrays: Arrays,
        batch: int,
        device: torch.device,
    ) -> Ready:
        own = self.plan.numbers[i][direction][: len(self.plan.shape.members[i].rows.scalars)]
        all_numbers = np.concatenate((own, np.array(text.literals, own.dtype)))
        numbers = self._constant((direction, i, text.literals), all_numbers, device)
        taken = [arrays[_numbered(slot, i)].contiguous() for slot in text.slots]
        return Ready(kernel(text), self.plan.sizes[i], batch * self.plan.sizes[i], numbers, taken)

    def _constant(self, name: Any, array: NDArray[Any], device: torch.device) -> Tensor:
        """Return an array that does not change, on a device: it is copied there once."""
        if (name, device) not in self._held:
            self._held[name, device] = torch.from_numpy(np.array(array)).to(device)
        return self._held[name, device]

    def _outside(self, i: int, given: Mapping[str, Tensor], steps: int) -> Arrays:
        """Return what reaches the ports of a population from outside for all steps, without biases."""
        found: Arrays = {}
        for k, use in enumerate(self.plan.shape.members[i].ports):
            total = given.get(f"outside_{i}_{k}")
            for e, lag in enumerate(use.events):
                x, w = given[f"x_{i}_{k}_{e}"], given[f"w_{i}_{k}_{e}"]
                arriving = _late(self._product(x[: steps - lag], w), lag)
                total = arriving if total is None else total + arriving
            if total is not None:
                found[f"outside_{i}_{k}"] = total
        return found

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return `x @ weight.T`."""
        if self.plan.half:
            return (x.bfloat16() @ weight.t().bfloat16()).to(x.dtype)
        return x @ weight.t()

    # -- between populations of a group --------------------------------------------------------------

    def _edges(self, i: int, k: int) -> list[tuple[int, Inner]]:
        """Return the projections inside the group that reach a port."""
        found = enumerate(self.plan.shape.inner)
        return [(number, q) for number, q in found if (q.post, q.port) == (i, k)]

    def _users(self, i: int) -> list[tuple[int, Inner]]:
        """Return the projections inside the group that leave a population."""
        return [(number, q) for number, q in enumerate(self.plan.shape.inner) if q.pre == i]

    def _weights(self, given: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the matrix (post, pre) of each projection inside the group."""
        found = []
        for number, q in enumerate(self.plan.shape.inner):
            weight = given[f"weight_{number}"].detach()
            if not q.dense:
                shape = (self.plan.sizes[q.post], self.plan.sizes[q.pre])
                flat = weight.new_zeros(shape[0] * shape[1])
                weight = flat.index_add_(0, self._places(number, weight.device), weight).view(shape)
            found.append(weight)
        return found

    def _places(self, number: int, device: torch.device) -> Tensor:
        """Return where the synapses of a sparse projection lie in its flat matrix."""
        lists = self.plan.synapses[number]
        n_pre = len(lists.start) - 1
        source = np.repeat(np.arange(n_pre), np.diff(lists.start))
        return self._constant(("places", number), lists.target * n_pre + source, device)

    def _gather(self, i: int, t: int, arrays: Arrays, weights: Sequence[Tensor]) -> None:
        """Write what reaches a population from inside the group in a step."""
        for k in range(len(self.plan.shape.members[i].ports)):
            for place, (number, q) in enumerate(self._edges(i, k)):
                past, sent = arrays[f"past_{q.pre}"], arrays[f"sent_{q.pre}"]
                early = sent[t - q.lag] if t >= q.lag else past[len(past) + t - q.lag]
                row, matrix = arrays[f"inner_{i}_{k}"], weights[number].t()
                if place:
                    row.addmm_(early, matrix)
                else:
                    torch.mm(early, matrix, out=row)

    def _spread(
        self,
        i: int,
        t: int,
        steps: int,
        arrays: Arrays,
        weights: Sequence[Tensor],
        row: Tensor | None,
    ) -> None:
        """Write the gradient that what a population sent in a step, or before the first, gets from inside the group."""
        if row is None:
            return
        row.zero_()
        for number, q in self._users(i):
            if 0 <= t + q.lag < steps:
                row.addmm_(arrays[f"grad_{q.post}_{q.port}"][t + q.lag], weights[number])

    # -- gradients -----------------------------------------------------------------------------------

    def _gradients(
        self,
        given: Mapping[str, Tensor],
        kept: Mapping[str, Tensor],
        arrays: Arrays,
        weights: Sequence[Tensor],
        wanted: Sequence[str],
        steps: int,
    ) -> Arrays:
        found: Arrays = {}
        for i, m in enumerate(self.plan.shape.members):
            for k, use in enumerate(m.ports):
                grad = arrays[f"grad_{i}_{k}"]
                found[f"outside_{i}_{k}"] = grad
                if f"steady_{i}_{k}" in wanted:
                    found[f"steady_{i}_{k}"] = grad.sum(0)
                if f"bias_{i}_{k}" in wanted:
                    found[f"bias_{i}_{k}"] = grad.sum((0, 1))
                for e, lag in enumerate(use.events):
                    x, w = given[f"x_{i}_{k}_{e}"], given[f"w_{i}_{k}_{e}"]
                    late = grad[lag:].flatten(0, 1)
                    if f"w_{i}_{k}_{e}" in wanted:
                        early = x[: steps - lag].flatten(0, 1)
                        found[f"w_{i}_{k}_{e}"] = self._product(late.t(), early.t())
                    if f"x_{i}_{k}_{e}" in wanted:
                        back = self._product(late, w.t()).view(steps - lag, *x.shape[1:])
                        found[f"x_{i}_{k}_{e}"] = _early(back, lag)
            for x in range(len(m.rows.step.variables)):
                found[f"state_{i}_{x}"] = arrays[f"bars_{i}_{x}"]
            for x, c in enumerate(m.rows.trained):
                found[f"own_{i}_{m.rows.arrays.index(c)}"] = arrays[f"total_{i}_{x}"].sum(0)
            if f"past_{i}" in wanted:
                past = torch.zeros_like(given[f"past_{i}"])
                for h, row in enumerate(past):
                    self._spread(i, h - len(past), steps, arrays, weights, row)
                found[f"past_{i}"] = past
        for number, q in enumerate(self.plan.shape.inner):
            if f"weight_{number}" in wanted:
                total = self._matrix_gradient(q, given, kept, arrays, steps)
                if not q.dense:
                    total = total.flatten().index_select(0, self._places(number, total.device))
                found[f"weight_{number}"] = total
        return {n: t for n, t in found.items() if n in wanted}

    def _matrix_gradient(
        self,
        q: Inner,
        given: Mapping[str, Tensor],
        kept: Mapping[str, Tensor],
        arrays: Arrays,
        steps: int,
    ) -> Tensor:
        """Return the gradient (post, pre) of a projection inside the group."""
        grad, past = arrays[f"grad_{q.post}_{q.port}"], given[f"past_{q.pre}"]
        early = past[len(past) - q.lag :]
        sent = torch.cat((early, kept[f"sent_{q.pre}"]))[:steps] if q.lag else kept[f"sent_{q.pre}"]
        return grad.flatten(0, 1).t() @ sent.flatten(0, 1)


def _numbered(slot: str, i: int) -> str:
    """Return a slot of a population's kernel as the group knows it: "own_2" of population 1 is "own_1_2"."""
    head, _, number = slot.rpartition("_")
    return f"{head}_{i}_{number}" if number.isdigit() else f"{slot}_{i}"
