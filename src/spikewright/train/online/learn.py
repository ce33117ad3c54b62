"""From a batch to the gradient of a module's parameters: samples in groups, each on its course through all steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikewright.errors import ModelError, Problems, TrainError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Dense
from spikewright.rng import stream
from spikewright.train.fused.build import Recurrence, inner_parts
from spikewright.train.gradient import Batch, Learned
from spikewright.train.inputs import read_inputs
from spikewright.train.noise import draw
from spikewright.train.online.course import Course, Lesson, Sums, Weights
from spikewright.train.online.feedback import Ways
from spikewright.train.online.loss import OnlineLoss
from spikewright.train.online.rule import EProp, Feedback, OnlineRule
from spikewright.train.online.synapses import Key
from spikewright.train.online.wiring import Wiring, wire

if TYPE_CHECKING:
    from spikewright.train.loss import Loss
    from spikewright.train.module import Module
    from spikewright.train.settings import Settings

Reals = NDArray[Any]

ELIGIBLE = 8 * 2**20
"""Bytes of eligibility that the samples of one group may take, so that they stay in a cache from window to window."""


def prepare(rule: OnlineRule, module: Module, settings: Settings) -> None:
    """Raise TrainError where a rule does not fit; add the weights of adaptive feedback to the module."""
    problems = Problems()
    if settings.regularizers:
        problems.add(
            "fit(regularizers=)",
            "look at whole runs, which online learning does not keep",
            cure="use EProp(rate=RateTarget(...)), or another gradient=",
        )
    _check(problems, rule, module, settings.loss)
    problems.raise_as(TrainError)
    adapt(rule, module)


def _check(problems: Problems, rule: OnlineRule, module: Module, loss: Loss) -> None:
    what, network = type(rule).__name__, module.network
    if not isinstance(loss, OnlineLoss):
        problems.add(
            what,
            f"cannot learn from {type(loss).__name__}, which is known after the last step only",
            cure="use StepCrossEntropy or StepSquaredError",
        )
    if any(
        not n.startswith(("weights.", "biases.", "feedback.")) for n, _ in module.named_parameters()
    ):
        problems.add(
            what, "learns weights and biases only", cure="leave parameters out of trainable="
        )
    if next(module.parameters()).device.type != "cpu":
        problems.add(what, "runs on the CPU only", cure="device='cpu'")
    if len(network.outputs) != 1:
        problems.add(what, "needs one output population", found=", ".join(network.outputs))
    if isinstance(rule, EProp) and rule.rate is not None:
        for name in rule.rate.populations:
            if name not in network.populations or not network.populations[name].model.is_spiking:
                problems.add("RateTarget", f"no population {name!r} that spikes")


def checked(rule: OnlineRule, module: Module, loss: Loss) -> OnlineLoss:
    """Return the loss.

    Raises
    ------
    TrainError : a rule does not fit it or the module
    """
    problems = Problems()
    _check(problems, rule, module, loss)
    problems.raise_as(TrainError)
    return loss  # type: ignore[return-value]


def adapt(rule: OnlineRule, module: Module) -> None:
    """Add the weights of adaptive feedback to a module, as parameters of their own."""
    if not isinstance(rule, EProp) or rule.feedback is not Feedback.ADAPTIVE:
        return
    network = module.network
    feedback = {}
    for n, q in network.projections.items():
        if q.post != network.outputs[0] or n.replace(".", "/") not in module.weights:
            continue
        if not isinstance(q.topology, Dense):
            raise TrainError(
                explain(
                    f"projection {n!r}",
                    "adaptive feedback needs all-to-all weights to the outputs",
                    found=q.topology.kind,
                    cure="use Feedback.SYMMETRIC or RANDOM",
                )
            )
        drawn = torch.from_numpy(_drawn(rule, q.pre, *reversed(q.topology.weights.shape)))
        feedback[n.replace(".", "/")] = nn.Parameter(drawn.to(next(module.parameters()).dtype))
    module.feedback = nn.ParameterDict(feedback)


def _drawn(rule: EProp, population: str, n: int, n_outputs: int) -> Reals:
    """Return random feedback weights (outputs, n), in natural units."""
    draw = stream(rule.seed, f"train/feedback/{population}")
    return draw.standard_normal((n_outputs, n)) * (rule.gain / np.sqrt(n))


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
            parameter.grad = self.module.weights[name].grad.clone()  # type: ignore[union-attr]
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
    key = ("online", is_eprop, tuple(arrays), module.firing)
    wiring = None if instance is not None else module.plans.get(key)
    if wiring is None:
        try:
            wiring = wire(module, inner, biases, arrays, instance, is_spatial=not is_eprop)
        except ModelError as error:
            raise TrainError(
                explain(type(rule).__name__, "a model has no gradient", found=error)
            ) from error
        if instance is None:
            module.plans[key] = wiring
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
                matrix = _drawn(rule, name, sizes[name], sizes[wiring.output])
            unit = _unit(module, wiring, wiring.ports[name])
            matrices[name] = np.ascontiguousarray(matrix * unit, wiring.kind)
    return Weights(tuple(forward), summed, Ways(wiring, tuple(arrays), matrices))


def _unit(module: Module, wiring: Wiring, port: str) -> float:
    """Return the natural unit of weights that reach a port of the outputs."""
    network = module.network
    return next(
        module.units[q] for q in network.incoming(wiring.output) if network.port_of(q) == port
    )


def learn(rule: OnlineRule, batch: Batch) -> Learned:
    """Add the gradient of a batch to its module's parameters."""
    module, loss = batch.module, checked(rule, batch.module, batch.loss)
    arrays, steps, samples = read_inputs(module.network, batch.inputs, next(module.parameters()))
    teach = teaching(rule, module, loss, tuple(arrays), batch.instance, batch.clip)
    labels = batch.labels.numpy()
    flat = {key: x.flatten(2).detach() for key, x in arrays.items()}
    threads = max(1, min(torch.get_num_threads(), samples))
    size = int(np.clip(ELIGIBLE // max(1, teach.n_bytes), 1, -(-samples // threads)))
    groups = [(low, min(low + size, samples)) for low in range(0, samples, size)]
    scores = np.zeros((samples, teach.wiring.plan.sizes[teach.wiring.place(teach.wiring.output)]))

    def work(mine: Sequence[tuple[int, int]]) -> Sums:
        course = teach.course(mine[0][1] - mine[0][0], min(rule.window, steps))
        sums = course.sums()
        for low, high in mine:
            if course.n != high - low:
                course = teach.course(high - low, min(rule.window, steps))
            _group(teach, course, batch, flat, labels, low, high, steps, sums, scores)
        return sums

    if threads == 1:
        total = work(groups)
    else:
        with ThreadPoolExecutor(threads) as pool:
            shared = [groups[t::threads] for t in range(threads) if t < len(groups)]
            parts = list(pool.map(work, shared))
        total = parts[0]
        for part in parts[1:]:
            total.add(part)
    cost = teach.back(total, batch.share)
    mean = total.loss / total.judged
    return Learned(mean + cost, mean, scores.argmax(1), total.n_spikes)


def drawn(
    module: Module, shape: tuple[int, int], first: int, seed: int, first_sample: int
) -> dict[str, list[Reals]]:
    """Return declared noise of some steps: population -> n B N each."""
    like, network = next(module.parameters()), module.network
    return {
        name: [
            x.flatten(2).numpy()
            for x in draw(
                network, name, shape, first=first, seed=seed, first_sample=first_sample, like=like
            ).values()
        ]
        for name, p in network.populations.items()
        if p.model.noise
    }


def _group(
    teach: Teaching,
    course: Course,
    batch: Batch,
    flat: Mapping[tuple[str, str], Tensor],
    labels: NDArray[np.int64],
    low: int,
    high: int,
    steps: int,
    sums: Sums,
    scores: Reals,
) -> None:
    """Take some samples of a batch through all steps."""
    loss = teach.lesson.loss
    window = min(teach.rule.window, steps)
    course.begin()
    for first in range(0, steps, window):
        n = min(window, steps - first)
        outside = {
            key: x[first : first + n, low:high].contiguous().numpy() for key, x in flat.items()
        }
        noise = drawn(teach.module, (n, high - low), first, batch.seed, batch.first_sample + low)
        judged = slice(loss.judged(first, n, steps), n)
        seen = course.step(
            outside, noise, teach.weights, n, judged, labels[low:high], sums,
            is_last=first + n == steps,
        )  # fmt: skip
        scores[low:high] += seen.sum(0)
