"""A module and a rule, made ready: what runs forward, on which ways errors come back, and where gradients go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.errors import ModelError, TrainError, explain
from spikewright.network.graph import Network
from spikewright.rng import stream
from spikewright.train.fused.build import Recurrence, inner_parts
from spikewright.train.online.course import Course
from spikewright.train.online.feedback import Ways
from spikewright.train.online.lesson import Lesson, Sums, Weights
from spikewright.train.online.loss import OnlineLoss
from spikewright.train.online.rule import EProp, Feedback, OnlineRule
from spikewright.train.online.synapses import Key
from spikewright.train.online.wiring import Wiring, wire
from spikewright.train.through import same_params

if TYPE_CHECKING:
    from spikewright.train.module import Module

Reals = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Teaching:
    """A module with the weights of one update, ready to learn.

    Parameters
    ----------
    module, rule, lesson, wiring, weights : what is taught to what
    inner : parts of projections, with weights that lead back to the module's parameters
    biases : projection -> bias, of the same kind
    """

    module: Module
    rule: OnlineRule
    lesson: Lesson
    wiring: Wiring
    weights: Weights
    inner: Sequence[Recurrence]
    biases: Mapping[str, Tensor]

    @property
    def n_bytes(self) -> int:
        """Bytes of eligibility of one sample, at most."""
        wiring, numbers = self.wiring, 0
        filters = wiring.alone[wiring.output].n_variables
        for q in self.lesson.learning:
            if isinstance(q, int):
                post = wiring.names[wiring.plan.shape.inner[q].post]
                d = wiring.alone[post].n_variables + filters
                numbers += d * self.weights.forward[q].size
        return numbers * wiring.kind.itemsize

    def course(self, samples: int, window: int) -> Course:
        """Return a way for some samples."""
        return Course(self.wiring, self.lesson, samples, window)

    def back(self, sums: Sums, share: float = 1.0) -> float:
        """Add the gradient of what was added up to the module's parameters; return what the rates cost."""
        cost, pull = self._rates(sums)
        tensors: list[Tensor] = []
        grads: list[Tensor] = []
        of_ports: dict[tuple[str, str], Tensor] = {}
        for key, total in sums.gradients.items():
            grad = total / max(1, sums.judged)
            is_bias = not isinstance(key, int)
            post = key[0] if is_bias else self.inner[key].post  # type: ignore[index]
            lists = None if is_bias else self.wiring.plan.synapses.get(key)  # type: ignore[arg-type]
            if post in pull:
                per = pull[post] if lists is None else pull[post][lists.target]
                grad += sums.rates[key] * per.astype(grad.dtype)
            found = torch.from_numpy(grad * share)
            if isinstance(key, int):
                tensors.append(self.inner[key].weight)
                grads.append(found.t() if lists is None else found)
            else:
                of_ports[key] = found
        network = self.module.network
        for q, bias in self.biases.items():
            post = network.projections[q].post
            place = (post, network.port_of(q))
            if bias.requires_grad and place in of_ports:
                shaped = of_ports[place].reshape(network.populations[post].shape)
                tensors.append(bias)
                grads.append(shaped.sum_to_size(bias.shape))
        torch.autograd.backward(tensors, grads)
        for name, parameter in getattr(self.module, "feedback", {}).items():
            # the same step as the weights themselves: what both had in common stays, what they had not decays
            parameter.grad = self.module.weights[name].grad.clone()
        return cost

    def _rates(self, sums: Sums) -> tuple[float, dict[str, Reals]]:
        """Return what the rates cost, and population -> N: the derivative with respect to the number of spikes."""
        rate = self.rule.rate if isinstance(self.rule, EProp) else None
        cost, pull = 0.0, {}
        for name, spikes in sums.spikes.items():
            if rate is not None and sums.pulled[name]:
                away = spikes / sums.pulled[name] - rate.rate
                cost += 0.5 * rate.weight * float((away**2).sum())
                pull[name] = away * (rate.weight / sums.pulled[name])
        return cost, pull


