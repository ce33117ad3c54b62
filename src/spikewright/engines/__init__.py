"""Engines: a Network and inputs become a Recording. They differ in speed, never in result.

Built-in engines stand in `ENGINES`; other packages add theirs to the entry points `spikewright.engines`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from spikewright.engines.engine import Engine, Inputs
from spikewright.engines.recording import Recording, Spikes, State
from spikewright.errors import EngineError, MissingExtra, explain
from spikewright.network.graph import Network

ENGINES: dict[str, tuple[str, str | None]] = {
    "reference": ("spikewright.engines.reference:Reference", None),
    "cpu": ("spikewright.engines.cpu:Cpu", None),
}
"""Name -> (module:class, the extra that it needs or None)."""
GROUP = "spikewright.engines"
DEFAULT = "cpu"


def _others() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in ENGINES}


def available() -> tuple[str, ...]:
    """Return the names of all engines, without importing any."""
    return (*ENGINES, *sorted(_others()))


def get(name: str = "auto") -> Engine:
    """Return an engine by name; "auto" is the fastest that every network runs on.

    Raises
    ------
    EngineError : there is no such engine, or what an entry point names is none
    MissingExtra : it needs a package that is not installed

    Examples
    --------
    >>> get("reference").name
    'reference'
    """
    name = DEFAULT if name == "auto" else name
    if name in ENGINES:
        place, extra = ENGINES[name]
        module, _, attribute = place.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if extra is None:
                raise
            raise MissingExtra(f"engine {name!r}", error.name or module, extra) from error
    else:
        others = _others()
        if name not in others:
            raise EngineError(
                explain(
                    "engine",
                    "unknown",
                    found=repr(name),
                    expected=", ".join(("auto", *available())),
                )
            )
        try:
            found = others[name].load()
        except (ImportError, AttributeError) as error:
            raise EngineError(
                explain(
                    f"engine {name!r}",
                    f"cannot be loaded: {error}",
                    found=others[name].value,
                    cure="reinstall the package that brings it",
                )
            ) from error
    if not (isinstance(found, type) and issubclass(found, Engine)):
        raise EngineError(explain(f"engine {name!r}", "is not an Engine", found=found))
    return found()


def run(
    network: Network,
    inputs: Inputs | None = None,
    *,
    engine: str = "auto",
    steps: int | None = None,
    batch: int | None = None,
    seed: int = 0,
    first_sample: int = 0,
    record: Mapping[str, Sequence[str]] | None = None,
    spikes: Sequence[str] | None = None,
    state: State | None = None,
) -> Recording:
    """Run a network on the named engine; the other arguments are those of `Engine.run`.

    Examples
    --------
    >>> import numpy as np
    >>> from spikewright.network import LIF, Network, Population
    >>> net = Network(dt=1e-3, populations={"n": Population(LIF, 1)})
    >>> int(run(net, {"n.i": np.full((100, 1, 1), 2.0)}, engine="reference").count("n")[0, 0])
    7
    """
    return get(engine).run(
        network,
        inputs,
        steps=steps,
        batch=batch,
        seed=seed,
        first_sample=first_sample,
        record=record,
        spikes=spikes,
        state=state,
    )


__all__ = [
    "ENGINES",
    "Engine",
    "Inputs",
    "Recording",
    "Spikes",
    "State",
    "available",
    "get",
    "run",
]
