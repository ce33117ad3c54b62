"""Where a run puts what it records, as it goes: into memory, or into a file that is readable whatever happens.

An engine gives, chunk of steps after chunk of steps, the spikes and rows of that chunk, then says `flush(step)`: all
before `step` was given. Steps are counted from the start of the network's time.

A file grows by commits (`engines/journal.py`): after a crash, a kill or a full disk it holds all up to the last flush.

    /format             "spikewright.recording"
    /version            1
    /about              JSON: engine, dt, seed, first_sample, batch, first_step, fingerprint of the network, spikes
                        (names of populations), traces (population -> variables, every)
    /network/           the network without its projections and drives, as `network.store` writes it
    /progress           int64: steps done, and whether the run ended
    /spikes/<k>/        step (from first_step on), sample, address, value (where graded); k: place in about's spikes
    /traces/<k>/<j>     rows B neurons; k: place in about's traces, j: place in its variables; /neurons where chosen
    /end/               written when the run ended: sent/<k>, activity/<k> (k: population), state/ as in a checkpoint

Longer than most files: writer and reader of one layout stand side by side.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.checkpoint import check_format, read_json, read_state, write_state
from spikewright.engines.journal import Journaled, recover
from spikewright.engines.record import Record
from spikewright.engines.recording import Recording, Spikes, State
from spikewright.errors import EngineError, FormatError, NetworkError, explain
from spikewright.files import replacing_hdf5
from spikewright.network import store
from spikewright.network.fingerprint import fingerprint
from spikewright.network.graph import Network
from spikewright.network.hdf5 import Source, opened, put

FORMAT = "spikewright.recording"
VERSION = 1
CHUNK = 2**16
"""Bytes, about, of the pieces that HDF5 keeps arrays in."""
BUFFER = 32 * 2**20
"""Bytes that wait for the next flush at most."""
WHAT = "a recording of Spikewright (HDF5)"

T = TypeVar("T")


@dataclass(frozen=True)
class RunFacts:
    """What a recorder is told before the first step.

    Parameters
    ----------
    engine : its name
    seed, first_sample, batch : those of the run
    first_step : where it begins: 0, or the step of the state that it goes on from
    spikes : populations whose spikes are given
    traces : populations whose rows are given
    """

    engine: str
    seed: int
    batch: int
    spikes: tuple[str, ...]
    traces: Mapping[str, Record]
    first_sample: int = 0
    first_step: int = 0


class Recorder(ABC):
    """Takes what a run records. Abstract."""

    @abstractmethod
    def begin(self, network: Network, facts: RunFacts) -> None:
        """Take the facts of a run; called once, before all else."""

    @abstractmethod
    def spikes(
        self,
        population: str,
        step: NDArray[np.int64],
        sample: NDArray[np.int64],
        address: NDArray[np.int64],
        value: NDArray[Any] | None,
    ) -> None:
        """Take the spikes of some steps, sorted by (step, sample, address), later than all before.

        Parameters
        ----------
        population : its name
        step, sample, address : (n,); the arrays are copied if they are kept
        value : (n,), or None where every spike is 1
        """

    @abstractmethod
    def trace(self, population: str, variable: str, first_row: int, rows: NDArray[Any]) -> None:
        """Take rows of a trace.

        Parameters
        ----------
        population, variable : what they are of
        first_row : how many rows of it this run gave before
        rows : (t, B, neurons)
        """

    @abstractmethod
    def flush(self, step: int) -> None:
        """Take note that all before `step` was given, and make it last."""

    @abstractmethod
    def end(
        self,
        state: State,
        sent: Mapping[str, NDArray[np.int64]],
        activity: Mapping[str, NDArray[np.int64]],
    ) -> None:
        """Take what only the end of a run knows: where it stands, and the counts of every population."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files. After `end`, or in its place where a run was broken off; twice does no harm."""


