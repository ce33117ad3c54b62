"""A long run in stretches: recorded as it goes, with progress shown and checkpoints kept.

Engines go on from a state bit for bit, so a run in stretches is the run. What a stretch recorded is handed over before
the next begins: if the run is killed, its file and its checkpoint are of the last hand-over.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spikewright.engines.checkpoint import load_state, save_state
from spikewright.engines.progress import Progress
from spikewright.engines.recorder import (
    FileRecorder,
    MemoryRecorder,
    Recorder,
    RunFacts,
    read_recording,
)
from spikewright.engines.recording import Recording, State
from spikewright.errors import EngineError, explain

if TYPE_CHECKING:
    from spikewright.engines.engine import Engine, Prepared, Request

FIRST = 100
"""Steps of the first stretch, from which the length of the next follows."""
SECONDS = 3.0
"""How long a stretch should take: handing over costs some hundredths of a second."""
CHECKPOINT_SECONDS = 30.0
"""Between two checkpoints, at least."""


@dataclass(frozen=True)
class Keeping:
    """What `Engine.run` was told about keeping a long run.

    Parameters
    ----------
    file : where the recording goes, or None: into memory
    checkpoint : where the state goes, and where an earlier run of the same call is taken up, or None
    progress : whether a line is shown, or what is called with the number of steps done
    """

    file: str | os.PathLike[str] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    progress: bool | Callable[[int], None] = False

    @property
    def is_needed(self) -> bool:
        """Whether a run must be cut into stretches."""
        return self.file is not None or self.checkpoint is not None or bool(self.progress)


def run_in_stretches(
    engine: Engine, prepared: Prepared, request: Request, keeping: Keeping
) -> Recording:
    """Run a request that was checked.

    Raises
    ------
    EngineError : the checkpoint is of another run; a state is not finite; the disk is full
    FormatError : a file cannot be written or read
    """
    network, origin = prepared.network, request.state.step
    end = origin + request.steps
    state = request.state
    resumed = keeping.checkpoint is not None and Path(keeping.checkpoint).exists()
    if keeping.checkpoint is not None and resumed:
        state = load_state(
            keeping.checkpoint, network, seed=request.seed, first_sample=request.first_sample
        )
        if not origin <= state.step <= end:
            raise EngineError(
                explain(
                    str(keeping.checkpoint),
                    "the checkpoint is of another run",
                    found=f"step {state.step}",
                    expected=f"{origin} to {end}",
                    cure="name another file, or remove this one",
                )
            )
    recorder: Recorder
    writes = engine.is_writer
    if keeping.file is None or not writes:
        recorder = MemoryRecorder()
    else:
        recorder = FileRecorder(keeping.file, append=resumed and Path(keeping.file).exists())
    recorder.begin(
        network,
        RunFacts(
            engine.name,
            request.seed,
            request.batch,
            request.spikes,
            request.record,
            request.first_sample,
            state.step,
        ),
    )
    shown = keeping.progress
    bar = Progress(request.steps, network.dt, shown=shown is True and writes)
    report: Callable[[int], None] = shown if callable(shown) else bar
    sent = {n: np.zeros((request.batch, p.n), np.int64) for n, p in network.populations.items()}
    activity: dict[str, list[NDArray[np.int64]]] = {n: [] for n in network.populations}
    given: dict[tuple[str, str], int] = {}
    length, saved = FIRST, time.perf_counter()
    try:
        with bar:
            while state.step < end:
                began = time.perf_counter()
                steps = min(length, end - state.step)
                try:
                    part = engine.stretch(
                        prepared, _part(request, state.step - origin, steps, state)
                    )
                except EngineError as error:
                    if isinstance(error.recording, Recording):
                        _hand_over(recorder, error.recording, given)
                        recorder.flush(state.step + error.recording.steps)
                        error.recording = _kept(recorder, keeping, error.recording, sent, activity)
                    raise
                _hand_over(recorder, part, given)
                for name in network.populations:
                    sent[name] += part.sent[name]
                    activity[name].append(part.activity[name])
                state = part.state
                recorder.flush(state.step)
                if writes:
                    report(state.step - origin)
                now = time.perf_counter()
                if (
                    keeping.checkpoint is not None
                    and writes
                    and (now - saved > CHECKPOINT_SECONDS or state.step == end)
                ):
                    _save(keeping, state, prepared, request)
                    saved = now
                length = max(1, round(steps * min(4.0, SECONDS / max(now - began, 1e-6))))
                length = engine.agreed(length)
        none = np.zeros((0, request.batch), np.int64)
        counts = {n: np.concatenate([none, *rows]) for n, rows in activity.items()}
        recorder.end(state, sent, counts)
    finally:
        recorder.close()
    if isinstance(recorder, MemoryRecorder) and recorder.recording is not None:
        return recorder.recording
    return replace(read_recording(str(keeping.file), network), state=state)


def _part(request: Request, done: int, steps: int, state: State) -> Request:
    inputs = {place: x.since(done, steps) for place, x in request.inputs.items()}
    return replace(request, inputs=inputs, steps=steps, state=state)


def _hand_over(recorder: Recorder, part: Recording, given: dict[tuple[str, str], int]) -> None:
    first = part.state.step - part.steps
    for name, spikes in part.spikes.items():
        recorder.spikes(name, spikes.step + first, spikes.sample, spikes.address, spikes.value)
    for name, traces in part.traces.items():
        for variable, rows in traces.items():
            before = given.get((name, variable), 0)
            flat = rows.reshape(*rows.shape[:2], math.prod(rows.shape[2:]))
            recorder.trace(name, variable, before, flat)
            given[name, variable] = before + len(rows)


def _kept(
    recorder: Recorder,
    keeping: Keeping,
    part: Recording,
    sent: dict[str, NDArray[np.int64]],
    activity: dict[str, list[NDArray[np.int64]]],
) -> Recording | None:
    """Return what was recorded before a run broke off in the stretch `part`."""
    if keeping.file is not None and not isinstance(recorder, MemoryRecorder):
        recorder.close()
        return read_recording(keeping.file)
    counts = {n: sent[n] + part.sent[n] for n in sent}
    rows = {n: np.concatenate([*activity[n], part.activity[n]]) for n in activity}
    recorder.end(part.state, counts, rows)
    return recorder.recording if isinstance(recorder, MemoryRecorder) else None


def _save(keeping: Keeping, state: State, prepared: Prepared, request: Request) -> None:
    save_state(
        keeping.checkpoint,  # type: ignore[arg-type]
        state,
        prepared.network,
        seed=request.seed,
        first_sample=request.first_sample,
    )
