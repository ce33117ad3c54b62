"""Samples on their way through a network, and what they teach: forward step by step, learning window by window.

Nothing here grows with the number of steps: rings of the last steps, states, eligibility of synapses, sums of
gradients. A window is learned from at once: inside it, errors go back through a population's own step; what comes from
before it is in the eligibility of synapses. The result is as if every step had been learned from by itself. Notation
and derivation: `docs/concepts/online_learning.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.train.fused.group import kernels
from spikewright.train.online.feedback import Signals
from spikewright.train.online.lesson import Lesson, Sums, Weights
from spikewright.train.online.synapses import Afferents, Events, listed
from spikewright.train.online.wiring import Wiring

Reals = NDArray[Any]


@dataclass(eq=False)
class _Window:
    """What is known of the steps that are learned from.

    Parameters
    ----------
    begin, end : their places in the rings
    is_last : whether no step follows
    error : n B N, derivative of the loss with respect to what the outputs send
    weights : that they were run with
    signals : what comes back to the populations
    decay : (d, d), how the outputs' state passes over them
    response : port -> (d, n): what arrives within them leaves in the outputs' state
    events : of sources, so that they are listed once
    """

    begin: int
    end: int
    is_last: bool
    error: Reals
    weights: Weights
    signals: Signals
    decay: Reals
    response: dict[str, Reals]
    events: dict[Any, Events] = field(default_factory=dict)


class Course:
    """Some samples on their way.

    Parameters
    ----------
    wiring, lesson : what runs, and what is learned
    samples : how many run together
    window : most steps that are run at once
    """

    def __init__(self, wiring: Wiring, lesson: Lesson, samples: int, window: int) -> None:
        self.wiring, self.lesson, self.n = wiring, lesson, samples
        output = wiring.alone[wiring.output]
        is_filter = lesson.is_filtered and not lesson.is_spatial and output.is_shared
        self.filters = output.n_variables if is_filter else 0
        self.rings: dict[str, Reals] = {}
        self.state: dict[str, Reals] = {}
        kind, length = wiring.kind, wiring.depth + window
        for i, (name, m) in enumerate(zip(wiring.names, wiring.plan.shape.members, strict=True)):
            size, rows = wiring.plan.sizes[i], m.rows
            ringed = ["sent", *(f"tape_{x}" for x in range(len(rows.tapes)))]
            ringed += [f"noise_{x}" for x in range(len(rows.step.noise))]
            if lesson.is_spatial and name in wiring.late:
                ringed += [f"error_{k}" for k in range(len(rows.step.ports))]
            for what in ringed:
                self.rings[_of(what, i)] = np.zeros((length, samples, size), kind)
            if rows.flagged:
                self.rings[f"flag_{i}"] = np.zeros((length, samples, size), np.uint8)
            for x in range(len(rows.step.variables)):
                self.state[f"state_{i}_{x}"] = np.empty((samples, size), kind)
            if rows.step.waits:
                self.state[f"waiting_{i}"] = np.empty((samples, size), kind)
        self.afferents: dict[str, list[Afferents]] = {name: [] for name in wiring.names}
        for key in lesson.learning:
            found = Afferents(wiring, key, samples, self.filters)
            self.afferents[found.post].append(found)
        self.begin()

    @property
    def n_bytes(self) -> int:
        """What is held from step to step."""
        arrays = [*self.rings.values(), *self.state.values()]
        synapses = [a for found in self.afferents.values() for a in found]
        return sum(a.nbytes for a in arrays) + sum(a.n_bytes for a in synapses)

    def sums(self) -> Sums:
        """Return zeros to add to."""
        synapses = [a for found in self.afferents.values() for a in found]
        pulled = {a.post for a in synapses if a.post in self.lesson.pulled}
        return Sums(
            {a.key: a.zeros() for a in synapses},
            {a.key: a.zeros() for a in synapses if a.post in pulled},
            {n: np.zeros(self.wiring.plan.sizes[self.wiring.place(n)]) for n in pulled},
            dict.fromkeys(pulled, 0),
        )

    def begin(self) -> None:
        """Start anew: states as they are before the first step, nothing eligible."""
        wiring = self.wiring
        for ring in self.rings.values():
            ring[: wiring.depth] = 0
        for i, name in enumerate(wiring.names):
            for x, initial in enumerate(wiring.initial[name].values()):
                self.state[f"state_{i}_{x}"][:] = initial
            if f"waiting_{i}" in self.state:
                self.state[f"waiting_{i}"][:] = 0
        for found in self.afferents.values():
            for synapses in found:
                synapses.begin()
        self.time = 0
        self.learned = dict.fromkeys(wiring.late, wiring.depth)

    def step(
        self,
        outside: Mapping[tuple[str, str], Reals],
        noise: Mapping[str, Sequence[Reals]],
        weights: Weights,
        steps: int,
        judged: Any,
        target: Reals,
        sums: Sums,
        *,
        is_last: bool,
    ) -> Reals:
        """Run some steps, at most a window, and learn from them; return what the outputs sent in judged ones.

        Parameters
        ----------
        outside : (population, port) -> n B N
        noise : population -> n B N each
        judged : which steps are judged, as an index
        target : of these, as `OnlineLoss.errors` takes it
        is_last : whether no step follows
        """
        self._run(outside, noise, weights, steps)
        output = self.wiring.place(self.wiring.output)
        sent = self.rings[f"sent_{output}"][self.wiring.depth : self.wiring.depth + steps]
        error = np.zeros_like(sent)
        seen: Reals = sent[judged].copy()
        loss, error[judged] = self.lesson.loss.errors(seen, target)
        sums.loss += float(loss.sum(dtype=np.float64))
        sums.judged += loss.size
        sums.n_spikes += self._spikes(steps)
        sums.steps += steps * self.n
        self._learn(error, steps, is_last, weights, sums)
        depth = self.wiring.depth
        for ring in self.rings.values():
            ring[:depth] = ring[steps : depth + steps]
        self.time += steps
        self.learned = {n: place - steps for n, place in self.learned.items()}
        return seen

    def finish(self, weights: Weights, sums: Sums) -> None:
        """Learn what is left to learn of steps that were run, where none follows; then start anew."""
        output = self.wiring.place(self.wiring.output)
        self._learn(self.rings[f"sent_{output}"][:0], 0, True, weights, sums)
        self.begin()

    # -- forward ---------------------------------------------------------------------------------------

    def _run(
        self,
        outside: Mapping[tuple[str, str], Reals],
        noise: Mapping[str, Sequence[Reals]],
        weights: Weights,
        steps: int,
    ) -> None:
        wiring, plan = self.wiring, self.wiring.plan
        old, new = wiring.depth, wiring.depth + steps
        values: dict[str, Any] = {n: x[old:new] for n, x in self.rings.items()} | self.state
        for i, (name, m) in enumerate(zip(wiring.names, plan.shape.members, strict=True)):
            values[f"numbers_{i}"], values[f"hold_{i}"] = plan.numbers[i][0], plan.holds[i]
            values[f"past_{i}"] = self.rings[f"sent_{i}"][old - m.past : old]
            values |= {f"own_{i}_{x}": a for x, a in enumerate(wiring.own[name])}
            for k, port in enumerate(m.rows.step.ports):
                values[f"outside_{i}_{k}"] = outside.get((name, port))
                values[f"bias_{i}_{k}"] = weights.biases.get((name, port))
            for x, drawn in enumerate(noise.get(name, ())):
                self.rings[f"noise_{i}_{x}"][old:new] = drawn
        for q, w in enumerate(weights.forward):
            values[f"weight_{q}"] = w
            if q in plan.synapses:
                values[f"start_{q}"] = plan.synapses[q].start
                values[f"target_{q}"] = plan.synapses[q].target
        built = kernels(plan.shape)
        built.forward(0, self.n, steps, self.n, *(values[a] for a in built.forward_arguments))

    def _spikes(self, steps: int) -> float:
        """Return how many spikes there were in the steps that were run last, without inputs."""
        old, new = self.wiring.depth, self.wiring.depth + steps
        return float(
            sum(
                np.count_nonzero(self.rings[f"sent_{i}"][old:new])
                for i, m in enumerate(self.wiring.plan.shape.members)
                if m.rows.step.fire is not None
            )
        )

    # -- learning --------------------------------------------------------------------------------------

    def _learn(self, error: Reals, steps: int, is_last: bool, weights: Weights, sums: Sums) -> None:
        """Learn from some steps that were run; after the last ones, from all that is left."""
        depth, kind = self.wiring.depth, self.wiring.kind
        window = _Window(
            depth, depth + steps, is_last, error, weights, Signals(weights.ways),
            np.eye(self.filters, dtype=kind), {},
        )  # fmt: skip
        for name, late in self.wiring.late.items():
            first = self.learned[name]
            last = window.end if is_last else max(first, window.end - late)
            self._population(name, first, last, window, sums)
            self.learned[name] = last

    def _population(self, name: str, first: int, last: int, window: _Window, sums: Sums) -> None:
        """Learn what the places [first, last) of the rings teach a population."""
        wiring, lesson, kind = self.wiring, self.lesson, self.wiring.kind
        alone, i, synapses = wiring.alone[name], wiring.place(name), self.afferents[name]
        is_output = name == wiring.output
        is_on_a_way = lesson.is_spatial and any(e.post == i for e in wiring.plan.shape.inner)
        if not (is_output or synapses or is_on_a_way):
            return
        shape = (last - first, self.n, wiring.plan.sizes[i])
        own, filters = alone.n_variables, 0 if is_output else self.filters
        kept = {x: self.rings[_of(x, i)][first:last] for x in alone.kept}
        signal, left = self._signal(name, first, last, window)
        lam = np.zeros((own + filters, *shape[1:]), kind)
        mu = {port: np.empty(shape, kind) for port in alone.ports}
        alone.sweep(kept, signal, list(lam[:own]), list(mu.values()))
        if filters:
            lam[own:] = left
        if lesson.is_spatial:
            errors = [self.rings[f"error_{i}_{k}"][first:last] for k in range(len(alone.ports))]
            alone.instant(kept, signal, errors)
        elif is_output:
            self._broadcast(kept, lam, mu, window)
        for a in synapses:
            events = self._events(a, first, last, window)
            a.accumulate(events, lam, mu[a.port], sums.gradients[a.key])
        if name in sums.spikes:
            lam[:] = 0
            alone.sweep(kept, np.ones(shape, kind), list(lam[:own]), list(mu.values()))
            for a in synapses:
                events = self._events(a, first, last, window)
                a.accumulate(events, lam, mu[a.port], sums.rates[a.key])
            sums.spikes[name] += self.rings[f"sent_{i}"][first:last].sum((0, 1))
            sums.pulled[name] += shape[0] * self.n
        if window.is_last or not (synapses or is_output):
            return
        phi, nu = self._passing(name, kept, shape, filters, first, window)
        for a in synapses:
            a.advance(self._events(a, first, last, window), phi, nu[a.port])

    def _signal(
        self, name: str, first: int, last: int, window: _Window
    ) -> tuple[Reals, Reals | None]:
        """Return what a population's spikes are worth, and what they have left in the outputs' filter is."""
        wiring, i = self.wiring, self.wiring.place(name)
        if name == wiring.output:
            return window.error, None
        signal = np.zeros((last - first, self.n, wiring.plan.sizes[i]), wiring.kind)
        if not self.lesson.is_spatial:
            coming, left = window.signals.at(name)
            low = first + wiring.late[name] - window.begin
            part = coming[low : low + len(signal)]
            signal[: len(part)] = part
            return signal, left
        for q in wiring.ways[name]:
            e = wiring.plan.shape.inner[q]
            low, high = first + e.lag, min(last + e.lag, window.end)
            if low < high:
                error = self.rings[f"error_{e.post}_{e.port}"][low:high]
                signal[: high - low] += window.weights.ways.back(q, error)
        return signal, None

    def _broadcast(
        self, kept: Mapping[str, Reals], lam: Reals, mu: dict[str, Reals], window: _Window
    ) -> None:
        """Let populations know what their arrivals at the outputs are worth, and the outputs' state before them."""
        if not self.filters:
            mu = {port: np.empty_like(x) for port, x in mu.items()}
            self.wiring.alone[self.wiring.output].instant(kept, window.error, list(mu.values()))
        window.signals.begin(mu, lam)

    def _passing(
        self,
        name: str,
        kept: Mapping[str, Reals],
        shape: tuple[int, ...],
        filters: int,
        first: int,
        window: _Window,
    ) -> tuple[Reals, dict[str, Reals]]:
        """Return how the state of a population's synapses passes over a window, and what arrivals leave in it.

        Returns
        -------
        (d, d, B, N), and port -> (d, n, B, N), where d counts own variables, then those of the outputs' filter
        """
        wiring, alone, own = (
            self.wiring,
            self.wiring.alone[name],
            self.wiring.alone[name].n_variables,
        )
        phi = np.zeros((own + filters, own + filters, *shape[1:]), wiring.kind)
        nu = {port: np.empty((own + filters, *shape), wiring.kind) for port in alone.ports}
        sent = np.zeros(shape, wiring.kind)
        for a in range(own):
            phi[a, a] = 1
            alone.sweep(kept, sent, list(phi[a, :own]), [x[a] for x in nu.values()])
        for a in range(own, own + filters):
            low = first + wiring.late[name] - window.begin
            part = window.response[wiring.ports[name]][a - own, low : low + len(sent)]
            sent[:] = 0
            sent[: len(part)] = part[:, None, None]
            alone.sweep(kept, sent, list(phi[a, :own]), [x[a] for x in nu.values()])
        if filters:
            phi[own:, own:] = window.decay[:, :, None, None]
        if name == wiring.output and self.filters:
            # the same for every output and sample
            window.decay = phi[:, :, 0, 0].copy()
            window.response = {port: x[:, :, 0, 0].copy() for port, x in nu.items()}
        return phi, nu

    def _events(self, synapses: Afferents, first: int, last: int, window: _Window) -> Events:
        """Return what arrives at synapses in a window."""
        key = (synapses.pre, first - synapses.lag, last - synapses.lag)
        if key not in window.events:
            if synapses.pre is None:
                x = np.ones((last - first, self.n, 1), self.wiring.kind)
            else:
                x = self.rings[f"sent_{synapses.pre}"][key[1] : key[2]]
            window.events[key] = listed(x)
        return window.events[key]


def _of(what: str, i: int) -> str:
    """Return the name under which kernels know a quantity of population i."""
    kind, _, number = what.partition("_")
    return f"{kind}_{i}_{number}" if number else f"{kind}_{i}"