class MemoryRecorder(Recorder):
    """Keeps everything; `recording` is there after the end."""

    def __init__(self) -> None:
        self.recording: Recording | None = None

    def begin(self, network: Network, facts: RunFacts) -> None:
        self._network, self._facts, self._done = network, facts, facts.first_step
        self._spikes: dict[str, list[tuple[NDArray[Any], ...]]] = {n: [] for n in facts.spikes}
        self._traces: dict[str, dict[str, list[NDArray[Any]]]] = {
            n: {v: [] for v in r.variables} for n, r in facts.traces.items()
        }

    def spikes(
        self,
        population: str,
        step: NDArray[np.int64],
        sample: NDArray[np.int64],
        address: NDArray[np.int64],
        value: NDArray[Any] | None,
    ) -> None:
        parts = [np.array(x, np.int64) for x in (step, sample, address)]
        parts[0] -= self._facts.first_step
        self._spikes[population].append((*parts, *(() if value is None else (value.copy(),))))

    def trace(self, population: str, variable: str, first_row: int, rows: NDArray[Any]) -> None:
        self._traces[population][variable].append(rows.copy())

    def flush(self, step: int) -> None:
        self._done = step

    def end(
        self,
        state: State,
        sent: Mapping[str, NDArray[np.int64]],
        activity: Mapping[str, NDArray[np.int64]],
    ) -> None:
        network, facts = self._network, self._facts
        steps = self._done - facts.first_step
        self.recording = Recording(
            network,
            facts.engine,
            steps,
            facts.batch,
            facts.seed,
            {n: self._joined(n, parts) for n, parts in self._spikes.items()},
            {
                n: {v: self._stacked(n, parts) for v, parts in vs.items()}
                for n, vs in self._traces.items()
            },
            dict(sent),
            dict(activity),
            state,
            {n: r for n, r in facts.traces.items() if not r.is_whole},
        )

    def close(self) -> None:
        pass

    def _joined(self, name: str, parts: list[tuple[NDArray[Any], ...]]) -> Spikes:
        population = self._network.populations[name]
        kinds: list[type] = [np.int64] * 3
        if population.model.is_graded:
            kinds.append(np.int64 if population.model.integer else np.float64)
        columns: list[NDArray[Any]] = [
            np.concatenate([np.zeros(0, kind), *(part[i] for part in parts)]).astype(kind)
            for i, kind in enumerate(kinds)
        ]
        return Spikes(*columns)

    def _stacked(self, name: str, parts: list[NDArray[Any]]) -> NDArray[Any]:
        population, record = self._network.populations[name], self._facts.traces[name]
        kind = np.int64 if population.model.integer else np.float64
        none = np.zeros((0, self._facts.batch, record.width(population.n)), kind)
        rows = np.concatenate([none, *parts])
        return _shaped(rows, record, population.shape)


def _shaped(rows: NDArray[Any], record: Record, shape: tuple[int, ...]) -> NDArray[Any]:
    return rows if record.neurons is not None else rows.reshape(*rows.shape[:2], *shape)


