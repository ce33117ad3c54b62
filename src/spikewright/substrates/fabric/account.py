"""What a run costs on a fabric, step by step: counts, energy by kind, two latencies, and heat maps.

    energy  = neurons access + updated update + fired fire + packets (send + receive) + events synapse + hops hop
    simple  = max over cores of max(sending side, receiving side) + barrier
    sending side    = neurons access + updated update + fired fire + packets sent send
    receiving side  = packets received receive + synaptic events synapse

Energies and times are those of a price list; `detailed` latency is described in `congestion`. Work is proportional to
packets and steps, not to synapses: a packet knows how many synapses it reaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.engines.recording import Recording
from spikewright.errors import SubstrateError, explain
from spikewright.substrates.base import Category, Constant, Term
from spikewright.substrates.fabric.fabric import Fabric
from spikewright.substrates.fabric.prices import Barrier, Prices, value_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Activity:
    """What happened in a run: neurons row by row, where row = step * samples + sample.

    Parameters
    ----------
    steps, samples : of the run
    fired_start, fired : neurons that fired in each row
    updated_start, updated : neurons that were updated in each row; None where all are, in every row
    """

    steps: int
    samples: int
    fired_start: Ints
    fired: Ints
    updated_start: Ints
    updated: Ints | None

    @property
    def rows(self) -> int:
        """Steps times samples."""
        return self.steps * self.samples

    @staticmethod
    def of_arrays(
        fabric: Fabric,
        step: ArrayLike,
        neuron: ArrayLike,
        *,
        steps: int,
        sample: ArrayLike | None = None,
        samples: int = 1,
        updated: NDArray[np.bool_] | None = None,
    ) -> Activity:
        """Return the activity of spikes given as arrays, (s,) each.

        Parameters
        ----------
        step, neuron, sample : of each spike; default sample: 0
        steps, samples : of the run
        updated : which neurons are updated in which step, (steps, samples, n) or (steps, n); default: all

        Raises
        ------
        SubstrateError : steps, samples or neurons that do not exist
        """
        from spikewright.substrates.fabric.kernels import by_row

        at, who = np.asarray(step, np.int64), np.asarray(neuron, np.int64)
        of = np.zeros(len(at), np.int64) if sample is None else np.asarray(sample, np.int64)
        for name, numbers, most in (
            ("step", at, steps),
            ("sample", of, samples),
            ("neuron", who, fabric.n),
        ):
            if len(numbers) != len(at) or np.any((numbers < 0) | (numbers >= most)):
                raise SubstrateError(
                    explain(
                        f"fabric: {name}",
                        "not in the run",
                        expected=f"{len(at)} numbers from 0 to {most - 1}",
                    )
                )
        n_rows = steps * samples
        fired_start, fired = by_row(at * samples + of, who, n_rows)
        if updated is None:
            return Activity(
                steps, samples, fired_start, fired, np.zeros(n_rows + 1, np.int64), None
            )
        if updated.size != n_rows * fabric.n:
            raise SubstrateError(
                explain(
                    "fabric: updated",
                    "wrong shape",
                    found=updated.shape,
                    expected=(steps, samples, fabric.n),
                )
            )
        row, which = np.nonzero(updated.reshape(n_rows, fabric.n))
        start = np.searchsorted(row, np.arange(n_rows + 1)).astype(np.int64)
        return Activity(steps, samples, fired_start, fired, start, which.astype(np.int64))

    @staticmethod
    def of_recording(
        fabric: Fabric, recording: Recording, *, samples: int | None = None
    ) -> Activity:
        """Return the activity of a run of the network that the fabric is of; every neuron is updated in every step.

        Parameters
        ----------
        samples : how many of them, the first ones; default: all
        """
        batch = recording.batch if samples is None else min(samples, recording.batch)
        step, sample, neuron = [], [], []
        at: tuple[NDArray[Any], ...]
        for name, place in fabric.slices.items():
            if name in recording.spikes:
                spikes = recording.spikes[name]
                kept = spikes.sample < batch
                if spikes.value is not None:
                    kept &= spikes.value != 0
                at = (spikes.step[kept], spikes.sample[kept], spikes.address[kept])
            else:
                sent = recording.dense(name)[:, :batch]
                at = np.nonzero(sent.reshape(recording.steps, batch, -1))
            step.append(at[0])
            sample.append(at[1])
            neuron.append(at[2] + place.start)
        none = [np.zeros(0, np.int64)]
        return Activity.of_arrays(
            fabric,
            np.concatenate(step or none),
            np.concatenate(neuron or none),
            steps=recording.steps,
            sample=np.concatenate(sample or none),
            samples=batch,
        )


@dataclass(frozen=True)
class Account:
    """What happened, step by step; arrays are (steps, samples), heat maps are means over the samples.

    Parameters
    ----------
    fabric, energy, barrier : what it was computed with
    updated, fired, packets, entering, local, hops_x, hops_y : counts, int64
    events : kind of synapse -> synaptic events, int64
    busy : s, of the busiest core in each step
    on_busiest : what happened on it, (steps, samples, columns of `kernels.count`)
    core_counts : (n_cores, columns) for one sample
    core_busy : s, busy time of each core for one sample
    core_energy : J, of each core for one sample; packets are charged where they are sent, hops too
    link_packets : packets that leave a tile towards east, west, north and south, (x, y, 4), for one sample
    """

    fabric: Fabric
    energy: Prices
    barrier: Barrier
    updated: Ints
    fired: Ints
    packets: Ints
    entering: Ints
    local: Ints
    hops_x: Ints
    hops_y: Ints
    events: Mapping[str, Ints]
    busy: Floats
    on_busiest: Ints
    core_counts: Floats
    core_busy: Floats
    core_energy: Floats
    link_packets: Floats

    @property
    def hops(self) -> Ints:
        """Hops of all packets."""
        found: Ints = self.hops_x + self.hops_y
        return found

    @property
    def simple(self) -> Floats:
        """Latency of each step, s: the busiest core and the barrier."""
        found: Floats = self.busy + self.barrier.at(self.fabric.n_tiles).value
        return found

    def counts(self) -> dict[str, tuple[Category, Ints, Constant | None]]:
        """Return what is charged: words -> category, count in each step, and what one costs."""
        e = self.energy
        neurons = np.full_like(self.fired, self.fabric.neurons.sum())
        found = {
            f"synaptic events, {kind}": (Category.EVENTS, n, e.synapse.get(kind))
            for kind, n in self.events.items()
        }
        return found | {
            "neuron accesses": (Category.EVENTS, neurons, e.access),
            "neuron updates": (Category.EVENTS, self.updated, e.update),
            "spikes": (Category.EVENTS, self.fired, e.fire),
            "packets sent": (Category.EVENTS, self.packets, e.send),
            "packets received": (Category.EVENTS, self.packets + self.entering, e.receive),
            "packets within a tile": (Category.LINKS, self.local, e.local),
            "hops east-west": (Category.LINKS, self.hops_x, e.hop_x),
            "hops north-south": (Category.LINKS, self.hops_y, e.hop_y),
        }

    def joules(self) -> dict[str, Floats]:
        """Return the energy of each step by what it is for, J, (steps, samples)."""
        found: dict[str, Floats] = {
            name: n * np.float64(c.value)
            for name, (_, n, c) in self.counts().items()
            if c is not None
        }
        return found

    def terms(self) -> list[Term]:
        """Return the energy of one sample, term by term."""
        return [
            Term(name, category, float(n.sum(axis=0).mean()), constant)
            for name, (category, n, constant) in self.counts().items()
            if constant is not None
        ]

    def maps(self) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Return heat maps of cores and of links, as `Costs` shows them."""
        cores = {
            "busy time (s)": self.core_busy,
            "energy (J)": self.core_energy,
            "synaptic events": self.core_counts[:, 5:].sum(axis=1),
        }
        return cores, {"packets": self.link_packets}


