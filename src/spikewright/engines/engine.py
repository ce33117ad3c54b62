"""The contract of every engine: `run(network, inputs) -> Recording`. Engines differ in speed, never in result."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.program import Program, lower
from spikewright.engines.recording import Recording, State
from spikewright.errors import EngineError, Problems, explain
from spikewright.events import Events, bin_events
from spikewright.network.graph import Network

MEMORY_LIMIT = 8 * 2**30
"""Bytes that the counts and traces of one run may take."""

Inputs = Mapping[str, Any]
"""Population or "population.port" -> array `T B *shape`, Events, or a list of Events (one per sample)."""


@dataclass(frozen=True)
class Request:
    """A run whose arguments were checked; see `Engine.run`.

    Parameters
    ----------
    inputs : (population, port) -> `T B n`
    record : population -> variables that are kept at every step
    spikes : populations whose spikes are kept
    state : where the run begins
    """

    inputs: Mapping[tuple[str, str], NDArray[Any]]
    steps: int
    batch: int
    seed: int
    first_sample: int
    record: Mapping[str, tuple[str, ...]]
    spikes: tuple[str, ...]
    state: State


class Engine(ABC):
    """Runs networks. Abstract; concrete engines are final and have no state of their own."""

    name: ClassVar[str]

    def run(
        self,
        network: Network,
        inputs: Inputs | None = None,
        *,
        steps: int | None = None,
        batch: int | None = None,
        seed: int = 0,
        first_sample: int = 0,
        record: Mapping[str, Sequence[str]] | None = None,
        spikes: Sequence[str] | None = None,
        state: State | None = None,
    ) -> Recording:
        """Run a network.

        Parameters
        ----------
        network : what to run
        inputs : what enters; a population of the model `Input` that is not named gets nothing
        steps : number of steps; default: the length of the longest input
        batch : number of samples; default: what the inputs have, or 1
        seed : of the random variables that models declare
        first_sample : number of the first sample: sample b draws what sample 0 of a run with `first_sample=b` draws
        record : population -> state variables (or "output") to keep at every step, after the reset
        spikes : populations whose spikes are kept; default: all. Counts are always kept
        state : where to go on from; default: the start

        Returns
        -------
        Recording

        Raises
        ------
        EngineError : inputs, record or state do not fit the network; what is recorded would not fit the memory
        """
        program = lower(network)
        arrays, steps, batch = read_inputs(network, inputs or {}, steps, batch)
        wanted = _wanted(network, record or {})
        kept = tuple(network.populations) if spikes is None else tuple(spikes)
        for name in kept:
            if name not in network.populations:
                raise EngineError(explain("run(spikes=)", f"no population {name!r}"))
        _check_memory(network, wanted, steps * batch)
        if state is None:
            state = start(program, batch)
        else:
            _check_state(program, state, batch)
        return self._advance(
            program, Request(arrays, steps, batch, seed, first_sample, wanted, kept, state)
        )

    @abstractmethod
    def _advance(self, program: Program, request: Request) -> Recording:
        """Run a request that was checked. Must not change its state."""


def _check_memory(network: Network, record: Mapping[str, tuple[str, ...]], rows: int) -> None:
    """Refuse a run whose counts per step and traces, 8 bytes each, could not be kept."""
    values = len(network.populations)
    values += sum(network.populations[name].n * len(kept) for name, kept in record.items())
    if 8 * rows * values > MEMORY_LIMIT:
        raise EngineError(
            explain(
                "run",
                "would record more than memory holds",
                found=f"{8 * rows * values / 2**30:.1f} GiB",
                expected=f"{MEMORY_LIMIT / 2**30:.0f} GiB at most",
                cure="run fewer steps or samples at a time, going on from `recording.state`",
            )
        )


def start(program: Program, batch: int) -> State:
    """Return the state before the first step."""
    values, waiting = {}, {}
    for name, p in program.populations.items():
        values[name] = {v: np.tile(x, (batch, 1)) for v, x in p.initial.items()}
        if p.step.refractory is not None:
            waiting[name] = np.zeros((batch, p.n), np.int64)
    pending: dict[tuple[str, str], NDArray[Any]] = {
        (name, port): np.zeros(
            (length, batch, program.populations[name].n), program.populations[name].dtype
        )
        for (name, port), length in program.ring.items()
    }
    return State(0, values, waiting, pending)


def read_inputs(
    network: Network, inputs: Inputs, steps: int | None, batch: int | None
) -> tuple[dict[tuple[str, str], NDArray[Any]], int, int]:
    """Return inputs as (population, port) -> `T B n`, and the number of steps and samples."""
    problems = Problems()
    found: dict[tuple[str, str], NDArray[Any]] = {}
    for name, value in inputs.items():
        where = f"inputs[{name!r}]"
        population, port = name, ""
        if population not in network.populations and "." in name:
            population, port = name.rsplit(".", 1)
        if population not in network.populations:
            problems.add(
                where, "no such population", expected=", ".join(network.inputs) or "no inputs"
            )
            continue
        target = network.populations[population]
        port = port or target.model.default_port
        if port not in target.model.inputs:
            problems.add(
                where, f"no such port {port!r}", expected=", ".join(target.model.inputs) or "none"
            )
            continue
        if isinstance(value, Events):
            value = [value]
        if isinstance(value, list | tuple) and value and isinstance(value[0], Events):
            wrong = [e.shape for e in value if e.shape != target.shape]
            if wrong:
                problems.add(
                    where, "events of another shape", found=wrong[0], expected=target.shape
                )
                continue
            array = bin_events(list(value), network.dt, steps=steps)
        else:
            array = np.asarray(value)
        if array.dtype.kind not in "buif":
            problems.add(where, "not numbers", found=array.dtype)
            continue
        if array.ndim < 3 or array.shape[2:] not in (target.shape, (target.n,)):
            problems.add(
                where,
                "wrong shape",
                found=array.shape,
                expected=f"(T, B, {', '.join(map(str, target.shape))})",
                cure="inputs are time first, then batch",
            )
            continue
        if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
            problems.add(where, "not finite")
            continue
        dtype = np.int64 if target.model.integer else np.float64
        if target.model.integer and array.dtype.kind == "f" and np.any(array != np.rint(array)):
            problems.add(where, "real numbers enter an integer model")
            continue
        flat = np.ascontiguousarray(array.reshape(*array.shape[:2], target.n), dtype)
        found[population, port] = flat
    problems.raise_as(EngineError)
    lengths = {a.shape[0] for a in found.values()}
    batches = {a.shape[1] for a in found.values()} | ({batch} if batch is not None else set())
    if len(batches) > 1:
        problems.add("inputs", "differ in their number of samples", found=sorted(batches))
    if steps is None:
        steps = max(lengths, default=0)
        if not lengths:
            problems.add("run(steps=)", "needed where nothing enters", cure="say steps=1000")
    elif any(n > steps for n in lengths):
        problems.add(
            "inputs", "longer than the run", found=max(lengths), expected=f"<= {steps} steps"
        )
    if steps < 0 or any(n < 1 for n in batches):
        problems.add(
            "run",
            "needs steps and samples",
            found=f"{steps} steps, {min(batches, default=1)} samples",
            expected="0 steps or more, 1 sample or more",
        )
    problems.raise_as(EngineError)
    return found, steps, next(iter(batches), 1)


def _wanted(network: Network, record: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    problems = Problems()
    wanted: dict[str, tuple[str, ...]] = {}
    for name, variables in record.items():
        if name not in network.populations:
            problems.add(
                f"record[{name!r}]", "no such population", expected=", ".join(network.populations)
            )
            continue
        names = (variables,) if isinstance(variables, str) else tuple(variables)
        known = (*network.populations[name].model.state, "output")
        for variable in names:
            if variable not in known:
                problems.add(
                    f"record[{name!r}]", f"no variable {variable!r}", expected=", ".join(known)
                )
        wanted[name] = names
    problems.raise_as(EngineError)
    for name in network.outputs:
        model = network.populations[name].model
        if not model.is_spiking and "output" not in wanted.get(name, ()):
            wanted[name] = (*wanted.get(name, ()), "output")
    return wanted


def _check_state(program: Program, state: State, batch: int) -> None:
    for name, p in program.populations.items():
        values = state.values.get(name, {})
        if set(values) != set(p.initial) or any(v.shape != (batch, p.n) for v in values.values()):
            raise EngineError(
                explain(f"state.values[{name!r}]", "does not fit the network or the batch")
            )
    for place, length in program.ring.items():
        shape = (length, batch, program.populations[place[0]].n)
        if place not in state.pending or state.pending[place].shape != shape:
            raise EngineError(
                explain(
                    f"state.pending[{place!r}]",
                    "does not fit the network or the batch",
                    expected=shape,
                )
            )
