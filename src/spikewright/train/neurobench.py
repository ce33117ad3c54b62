"""A network in NeuroBench's own harness, which counts from hooks on PyTorch modules.

So a network becomes modules here: a real Linear or Conv for every map with weights, called once a step with what was
sent in that step, and a module per population whose membrane is its attribute `mem`. What arrives later waits outside
of them. The harness' counts are then those of `report.neurobench` on an engine's recording of the same samples.

State lives in the modules during one call, because that is where the hooks look; every call starts from rest.

Source
------
NeuroBench harness 2.3.0: `NeuroBenchModel`, `NeuronHook`, `LayerHook`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from spikewright.engines.discretize import discretize
from spikewright.engines.program import initial_values
from spikewright.errors import MissingExtra, TrainError, explain
from spikewright.network import counted
from spikewright.network.graph import Network
from spikewright.network.topology import Dense, Shape, Topology
from spikewright.network.windows import Conv
from spikewright.train.maps import apply
from spikewright.train.module import Module
from spikewright.train.noise import draw
from spikewright.train.samples import Part
from spikewright.train.step import Firing, ResetGradient, compile_step
from spikewright.train.surrogate import Arctan
from spikewright.train.units import lags

if TYPE_CHECKING:
    from neurobench.models import NeuroBenchModel


def to_neurobench(
    trained: Network | Module, *, dtype: torch.dtype = torch.float32, seed: int = 0
) -> NeuroBenchModel:
    """Return a model for `neurobench.benchmarks.Benchmark`: (B, T, *shape) in, (B, T, outputs) out.

    Parameters
    ----------
    trained : a network with one input and one output, or a module of one
    dtype : of weights and states; float64 gives what the reference engine gives
    seed : of declared noise; every batch draws the same

    Raises
    ------
    MissingExtra : the harness is not installed
    TrainError : a network that the harness cannot drive or count

    Examples
    --------
    `Benchmark(to_neurobench(net), loader(samples, batch=64), [], [ChooseMaxCount()], [static, workload]).run()`
    """
    try:
        from neurobench.models import NeuroBenchModel
    except ImportError as error:
        raise MissingExtra("to_neurobench", error.name or "neurobench", "neurobench") from error
    network = trained.to_network() if isinstance(trained, Module) else trained
    steps = Steps(network, dtype=dtype, seed=seed)

    class Model(NeuroBenchModel):
        """The steps of a network, and which of its modules the harness has to look at."""

        def __call__(self, batch: Tensor) -> Tensor:
            with torch.no_grad():
                return steps(batch)

        def __net__(self) -> nn.Module:
            return steps

        def activation_layers(self) -> list[dict[str, Any]]:
            return [
                {"layer_name": name, "layer": neurons}
                for name, neurons in steps.neurons.items()
                if counted.is_activation(neurons.population.model)
            ]

        def register_hooks(self) -> None:
            # the harness takes for spiking what is derived from one library's class
            super().register_hooks()
            for hook in self.activation_hooks:
                hook.spiking = hook.layer.population.model.is_spiking

    return Model()


def loader(samples: Part, *, batch: int, seed: int = 0) -> DataLoader[Any]:
    """Return labeled samples as the harness wants them: (B, T, *shape) and (B,), in order.

    Parameters
    ----------
    samples : a part of a data set, or ArraySamples
    batch : samples that run together
    seed : of the encoding
    """
    x = np.asarray(samples.batch(np.arange(samples.n), seed=seed)).swapaxes(0, 1)
    labels = torch.as_tensor(np.array(samples.labels, np.int64))
    data = TensorDataset(torch.as_tensor(np.ascontiguousarray(x)), labels)
    return DataLoader(data, batch_size=batch)


class Steps(nn.Module):
    """A network as modules that advance it a step at a time.

    Parameters
    ----------
    network : one input population, one output population, no drives, no rules
    dtype : of weights and states
    seed : of declared noise
    """

    def __init__(self, network: Network, *, dtype: torch.dtype, seed: int) -> None:
        super().__init__()
        for what, found in (("input", network.inputs), ("output", network.outputs)):
            if len(found) != 1:
                names = ", ".join(found) or "none"
                cure = (
                    "name it with network.replacing(outputs=(name,))" if what == "output" else None
                )
                raise TrainError(
                    explain("to_neurobench", f"needs one {what} population", found=names, cure=cure)
                )
        ruled = [n for n, p in network.projections.items() if p.rule is not None]
        if ruled or network.drives:
            raise TrainError(
                explain(
                    "to_neurobench",
                    "neither rules nor drives can be counted by the harness",
                    found=", ".join([*ruled, *network.drives]),
                    cure="give network.without_rules(), and pass what drives give as input",
                )
            )
        network = network.written_out()
        self.network, self.seed = network, seed
        self.lags = {n: lags(network, n) for n in network.projections}
        self.neurons = nn.ModuleDict(
            {_key(n): PopulationStep(network, n, dtype) for n in network.order()}
        )
        self.connections = nn.ModuleDict(
            {_key(n): ProjectionStep(network, n, dtype) for n in network.projections}
        )
        if not any(True for _ in self.parameters()):
            raise TrainError(explain("to_neurobench", "has no weights to count"))
        self.reset()

    def reset(self, batch: int = 1) -> None:
        """Return to rest with so many samples."""
        like = next(self.parameters()).detach().new_zeros(())
        for neurons in self.neurons.values():
            neurons.reset(batch, like)

    def forward(self, x: Tensor) -> Tensor:
        """Run from rest.

        Parameters
        ----------
        x : tensor, B T *shape of the input population

        Returns
        -------
        tensor, B T N of the output population
        """
        network = self.network
        (entry,), (exit_,) = network.inputs, network.outputs
        shape = network.populations[entry].shape
        if x.ndim < 3 or tuple(x.shape[2:]) not in (shape, (network.populations[entry].n,)):
            raise TrainError(
                explain(
                    "to_neurobench: input",
                    "wrong shape",
                    found=tuple(x.shape),
                    expected=f"(B, T, {', '.join(map(str, shape))})",
                    cure="the harness puts the batch first, then time",
                )
            )
        batch, steps = x.shape[:2]
        like = next(self.parameters()).detach().new_zeros(())
        x = x.to(like).reshape(batch, steps, *shape)
        noise = {
            n: draw(network, n, (steps, batch), first=0, seed=self.seed, first_sample=0, like=like)
            for n in network.populations
        }
        self.reset(batch)
        waiting: list[dict[tuple[str, str], Tensor]] = [{} for _ in range(steps)]
        sent_out = []
        for k in range(steps):
            _add(waiting[k], (entry, network.populations[entry].model.default_port), x[:, k])
            for n, q in network.projections.items():
                bias = self.connections[_key(n)].added(batch)
                if bias is not None:
                    _add(waiting[k], (q.post, network.port_of(n)), bias)
            for n in network.order():
                arriving = {port: a for (post, port), a in waiting[k].items() if post == n}
                drawn = {name: values[k] for name, values in noise[n].items()}
                sent = self.neurons[_key(n)](arriving, drawn)
                if n == exit_:
                    sent_out.append(sent.reshape(batch, -1))
                for q in network.outgoing(n):
                    self._send(q, sent, waiting[k:])
            waiting[k] = {}
        return torch.stack(sent_out, dim=1)

    def _send(self, name: str, sent: Tensor, waiting: list[dict[tuple[str, str], Tensor]]) -> None:
        """Add what a projection gives to what waits; `waiting` begins with this step."""
        connection, q = self.connections[_key(name)], self.network.projections[name]
        whole = connection(sent)
        for lag, mask in self.lags[name]:
            if lag >= len(waiting):
                continue
            # weights with delays of their own are one layer to the harness, and arrive apart
            arriving = whole if mask is None else connection.masked(sent, mask)
            _add(waiting[lag], (q.post, self.network.port_of(name)), arriving)


class PopulationStep(nn.Module):
    """One population, advanced by a step per call; `mem` is its membrane."""

    init_hidden = True
    output = False
    """What the harness asks of a spiking layer: the state is inside, and only spikes are returned."""

    def __init__(self, network: Network, name: str, dtype: torch.dtype) -> None:
        super().__init__()
        population = network.populations[name]
        self.population = population
        self.membrane = counted.membrane(population.model)
        self.step = discretize(population, network.dt, where=name)
        live = {network.port_of(q) for q in network.incoming(name)}
        self.ports = live | ({population.model.default_port} if name in network.inputs else set())
        compiled = compile_step(population, self.step, live=self.ports, where=name)
        for p in population.model.params:
            self.register_buffer(f"param_{p}", torch.tensor(population.param(p), dtype=dtype))
        for v, start in initial_values(population).items():
            whole = np.broadcast_to(start.reshape(population.shape), population.shape)
            self.register_buffer(f"start_{v}", torch.tensor(whole.copy(), dtype=dtype))
        self.held = {
            c: torch.tensor(x.reshape(population.shape), dtype=dtype)
            for c, x in self.step.constants.items()
            if x.ndim
        }
        self.compiled = compiled
        self.firing = Firing(Arctan(), ResetGradient.KEPT)

    def reset(self, batch: int, like: Tensor) -> None:
        """Return to rest with so many samples, on the device of `like`."""
        shape = (batch, *self.population.shape)
        variables = self.population.model.state
        self.state = {v: getattr(self, f"start_{v}").expand(shape) for v in variables}
        self.like = like.expand(shape)
        self.held = {c: x.to(like) for c, x in self.held.items()}
        hold = self.compiled.refractory
        if hold is not None:
            self.compiled = replace(self.compiled, refractory=torch.as_tensor(hold).to(like))
        if self.step.refractory is not None:
            self.state["_ref"] = self.like
        if self.membrane is not None:
            self.mem = self.state[self.membrane]

    def forward(self, arriving: Mapping[str, Tensor], noise: Mapping[str, Tensor]) -> Tensor:
        """Return what is sent, B *shape, for what arrives at each port and what is drawn."""
        names: dict[str, Any] = dict(self.held) | dict.fromkeys(self.ports, self.like)
        names |= dict(arriving) | dict(noise) | self.state
        variables = tuple(self.population.model.state)
        sent, waiting = self.compiled.advance(names, variables, self.firing, self.like)
        self.state = {v: names[v] for v in variables}
        if waiting is not None:
            self.state["_ref"] = waiting
        if self.membrane is not None:
            self.mem = self.state[self.membrane]
        return sent


class ProjectionStep(nn.Module):
    """One projection: its maps as layers, and its bias apart from them, since a bias has no delay."""

    def __init__(self, network: Network, name: str, dtype: torch.dtype) -> None:
        super().__init__()
        q = network.projections[name]
        self.topology = q.topology
        self.pre, self.post = (network.populations[n].shape for n in (q.pre, q.post))
        self.maps, self.shapes = counted.maps(q.topology), [self.pre]
        self.layers = nn.ModuleDict()
        self.scales = nn.ParameterDict()
        for place, part in enumerate(self.maps):
            if isinstance(part, counted.SYNAPTIC):
                self.layers[str(place)] = _layer(part, self.shapes[-1], dtype, name)
            elif part.weight is not None:
                self.scales[str(place)] = nn.Parameter(torch.tensor(part.weight, dtype=dtype))
            self.shapes.append(part.out_shape(self.shapes[-1]))
        bias = counted.stored_bias(q)
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias, dtype=dtype))

    def added(self, batch: int) -> Tensor | None:
        """Return what is added at every step, B *post, or None."""
        if self.bias is None:
            return None
        bias = self.bias
        if bias.ndim < len(self.post):
            bias = bias.reshape(-1, *(1,) * (len(self.post) - 1))
        return bias.expand(batch, *self.post)

    def forward(self, x: Tensor) -> Tensor:
        """Return what arrives, B *post, for what was sent, B *pre."""
        for place, part in enumerate(self.maps):
            own = str(place)
            if own in self.layers:
                layer = self.layers[own]
                x = layer(x.flatten(1) if isinstance(layer, nn.Linear) else x)
            else:
                scale = self.scales[own] if part.weight is not None else None
                x = apply(part, x, self.shapes[place], scale)
        return x.reshape(len(x), *self.post)

    def masked(self, x: Tensor, mask: np.ndarray) -> Tensor:
        """Return what arrives through the weights that a mask keeps."""
        weight = x.new_tensor(np.array(self.topology.weight) * mask)
        return apply(self.topology, x, self.pre, weight).reshape(len(x), *self.post)


def _layer(part: Topology, pre: Shape, dtype: torch.dtype, name: str) -> nn.Module:
    if isinstance(part, Conv):
        return _convolution(part, dtype, name)
    matrix = part.weights if isinstance(part, Dense) else part.synapses(pre).matrix()
    linear = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, dtype=dtype)
    linear.weight = nn.Parameter(torch.tensor(matrix, dtype=dtype))
    return linear


def _convolution(part: Conv, dtype: torch.dtype, name: str) -> nn.Module:
    size = part.weights.shape[2:]
    padding: Any = tuple(before for before, _ in part.padding)
    if any(before != after for before, after in part.padding):
        if part.padding != Conv.same(size, part.dilation) or set(part.stride) != {1}:
            raise TrainError(
                explain(
                    f"to_neurobench: projections[{name!r}]",
                    "a convolution padded more on one side is no layer of the harness",
                    found=part.padding,
                    expected="as much before as after, or 'same' at stride 1",
                )
            )
        padding = "same"
    kind = nn.Conv1d if len(size) == 1 else nn.Conv2d
    layer = kind(
        part.weights.shape[1] * part.groups,
        part.weights.shape[0],
        size,
        part.stride,
        padding,
        part.dilation,
        part.groups,
        bias=False,
        dtype=dtype,
    )
    layer.weight = nn.Parameter(torch.tensor(part.weights, dtype=dtype))
    return layer


def _add(waiting: dict[tuple[str, str], Tensor], place: tuple[str, str], arriving: Tensor) -> None:
    waiting[place] = waiting[place] + arriving if place in waiting else arriving


def _key(name: str) -> str:
    """Return a population's name as PyTorch allows it for a module."""
    return name.replace(".", "/")
