"""Synapses that learn, and their eligibility: those of one part of a projection, or the biases of a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.train.fused.plan import Synapses
from spikewright.train.online import eligibility
from spikewright.train.online.wiring import Wiring

Reals = NDArray[Any]
Key = int | tuple[str, str]
"""The number of a part of a projection, or population and port of biases."""


@dataclass(frozen=True, eq=False)
class Events:
    """What arrives in a window, as `eligibility.sort` lists it."""

    start: NDArray[np.int64]
    rows: NDArray[np.int64]
    value: Reals
    is_plain: bool


def listed(x: Reals) -> Events:
    """Return what is not 0 in `x` (n, batch, pre)."""
    n = int(np.count_nonzero(x))
    start = np.empty(x.shape[1] * x.shape[2] + 2, np.int64)
    rows, value = np.empty(n, np.int64), np.empty(n, x.dtype)
    return Events(start, rows, value, bool(eligibility.sort(x, start, rows, value)))


class Afferents:
    """The synapses of one part of a projection, or the biases of a port: a source that is 1 in every step.

    Parameters
    ----------
    wiring : they are part of
    key : which they are
    samples : that run together
    filters : variables of the outputs that traces pass through
    """

    def __init__(self, wiring: Wiring, key: Key, samples: int, filters: int) -> None:
        self.key, self.samples = key, samples
        self.lists: Synapses | None = None
        self.pre: int | None = None
        self.lag, self.n_pre = 0, 1
        if isinstance(key, int):
            part = wiring.plan.shape.inner[key]
            self.lists = wiring.plan.synapses.get(key)
            self.pre, self.lag, self.n_pre = part.pre, part.lag, wiring.plan.sizes[part.pre]
            self.post = wiring.names[part.post]
            self.port = wiring.alone[self.post].ports[part.port]
        else:
            self.post, self.port = key
        self.size = wiring.plan.sizes[wiring.place(self.post)]
        alone = wiring.alone[self.post]
        own = alone.n_variables
        self.shared = own if alone.is_shared else 0
        self.d = own - self.shared + (0 if self.post == wiring.output else filters)
        self.kind = wiring.kind
        self.state, self.trace = self._empty(0, 0)
        self.begin()

    def _empty(self, d: int, shared: int) -> tuple[Reals, Reals]:
        shape = (
            (self.samples, self.n_pre, d, self.size)
            if self.lists is None
            else (self.samples, d, len(self.lists.target))
        )
        return np.zeros(shape, self.kind), np.zeros((self.samples, shared, self.n_pre), self.kind)

    @property
    def n_bytes(self) -> int:
        """What is held from window to window."""
        return self.state.nbytes + self.trace.nbytes

    def zeros(self) -> Reals:
        """Return a gradient to add to: (pre, post), or one number per synapse."""
        shape = (self.n_pre, self.size) if self.lists is None else (len(self.lists.target),)
        return np.zeros(shape, self.kind)

    def begin(self) -> None:
        """Forget what has arrived."""
        self.is_fresh = True

    def accumulate(self, events: Events, lam: Reals, mu: Reals, total: Reals) -> None:
        """Add what a window adds to a gradient.

        Parameters
        ----------
        lam : (d, B, post), what the state before the window is worth
        mu : (n, B, post), what arrivals are worth
        """
        if self.is_fresh:
            # nothing has arrived before: no state is read
            state, trace = self._empty(0, 0)
            own = rest = lam[:0]
        else:
            state, trace = self.state, self.trace
            own, rest = lam[: self.shared], lam[self.shared :]
        flat = mu.reshape(-1, self.size)
        if self.lists is None:
            eligibility.accumulate(
                events.start, events.rows, events.value, events.is_plain, flat, rest, state, own,
                trace, total,
            )  # fmt: skip
        else:
            eligibility.accumulate_lists(
                events.start, events.rows, events.value, self.lists.start, self.lists.target, flat,
                rest, state, own, trace, total,
            )  # fmt: skip

    def advance(self, events: Events, phi: Reals, nu: Reals) -> None:
        """Go over to the next window.

        Parameters
        ----------
        phi : (d, d, B, post), how the state passes over the window
        nu : (d, n, B, post), what arrivals leave in it
        """
        if self.is_fresh:
            if not self.n_bytes:
                self.state, self.trace = self._empty(self.d, self.shared)
            self.state[:] = 0
            self.trace[:] = 0
            self.is_fresh = False
        shared, d = self.shared, self.d
        if d:
            rest = np.ascontiguousarray(phi[shared:, shared:])
            psi = np.ascontiguousarray(phi[shared:, :shared])
            flat = nu[shared:].reshape(d, -1, self.size)
            if self.lists is None:
                used = np.any(rest != 0, (2, 3))
                eligibility.advance(
                    events.start, events.rows, events.value, events.is_plain, flat, rest, used, psi,
                    self.state, self.trace, np.empty((d, self.size), self.kind),
                )  # fmt: skip
            else:
                eligibility.advance_lists(
                    events.start, events.rows, events.value, self.lists.start, self.lists.target,
                    flat, rest, psi, self.state, self.trace, np.empty(d, self.kind),
                )  # fmt: skip
        if shared:
            eligibility.advance_traces(
                events.start, events.rows, events.value,
                np.ascontiguousarray(phi[:shared, :shared, 0, 0]),
                np.ascontiguousarray(nu[:shared, :, 0, 0]),
                self.trace, np.empty(shared, self.kind),
            )  # fmt: skip
