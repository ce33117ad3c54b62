"""A substrate said as data: one chip file, and the neuron models that it names.

The chip file (TOML) holds, besides what every chip file holds (`load_chip`):

    [limits]      neurons, synapses, fan_in, fan_out, max_delay (steps), inputs: checked on the lowered network;
                  weight_low, weight_high: in the unit of the ports that weights reach, checked likewise
    [[passes]]    in order: kind = "retime"
                            kind = "quantize", bits = "limits.weight_bits"
                            kind = "replace",  models = { LIF = "TinyLIF" }, keep = ["Input"]
                            kind = "vary",     weights = "variation.weight", params = { tau_m = "variation.tau_m" }
    [energy]      spike, input_spike, synaptic_operation, neuron_update, step: J each
    [static]      power: W, for as long as an inference takes
    [overhead]    power: W, and inference: J each, outside the device
    [time]        step, synaptic_operation, neuron_update, spike, input_spike: s each, one after the other
    [area]        chip, neuron, synapse: m^2 each

Numbers of passes are never written into a pass: they refer to a constant of the file by `table.name`, so that
each of them has a source. Reading the file executes nothing: models are handed over by name.

Longer than most files: the layout above, its reader and the substrate that it makes are one format.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spikewright.engines.prices import EventPrices
from spikewright.engines.recording import Recording
from spikewright.errors import ConstantError, LimitError, Problems, SubstrateError
from spikewright.network.graph import Network
from spikewright.network.model import NeuronModel
from spikewright.substrates.base.constant import Chip, Constant, load_chip
from spikewright.substrates.base.cost import Category, Costs, Term
from spikewright.substrates.base.substrate import Compiled, Pass, Substrate
from spikewright.units import dimension_of, show

CURES = {
    "neurons": "use smaller populations",
    "inputs": "use fewer input addresses",
    "synapses": "prune weights, or use smaller populations",
    "fan_in": "prune weights, or reduce the population before it",
    "fan_out": "prune weights, or reduce the populations after it",
    "max_delay": "use a larger dt, or relay populations",
    "weight_low": "clip the weights, or train with a WeightRangePenalty",
    "weight_high": "clip the weights, or train with a WeightRangePenalty",
}
"""Limits that are checked, and what to do where they are exceeded."""
UNITS: dict[str, dict[str, str]] = {
    "energy": dict.fromkeys(
        ("spike", "input_spike", "synaptic_operation", "neuron_update", "step"), "J"
    ),
    "static": {"power": "W"},
    "overhead": {"power": "W", "inference": "J"},
    "time": dict.fromkeys(
        ("step", "synaptic_operation", "neuron_update", "spike", "input_spike"), "s"
    ),
    "area": dict.fromkeys(("chip", "neuron", "synapse"), "m^2"),
}
"""Tables that prices stand in, and the unit of each entry."""
WORDS = {
    "spike": "spikes",
    "input_spike": "input spikes",
    "synaptic_operation": "synaptic operations",
    "neuron_update": "neuron updates",
    "step": "steps",
    "chip": "chip",
    "neuron": "neurons",
    "synapse": "synapses",
}
_KEYS = {
    "retime": set[str](),
    "quantize": {"bits", "why"},
    "replace": {"models", "keep"},
    "vary": {"weights", "params", "trial"},
}


@dataclass(frozen=True, eq=False)
class Described(Substrate):
    """A substrate of one chip file and its models.

    Parameters
    ----------
    file : the chip file
    models : name -> NeuronModel, for the names that "replace" passes use; the chip file cannot hold code

    Raises
    ------
    ConstantError : the file is wrong, refers to a constant that it lacks, or holds one that nothing uses; all
    are listed
    SubstrateError : a model that it names was not given
    """

    file: str | os.PathLike[str]
    models: Mapping[str, NeuronModel] = field(default_factory=dict)
    _chip: Chip = field(init=False, repr=False)
    _passes: tuple[tuple[str, Pass], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        chip = load_chip(self.file)
        reader = _Reader(chip, self.models)
        passes = reader.passes()
        reader.check_tables()
        reader.problems.raise_as(ConstantError)
        reader.missing.raise_as(SubstrateError)
        object.__setattr__(self, "_chip", chip)
        object.__setattr__(self, "_passes", passes)

    @property
    def name(self) -> str:
        """The name that the chip file gives."""
        return self._chip.name

    @property
    def chip(self) -> Chip:
        """The chip file."""
        return self._chip

    @property
    def passes(self) -> tuple[Pass, ...]:
        """Its "quantize" and "vary" passes; the others change more than numbers."""
        return tuple(p for kind, p in self._passes if kind in ("quantize", "vary"))

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        """Run the passes in the order of the file, then check the limits; see `Substrate.compile`."""
        self.check_rules(network)
        lowered, changes = self.run_passes(
            network.written_out(), tuple(p for _, p in self._passes), seed
        )
        sizes = _sizes(lowered)
        problems = Problems()
        for limit, found in sizes.items():
            if limit in self._chip.limits:
                _check(self.name, limit, found, self._chip.limit(limit), problems)
        for limit in _RANGE:
            if limit in self._chip.limits:
                _check_weights(self.name, self._chip.limits[limit], lowered, problems)
        problems.raise_as(LimitError)
        facts = {limit: sum(found.values()) for limit, found in sizes.items() if limit in _TOTALS}
        return Compiled(lowered, network, self.name, changes, seed=seed, facts=facts)

    def event_prices(self, compiled: Compiled) -> EventPrices:
        """Return its prices of spikes, synaptic operations and neuron updates; see `Substrate.event_prices`."""
        table = self._chip.tables.get("energy", {})
        events = {n: c.value for n, c in table.items() if n != "step"}
        if not events:
            return super().event_prices(compiled)
        network = compiled.network
        spike = {
            n: np.asarray(events.get("input_spike" if n in network.inputs else "spike", 0.0))
            for n in network.populations
        }
        operation = dict.fromkeys(network.projections, events.get("synaptic_operation", 0.0))
        neurons = sum(p.n for n, p in network.populations.items() if n not in network.inputs)
        step = neurons * events.get("neuron_update", 0.0)
        return EventPrices(self.name, spike, operation, step=step)

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        """Return what one inference costs; see `Substrate.cost`."""
        self.check_recording(compiled, recording)
        tables, counts = self._chip.tables, _counts(recording)
        latency = _terms(tables.get("time", {}), counts)
        seconds = [sum(getattr(t, end) for t in latency) for end in ("value", "low", "high")]
        energy = _terms(tables.get("energy", {}), counts)
        static, overhead = tables.get("static", {}), tables.get("overhead", {})
        if "power" in static:
            energy.insert(
                0, Term("static power", Category.STATIC, seconds[0], static["power"], *seconds[1:])
            )
        if "power" in overhead:
            energy.append(
                Term("overhead", Category.OVERHEAD, seconds[0], overhead["power"], *seconds[1:])
            )
        if "inference" in overhead:
            constant = overhead["inference"]
            energy.append(Term("overhead per inference", Category.OVERHEAD, 1.0, constant))
        sizes = {
            "chip": 1.0,
            "neuron": compiled.facts["neurons"],
            "synapse": compiled.facts["synapses"],
        }
        area = [
            Term(WORDS[name], Category.STATIC, float(sizes[name]), constant)
            for name, constant in tables.get("area", {}).items()
        ]
        return Costs(
            self.name,
            "default",
            tuple(energy),
            tuple(latency),
            tuple(area),
            recording.steps,
            self._chip.unpublished,
            (
                f"{counts['spike']:.1f} spikes and {counts['synaptic_operation']:.0f} synaptic "
                f"operations per inference of {recording.steps} steps",
            ),
        )


# -- reading the file --------------------------------------------------------------------------------


class _Reader:
    """Turns the file's passes into passes, and notes every name that leads nowhere."""

    def __init__(self, chip: Chip, models: Mapping[str, NeuronModel]) -> None:
        self.chip, self.models = chip, models
        self.problems, self.missing = Problems(), Problems()
        self.used: set[tuple[str, str]] = set()

    def passes(self) -> tuple[tuple[str, Pass], ...]:
        """Return (kind, pass) in the order of the file."""
        makers: dict[str, Callable[[str, Mapping[str, Any]], Pass | None]] = {
            "retime": self._retime,
            "quantize": self._quantize,
            "replace": self._replace,
            "vary": self._vary,
        }
        made: list[tuple[str, Pass]] = []
        for number, entry in enumerate(self.chip.passes, start=1):
            where = f"{self.chip.path.name}: pass {number}"
            kind = entry.get("kind") if isinstance(entry, Mapping) else None
            if not isinstance(kind, str) or kind not in makers:
                self.problems.add(where, "unknown kind", found=kind, expected=", ".join(makers))
                continue
            unknown = set(entry) - {"kind"} - _KEYS[kind]
            if unknown:
                self.problems.add(
                    f"{where} ({kind})",
                    "unknown keys",
                    found=", ".join(sorted(unknown)),
                    expected=", ".join(sorted(_KEYS[kind])) or "none",
                )
            found = makers[kind](f"{where} ({kind})", entry)
            if found is not None:
                made.append((kind, found))
        return tuple(made)

    def _retime(self, where: str, entry: Mapping[str, Any]) -> Pass:
        from spikewright.substrates.passes.retime import Retime

        return Retime()

    def _quantize(self, where: str, entry: Mapping[str, Any]) -> Pass | None:
        from spikewright.substrates.passes.quantize import Quantize

        constant = self._constant(f"{where}: bits", entry.get("bits"))
        if constant is None:
            return None
        if constant.value < 2 or constant.value != int(constant.value):
            self.problems.add(
                f"{where}: bits",
                "not possible",
                found=constant.value,
                expected="a whole number >= 2",
            )
            return None
        why = entry.get("why", f"{constant.name}: {constant.source}")
        return Quantize(int(constant.value), why=str(why))

    def _replace(self, where: str, entry: Mapping[str, Any]) -> Pass | None:
        from spikewright.substrates.passes.replace_models import ReplaceModels

        named, keep = entry.get("models", {}), entry.get("keep", ["Input"])
        if not isinstance(named, dict) or not isinstance(keep, list):
            self.problems.add(
                where, "models is a table of names, keep a list of names", found=dict(entry)
            )
            return None
        table = {}
        for model, name in named.items():
            if name in self.models:
                table[model] = self.models[name]
            else:
                self.missing.add(
                    where,
                    f"no model {name!r} was given",
                    expected=", ".join(self.models) or "none",
                    cure=f"Described(file, models={{{name!r}: ...}})",
                )
        return ReplaceModels(table, tuple(map(str, keep)))

    def _vary(self, where: str, entry: Mapping[str, Any]) -> Pass:
        from spikewright.substrates.passes.vary import Vary

        weights, trial = (
            self._spread(f"{where}: {key}", entry[key]) if key in entry else 0.0
            for key in ("weights", "trial")
        )
        params = entry.get("params", {})
        if not isinstance(params, dict):
            self.problems.add(f"{where}: params", "not a table of references", found=repr(params))
            params = {}
        drawn = {str(p): self._spread(f"{where}: params.{p}", ref) for p, ref in params.items()}
        return Vary(drawn, weights, trial)

    def _spread(self, where: str, reference: Any) -> float:
        constant = self._constant(where, reference)
        if constant is not None and constant.value < 0:
            self.problems.add(where, "a spread cannot be", found=constant.value, expected=">= 0")
        return 0.0 if constant is None else constant.value

    def _constant(self, where: str, reference: Any) -> Constant | None:
        """Return the constant without unit that a pass refers to."""
        table, _, name = str(reference).rpartition(".")
        constants = self.chip.limits if table == "limits" else self.chip.tables.get(table, {})
        if not isinstance(reference, str) or name not in constants:
            known = [f"{t}.{c.name}" for t, c in self.chip.constants() if t not in UNITS]
            self.problems.add(
                where,
                "refers to no constant of the file",
                found=repr(reference),
                expected=", ".join(known) or "a constant, written as 'table.name'",
                cure="write the number as a constant with its source, and refer to it",
            )
            return None
        self.used.add((table, name))
        constant = constants[name]
        self._check_unit(table, constant, "1")
        return constant

    def _check_unit(self, table: str, constant: Constant, unit: str) -> None:
        if constant.unit != unit:
            self.problems.add(
                f"{self.chip.path.name}: {table}.{constant.name}",
                "wrong unit",
                found=constant.unit,
                expected=unit if unit != "1" else "no unit",
            )

    def check_tables(self) -> None:
        """Note prices of the wrong unit, and constants that nothing uses."""
        for table, constant in self.chip.constants():
            where = f"{self.chip.path.name}: {table}.{constant.name}"
            known = CURES if table == "limits" else UNITS.get(table, {})
            if (table, constant.name) in self.used:
                continue
            if constant.name not in known:
                self.problems.add(
                    where,
                    "nothing uses it",
                    expected=", ".join(known) or "a reference from a pass",
                    cure="rename it, or refer to it from a pass",
                )
                continue
            if table == "limits" and constant.name in _RANGE:
                continue
            self._check_unit(table, constant, "1" if table == "limits" else known[constant.name])
            if constant.low < 0:
                self.problems.add(where, "negative", found=constant.low, expected=">= 0")
        for table in ("static", "overhead"):
            if "power" in self.chip.tables.get(table, {}) and not self.chip.tables.get("time"):
                self.problems.add(
                    f"{self.chip.path.name}: {table}.power",
                    "a power without a time",
                    cure="add [time], for instance its step",
                )


