"""Layered networks in one line: `chain(source(64), dense(256), neurons(LIF), dense(10), neurons(LIF), dt=1 * ms)`.

Linear parts that follow each other become one projection. Populations are called "input", "hidden1", "hidden2", ...,
"output" unless `neurons(..., name=...)` says otherwise; projections "input->hidden1", recurrent ones
"hidden1->hidden1".

Weights are drawn from a normal distribution with standard deviation gain / sqrt(fan-in), which keeps the variance of a
sum of independent inputs; `spikewright.train.initialize` fits them to data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from spikewright.errors import NetworkError, explain
from spikewright.network.compose import Compose
from spikewright.network.graph import Method, Network, Population, Projection, Propagation
from spikewright.network.library import Input
from spikewright.network.model import NeuronModel
from spikewright.network.topology import Dense, Flatten, Scale, Shape, Topology
from spikewright.network.windows import AvgPool, Conv, SumPool
from spikewright.rng import stream


@dataclass(frozen=True)
class Source:
    """Where input enters."""

    shape: Shape
    name: str = "input"


@dataclass(frozen=True)
class Linear:
    """A linear map that is made when the shape before it is known.

    Parameters
    ----------
    label : what it is called in messages
    make : (shape before, generator) -> topology
    bias : whether the projection that it belongs to gets a bias, 0 at first
    delay : seconds, added to that projection's
    recurrent : gain of a dense projection of the next population to itself, or None
    """

    label: str
    make: Callable[[Shape, np.random.Generator], Topology]
    bias: bool = False
    delay: float = 0.0
    recurrent: float | None = None


@dataclass(frozen=True)
class Neurons:
    """A population of the shape that comes out of what stands before it."""

    model: NeuronModel
    params: dict[str, Any] = field(default_factory=dict)
    initial: dict[str, Any] = field(default_factory=dict)
    method: Method = Method.AUTO
    name: str | None = None


Part = Source | Linear | Neurons


def source(shape: int | Shape, *, name: str = "input") -> Source:
    """Return an input of a number of addresses, or of a shape such as (C, Y, X)."""
    return Source((shape,) if isinstance(shape, int | np.integer) else tuple(shape), name)


def dense(
    n: int,
    *,
    bias: bool = False,
    recurrent: bool = False,
    gain: float = 1.0,
    recurrent_gain: float = 0.5,
    delay: float = 0.0,
) -> Linear:
    """Return all-to-all weights to `n` neurons; `recurrent` adds weights among those neurons."""

    def make(pre: Shape, draw: np.random.Generator) -> Topology:
        fan_in = math.prod(pre)
        return Dense(draw.normal(0.0, gain / math.sqrt(fan_in), (n, fan_in)))

    return Linear(f"dense({n})", make, bias, delay, recurrent_gain if recurrent else None)


def conv(
    channels: int,
    kernel: int | Shape,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    bias: bool = False,
    gain: float = 1.0,
    delay: float = 0.0,
) -> Linear:
    """Return a convolution; one or two dimensions, as many as the shape before it has after the channels."""

    def make(pre: Shape, draw: np.random.Generator) -> Topology:
        if len(pre) not in (2, 3) or groups < 1 or pre[0] % groups:
            raise NetworkError(
                explain(
                    f"conv({channels}, {kernel})",
                    "does not fit what stands before it",
                    found=pre,
                    expected=f"(C, X) or (C, Y, X), C a multiple of groups = {groups}",
                )
            )
        size = (kernel,) * (len(pre) - 1) if isinstance(kernel, int) else tuple(kernel)
        fan_in = pre[0] // groups * math.prod(size)
        weights = draw.normal(0.0, gain / math.sqrt(fan_in), (channels, pre[0] // groups, *size))
        return Conv(weights, stride, padding, dilation, groups)

    return Linear(f"conv({channels}, {kernel})", make, bias, delay)


def sum_pool(kernel: Any = 2, *, stride: Any = None, padding: Any = 0) -> Linear:
    """Return sums over windows of each channel."""
    return Linear(f"sum_pool({kernel})", lambda pre, draw: SumPool(kernel, stride, padding))


def avg_pool(kernel: Any = 2, *, stride: Any = None, padding: Any = 0) -> Linear:
    """Return means over windows of each channel."""
    return Linear(f"avg_pool({kernel})", lambda pre, draw: AvgPool(kernel, stride, padding))


def flatten(first: int = 0, last: int = -1) -> Linear:
    """Return the joining of axes `first` to `last`."""
    return Linear("flatten()", lambda pre, draw: Flatten(first, last))


def scale(factor: float) -> Linear:
    """Return a one-to-one map that multiplies by a number."""
    return Linear(f"scale({factor})", lambda pre, draw: Scale(np.asarray(float(factor))))


def neurons(
    model: NeuronModel,
    *,
    method: Method = Method.AUTO,
    initial: dict[str, Any] | None = None,
    name: str | None = None,
    **params: Any,
) -> Neurons:
    """Return a population of a model; `params` are the model's, in SI units."""
    return Neurons(model, params, initial or {}, method, name)


