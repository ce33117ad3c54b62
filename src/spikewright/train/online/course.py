"""Samples on their way through a network, and what they teach: forward step by step, learning window by window.

Nothing here grows with the number of steps: rings of the last steps, states, eligibility of synapses, sums of gradients.
A window is learned from at once: inside it, errors go back through a population's own step; what comes from before it
is in the eligibility of synapses, which is as if every step had been learned from by itself. Notation in
`docs/concepts/online_learning.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.train.fused.group import kernels
from spikewright.train.online import eligibility
from spikewright.train.online.feedback import Signals, Ways
from spikewright.train.online.loss import OnlineLoss
from spikewright.train.online.wiring import Wiring

Reals = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Weights:
    """The numbers of one update: what runs forward, and on which ways errors come back.

    Parameters
    ----------
    forward : part -> (pre, post), or one per synapse
    biases : (population, port) -> N
    trained : parts whose gradient is asked for
    trained_biases : (population, port) whose gradient is asked for
    ways : how errors come back
    """

    forward: tuple[Reals, ...]
    biases: Mapping[tuple[str, str], Reals]
    trained: frozenset[int]
    trained_biases: frozenset[tuple[str, str]]
    ways: Ways


@dataclass(eq=False)
class Sums:
    """What is added up until weights change.

    Parameters
    ----------
    weights : part -> as `Weights.forward`: derivative of the loss, summed over samples and judged steps
    biases : (population, port) -> 1 N
    rates, rate_biases : the same of the number of spikes of every target, where a rate is pulled
    spikes : population -> N: spikes of neurons whose rate is pulled
    pulled : population -> samples times steps that these are of
    loss, right, judged : summed over samples and judged steps
    steps : samples times steps
    n_spikes : of all populations that spike
    """

    weights: dict[int, Reals]
    biases: dict[tuple[str, str], Reals]
    rates: dict[int, Reals]
    rate_biases: dict[tuple[str, str], Reals]
    spikes: dict[str, Reals]
    pulled: dict[str, int]
    loss: float = 0.0
    right: float = 0.0
    judged: int = 0
    steps: int = 0
    n_spikes: float = 0.0

    def add(self, other: Sums) -> None:
        """Add what another thread has added up."""
        for mine, its in (
            (self.weights, other.weights),
            (self.biases, other.biases),
            (self.rates, other.rates),
            (self.rate_biases, other.rate_biases),
            (self.spikes, other.spikes),
            (self.pulled, other.pulled),
        ):
            for key, x in its.items():  # type: ignore[attr-defined]
                mine[key] += x  # type: ignore[index]
        for name in ("loss", "right", "judged", "steps", "n_spikes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learned, and how.

    Parameters
    ----------
    loss : and its errors
    is_spatial : whether errors come back through all populations, within their step
    is_filtered : whether traces pass through the outputs' filter
    pulled : populations whose rate is pulled
    """

    loss: OnlineLoss
    is_spatial: bool
    is_filtered: bool
    pulled: tuple[str, ...]


@dataclass(eq=False)
class Eligibility:
    """Of one part of a projection: `state` of every synapse, and `trace` of every source where that is enough.

    Where `is_fresh`, nothing has arrived before, and what the arrays hold does not count.
    """

    state: Reals
    trace: Reals
    is_fresh: bool = True


