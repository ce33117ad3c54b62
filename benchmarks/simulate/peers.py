"""What every network script does alike with a peer: start it, build it, run it.

A peer is imported inside a function: each environment holds one of them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import WARM_UP, Run

MS = 1e3  # NEST, ANNarchy and GeNN count in ms


def start_nest(run: Run, dt: float) -> Any:
    """Return the module, set up: its messages off, resolution `dt` (s), threads and seed."""
    import nest

    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.set(resolution=dt * MS, local_num_threads=run.threads, rng_seed=run.seed)
    run.lap("import")
    return nest


def simulate_nest(run: Run, nest: Any) -> int:
    """Warm up, measure, and return the number of spikes in the measured time."""
    run.lap("build")
    nest.Simulate(WARM_UP * MS)
    run.lap("warm_up")
    nest.Simulate(run.seconds * MS)
    run.lap("simulate")
    # the counter is that of the last call of Simulate
    return int(nest.local_spike_counter)


def start_brian2(run: Run, dt: float, *, standalone: bool) -> Any:
    """Return the module, set up for Cython, or for a C++ program of its own."""
    import brian2

    if standalone:
        brian2.set_device("cpp_standalone", build_on_run=False)
        brian2.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
        brian2.prefs.codegen.cpp.headers += ["<chrono>"]
        if run.threads > 1:
            brian2.prefs.devices.cpp_standalone.openmp_threads = run.threads
    else:
        brian2.prefs.codegen.target = "cython"
    brian2.seed(run.seed)
    brian2.defaultclock.dt = dt * brian2.second
    run.lap("import")
    return brian2


def simulate_brian2(
    run: Run,
    brian2: Any,
    objects: list[Any],
    *,
    standalone: bool,
    read: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run; the last object is the spike monitor. Return what `Run.report` wants: spikes, seconds, version.

    A standalone program cannot be measured in parts: it has no warm-up, and its loop is timed inside it.
    `read` is called behind the run, while the program's results are there.
    """
    network, monitor = brian2.Network(*objects), objects[-1]
    run.lap("build")
    cpu_seconds = None
    if standalone:
        # its own `_last_run_time` is CPU time with one thread, and wall time with more: both are taken here
        brian2.device.insert_code(
            "before_network_run",
            "const auto cpu_begin = std::clock();\n"
            "const auto wall_begin = std::chrono::steady_clock::now();",
        )
        brian2.device.insert_code(
            "after_network_run",
            "const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - wall_begin;\n"
            'std::ofstream("run_seconds") << wall.count() << " "\n'
            "    << double(std::clock() - cpu_begin) / CLOCKS_PER_SEC;",
        )
        network.run(run.seconds * brian2.second)
        with tempfile.TemporaryDirectory() as folder:
            brian2.device.build(directory=folder, run=False, compile=True)
            run.lap("build_compile")
            brian2.device.run(with_output=False)
            run.lap("simulate")
            seconds, cpu_seconds = map(float, (Path(folder) / "run_seconds").read_text().split())
            spikes = int(monitor.num_spikes)
            read()
    else:
        network.run(WARM_UP * brian2.second)  # the first run compiles
        run.lap("build_compile")
        before = int(monitor.num_spikes)
        network.run(run.seconds * brian2.second)
        run.lap("simulate")
        spikes, seconds = int(monitor.num_spikes) - before, None
        read()
    return {
        "spikes": spikes,
        "simulate_s": seconds,
        "simulate_cpu_s": cpu_seconds,
        "version": brian2.__version__,
    }


def start_annarchy(run: Run, dt: float) -> tuple[Any, Any]:
    """Return the module and an empty network."""
    import ANNarchy

    network = ANNarchy.Network(dt=dt * MS, seed=run.seed)
    network.config(num_threads=run.threads, verbose=False)
    run.lap("import")
    return ANNarchy, network


def simulate_annarchy(run: Run, network: Any, monitor: Any) -> int:
    """Compile, warm up, measure, and return the number of spikes in the measured time."""
    run.lap("build")
    network.compile(directory=tempfile.mkdtemp())
    run.lap("build_compile")
    network.simulate(WARM_UP * MS)
    monitor.get("spike")
    run.lap("warm_up")
    network.simulate(run.seconds * MS)
    run.lap("simulate")
    times, _ = monitor.raster_plot(monitor.get("spike"))
    return len(times)


def start_genn(run: Run, name: str, dt: float) -> tuple[Any, Any]:
    """Return the module and an empty model for one CPU thread; its files go to a temporary folder."""
    import pygenn

    os.chdir(tempfile.mkdtemp())
    model = pygenn.GeNNModel("float", name, backend="single_threaded_cpu")
    model.dt, model.seed = dt * MS, run.seed
    run.lap("import")
    return pygenn, model


def simulate_genn(run: Run, model: Any, populations: list[Any]) -> int:
    """Build, warm up, measure, and return the number of spikes in the measured time."""
    for population in populations:
        population.spike_recording_enabled = True
    run.lap("build")
    model.build()
    run.lap("build_compile")
    steps = round(run.seconds * MS / model.dt)
    model.load(num_recording_timesteps=steps)
    run.lap("build_load")
    while model.timestep < round(WARM_UP * MS / model.dt):
        model.step_time()
    run.lap("warm_up")
    for _ in range(steps):
        model.step_time()
    run.lap("simulate")
    model.pull_recording_buffers_from_device()
    return sum(len(population.spike_recording_data[0][0]) for population in populations)
