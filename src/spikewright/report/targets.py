"""Which lines a comparison has: substrates with their options, and how the network for each is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spikewright import substrates
from spikewright.errors import UsageError, explain
from spikewright.substrates.base import Substrate

YEAR = 365.25 * 86400.0


@dataclass(frozen=True)
class Target:
    """One line of a comparison.

    Parameters
    ----------
    label : what the line is called
    substrate : name in the registry
    options : what the substrate is made with
    aware : whether the network is trained for the substrate: with its neurons, through its passes
    tuned : epochs of that which follow a training without it; 0: trained for it from the start
    """

    label: str
    substrate: str
    options: Mapping[str, Any] = field(default_factory=dict)
    aware: bool = False
    tuned: int = 0

    def make(self, **more: Any) -> Substrate:
        """Return the substrate."""
        return substrates.get(self.substrate, **(dict(self.options) | more))

    def price_lists(self) -> tuple[Substrate, ...]:
        """Return the substrate with each of its price lists, the default first."""
        made = self.make()
        return (made, *(self.make(preset=name) for name in made.presets()[1:]))


TUNED = 3
"""Epochs through a chip whose neurons are those of the network but for rounding: what was trained nearly fits."""

LINES: dict[str, tuple[Target, ...]] = {
    "loihi": (Target("loihi", "loihi", aware=True, tuned=TUNED),),
    "loihi2": (Target("loihi2", "loihi2", aware=True, tuned=TUNED),),
    "odin": (Target("odin", "odin", {"dale": True}, aware=True),),
    "pcm": (
        Target("pcm", "pcm", {"time": YEAR, "compensation": True}, aware=True),
        Target("pcm, plain", "pcm", {"time": YEAR, "compensation": False}),
    ),
    "spinnaker": (Target("spinnaker", "spinnaker", aware=True, tuned=TUNED),),
    "truenorth": (Target("truenorth", "truenorth", aware=True),),
    "xylo": (Target("xylo", "xylo", {"version": "audio3", "events": 4}, aware=True),),
}
"""Substrates whose network is trained for them, or that stand in more than one line; others stand in one line."""


def targets(names: Sequence[str] | None = None, *, train: bool = True) -> tuple[Target, ...]:
    """Return the lines for some substrates; default: every one that is installed, ideal first.

    Parameters
    ----------
    names : substrates
    train : whether networks are trained for the comparison; else lines that only differ in training are one

    Raises
    ------
    UsageError : an unknown substrate, or none

    Examples
    --------
    >>> [t.label for t in targets(["ideal", "pcm"])]
    ['ideal', 'pcm', 'pcm, plain']
    """
    known = substrates.available()
    wanted = list(dict.fromkeys(known if names is None else names))
    unknown = [n for n in wanted if n not in known]
    if unknown or not wanted:
        raise UsageError(
            explain(
                "substrates",
                "unknown" if unknown else "none is named",
                found=", ".join(unknown) or None,
                expected=f"some of {', '.join(known)}",
            )
        )
    wanted.sort(key=lambda n: n != "ideal")
    found = [t for n in wanted for t in LINES.get(n, (Target(n, n),))]
    return tuple(found if train else (replace(t, aware=False) for t in found))


def varies(substrate: Substrate) -> bool:
    """Return whether chip instances of a substrate differ, as its chip file says."""
    text = str(substrate.chip.capabilities.get("variation", "none"))
    return not text.startswith(("none", "-"))


def show_options(options: Mapping[str, Any]) -> dict[str, str]:
    """Write options for a reader: times in years or days."""
    return {name: _show(name, value) for name, value in options.items()}


def _show(name: str, value: Any) -> str:
    if name == "time" and isinstance(value, int | float):
        if value >= YEAR:
            return f"{value / YEAR:.3g} year" + ("s" if value >= 1.5 * YEAR else "")
        return f"{value / 86400:.3g} days" if value >= 86400 else f"{value:.3g} s"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
