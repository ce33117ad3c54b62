"""What a comparison found, as plain frozen data: rendered by `render`, written as JSON, shown by the studio."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.report.cost import across
from spikewright.report.metrics import Activity
from spikewright.substrates.base import Change, Constant, Costs, Grade, Total


@dataclass(frozen=True)
class Score:
    """A share between 0 and 1 over several runs.

    Parameters
    ----------
    runs : one value per seed and chip instance
    """

    runs: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.runs)

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return float(np.mean(self.runs))

    @property
    def std(self) -> float:
        """Standard deviation over the runs (n - 1); 0 for a single one."""
        return float(np.std(self.runs, ddof=1)) if self.n > 1 else 0.0


@dataclass(frozen=True)
class Layout:
    """Cores of a mesh that are in use: `position` (x, y[, z]) and largest share of a limit, core by core."""

    mesh: tuple[int, ...]
    position: tuple[tuple[int, ...], ...]
    load: tuple[float, ...]
    binding: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """What one population did for one sample.

    Parameters
    ----------
    population : its name
    n : its neurons
    dt : s
    steps : length of the run
    step, address : its spikes
    membrane : variable of the neuron shown, one value per step; empty where it has none
    neuron : which neuron
    variable : which variable
    """

    population: str
    n: int
    dt: float
    steps: int
    step: tuple[int, ...]
    address: tuple[int, ...]
    membrane: tuple[float, ...] = ()
    neuron: int = 0
    variable: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    label : what the line is called
    substrate, title : short and full name of the substrate
    options : options it was made with, as text
    training : how the network was trained
    score : accuracy or agreement
    prices : costs per price list, the default first
    activity : counts per inference, mean over runs
    changes : what the passes changed, for the first seed and instance
    placement : where the neurons lie, or None
    pictures : what populations did for the sample shown
    instances : chip instances per seed
    damage : share of synapses that are dead -> mean accuracy
    """

    label: str
    substrate: str
    title: str
    options: Mapping[str, str]
    training: str
    score: Score
    prices: tuple[Costs, ...]
    activity: Activity
    changes: tuple[Change, ...] = ()
    placement: Layout | None = None
    pictures: tuple[Picture, ...] = ()
    instances: int = 1
    damage: tuple[tuple[float, float], ...] = ()

    @property
    def device(self) -> Total | None:
        """Energy of the device per inference, J; None where it has no price."""
        return across(self.prices, lambda c: c.device)

    @property
    def system(self) -> Total | None:
        """Energy of the system per inference, J."""
        return across(self.prices, lambda c: c.system)

    @property
    def latency(self) -> Total | None:
        """Time per inference, s."""
        return across(self.prices, lambda c: c.time)

    @property
    def area(self) -> Total | None:
        """Area, m^2."""
        return across(self.prices, lambda c: c.silicon)

    @property
    def is_priced(self) -> bool:
        """Whether it is a device with prices."""
        return any(c.is_priced for c in self.prices)

    @property
    def grade(self) -> Grade | None:
        """The weakest grade in any of its totals."""
        parts = (self.device, self.system, self.latency, self.area)
        return Grade.weakest(p.grade for p in parts if p is not None and p.grade is not None)

    @property
    def unpublished(self) -> tuple[str, ...]:
        """What is left out of its costs."""
        return tuple(dict.fromkeys(u for c in self.prices for u in c.unpublished))

    @property
    def notes(self) -> tuple[str, ...]:
        """Operating points and assumptions."""
        return tuple(dict.fromkeys(n for c in self.prices for n in c.notes))


@dataclass(frozen=True)
class Comparison:
    """One network, or one task, on several substrates.

    Parameters
    ----------
    title : name of the data or the network
    measure : "accuracy", or "agreement" with the ideal substrate
    rows : one per substrate and variant
    seeds : seeds of the trainings
    samples : held-out samples that were run
    about : facts for the reader: data, network, trainings (cached or not), times
    constants : substrate -> (table, constant) of its chip file
    failed : substrate -> why it could not take the network
    version : of Spikewright
    """

    title: str
    measure: str
    rows: tuple[Row, ...]
    seeds: tuple[int, ...]
    samples: int
    about: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, tuple[tuple[str, Constant], ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    def row(self, label: str) -> Row:
        """Return the row of a label."""
        return next(r for r in self.rows if r.label == label)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data (lists, dicts, numbers, text) for JSON, totals included."""
        data: dict[str, Any] = plain(self)
        for made, row in zip(data["rows"], self.rows, strict=True):
            made["score"] |= {"mean": row.score.mean, "std": row.score.std, "n": row.score.n}
            made["totals"] = {
                "device_energy": plain(row.device),
                "system_energy": plain(row.system),
                "latency": plain(row.latency),
                "area": plain(row.area),
            }
            made["grade"] = None if row.grade is None else row.grade.value
        return data


def plain(value: Any) -> Any:
    """Return dataclasses, enums, arrays and numbers as what JSON can say; infinities and NaN as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