def account(
    fabric: Fabric,
    activity: Activity,
    energy: Prices,
    time: Prices,
    barrier: Barrier,
    *,
    adds_sides: bool = False,
) -> Account:
    """Return what a run costs.

    Parameters
    ----------
    fabric : where neurons lie and what their spikes cause
    activity : what happened
    energy, time : what each thing costs, J and s
    barrier : what a step costs on top, s
    adds_sides : whether a core sends and receives one after the other; else at the same time

    Raises
    ------
    SubstrateError : a kind of synapse has no price
    """
    from spikewright.substrates.fabric.kernels import EVENTS, FIRED, NEURONS, UPDATED, count, spread

    f, shape = fabric, (activity.steps, activity.samples)
    per = f.per_spike
    base = np.zeros((f.n_cores, EVENTS + len(f.kinds)), np.int64)
    base[:, NEURONS] = f.neurons
    if activity.updated is None:
        base[:, UPDATED] = f.neurons
    each, busy, worst, total = count(
        activity.fired_start,
        activity.fired,
        activity.updated_start,
        _none() if activity.updated is None else activity.updated,
        f.core_of,
        f.start,
        f.core,
        f.synapses,
        per["packets"],
        base,
        time.on_core(f.kinds),
        adds_sides,
    )
    total /= max(activity.samples, 1)
    sent = np.bincount(activity.fired, minlength=f.n) / max(activity.samples, 1)
    row = np.repeat(np.arange(activity.rows), np.diff(activity.fired_start))

    def summed(name: str) -> Ints:
        found = np.bincount(row, per[name][activity.fired], minlength=activity.rows)
        return np.rint(found).astype(np.int64).reshape(shape)

    inside = f.core_of >= 0
    way = per["hops_x"] * value_of(energy.hop_x) + per["hops_y"] * value_of(energy.hop_y)
    way = way + per["local"] * value_of(energy.local)
    core_energy = total[:, :-1] @ energy.on_core(f.kinds)
    core_energy += np.bincount(f.core_of[inside], (sent * way)[inside], minlength=f.n_cores)
    return Account(
        fabric,
        energy,
        barrier,
        each[:, UPDATED].reshape(shape),
        each[:, FIRED].reshape(shape),
        summed("packets"),
        summed("entering"),
        summed("local"),
        summed("hops_x"),
        summed("hops_y"),
        {kind: each[:, EVENTS + k].reshape(shape) for k, kind in enumerate(f.kinds)},
        busy.reshape(shape),
        worst.reshape(*shape, -1),
        total[:, :-1],
        total[:, -1],
        core_energy,
        spread(sent, f.core_of, f.start, f.core, f.position, np.array(f.mesh, np.int64)),
    )


