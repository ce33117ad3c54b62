"""The contract of every engine: `run(network, inputs) -> Recording`. Engines differ in speed, never in result."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.program import Program, lower
from spikewright.engines.record import Record, check_record
from spikewright.engines.recording import Recording, State
from spikewright.engines.stretches import Keeping, run_in_stretches
from spikewright.errors import EngineError, Problems, explain
from spikewright.events import Events, bin_sparse
from spikewright.network.graph import Network

MEMORY_LIMIT = 8 * 2**30
"""Bytes that the counts and traces of one run may take."""

Inputs = Mapping[str, Any]
"""Population or "population.port" -> array `T B *shape`, Events, or a list of Events (one per sample)."""


@dataclass(frozen=True)
class Outside:
    """What enters one port from outside: an array, or the cells of a sparse one.

    Parameters
    ----------
    steps, batch, n : its size, `T B n`
    array : `T B n`, or None
    start, address, value : the cells that are not zero, sample by sample and step by step (see `bin_sparse`), or None
    events : what the cells were binned from, one per sample, or None: for engines that know times within a step
    """

    steps: int
    batch: int
    n: int
    array: NDArray[Any] | None = None
    start: NDArray[np.int64] | None = None
    address: NDArray[np.int64] | None = None
    value: NDArray[Any] | None = None
    events: tuple[Events, ...] | None = None

    def since(self, done: int, steps: int) -> Outside:
        """Return what enters in `steps` steps after the first `done`."""
        first, end = min(done, self.steps), min(done + steps, self.steps)
        if self.start is None:
            array = None if self.array is None else self.array[first:end]
            return Outside(end - first, self.batch, self.n, array)
        start = np.ascontiguousarray(self.start[:, first : end + 1])
        return Outside(end - first, self.batch, self.n, None, start, self.address, self.value)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> NDArray[Any]:
        return self.dense[step]  # type: ignore[no-any-return]

    @cached_property
    def dense(self) -> NDArray[Any]:
        """The array `T B n`."""
        if self.array is not None:
            return self.array
        _check_size(8 * self.steps * self.batch * self.n, "inputs take more than memory holds")
        start, address, value = self.cells
        dense = np.zeros((self.steps, self.batch, self.n), value.dtype)
        for b in range(self.batch):
            here = slice(start[b, 0], start[b, -1])
            step = np.repeat(np.arange(self.steps), np.diff(start[b]))
            dense[step, b, address[here]] = value[here]
        return dense

    @cached_property
    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
        """`start` (B, T + 1), `address` (m,) and `value` (m,) of the cells that are not zero."""
        if self.start is not None and self.address is not None and self.value is not None:
            return self.start, self.address, self.value
        by_sample = np.ascontiguousarray(self.dense.transpose(1, 0, 2)).reshape(-1, self.n)
        row, address = np.nonzero(by_sample)
        first = np.arange(self.batch)[:, None] * self.steps + np.arange(self.steps + 1)
        start = np.searchsorted(row, first).astype(np.int64)
        return start, address, by_sample[row, address]


@dataclass(frozen=True)
class Request:
    """A run whose arguments were checked; see `Engine.run`.

    Parameters
    ----------
    inputs : (population, port) -> what enters
    record : population -> which variables are kept, of which neurons, at which steps
    spikes : populations whose spikes are kept
    state : where the run begins
    check_finite : whether a state that is not finite ends the run
    """

    inputs: Mapping[tuple[str, str], Outside]
    steps: int
    batch: int
    seed: int
    first_sample: int
    record: Mapping[str, Record]
    spikes: tuple[str, ...]
    state: State
    check_finite: bool = True


@dataclass(frozen=True)
class Prepared:
    """A network ready to run on one engine; made by `Engine.prepare`.

    Parameters
    ----------
    network : what runs
    engine : whose it is
    program : its populations and projections, lowered
    options : the options that it was prepared with
    own : what else the engine keeps
    """

    network: Network
    engine: str
    program: Program
    options: Mapping[str, Any]
    own: Any = None


class Engine(ABC):
    """Runs networks. Abstract; concrete engines are final and have no state of their own."""

    name: ClassVar[str]

    def run(
        self,
        network: Network | Prepared,
        inputs: Inputs | None = None,
        *,
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
        """Run a network.

        Parameters
        ----------
        network : what to run
        inputs : what enters; a population of the model `Input` that is not named gets nothing
        steps : number of steps; default: the length of the longest input
        batch : number of samples; default: what the inputs have, or 1
        seed : of the random variables that models declare
        first_sample : number of the first sample: sample b draws what sample 0 of a run with `first_sample=b` draws
        record : population -> state variables (or "output") to keep at every step, after the reset; a `Record` names
            neurons and steps
        spikes : populations whose spikes are kept; default: all. Counts are always kept
        state : where to go on from; default: the start
        precision : "double" (the default), equal to the reference bit for bit, or "single": float32, half the memory,
            and faster
        threads : at most; default: what the machine has and the network is worth. No result depends on it
        lazy : advance quiet neurons only when something reaches them: None, in single precision, where few are active;
            True, wherever it is possible; False, nowhere. Spikes are the same, up to rounding
        check_finite : end the run where a state is not finite; what was recorded until then is in the error
        file : .h5 that is written as the run goes, and readable up to the last seconds whatever happens; the recording
            then reads from it what it is asked for
        checkpoint : .h5 that holds the state of the last half minute. Where it exists, the run is taken up from there,
            to the last bit what it would have been; what was recorded before is in `file`
        progress : True: show steps done, real-time factor and time left; or what is called with the steps done

        Returns
        -------
        Recording

        Raises
        ------
        EngineError : inputs, record or state do not fit the network; what is recorded would not fit the memory
        """
        with self._together():
            prepared: Prepared | None = None
            if isinstance(network, Prepared):
                prepared, network = network, network.network
            entering, steps, batch = read_inputs(network, inputs or {}, steps, batch)
            wanted = _wanted(network, record or {})
            kept = tuple(network.populations) if spikes is None else tuple(spikes)
            for name in kept:
                if name not in network.populations:
                    raise EngineError(explain("run(spikes=)", f"no population {name!r}"))
            if file is None:
                first = 0 if state is None else state.step
                _check_memory(network, wanted, first, steps, batch)
            if prepared is None:
                prepared = self.prepare(
                    network,
                    precision="double" if precision is None else precision,
                    threads=threads,
                    lazy=lazy,
                    batch=batch,
                )
            else:
                self._check_prepared(prepared, precision, threads, lazy)
            program = prepared.program
            if state is None:
                state = start(program, batch)
            else:
                _check_state(program, state, batch)
            request = Request(
                entering, steps, batch, seed, first_sample, wanted, kept, state, check_finite
            )
            keeping = Keeping(file, checkpoint, progress)
            if keeping.is_needed:
                self._check_keeping(keeping)
                return run_in_stretches(self, prepared, request, keeping)
            return self._advance(prepared, request)

    def _together(self) -> AbstractContextManager[None]:
        """Return what surrounds a run: with many processes, that an error of one stops all."""
        return nullcontext()

    @property
    def is_writer(self) -> bool:
        """Whether files are written and progress is shown here: not on all processes of a run on many."""
        return True

    def agreed(self, value: int) -> int:
        """Return the number that all processes of a run go by."""
        return value

    def stretch(self, prepared: Prepared, request: Request) -> Recording:
        """Run a request that was checked: a stretch of a run."""
        return self._advance(prepared, request)

    def prepare(
        self,
        network: Network,
        *,
        precision: str = "double",
        threads: int | None = None,
        lazy: bool | None = None,
        batch: int = 1,
    ) -> Prepared:
        """Return a network ready to run: give it to `run` in place of the network, as often as you like.

        Parameters
        ----------
        network : what to run
        precision, threads, lazy : as in `run`
        batch : samples of a run, from which the number of threads is chosen
        """
        self._check_options(precision, threads)
        options = {"precision": precision, "threads": threads, "lazy": lazy}
        return Prepared(network, self.name, lower(network), options)

    def _check_options(self, precision: str, threads: int | None) -> None:
        """Refuse options that this engine does not have."""
        if precision != "double":
            raise EngineError(
                explain(
                    "run(precision=)",
                    f"engine {self.name!r} computes in double precision",
                    found=repr(precision),
                    expected="'double'",
                )
            )

    def _check_prepared(
        self, prepared: Prepared, precision: str | None, threads: int | None, lazy: bool | None
    ) -> None:
        given = {"precision": precision, "threads": threads, "lazy": lazy}
        for option, value in given.items():
            if value is not None and prepared.options.get(option) != value:
                raise EngineError(
                    explain(
                        f"run({option}=)",
                        "the network was prepared otherwise",
                        found=repr(value),
                        expected=repr(prepared.options.get(option)),
                        cure=f"say it to prepare({option}={value!r})",
                    )
                )
        if prepared.engine != self.name:
            raise EngineError(
                explain(
                    "run",
                    "the network was prepared by another engine",
                    found=prepared.engine,
                    expected=self.name,
                )
            )

    def _check_keeping(self, keeping: Keeping) -> None:  # noqa: B027 (most engines have them all)
        """Refuse ways of keeping a long run that this engine does not have."""

    @abstractmethod
    def _advance(self, prepared: Prepared, request: Request) -> Recording:
        """Run a request that was checked. Must not change its state."""


def _check_memory(
    network: Network, record: Mapping[str, Record], first: int, steps: int, batch: int
) -> None:
    """Refuse a run whose counts per step and traces, 8 bytes each, could not be kept."""
    size = len(network.populations) * steps
    for name, kept in record.items():
        width = kept.width(network.populations[name].n)
        size += kept.rows(first, steps) * width * len(kept.variables)
    _check_size(8 * size * batch, "would record more than memory holds")


def _check_size(size: int, what: str) -> None:
    if size > MEMORY_LIMIT:
        raise EngineError(
            explain(
                "run",
                what,
                found=f"{size / 2**30:.1f} GiB",
                expected=f"{MEMORY_LIMIT / 2**30:.0f} GiB at most",
                cure="name a `file`, keep fewer neurons or steps (`Record`), or run fewer at a time",
            )
        )


def shaped(
    rows: NDArray[Any], record: Record, network: Network, population: str, first: int, steps: int
) -> NDArray[Any]:
    """Return the rows of the first steps of a trace, in the shape in which a Recording has them."""
    rows = rows[: record.rows(first, steps)]
    if record.neurons is not None:
        return rows
    return rows.reshape(*rows.shape[:2], *network.populations[population].shape)


def broken_off(recording: Recording) -> Recording:
    """Return the recording of a run that ended early: counts are of the spikes it holds, the state is only a step."""
    sent = {n: np.zeros_like(x) for n, x in recording.sent.items()}
    for name, spikes in recording.spikes.items():
        np.add.at(sent[name], (spikes.sample, spikes.address), 1)
    return replace(recording, sent=sent, state=State(recording.state.step, {}, {}, {}))


def not_finite(
    network: Network, population: str, neuron: int, step: int, sample: int, batch: int
) -> str:
    """Return the message of a state that is not finite."""
    where = f"population {population!r}, neuron {neuron}, step {step} ({step * network.dt:g} s)"
    if batch > 1:
        where += f", sample {sample}"
    return explain(
        where,
        f"the state of {network.populations[population].model.name} is not finite",
        cure="take a smaller dt, another method or smaller weights; what was recorded until then is in the error's "
        "`recording`. To run on regardless: check_finite=False",
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
) -> tuple[dict[tuple[str, str], Outside], int, int]:
    """Return inputs as (population, port) -> what enters, and the number of steps and samples."""
    problems = Problems()
    found: dict[tuple[str, str], Outside] = {}
    for name, value in inputs.items():
        where = f"inputs[{name!r}]"
        population, port = name, ""
        if population not in network.populations and "." in name:
            population, port = name.rsplit(".", 1)
        if population not in network.populations and _is_signal(network, population, port):
            values = np.asarray(value)
            if values.dtype.kind not in "buif":
                problems.add(where, "not numbers", found=values.dtype)
            elif values.shape[2:] not in ((), (1,)) or values.ndim < 2:
                problems.add(where, "wrong shape", found=values.shape, expected="(T, B)")
            elif not np.all(np.isfinite(values)):
                problems.add(where, "not finite")
            else:
                steps_, samples = values.shape[:2]
                flat = values.astype(np.float64).reshape(steps_, samples, 1)
                found[population, port] = Outside(steps_, samples, 1, flat)
            continue
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
            begin, address, counts = bin_sparse(list(value), network.dt, steps=steps)
            if target.model.integer:
                counts = counts.astype(np.int64)
            found[population, port] = Outside(
                begin.shape[1] - 1, len(value), target.n, None, begin, address, counts, tuple(value)
            )
            continue
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
        found[population, port] = Outside(len(flat), flat.shape[1], target.n, flat)
    problems.raise_as(EngineError)
    lengths = {a.steps for a in found.values()}
    batches = {a.batch for a in found.values()} | ({batch} if batch is not None else set())
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


def _is_signal(network: Network, projection: str, signal: str) -> bool:
    found = network.projections.get(projection)
    return found is not None and found.rule is not None and signal in found.rule.model.signals


def _wanted(network: Network, record: Mapping[str, Record | Sequence[str]]) -> dict[str, Record]:
    problems = Problems()
    wanted = {name: Record.of(value) for name, value in record.items()}
    check_record(network, wanted, problems)
    problems.raise_as(EngineError)
    for name in network.outputs:
        if not network.populations[name].model.is_spiking:
            wanted[name] = wanted.get(name, Record(())).with_variable("output")
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