class FileRecorder(Recorder):
    """Writes to a file as the run goes.

    Parameters
    ----------
    path : .h5; replaced, unless `append`
    append : go on with the recording that is there: of the same network and settings, at or before its end. What the
        file holds beyond the step that the run begins with is given again, and replaced

    Raises (by its methods)
    ------
    FormatError : the place cannot be written, or what is there cannot be read
    EngineError : the recording that is there is of another run; or a write failed, with what was kept
    """

    def __init__(self, path: str | os.PathLike[str], *, append: bool = False) -> None:
        self.path, self._append = Path(path), append
        self._raw: Journaled | None = None
        self._file: Any = None

    def begin(self, network: Network, facts: RunFacts) -> None:
        self._network, self._facts, self._origin = network, facts, facts.first_step
        self._waiting: dict[str, list[NDArray[Any]]] = {}
        self._waits = 0
        self._given: dict[str, int] = {}
        cut = self._append and self.path.exists()
        if cut:
            self._check_old()
        else:
            with replacing_hdf5(self.path) as file:
                _write_head(file, network, facts)
        import h5py

        try:
            self._raw = Journaled(self.path)
            self._file = h5py.File(self._raw, "r+")
        except OSError as error:
            self.close()
            raise FormatError(
                explain(str(self.path), f"cannot be written: {error.strerror or error}")
            ) from error
        self._kept = (facts.first_step - self._origin, 0)
        if cut:
            self._guarded(self._cut)
        self._kept = (facts.first_step - self._origin, self._n_spikes())

    def _check_old(self) -> None:
        recover(self.path)
        with opened(self.path, WHAT) as source:
            check_format(source, FORMAT, VERSION, "recording")
            about = read_json(source, "about")
            progress = source.array(source.root, "progress")
        self._origin = int(about.get("first_step", 0))
        expected = _about(self._network, replace(self._facts, first_step=self._origin))
        for key, value in json.loads(json.dumps(expected)).items():
            if key not in ("engine", "name") and about.get(key) != value:
                raise EngineError(
                    explain(
                        str(self.path),
                        f"holds a recording with another {key}",
                        found=about.get(key),
                        expected=value,
                        cure="go on with the same network and settings, or write to another file",
                    )
                )
        done = self._origin + int(progress[0])
        if not self._origin <= self._facts.first_step <= done:
            raise EngineError(
                explain(
                    str(self.path),
                    "the run does not begin where the recording ends, or before",
                    found=f"step {self._facts.first_step}",
                    expected=f"{self._origin} to {done}",
                    cure="go on from a checkpoint that is not later than the recording",
                )
            )

    def _cut(self) -> None:
        """Leave what lies before the run's first step."""
        file, steps = self._file, self._facts.first_step - self._origin
        for k in range(len(self._facts.spikes)):
            group = file[f"spikes/{k}"]
            n = int(np.searchsorted(group["step"][:], steps))
            for column in group.values():
                column.resize(n, axis=0)
        for k, record in enumerate(self._facts.traces.values()):
            for j in range(len(record.variables)):
                file[f"traces/{k}/{j}"].resize(record.rows(self._origin, steps), axis=0)
        if "end" in file:
            del file["end"]
        file["progress"][...] = [steps, 0]
        self._commit()

    def spikes(
        self,
        population: str,
        step: NDArray[np.int64],
        sample: NDArray[np.int64],
        address: NDArray[np.int64],
        value: NDArray[Any] | None,
    ) -> None:
        place = f"spikes/{self._facts.spikes.index(population)}"
        self._wait(f"{place}/step", step - self._origin)
        self._wait(f"{place}/sample", sample)
        self._wait(f"{place}/address", address)
        if value is not None:
            self._wait(f"{place}/value", value)

    def trace(self, population: str, variable: str, first_row: int, rows: NDArray[Any]) -> None:
        k = list(self._facts.traces).index(population)
        place = f"traces/{k}/{self._facts.traces[population].variables.index(variable)}"
        if first_row != self._given.setdefault(place, 0):
            raise EngineError(
                explain(
                    f"recorder: trace of {population!r}.{variable}",
                    "rows are missing or given twice",
                    found=f"row {first_row}",
                    expected=self._given[place],
                )
            )
        self._given[place] += len(rows)
        self._wait(place, rows)

    def _wait(self, place: str, values: NDArray[Any]) -> None:
        self._waiting.setdefault(place, []).append(np.array(values))
        self._waits += values.nbytes
        if self._waits > BUFFER:
            self._guarded(self._write)

    def _write(self) -> None:
        for place, parts in self._waiting.items():
            dataset = self._file[place]
            n = len(dataset)
            values = np.concatenate(parts)
            dataset.resize(n + len(values), axis=0)
            dataset[n:] = values
        self._waiting, self._waits = {}, 0

    def flush(self, step: int) -> None:
        self._guarded(lambda: self._flush(step - self._origin))
        self._kept = (step - self._origin, self._n_spikes())

    def _flush(self, steps: int) -> None:
        self._write()
        self._file["progress"][...] = [steps, 0]
        self._commit()

    def end(
        self,
        state: State,
        sent: Mapping[str, NDArray[np.int64]],
        activity: Mapping[str, NDArray[np.int64]],
    ) -> None:
        self._guarded(lambda: self._finish(state, sent, activity))
        self.close()

    def _finish(
        self,
        state: State,
        sent: Mapping[str, NDArray[np.int64]],
        activity: Mapping[str, NDArray[np.int64]],
    ) -> None:
        self._write()
        steps = state.step - self._origin
        whole = self._origin == self._facts.first_step
        for k, name in enumerate(self._network.populations):
            # after an append these are counts of its own steps only: a reader then counts the spikes
            if whole and name in sent and name in activity:
                put(self._file, f"end/sent/{k}", sent[name])
                put(self._file, f"end/activity/{k}", activity[name])
        group = self._file.require_group("end").create_group("state")
        write_state(group, state, self._network)
        self._file["progress"][...] = [steps, 1]
        self._commit()

    def _commit(self) -> None:
        self._file.flush()
        if self._raw is not None:
            self._raw.commit()

    def _n_spikes(self) -> int:
        return sum(len(self._file[f"spikes/{k}/step"]) for k in range(len(self._facts.spikes)))

    def _guarded(self, action: Callable[[], T]) -> T:
        """Do something with the file; where that fails, close it and say what it holds."""
        try:
            if self._raw is not None and self._raw.failure is not None:
                raise self._raw.failure
            return action()
        except (OSError, RuntimeError) as error:
            reason = self._raw.failure if self._raw is not None else None
            steps, spikes = self._kept
            self.close()
            raise EngineError(
                explain(
                    str(self.path),
                    f"the recording cannot go on: {(reason and reason.strerror) or error}",
                    found=f"steps 0 to {steps} with {spikes} spikes are kept there",
                    cure="free space, then go on from the last checkpoint, or read what there is with "
                    "`read_recording`",
                )
            ) from error

    def close(self) -> None:
        if self._raw is not None and self._raw.failure is None:
            # what was not committed goes nowhere: the file stays as it was committed
            self._raw.failure = OSError(0, "closed")
        if self._file is not None:
            with suppress(OSError, RuntimeError):
                self._file.close()
            self._file = None
        if self._raw is not None:
            self._raw.close()
            self._raw = None
        self._waiting, self._waits = {}, 0


