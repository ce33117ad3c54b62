"""Synapses with a rule, one event after the other: the living definition of what a rule does.

Names follow `engines/synapses.py`; the order of what happens stands in docs/concepts/synapses.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.program import ProjectionProgram
from spikewright.engines.recording import Spikes, SynapseState
from spikewright.engines.synapses import Assignments, RuleProgram
from spikewright.network.expression import evaluate

Values = dict[str, NDArray[np.float64]]


class Plastic:
    """One projection with a rule while it runs."""

    def __init__(self, q: ProjectionProgram, rule: RuleProgram, state: SynapseState) -> None:
        self.q, self.rule = q, rule
        self.values = {v: x.copy() for v, x in state.values.items()}
        self.touched = state.touched.copy()
        self.pre = {v: x.copy() for v, x in state.pre.items()}
        self.arrived = state.arrived.copy()
        self.post = {v: x.copy() for v, x in state.post.items()}
        self.fired = state.fired.copy()
        spikes = state.underway
        value = np.ones(spikes.n) if spikes.value is None else spikes.value
        self.underway = list(zip(spikes.step, spikes.sample, spikes.address, value, strict=True))

    # -- values at step k ------------------------------------------------------------------------------

    def _now(self, values: Values, last: NDArray[np.int64], place: Any, k: int) -> Values:
        """Return variables at step k; `last` says of which step they are."""
        found = {}
        for name, stored in values.items():
            decay = self.rule.decays.get(name)
            x = stored[place]
            found[name] = x if decay is None else decay.forward(x, k - last[place])
        return found

    def _synaptic_now(self, place: Any, k: int, touches: bool) -> Values:
        """Return w and state variables; where the event `touches` those with dynamics, bring these to step k."""
        if not touches:
            return {v: x[place] for v, x in self.values.items() if v not in self.rule.moving}
        found = self._now(self.values, self.touched, place, k)
        self.touched[place] = k
        for name in self.rule.moving:
            self.values[name][place] = found[name]
        return found

    def _assign(
        self, assignments: Assignments, names: dict[str, Any], store: Values, place: Any
    ) -> None:
        for name, tree in assignments:
            names[name] = np.broadcast_to(evaluate(tree, names), store[name][place].shape)
            store[name][place] = names[name]

    # -- step k ----------------------------------------------------------------------------------------

    def flow(
        self,
        before_pre: Mapping[str, NDArray[Any]],
        before_post: Mapping[str, NDArray[Any]],
        arrived: NDArray[Any],
    ) -> None:
        """Add the current, of the neurons' variables at the start of the step, to what has arrived."""
        if self.rule.current is None:
            return
        source, target = self.q.synapses.source, self.q.synapses.target
        for b in range(len(arrived)):
            names = dict(self.rule.constants) | {v: x[b] for v, x in self.values.items()}
            names |= {f"{v}_pre": before_pre[v][b][source] for v in self.rule.model.reads_pre}
            names |= {f"{v}_post": before_post[v][b][target] for v in self.rule.model.reads_post}
            amount = np.broadcast_to(evaluate(self.rule.current, names), target.shape)
            np.add.at(arrived[b], target, amount)

    def deliver(self, k: int, arrived: NDArray[Any]) -> None:
        """Do the pre events of step k: spikes emitted earlier first, of one step by sample, then source."""
        rows = self.rule.rows
        for emitted, b, source, value in self.underway:
            for row in range(rows.of_source[source], rows.of_source[source + 1]):
                if emitted + rows.lag[row] == k:
                    self._pre_event(k, b, row, value, arrived[b])
        self.underway = [s for s in self.underway if s[0] + self.q.max_lag > k]

    def _pre_event(
        self, k: int, b: int, row: int, value: float, arrived: NDArray[np.float64]
    ) -> None:
        rule, at = self.rule, (b, row)
        if not rule.model.has_pre_events:
            return
        own = rule.rows.synapse[rule.rows.start[row] : rule.rows.start[row + 1]]
        target = self.q.synapses.target[own]
        here = (b, own)
        pre = self._now(self.pre, self.arrived, at, k)
        self.arrived[at] = k
        for name, x in pre.items():
            self.pre[name][at] = x
        names: dict[str, Any] = dict(rule.constants) | pre
        names |= self._now(self.post, self.fired, (b, target), k)
        names |= self._synaptic_now(here, k, rule.touches(rule.pre_synaptic, rule.send))
        sent: Any = None
        if rule.send is not None and rule.send_first:
            sent = evaluate(rule.send, names)
        self._assign(rule.pre_synaptic, names, self.values, here)
        self._assign(rule.pre_row, names, self.pre, at)
        if rule.send is not None:
            if not rule.send_first:
                sent = evaluate(rule.send, names)
            np.add.at(arrived, target, np.broadcast_to(sent, target.shape) * value)

    def finish(
        self,
        k: int,
        output: NDArray[Any],
        seen: Mapping[str, NDArray[Any]],
        signals: Mapping[str, NDArray[np.float64]],
    ) -> None:
        """Do what follows the firing of the target population in step k.

        Parameters
        ----------
        k : the step
        output : what the targets sent, (B, n)
        seen : state variable of the target -> its value as the threshold saw it, (B, n)
        signals : signal -> its value in this step, (B,)
        """
        read = {f"{v}_post": seen[v] for v in self.rule.model.reads_post}
        self._post_events(k, output, read)
        for name, tree in self.rule.follow:
            names = dict(self.rule.constants) | read | {name: self.post[name]}
            self.post[name] = np.broadcast_to(evaluate(tree, names), self.post[name].shape).copy()
        for b in range(len(output)):
            now = {name: float(x[b]) for name, x in signals.items()}
            if any(x != 0.0 for x in now.values()):
                self._everywhere(k, b, self.rule.on_signal, now)
            if self.rule.every and (k + 1) % self.rule.every == 0:
                self._everywhere(k, b, self.rule.on_every, {})

    def _post_events(self, k: int, output: NDArray[Any], read: Mapping[str, NDArray[Any]]) -> None:
        rule, incoming = self.rule, self.rule.incoming
        if not (rule.post_synaptic or rule.post_neuron):
            return
        happens = output != 0
        if rule.post_event is not None:
            everyone = (slice(None), slice(None))
            names: dict[str, Any] = dict(rule.constants) | dict(read)
            names |= self._now(self.post, self.fired, everyone, k)
            happens = np.broadcast_to(evaluate(rule.post_event, names), output.shape)
        for b, i in zip(*np.nonzero(happens), strict=True):
            own = incoming.synapse[incoming.start[i] : incoming.start[i + 1]]
            here, at = (b, own), (b, i)
            post = self._now(self.post, self.fired, at, k)
            self.fired[at] = k
            for name, x in post.items():
                self.post[name][at] = x
            names = dict(rule.constants) | post | {n: x[at] for n, x in read.items()}
            names |= self._now(self.pre, self.arrived, (b, rule.rows.of_synapse[own]), k)
            names |= self._synaptic_now(here, k, rule.touches(rule.post_synaptic))
            self._assign(rule.post_synaptic, names, self.values, here)
            self._assign(rule.post_neuron, names, self.post, at)

    def _everywhere(
        self, k: int, b: int, assignments: Assignments, now: Mapping[str, float]
    ) -> None:
        """Run assignments for all synapses of one sample."""
        target, here = self.q.synapses.target, (b, slice(None))
        names: dict[str, Any] = dict(self.rule.constants) | dict(now)
        names |= self._now(self.pre, self.arrived, (b, self.rule.rows.of_synapse), k)
        names |= self._now(self.post, self.fired, (b, target), k)
        names |= self._synaptic_now(here, k, self.rule.touches(assignments))
        if "w" in names:
            names["w_total"] = totals(names["w"], target, self.q.synapses.n_post)[target]
        self._assign(assignments, names, self.values, here)

    def emit(
        self,
        k: int,
        sample: NDArray[np.int64],
        address: NDArray[np.int64],
        value: NDArray[Any],
    ) -> None:
        """Keep what was sent in step k until it has arrived."""
        self.underway += [
            (k, b, i, float(y)) for b, i, y in zip(sample, address, value, strict=True)
        ]

    def state(self, step: int, *, graded: bool) -> SynapseState:
        """Return what the synapses hold before `step`."""
        left = [s for s in self.underway if s[0] + self.q.max_lag >= step]
        columns = list(zip(*left, strict=True)) if left else [()] * 4
        emitted, sample, address = (np.array(c, np.int64) for c in columns[:3])
        value = np.array(columns[3], np.float64) if graded else None
        return SynapseState(
            self.values,
            self.touched,
            self.pre,
            self.arrived,
            self.post,
            self.fired,
            Spikes(emitted, sample, address, value),
        )


def totals(
    weight: NDArray[np.float64], target: NDArray[np.int64], n_post: int
) -> NDArray[np.float64]:
    """Return the sum of the weights of each target, added one after the other, sources ascending."""
    found = np.zeros(n_post)
    np.add.at(found, target, weight)
    return found
