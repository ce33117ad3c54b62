"""Which delays of a network are learned, and what stands for them during a run.

A learned delay is a parameter in steps, without the step that propagation adds. While a module trains, each weight is
spread over whole delays; in `eval()` mode, through an instance of the network and in `Module.to_network` delays are
whole steps, as every engine takes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.errors import NetworkError, Problems, TrainError, explain
from spikewright.network.compose import Compose
from spikewright.network.graph import Network
from spikewright.network.topology import Dense, Flatten
from spikewright.train.delays.convolve import convolve
from spikewright.train.delays.spread import GaussianSpread, LinearSpread, Spread
from spikewright.train.fused.products import Choice
from spikewright.train.precision import Precision
from spikewright.train.through import StraightThrough

if TYPE_CHECKING:
    from spikewright.train.module import Module

ALL = "delays"
"""What `trainable` calls the delays of all dense projections that have one."""
SUFFIX = ".delay"
"""What follows the name of a projection whose delays are trained."""


@dataclass(frozen=True)
class Delays:
    """Delays to be trained: an entry of `trainable`, where "delays" stands for `Delays()`.

    Time and memory of a run grow with the number of whole delays, `max_steps - min_steps + 1`.

    Parameters
    ----------
    projections : names; none: every projection of dense weights that has a delay
    max_steps, min_steps : the range, without the step that propagation adds
    spread : how a weight is shared out over whole delays while they are trained
    by_source : one delay per source neuron, in place of one per weight
    pace : learning rate of delays, in steps, as a multiple of the optimizer's; there is no weight decay of delays
    """

    projections: tuple[str, ...] = ()
    max_steps: int = 25
    min_steps: int = 0
    spread: Spread = GaussianSpread()  # noqa: RUF009
    by_source: bool = False
    pace: float = 30.0

    def __post_init__(self) -> None:
        problems = Problems()
        if isinstance(self.projections, str):
            problems.add(
                "Delays(projections=)", "is one name", cure=f"write ({self.projections!r},)"
            )
        if not 0 <= self.min_steps < self.max_steps:
            problems.add(
                "Delays",
                "has no range",
                found=f"min_steps = {self.min_steps}, max_steps = {self.max_steps}",
                expected="0 <= min_steps < max_steps",
            )
        if not self.pace > 0.0:
            problems.add("Delays(pace=)", "must be more than 0", found=self.pace)
        problems.raise_as(TrainError)


@dataclass(frozen=True)
class Late:
    """The delays of one projection, learned or fixed.

    Parameters
    ----------
    settings : what was asked for; of fixed ones the range alone counts
    start : steps, (N, K), or (K,) by source
    lag : steps that propagation adds
    """

    settings: Delays
    start: NDArray[np.int64]
    lag: int

    @property
    def n(self) -> int:
        """Number of whole delays."""
        return self.settings.max_steps - self.settings.min_steps + 1

    def lags(self) -> list[tuple[int, None]]:
        """Return the projection as parts of one lag each, as `units.lags` does."""
        return [(self.lag + self.settings.min_steps + i, None) for i in range(self.n)]

    def of(self, instance: Network, name: str, like: Tensor) -> Tensor:
        """Return the delays of an instance of the network, N K, steps.

        Raises
        ------
        TrainError : outside the range
        """
        low, high = self.settings.min_steps, self.settings.max_steps
        steps = instance.delay_steps(name)
        if steps.min() < low or steps.max() > high:
            raise TrainError(
                explain(
                    f"through: projections[{name!r}]",
                    "a pass moved learned delays out of their range",
                    found=f"{steps.min()} to {steps.max()} steps",
                    expected=f"{low} to {high}",
                )
            )
        shape = np.shape(instance.projections[name].topology.weight)
        return like.new_tensor(np.broadcast_to(steps, shape).astype(np.float64))

    def whole(self, delay: Tensor) -> NDArray[np.int64]:
        """Return delays as whole steps in their range."""
        raw = np.rint(delay.detach().cpu().numpy().astype(np.float64))
        return np.clip(raw, self.settings.min_steps, self.settings.max_steps).astype(np.int64)

    def weights(
        self,
        weight: Tensor,
        delay: Tensor,
        done: float,
        *,
        is_whole: bool,
        instance: Tensor | None = None,
    ) -> Tensor:
        """Return weights by source, whole delay and target, K n N.

        Parameters
        ----------
        weight : N K
        delay : N K or K, steps
        done : share of the training run that lies behind
        is_whole : take delays as whole steps
        instance : whole steps, N K, that take the place of these delays; the gradient goes straight to these
        """
        low, high = self.settings.min_steps, self.settings.max_steps
        spread = self.settings.spread
        # forward a delay in its range, backward as it is: one that an optimizer moved out can come back
        inside = delay.detach().clamp(low, high)
        if is_whole or instance is not None:
            inside, spread = inside.round(), LinearSpread()
        if instance is not None:
            inside = instance
        steps = StraightThrough.apply(delay, inside, None) - low
        by_source = steps.t() if steps.ndim == 2 else steps.unsqueeze(-1)
        return spread.shares(by_source, self.n, done) * weight.t().unsqueeze(-2)

    def arriving(
        self, x: Tensor, past: Tensor, weights: Tensor, precision: Precision
    ) -> tuple[Tensor, tuple[Choice, float]]:
        """Return what arrives, T B N, and how it was calculated.

        Parameters
        ----------
        x : T B K, what the source sent
        past : L B K, what it sent before, at least as far back as the longest delay
        weights : K n N
        """
        reach = self.lag + self.settings.max_steps
        rows = torch.cat((past[len(past) - reach :], x))[: len(x) + self.n - 1]
        return convolve(rows, weights, precision)


def learned(
    network: Network, trainable: Sequence[str | Delays]
) -> tuple[dict[str, Late], tuple[str, ...]]:
    """Return projection -> its learned delays, and the entries of `trainable` that are about something else.

    Raises
    ------
    TrainError : delays that cannot be learned as was asked
    """
    problems = Problems()
    found: dict[str, Late] = {}
    rest: list[str] = []
    for entry in trainable:
        asked = _asked(network, entry)
        if asked is None:
            rest.append(str(entry))
            continue
        names = asked.projections or _delayed(network)
        if not names:
            problems.add(
                f"trainable {ALL!r}",
                "no projection of dense weights has a delay",
                cure="name projections, Delays(('in->out',)), or let delays begin somewhere: "
                "Projection(..., delay=Uniform(0, 25 * ms))",
            )
        for n in names:
            where = f"trainable {n + SUFFIX!r}"
            if n in found:
                problems.add(where, "is named twice")
            elif _is_fit(network, n, where, problems):
                start = _start(network, n, asked, where, problems)
                found[n] = Late(asked, start, network.lag(n))
    problems.raise_as(TrainError)
    try:
        with_delays(network, shortest(found))
    except NetworkError as error:
        problems.add("trainable delays", f"can become too short: {error}", cure="set min_steps=1")
    problems.raise_as(TrainError)
    return found, tuple(rest)


def fixed(network: Network, apart_from: Mapping[str, Late]) -> dict[str, Late]:
    """Return projection -> its delays, of dense ones whose weights have so many that one product per delay is slower
    than a convolution over all of them."""
    found = {}
    for n in network.projections:
        steps = network.delay_steps(n)
        if n in apart_from or not steps.ndim or not _is_dense(network, n):
            continue
        low, high, kinds = int(steps.min()), int(steps.max()), len(np.unique(steps))
        if kinds > 2 and high - low < 2 * kinds:
            found[n] = Late(Delays((n,), high, low), steps, network.lag(n))
    return found


def _asked(network: Network, entry: str | Delays) -> Delays | None:
    if isinstance(entry, Delays):
        return entry
    if entry == ALL:
        return Delays()
    name = entry.removesuffix(SUFFIX)
    return Delays((name,)) if name != entry and name in network.projections else None


def _is_dense(network: Network, projection: str) -> bool:
    topology = network.projections[projection].topology
    if isinstance(topology, Compose):
        *before, last = topology.maps
        return isinstance(last, Dense) and all(isinstance(m, Flatten) for m in before)
    return isinstance(topology, Dense)


def _delayed(network: Network) -> tuple[str, ...]:
    return tuple(
        n for n in network.projections if _is_dense(network, n) and network.delay_range(n)[1] > 0
    )


def _is_fit(network: Network, name: str, where: str, problems: Problems) -> bool:
    if name not in network.projections:
        problems.add(where, "no such projection", expected=", ".join(network.projections))
        return False
    if not _is_dense(network, name):
        kind = network.projections[name].topology.kind
        problems.add(where, "only delays of dense weights are trained", found=kind)
        return False
    return True


def _start(
    network: Network, name: str, asked: Delays, where: str, problems: Problems
) -> NDArray[np.int64]:
    shape = np.shape(network.projections[name].topology.weight)
    steps = np.broadcast_to(network.delay_steps(name), shape)
    if steps.min() < asked.min_steps or steps.max() > asked.max_steps:
        problems.add(
            where,
            "begin outside their range",
            found=f"{steps.min()} to {steps.max()} steps",
            expected=f"{asked.min_steps} to {asked.max_steps}",
            cure="set min_steps and max_steps of Delays(...)",
        )
    if asked.by_source:
        if np.any(steps != steps[:1]):
            problems.add(where, "begin with more than one delay per source", cure="by_source=False")
        return np.array(steps[0])
    return np.array(steps)


def shortest(found: Mapping[str, Late]) -> dict[str, NDArray[np.int64]]:
    """Return the least delays that learned ones can become."""
    return {n: np.full(x.start.shape, x.settings.min_steps) for n, x in found.items()}


def with_delays(network: Network, steps: Mapping[str, NDArray[np.int64]]) -> Network:
    """Return the network with the delays of some projections: whole steps, (N, K) or (K,)."""
    changed = {}
    for n, own in steps.items():
        q = network.projections[n]
        full = np.broadcast_to(own, np.shape(q.topology.weight))
        changed[n] = replace(q, delay=full * network.dt)
    return network.replacing(projections=changed) if changed else network


def parameter_groups(module: Module) -> list[dict[str, Any]]:
    """Return a module's parameters as an optimizer takes them: delays have a learning rate of their own, `pace` times
    that of the others."""
    late = {id(p) for p in module.delays.values()}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in module.parameters() if id(p) not in late]}
    ]
    for n, key in module.delay_keys.items():
        pace = module.learned[n].settings.pace
        groups.append({"params": [module.delays[key]], "pace": pace, "weight_decay": 0.0})
    return [g for g in groups if g["params"]]


def keep_in_range(module: Module) -> None:
    """Move learned delays that an optimizer moved out of their range to its end."""
    with torch.no_grad():
        for n, key in module.delay_keys.items():
            settings = module.learned[n].settings
            module.delays[key].clamp_(settings.min_steps, settings.max_steps)


@contextmanager
def evaluating(module: Module) -> Iterator[None]:
    """Have learned delays taken as whole steps, within this block."""
    before = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(before)
