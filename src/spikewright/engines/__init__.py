"""Engines: a Network and inputs become a Recording. They differ in speed, never in result.

Built-in engines stand in `ENGINES`; other packages add theirs to the entry points `spikewright.engines`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from spikewright.engines.choice import Choice, choose
from spikewright.engines.engine import Engine, Inputs, Prepared
from spikewright.engines.record import Record
from spikewright.engines.recorder import read_recording
from spikewright.engines.recording import Recording, Spikes, State
from spikewright.errors import EngineError, MissingExtra, explain
from spikewright.network.graph import Network

if TYPE_CHECKING:
    from spikewright.engines.planner import Plan

ENGINES: dict[str, tuple[str, str | None]] = {
    "reference": ("spikewright.engines.reference:Reference", None),
    "cpu": ("spikewright.engines.cpu:Cpu", None),
    "event": ("spikewright.engines.event:Event", None),
    "cluster": ("spikewright.engines.cluster:Cluster", "mpi"),
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
    """Return an engine by name; "auto" is the fastest that every network with a clock runs on.

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
    network: Network | Prepared,
    inputs: Inputs | None = None,
    *,
    engine: str = "auto",
    steps: int | None = None,
    batch: int | None = None,
    seed: int = 0,
    first_sample: int = 0,
    record: Mapping[str, Record | Sequence[str]] | None = None,
    spikes: Sequence[str] | None = None,
    state: State | None = None,
    precision: str | None = None,
    threads: int | None = None,
    lazy: bool | None = None,
    check_finite: bool = True,
    file: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | Callable[[int], None] = False,
) -> Recording:
    """Run a network on the named engine; the other arguments are those of `Engine.run`.

    A network that was prepared runs on the engine that prepared it. "auto" takes what `choose(network)` says, and why.

    Examples
    --------
    >>> import numpy as np
    >>> from spikewright.network import LIF, Network, Population
    >>> net = Network(dt=1e-3, populations={"n": Population(LIF, 1)})
    >>> int(run(net, {"n.i": np.full((100, 1, 1), 2.0)}, engine="reference").count("n")[0, 0])
    7
    """
    if engine == "auto":
        engine = network.engine if isinstance(network, Prepared) else choose(network).engine
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
        precision=precision,
        threads=threads,
        lazy=lazy,
        check_finite=check_finite,
        file=file,
        checkpoint=checkpoint,
        progress=progress,
    )


def prepare(
    network: Network,
    *,
    engine: str = "auto",
    precision: str = "double",
    threads: int | None = None,
    lazy: bool | None = None,
    batch: int = 1,
) -> Prepared:
    """Return a network ready to run as often as you like: `run(prepared, ...)`; see `Engine.prepare`.

    Examples
    --------
    >>> from spikewright.network import LIF, Network, Population
    >>> ready = prepare(Network(dt=1e-3, populations={"n": Population(LIF, 1)}))
    >>> state = run(ready, steps=10).state
    >>> run(ready, steps=10, state=state).state.step
    20
    """
    engine = choose(network).engine if engine == "auto" else engine
    return get(engine).prepare(
        network, precision=precision, threads=threads, lazy=lazy, batch=batch
    )


def plan(
    network: Network,
    *,
    precision: str = "double",
    threads: int | None = None,
    lazy: bool | None = None,
    batch: int = 1,
) -> Plan:
    """Return what the compiled engine would do with a network, and why; nothing is built. See `engines.planner`.

    Examples
    --------
    >>> from spikewright.network import LIF, Network, Population
    >>> print(plan(Network(dt=1e-3, populations={"n": Population(LIF, 1)})).text())
    network: double precision, 1 thread(s), 32 step(s) at a time: no shorter delay; 32 at most
      n: 1 x LIF, batch (its block stays in the cache for a batch of steps), 552 B
    memory: 552 B
    expected: ... s per second of network time where neurons fire at 5 Hz ...
    """
    module = import_module("spikewright.engines.planner")
    made: Plan = module.plan(network, precision=precision, threads=threads, lazy=lazy, batch=batch)
    return made


__all__ = [
    "ENGINES",
    "Choice",
    "Engine",
    "Inputs",
    "Prepared",
    "Record",
    "Recording",
    "Spikes",
    "State",
    "available",
    "choose",
    "get",
    "plan",
    "prepare",
    "read_recording",
    "run",
]