def chain(
    *parts: Part,
    dt: float,
    seed: int = 0,
    name: str = "chain",
    propagation: Propagation = Propagation.NEXT_STEP,
) -> Network:
    """Return a network of populations in a row.

    Parameters
    ----------
    parts : a source, then linear maps and neurons in turn; neurons last
    dt : s
    seed : of the weights; each projection draws from its own stream
    name, propagation : of the network

    Raises
    ------
    NetworkError : parts in an order that makes no network, or that do not fit each other

    Examples
    --------
    >>> from spikewright.network import LIF
    >>> net = chain(source(4), dense(3), neurons(LIF), dense(2), neurons(LIF), dt=1e-3)
    >>> list(net.projections)
    ['input->hidden1', 'hidden1->output']
    """
    _check_parts(parts)
    first = parts[0]
    if not isinstance(first, Source):
        raise NetworkError(explain("chain: part 1", "is no source"))
    populations = {first.name: Population(Input, first.shape)}
    projections: dict[str, Projection] = {}
    pre, shape = first.name, first.shape
    row: list[Linear] = []
    hidden, total = 0, sum(isinstance(p, Neurons) for p in parts)
    for number, part in enumerate(parts[1:], start=2):
        if isinstance(part, Linear):
            row.append(part)
            continue
        if not isinstance(part, Neurons):
            raise NetworkError(explain(f"chain: part {number}", "is neither map nor neurons"))
        hidden += 1
        post = part.name or ("output" if hidden == total else f"hidden{hidden}")
        if post in populations:
            raise NetworkError(
                explain(f"chain: part {number}", f"the name {post!r} is taken", cure="say name=")
            )
        topology, shape = _joined(row, shape, number - len(row), seed, f"{pre}->{post}")
        populations[post] = Population(part.model, shape, part.params, part.initial, part.method)
        bias = np.zeros(shape) if any(q.bias for q in row) else None
        delay = sum(q.delay for q in row)
        projections[f"{pre}->{post}"] = Projection(pre, post, topology, delay=delay, bias=bias)
        if row[-1].recurrent is not None:
            n, loop = math.prod(shape), f"{post}->{post}"
            draw = stream(seed, f"projection/{loop}/weight")
            own = Dense(draw.normal(0.0, row[-1].recurrent / math.sqrt(n), (n, n)))
            late = dt if propagation is Propagation.SAME_STEP else 0.0
            projections[loop] = Projection(post, post, own, delay=late)
        pre, row = post, []
    return Network(dt, populations, projections, (pre,), propagation, name)


def _check_parts(parts: tuple[Part, ...]) -> None:
    if not parts or not isinstance(parts[0], Source):
        raise NetworkError(
            explain(
                "chain: part 1",
                "must be source(shape)",
                found=_label(parts[0]) if parts else "nothing",
            )
        )
    for number, (before, part) in enumerate(pairwise(parts), start=2):
        where = f"chain: part {number}"
        if isinstance(part, Source) or not isinstance(part, Linear | Neurons):
            raise NetworkError(
                explain(where, "must be a linear map or neurons(...)", found=_label(part))
            )
        if isinstance(part, Neurons) and not isinstance(before, Linear):
            raise NetworkError(
                explain(
                    where,
                    "neurons need a map before them",
                    found=_label(before),
                    cure="put dense(n), conv(...) or another map between",
                )
            )
        if isinstance(part, Linear) and part.recurrent is None:
            continue
        after = parts[number] if number < len(parts) else None
        if isinstance(part, Linear) and not isinstance(after, Neurons):
            raise NetworkError(
                explain(
                    where, "recurrent weights need neurons right after them", found=_label(after)
                )
            )
    if not isinstance(parts[-1], Neurons):
        raise NetworkError(
            explain(
                f"chain: part {len(parts)}",
                "the last part must be neurons(...)",
                found=_label(parts[-1]),
                cure="end with neurons(LIF), or neurons(LI) for a readout without spikes",
            )
        )


def _joined(
    row: list[Linear], shape: Shape, number: int, seed: int, name: str
) -> tuple[Topology, Shape]:
    made: list[Topology] = []
    draw = stream(seed, f"projection/{name}/weight")
    for offset, part in enumerate(row):
        try:
            topology = part.make(shape, draw)
            shape = topology.out_shape(shape)
        except NetworkError as error:
            raise NetworkError(f"chain: part {number + offset}, {part.label}: {error}") from None
        made.append(topology)
    drawn = [p.label for p, t in zip(row, made, strict=True) if isinstance(t, Dense | Conv)]
    if len(drawn) > 1:
        raise NetworkError(
            explain(
                f"chain: {name!r}",
                "two maps with weights in one projection",
                found=" and ".join(drawn),
                cure="put neurons(...) between them, or neurons(Relay) for a linear layer",
            )
        )
    return (made[0] if len(made) == 1 else Compose(tuple(made))), shape


def _label(part: object) -> str:
    if isinstance(part, Linear):
        return part.label
    if isinstance(part, Neurons):
        return f"neurons({part.model.name})"
    return "nothing" if part is None else repr(part)