def detailed_latency(
    fabric: Fabric, activity: Activity, time: Prices, barrier: Barrier, *, buffer: float
) -> tuple[Floats, Floats]:
    """Return the latency of each step with congestion, and how long packets waited at full links; s, (steps, samples).

    Parameters
    ----------
    fabric, activity, time, barrier : as for `account`; spikes from outside the chip take no part
    buffer : packets that a link holds
    """
    from spikewright.substrates.fabric.congestion import detailed

    f, shape = fabric, (activity.steps, activity.samples)
    inside = np.flatnonzero(f.core_of >= 0)
    order = inside[np.argsort(f.core_of[inside], kind="stable")]
    first = np.concatenate(([0], np.cumsum(f.neurons))).astype(np.int64)
    took, waited = detailed(
        activity.fired_start,
        activity.fired,
        activity.updated_start,
        _none() if activity.updated is None else activity.updated,
        activity.updated is None,
        order,
        first,
        f.start,
        f.core,
        f.synapses,
        f.position,
        np.array(f.mesh, np.int64),
        time.on_core(f.kinds),
        value_of(time.hop_x),
        value_of(time.hop_y),
        buffer,
    )
    found: Any = took + barrier.at(f.n_tiles).value
    return found.reshape(shape), waited.reshape(shape)


def _none() -> Ints:
    return np.zeros(0, np.int64)
