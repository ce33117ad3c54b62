"""From a batch to the gradient of a module's parameters: samples in groups, each on its course through all steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.topology import Dense
from spikewright.train.gradient import Batch, Learned
from spikewright.train.inputs import read_inputs
from spikewright.train.noise import draw
from spikewright.train.online.course import Course
from spikewright.train.online.lesson import Sums
from spikewright.train.online.loss import OnlineLoss
from spikewright.train.online.rule import EProp, Feedback, OnlineRule
from spikewright.train.online.teaching import Teaching, random_feedback, teaching

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
    if module.firing.smooth:
        problems.add(what, "learns from spikes, not from smooth steps", cure="smooth=False")
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
        drawn = torch.from_numpy(random_feedback(rule, q.pre, *reversed(q.topology.weights.shape)))
        feedback[n.replace(".", "/")] = nn.Parameter(drawn.to(next(module.parameters()).dtype))
    module.feedback = nn.ParameterDict(feedback)


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
