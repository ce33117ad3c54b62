"""The one simulation that a PyNN script has at a time: its clock, what it is made of, and how it runs.

PyNN's functions (`setup`, `run`, `reset`, ...) act on a simulation that no argument names. This is the only place that
keeps one; everything below it is handed what it works on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from spikewright import engines
from spikewright.engines.engine import Prepared
from spikewright.engines.recording import State
from spikewright.errors import EngineError, explain

PIECE = 2**24
"""Numbers of traces that one call of the engine records: longer runs are cut, which changes no bit."""
_IGNORED = {
    "max_delay", "rng_seed", "rng_seeds", "rng_seeds_seed", "threads", "engine", "seed", "native_rng_baseseed",
    "parallel_safe", "debug", "verbosity", "spike_precision", "quit_on_end", "logfile", "recording_precision",
    "t_flush", "use_cvode", "rtol", "atol", "default_maxstep", "grng_seed", "rank",
}  # fmt: skip
"""Arguments of `setup` that this and other simulators know; only unknown ones are warned of."""


class Simulation:
    """Populations, projections and sources on one clock.

    Parameters
    ----------
    dt : ms per step
    min_delay, max_delay : ms, or "auto"
    seed : of everything that is drawn while it runs
    threads, engine : as `spikewright.run` takes them
    """

    def __init__(
        self,
        dt: float,
        min_delay: float | str = "auto",
        max_delay: float | str = "auto",
        seed: int = 0,
        threads: int | None = None,
        engine: str = "cpu",
    ) -> None:
        if not (np.isfinite(dt) and dt > 0):
            raise EngineError(explain("setup(timestep=)", "must be positive", found=dt))
        self.dt = float(dt)
        self.min_delay = self.dt if min_delay == "auto" else float(min_delay)
        if round(self.min_delay / dt) < 1:
            raise EngineError(
                explain(
                    "setup(min_delay=)",
                    "shorter than a time step",
                    found=f"{self.min_delay:g} ms",
                    expected=f"{self.dt:g} ms or more",
                )
            )
        self.max_delay = max_delay
        self.seed, self.threads, self.engine = int(seed), threads, engine
        self.populations: list[Any] = []
        self.projections: list[Any] = []
        self.sources: list[Any] = []
        self.writers: list[tuple[Any, Any, Any]] = []
        self.next_id = 0
        self.step = 0
        self.segment = 0
        self.state: State | None = None
        self.prepared: Prepared | None = None

    @property
    def time(self) -> float:
        """Milliseconds since the start, or since the last reset."""
        return self.step * self.dt

    # -- what it is made of ----------------------------------------------------------------------------

    def add_source(self, source: Any) -> int:
        """Take in a current source and return its number."""
        self.sources.append(source)
        return len(self.sources) - 1

    def changed(self) -> None:
        """Note that something changed: the network is built anew before the next step."""
        self.prepared = None

    def build(self) -> Prepared:
        """Return the network of now, ready to run."""
        if self.prepared is None:
            from spikewright.pynn.building import build, carried

            network = build(self)
            self.prepared = engines.get(self.engine).prepare(network, threads=self.threads)
            if self.state is not None:
                self.state = carried(self.state, self.prepared.program)
        return self.prepared

    # -- running ---------------------------------------------------------------------------------------

    def advance(self, steps: int) -> None:
        """Run `steps` steps."""
        if steps < 1:
            return
        if not self.populations:
            self.step += steps
            return
        from spikewright.pynn.building import record_of

        prepared = self.build()
        for population in self.populations:
            population.recorder.begin(self)
        record = {p.name: record_of(p) for p in self.populations if p.recorder.traces}
        spikes = [p.name for p in self.populations if p.recorder.wants_spikes]
        width = sum(
            len(r.variables) * r.width(prepared.network.populations[name].n)
            for name, r in record.items()
        )
        piece = max(1, PIECE // max(1, width))
        while steps:
            n = min(steps, piece)
            self._advance(prepared, n, record, spikes)
            steps -= n

    def _advance(self, prepared: Prepared, n: int, record: Any, spikes: list[str]) -> None:
        from spikewright.pynn.building import inputs_of

        recording = engines.run(
            prepared,
            inputs_of(self, self.step, n),
            engine=self.engine,
            steps=n,
            batch=1,
            seed=self.seed,
            record=record,
            spikes=spikes,
            state=self.state,
        )
        self.state = recording.state
        first, self.step = self.step, self.step + n
        for population in self.populations:
            population.recorder.take(recording, first, self)

    def run_to(self, target: int, callbacks: Iterable[Callable[[float], float]]) -> float:
        """Run until step `target`; each callback is called with the time, and says when it wants to be next."""
        due = [(self.step, callback) for callback in callbacks]
        while True:
            later = []
            for step, callback in due:
                while step is not None and step <= self.step:
                    wanted = callback(self.time)
                    step = None if wanted is None else round(wanted / self.dt)
                    if step is not None and step <= self.step:
                        if self.step >= target:
                            step = None
                            break
                        raise EngineError(
                            explain(
                                "run(callbacks=)",
                                "a callback asks for a time that is not in the future",
                                found=f"{wanted:g} ms at {self.time:g} ms",
                            )
                        )
                if step is not None:
                    later.append((step, callback))
            due = later
            if self.step >= target:
                return self.time
            self.advance(min([target, *(step for step, _ in due)]) - self.step)

    def restart(self) -> None:
        """Set the time to zero and every state to its start; what was recorded stays, as a segment of its own."""
        self.state, self.step = None, 0
        self.segment += 1
        # inputs and parameters stay, so the network that was built still holds
        for population in self.populations:
            population.recorder.new_segment()

    # -- values as they are now ------------------------------------------------------------------------

    def weights(self, piece: str) -> np.ndarray | None:
        """Return what the synapses of one projection of the network weigh now, or None: as they began."""
        if self.state is None or piece not in self.state.synapses:
            return None
        return self.state.synapses[piece].values["w"][0]


_current: Simulation | None = None


def current() -> Simulation:
    """Return the simulation that `setup` made.

    Raises
    ------
    EngineError : there is none
    """
    if _current is None:
        raise EngineError(explain("spikewright.pynn", "no simulation", cure="call setup() first"))
    return _current


# -- PyNN's functions ----------------------------------------------------------------------------------


def setup(
    timestep: float = 0.1,
    min_delay: float | str = "auto",
    max_delay: float | str = "auto",
    **extra_params: Any,
) -> int:
    """Begin a simulation; one that was there is forgotten.

    Parameters
    ----------
    timestep : ms
    min_delay, max_delay : ms; "auto": a time step, and whatever projections have
    extra_params : `rng_seed` (or `seed`): of what is drawn while it runs; `threads`: at most; `spike_precision`:
        "on_grid", or "off_grid" for exact spike times, whatever the time step (engine 'event'); `engine`: a name of
        `spikewright.engines`. What other simulators take is ignored, with a warning where it is unknown

    Returns
    -------
    0, the rank of this process
    """
    global _current
    unknown = [name for name in extra_params if name not in _IGNORED]
    if unknown:
        warnings.warn(
            f"spikewright.pynn: setup() does not know {', '.join(unknown)}: ignored", stacklevel=2
        )
    seeds = extra_params.get("rng_seeds")
    seed = seeds[0] if seeds is not None and np.size(seeds) else 0
    for name in ("rng_seeds_seed", "rng_seed", "seed"):
        seed = extra_params.get(name, seed)
    precision = extra_params.get("spike_precision", "on_grid")
    if precision not in ("on_grid", "off_grid"):
        raise EngineError(
            explain(
                "setup(spike_precision=)",
                "unknown",
                found=repr(precision),
                expected="'on_grid', 'off_grid'",
            )
        )
    _current = Simulation(
        timestep,
        min_delay,
        max_delay,
        seed=int(seed),
        threads=extra_params.get("threads"),
        engine=extra_params.get("engine", "event" if precision == "off_grid" else "cpu"),
    )
    return 0


def run(simtime: float, callbacks: Any = None) -> float:
    """Advance by `simtime` ms and return the time; see `run_until`."""
    return run_until(current().time + simtime, callbacks)


run_for = run


def run_until(time_point: float, callbacks: Any = None) -> float:
    """Advance until `time_point` ms and return the time.

    Parameters
    ----------
    time_point : ms; the nearest time step is taken
    callbacks : functions of the time that return when they want to be called next

    Raises
    ------
    EngineError : the time lies in the past, or is not a number
    """
    now = current()
    if not np.isfinite(time_point):
        raise EngineError(explain("run", "not a time", found=time_point))
    target = round(time_point / now.dt)
    if target < now.step:
        raise EngineError(
            explain("run", "into the past", found=f"{time_point:g} ms at {now.time:g} ms")
        )
    return now.run_to(target, callbacks or ())


def reset(annotations: Any = None) -> None:
    """Set the time to zero, states and weights to their start, and begin a new segment of recorded data."""
    current().restart()


def end(compatible_output: bool = True) -> None:
    """Write what `record` was told to write to files."""
    now = current()
    writers, now.writers = now.writers, []
    for cells, variables, target in writers:
        cells.write_data(target, variables)


def get_current_time() -> float:
    """Return the time, ms."""
    return current().time


def get_time_step() -> float:
    """Return the time step, ms."""
    return current().dt


def get_min_delay() -> float:
    """Return the shortest delay that is allowed, ms."""
    return current().min_delay


def get_max_delay() -> float:
    """Return the longest delay: what `setup` was told, or the longest that there is, ms."""
    now = current()
    if now.max_delay != "auto":
        return float(now.max_delay)
    return max([now.min_delay, *(p.longest_delay for p in now.projections)])


def num_processes() -> int:
    """Return the number of processes: 1."""
    return 1


def rank() -> int:
    """Return the number of this process: 0."""
    return 0
