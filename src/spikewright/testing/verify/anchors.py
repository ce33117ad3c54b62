"""Published measurements of silicon: what our models say, what was published, and the error; one case per measurement.

The file is JSON, name -> what was measured (`facts/digital-anchors.json`). A model's number comes from the constants of
a chip file and from counts; where a count was not published, its line says so. A case passes where the error is within
its bound; measurements that no model reproduces are listed as they are. What errors mean: docs/concepts/costs.md.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.errors import SpikewrightError, VerifyError, explain
from spikewright.network import IF, Dense, Input, Network, Population, Projection
from spikewright.substrates.base import Chip
from spikewright.substrates.fabric.account import Activity, account
from spikewright.substrates.fabric.fabric import OUTSIDE, Fabric
from spikewright.testing.verify.case import Case
from spikewright.units import show

Entry = Mapping[str, Any]
ROUNDED = 1e-4
"""How exactly a model meets the points that its constants were computed from: constants have four digits."""
BOUND = 0.25
"""For systems; what a file gives as `tolerance` goes before."""
CHIPS_OF_FLY = 3
"""Chips more or less than the 12 that the connectome of the fly took."""


@dataclass(frozen=True)
class Model:
    """What a model says of one measurement.

    Parameters
    ----------
    what : the quantity in words
    value, unit : model
    published : in the same unit
    bound : relative error that is allowed
    low, high : band of the model, where something is not known
    note : what to know of it
    """

    what: str
    value: float
    unit: str
    published: float
    bound: float
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def error(self) -> float:
        """Relative to what was published."""
        return self.value / self.published - 1.0

    @property
    def text(self) -> str:
        """Model, published, error."""
        low, high = self._band
        band = ""
        if low != high:
            ends = " to ".join(show(end, self.unit) for end in (low, high))
            errors = " to ".join(
                f"{100 * (end / self.published - 1.0):+.3g}" for end in (low, high)
            )
            band = f" ({ends}, {errors} %)"
        return (
            f"model {show(self.value, self.unit)}{band}, published {show(self.published, self.unit)}, "
            f"error {100 * self.error:+.3g} %"
        )

    @property
    def _band(self) -> tuple[float, float]:
        low = self.value if self.low is None else self.low
        return low, self.value if self.high is None else self.high

    def case(self, name: str) -> Case:
        """Return it as a line. A band passes where all of it lies within the bound."""
        ends = [end / self.published - 1.0 for end in self._band]
        near = max(abs(error) for error in (self.error, *ends)) <= self.bound
        note = f"; {self.note}" if self.note else ""
        text = f"{self.text}, bound {100 * self.bound:g} %{note}"
        return Case(f"{name}: {self.what}", near, text)


@dataclass(frozen=True)
class _Told:
    """What is told without an error that is bounded."""

    what: str
    detail: str
    passed: bool = True

    def case(self, name: str) -> Case:
        """Return it as a line."""
        return Case(f"{name}: {self.what}" if self.what else name, self.passed, self.detail)


def verify(file: Path) -> list[Case]:
    """Compare our models with every measurement of a file, or of the `.json` files of a folder.

    Raises
    ------
    VerifyError : the file is missing or is not a table of measurements
    """
    if file.is_dir():
        files = sorted(file.glob("*.json"))
        if len(files) != 1:
            names = ", ".join(f.name for f in files) or "none"
            raise VerifyError(
                explain(str(file), "not one file of measurements", found=names, expected="one .json file")
            )  # fmt: skip
        file = files[0]
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise VerifyError(explain(str(file), f"cannot be read: {error.strerror}")) from None
    except (ValueError, RecursionError) as error:
        raise VerifyError(explain(str(file), f"not JSON: {error}")) from None
    if not isinstance(data, dict) or not data:
        raise VerifyError(explain(str(file), "holds no measurements", expected="name -> numbers"))
    cases: list[Case] = []
    for name, entry in data.items():
        if not isinstance(entry, dict):
            cases.append(Case(name, False, "not a table of numbers"))
            continue
        if name not in ANCHORS:
            cases.append(Case(name, False, f"not recognized; known are {', '.join(ANCHORS)}"))
            continue
        try:
            cases += [found.case(name) for found in ANCHORS[name](entry, data)]
        except KeyError as error:
            cases.append(Case(name, False, f"lacks {error}"))
        except (SpikewrightError, TypeError, ValueError, IndexError, ArithmeticError) as error:
            cases.append(Case(name, False, f"not numbers that a model takes: {error}"))
    return cases


# -- TrueNorth, ODIN, Xylo ---------------------------------------------------------------------------


def _truenorth(entry: Entry, _: Entry) -> list[Model]:
    found = []
    for points, bound in (("fit", ROUNDED), ("check", 0.02)):
        for point in entry.get(points, ()) if points == "check" else entry[points]:
            value = _truenorth_power(point["rate_hz"], entry)
            note = "the constants come from this point" if points == "fit" else ""
            what = f"power at {point['rate_hz']:g} Hz, 0.8 V"
            found.append(Model(what, value, "W", point["power_w"], bound, note=note))
    return found


def _truenorth_power(rate: float, entry: Entry) -> float:
    from spikewright.substrates.truenorth.costs import power
    from spikewright.substrates.truenorth.substrate import TrueNorth

    neurons, synapses = entry["neurons"], entry["synapses_per_neuron"]
    return power(TrueNorth().chip, rate, neurons=neurons, synapses=synapses, preset="0.8V")


def _truenorth_other(entry: Entry, data: Entry) -> list[Model]:
    # from the sweep at 0.8 V: the price list for 0.775 V stems from this very number
    value = _truenorth_power(entry["rate_hz"], data["truenorth_sweep_0v8"])
    note = "constants of the sweep at 0.8 V, not scaled to the lower voltage"
    what = f"power at {entry['rate_hz']:g} Hz, 0.775 V"
    return [
        Model(what, value, "W", entry["power_w"], float(entry.get("tolerance", BOUND)), note=note)
    ]


def _odin(entry: Entry, _: Entry) -> list[Model]:
    from spikewright.substrates.odin.costs import power
    from spikewright.substrates.odin.substrate import Odin

    value = power(Odin().chip, entry["f_clk_hz"], entry["sop_rate"])
    bound = float(entry.get("tolerance", 0.01))
    note = "the power equation is of the same study"
    return [Model("power at 0.55 V", value, "W", entry["power_w"], bound, note=note)]


def _xylo(entry: Entry, _: Entry) -> list[Model | _Told]:
    """Judge the power of a busy core; tell what the cycle model says of another application."""
    from spikewright.substrates.xylo.costs import ambient_audio, keyword_spotting
    from spikewright.substrates.xylo.substrate import Xylo

    chip = Xylo().chip
    found, cycle = keyword_spotting(chip), chip.tables["energy"]["cycle"]
    power, published = found.power, entry["dynamic_w"]
    # the band of the constant is told, not judged: its low end is a guess, its high end a correction
    ends = " to ".join(f"{100 * (end / published - 1):+.3g}" for end in (power.low, power.high))
    note = (
        f"{show(cycle.value, 'J')} per cycle are from another application, acoustic scene classification; clock "
        f"and a core that never rests are the paper's. Band of the constant: {show(power.low, 'W')} to "
        f"{show(power.high, 'W')}, {ends} %. It tests whether the power of a busy core carries over, not the cycle "
        "model: network and activity are not published. The constant holds I/O; whether the measurement does is not "
        f"known. Energy of an inference {show(found.energy.model, 'J')}, published "
        f"{show(entry['joule_per_inf'], 'J')}: the same error, since its {show(found.duration, 's')} are the paper's"
    )
    bound = float(entry.get("tolerance", BOUND))
    step = ambient_audio(chip)
    model = Model("", step.model, "J", step.published, BOUND, step.low, step.high)
    part = chip.tables["anchor.ambient_audio"]["activity"]
    words = (
        f"listed, not judged: {model.text}; layers and {100 * part.value:g} % activity (band {100 * part.low:g} to "
        f"{100 * part.high:g} %) are assumed, and the low end of the energy of a cycle stems from this measurement"
    )
    return [
        Model(
            "dynamic power at 6.25 MHz, never at rest",
            power.model,
            "W",
            published,
            bound,
            note=note,
        ),
        _Told("another application, ambient audio, energy of a step", words),
    ]


def _fly(entry: Entry, _: Entry) -> list[Model]:
    from spikewright.substrates.loihi2.cores import capacity
    from spikewright.substrates.loihi2.substrate import Loihi2

    packed = capacity(Loihi2().chip, entry["neurons"], entry["synapses"])
    note = f"{packed.cores} cores, {packed.binds.replace('_', ' ')} bind"
    bound = float(entry.get("tolerance", CHIPS_OF_FLY / 12))
    return [Model("chips of a whole brain", packed.chips, "1", entry["chips"], bound, note=note)]


# -- Loihi -------------------------------------------------------------------------------------------


def _loihi() -> Chip:
    from spikewright.substrates.loihi.substrate import Loihi

    return Loihi().chip


def _loihi_events(fabric: Fabric, activity: Activity, preset: str = "davies") -> float:
    """Return the energy of what events cause, J."""
    from spikewright.substrates.loihi.costs import barrier, prices

    chip, is_davies = _loihi(), preset == "davies"
    energy, time = (prices(chip.tables[f"{k}.{preset}"], is_davies) for k in ("energy", "time"))
    found = account(fabric, activity, energy, time, barrier(chip, preset), adds_sides=is_davies)
    return sum(t.value for t in found.terms() if t.category.is_per_event)


def _nearest_neighbour(entry: Entry, _: Entry) -> list[Model | _Told]:
    """Every input spikes once and reaches every pattern; no pattern fires. At full size, on cores that are full."""
    chip = _loihi()
    n, steps, published = entry["patterns"], entry["timesteps"], entry["dynamic_j"]
    per_core = int(chip.limit("compartments"))
    n_cores = -(-n // per_core)
    sizes = np.bincount(np.arange(n) // per_core)
    tiles_y = int(chip.limit("tiles_y"))
    per_tile = int(chip.limit("cores_per_tile"))
    tile = np.arange(n_cores) // per_tile
    mesh = (max(int(chip.limit("tiles_x")), int(tile[-1]) // tiles_y + 1), tiles_y)
    found: list[Model | _Told] = []
    for preset in ("davies", "nahuku"):
        kind = "operation" if preset == "davies" else "sparse"
        ends = []
        for n_in in entry["input_spikes"]:
            fabric = Fabric(
                np.concatenate((np.full(n_in, OUTSIDE, np.int64), np.arange(n) // per_core)),
                np.stack((tile // tiles_y, tile % tiles_y), axis=1),
                mesh,
                (kind,),
                n_cores * np.concatenate((np.arange(n_in + 1), np.full(n, n_in))).astype(np.int64),
                np.tile(np.arange(n_cores), n_in),
                np.tile(sizes, n_in)[:, None],
                {},
            )
            each = np.arange(n_in)
            activity = Activity.of_arrays(fabric, each % steps, each, steps=steps)
            ends.append(_loihi_events(fabric, activity, preset))
        bound = float(entry.get("tolerance", BOUND))
        what = f"dynamic energy of a query, price list {preset}"
        model = Model(what, float(np.mean(ends)), "J", published, bound, min(ends), max(ends))
        # the second price list was fitted to small networks on another board, and is known to be far off here
        found.append(model if preset == "davies" else _Told(what, f"table only: {model.text}"))
    return found


def _chain(layers: list[int]) -> Fabric:
    """Return a chain of dense layers on Loihi, the first from outside, as the compiler places it."""
    from spikewright.substrates.loihi.costs import fabric_of
    from spikewright.substrates.loihi.substrate import Loihi

    names = [f"layer {i}" for i in range(len(layers))]
    network = Network(
        dt=1e-3,
        populations={
            name: Population(IF if i else Input, (n,))
            for i, (name, n) in enumerate(zip(names, layers, strict=True))
        },
        projections={
            f"{a}->{b}": Projection(a, b, Dense(np.full((layers[i + 1], layers[i]), 0.01)))
            for i, (a, b) in enumerate(itertools.pairwise(names))
        },
    )
    compiled = Loihi().compile(network)
    if compiled.placement is None:
        raise VerifyError(explain("anchors", "loihi places no neurons"))
    return fabric_of(compiled.network, compiled.placement, "davies")


def _silent_and_busy(fabric: Fabric, steps: int) -> tuple[float, float]:
    """Return the energy of events where no neuron fires, and what comes on top where every one fires in every step."""
    none = np.zeros(0, np.int64)
    silent = _loihi_events(fabric, Activity.of_arrays(fabric, none, none, steps=steps))
    step, neuron = np.divmod(np.arange(steps * fabric.n), fabric.n)
    busy = _loihi_events(fabric, Activity.of_arrays(fabric, step, neuron, steps=steps))
    return silent, busy - silent


def _slope(entry: Entry) -> tuple[float, float, float]:
    """Return W per branch: published, where nothing fires, and what comes on top where everything does."""
    first, last = entry["points"][0], entry["points"][-1]
    published = (last["dynamic_w"] - first["dynamic_w"]) / (last["branches"] - first["branches"])
    layers, width = (int(word) for word in entry["branch"].split() if word.isdecimal())
    fabric = _chain([width] * (layers + 1))
    silent, more = _silent_and_busy(fabric, entry["timesteps_per_inference"])
    return published, silent * last["inf_per_s"], more * last["inf_per_s"]


def _scaling(entry: Entry, _: Entry) -> list[_Told]:
    """Tell what the slope says of activity: without it there is no prediction, and the band only can be wrong."""
    published, silent, more = _slope(entry)
    share = (published - silent) / more
    words = (
        f"no prediction: published {show(published, 'W')}, model {show(silent, 'W')} where no neuron fires to "
        f"{show(silent + more, 'W')} where all fire in every step; how many fired is not published, "
        f"{100 * share:.2g} % of them in a step would give what was measured"
    )
    return [_Told("power of a branch more", words, 0 <= share <= 1)]


def _keyword_spotting(entry: Entry, data: Entry) -> list[Model]:
    steps, rate = entry["timesteps_per_inference"], entry["inf_per_s"]
    silent, more = _silent_and_busy(_chain(entry["layers"]), steps)
    management = _loihi().tables["overhead"]["management"]
    published, slope_silent, slope_more = _slope(data["loihi_scaling"])
    share = (published - slope_silent) / slope_more
    value = management.value / rate + silent + share * more
    low, high = management.low / rate + silent, management.high / rate + silent + more
    spikes = silent + share * more
    return [
        Model(
            "dynamic energy of an inference",
            value,
            "J",
            entry["joule_per_inf_dynamic"],
            BOUND,
            low,
            high,
            f"of it management processors {show(management.value / rate, 'J')} (the upper end of their band is from "
            f"the same study), spikes {show(spikes, 'J')} at {100 * share:.2g} % firing (what loihi_scaling would "
            f"need); the band runs from no neuron to every neuron firing in every step",
        )
    ]


# -- the table ---------------------------------------------------------------------------------------


def _table(entry: Entry, _: Entry) -> list[_Told]:
    told = ", ".join(f"{key} {value}" for key, value in entry.items())
    return [_Told("", f"table only, no model: {told}")]


ANCHORS: dict[str, Callable[[Entry, Entry], Any]] = {
    "truenorth_sweep_0v8": _truenorth,
    "truenorth_20hz_0v775": _truenorth_other,
    "odin_accelerated": _odin,
    "xylo_kws": _xylo,
    "fly_connectome_loihi2": _fly,
    "loihi_nearest_neighbour": _nearest_neighbour,
    "loihi_kws": _keyword_spotting,
    "loihi_scaling": _scaling,
    "kws_other_devices_j": _table,
    "truenorth_gesture": _table,
}
"""Name in the file -> models of it."""
