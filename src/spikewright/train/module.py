"""A Network as a PyTorch module: differentiable, stateless, and a Network again when asked.

Populations are visited in groups: one population, or several that reach each other in a cycle. What enters a group from
outside is one product for all time steps; time loops hold elementwise operations and, in cycles, recurrent products.
Inputs are unbound before a time loop: indexing `x[t]` inside it would make the backward pass quadratic in T.

Weights are held in the *natural unit* of the port they reach: what takes a resting neuron to its threshold, rounded to
a power of 2 so that nothing is lost. One learning rate then fits volts, amperes and dimensionless models.

Longer than most files: an `nn.Module` has to hold its parameters, constants and run in one class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikewright.engines.discretize import discretize, method_of
from spikewright.engines.program import initial_values
from spikewright.errors import Problems, TrainError, explain
from spikewright.network.expression import names_in
from spikewright.network.graph import Method, Network, Population, Projection
from spikewright.train.delays.learned import ALL, Delays, fixed, learned, shortest, with_delays
from spikewright.train.expression import build, value
from spikewright.train.fused.members import Fused
from spikewright.train.fused.products import Choice
from spikewright.train.fused.triton_device import is_fused
from spikewright.train.inputs import read_inputs, wanted
from spikewright.train.maps import apply
from spikewright.train.noise import draw
from spikewright.train.order import groups
from spikewright.train.part import Part
from spikewright.train.precision import Precision
from spikewright.train.run import Run, TorchState
from spikewright.train.step import (
    Firing,
    Kernels,
    ResetGradient,
    TorchStep,
    compile_step,
)
from spikewright.train.surrogate import Arctan, Surrogate
from spikewright.train.through import StraightThrough, check_instance
from spikewright.train.units import lags, units


class Module(nn.Module):
    """A network, ready to be trained alone or inside a model of yours.

    Parameters
    ----------
    network : what to train
    surrogate : stand-in for the derivative of a spike
    reset_gradient : whether the reset is differentiated
    trainable : "weights", "biases", names of projections (their weights and biases), names of parameters
        ("tau_m": of every population that has it; "hidden.tau_m": of one). Times are trained as their logarithm.
        "delays", "projection.delay" or a value `Delays(...)`: see there
    dtype : float32 or float64
    precision : of products; everything else is calculated in `dtype`
    smooth : fire a smooth step instead of spikes, to check gradients
    active_only : send gradients back only to neurons whose surrogate has a slope: exact, and cheaper where few have
    kernels : generated multi-step kernels, or PyTorch's autograd step by step: slow, the kernels are checked by it

    Raises
    ------
    TrainError : nothing to train, an unknown name, or a model without gradient

    Examples
    --------
    >>> import numpy as np, torch
    >>> from spikewright.network import Dense, Input, LIF, Network, Population, Projection
    >>> net = Network(
    ...     dt=1e-3, populations={"in": Population(Input, 3), "out": Population(LIF, 2)},
    ...     projections={"in->out": Projection("in", "out", Dense(np.full((2, 3), 0.6)))})
    >>> Module(net)(torch.ones(4, 1, 3)).sum(0).tolist()
    [[4.0, 4.0]]
    """

    def __init__(
        self,
        network: Network,
        *,
        surrogate: Surrogate = Arctan(),  # noqa: B008
        reset_gradient: ResetGradient = ResetGradient.KEPT,
        trainable: Sequence[str | Delays] = ("weights", "biases"),
        dtype: torch.dtype = torch.float32,
        precision: Precision = Precision.FULL,
        smooth: bool = False,
        active_only: bool = False,
        kernels: Kernels = Kernels.FUSED,
    ) -> None:
        super().__init__()
        if network.drives:
            raise TrainError(
                explain(
                    "train",
                    "a network with drives cannot be trained",
                    found=", ".join(network.drives),
                    cure="pass what they give as input",
                )
            )
        plastic = [n for n, p in network.projections.items() if p.rule is not None]
        if plastic:
            raise TrainError(
                explain(
                    "train",
                    "synapses that change by a rule cannot be trained by gradient",
                    found=", ".join(plastic),
                    cure="train `network.without_rules()`, or let the rule learn: `run(...).learned()`",
                )
            )
        network = network.written_out()
        self.network = network
        self.firing = Firing(surrogate, reset_gradient, smooth, active_only)
        self.dtype = dtype
        self.precision = precision
        self.kernels = kernels
        self.plans: dict[Any, Any] = {}
        self.steps = {n: discretize(p, network.dt, where=n) for n, p in network.populations.items()}
        self._compiled: dict[tuple[str, frozenset[str]], TorchStep] = {}
        self.learned, rest = learned(network, trainable)
        self.late = {**self.learned, **fixed(network, self.learned)}
        self._groups = groups(with_delays(network, shortest(self.learned)))
        self._lags = {
            n: self.learned[n].lags() if n in self.learned else lags(network, n)
            for n in network.projections
        }
        self._reach = {
            n: max((lag for q in network.outgoing(n) for lag, _ in self._lags[q]), default=0)
            for n in network.populations
        }
        for n, p in network.populations.items():
            compile_step(p, self.steps[n], live=p.model.inputs, where=n)
        self.units = units(network, self.steps)
        self._trainable = tuple(trainable)
        self._choose(rest)
        self._hold_constants()

    def __deepcopy__(self, memo: dict[int, Any]) -> Module:
        """Return a module of the same network, which is a value, with parameters of its own."""
        copy = Module(
            self.network,
            surrogate=self.firing.surrogate,
            reset_gradient=self.firing.reset_gradient,
            trainable=self._trainable,
            dtype=self.dtype,
            precision=self.precision,
            smooth=self.firing.smooth,
            active_only=self.firing.active_only,
            kernels=self.kernels,
        )
        like = next(self.parameters())
        copy.to(device=like.device, dtype=like.dtype).train(self.training)
        copy.load_state_dict(self.state_dict())
        for mine, its in zip(self.parameters(), copy.parameters(), strict=True):
            its.requires_grad_(mine.requires_grad)
        memo[id(self)] = copy
        return copy

    # -- what is trained -----------------------------------------------------------------------------

    def _choose(self, trainable: tuple[str, ...]) -> None:
        network = self.network
        problems = Problems()
        weights: list[str] = []
        biases: list[str] = []
        params: list[tuple[str, str]] = []
        for entry in trainable:
            owner, _, param = entry.rpartition(".")
            having = [n for n, p in network.populations.items() if entry in p.model.params]
            if entry == "weights":
                weights += [n for n in network.projections if n not in weights]
            elif entry == "biases":
                biases += [n for n in network.projections if n not in biases]
            elif entry in network.projections:
                weights += [entry] if entry not in weights else []
                biases += [entry] if entry not in biases else []
            elif having:
                params += [(n, entry) for n in having if (n, entry) not in params]
            elif owner in network.populations and param in network.populations[owner].model.params:
                params += [(owner, param)] if (owner, param) not in params else []
            else:
                problems.add(
                    "trainable",
                    f"nothing is called {entry!r}",
                    expected=f"'weights', 'biases', {ALL!r}, a projection, 'projection.delay', a parameter, or "
                    "'population.parameter'",
                )
        for n, param in params:
            hold = network.populations[n].model.refractory
            if hold is not None and hold.period == param:
                problems.add(
                    f"trainable {n}.{param}",
                    "a refractory period is whole steps, so has no gradient",
                )
        problems.raise_as(TrainError)
        self._weight_keys = {
            n: n.replace(".", "/")
            for n in weights
            if network.projections[n].topology.weight is not None
        }
        self._bias_keys = {
            n: n.replace(".", "/") for n in biases if network.projections[n].bias is not None
        }
        self._param_keys = {(n, p): f"{n.replace('.', '/')}/{p}" for n, p in params}
        self.delay_keys = {n: n.replace(".", "/") for n in self.learned}
        if not (self._weight_keys or self._bias_keys or self._param_keys or self.delay_keys):
            raise TrainError(
                explain(
                    f"network {network.name!r}",
                    "has nothing to train",
                    found=f"{len(network.projections)} projections, trainable = {trainable}",
                    cure="add a projection with weights, or name what to train in trainable=",
                )
            )
        self.weights, self.biases, self.params, self.delays = (nn.ParameterDict() for _ in range(4))
        for n, key in self._weight_keys.items():
            raw = np.array(network.projections[n].topology.weight, np.float64) / self.units[n]
            self.weights[key] = nn.Parameter(torch.tensor(raw, dtype=self.dtype))
        for n, key in self._bias_keys.items():
            raw = np.array(network.projections[n].bias, np.float64) / self.units[n]
            self.biases[key] = nn.Parameter(torch.tensor(raw, dtype=self.dtype))
        for (n, p), key in self._param_keys.items():
            start = np.array(network.populations[n].param(p), np.float64)
            if self._is_time(n, p):
                if np.any(start <= 0):
                    raise TrainError(
                        explain(f"trainable {n}.{p}", "must be more than 0", found=start.min())
                    )
                start = np.log(start)
            self.params[key] = nn.Parameter(torch.tensor(start, dtype=self.dtype))
        for n, key in self.delay_keys.items():
            self.delays[key] = nn.Parameter(torch.tensor(self.learned[n].start, dtype=self.dtype))
        if self.learned:
            self.register_buffer("annealed", torch.zeros((), dtype=self.dtype))

    def anneal(self, done: float) -> None:
        """Say which share of the training run is done: learned delays are spread less and less. `fit` does."""
        if self.learned:
            self.annealed.fill_(done)

    def _is_time(self, population: str, param: str) -> bool:
        return self.network.populations[population].model.params[param][1] == "s"

    def _hold_constants(self) -> None:
        self._held: dict[tuple[str, str], str] = {}
        for number, (n, p) in enumerate(self.network.populations.items()):
            arrays = {
                f"constant/{c}": x.reshape(p.shape)
                for c, x in self.steps[n].constants.items()
                if x.ndim
            }
            for v, x in initial_values(p).items():
                arrays[f"initial/{v}"] = x.reshape(p.shape)
            for c, x in arrays.items():
                key = f"held_{number}_{c.replace('/', '_')}"
                held = torch.from_numpy(np.array(x, np.float64)).to(self.dtype)
                self.register_buffer(key, held, persistent=False)
                self._held[n, c] = key
        for n, parts in self._lags.items():
            for number, (_, mask) in enumerate(parts):
                if mask is not None:
                    key = f"mask_{len(self._held)}"
                    self.register_buffer(
                        key, torch.from_numpy(mask).to(self.dtype), persistent=False
                    )
                    self._held[n, f"mask/{number}"] = key

        for n, x in self.late.items():
            if n not in self.learned:
                key = f"delay_{len(self._held)}"
                self.register_buffer(
                    key, torch.from_numpy(x.start).to(self.dtype), persistent=False
                )
                self._held[n, "delay"] = key

    def held(self, name: str, what: str) -> Tensor | None:
        """Return a constant array of a population or projection."""
        key = self._held.get((name, what))
        return None if key is None else getattr(self, key)

    def to_network(self) -> Network:
        """Return the network with the module's weights, biases, parameters, and delays in whole steps."""
        network = self.network
        projections: dict[str, Projection] = {}
        for n, q in network.projections.items():
            if n in self._weight_keys:
                raw = _numpy(self.weights[self._weight_keys[n]])
                q = replace(q, topology=q.topology.with_weight(raw * self.units[n]))
            if n in self._bias_keys:
                q = replace(q, bias=_numpy(self.biases[self._bias_keys[n]]) * self.units[n])
            projections[n] = q
        populations: dict[str, Population] = {}
        for (n, p), key in self._param_keys.items():
            raw = _numpy(self.params[key])
            before = populations.get(n, network.populations[n])
            changed = dict(before.params) | {p: np.exp(raw) if self._is_time(n, p) else raw}
            populations[n] = replace(before, params=changed)
        network = network.replacing(populations=populations, projections=projections)
        whole = {n: x.whole(self.delays[self.delay_keys[n]]) for n, x in self.learned.items()}
        return with_delays(network, whole)

    # -- running -------------------------------------------------------------------------------------

    def forward(self, inputs: Tensor | Mapping[str, Tensor]) -> Tensor | dict[str, Tensor]:
        """Return what the output population sent, `T B *shape`; a dictionary where there are several.

        Parameters
        ----------
        inputs : `T B *shape` of the one input population, or population (or "population.port") -> such a tensor
        """
        found = self.run(inputs)
        if len(found.outputs) == 1:
            return found.output
        return {n: found.sent[n] for n in found.outputs}

    @torch.compiler.disable
    def run(
        self,
        inputs: Tensor | Mapping[str, Any],
        *,
        state: TorchState | None = None,
        record: Mapping[str, Sequence[str]] | None = None,
        seed: int = 0,
        first_sample: int = 0,
        instance: Network | None = None,
        clip: tuple[float, float] | None = None,
    ) -> Run:
        """Run the network.

        Parameters
        ----------
        inputs : as in `forward`
        state : where to go on from; default: the start
        record : population -> variables (or "output") to keep at every step, after the reset
        seed, first_sample : of declared noise, as in every engine
        instance : a network of the same structure with other weights or parameters: the run uses those, the gradient
            goes to this module's (straight through)
        clip : (low, high): weights of this module outside it get no gradient through an instance

        Source
        ------
        Straight-through: Bengio, Leonard, Courville, arXiv 1308.3432, 2013.
        """
        arrays, steps, batch = read_inputs(self.network, inputs, next(self.parameters()))
        kept = wanted(self.network, record or {})
        weights, biases, params = self.effective(instance, clip)
        sent: dict[str, Tensor] = {}
        traces: dict[str, dict[str, Tensor]] = {}
        values: dict[str, dict[str, Tensor]] = {}
        waiting: dict[str, Tensor] = {}
        history: dict[str, Tensor] = {}
        products: dict[str, tuple[Choice, float]] = {}
        active: dict[str, Tensor] = {}
        is_start = state is None
        if state is None:
            state = self.start(batch, params)
        elif any(x.shape[0] != batch for vs in state.values.values() for x in vs.values()):
            raise TrainError(explain("run(state=)", "is for another batch", expected=batch))
        reference = next(self.parameters())
        for names, looped in self._groups:
            if self._is_fused(names, reference):
                fused = Fused(
                    self, names, looped, arrays, sent, state, is_start, weights, biases, params,
                    instance, kept, steps, batch, seed, first_sample, active,
                ).run()  # fmt: skip
                if fused is not None:
                    sent |= fused.sent
                    values |= fused.values
                    traces |= fused.traces
                    waiting |= fused.waiting
                    products |= fused.products
                    active |= fused.active
                    continue
            outside = {
                n: self._outside(n, names, arrays, sent, state, weights, biases, steps, batch)
                for n in names
            }
            parts = {
                n: Part(self, n, outside[n], state, params, instance, reference, batch)
                for n in names
            }
            for part in parts.values():
                part.noise = draw(
                    self.network,
                    part.name,
                    (steps, batch),
                    first=state.step,
                    seed=seed,
                    first_sample=first_sample,
                    like=reference,
                )
                part.kept = {v: [] for v in kept.get(part.name, ())}
            if not looped:
                parts[names[0]].sweep(steps, batch)
            else:
                self._loop(parts, state, weights, steps)
            for n, part in parts.items():
                sent[n] = part.sent
                values[n], traces[n] = part.values, part.traces
                if part.waiting is not None:
                    waiting[n] = part.waiting
        for n, reach in self._reach.items():
            if reach:
                history[n] = torch.cat((state.history[n], sent[n][-reach:]))[-reach:]
        ended = TorchState(state.step + steps, values, waiting, history)
        outputs = self.network.outputs
        spiking = tuple(n for n, p in self.network.populations.items() if p.model.is_spiking)
        hidden = tuple(n for n in spiking if n not in outputs)
        trained = {n: self.weights[key] for n, key in self._weight_keys.items()}
        kept_traces = {n: t for n, t in traces.items() if t}
        return Run(
            sent,
            kept_traces,
            outputs,
            hidden,
            spiking,
            ended,
            products,
            self.network if instance is None else instance,
            trained,
            self.units,
            instance is not None,
        )

    def _is_fused(self, names: Sequence[str], like: Tensor) -> bool:
        """Return whether a group is run by generated kernels: it has state or a cycle, and its device has kernels."""
        if self.kernels is not Kernels.FUSED or self.firing.smooth or not is_fused(like.device):
            return False
        return len(names) > 1 or bool(self.network.populations[names[0]].model.state)

    def lags_of(self, projection: str) -> list[tuple[int, np.ndarray | None]]:
        """Return a projection as parts of one lag each: (steps, mask of its weights or None for all)."""
        return self._lags[projection]

    def start(
        self, batch: int, params: Mapping[tuple[str, str], Tensor] | None = None
    ) -> TorchState:
        """Return the state before the first step."""
        if params is None:
            params = self.effective(None)[2]
        values: dict[str, dict[str, Tensor]] = {}
        waiting, history = {}, {}
        like = next(self.parameters())
        for n, p in self.network.populations.items():
            shape = (batch, *p.shape)
            trained = {q: t for (m, q), t in params.items() if m == n}
            values[n] = {}
            for v in p.model.state:
                tree = p.model.trees["initial"].get(v)
                first = self.held(n, f"initial/{v}")
                if v not in p.initial and tree is not None and names_in(tree) & set(trained):
                    others = {
                        q: like.new_tensor(np.array(p.param(q), np.float64)) for q in p.model.params
                    }
                    first = value(build(tree, {}), others | trained)
                values[n][v] = first.expand(shape)
            if self.steps[n].refractory is not None:
                waiting[n] = like.new_zeros(shape)
            if self._reach[n]:
                history[n] = like.new_zeros((self._reach[n], *shape))
        return TorchState(0, values, waiting, history)

    def effective(
        self, instance: Network | None, clip: tuple[float, float] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[tuple[str, str], Tensor]]:
        if instance is not None:
            check_instance(self.network, instance)
        weights: dict[str, Tensor] = {}
        biases: dict[str, Tensor] = {}
        like = next(self.parameters())

        def joined(
            trained: Tensor | None, fixed: Any, clip: tuple[float, float] | None = None
        ) -> Tensor:
            if trained is not None and instance is None:
                return trained
            changed = like.new_tensor(np.array(fixed, np.float64))
            return changed if trained is None else StraightThrough.apply(trained, changed, clip)

        for n, q in (self.network if instance is None else instance).projections.items():
            if q.topology.weight is not None:
                key = self._weight_keys.get(n)
                trained = None if key is None else self._scaled(self.weights[key], n)
                weights[n] = joined(trained, q.topology.weight, clip)
            if q.bias is not None:
                key = self._bias_keys.get(n)
                trained = None if key is None else self._scaled(self.biases[key], n)
                biases[n] = joined(trained, q.bias)
        params = {}
        for (n, p), key in self._param_keys.items():
            raw = self.params[key]
            trained = torch.exp(raw) if self._is_time(n, p) else raw
            source = self.network if instance is None else instance
            params[n, p] = joined(trained, source.populations[n].param(p))
        for n, x in self.learned.items():
            weights[n] = x.weights(
                weights[n],
                self.delays[self.delay_keys[n]],
                float(self.annealed),
                is_whole=not self.training,
                instance=None if instance is None else x.of(instance, n, like),
            )
        return weights, biases, params

    def delayed(
        self, projection: str, sent: Tensor, state: TorchState, weights: Mapping[str, Tensor]
    ) -> tuple[Tensor, tuple[Choice, float]]:
        """Return what arrives after the delays of a projection in `late`, T B *shape, and how it was calculated."""
        q, late, weight = (
            self.network.projections[projection],
            self.late[projection],
            weights[projection],
        )
        if projection not in self.learned:
            weight = late.weights(weight, self.held(projection, "delay"), 1.0, is_whole=True)
        found, how = late.arriving(
            sent.flatten(2), state.history[q.pre].flatten(2), weight, self.precision
        )
        return found.unflatten(-1, self.network.populations[q.post].shape), how

    def _scaled(self, raw: Tensor, projection: str) -> Tensor:
        unit = self.units[projection]
        return raw if unit == 1.0 else raw * unit

    def _outside(
        self,
        name: str,
        group: tuple[str, ...],
        arrays: Mapping[tuple[str, str], Tensor],
        sent: Mapping[str, Tensor],
        state: TorchState,
        weights: Mapping[str, Tensor],
        biases: Mapping[str, Tensor],
        steps: int,
        batch: int,
    ) -> dict[str, Tensor]:
        """Return what reaches each port from outside the group, for all steps: port -> T B *shape."""
        network = self.network
        population = network.populations[name]
        looping = self._looping(group)
        totals: dict[str, Tensor] = {}
        for q in network.incoming(name):
            pre = network.projections[q].pre
            if looping and pre in group:
                continue
            port = network.port_of(q)
            if q in self.late:
                current, _ = self.delayed(q, sent[pre], state, weights)
                totals[port] = totals[port] + current if port in totals else current
                continue
            for number, (lag, _) in enumerate(self._lags[q]):
                x = sent[pre]
                if lag:
                    past = state.history[pre]
                    x = torch.cat((past[len(past) - lag :], x))[:steps]
                current = self.mapped(q, number, x.flatten(0, 1), weights)
                current = current.reshape(steps, batch, *population.shape)
                totals[port] = totals[port] + current if port in totals else current
        for port in population.model.inputs:
            given = arrays.get((name, port))
            if given is not None:
                totals[port] = totals[port] + given if port in totals else given
        for q in network.incoming(name):
            if q in biases:
                port = network.port_of(q)
                bias = biases[q]
                if port not in totals:
                    totals[port] = bias.expand(steps, batch, *population.shape)
                else:
                    totals[port] = totals[port] + bias
        return totals

    def arrivals(
        self, name: str, sent: Mapping[str, Tensor], through: Sequence[str]
    ) -> dict[str, Tensor]:
        """Return what a whole run from the start brings to each port through some projections: port -> T B *shape."""
        weights = self.effective(None)[0]
        totals: dict[str, Tensor] = {}
        shape = self.network.populations[name].shape
        for q in through:
            pre, port = sent[self.network.projections[q].pre], self.network.port_of(q)
            steps, batch = pre.shape[:2]
            for number, (lag, _) in enumerate(self._lags[q]):
                late = torch.cat((pre.new_zeros((lag, *pre.shape[1:])), pre))[:steps]
                current = self.mapped(q, number, late.flatten(0, 1), weights)
                current = current.reshape(steps, batch, *shape)
                totals[port] = totals[port] + current if port in totals else current
        return totals

    def mapped(
        self,
        projection: str,
        number: int,
        x: Tensor,
        weights: Mapping[str, Tensor],
        products: dict[str, tuple[Choice, float]] | None = None,
    ) -> Tensor:
        """Return what rows of a source give through one part (one delay) of a projection; say in `products` how."""
        q = self.network.projections[projection]
        weight = weights.get(projection)
        mask = self.held(projection, f"mask/{number}")
        if mask is not None and weight is not None:
            weight = weight * mask
        if projection in self.learned and weight is not None:
            weight = weight[:, number].t()
        chosen: list[tuple[Choice, float]] = []
        shape = self.network.populations[q.pre].shape
        found = apply(q.topology, x, shape, weight, self.precision, chosen)
        if products is not None and chosen:
            products[projection] = chosen[-1]
        return found

    def _looping(self, group: tuple[str, ...]) -> bool:
        return next(looped for names, looped in self._groups if names == group)

    def _loop(
        self,
        parts: dict[str, Part],
        state: TorchState,
        weights: Mapping[str, Tensor],
        steps: int,
    ) -> None:
        """Run populations that reach each other, step by step."""
        past: dict[str, list[Tensor]] = {
            n: list(state.history[n].unbind(0)) if self._reach[n] else [] for n in parts
        }
        inside = {n: [q for q in self.network.incoming(n) if self.network.projections[q].pre in parts]
                  for n in parts}  # fmt: skip
        for n, part in parts.items():
            part.begin({self.network.port_of(q) for q in inside[n]})
        for k in range(steps):
            for n, part in parts.items():
                arriving: dict[str, Tensor] = {}
                for q in inside[n]:
                    pre, port = self.network.projections[q].pre, self.network.port_of(q)
                    for number, (lag, _) in enumerate(self._lags[q]):
                        x = past[pre][self._reach[pre] + k - lag]
                        current = self.mapped(q, number, x, weights).reshape(part.like.shape)
                        arriving[port] = arriving[port] + current if port in arriving else current
                past[n].append(part.advance(k, arriving))
        for part in parts.values():
            part.finish()

    def compiled(self, name: str, live: frozenset[str]) -> TorchStep:
        """Return a population's step for the ports at which something arrives."""
        key = (name, live)
        if key not in self._compiled:
            self._compiled[key] = compile_step(
                self.network.populations[name],
                self.steps[name],
                live=live,
                dynamic=self.dynamic(name),
                where=name,
            )
        return self._compiled[key]

    def dynamic(self, name: str) -> set[str]:
        """Return the constants of a population that depend on what is trained."""
        trained = {p for n, p in self._param_keys if n == name}
        if trained and method_of(self.network.populations[name]) is Method.EXACT:
            trained |= {c for c in self.steps[name].constants if c.startswith("P_")}
        return trained


def _numpy(parameter: Tensor) -> np.ndarray:
    return parameter.detach().cpu().numpy().astype(np.float64)
