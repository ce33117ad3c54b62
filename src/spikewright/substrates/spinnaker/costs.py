"""What a run costs on SpiNNaker: power of chips and cores in real time, packets; or energies per event as measured.

Two price lists. "report" is that of the vendor's own energy report: idle power of a chip, the power that running cores
add to it, energy per packet. "sharp" is a measurement of a cortical circuit per postsynaptic potential and per neuron
and millisecond; whether idle power is in it, the abstract does not say, so none is added.

A tick lasts dt. Where the busiest core is not done by then, the machine would miss ticks: the time that is lacking is
counted, and the real-time factor is what all ticks must be stretched by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.substrates.base import Category, Chip, Compiled, Constant, Costs, Grade, Term
from spikewright.substrates.passes.lay import heaviest_of
from spikewright.substrates.passes.reach import fan_out_per_core
from spikewright.substrates.spinnaker.cores import Machine

SAMPLES_TIMED = 16
"""Samples whose busiest cores are found step by step; the rest have the same statistics."""
BOARD_CHIPS = 48
CORES = 18
MILLISECOND = 1e-3


@dataclass(frozen=True)
class Work:
    """Cycles of each core in each step, (T, B, cores), at the low, usual and high price of each operation.

    Parameters
    ----------
    cycles : three arrays
    dt : s, of a tick
    cycle : s
    """

    cycles: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    dt: float
    cycle: float

    def busy(self, which: int) -> float:
        """Return the seconds that all cores together work in one inference."""
        return float(self.cycles[which].sum(axis=(0, 2)).mean()) * self.cycle

    def overrun(self, which: int) -> float:
        """Return the cycles by which the busiest core exceeds its ticks, summed over an inference."""
        most = self.cycles[which].max(axis=2, initial=0.0)
        return float(np.maximum(most - self.dt / self.cycle, 0.0).sum(axis=0).mean())

    @property
    def factor(self) -> float:
        """How many times as long as dt a tick must be so that none is missed."""
        most = float(self.cycles[1].max(initial=0.0))
        return max(1.0, most * self.cycle / self.dt)


def work_of(chip: Chip, compiled: Compiled, recording: Recording) -> Work:
    """Return what the cores have to do in a run."""
    machine: Machine = compiled.facts["machine"]
    network = compiled.network
    n_cores = len(machine.reach)
    samples = min(SAMPLES_TIMED, recording.batch)
    shape = (recording.steps, samples, n_cores)
    events, packets = np.zeros(shape), np.zeros(shape)
    neurons = np.zeros(n_cores)
    for name, population in network.populations.items():
        sent = recording.dense(name)[:, :samples].reshape(-1, population.n) != 0
        sent = sent.astype(np.float64)
        from_core = np.zeros((len(sent), n_cores))
        for core in np.unique(machine.core[name]):
            from_core[:, core] = sent[:, machine.core[name] == core].sum(axis=1)
        packets += (from_core @ machine.reach).reshape(shape)
        if name in machine.delay_core:
            late = np.zeros((len(sent), n_cores))
            for core in np.unique(machine.delay_core[name]):
                late[:, core] = sent[:, machine.delay_core[name] == core].sum(axis=1)
            packets += machine.stages[name] * (late @ machine.reach).reshape(shape)
        if name not in network.inputs:
            neurons += np.bincount(machine.core[name], minlength=n_cores)
        for projection in network.outgoing(name):
            fan = fan_out_per_core(network, machine.core, n_cores, projection)
            events += (sent @ fan.astype(np.float64)).reshape(shape)
    price = chip.tables["cycles"]

    def cycles(pick: str) -> NDArray[np.float64]:
        one = {k: getattr(c, pick) for k, c in price.items()}
        fixed = neurons * one["neuron_update"]
        total = fixed + events * one["synaptic_event"] + packets * one["packet"]
        return np.asarray(total, np.float64)

    return Work(
        (cycles("low"), cycles("value"), cycles("high")),
        network.dt,
        chip.tables["clock"]["cycle"].value,
    )


def price(chip: Chip, preset: str, compiled: Compiled, recording: Recording) -> Costs:
    """Return the costs of one inference."""
    machine: Machine = compiled.facts["machine"]
    network = compiled.network
    work = work_of(chip, compiled, recording)
    tick = Constant(
        "tick",
        network.dt,
        "s",
        network.dt,
        network.dt,
        "dt of the network: the machine keeps real time",
        Grade.DERIVED,
    )
    latency = (
        Term("ticks in real time", Category.CLOCK, float(recording.steps), tick),
        Term(
            "work of the busiest core beyond its ticks",
            Category.EVENTS,
            work.overrun(1),
            chip.tables["clock"]["cycle"],
            work.overrun(0),
            work.overrun(2),
        ),
    )
    seconds = sum(t.value for t in latency)
    low, high = sum(t.low for t in latency), sum(t.high for t in latency)
    idle = chip.tables["power"]["idle_chip"]
    boards = -(-machine.chips // BOARD_CHIPS)
    spare = boards * BOARD_CHIPS - machine.chips
    if preset == "report":
        energy = _report(chip, machine, compiled, recording, work, (seconds, low, high))
    else:
        energy = _sharp(chip, compiled, recording)
    energy.append(
        Term(
            f"idle power of the other {spare} chips of the board",
            Category.OVERHEAD,
            seconds * spare,
            idle,
            low * spare,
            high * spare,
        )
    )
    cut = saturated(compiled, recording)
    notes = [
        f"{len(machine.reach)} cores on {machine.chips} chips; at most"
        f" {max(machine.entries.values(), default=0)} of {chip.limit('routing_entries'):g} routing entries in use",
        f"real-time factor {work.factor:.3g}: "
        + (
            "every tick is done in time" if work.factor == 1.0 else "ticks must be that much longer"
        ),
    ]
    links = link_loads(compiled, recording)
    if links.any():
        notes.append(f"heaviest link: {heaviest_of(links)}")
    if any(cut.values()):
        many = ", ".join(f"{n} in {name!r}" for name, n in cut.items() if n)
        notes.append(f"sums of a step that a ring buffer cut at 65535: {many}")
    return Costs(
        chip.name,
        preset,
        tuple(energy),
        latency,
        (Term("chips in use", Category.STATIC, float(machine.chips), chip.tables["area"]["chip"]),),
        recording.steps,
        chip.unpublished,
        tuple(notes),
        cores={"busy time (s)": work.cycles[1].sum(axis=0).mean(axis=0) * work.cycle},
        links={"packets": links},
    )


def link_loads(compiled: Compiled, recording: Recording) -> NDArray[np.float64]:
    """Return the packets that cross each link in an inference, (x, y, 6); see `Costs.links`."""
    machine: Machine = compiled.facts["machine"]
    mesh = compiled.placement.mesh if compiled.placement else (0, 0)
    load = np.zeros((mesh[0], mesh[1], 6))
    sent = np.zeros(len(machine.senders))
    for number, (name, is_extension, core) in enumerate(machine.senders):
        own = (machine.delay_core if is_extension else machine.core)[name] == core
        packets = recording.sent[name][:, own].sum(axis=1).mean()
        sent[number] = packets * (machine.stages[name] if is_extension else 1)
    sender, link = machine.crossed.T
    np.add.at(load, tuple(machine.links[link].T), sent[sender])
    return load


def saturated(compiled: Compiled, recording: Recording) -> dict[str, int]:
    """Return population -> how many sums of a step its ring buffers cut, over all samples of a run."""
    return {
        name: int(values["saturated"].sum())
        for name, values in recording.state.values.items()
        if "saturated" in values
    }


def _report(
    chip: Chip,
    machine: Machine,
    compiled: Compiled,
    recording: Recording,
    work: Work,
    seconds: tuple[float, float, float],
) -> list[Term]:
    value, low, high = (s * machine.chips for s in seconds)
    share = len(machine.reach) / CORES
    visits = packets = 0.0
    for name in compiled.network.populations:
        sent = recording.sent[name].mean(axis=0)
        visits += float(sent @ _visits(machine, name))
        packets += float(sent.sum()) * (1 + machine.stages.get(name, 0))
    return [
        Term(
            "idle power of the chips",
            Category.STATIC,
            value,
            chip.tables["power"]["idle_chip"],
            low,
            high,
        ),
        # the vendor's report charges cores all the time; at least they work while they are busy
        Term(
            "power of the running cores",
            Category.CLOCK,
            seconds[0] * share,
            chip.tables["power"]["active_overhead"],
            min(work.busy(0) / CORES, seconds[0] * share),
            seconds[2] * share,
        ),
        Term(
            "packets through routers",
            Category.LINKS,
            visits,
            chip.tables["energy.report"]["packet"],
            min(packets, visits),
            visits,
        ),
    ]


def _visits(machine: Machine, name: str) -> NDArray[np.int64]:
    """Return the routers that the packets of one spike pass, delay extension included, per neuron."""
    visits = np.zeros(len(machine.core[name]), np.int64)
    for (population, is_extension, core), passed in zip(
        machine.senders, machine.passed.tolist(), strict=True
    ):
        if population == name:
            own = (machine.delay_core if is_extension else machine.core)[name] == core
            visits[own] += passed * (machine.stages[name] if is_extension else 1)
    return visits


def _sharp(chip: Chip, compiled: Compiled, recording: Recording) -> list[Term]:
    network, table = compiled.network, chip.tables["energy.sharp"]
    operations = sum(float(recording.operations(p).mean()) for p in network.projections)
    neurons = sum(p.n for n, p in network.populations.items() if n not in network.inputs)
    milliseconds = recording.duration / MILLISECOND
    return [
        Term("postsynaptic potentials", Category.EVENTS, operations, table["synaptic_event"]),
        Term(
            "neurons, per millisecond",
            Category.EVENTS,
            neurons * milliseconds,
            table["neuron_millisecond"],
        ),
    ]


def event_prices(chip: Chip, preset: str, compiled: Compiled) -> EventPrices:
    """Return what each event costs: the terms of `price` that are events, taken apart by neuron."""
    machine: Machine = compiled.facts["machine"]
    network = compiled.network
    name = f"{chip.name} {preset}"
    if preset == "report":
        one = chip.tables["energy.report"]["packet"].value
        way = {n: np.asarray(one * _visits(machine, n), np.float64) for n in network.populations}
        return EventPrices(name, way)
    table = chip.tables["energy.sharp"]
    spike = {}
    for n, population in network.populations.items():
        fan = np.zeros(population.n)
        for p in network.outgoing(n):
            fan += network.projections[p].topology.effective_fan_out(population.shape)
        spike[n] = fan * table["synaptic_event"].value
    neurons = sum(p.n for n, p in network.populations.items() if n not in network.inputs)
    step = neurons * network.dt / MILLISECOND * table["neuron_millisecond"].value
    return EventPrices(name, spike, step=step)
