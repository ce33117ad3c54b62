"""Driven neurons of a lazy population, in one run of the compiled engine: those that fire without any input.

They are hot for ever. They stand side by side in arrays of their own, in the order of the population, and the kernel
of any other population steps them as vector code; the kernel of the lazy population then lists what they sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import layout as at
from spikewright.engines.compiled import load
from spikewright.engines.generate import Port, write
from spikewright.engines.layout import lines, where

if TYPE_CHECKING:
    from spikewright.engines.cpu_population import CpuPopulation

DEPTH = 8
"""Steps whose lists are kept, a power of two; one is needed."""


class CpuDriven:
    """The arrays of the driven neurons of a lazy population in one run; they begin with the population's state."""

    def __init__(
        self, whole: CpuPopulation, neurons: NDArray[np.int64], ports: dict[str, Port]
    ) -> None:
        run, request, number = whole.run, whole.run.request, whole.number
        batch, parts, n = request.batch, run.parts, len(neurons)
        self.neurons = neurons
        self.bounds = np.searchsorted(neurons, whole.bounds).astype(np.int64)
        room = -(-int(np.diff(self.bounds).max()) // 64) * 64
        self.spikes = np.zeros((batch, parts, DEPTH, room), np.int32)
        self.counts = lines((batch, parts, DEPTH), np.int64)
        self.flags = lines((run.workers, room), np.uint8)
        self.errors = lines((run.workers, 8), np.int64)
        self.state: dict[str, NDArray[Any]] = {v: lines((batch, n), number) for v in whole.state}
        for v, x in self.state.items():
            x[...] = whole.state[v][:, neurons]
        self.waiting = lines((batch, n), whole.waiting.dtype)
        if whole.waits:
            self.waiting[...] = whole.waiting[:, neurons]
        kernel = write(whole.p, ports, precision=run.own.precision)
        t = self.table = np.zeros(kernel.size, np.int64)
        whole.constants(kernel, t, neurons)
        t[at.SIZE], t[at.BOUNDS], t[at.BATCH], t[at.PARTS] = n, where(self.bounds), batch, parts
        t[at.BLOCK], t[at.ROOM], t[at.FLAGS] = room, room, where(self.flags)
        t[at.SPIKES], t[at.DEPTH], t[at.COUNTS] = where(self.spikes), DEPTH, where(self.counts)
        t[at.WAITING], t[at.FIRST_SAMPLE] = where(self.waiting), request.first_sample
        t[at.ERRORS], t[at.CHECKED] = where(self.errors), request.check_finite
        t[at.ITEM] = np.dtype(number).itemsize
        for i, x in enumerate(self.state.values()):
            t[at.OPEN + i] = where(x)
        self.operation: tuple[int, int] = (load(kernel.name, kernel.text).advance.address, where(t))

    def give(self, whole: CpuPopulation) -> None:
        """Put the state where that of the population stands."""
        for v, x in self.state.items():
            whole.state[v][:, self.neurons] = x
        if whole.waits:
            whole.waiting[:, self.neurons] = self.waiting

    def broken(self) -> list[list[int]]:
        """Return what went wrong first in each thread, as the population's `errors`."""
        found: list[list[int]] = self.errors.tolist()
        for error in found:
            error[3] = int(self.neurons[error[3]])
        return found
