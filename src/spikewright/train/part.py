"""One population during one run of a module: its values, step by step, or all steps at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spikewright.engines.discretize import Step, discretize, method_of
from spikewright.network.graph import Method, Network
from spikewright.train.propagator import Propagator
from spikewright.train.run import TorchState
from spikewright.train.step import TorchStep, compile_step
from spikewright.train.through import same_params

if TYPE_CHECKING:
    from spikewright.train.module import Module


class Part:
    """One population during one run."""

    def __init__(
        self,
        module: Module,
        name: str,
        outside: dict[str, Tensor],
        state: TorchState,
        params: Mapping[tuple[str, str], Tensor],
        instance: Network | None,
        reference: Tensor,
        batch: int,
    ) -> None:
        self.module, self.name, self.outside = module, name, outside
        self.population = module.network.populations[name]
        self.variables = tuple(self.population.model.state)
        self.values = dict(state.values[name])
        self.waiting = state.waiting.get(name)
        self.noise: dict[str, Tensor] = {}
        self.kept: dict[str, list[Tensor]] = {}
        self.traces: dict[str, Tensor] = {}
        self.sent: Tensor
        self.reference, self.batch = reference, batch
        self.trained = {p: t for (n, p), t in params.items() if n == name}
        other = None if instance is None else instance.populations[name]
        self.other = None
        if other is not None and not same_params(self.population, other):
            self.other = other
        self._constants()

    def _constants(self) -> None:
        population = self.other or self.population
        self.step: Step = self.module.steps[self.name]
        self.base: dict[str, Any] = {}
        if self.other is not None:
            self.step = discretize(population, self.module.network.dt, where=self.name)
        for c, x in self.step.constants.items():
            if x.ndim and self.other is None:
                self.base[c] = self.module.held(self.name, f"constant/{c}")
            elif x.ndim:
                self.base[c] = self.reference.new_tensor(x.reshape(population.shape))
        self.base |= self.trained
        if self.trained and method_of(population) is Method.EXACT:
            exact = Propagator(population, self.module.network.dt, self.step)
            self.base |= exact(self.trained, self.reference)

    def _compile(self, live: set[str]) -> TorchStep:
        if self.other is None:
            return self.module.compiled(self.name, frozenset(live))
        return compile_step(
            self.other,
            self.step,
            live=live,
            dynamic=self.module.dynamic(self.name),
            where=self.name,
        )

    def begin(self, inside: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Get ready for the first step."""
        live = set(self.outside) | inside
        self.compiled = self._compile(live)
        if isinstance(self.compiled.refractory, np.ndarray) and self.compiled.refractory.ndim:
            held = self.reference.new_tensor(self.compiled.refractory)
            self.compiled = replace(self.compiled, refractory=held)
        elif self.compiled.refractory is not None:
            held = self.reference.new_tensor(float(self.compiled.refractory))
            self.compiled = replace(self.compiled, refractory=held)
        self.like = self.reference.new_zeros(()).expand(self.batch, *self.population.shape)
        self.ports = {p: x.unbind(0) for p, x in self.outside.items()}
        self.draws = {n: x.unbind(0) for n, x in self.noise.items()}
        self.outputs: list[Tensor] = []

    def advance(self, k: int, arriving: Mapping[str, Tensor]) -> Tensor:
        """Advance by one step."""
        names: dict[str, Any] = dict(self.base)
        names.update(self.values)
        for p, x in arriving.items():
            names[p] = x
        for p, xs in self.ports.items():
            names[p] = names[p] + xs[k] if p in arriving else xs[k]
        for n, xs in self.draws.items():
            names[n] = xs[k]
        if self.waiting is not None:
            names["_ref"] = self.waiting
        sent, waiting = self.compiled.advance(names, self.variables, self.module.firing, self.like)
        self.values = {v: names[v] for v in self.variables}
        if self.waiting is not None:
            self.waiting = waiting
        for variable, kept in self.kept.items():
            kept.append(sent if variable == "output" else names[variable])
        self.outputs.append(sent)
        return sent

    def finish(self) -> None:
        """Join what was kept."""
        self.sent = torch.stack(self.outputs)
        self.traces = {v: torch.stack(xs) for v, xs in self.kept.items()}

    def sweep(self, steps: int, batch: int) -> None:
        """Run a population that does not reach itself: all steps at once where it has no state."""
        if self.variables:
            self.begin()
            for k in range(steps):
                self.advance(k, {})
            self.finish()
            return
        compiled = self._compile(set(self.outside))
        like = self.reference.new_zeros(()).expand(steps, batch, *self.population.shape)
        names = self.base | self.outside | self.noise
        if not self.outside and not self.noise and compiled.margin is None:
            self.sent = self.reference.new_zeros((steps, batch, *self.population.shape))
            if compiled.output is None or compiled.output != 0.0:
                self.sent, _ = compiled.advance(names, (), self.module.firing, like)
        else:
            self.sent, _ = compiled.advance(names, (), self.module.firing, like)
        self.traces = {v: self.sent for v in self.kept}
