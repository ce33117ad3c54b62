"""What a module hands to a group's kernels, gathered population by population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spikewright.engines.discretize import discretize, method_of
from spikewright.errors import ModelError
from spikewright.network.graph import Method, Network
from spikewright.train.fused.build import (
    Arrivals,
    Ended,
    Populace,
    inner_parts,
    is_gathered,
    run_group,
)
from spikewright.train.fused.products import Choice
from spikewright.train.noise import draw
from spikewright.train.precision import Precision
from spikewright.train.propagator import Propagator
from spikewright.train.run import TorchState
from spikewright.train.through import same_params

if TYPE_CHECKING:
    from spikewright.train.module import Module


class Fused:
    """One group during one run of a module."""

    def __init__(
        self,
        module: Module,
        names: Sequence[str],
        looped: bool,
        arrays: Mapping[tuple[str, str], Tensor],
        sent: Mapping[str, Tensor],
        state: TorchState,
        is_start: bool,
        weights: Mapping[str, Tensor],
        biases: Mapping[str, Tensor],
        params: Mapping[tuple[str, str], Tensor],
        instance: Network | None,
        kept: Mapping[str, Sequence[str]],
        steps: int,
        batch: int,
        seed: int,
        first_sample: int,
        active: Mapping[str, Tensor],
    ) -> None:
        self.module, self.names, self.looped = module, tuple(names), looped
        self.arrays, self.sent, self.state, self.is_start = arrays, sent, state, is_start
        self.weights, self.biases, self.params = weights, biases, params
        self.instance, self.kept = instance, kept
        self.steps, self.batch = steps, batch
        self.seed, self.first_sample = seed, first_sample
        self.active = active
        self.like = next(module.parameters())
        self.products: dict[str, tuple[Choice, float]] = {}

    def run(self) -> Ended | None:
        """Run the group; None where its kernels cannot be generated: autograd has to."""
        module = self.module
        inner = inner_parts(module, self.names, self.weights) if self.looped else []
        if inner is None:
            return None
        members = {n: self._member(n) for n in self.names}
        for r in inner:
            member = members[r.post]
            if r.port not in member.arrivals:
                # kernels take ports in the model's order
                live = {**member.arrivals, r.port: Arrivals()}
                ordered = {p: live[p] for p in member.population.model.inputs if p in live}
                members[r.post] = replace(member, arrivals=ordered)
        senders = {r.pre for r in inner}
        for n in senders:
            past = self.state.history.get(n)
            if past is None:
                past = self.like.new_zeros((0, self.batch, members[n].population.n))
            members[n] = replace(members[n], history=past.flatten(2))
        try:
            found = run_group(
                members,
                inner,
                module.firing,
                steps=self.steps,
                batch=self.batch,
                dtype=self.like.dtype,
                looped=self.looped,
                cache=module.plans,
                half=module.precision is Precision.BFLOAT16,
            )
        except ModelError:
            return None

        def shaped(name: str, x: Tensor) -> Tensor:
            return x.unflatten(-1, module.network.populations[name].shape)

        return Ended(
            {n: shaped(n, x) for n, x in found.sent.items()},
            {n: {v: shaped(n, x) for v, x in xs.items()} for n, xs in found.traces.items()},
            {n: {v: shaped(n, x) for v, x in xs.items()} for n, xs in found.values.items()},
            {n: shaped(n, x.detach()) for n, x in found.waiting.items()},
            {**found.products, **self.products},
            found.active,
        )

    def _member(self, name: str) -> Populace:
        module, like = self.module, self.like
        population, step = module.network.populations[name], module.steps[name]
        other = None if self.instance is None else self.instance.populations[name]
        if other is not None and not same_params(population, other):
            population = other
            step = discretize(population, module.network.dt, where=name)
        n = population.n

        def flat(x: Tensor) -> Tensor:
            return x.expand(population.shape).reshape(n)

        trained = {p: t for (m, p), t in self.params.items() if m == name}
        if trained and method_of(population) is Method.EXACT:
            trained |= Propagator(population, module.network.dt, step)(trained, like)
        constants = {c: flat(t) for c, t in trained.items()}
        for c, x in step.constants.items():
            if x.ndim and c not in constants:
                held = module.held(name, f"constant/{c}") if population is not other else None
                constants[c] = flat(
                    like.new_tensor(x.reshape(population.shape)) if held is None else held
                )
        noise = draw(
            module.network,
            name,
            (self.steps, self.batch),
            first=self.state.step,
            seed=self.seed,
            first_sample=self.first_sample,
            like=like,
        )
        waiting = self.state.waiting.get(name)
        return Populace(
            population,
            step,
            constants,
            tuple(sorted(trained)),
            self._arrivals(name),
            {x: t.flatten(2) for x, t in noise.items()},
            {v: t.reshape(self.batch, n) for v, t in self.state.values[name].items()},
            None if waiting is None else waiting.reshape(self.batch, n),
            tuple(self.kept.get(name, ())),
            active=module.firing.active_only
            and population.model.is_spiking
            and not population.model.is_graded,
        )

    def _arrivals(self, name: str) -> dict[str, Arrivals]:
        """Return what reaches each port from outside the group."""
        module, network = self.module, self.module.network
        population = network.populations[name]
        outside: dict[str, Tensor] = {}
        steady: dict[str, Tensor] = {}
        bias: dict[str, Tensor] = {}
        events: dict[str, list[tuple[str, Tensor, Tensor, int]]] = {}
        masks: dict[str, list[Tensor | None]] = {}

        def add(totals: dict[str, Tensor], port: str, x: Tensor) -> None:
            totals[port] = totals[port] + x if port in totals else x

        for q in network.incoming(name):
            projection, port = network.projections[q], network.port_of(q)
            if q in self.biases:
                add(bias, port, self.biases[q].expand(population.shape).reshape(population.n))
            if self.looped and projection.pre in self.names:
                continue
            if q in module.late:
                current, self.products[q] = module.delayed(
                    q, self.sent[projection.pre], self.state, self.weights
                )
                add(outside, port, current.flatten(2))
                continue
            parts = module.lags_of(q)
            for number, (lag, mask) in enumerate(parts):
                x = self.sent[projection.pre]
                if not lag and is_steady(x):
                    once = module.mapped(q, number, x[0], self.weights)
                    add(steady, port, once.reshape(self.batch, population.n))
                    continue
                is_kernels = q in self.weights and is_gathered(projection.topology)
                if mask is None and is_kernels:
                    active = self.active.get(projection.pre)
                    if lag and not self.is_start:
                        x, lag, active = self._shifted(projection.pre, lag), 0, None
                    if lag < self.steps:
                        weight = self.weights[q]
                        events.setdefault(port, []).append((q, x.flatten(2), weight, lag))
                        masks.setdefault(port, []).append(active)
                    continue
                if lag:
                    x = self._shifted(projection.pre, lag)
                current = module.mapped(q, number, x.flatten(0, 1), self.weights, self.products)
                add(outside, port, current.reshape(self.steps, self.batch, population.n))
        for port in population.model.inputs:
            given = self.arrays.get((name, port))
            if given is not None and is_steady(given):
                add(steady, port, given[0].flatten(1))
            elif given is not None:
                add(outside, port, given.flatten(2))
        return {
            port: Arrivals(
                outside.get(port),
                steady.get(port),
                bias.get(port),
                tuple(events.get(port, ())),
                tuple(masks.get(port, ())),
            )
            for port in population.model.inputs
            if any(port in kind for kind in (outside, steady, bias, events))
        }

    def _shifted(self, pre: str, lag: int) -> Tensor:
        """Return what a population sent, `lag` steps later."""
        past = self.state.history[pre]
        return torch.cat((past[len(past) - lag :], self.sent[pre]))[: self.steps]


def is_steady(x: Tensor) -> bool:
    """Return whether a tensor `T B *shape` holds one value for all steps: then what follows is calculated once."""
    return len(x) > 1 and x.stride(0) == 0