# -- limits and counts -------------------------------------------------------------------------------

_TOTALS = ("neurons", "inputs", "synapses")
_RANGE = ("weight_low", "weight_high")


def _sizes(network: Network) -> dict[str, dict[str, int]]:
    """Return limit -> population or projection -> what it needs. Synapses of weight 0 are not counted."""
    found: dict[str, dict[str, int]] = {name: {} for name in CURES if name not in _RANGE}
    into = {name: np.zeros(p.n, np.int64) for name, p in network.populations.items()}
    out = {name: np.zeros(p.n, np.int64) for name, p in network.populations.items()}
    for name, p in network.populations.items():
        found["inputs" if name in network.inputs else "neurons"][name] = p.n
    for name, projection in network.projections.items():
        synapses = projection.topology.synapses(network.populations[projection.pre].shape)
        kept = synapses.weight != 0
        found["synapses"][name] = int(np.count_nonzero(kept))
        n_post = len(into[projection.post])
        into[projection.post] += np.bincount(synapses.target[kept], minlength=n_post)
        out[projection.pre] += synapses.effective_fan_out()
        found["max_delay"][name] = int(network.delay_steps(name).max(initial=0))
    found["fan_in"] = {name: int(n.max(initial=0)) for name, n in into.items()}
    found["fan_out"] = {name: int(n.max(initial=0)) for name, n in out.items()}
    return found


