"""One differentiable step of a population, generated from the same text as every other engine's.

`engines.discretize` gives the step as trees; `build` turns them into closures over PyTorch tensors. Forward it does
what the reference engine does; backward a spike has the slope of a surrogate, and the reset is part of the gradient
or not, as `ResetGradient` says.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikewright.engines.discretize import Step
from spikewright.engines.program import initial_values
from spikewright.errors import TrainError, explain
from spikewright.network.expression import evaluate, names_in
from spikewright.network.graph import Population
from spikewright.network.model import NeuronModel
from spikewright.train.expression import Node, build, margin, value
from spikewright.train.surrogate import Spike, Surrogate


class ResetGradient(enum.Enum):
    """Whether the gradient flows through the reset of a neuron that fired."""

    KEPT = "kept"
    """The reset is differentiated: the exact gradient of the step with the surrogate in place of the spike."""
    DETACHED = "detached"
    """The spike that resets is held constant. Another gradient, up to hundreds of times larger in recurrent nets."""
    ADAPTATION = "adaptation"
    """Held constant where it resets the variable that is compared with the threshold; what a spike does to others, such
    as an adaptive threshold, is differentiated: the gradient of Bellec et al., Nature Communications 11, 2020."""


class Kernels(enum.Enum):
    """What calculates a group of populations."""

    FUSED = "fused"
    """Generated multi-step kernels, forward and backward."""
    AUTOGRAD = "autograd"
    """One step at a time by PyTorch: short and slow, what the kernels are checked by."""


@dataclass(frozen=True)
class Firing:
    """How a population spikes, and what the gradient is.

    Parameters
    ----------
    surrogate : stand-in for the derivative of a spike
    reset_gradient : whether the reset is differentiated
    smooth : fire the surrogate's smooth step instead of spikes (to check gradients; not a spiking network)
    active_only : calculate what is sent back only for neurons whose surrogate has a slope; exact, but not for inputs

    Raises
    ------
    TrainError : `active_only` with a surrogate whose slope is 0 nowhere
    """

    surrogate: Surrogate
    reset_gradient: ResetGradient
    smooth: bool = False
    active_only: bool = False

    def __post_init__(self) -> None:
        if self.active_only and not self.surrogate.is_compact:
            raise TrainError(
                explain(
                    "active_only",
                    f"{type(self.surrogate).__name__} has a slope everywhere, so every neuron is active",
                    cure="use a surrogate of compact support: Triangle or Rectangle",
                )
            )

    def detached(self, model: NeuronModel) -> frozenset[str]:
        """Return the variables whose reset takes the spike as a constant."""
        if self.reset_gradient is ResetGradient.DETACHED:
            return frozenset(model.reset)
        if self.reset_gradient is ResetGradient.ADAPTATION:
            return frozenset(v for v in model.reset if v == model.thresholded)
        return frozenset()


@dataclass(frozen=True)
class TorchStep:
    """One step of a population as closures.

    Parameters
    ----------
    assign : (name, node): deliver, then integrate
    margin : how far the threshold is exceeded, or None where the model has none
    inclusive : whether a margin of 0 fires; None where `fire` decides
    fire : truth of the threshold, or None where the sign of the margin is it
    ready : truth of not being refractory, or None
    output : what is sent, or None: 1
    reset : (variable, kind, node)
    refractory : steps, or None
    scale : distance of the threshold from the starting value, in its unit
    model : whose step it is
    """

    assign: tuple[tuple[str, Node], ...]
    margin: Node | None
    inclusive: bool | None
    fire: Node | None
    ready: Node | None
    output: Node | None
    reset: tuple[tuple[str, str, Node], ...]
    refractory: Any
    scale: float
    model: NeuronModel

    def advance(
        self, names: dict[str, Any], variables: Collection[str], firing: Firing, like: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Advance by one step.

        Parameters
        ----------
        names : constants, ports, noise, variables and `_ref`; variables are replaced by their new values
        variables : the state variables
        firing : how to spike
        like : any tensor of the result's shape

        Returns
        -------
        what is sent, and the refractory counters (None where the model has none)
        """
        for name, node in self.assign:
            names[name] = node(names) if callable(node) else torch.full_like(like, node)
        waiting = names.get("_ref")
        if self.margin is None:
            sent = torch.ones_like(like) if self.output is None else value(self.output, names)
            return _shaped(sent, like), waiting
        spike = self._spike(names, firing, like)
        sent = spike
        if self.output is not None:
            sent = spike * value(self.output, names)
        detached = firing.detached(self.model)
        after = {}
        for variable, kind, node in self.reset:
            resetting = spike.detach() if variable in detached else spike
            now = names[variable]
            if kind == "zero":
                after[variable] = now - resetting * now
            elif kind == "subtract":
                after[variable] = now - resetting * value(node, names)
            else:
                target = _shaped(value(node, names), like)
                after[variable] = (
                    resetting * target + (1.0 - resetting) * now
                    if firing.smooth
                    else Choose.apply(resetting, target, now)
                )
        names.update(after)
        if self.refractory is not None and waiting is not None:
            fired = spike.detach() > 0.5
            names["_ref"] = torch.where(fired, self.refractory, torch.clamp(waiting - 1, min=0))
        return _shaped(sent, like), names.get("_ref")

    def _spike(self, names: dict[str, Any], firing: Firing, like: Tensor) -> Tensor:
        distance = _shaped(value(self.margin, names), like)
        if firing.smooth:
            spike = firing.surrogate.step(distance / self.scale)
        else:
            fired = None if self.fire is None else _shaped(value(self.fire, names), like)
            spike = Spike.apply(distance, fired, self.inclusive, firing.surrogate, self.scale)
        if self.ready is not None:
            ready = value(self.ready, names)
            spike = spike * ready.to(spike.dtype) if isinstance(ready, Tensor) else spike * ready
        return spike