def _about(network: Network, facts: RunFacts) -> dict[str, Any]:
    return {
        "name": network.name,
        "engine": facts.engine,
        "dt": network.dt,
        "seed": int(facts.seed),
        "first_sample": int(facts.first_sample),
        "batch": int(facts.batch),
        "first_step": int(facts.first_step),
        "fingerprint": fingerprint(network),
        "spikes": list(facts.spikes),
        "traces": {
            n: {"variables": list(r.variables), "every": int(r.every)}
            for n, r in facts.traces.items()
        },
    }


def _write_head(file: Any, network: Network, facts: RunFacts) -> None:
    put(file, "format", FORMAT)
    put(file, "version", np.asarray(VERSION, np.int64))
    put(file, "about", json.dumps(_about(network, facts)))
    bare = replace(network, projections={}, drives={}, metadata={}, outputs=network.outputs)
    store.write(file.create_group("network"), bare)
    file.create_dataset("progress", data=np.zeros(2, np.int64))
    for k, name in enumerate(facts.spikes):
        model = network.populations[name].model
        columns: dict[str, type] = {"step": np.int64, "sample": np.int32, "address": np.int32}
        if model.is_graded:
            columns["value"] = np.int64 if model.integer else np.float64
        for column, kind in columns.items():
            file.create_dataset(
                f"spikes/{k}/{column}", (0,), kind, maxshape=(None,),
                chunks=(CHUNK // np.dtype(kind).itemsize,),
            )  # fmt: skip
    for k, (name, record) in enumerate(facts.traces.items()):
        population = network.populations[name]
        width = record.width(population.n)
        wide = min(width, CHUNK)
        deep = min(facts.batch, max(1, CHUNK // wide))
        chunk = (max(1, CHUNK // (8 * wide * deep)), deep, wide)
        number = np.int64 if population.model.integer else np.float64
        group = file.create_group(f"traces/{k}")
        for j in range(len(record.variables)):
            group.create_dataset(
                str(j), (0, facts.batch, width), number, chunks=chunk,
                maxshape=(None, facts.batch, width),
            )  # fmt: skip
        if record.neurons is not None:
            put(group, "neurons", record.neurons.astype(np.int64))


# -- reading -------------------------------------------------------------------------------------------


class _Lazy(Mapping[str, T]):
    """A mapping whose values are read when they are first asked for."""

    def __init__(self, read: Mapping[str, Callable[[], T]]) -> None:
        self._read = read
        self._known: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._known:
            self._known[name] = self._read[name]()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def read_recording(path: str | os.PathLike[str], network: Network | None = None) -> Recording:
    """Return what a file holds; spikes and traces are read when they are asked for.

    Parameters
    ----------
    path : the file, which must stay where it is
    network : the network that ran. Without it, the recording's network has its populations only: what needs projections
        (operations, costs) then knows of none

    Returns
    -------
    Recording : of a run that was broken off, all up to the last flush: its state is empty but for its step, counts are
        those of the spikes that were kept

    Raises
    ------
    FormatError : no such file, damaged, too new, or something else
    EngineError : `network` is not the one that ran
    """
    where = Path(path)
    recover(where)
    with opened(where, WHAT) as source:
        check_format(source, FORMAT, VERSION, "recording")
        about = read_json(source, "about")
        progress = source.array(source.root, "progress")
        bare = store.read(source.within("network"))
        try:
            return _recording(where, source, about, progress, bare, network)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise source.error("/about", "not a recording", found=error) from None
        except NetworkError as error:
            raise NetworkError(f"{where}: {error}") from None


def read_spikes(
    path: str | os.PathLike[str], population: str, *, first: int = 0, end: int | None = None
) -> Spikes:
    """Return the spikes of some steps of a recording, which may be larger than memory.

    Parameters
    ----------
    path : of the recording
    population : whose
    first, end : steps, from the recording's first as 0; `end` is not among them, None: all

    Raises
    ------
    FormatError : as for `read_recording`; or these steps alone take more than 4 GiB
    EngineError : the population's spikes were not kept
    """
    recover(Path(path))
    with opened(path, WHAT) as source:
        check_format(source, FORMAT, VERSION, "recording")
        known = read_json(source, "about").get("spikes", [])
        if population not in known:
            raise EngineError(
                explain(
                    str(path),
                    f"spikes of {population!r} were not kept",
                    expected=", ".join(map(str, known)) or "none",
                )
            )
        steps = int(source.array(source.root, "progress")[0])
        group = source.group(
            source.group(source.root, "spikes"), str(list(known).index(population))
        )
        n = int(source.dataset(group, "step", whole=False).size)

        def place(step: int) -> int:
            return bisect_left(
                range(n), step, key=lambda i: int(source.window(group, "step", i, i + 1)[0])
            )

        low, high = place(max(0, first)), place(steps if end is None else min(end, steps))
        low = min(low, high)
        step, sample, address = (
            source.window(group, column, low, high).astype(np.int64)
            for column in ("step", "sample", "address")
        )
        graded = source.has(group, "value")
        value = source.window(group, "value", low, high) if graded else None
        return Spikes(step, sample, address, value)


def is_complete(path: str | os.PathLike[str]) -> bool:
    """Return whether the run of a recording came to its end; raises as `read_recording` does."""
    recover(Path(path))
    with opened(path, WHAT) as source:
        check_format(source, FORMAT, VERSION, "recording")
        return bool(source.array(source.root, "progress")[1])


def _recording(
    path: Path,
    source: Source,
    about: Mapping[str, Any],
    progress: NDArray[Any],
    bare: Network,
    network: Network | None,
) -> Recording:
    if network is not None and fingerprint(network) != about["fingerprint"]:
        raise EngineError(
            explain(
                str(path),
                "a recording of another network",
                found=f"{about['name']!r} ({about['fingerprint']})",
                expected=f"{network.name!r} ({fingerprint(network)})",
            )
        )
    ran = bare if network is None else network
    batch, steps, first = int(about["batch"]), int(progress[0]), int(about["first_step"])

    def reader(read: Callable[[Source], T]) -> Callable[[], T]:
        def now() -> T:
            with opened(path, WHAT) as again:
                return read(again)

        return now

    def spikes_of(k: int, graded: bool) -> Callable[[Source], Spikes]:
        def read(s: Source) -> Spikes:
            group = s.group(s.group(s.root, "spikes"), str(k))
            step, sample, address = (
                s.array(group, c).astype(np.int64) for c in ("step", "sample", "address")
            )
            n = int(np.searchsorted(step, steps))
            value = s.array(group, "value", finite=False)[:n] if graded else None
            return Spikes(step[:n], sample[:n], address[:n], value)

        return read

    def trace_of(k: int, j: int, record: Record, shape: tuple[int, ...]) -> Callable[[Source], Any]:
        def read(s: Source) -> NDArray[Any]:
            rows = s.array(s.group(s.group(s.root, "traces"), str(k)), str(j), finite=False)
            return _shaped(rows[: record.rows(first, steps)], record, shape)

        return read

    spikes: Mapping[str, Spikes] = _Lazy(
        {
            name: reader(spikes_of(k, ran.populations[name].model.is_graded))
            for k, name in enumerate(about["spikes"])
        }
    )
    records, traces = {}, {}
    for k, (name, told) in enumerate(about["traces"].items()):
        group = source.group(source.group(source.root, "traces"), str(k))
        chosen = source.array(group, "neurons") if source.has(group, "neurons") else None
        record = Record(tuple(told["variables"]), chosen, int(told["every"]))
        records[name] = record
        shape = ran.populations[name].shape
        traces[name] = _Lazy(
            {v: reader(trace_of(k, j, record, shape)) for j, v in enumerate(record.variables)}
        )
    ended = source.has(source.root, "end") and bool(progress[1])
    state = State(first + steps, {}, {}, {})
    counted: set[int] = set()
    if ended:
        end = source.group(source.root, "end")
        whose = about["fingerprint"] if network is None else network
        state = read_state(source.within("end").within("state"), whose)
        if source.has(end, "sent"):
            counted = {int(k) for k in source.names(source.group(end, "sent"))}

    def count_of(part: str, k: int, name: str) -> Callable[[], NDArray[np.int64]]:
        def read(s: Source) -> NDArray[np.int64]:
            return s.array(s.group(s.group(s.root, "end"), part), str(k))

        def from_spikes() -> NDArray[np.int64]:
            found, n = spikes[name], ran.populations[name].n
            place, size = (
                (found.sample * n + found.address, n)
                if part == "sent"
                else (found.step * batch + found.sample, steps)
            )
            shape = (batch, size) if part == "sent" else (size, batch)
            return np.bincount(place, minlength=batch * size).reshape(shape).astype(np.int64)

        return reader(read) if k in counted else from_spikes

    def counts(part: str) -> _Lazy[NDArray[np.int64]]:
        return _Lazy(
            {
                name: count_of(part, k, name)
                for k, name in enumerate(ran.populations)
                if k in counted or name in about["spikes"]
            }
        )

    return Recording(
        ran,
        str(about["engine"]),
        steps,
        batch,
        int(about["seed"]),
        spikes,
        traces,
        counts("sent"),
        counts("activity"),
        state,
        {n: r for n, r in records.items() if not r.is_whole},
    )
