"""Long runs in segments of time: less memory for the same gradient, or a gradient that is cut.

    state_0 -> segment 1 -> state_1 -> segment 2 -> state_2 ...      sent, of all segments joined -> loss

`Recomputed` keeps the states between segments and what the loss looks at. Backward, segment after segment is run again
with its graph, the last one first, and hands the gradient of its first state to the segment before. Memory is that of
T / S states and of one graph of S steps, least where S is about the square root of T; it costs one more run forward.

`Truncated` hands no gradient from a segment to the one before.

Source
------
Checkpoints of a recurrent computation: Griewank and Walther, ACM Transactions on Mathematical Software 26, 2000; every
square root of T steps: Chen, Xu, Zhang, Guestrin, arXiv 1604.06174, 2016. Truncation: Williams and Peng, Neural
Computation 2, 1990.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikewright.errors import TrainError, explain
from spikewright.train.gradient import Batch, Gradient, Learned, spikes_of
from spikewright.train.module import Module
from spikewright.train.run import Run, TorchState


class SegmentLoss(enum.Enum):
    """What the loss of a truncated run is a function of."""

    JOINED = "joined"
    """The whole run, joined from its segments: the loss of a run that is not truncated, its gradient cut."""
    EACH = "each"
    """Every segment by itself, averaged over segments by their steps. Of what grows with T, only outputs are kept."""


@dataclass(frozen=True)
class Recomputed(Gradient):
    """Backpropagation through time that runs segments a second time in place of keeping their graphs.

    The gradient is that of `Backpropagation`; its sums over time are taken in another order.

    Parameters
    ----------
    steps : of a segment; None: the square root of the number of steps
    """

    steps: int | None = None

    def __post_init__(self) -> None:
        _check_steps("Recomputed", self.steps)

    def segment(self, steps: int) -> int:
        return self.steps or math.ceil(math.sqrt(steps))

    def learn(self, batch: Batch) -> Learned:
        return _learn_joined(batch, self.segment(batch.steps), carry=True)


@dataclass(frozen=True)
class Truncated(Gradient):
    """Truncated backpropagation through time: the state is detached between segments.

    With `SegmentLoss.EACH`, regularizers see every segment by itself, too. The decision is that of the whole run in
    either case.

    Parameters
    ----------
    steps : of a segment
    loss : whether the loss is that of the joined run or of every segment
    """

    steps: int = 100
    loss: SegmentLoss = SegmentLoss.JOINED

    def __post_init__(self) -> None:
        _check_steps("Truncated", self.steps)

    def segment(self, steps: int) -> int:
        return self.steps

    def learn(self, batch: Batch) -> Learned:
        if self.loss is SegmentLoss.JOINED:
            return _learn_joined(batch, self.steps, carry=False)
        state: TorchState | None = None
        total, loss, spikes = 0.0, 0.0, 0.0
        seen: list[Run] = []
        for inputs in batch.inputs.split(self.steps):
            run = batch.run(inputs, state)
            weight = len(inputs) / batch.steps
            objective, mean = batch.objective(run)
            (objective * weight).backward()
            total += float(objective.detach()) * weight
            loss += float(mean.detach()) * weight
            spikes += spikes_of(run)
            state = run.state.detach()
            seen.append(_looked_at(run, run.outputs, detach=True))
        return Learned(total, loss, batch.loss.decide(join(seen)), spikes)


def _check_steps(what: str, steps: int | None) -> None:
    if steps is not None and steps < 1:
        raise TrainError(explain(f"{what}(steps=)", "must be at least 1", found=steps))


def _learn_joined(batch: Batch, steps: int, *, carry: bool) -> Learned:
    run, spikes = in_segments(
        batch.run,
        batch.inputs,
        steps,
        parameters=tuple(batch.module.parameters()),
        keep=batch.looked_at,
        carry=carry,
    )
    total, loss = batch.objective(run)
    total.backward()
    return Learned(float(total.detach()), float(loss.detach()), batch.loss.decide(run), spikes)


def run_in_segments(
    module: Module,
    inputs: Tensor,
    *,
    steps: int | None = None,
    keep: Collection[str] | None = None,
    carry: bool = True,
    **options: Any,
) -> Run:
    """Run a module in segments of time whose graphs are not kept, for a training loop of yours.

    Parameters
    ----------
    module : what to run
    inputs : `T B *shape`, of the one input population
    steps : of a segment; None: the square root of T
    keep : populations whose `sent` the run has, which is what grows with T; None: all
    carry : whether the gradient goes on from a segment to the one before
    options : further arguments of `Module.run`

    Examples
    --------
    >>> import torch
    >>> from spikewright.network.chain import chain, dense, neurons, source
    >>> from spikewright.network import LIF
    >>> module = Module(chain(source(3), dense(2), neurons(LIF), dt=1e-3, seed=1))
    >>> run = run_in_segments(module, torch.ones(9, 1, 3), keep=["output"])
    >>> tuple(run.output.shape), run.state.step
    ((9, 1, 2), 9)
    """
    first = options.pop("state", None)

    def go(part: Tensor, state: TorchState | None) -> Run:
        return module.run(part, state=state, **options)

    size = steps or math.ceil(math.sqrt(len(inputs)))
    parameters = tuple(module.parameters())
    return in_segments(
        go, inputs, size, parameters=parameters, keep=keep, carry=carry, first=first
    )[0]


def in_segments(
    run: Callable[[Tensor, TorchState | None], Run],
    inputs: Tensor,
    steps: int,
    *,
    parameters: Sequence[Tensor],
    keep: Collection[str] | None,
    carry: bool = True,
    first: TorchState | None = None,
) -> tuple[Run, float]:
    """Return a run that was made segment by segment, and the number of its spikes.

    Parameters
    ----------
    run : runs some steps from a state; a state of None is the start
    inputs : of all steps
    steps : of a segment
    parameters : what `run` depends on beside its arguments
    keep, carry : as in `run_in_segments`
    first : where to start
    """
    state, spikes = first, 0.0
    seen: list[Run] = []
    for part in inputs.split(steps):
        segment = _Segment(run, state, keep)
        flat = _Rerun.apply(segment, part, *_tensors(state), *parameters)
        found = segment.filled(flat)
        state = found.state if carry else found.state.detach()
        seen.append(found)
        spikes += segment.spikes
    return join(seen), spikes


def join(runs: Sequence[Run]) -> Run:
    """Return runs that followed each other as one."""
    last = runs[-1]
    if len(runs) == 1:
        return last
    return replace(
        last,
        sent={n: torch.cat([r.sent[n] for r in runs]) for n in last.sent},
        traces={
            n: {v: torch.cat([r.traces[n][v] for r in runs]) for v in kept}
            for n, kept in last.traces.items()
        },
    )


def _looked_at(run: Run, keep: Collection[str] | None, *, detach: bool = False) -> Run:
    """Return a run without what is not looked at."""
    sent = {n: x for n, x in run.sent.items() if keep is None or n in keep}
    if not detach:
        return replace(run, sent=sent)
    return replace(
        run,
        sent={n: x.detach() for n, x in sent.items()},
        traces={n: {v: x.detach() for v, x in kept.items()} for n, kept in run.traces.items()},
        state=run.state.detach(),
    )


class _Segment:
    """One segment between two states: what an autograd function cannot pass on as tensors."""

    def __init__(
        self,
        run: Callable[[Tensor, TorchState | None], Run],
        state: TorchState | None,
        keep: Collection[str] | None,
    ) -> None:
        self._run, self._before, self._keep = run, state and _shape_of(state), keep
        self.spikes = 0.0
        self.n_given = 1 + len(_tensors(state))
        self._shape: Run

    def again(self, given: Sequence[Tensor]) -> list[Tensor]:
        """Run from inputs and the tensors of a state; return sent, traces and the tensors of the last state."""
        part, *tensors = given
        before = None if self._before is None else _refilled(self._before, tensors)
        run = self._run(part, before)
        self.spikes = spikes_of(run)
        run = _looked_at(run, self._keep)
        # what stays with this segment must not hold tensors that have a graph
        self._shape = replace(
            run,
            sent=dict.fromkeys(run.sent),
            traces={n: dict.fromkeys(kept) for n, kept in run.traces.items()},
            state=_shape_of(run.state),
        )
        traces = [x for kept in run.traces.values() for x in kept.values()]
        return [*run.sent.values(), *traces, *map(_alone, _tensors(run.state))]

    def filled(self, flat: Sequence[Tensor]) -> Run:
        """Return the run that these tensors are of."""
        rest = iter(flat)
        sent = {n: next(rest) for n in self._shape.sent}
        traces = {n: {v: next(rest) for v in kept} for n, kept in self._shape.traces.items()}
        return replace(
            self._shape, sent=sent, traces=traces, state=_refilled(self._shape.state, list(rest))
        )


class _Rerun(torch.autograd.Function):
    """A segment whose graph is made when its gradient is wanted."""

    @staticmethod
    def forward(ctx, segment, *tensors):  # type: ignore[no-untyped-def]
        """Run without a graph."""
        ctx.segment = segment
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        return tuple(segment.again(tensors[: segment.n_given]))

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # type: ignore[no-untyped-def]
        """Run again, with a graph, and go back through it."""
        n = ctx.segment.n_given
        needed = ctx.needs_input_grad[1:]
        # inputs and state start anew; parameters are leaves already, or carry a graph of their own that stays outside
        tensors = [
            x.detach().requires_grad_(need) if k < n else x
            for k, (x, need) in enumerate(zip(ctx.saved_tensors, needed, strict=True))
        ]
        with torch.enable_grad():
            flat = ctx.segment.again(tensors[:n])
        pairs = [
            (x, g) for x, g in zip(flat, grads, strict=True) if g is not None and x.requires_grad
        ]
        wanted = [x for x, need in zip(tensors, needed, strict=True) if need]
        found = iter(
            torch.autograd.grad(
                [x for x, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True
            )
            if pairs
            else [None] * len(wanted)
        )
        return (None, *(next(found) if need else None for need in needed))


def _alone(x: Tensor) -> Tensor:
    """Return a tensor that does not keep a larger one alive, as a last step keeps all steps that it is a view of."""
    return x.clone() if x.untyped_storage().nbytes() > x.numel() * x.element_size() else x


def _tensors(state: TorchState | None) -> list[Tensor]:
    """Return the tensors of a state, in the order in which `_refilled` takes them."""
    if state is None:
        return []
    values = [x for kept in state.values.values() for x in kept.values()]
    return [*values, *state.waiting.values(), *state.history.values()]


def _shape_of(state: TorchState) -> TorchState:
    """Return a state's names without its tensors."""
    names: Mapping[str, Any] = {n: dict.fromkeys(kept) for n, kept in state.values.items()}
    return TorchState(state.step, names, dict.fromkeys(state.waiting), dict.fromkeys(state.history))


def _refilled(shape: TorchState, tensors: Sequence[Tensor]) -> TorchState:
    rest = iter(tensors)
    values = {n: {v: next(rest) for v in kept} for n, kept in shape.values.items()}
    # counters have no gradient, though every output of an autograd function looks as if it had
    waiting = {n: next(rest).detach() for n in shape.waiting}
    return TorchState(shape.step, values, waiting, {n: next(rest) for n in shape.history})