class Choose(torch.autograd.Function):
    """The target where it fired, else what was there; a diverged membrane leaves no trace, nor in the gradient."""

    @staticmethod
    def forward(ctx, spike, target, now):  # type: ignore[no-untyped-def]
        """Return target where spike is 1, now where it is 0."""
        ctx.save_for_backward(spike, target, now)
        return torch.where(spike > 0.5, target, now)

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        """Return the gradients of spike * target + (1 - spike) * now."""
        spike, target, now = ctx.saved_tensors
        change = torch.nan_to_num(grad * (target - now), nan=0.0, posinf=0.0, neginf=0.0)
        return change, grad * spike, grad * (1.0 - spike)


def _shaped(x: Any, like: Tensor) -> Tensor:
    if not isinstance(x, Tensor):
        return torch.full(like.shape, x, dtype=like.dtype, device=like.device)
    return x if x.shape == like.shape else x.expand(like.shape)


def compile_step(
    population: Population,
    step: Step,
    *,
    live: Collection[str],
    dynamic: Collection[str] = (),
    where: str = "population",
) -> TorchStep:
    """Return a population's step as closures.

    Parameters
    ----------
    population : what the step belongs to
    step : one step on the grid, from `discretize`
    live : ports at which something can arrive; the others count as 0
    dynamic : constants that are looked up at every step (trained ones) rather than built in
    where : what a message starts with

    Raises
    ------
    TrainError : integer arithmetic, or a threshold without a margin
    """
    model = population.model
    if model.integer:
        raise TrainError(
            explain(
                where,
                f"{model.name} calculates in integers, which have no gradient",
                cure="train the network before it is compiled to a chip",
            )
        )
    known: dict[str, float] = {
        name: float(x) for name, x in step.constants.items() if x.ndim == 0 and name not in dynamic
    }
    known |= {port: 0.0 for port in model.inputs if port not in live}
    refractory = step.refractory
    if refractory is not None and not np.any(refractory > 0):
        known["_ref"], refractory = 0.0, None
    fire, ready = step.fire, None
    if (
        isinstance(fire, ast.BoolOp)
        and model.refractory is not None
        and "_ref" in names_in(fire.values[-1])
    ):
        ready = build(fire.values[-1], known)
        ready = None if ready is True else ready
        fire = fire.values[0]
    single = isinstance(fire, ast.Compare)
    distance = None if fire is None else build(margin(fire), known)
    inclusive = isinstance(fire, ast.Compare) and isinstance(fire.ops[0], ast.GtE | ast.LtE)
    return TorchStep(
        tuple((name, build(tree, known)) for name, tree in step.assign),
        distance,
        inclusive if single else None,
        None if fire is None or single else build(fire, known),
        ready,
        None if step.output is None else build(step.output, known),
        tuple((v, *_reset(v, tree, known, model.is_affine)) for v, tree in step.reset),
        None if refractory is None else refractory.reshape(
            population.shape if refractory.ndim else ()
        ),
        threshold_distance(population, step),
        model,
    )  # fmt: skip


