"""What a run costs on ODIN: the published power equation over the time that its events take.

    P = 27.3 uW + 1.78 pJ f + 8.43 pJ SOP/s        at 0.55 V

A spike on a row is 256 synaptic operations, whether their weights are 0 or not, and 513 clock cycles; the time
reference of a step is 512. The chip runs as fast as its clock allows: an inference takes as long as its cycles.

Source
------
Frenkel et al., IEEE TBioCAS 13(1), 2019; cycles per event from the ODIN documentation v0.1, section 2.2.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.substrates.base import Category, Chip, Compiled, Constant, Costs, Grade, Term


def power(chip: Chip, clock: float, operation_rate: float) -> float:
    """Return the power at 0.55 V, W.

    Parameters
    ----------
    clock : Hz; operation_rate : synaptic operations per second, half the clock at most
    """
    table = chip.tables["power"]
    moving = table["cycle"].value * clock + table["synaptic_operation"].value * operation_rate
    return table["static"].value + moving


def accelerated(chip: Chip) -> tuple[float, float]:
    """Return the power of the anchor of accelerated operation, model and published, W (Frenkel et al. 2019)."""
    anchor = chip.tables["anchor"]
    found = power(chip, anchor["clock"].value, anchor["operation_rate"].value)
    return found, anchor["power"].value


def price(chip: Chip, clock: float, compiled: Compiled, recording: Recording) -> Costs:
    """Return the costs of one inference."""
    rows = {n: np.asarray(r) for n, r in compiled.facts["rows"].items()}
    events = sum(float(recording.sent[n].mean(axis=0) @ r) for n, r in rows.items())
    cycles, table = chip.tables["cycles"], chip.tables["power"]
    again = sum(_again(recording, n, r) for n, r in rows.items())
    busy = events * cycles["spike"].value
    leaking = recording.steps * cycles["time_reference"].value
    operations = events * chip.limit("rows")
    more = again * cycles["spike"].value
    time = (busy + more + leaking) / clock
    rate = (operations + again * chip.limit("rows")) / time if time else 0.0
    energy: tuple[Term, ...] = (
        Term("static power", Category.STATIC, time, table["static"]),
        Term("cycles of time references", Category.CLOCK, leaking, table["cycle"]),
        Term("cycles of spikes", Category.EVENTS, busy, table["cycle"]),
        Term("synaptic operations", Category.EVENTS, operations, table["synaptic_operation"]),
    )
    if again:
        # apart, since a price per event counts a neuron once in a step
        energy += (
            Term("further spikes in a step, cycles", Category.CLOCK, more, table["cycle"]),
            Term(
                "further spikes in a step, operations",
                Category.CLOCK,
                again * chip.limit("rows"),
                table["synaptic_operation"],
            ),
        )
    cycle = Constant(
        "cycle",
        1 / clock,
        "s",
        1 / clock,
        1 / clock,
        f"clock of {clock / 1e6:g} MHz",
        Grade.DERIVED,
    )
    latency = (
        Term("cycles of spikes", Category.EVENTS, busy + more, cycle),
        Term("cycles of time references", Category.CLOCK, leaking, cycle),
    )
    return Costs(
        chip.name,
        "default",
        energy,
        latency,
        (Term("chip", Category.STATIC, 1.0, chip.tables["area"]["chip"]),),
        recording.steps,
        chip.unpublished,
        (
            f"0.55 V, {clock / 1e6:g} MHz, as fast as the clock allows: {events + again:.1f} spikes on rows of the "
            f"crossbar in {time * 1e6:.3g} us, {rate / 1e6:.3g} million synaptic operations per second",
        ),
    )


def _again(recording: Recording, name: str, rows: NDArray[np.int64]) -> float:
    """Return the spikes on rows that a population sends beyond the first of a neuron in a step, mean over samples."""
    if name not in recording.spikes or recording.spikes[name].value is None:
        return 0.0
    spikes = recording.spikes[name]
    more = np.maximum(np.asarray(spikes.value) - 1, 0) * rows[spikes.address]
    return float(more.sum()) / recording.batch


def event_prices(chip: Chip, compiled: Compiled) -> EventPrices:
    """Return what each spike costs: the operations and cycles of the rows that it is sent on."""
    table = chip.tables["power"]
    one = chip.limit("rows") * table["synaptic_operation"].value
    one += chip.tables["cycles"]["spike"].value * table["cycle"].value
    spike = {n: np.asarray(r) * one for n, r in compiled.facts["rows"].items()}
    return EventPrices(chip.name, spike)