@dataclass(eq=False)
class _Window:
    """What the outputs know of the window that is learned from.

    Parameters
    ----------
    begin, end : places in the rings
    is_last : whether no step follows
    error : n B N, derivative of the loss with respect to what the outputs send
    signals : what comes back to the populations
    decay : (d, d), how the outputs' state passes over the window
    response : port -> (d, n): the state after the window of what arrives within it
    lists : events of sources, so that they are listed once
    """

    begin: int
    end: int
    is_last: bool
    error: Reals
    signals: Signals
    decay: Reals
    response: dict[str, Reals]
    lists: dict[Any, Any] = field(default_factory=dict)


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
        self.filters = self._filters()
        length, kind = wiring.depth + window, wiring.kind
        self.rings: dict[str, Reals] = {}
        self.state: dict[str, Reals] = {}
        for i, (name, m) in enumerate(
            zip(wiring.names, wiring.plan.shape.members, strict=True)
        ):
            size = wiring.plan.sizes[i]
            shape = (length, samples, size)
            rows = m.rows
            self.rings[f"sent_{i}"] = np.zeros(shape, kind)
            for x in range(len(rows.tapes)):
                self.rings[f"tape_{i}_{x}"] = np.zeros(shape, kind)
            if rows.flagged:
                self.rings[f"flag_{i}"] = np.zeros(shape, np.uint8)
            for x in range(len(rows.step.noise)):
                self.rings[f"noise_{i}_{x}"] = np.zeros(shape, kind)
            if lesson.is_spatial and name in wiring.late:
                for k in range(len(rows.step.ports)):
                    self.rings[f"error_{i}_{k}"] = np.zeros(shape, kind)
            for x in range(len(rows.step.variables)):
                self.state[f"state_{i}_{x}"] = np.empty((samples, size), kind)
            if rows.step.waits:
                self.state[f"waiting_{i}"] = np.empty((samples, size), kind)
        self.eligibility: dict[Any, Eligibility] = {}
        self.begin()

    @property
    def n_bytes(self) -> int:
        """What is held from step to step."""
        arrays = [*self.rings.values(), *self.state.values()]
        arrays += [a for e in self.eligibility.values() for a in (e.state, e.trace)]
        return sum(a.nbytes for a in arrays)

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
        for e in self.eligibility.values():
            e.is_fresh = True
        self.time = 0
        self.learned = {name: wiring.depth for name in wiring.late}

    def _filters(self) -> int:
        """Return how many variables of the outputs traces pass through."""
        wiring, lesson = self.wiring, self.lesson
        output = wiring.alone[wiring.output]
        is_filter = lesson.is_filtered and not lesson.is_spatial and output.is_shared
        return output.n_variables if is_filter else 0

    # -- forward ---------------------------------------------------------------------------------------

    def run(
        self,
        outside: Mapping[tuple[str, str], Reals],
        noise: Mapping[str, Sequence[Reals]],
        weights: Weights,
        steps: int,
    ) -> Reals:
        """Run some steps, at most a window, and return what the outputs send.

        Parameters
        ----------
        outside : (population, port) -> n B N
        noise : population -> n B N each
        """
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
        sent: Reals = self.rings[f"sent_{wiring.place(wiring.output)}"][old:new]
        return sent

    def spikes(self, steps: int) -> float:
        """Return how many spikes there were in the steps that were run last, without inputs."""
        wiring = self.wiring
        old, new = wiring.depth, wiring.depth + steps
        return float(
            sum(
                np.count_nonzero(self.rings[f"sent_{i}"][old:new])
                for i, m in enumerate(wiring.plan.shape.members)
                if m.rows.step.fire is not None
            )
        )

    def turn(self, steps: int) -> None:
        """Make room for the next steps after `steps` that were run and learned from."""
        depth = self.wiring.depth
        for ring in self.rings.values():
            ring[:depth] = ring[steps : depth + steps]
        self.time += steps
        self.learned = {n: place - steps for n, place in self.learned.items()}

    # -- learning --------------------------------------------------------------------------------------

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
        """Run some steps and learn from them; return what the outputs sent in those that are judged.

        Parameters
        ----------
        judged : which steps are judged, as an index
        target : of these, as `OnlineLoss.errors` takes it
        is_last : whether no step follows
        """
        sent = self.run(outside, noise, weights, steps)
        error, seen = np.zeros_like(sent), sent[judged]
        loss, error[judged] = self.lesson.loss.errors(seen, target)
        sums.loss += float(loss.sum(dtype=np.float64))
        sums.judged += loss.size
        sums.n_spikes += self.spikes(steps)
        sums.steps += steps * self.n
        self.learn(error, steps, is_last, weights, sums)
        self.turn(steps)
        return seen

    def learn(
        self, error: Reals, steps: int, is_last: bool, weights: Weights, sums: Sums
    ) -> None:
        """Learn from some steps that were run; after the last ones, from all that is left.

        Parameters
        ----------
        error : n B N, derivative of the loss with respect to what the outputs sent
        """
        depth = self.wiring.depth
        window = _Window(
            depth,
            depth + steps,
            is_last,
            error,
            Signals(weights.ways),
            np.eye(self.filters, dtype=self.wiring.kind),
            {},
        )
        for name in reversed(self.wiring.names):
            late = self.wiring.late.get(name)
            if late is None:
                continue
            first = self.learned[name]
            last = window.end if is_last else max(first, window.end - late)
            self._population(name, first, last, window, weights, sums)
            self.learned[name] = last

    def _population(
        self, name: str, first: int, last: int, window: _Window, weights: Weights, sums: Sums
    ) -> None:
        """Learn what a population's windows [first, last) in the rings teach."""
        wiring, lesson, kind = self.wiring, self.lesson, self.wiring.kind
        alone, i = wiring.alone[name], wiring.place(name)
        is_output = name == wiring.output
        parts = [
            q for q, e in enumerate(wiring.plan.shape.inner) if e.post == i and q in weights.trained
        ]
        biases = [key for key in weights.trained_biases if key[0] == name]
        is_on_a_way = lesson.is_spatial and any(e.post == i for e in wiring.plan.shape.inner)
        if not (is_output or parts or biases or is_on_a_way):
            return
        n, size, own = last - first, wiring.plan.sizes[i], alone.n_variables
        filters = 0 if is_output else self.filters
        shape = (n, self.n, size)
        kept = {x: self.rings[_ring(x, i)][first:last] for x in alone.kept}
        signal, lam_filters = self._signal(name, first, last, window)
        lam = np.zeros((own + filters, self.n, size), kind)
        mu = {port: np.empty(shape, kind) for port in alone.ports}
        alone.sweep(kept, signal, lam[:own], list(mu.values()))
        lam[own:] = lam_filters
        if is_output and not lesson.is_spatial:
            self._broadcast(kept, signal, lam, mu, window)
        if lesson.is_spatial:
            found = [self.rings[f"error_{i}_{k}"][first:last] for k in range(len(alone.ports))]
            alone.instant(kept, signal, found)
        if n == 0 or not (parts or biases):
            if is_output and self.filters and not window.is_last:
                self._units(name, kept, shape, 0, window)
            return
        targets = [(q, None) for q in parts] + [(None, key) for key in biases]
        for q, key in targets:
            total = sums.weights[q] if q is not None else sums.biases[key]  # type: ignore[index]
            self._accumulate(name, q, key, first, last, lam, mu, window, total)
        if name in lesson.pulled:
            more = np.zeros_like(lam)
            alone.sweep(kept, np.ones(shape, kind), more[:own], list(mu.values()))
            for q, key in targets:
                total = sums.rates[q] if q is not None else sums.rate_biases[key]  # type: ignore[index]
                self._accumulate(name, q, key, first, last, more, mu, window, total)
            sums.spikes[name] += self.rings[f"sent_{i}"][first:last].sum((0, 1))
            sums.pulled[name] += n * self.n
        if window.is_last:
            return
        phi, nu = self._units(name, kept, shape, filters, window)
        for q, key in targets:
            self._advance(name, q, key, first, last, phi, nu, window)

    def _signal(
        self, name: str, first: int, last: int, window: _Window
    ) -> tuple[Reals, Reals | float]:
        """Return what a population's spikes are worth in a window, and what its filtered traces are worth."""
        wiring = self.wiring
        if name == wiring.output:
            return window.error, 0.0
        i = wiring.place(name)
        signal = np.zeros((last - first, self.n, wiring.plan.sizes[i]), wiring.kind)
        if self.lesson.is_spatial:
            for q in wiring.ways[name]:
                e = wiring.plan.shape.inner[q]
                ring = self.rings[f"error_{e.post}_{e.port}"]
                low, high = first + e.lag, min(last + e.lag, window.end)
                if low < high:
                    signal[: high - low] += window.signals.ways.back(q, ring[low:high])
            return signal, 0.0
        coming, bars = window.signals.at(name)
        low = first + wiring.late[name] - window.begin
        part = coming[low : low + len(signal)]
        signal[: len(part)] = part
        return signal, (bars if self.filters else 0.0)

    def _broadcast(
        self, kept: Mapping[str, Reals], error: Reals, lam: Reals, mu: dict[str, Reals], window: _Window
    ) -> None:
        """Let what the outputs' arrivals are worth in this window be known to the populations."""
        output = self.wiring.alone[self.wiring.output]
        coming = mu
        if not self.filters:
            coming = {port: np.empty_like(x) for port, x in mu.items()}
            output.instant(kept, error, list(coming.values()))
        window.signals.begin(coming, lam)

    def _units(
        self,
        name: str,
        kept: Mapping[str, Reals],
        shape: tuple[int, ...],
        filters: int,
        window: _Window,
    ) -> tuple[Reals, dict[str, Reals]]:
        """Return how the state of a population's synapses passes over a window, and what arrivals leave in it.

        Returns
        -------
        (d, d, B, N), and port -> (d, n, B, N), where d counts own variables, then those of the outputs' filter
        """
        alone, kind, own = self.wiring.alone[name], self.wiring.kind, self.wiring.alone[name].n_variables
        d = own + filters
        phi = np.zeros((d, d, *shape[1:]), kind)
        nu = {port: np.empty((d, *shape), kind) for port in alone.ports}
        sent = np.zeros(shape, kind)
        for a in range(own):
            phi[a, a] = 1
            alone.sweep(kept, sent, phi[a, :own], [x[a] for x in nu.values()])
        if filters:
            response = window.response[self.wiring.ports[name]]
            late = self.wiring.late[name]
            low = self.learned[name] + late - window.begin
            for a in range(filters):
                part = response[a, low : low + len(sent)]
                sent[:] = 0
                sent[: len(part)] = part[:, None, None]
                alone.sweep(kept, sent, phi[own + a, :own], [x[own + a] for x in nu.values()])
            phi[own:, own:] = window.decay[:, :, None, None]
        if name == self.wiring.output and self.filters:
            window.decay = np.ascontiguousarray(phi[:, :, 0, 0])
            window.response = {port: np.ascontiguousarray(x[:, :, 0, 0]) for port, x in nu.items()}
        return phi, nu

    # -- synapses --------------------------------------------------------------------------------------

    def _events(
        self, q: int | None, first: int, last: int, window: _Window
    ) -> tuple[Any, Any, Any, bool]:
        """Return what arrives through a part in a window, or through a bias: 1 in every step."""
        key: Any = (None, first, last)
        if q is not None:
            e = self.wiring.plan.shape.inner[q]
            key = (e.pre, first - e.lag, last - e.lag)
        if key not in window.lists:
            if q is None:
                x = np.ones((last - first, self.n, 1), self.wiring.kind)
            else:
                x = self.rings[f"sent_{key[0]}"][key[1] : key[2]]
            window.lists[key] = eligibility.events(x)
        found: tuple[Any, Any, Any, bool] = window.lists[key]
        return found

    def _nothing(self, name: str, q: int | None) -> Eligibility:
        """Return an eligibility without variables."""
        wiring, kind = self.wiring, self.wiring.kind
        n_pre = 1 if q is None else wiring.plan.sizes[wiring.plan.shape.inner[q].pre]
        state = (self.n, 0, 0) if q in wiring.plan.synapses else (self.n, n_pre, 0, 0)
        return Eligibility(np.empty(state, kind), np.empty((self.n, 0, n_pre), kind))

    def _of(self, name: str, q: int | None, key: tuple[str, str] | None) -> Eligibility:
        """Return the eligibility of a part's synapses, or of biases."""
        place = q if q is not None else key
        if place not in self.eligibility:
            wiring, kind = self.wiring, self.wiring.kind
            alone, i = wiring.alone[name], wiring.place(name)
            shared = alone.n_variables if alone.is_shared else 0
            d = alone.n_variables - shared + (0 if name == wiring.output else self.filters)
            n_pre = 1
            if q is not None:
                n_pre = wiring.plan.sizes[wiring.plan.shape.inner[q].pre]
            state = (
                (self.n, d, len(wiring.plan.synapses[q].target))
                if q in wiring.plan.synapses
                else (self.n, n_pre, d, wiring.plan.sizes[i])
            )
            self.eligibility[place] = Eligibility(
                np.empty(state, kind), np.empty((self.n, shared, n_pre), kind)
            )
        return self.eligibility[place]

    def _port(self, q: int | None, key: tuple[str, str] | None, name: str) -> str:
        if key is not None:
            return key[1]
        return self.wiring.alone[name].ports[self.wiring.plan.shape.inner[q].port]  # type: ignore[index]

    def _accumulate(
        self,
        name: str,
        q: int | None,
        key: tuple[str, str] | None,
        first: int,
        last: int,
        lam: Reals,
        mu: Mapping[str, Reals],
        window: _Window,
        total: Reals,
    ) -> None:
        start, rows, value, is_plain = self._events(q, first, last, window)
        what = mu[self._port(q, key, name)].reshape(-1, lam.shape[2])
        mine = self.eligibility.get(q if q is not None else key)
        if mine is None or mine.is_fresh:
            rest = own = lam[:0]
            mine = self._nothing(name, q)
        else:
            shared = mine.trace.shape[1]
            rest, own = lam[shared:], lam[:shared]
        if q in self.wiring.plan.synapses:
            lists = self.wiring.plan.synapses[q]  # type: ignore[index]
            eligibility.accumulate_lists(
                start, rows, value, lists.start, lists.target, what, rest, mine.state, own,
                mine.trace, total,
            )  # fmt: skip
            return
        eligibility.accumulate(
            start, rows, value, is_plain, what, rest, mine.state, own, mine.trace, total
        )

    def _advance(
        self,
        name: str,
        q: int | None,
        key: tuple[str, str] | None,
        first: int,
        last: int,
        phi: Reals,
        nu: Mapping[str, Reals],
        window: _Window,
    ) -> None:
        mine = self._of(name, q, key)
        start, rows, value, is_plain = self._events(q, first, last, window)
        shared, size = mine.trace.shape[1], phi.shape[3]
        d = len(phi) - shared
        what = nu[self._port(q, key, name)].reshape(len(phi), -1, size)
        if mine.is_fresh:
            mine.state[:] = 0
            mine.trace[:] = 0
            mine.is_fresh = False
        if d:
            rest, psi = (np.ascontiguousarray(x) for x in (phi[shared:, shared:], phi[shared:, :shared]))
            if q in self.wiring.plan.synapses:
                lists = self.wiring.plan.synapses[q]  # type: ignore[index]
                eligibility.advance_lists(
                    start, rows, value, lists.start, lists.target, what[shared:], rest, psi,
                    mine.state, mine.trace, np.empty(d, phi.dtype),
                )  # fmt: skip
            else:
                used = np.any(rest != 0, (2, 3))
                room = np.empty((d, size), phi.dtype)
                eligibility.advance(
                    start, rows, value, is_plain, what[shared:], rest, used, psi, mine.state,
                    mine.trace, room,
                )  # fmt: skip
        if shared:
            f = np.ascontiguousarray(phi[:shared, :shared, 0, 0])
            g = np.ascontiguousarray(nu[self._port(q, key, name)][:shared, :, 0, 0])
            eligibility.advance_traces(
                start, rows, value, f, g, mine.trace, np.empty(shared, phi.dtype)
            )


def _ring(kept: str, i: int) -> str:
    kind, _, number = kept.partition("_")
    return f"{kind}_{i}_{number}" if number else f"{kind}_{i}"
