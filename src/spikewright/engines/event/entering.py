"""What enters a network without a clock from outside, as changes and additions in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.engines import draws
from spikewright.engines.engine import Outside
from spikewright.network.drive import GaussianDrive, StepCurrent

CELLS = 2_000_000
"""Values that enter per window, about, where something enters at every step."""


class Entering:
    """What enters a network from outside, as changes and additions in the order of time."""

    def __init__(self, run: Any) -> None:
        self.run = run
        network, request, built = run.network, run.request, run.built
        self.ports: list[tuple[str, str, int, bool]] = []
        width = 0
        for name in built.names:
            model = network.populations[name].model
            for port in model.inputs:
                parts = self._parts(name, port)
                if not parts:
                    continue
                slot, held = built.slot(network, name, port)
                self.ports.append((name, port, slot, held))
                if not held or any(isinstance(x, Outside | GaussianDrive) for x in parts):
                    exact = all(isinstance(x, Outside) and x.events is not None for x in parts)
                    width += 0 if exact and not held else network.populations[name].n
        self.length = max(1, CELLS // width) if width else max(1, request.steps)
        self.before: dict[tuple[str, str], NDArray[np.float64]] = {}

    def _parts(self, name: str, port: str) -> list[Any]:
        network, request = self.run.network, self.run.request
        parts: list[Any] = []
        if (name, port) in request.inputs:
            parts.append(request.inputs[name, port])
        for q in network.incoming(name):
            bias = network.projections[q].bias
            if bias is not None and network.port_of(q) == port:
                parts.append(np.ravel(bias).astype(np.float64))
        for drive_name, drive in network.drives.items():
            if drive.post == name and network.driven_port(drive_name) == port:
                if isinstance(drive, GaussianDrive):
                    parts.append((drive_name, drive))
                elif isinstance(drive, StepCurrent):
                    parts.append(drive)
        return parts

    def window(self, first: int, last: int) -> Any:
        """Return what enters in steps `first` to `last` - 1."""
        run, loop = self.run, self.run.loop
        found: list[tuple[NDArray[Any], ...]] = []
        begins = first == run.first
        if begins:
            # everyone is looked at once
            n = run.built.n
            alive = np.flatnonzero(np.isin(run.built.cells.kind, (loop.LINEAR, loop.SMOOTH)))
            g = np.flatnonzero(np.isin(run.built.cells.of, alive)) if n else np.zeros(0, np.int64)
            at = np.full(len(g), first * run.dt)
            found.append(
                (at, g, np.zeros(len(g), int), np.full(len(g), loop.CHECK), np.zeros(len(g)))
            )
        for name, port, slot, held in self.ports:
            base = int(run.built.first[run.built.names.index(name)])
            found += (
                self._held(name, port, base, slot, first, last)
                if held
                else self._added(name, port, base, slot, first, last)
            )
        columns = (
            [np.concatenate([*c]) for c in zip(*found, strict=True)] if found else [np.zeros(0)] * 5
        )
        order = np.argsort(columns[0], kind="stable")
        kinds = (np.float64, np.int64, np.int64, np.int64, np.float64)
        return run.table.Outside(*(c[order].astype(k) for c, k in zip(columns, kinds, strict=True)))

    def _values(self, name: str, port: str, first: int, last: int) -> NDArray[np.float64]:
        """Return what a port holds in each step, (steps or 1, n): 1 where it is the same in all."""
        run = self.run
        shape = run.network.populations[name].shape
        n = run.network.populations[name].n
        total: NDArray[np.float64] = np.zeros((1, n))
        for part in self._parts(name, port):
            if isinstance(part, Outside):
                rows = np.zeros((last - first, n))
                begin = first - run.first
                here = part.dense[begin : begin + len(rows), run.sample]
                rows[: len(here)] = here
                total = total + rows
            elif isinstance(part, StepCurrent):
                start = np.rint(part.times / run.dt).astype(np.int64)
                pieces = np.zeros((len(start) + 1, n))
                pieces[1:] = np.broadcast_to(part.values.reshape(len(start), -1), (len(start), n))
                which = np.searchsorted(start, np.arange(first, last), side="right")
                total = total + (pieces[which] if np.any(which != which[0]) else pieces[which[:1]])
            elif isinstance(part, tuple):
                total = total + self._gaussian(part[0], part[1], shape, first, last)
            else:
                total = total + part
        return total

    def _gaussian(
        self, name: str, drive: GaussianDrive, shape: tuple[int, ...], first: int, last: int
    ) -> NDArray[np.float64]:
        """Return the values that clocked engines draw: they belong to steps."""
        run = self.run
        key = rng.key(run.request.seed, f"drive/{name}")
        mean, std = (
            np.broadcast_to(np.asarray(x, np.float64), shape).reshape(-1)
            for x in (drive.mean, drive.std)
        )
        k = np.arange(first, last)[:, None]
        return mean + std * draws.normal(key, np.arange(len(mean)), k, np.asarray(run.draws))

    def _held(self, name: str, port: str, base: int, slot: int, first: int, last: int) -> Any:
        run = self.run
        values = self._values(name, port, first, last)
        before = self.before.get((name, port))
        if before is None:
            # from the beginning on: no event is needed
            cells, now = run.built.cells, run.now
            before = values[0].copy()
            at = cells.at[base : base + len(before)] + slot
            now.outside[at] = before
            now.z[at] = before + now.pulse[at]
        changed = np.concatenate([before[None], values])
        k, neuron = np.nonzero(changed[1:] != changed[:-1])
        self.before[name, port] = values[-1].copy()
        time = (first + k) * run.dt
        m = len(k)
        return [
            (time, base + neuron, np.full(m, slot), np.full(m, run.loop.SET), values[k, neuron])
        ]

    def _added(self, name: str, port: str, base: int, slot: int, first: int, last: int) -> Any:
        run, found = self.run, []

        def note(time: NDArray[Any], neuron: NDArray[Any], value: NDArray[Any]) -> None:
            m = len(time)
            kind = np.full(m, run.loop.ADD)
            found.append((time, base + neuron, np.full(m, slot), kind, value))

        parts = self._parts(name, port)
        exact = [x for x in parts if isinstance(x, Outside) and x.events is not None]
        for part in exact:
            streams = part.events or ()
            events = streams[run.sample]
            time = run.first * run.dt + events.t * events.tick
            near = run.loop.NEAR * run.dt
            inside = (time >= first * run.dt - near) & (time < last * run.dt - near)
            if first == run.first:
                inside |= time < first * run.dt
            note(time[inside], events.address[inside], events.weights()[inside])
        if len(exact) < len(parts):
            hidden = {(name, port): exact}
            values = self._without(name, port, first, last, hidden)
            values = np.broadcast_to(values, (last - first, values.shape[1]))
            k, neuron = np.nonzero(values)
            note((first + k) * run.dt, neuron, values[k, neuron])
        return found

    def _without(
        self, name: str, port: str, first: int, last: int, hidden: Mapping[Any, Any]
    ) -> Any:
        total = self._values(name, port, first, last)
        for part in hidden[name, port]:
            rows = np.zeros((last - first, total.shape[1]))
            begin = first - self.run.first
            here = part.dense[begin : begin + len(rows), self.run.sample]
            rows[: len(here)] = here
            total = total - rows
        return total