def teaching(
    rule: OnlineRule,
    module: Module,
    loss: OnlineLoss,
    arrays: Sequence[tuple[str, str]],
    instance: Network | None = None,
    clip: tuple[float, float] | None = None,
) -> Teaching:
    """Return a module, with the weights that it has now, ready to learn.

    Parameters
    ----------
    arrays : (population, port) at which input enters
    instance, clip : as in `Module.run`

    Raises
    ------
    TrainError : a projection has no synapses of its own, or a model no derivative
    """
    network = module.network
    weights, biases, _ = module.effective(instance, clip)
    inner = inner_parts(module, network.order(), weights)
    if inner is None:
        raise TrainError(
            explain(
                type(rule).__name__,
                "needs projections whose every synapse has a weight of its own or a shared one",
                cure="put a Relay population between a pool and the weights behind it",
            )
        )
    is_eprop = isinstance(rule, EProp)
    wiring = _wiring(rule, module, inner, biases, arrays, instance)
    pulled: tuple[str, ...] = ()
    if isinstance(rule, EProp) and rule.rate is not None:
        pulled = rule.rate.populations or tuple(
            n
            for n, p in network.populations.items()
            if p.model.is_spiking and n not in network.outputs
        )
    learning = _learning(module, wiring, inner, biases)
    lesson = Lesson(loss, learning, not is_eprop, isinstance(rule, EProp) and rule.filtered, pulled)
    weights_ = _weights(rule, module, wiring, inner, biases)
    return Teaching(module, rule, lesson, wiring, weights_, inner, biases)


def _wiring(
    rule: OnlineRule,
    module: Module,
    inner: Sequence[Recurrence],
    biases: Mapping[str, Tensor],
    arrays: Sequence[tuple[str, str]],
    instance: Network | None,
) -> Wiring:
    """Return the wiring, made once for all batches whose neurons have the module's parameters."""
    is_spatial = not isinstance(rule, EProp)
    before = module.network.populations
    if instance is not None and all(
        same_params(p, instance.populations[n]) for n, p in before.items()
    ):
        instance = None
    key = ("online", is_spatial, tuple(arrays), module.firing, next(module.parameters()).dtype)
    if instance is None and key in module.plans:
        return module.plans[key]  # type: ignore[no-any-return]
    try:
        wiring = wire(module, inner, biases, arrays, instance, is_spatial=is_spatial)
    except ModelError as error:
        raise TrainError(
            explain(type(rule).__name__, "a model has no gradient", found=error)
        ) from error
    if instance is None:
        module.plans[key] = wiring
    return wiring


def _learning(
    module: Module, wiring: Wiring, inner: Sequence[Recurrence], biases: Mapping[str, Tensor]
) -> tuple[Key, ...]:
    """Return what learns: parts of projections, and ports with biases, that errors come back to."""
    network = module.network
    found: list[Key] = [
        q for q, r in enumerate(inner) if r.weight.requires_grad and r.post in wiring.late
    ]
    for q, bias in biases.items():
        key = (network.projections[q].post, network.port_of(q))
        if bias.requires_grad and key[0] in wiring.late and key not in found:
            found.append(key)
    return tuple(found)


def _weights(
    rule: OnlineRule,
    module: Module,
    wiring: Wiring,
    inner: Sequence[Recurrence],
    biases: Mapping[str, Tensor],
) -> Weights:
    network = module.network
    arrays = [r.weight.detach().contiguous().numpy() for r in inner]
    forward = [
        np.ascontiguousarray(w.T) if r.synapses is None else w
        for w, r in zip(arrays, inner, strict=True)
    ]
    summed: dict[tuple[str, str], Reals] = {}
    for q, bias in biases.items():
        post = network.projections[q].post
        shape = network.populations[post].shape
        flat = np.array(bias.detach().expand(shape).reshape(-1).numpy())
        key = (post, network.port_of(q))
        summed[key] = summed[key] + flat if key in summed else flat
    matrices: dict[str, Reals] = {}
    if isinstance(rule, EProp) and rule.feedback is not Feedback.SYMMETRIC:
        sizes = dict(zip(wiring.names, wiring.plan.sizes, strict=True))
        for name in wiring.ports:
            direct = [q for q in wiring.ways[name] if inner[q].post == wiring.output]
            own = inner[wiring.ways[name][0]].projection if direct else ""
            parameters = getattr(module, "feedback", {})
            if direct and own.replace(".", "/") in parameters:
                matrix = parameters[own.replace(".", "/")].detach().numpy()
            else:
                matrix = random_feedback(rule, name, sizes[name], sizes[wiring.output])
            unit = _unit(module, wiring, wiring.ports[name])
            matrices[name] = np.ascontiguousarray(matrix * unit, wiring.kind)
    return Weights(tuple(forward), summed, Ways(wiring, tuple(arrays), matrices))


def _unit(module: Module, wiring: Wiring, port: str) -> float:
    """Return the natural unit of weights that reach a port of the outputs."""
    network = module.network
    return next(
        module.units[q] for q in network.incoming(wiring.output) if network.port_of(q) == port
    )


def random_feedback(rule: EProp, population: str, n: int, n_outputs: int) -> Reals:
    """Return random feedback weights (outputs, n), in natural units."""
    draw = stream(rule.seed, f"train/feedback/{population}")
    found: Reals = draw.standard_normal((n_outputs, n)) * (rule.gain / np.sqrt(n))
    return found
