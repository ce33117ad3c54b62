"""Crossbars of phase-change memory: weights on device pairs, columns read through converters, neurons digital."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import LimitError, Problems, SubstrateError, explain
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.topology import Dense, OneToOne, Sparse, Topology
from spikewright.network.windows import Conv
from spikewright.substrates.base import (
    Change,
    Chip,
    Compiled,
    Constant,
    Costs,
    Pass,
    Placement,
    Substrate,
    load_chip,
)
from spikewright.substrates.passes.quantize import relative_error
from spikewright.substrates.passes.retime import Retime
from spikewright.substrates.pcm import costs
from spikewright.substrates.pcm.crossbar import (
    ProgramDevices,
    Programmed,
    check_levels,
    is_analog,
    program,
)
from spikewright.substrates.pcm.devices import PcmLike
from spikewright.substrates.pcm.fits import Devices
from spikewright.substrates.pcm.model import Converter
from spikewright.substrates.pcm.tile import tiles

YEAR = 365.25 * 86400.0


@dataclass(frozen=True)
class Tile:
    """One tile of a projection: which rows and columns of the weight matrix, and its devices.

    Parameters
    ----------
    projection : the projection it belongs to
    name : of the analog projection and its population of converters
    pre : the population that drives its rows
    rows, columns : of the tile that are used
    reads : reads of the tile in a step with input (a convolution reads once per place)
    row_conductance : conductance that a spike of each neuron of `pre` meets, summed over the reads, S, (n_pre,)
    conversions : columns that are converted in a step with input
    """

    projection: str
    name: str
    pre: str
    rows: int
    columns: int
    reads: int
    row_conductance: NDArray[np.float64]
    conversions: int


@dataclass(frozen=True)
class Pcm(Substrate):
    """Analog in-memory computing with phase-change memory.

    Parameters
    ----------
    time : s since programming; default one year
    compensation : whether drift compensation scales each array (digitally, after the converter)
    preset : price list, "hermes" (a measured core as a whole) or "parts" (built up from converters and devices)
    devices : a device family
    output_noise : standard deviation at the converter's input, in units of the largest weight; None: what the
    chip file says
    levels : conductances that a device can be asked for, evenly spaced, the smallest and the largest among them: a pair
    then holds `2 levels - 1` weights (4: 3 bits, the sign included); None: any conductance
    """

    time: float = YEAR
    compensation: bool = True
    preset: str = "hermes"
    devices: Devices = field(default_factory=PcmLike)
    output_noise: float | None = None
    levels: int | None = None
    name: ClassVar[str] = "pcm"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.time) and self.time >= 0):
            raise SubstrateError(
                explain("pcm", "time since programming", found=self.time, expected="0 s or more")
            )
        self.check_preset(self.preset)
        check_levels(self.levels)

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return load_chip(Path(__file__).with_name("chip.toml"))

    def presets(self) -> tuple[str, ...]:
        """Return the names of its price lists."""
        return ("hermes", "parts")

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Programming and read noise at the time of programming, redrawn for each seed, to train through."""
        return (ProgramDevices(self.devices, 0.0, compensate=False, levels=self.levels),)

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Lower a network to one chip instance; see `Substrate.compile`."""
        self.check_rules(network)
        chip = self.chip
        timed, changes = Retime()(network.written_out(), seed)
        _check(timed, chip)
        populations = dict(timed.populations)
        projections: dict[str, Projection] = {}
        tiles: list[Tile] = []
        for name, p in timed.projections.items():
            if not is_analog(p.topology):
                projections[name] = p
                continue
            made = self._lower(timed, name, chip, seed)
            populations |= made.populations
            projections |= made.projections
            tiles += made.tiles
            changes += made.changes
        limit = int(chip.limit("tiles"))
        if len(tiles) > limit:
            counts = Counter(tile.projection for tile in tiles)
            share = ", ".join(f"{name!r} {n}" for name, n in counts.most_common(5))
            raise LimitError(
                explain(
                    "pcm",
                    "the network needs more tiles than there are",
                    found=f"{len(tiles)} tiles ({share})",
                    expected=f"{limit} at most",
                    cure="use smaller populations",
                )
            )
        lowered = replace(
            timed, populations=populations, projections=projections, name=f"{network.name} on pcm"
        )
        return Compiled(
            lowered,
            network,
            self.name,
            changes,
            _placement(tiles, lowered, chip),
            seed,
            {"tiles": tuple(tiles), "time": self.time, "compensation": self.compensation},
        )

    @property
    def fan_in(self) -> Constant:
        """Rows of a tile: a dense map with more is cut, and its parts are rounded one by one."""
        return self.chip.limits["tile_rows"]

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return prices of reads and neuron updates, for the preset "hermes"; see `Substrate.event_prices`."""
        return costs.event_prices(self.chip, self.preset, compiled)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        return costs.price(self.chip, self.preset, compiled, recording)

    # -- one projection ------------------------------------------------------------------------------

    def _lower(self, network: Network, name: str, chip: Chip, seed: int) -> _Lowered:
        p = network.projections[name]
        pre, post = network.populations[p.pre], network.populations[p.post]
        weight = np.asarray(p.topology.weight, np.float64)
        made = program(weight, self.devices, self.time, seed, name, levels=self.levels)
        gain = made.compensation if self.compensation else 1.0
        late = "a factor" if self.compensation else "no factor"
        changes = [
            Change(
                "program",
                name,
                "weights as device pairs hold them",
                f"programming noise, {self.time:.3g} s of drift ({late} for it), read noise",
                relative_error(made.weight * gain, weight),
            )
        ]
        converter = self._converter(chip)
        populations: dict[str, Population] = {}
        projections: dict[str, Projection] = {}
        tiles = []
        blocks = _blocks(p.topology, made, pre, post, chip)
        if len(blocks) > 1:
            changes.append(
                Change("tile", name, f"cut into {len(blocks)} tiles", "rows and columns of a tile")
            )
        for number, block in enumerate(blocks):
            place = f"{name}.tile{number}"
            populations[place] = Population(Converter, block.shape, converter)
            projections[place] = Projection(p.pre, place, block.topology, delay=p.delay)
            projections[name if number == 0 else f"{name}.sum{number}"] = Projection(
                place,
                p.post,
                block.back(made.w_max * gain),
                port=network.port_of(name),
                bias=p.bias if number == 0 else None,
            )
            tiles.append(
                Tile(
                    name,
                    place,
                    p.pre,
                    block.rows,
                    block.columns,
                    -(-math.prod(block.shape) // block.columns),
                    block.row_conductance,
                    math.prod(block.shape),
                )
            )
        return _Lowered(populations, projections, tuple(tiles), tuple(changes))

    def _converter(self, chip: Chip) -> dict[str, float]:
        table = chip.tables["converters"]
        bound = table["adc_bound"].value
        levels = 2 ** table["adc_bits"].value - 2
        noise = table["output_noise"].value if self.output_noise is None else self.output_noise
        return {"bound": bound, "step": 2.0 * bound / levels, "noise": noise}


@dataclass(frozen=True)
class _Lowered:
    populations: dict[str, Population]
    projections: dict[str, Projection]
    tiles: tuple[Tile, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class _Block:
    """One tile's part of a projection."""

    topology: Topology
    shape: tuple[int, ...]
    rows: int
    columns: int
    row_conductance: NDArray[np.float64]
    targets: NDArray[np.int64] | None
    post: Population

    def back(self, factor: float) -> Topology:
        """Return the digital map from the converters to the neurons."""
        if self.targets is None:
            return OneToOne(factor)
        index = np.arange(len(self.targets))
        return Sparse.from_edges(
            index, self.targets, factor, n_pre=len(self.targets), n_post=self.post.n
        )


def _blocks(
    topology: Topology, made: Programmed, pre: Population, post: Population, chip: Chip
) -> list[_Block]:
    rows, columns = int(chip.limit("tile_rows")), int(chip.limit("tile_columns"))
    scale = 1.0 / made.w_max if made.w_max else 0.0
    values = made.weight * scale
    if not isinstance(topology, Dense) or (pre.n <= rows and post.n <= columns):
        scaled = topology.with_weight(values)
        used_rows, used_columns = _extent(topology, pre, post)
        conductance = _row_conductance(topology, made, pre)
        return [_Block(scaled, post.shape, used_rows, used_columns, conductance, None, post)]
    blocks = []
    for posts, pres in tiles(values.shape, rows=rows, columns=columns):
        part = values[posts, pres]
        n_post, n_pre = part.shape
        source = np.repeat(np.arange(pres.start, pres.stop), n_post)
        target = np.tile(np.arange(n_post), n_pre)
        sparse = Sparse.from_edges(source, target, part.T.ravel(), n_pre=pre.n, n_post=n_post)
        conductance = np.zeros(pre.n)
        conductance[pres] = made.total[posts, pres].sum(axis=0)
        kept = np.arange(posts.start, posts.stop)
        blocks.append(_Block(sparse, (n_post,), n_pre, n_post, conductance, kept, post))
    return blocks


def _extent(topology: Topology, pre: Population, post: Population) -> tuple[int, int]:
    """Return rows and columns that a map takes on a tile; a convolution stores its kernel once."""
    conv = next((m for m in getattr(topology, "maps", (topology,)) if isinstance(m, Conv)), None)
    if conv is not None:
        return int(np.prod(conv.weights.shape[1:])) * conv.groups, conv.weights.shape[0]
    return pre.n, post.n


def _row_conductance(topology: Topology, made: Programmed, pre: Population) -> NDArray[np.float64]:
    """Return the conductance that a spike of each source neuron meets, over all the reads it takes part in."""
    synapses = topology.with_weight(made.total).synapses(pre.shape)
    return np.bincount(synapses.source, np.abs(synapses.weight), minlength=pre.n)


def _check(network: Network, chip: Chip) -> None:
    problems = Problems()
    limits: list[str] = []
    for name, p in network.projections.items():
        if not is_analog(p.topology):
            continue
        model = network.populations[p.pre].model
        if not model.is_spiking and p.pre not in network.inputs:
            problems.add(
                f"pcm: projection {name!r}",
                f"rows are driven by spikes, {p.pre!r} ({model.name}) sends graded values",
                cure="let it fire",
            )
        if np.ndim(p.delay):
            problems.add(f"pcm: projection {name!r}", "a tile has one delay for all its weights")
        pre, post = network.populations[p.pre], network.populations[p.post]
        rows, columns = _extent(p.topology, pre, post)
        for what, used in (("rows", rows), ("columns", columns)):
            limit = int(chip.limit(f"tile_{what}"))
            if used > limit and not isinstance(p.topology, Dense):
                limits.append(
                    explain(
                        f"pcm: projection {name!r}",
                        f"a {p.topology.kind} map needs more {what} than a tile has",
                        found=used,
                        expected=f"{limit} at most",
                        cure="use a smaller kernel or population, or a dense map, which can be cut",
                    )
                )
    problems.raise_as(SubstrateError)
    Problems(limits).raise_as(LimitError)


def _placement(tiles: list[Tile], network: Network, chip: Chip) -> Placement:
    """Return tiles on a square mesh, in order."""
    side = math.ceil(math.sqrt(chip.limit("tiles")))
    index = np.arange(len(tiles))
    position = np.stack([index % side, index // side], axis=1).astype(np.int64)
    core_of = {
        tile.name: np.full(network.populations[tile.name].n, number, np.int64)
        for number, tile in enumerate(tiles)
    }
    rows, columns = chip.limit("tile_rows"), chip.limit("tile_columns")
    load = tuple(
        {"tile_rows": tile.rows / rows, "tile_columns": tile.columns / columns} for tile in tiles
    )
    return Placement(core_of, position, (side, side), load)
