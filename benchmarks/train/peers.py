"""Other libraries on PyTorch, written as their own tutorials write them; each import needs their environment.

A library gets the benchmark's neuron (decay BETA, threshold V_TH, subtractive reset, arctan slope) where it has one.
Norse and Rockpool have none: theirs filter the input first, and Norse's resets to zero. Their weights are scaled so
that they fire, but they calculate another network.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from case import Case, torch_case
from loops import channels_last, tensors
from shapes import ALPHA, BETA, V_TH, Shape
from torch import Tensor, nn
from torch.nn import functional

NORSE_GAIN = 8.0  # its membrane adds a tenth of what arrives


def _linear(weight: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight.data.copy_(weight)
    return made


def _conv(weight: Tensor) -> nn.Conv2d:
    made = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False)
    made.weight.data.copy_(weight)
    return made


def _by_shape(shape: Shape, w: dict[str, Tensor]) -> dict[str, nn.Module]:
    return {n: _conv(t) if t.ndim == 4 else _linear(t) for n, t in w.items()}


def snntorch(shape: Shape) -> Case:
    """`Leaky` and `RLeaky` in one loop over all layers."""
    import snntorch as snn
    from snntorch import surrogate

    x, g, w = tensors(shape)
    common = {
        "beta": BETA,
        "threshold": V_TH,
        "spike_grad": surrogate.atan(alpha=ALPHA),
        "reset_mechanism": "subtract",
    }
    maps = _by_shape(shape, w)
    held = {name: made.weight for name, made in maps.items()}
    if shape.kind == "layer":
        fc, lif = maps["fc"], snn.Leaky(**common)

        def forward() -> Tensor:
            mem, sent = lif.reset_mem(), []
            for row in x:
                spike, mem = lif(fc(row), mem)
                sent.append(spike)
            return torch.stack(sent)

        return torch_case(held, forward, g)
    if shape.kind == "recurrent":
        rleaky = [snn.RLeaky(linear_features=256, **common) for _ in range(2)]
        for made, name in zip(rleaky, ("r1", "r2"), strict=True):
            made.recurrent.weight.data.copy_(w[name])
            made.recurrent.bias.data.zero_()
            held[name] = made.recurrent.weight
        out = snn.Leaky(**common)

        def forward() -> Tensor:
            first, mem_1 = rleaky[0].reset_mem()
            second, mem_2 = rleaky[1].reset_mem()
            mem_3, sent = out.reset_mem(), []
            for row in x:
                first, mem_1 = rleaky[0](maps["fc1"](row), first, mem_1)
                second, mem_2 = rleaky[1](maps["fc2"](first), second, mem_2)
                spike, mem_3 = out(maps["fc3"](second), mem_3)
                sent.append(spike)
            return torch.stack(sent)

        return torch_case(held, forward, g, others=[made.recurrent.bias for made in rleaky])
    lifs = [snn.Leaky(**common) for _ in range(3)]

    def forward() -> Tensor:
        mems, sent = [lif.reset_mem() for lif in lifs], []
        for row in x:
            spike, mems[0] = lifs[0](maps["c1"](row), mems[0])
            spike, mems[1] = lifs[1](maps["c2"](functional.max_pool2d(spike, 2)), mems[1])
            pooled = functional.max_pool2d(spike, 2).flatten(1)
            spike, mems[2] = lifs[2](maps["fc"](pooled), mems[2])
            sent.append(spike)
        return torch.stack(sent)

    return torch_case(held, forward, g)


def spikingjelly(shape: Shape) -> Case:
    """`LIFNode` in multi-step mode; on a GPU it chooses kernels of its own, but for recurrent layers."""
    from spikingjelly.activation_based import functional as sj
    from spikingjelly.activation_based import layer, neuron, surrogate

    x, g, w = tensors(shape)

    def lif(mode: str = "m") -> Any:
        return neuron.LIFNode(
            tau=1 / (1 - BETA),
            decay_input=False,
            v_threshold=V_TH,
            v_reset=None,
            surrogate_function=surrogate.ATan(alpha=ALPHA),
            step_mode=mode,
        )

    held = {}

    def weighted(name: str) -> Any:
        size = w[name].shape
        if len(size) == 4:
            made = layer.Conv2d(size[1], size[0], size[2], bias=False, step_mode="m")
        else:
            made = layer.Linear(size[1], size[0], bias=False, step_mode="m")
        made.weight.data.copy_(w[name])
        held[name] = made.weight
        return made

    def recurrent(name: str) -> Any:
        n = len(w[name])
        made = layer.LinearRecurrentContainer(lif("s"), n, n, bias=False, step_mode="m")
        # one matrix for (input, own output): the identity passes the input on
        made.rc.weight.data.copy_(torch.cat([torch.eye(n), w[name]], 1))
        held[name] = made.rc.weight
        return made

    if shape.kind == "layer":
        parts = [weighted("fc"), lif()]
    elif shape.kind == "recurrent":
        parts = [weighted("fc1"), recurrent("r1"), weighted("fc2"), recurrent("r2")]
        parts += [weighted("fc3"), lif()]
    else:
        pools = [layer.MaxPool2d(2, 2, step_mode="m") for _ in range(2)]
        parts = [weighted("c1"), lif(), pools[0], weighted("c2"), lif(), pools[1]]
        parts += [layer.Flatten(step_mode="m"), weighted("fc"), lif()]
    net = nn.Sequential(*parts)

    def forward() -> Tensor:
        sj.reset_net(net)
        return net(x)

    halves = {name: (lambda found: found[:, 256:].contiguous()) for name in ("r1", "r2")}
    return torch_case(held, forward, g, gradients=halves)


snntorch_last, spikingjelly_last = channels_last(snntorch), channels_last(spikingjelly)


def norse(shape: Shape) -> Case:
    """`LIF` and `LIFRecurrent`, its sequence modules."""
    import norse.torch as nt

    x, g, w = tensors(shape)
    w = {name: weight * NORSE_GAIN for name, weight in w.items()}
    if shape.kind == "layer":
        net = nt.SequentialState(_linear(w["fc"]), nt.LIF())
    elif shape.kind == "recurrent":

        def recurrent(n: int, inputs: str, own: str) -> Any:
            given = {"input_weights": nn.Parameter(w[inputs])}
            return nt.LIFRecurrent(n, 256, recurrent_weights=nn.Parameter(w[own]), **given)

        parts = [recurrent(700, "fc1", "r1"), recurrent(256, "fc2", "r2")]
        net = nt.SequentialState(*parts, _linear(w["fc3"]), nt.LIF())
    else:
        net = nt.SequentialState(
            *(nt.Lift(_conv(w["c1"])), nt.LIF(), nt.Lift(nn.MaxPool2d(2))),
            *(nt.Lift(_conv(w["c2"])), nt.LIF(), nt.Lift(nn.MaxPool2d(2))),
            *(nn.Flatten(2), _linear(w["fc"]), nt.LIF()),
        )
    return _others(net, lambda: net(x)[0], g)


def sinabs(shape: Shape) -> Case:
    """`LIF`, `LIFRecurrent` and, behind convolutions, `LIFSqueeze`; batch before time. Its own surrogate."""
    import sinabs.activation as activation
    import sinabs.layers as layers

    x, g, w = tensors(shape)
    options = {
        "tau_mem": -1 / math.log(BETA),
        "spike_threshold": torch.tensor(V_TH),
        "norm_input": False,
        "spike_fn": activation.SingleSpike,
    }
    x, g = x.transpose(0, 1).contiguous(), g.transpose(0, 1).contiguous()
    if shape.kind == "layer":
        net = nn.Sequential(_linear(w["fc"]), layers.LIF(**options))
    elif shape.kind == "recurrent":
        parts: list[nn.Module] = []
        for inputs, own in (("fc1", "r1"), ("fc2", "r2")):
            parts.append(_linear(w[inputs]))
            parts.append(layers.LIFRecurrent(rec_connect=_linear(w[own]), **options))
        net = nn.Sequential(*parts, _linear(w["fc3"]), layers.LIF(**options))
    else:
        x, g = x.flatten(0, 1), g.flatten(0, 1)
        fires = [layers.LIFSqueeze(batch_size=shape.batch, **options) for _ in range(3)]
        net = nn.Sequential(
            *(_conv(w["c1"]), fires[0], nn.MaxPool2d(2)),
            *(_conv(w["c2"]), fires[1], nn.MaxPool2d(2)),
            *(nn.Flatten(), _linear(w["fc"]), fires[2]),
        )
    # its own `reset_states(net)` passes recurrent layers by, whose graph would then reach into the next step
    stateful = [made for made in net.modules() if isinstance(made, layers.StatefulLayer)]

    def forward() -> Tensor:
        for made in stateful:
            made.reset_states()
        return net(x)

    def spikes(sent: Tensor) -> Tensor:
        return sent.unflatten(0, (shape.batch, -1)) if shape.kind == "conv" else sent

    return _others(net, forward, g, lambda sent: spikes(sent).transpose(0, 1))


def rockpool(shape: Shape) -> Case:
    """`LIFTorch`; batch before time. Its PyTorch side has no convolution."""
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFTorch, LinearTorch
    from rockpool.parameters import Constant

    x, g, w = tensors(shape)
    dt = 1e-3
    tau_m = -dt / math.log(BETA)
    options = {"tau_mem": tau_m, "tau_syn": tau_m / 4, "threshold": V_TH, "bias": 0.0}
    options = {name: Constant(value) for name, value in options.items()}

    def linear(name: str) -> Any:
        weight = w[name].t().contiguous()
        return LinearTorch(tuple(weight.shape), weight=weight, has_bias=False)

    def lif(n: int, own: str = "") -> Any:
        more = {"has_rec": True, "w_rec": w[own].t().contiguous()} if own else {}
        return LIFTorch((n,), dt=dt, **options, **more)

    if shape.kind == "layer":
        net = Sequential(linear("fc"), lif(shape.n))
    else:
        parts = (linear("fc1"), lif(256, "r1"), linear("fc2"), lif(256, "r2"))
        net = Sequential(*parts, linear("fc3"), lif(20))
    x, g = x.transpose(0, 1).contiguous(), g.transpose(0, 1).contiguous()

    def forward() -> Tensor:
        net.reset_state()
        return net(x)[0]

    return _others(net, forward, g, lambda sent: sent.transpose(0, 1))


def _others(net: Any, forward: Any, g: Tensor, spikes: Any = lambda sent: sent) -> Case:
    """Return the case of a library whose gradients are its own: nothing of them is compared."""
    trained = [p for _, p in net.named_parameters() if p.requires_grad]
    case = torch_case({}, forward, g, spikes=spikes, others=trained)
    return case
