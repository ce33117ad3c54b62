"""What a run costs on crossbar tiles: reads of tiles that an input reached, and the digital neurons beside them.

Two price lists: "hermes" charges a measured core as a whole for every read; "parts" charges converters, devices
and word lines one by one. A tile is read in a step in which at least one of the neurons that drive its rows
fired. Tiles work side by side: a step takes as long as the tile that is read most often.
"""

from __future__ import annotations

import numpy as np

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import SubstrateError, explain
from spikewright.substrates.base import Category, Chip, Compiled, Constant, Costs, Grade, Term
from spikewright.substrates.pcm.energy import array_read_energy, sar_adc

NODE = "sar_14nm_hp"


def price(chip: Chip, preset: str, compiled: Compiled, recording: Recording) -> Costs:
    """Return the costs of one inference."""
    tiles = compiled.facts["tiles"]
    # steps in which a population drove its tiles, mean over samples
    driven = {
        name: float((activity > 0).sum(axis=0).mean())
        for name, activity in recording.activity.items()
    }
    reads = sum(t.reads * driven[t.pre] for t in tiles)
    if preset == "hermes":
        energy = [
            Term("tile reads", Category.EVENTS, reads, chip.tables["costs.hermes"]["tile_read"])
        ]
    else:
        energy = _parts(chip, tiles, driven, recording)
    names = compiled.source.populations
    neurons = [n for n in names if n not in compiled.network.inputs]
    updates = float(sum(recording.updates(n) for n in neurons))
    energy.append(
        Term(
            "neuron updates",
            Category.EVENTS,
            updates,
            chip.tables["costs.digital"]["neuron_update"],
        )
    )
    busiest = max((t.reads * driven[t.pre] for t in tiles), default=0.0)
    latency = (
        Term(
            "reads of the busiest tile", Category.EVENTS, busiest, chip.tables["time"]["tile_read"]
        ),
    )
    area = (Term("tiles", Category.STATIC, float(len(tiles)), chip.tables["area"]["core"]),)
    return Costs(
        chip.name,
        preset,
        tuple(energy),
        latency,
        area,
        recording.steps,
        (*chip.unpublished, "time of the digital neurons"),
        (
            f"{len(tiles)} tiles, {reads:.1f} reads per inference of {recording.steps} steps; a tile that no input "
            "reaches in a step is not read",
            f"{compiled.facts['time']:.3g} s after programming, drift compensation "
            + ("on" if compiled.facts["compensation"] else "off"),
        ),
    )


def event_prices(chip: Chip, preset: str, compiled: Compiled) -> EventPrices:
    """Return what each event costs: reads of the tiles that a population drives, and neuron updates."""
    if preset != "hermes":
        raise SubstrateError(
            explain(
                f"pcm: preset {preset!r}",
                "has no price per event: a conversion costs what the currents of its run make it",
                cure="use Pcm(preset='hermes')",
            )
        )
    read = chip.tables["costs.hermes"]["tile_read"].value
    driven: dict[str, float] = {}
    for tile in compiled.facts["tiles"]:
        driven[tile.pre] = driven.get(tile.pre, 0.0) + tile.reads * read
    network, update = compiled.network, chip.tables["costs.digital"]["neuron_update"].value
    neurons = sum(p.n for n, p in compiled.source.populations.items() if n not in network.inputs)
    return EventPrices(f"{chip.name} {preset}", active_step=driven, step=neurons * update)


def _parts(chip: Chip, tiles: tuple, driven: dict[str, float], recording: Recording) -> list[Term]:
    adc = sar_adc(chip, NODE)
    v_read = chip.tables["devices"]["v_read"].value
    levels = 2 ** int(chip.tables["converters"]["adc_bits"].value)
    on_time = adc.time(levels)
    conversions = conversion_energy = reads_energy = spikes = 0.0
    for tile in tiles:
        steps = driven[tile.pre]
        sent = recording.sent[tile.pre].mean(axis=0)
        spikes += float(sent.sum()) * tile.reads
        met = float(sent @ tile.row_conductance)
        reads_energy += float(array_read_energy(met, on_time, v_read))
        count = steps * tile.conversions
        if count:
            conversions += count
            # mean conductance that a column shows while it is converted
            resistance = count / met if met else np.inf
            conversion_energy += count * float(adc.energy(levels, resistance, v_read))
    source = chip.tables[f"converters.{NODE}"]["per_bit"].source
    return [
        Term(
            "column conversions",
            Category.CONVERTERS,
            conversions,
            _derived("conversion", conversion_energy / conversions if conversions else 0.0, source),
        ),
        Term(
            "device currents",
            Category.EVENTS,
            spikes,
            _derived(
                "row read",
                reads_energy / spikes if spikes else 0.0,
                "sum g V^2 t of the programmed devices",
            ),
        ),
        Term("word lines", Category.EVENTS, spikes, chip.tables["costs.digital"]["input_drive"]),
    ]


def _derived(name: str, value: float, source: str) -> Constant:
    return Constant(name, value, "J", value, value, source, Grade.DERIVED)
