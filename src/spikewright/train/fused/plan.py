"""A group of populations, ready to be run forward and backward by generated kernels.

A plan is fixed when a module is made; tensors pass through it in the order of `Plan.inputs` and `Plan.outputs`, all
with flat neurons: `T B N` for what differs from step to step, `B N` for states, `N` for what belongs to neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.train.fused import bits
from spikewright.train.fused.group import Inner, PortUse, Shape, kernels
from spikewright.train.fused.products import Choice, back_product, choose, count, product


@dataclass(frozen=True)
class Synapses:
    """Synapses of a sparse projection inside a group, by source: `start` (pre + 1,), `target` (synapses,)."""

    start: NDArray[np.int64]
    target: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Plan:
    """A group, ready to run.

    Parameters
    ----------
    shape : what the kernels' text depends on; ports say by how many projections of events they may be reached
    sizes : neurons of each population
    numbers : constants and numbers that the kernels take, forward and backward, per population
    holds : refractory steps per neuron, per population, or None
    synapses : of sparse projections inside the group, by number
    inputs : slots of the tensors that enter, in order
    half : whether dense products are calculated in bfloat16
    """

    shape: Shape
    sizes: tuple[int, ...]
    numbers: tuple[tuple[NDArray[Any], NDArray[Any]], ...]
    holds: tuple[NDArray[Any] | None, ...]
    synapses: Mapping[int, Synapses]
    inputs: tuple[str, ...]
    half: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """What its numbers are."""
        return torch.float64 if self.shape.number == "float64" else torch.float32

    @cached_property
    def twin(self) -> Any:
        """The same group on a GPU."""
        from spikewright.train.fused.triton_plan import TritonPlan

        return TritonPlan(self)

    def outputs(
        self, steps: int, batch: int, words: Mapping[str, int]
    ) -> dict[str, tuple[Any, torch.dtype]]:
        """Return name -> (shape, type) of what comes out, in order: results first, then what the gradient needs.

        Parameters
        ----------
        words : slot of an event input -> words of one row
        """
        found: dict[str, tuple[Any, torch.dtype]] = {}
        kept: dict[str, tuple[Any, torch.dtype]] = {}
        for i, m in enumerate(self.shape.members):
            n, step = self.sizes[i], m.rows.step
            found[f"sent_{i}"] = (steps, batch, n), self.dtype
            for x in range(len(m.recorded)):
                found[f"record_{i}_{x}"] = (steps, batch, n), self.dtype
            for x in range(len(step.variables)):
                found[f"state_{i}_{x}"] = (batch, n), self.dtype
            if step.waits:
                found[f"waiting_{i}"] = (batch, n), self.dtype
            if m.active:
                found[f"active_{i}"] = (steps, batch, n), torch.uint8
            for x in range(len(m.rows.tapes)):
                kept[f"tape_{i}_{x}"] = (steps, batch, n), self.dtype
            if m.rows.flagged:
                kept[f"flag_{i}"] = (steps, batch, n), torch.uint8
            for k, use in enumerate(m.ports):
                for e in range(len(use.events)):
                    size = words[f"x_{i}_{k}_{e}"]
                    kept[f"words_{i}_{k}_{e}"] = (steps * batch, size), torch.int64
        kept["choices"] = (len(words), 2), torch.int64
        return found | kept

    def is_kept(self, name: str) -> bool:
        """Return whether the backward pass needs a tensor's values, not just its shape."""
        if name.startswith(
            ("outside_", "steady_", "bias_", "waiting_", "record_", "state_", "active_")
        ):
            return False
        return name not in self._sent_only

    @property
    def _sent_only(self) -> set[str]:
        senders = {q.pre for q in self.shape.inner}
        return {f"sent_{i}" for i in range(len(self.sizes)) if i not in senders}

    def forward(self, steps: int, batch: int, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return what comes out, in the order of `outputs`."""
        given = dict(zip(self.inputs, (t.detach() for t in tensors), strict=True))
        sizes = {n: -(-given[n].shape[2] // 64) for n in self.inputs if n.startswith("x_")}
        made = {
            n: torch.empty(shape, dtype=kind)
            for n, (shape, kind) in self.outputs(steps, batch, sizes).items()
        }
        for name in made:
            if name.startswith(("state_", "waiting_")):
                made[name].copy_(given[name])
        values: dict[str, Any] = {
            n: _array(t)
            for n, t in (given | made).items()
            if not n.startswith(("x_", "w_", "mask_"))
        }
        members = []
        number = longest = 0
        for i, m in enumerate(self.shape.members):
            ports = []
            for k, use in enumerate(m.ports):
                outside = given.get(f"outside_{i}_{k}")
                chosen = []
                for e, lag in enumerate(use.events):
                    x, w = given[f"x_{i}_{k}_{e}"], given[f"w_{i}_{k}_{e}"]
                    words = values[f"words_{i}_{k}_{e}"].view(np.uint64)
                    counted = count(x, words)
                    choice = choose(counted, x.shape[2] * steps * batch, self.half)
                    made["choices"][number, 0] = choice.value
                    made["choices"][number, 1] = int(counted[0])
                    number += 1
                    if choice is Choice.EVENTS:
                        place = len(chosen)
                        values[f"words_{i}_{k}_{place}"] = words
                        values[f"rows_{i}_{k}_{place}"] = _array(w.t().contiguous())
                        longest = max(longest, x.shape[2])
                        chosen.append(lag)
                        continue
                    arriving = product(x[: steps - lag].flatten(0, 1), w, choice)
                    arriving = _late(arriving.view(steps - lag, batch, -1), lag)
                    outside = arriving if outside is None else outside + arriving
                if outside is not None:
                    values[f"outside_{i}_{k}"] = _array(outside)
                ports.append(PortUse(outside is not None, use.steady, use.bias, tuple(chosen)))
            members.append(replace(m, ports=tuple(ports)))
            values[f"numbers_{i}"] = self.numbers[i][0]
            values[f"hold_{i}"] = self.holds[i]
        values["longest"] = longest
        for q, edges in enumerate(self.shape.inner):
            weight = given[f"weight_{q}"]
            values[f"weight_{q}"] = _array(weight.t().contiguous() if edges.dense else weight)
            values |= self._lists(q)
        built = kernels(replace(self.shape, members=tuple(members)))
        _shared(built.forward, batch, steps, [values[a] for a in built.forward_arguments])
        return list(made.values())

    def _lists(self, q: int) -> dict[str, Any]:
        found = self.synapses.get(q)
        return {} if found is None else {f"start_{q}": found.start, f"target_{q}": found.target}

    def backward(
        self,
        steps: int,
        batch: int,
        given: Mapping[str, Tensor],
        kept: Mapping[str, Tensor],
        grads: Mapping[str, Tensor | None],
        wanted: Sequence[str],
    ) -> dict[str, Tensor]:
        """Return the gradient of the inputs in `wanted`.

        Parameters
        ----------
        given : slot -> what entered
        kept : name -> what came out
        grads : name of a result -> its gradient, or None
        """
        values: dict[str, Any] = {}
        arriving: dict[tuple[int, int], Tensor] = {}
        bars: dict[str, Tensor] = {}
        totals: dict[str, NDArray[Any]] = {}
        past: dict[str, Tensor] = {}
        count_threads = max(1, min(torch.get_num_threads(), batch))
        for i, m in enumerate(self.shape.members):
            n, step = self.sizes[i], m.rows.step
            values[f"numbers_{i}"] = self.numbers[i][1]
            for name in (f"sent_{i}", *(f"record_{i}_{x}" for x in range(len(m.recorded)))):
                grad = grads.get(name)
                if grad is None:
                    grad = torch.zeros((), dtype=self.dtype).expand(steps, batch, n)
                values[f"grad_{name}"] = _array(grad)
            for x in range(len(step.variables)):
                grad = grads.get(f"state_{i}_{x}")
                zero = torch.zeros((batch, n), dtype=self.dtype)
                bars[f"state_{i}_{x}"] = zero if grad is None else grad.to(self.dtype).clone()
                values[f"bars_{i}_{x}"] = _array(bars[f"state_{i}_{x}"])
            for k in range(len(m.ports)):
                arriving[i, k] = torch.empty((steps, batch, n), dtype=self.dtype)
                values[f"grad_{i}_{k}"] = _array(arriving[i, k])
            for x in range(len(m.rows.trained)):
                totals[f"total_{i}_{x}"] = np.zeros(
                    (count_threads, n), values[f"numbers_{i}"].dtype
                )
            if any(q.pre == i for q in self.shape.inner):
                past[f"past_{i}"] = torch.zeros_like(given[f"past_{i}"])
                values[f"grad_past_{i}"] = _array(past[f"past_{i}"])
        for q in range(len(self.shape.inner)):
            values |= self._lists(q)
        built = kernels(self.shape)

        entered = {**given, **kept}
        for a in built.backward_arguments:
            if a in entered and a not in values:
                values[a] = _array(entered[a])

        def arguments(thread: int) -> list[Any]:
            own = {n: t[thread] for n, t in totals.items()}
            return [own[a] if a in own else values[a] for a in built.backward_arguments]

        _shared(built.backward, batch, steps, arguments)
        return self._gradients(given, kept, arriving, bars, totals, past, wanted, steps, batch)

    def _gradients(
        self,
        given: Mapping[str, Tensor],
        kept: Mapping[str, Tensor],
        arriving: Mapping[tuple[int, int], Tensor],
        bars: Mapping[str, Tensor],
        totals: Mapping[str, NDArray[Any]],
        past: Mapping[str, Tensor],
        wanted: Sequence[str],
        steps: int,
        batch: int,
    ) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        number = 0
        for i, m in enumerate(self.shape.members):
            for k, use in enumerate(m.ports):
                grad = arriving[i, k]
                if f"outside_{i}_{k}" in wanted:
                    found[f"outside_{i}_{k}"] = grad
                if f"steady_{i}_{k}" in wanted:
                    found[f"steady_{i}_{k}"] = grad.sum(0)
                if f"bias_{i}_{k}" in wanted:
                    found[f"bias_{i}_{k}"] = grad.sum((0, 1))
                for e, lag in enumerate(use.events):
                    choice = Choice(int(kept["choices"][number, 0]))
                    number += 1
                    x, w = given[f"x_{i}_{k}_{e}"], given[f"w_{i}_{k}_{e}"]
                    late = grad[lag:].flatten(0, 1)
                    if f"w_{i}_{k}_{e}" in wanted:
                        if choice is Choice.EVENTS:
                            words = _array(kept[f"words_{i}_{k}_{e}"]).view(np.uint64)
                            found[f"w_{i}_{k}_{e}"] = _event_gradient(
                                words, x.shape[2], steps - lag, batch, lag, grad
                            )
                        else:
                            early = x[: steps - lag].flatten(0, 1)
                            found[f"w_{i}_{k}_{e}"] = product(late.t(), early.t(), choice)
                    if f"x_{i}_{k}_{e}" in wanted:
                        mask = given.get(f"mask_{i}_{k}_{e}")
                        mask = None if mask is None else mask[: steps - lag]
                        back = back_product(late, w, choice, mask)
                        back = back.view(steps - lag, batch, -1)
                        found[f"x_{i}_{k}_{e}"] = _early(back, lag)
            for x in range(len(m.rows.step.variables)):
                found[f"state_{i}_{x}"] = bars[f"state_{i}_{x}"]
            for x, c in enumerate(m.rows.trained):
                place = m.rows.arrays.index(c)
                found[f"own_{i}_{place}"] = torch.from_numpy(totals[f"total_{i}_{x}"].sum(0))
        for number, q in enumerate(self.shape.inner):
            if f"weight_{number}" in wanted:
                found[f"weight_{number}"] = self._inner_gradient(
                    number, q, given, kept, arriving, steps, batch
                )
        found |= past
        return {n: t for n, t in found.items() if n in wanted}

    def _inner_gradient(
        self,
        number: int,
        q: Inner,
        given: Mapping[str, Tensor],
        kept: Mapping[str, Tensor],
        arriving: Mapping[tuple[int, int], Tensor],
        steps: int,
        batch: int,
    ) -> Tensor:
        sent, grad = kept[f"sent_{q.pre}"], arriving[q.post, q.port]
        before = given[f"past_{q.pre}"]
        early = before[len(before) - q.lag :][:steps]
        fresh = bool(torch.any(early))
        if q.dense:
            if self.shape.members[q.pre].graded:
                total = product(
                    grad[q.lag :].flatten(0, 1).t(),
                    sent[: steps - q.lag].flatten(0, 1).t(),
                    Choice.DENSE,
                )
            else:
                words = np.empty((steps * batch, -(-sent.shape[2] // 64)), np.uint64)
                count(sent, words)
                total = _event_gradient(
                    words, sent.shape[2], max(0, steps - q.lag), batch, q.lag, grad
                )
            if fresh:
                total = total + grad[: len(early)].flatten(0, 1).t() @ early.flatten(0, 1)
            return total
        lists = self.synapses[number]
        sums = np.zeros(len(lists.target), sent.numpy().dtype)
        if q.lag < steps:
            bits.sparse_gradient(_array(sent), _array(grad), q.lag, lists.start, lists.target, sums)
        if fresh:
            bits.sparse_gradient(
                _array(early.contiguous()), _array(grad), 0, lists.start, lists.target, sums
            )
        return torch.from_numpy(sums)


def _event_gradient(
    words: NDArray[np.uint64], n_pre: int, steps: int, batch: int, lag: int, grad: Tensor
) -> Tensor:
    """Return the gradient (post, pre) of weights that spikes went through, shared out over columns."""
    flat = _array(grad).reshape(-1, grad.shape[2])
    n_post = flat.shape[1]
    total = np.zeros((n_pre, n_post), flat.dtype)
    n = steps * batch
    parts = max(1, min(torch.get_num_threads(), n_post // 64))
    edges = [n_post * p // parts for p in range(parts + 1)]

    def part(p: int) -> None:
        bits.weight_gradient(words, n, lag * batch, flat, edges[p], edges[p + 1], total)

    each(part, parts)
    return torch.from_numpy(total).t()


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().contiguous().numpy()


def _late(x: Tensor, lag: int) -> Tensor:
    if not lag:
        return x
    return torch.cat((x.new_zeros((lag, *x.shape[1:])), x))


def _early(x: Tensor, lag: int) -> Tensor:
    if not lag:
        return x
    return torch.cat((x, x.new_zeros((lag, *x.shape[1:]))))


def _shared(
    kernel: Any, batch: int, steps: int, arguments: list[Any] | Callable[[int], list[Any]]
) -> None:
    """Run a kernel on all samples, shared out over as many threads as PyTorch has."""
    parts = max(1, min(torch.get_num_threads(), batch))
    edges = [batch * p // parts for p in range(parts + 1)]

    def part(p: int) -> None:
        own = arguments(p) if callable(arguments) else arguments
        kernel(edges[p], edges[p + 1], steps, batch, *own)

    each(part, parts)


def each(part: Callable[[int], None], parts: int) -> None:
    """Do all parts, the first one in this thread."""
    if parts == 1:
        part(0)
        return
    waiting = [_pool(parts - 1).submit(part, p) for p in range(1, parts)]
    part(0)
    for result in waiting:
        result.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="spikewright")