def _check(
    substrate: str, limit: str, found: Mapping[str, int], allowed: float, problems: Problems
) -> None:
    """Note where a limit is exceeded: on the whole chip, or by one population or projection."""
    cure = CURES[limit]
    if limit in _TOTALS:
        total = sum(found.values())
        if total > allowed:
            parts = ", ".join(f"{name!r} {n}" for name, n in found.items())
            problems.add(
                f"{substrate}: limit {limit}",
                f"exceeded {total / allowed:.3g} times" if allowed else "exceeded",
                found=f"{total} ({parts})",
                expected=f"{allowed:g} at most",
                cure=cure,
            )
        return
    kind = "projection" if limit == "max_delay" else "population"
    for name, n in found.items():
        if n > allowed:
            problems.add(
                f"{substrate}: {kind} {name!r}: limit {limit}",
                f"exceeded {n / allowed:.3g} times" if allowed else "exceeded",
                found=n,
                expected=f"{allowed:g} at most",
                cure=cure,
            )


def _check_weights(substrate: str, limit: Constant, network: Network, problems: Problems) -> None:
    """Note every projection with a weight beyond a limit, or whose port takes another unit than the limit's."""
    low = limit.name == "weight_low"
    for name, projection in network.projections.items():
        where = f"{substrate}: projection {name!r}: limit {limit.name}"
        weight = projection.topology.synapses(network.populations[projection.pre].shape).weight
        if not weight.size:
            continue
        unit = network.populations[projection.post].model.inputs[network.port_of(name)]
        if dimension_of(unit) != dimension_of(limit.unit):
            problems.add(where, "another unit than its port's", found=limit.unit, expected=unit)
            continue
        most = weight.min() if low else weight.max()
        if most < limit.value if low else most > limit.value:
            problems.add(
                where,
                "exceeded",
                found=show(float(most), unit),
                expected=f"{show(limit.value, unit)} at {'least' if low else 'most'}",
                cure=CURES[limit.name],
            )


def _counts(recording: Recording) -> dict[str, float]:
    """Return counts of one inference, averaged over samples."""
    network = recording.network
    sent = {n: float(recording.sent[n].sum(axis=1).mean()) for n in network.populations}
    return {
        "spike": sum(n for name, n in sent.items() if name not in network.inputs),
        "input_spike": sum(sent[name] for name in network.inputs),
        "synaptic_operation": sum(
            float(recording.operations(name).mean()) for name in network.projections
        ),
        "neuron_update": float(
            sum(recording.updates(n) for n in network.populations if n not in network.inputs)
        ),
        "step": float(recording.steps),
    }


def _terms(table: Mapping[str, Constant], counts: Mapping[str, float]) -> list[Term]:
    return [
        Term(
            WORDS[name],
            Category.CLOCK if name == "step" else Category.EVENTS,
            counts[name],
            constant,
        )
        for name, constant in table.items()
    ]