def _reset(
    variable: str, tree: ast.expr, known: Mapping[str, float], bounded: bool
) -> tuple[str, Node]:
    node = build(tree, known)
    if not bounded:
        return "other", node
    if not callable(node) and node == 0.0:
        return "zero", node
    if (
        isinstance(tree, ast.BinOp)
        and isinstance(tree.op, ast.Sub)
        and isinstance(tree.left, ast.Name)
        and tree.left.id == variable
    ):
        return "subtract", build(tree.right, known)
    return "other", node


def threshold_distance(population: Population, step: Step) -> float:
    """Return how far a population starts below its threshold, in the threshold's unit; 1 where that says nothing."""
    if step.fire is None:
        return 1.0
    fire = step.fire
    if isinstance(fire, ast.BoolOp) and "_ref" in names_in(fire.values[-1]):
        fire = fire.values[0]
    names = dict(step.constants) | initial_values(population)
    names |= dict.fromkeys([*population.model.inputs, *population.model.noise], 0.0)
    try:
        found = float(np.mean(np.abs(evaluate(margin(fire), names))))
    except KeyError:
        return 1.0
    return found if np.isfinite(found) and found > 0 else 1.0


def natural_unit(
    population: Population, step: Step, port: str, *, where: str = "population"
) -> float:
    """Return the input at a port, in one step, that takes a resting neuron to its threshold: a power of 2.

    Where there is no threshold: the input whose response peaks at 1, in the unit of what is sent.
    """
    model = population.model
    compiled = compile_step(population, step, live=(port,), where=where)
    tensors = {
        n: torch.from_numpy(x.reshape(population.shape).astype(np.float64))
        for n, x in step.constants.items()
        if x.ndim
    }
    start = {
        v: torch.from_numpy(np.array(x, np.float64).reshape(1, *population.shape))
        for v, x in initial_values(population).items()
    }
    like = torch.zeros((1, *population.shape), dtype=torch.float64)
    watched: Callable[[dict[str, Any]], Any]
    if compiled.margin is not None:
        watched = lambda names: value(compiled.margin, names)  # noqa: E731
    else:
        watched = lambda names: value(1.0 if compiled.output is None else compiled.output, names)  # noqa: E731

    def response(size: float) -> Tensor:
        names: dict[str, Any] = tensors | start | dict.fromkeys(model.noise, like)
        names["_ref"] = torch.zeros_like(like)
        seen = []
        for k in range(RESPONSE_STEPS if model.state else 1):
            names[port] = torch.full_like(like, size if k == 0 else 0.0)
            for name, node in compiled.assign:
                names[name] = node(names) if callable(node) else torch.full_like(like, node)
            seen.append(_shaped(watched(names), like))
        return torch.stack(seen)

    with torch.no_grad():
        rest = response(0.0)
        size = 1.0
        for _ in range(20):
            peak = float((response(size) - rest).abs().amax(0).mean())
            if model.is_affine or model.is_transparent or peak < 0.3 * compiled.scale:
                break
            size /= 10.0
    if not (np.isfinite(peak) and peak > 0):
        return 1.0
    return float(2.0 ** np.rint(np.log2(compiled.scale * size / peak)))


RESPONSE_STEPS = 100
"""Steps after which an impulse response is taken to have peaked."""
