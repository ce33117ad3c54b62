"""Substrates: what a network becomes on a chip, and what it costs there.

A substrate is named in `SUBSTRATES` or by an entry point of the group `spikewright.substrates`; it is imported
when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spikewright.errors import SubstrateError, explain

if TYPE_CHECKING:
    from spikewright.substrates.base import Chip, Substrate

SUBSTRATES = {
    "ideal": "spikewright.substrates.ideal.substrate:Ideal",
    "loihi": "spikewright.substrates.loihi.substrate:Loihi",
    "loihi2": "spikewright.substrates.loihi2.substrate:Loihi2",
    "odin": "spikewright.substrates.odin.substrate:Odin",
    "pcm": "spikewright.substrates.pcm.substrate:Pcm",
    "spinnaker": "spikewright.substrates.spinnaker.substrate:SpiNNaker",
    "truenorth": "spikewright.substrates.truenorth.substrate:TrueNorth",
    "xylo": "spikewright.substrates.xylo.substrate:Xylo",
}


def available() -> dict[str, str]:
    """Return name -> "module:object" of every substrate that is installed."""
    from importlib.metadata import entry_points

    found = {point.name: point.value for point in entry_points(group="spikewright.substrates")}
    return SUBSTRATES | found


def chips() -> dict[str, Chip]:
    """Return the chip file of every substrate that has one beside its module; no substrate is imported.

    Raises
    ------
    ConstantError : a chip file is wrong
    """
    from importlib.util import find_spec
    from pathlib import Path

    from spikewright.substrates.base import load_chip

    found = {}
    for name, place in available().items():
        spec = find_spec(place.partition(":")[0])
        file = Path(spec.origin).with_name("chip.toml") if spec and spec.origin else None
        if file is not None and file.is_file():
            found[name] = load_chip(file)
    return found


def get(name: str, **options: object) -> Substrate:
    """Return a substrate by name, with options.

    Raises
    ------
    SubstrateError : no such substrate, or no such option
    """
    from importlib import import_module
    from inspect import signature

    known = available()
    if name not in known:
        raise SubstrateError(
            explain(f"substrate {name!r}", "not installed", expected=", ".join(sorted(known)))
        )
    module, _, attribute = known[name].partition(":")
    maker = getattr(import_module(module), attribute)
    allowed = signature(maker).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in allowed.values())
    told = ", ".join(f"{k}={v!r}" for k, v in options.items())
    if not takes_any and not set(options) <= set(allowed):
        raise SubstrateError(
            explain(
                f"substrate {name!r}",
                "bad option",
                found=told,
                expected=", ".join(allowed) or "none",
            )
        )
    try:
        made: Substrate = maker(**options)
    except TypeError as error:
        kinds = ", ".join(f"{k}: {allowed[k].annotation}" for k in options if k in allowed)
        raise SubstrateError(
            explain(f"substrate {name!r}", "bad option", found=told, expected=kinds or error)
        ) from error
    return made
