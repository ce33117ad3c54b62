"""The floor of one machine: what memory lets a network cost, measured with the access pattern of that network.

Two Numba kernels and nothing else: the rows of randomly chosen neurons are added into a ring of input buffers (a
scatter-add, rows sorted by target, four-byte indices and weights), and leaky neurons are stepped. No generator, no
recording, no spike detection across threads. A network's floor is

    spikes per second * row / (additions per second)  +  updated neurons / dt / (neuron steps per second)

    python floor.py NETWORK [--threads 2] [--rate 15]      NETWORK: one of the table below

`run.py` calls this once per round, beside the simulators. Indices of two bytes and bitmaps go below this floor where a
network allows them.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit

DT = 1e-4  # s
REPEATS, SPIKES = 5, 2000


class Pattern(NamedTuple):
    """What a network does to memory."""

    neurons: int
    row: int  # synapses of one neuron
    delays: int  # input buffers that a row reaches
    updated: int  # neurons that must be stepped: all, but for a lazy engine
    plastic: float = 0.0  # share of the synapses whose weight is read, changed and written
    rate: float = 0.0  # Hz, where none is given


PATTERNS = {
    "brunel": Pattern(10_000, 1000, 1, 10_000, rate=15.0),
    "stdp": Pattern(10_000, 1000, 1, 10_000, plastic=0.64, rate=15.0),
    "coba": Pattern(4000, 80, 1, 4000, rate=19.0),
    "potjans": Pattern(15_435, 775, 64, 15_435, rate=3.0),
    "sparse": Pattern(100_000, 100, 1, 1000, rate=0.45),
}


@njit(nogil=True, fastmath=True)
def deliver(spikes, row, target, weight, ring):
    """Add the rows of `spikes` into `ring`."""
    for spike in spikes:
        for e in range(spike * row, (spike + 1) * row):
            ring[target[e]] += weight[e]


@njit(nogil=True, fastmath=True)
def deliver_plastic(spikes, row, target, weight, ring, trace, a_minus):
    """The same, and depress every weight by the trace of its target."""
    for spike in spikes:
        for e in range(spike * row, (spike + 1) * row):
            t = target[e]
            ring[t] += weight[e]
            weight[e] = max(weight[e] - a_minus * trace[t], np.float32(0.0))


@njit(nogil=True, fastmath=True)
def update(v, refractory, arrived, fired, decay, drive, steps):
    """Step leaky neurons; the number of spikes is returned so that nothing is left out."""
    count = 0
    for _ in range(steps):
        for i in range(v.shape[0]):
            free = refractory[i] == 0
            x = drive + (v[i] - drive) * decay + arrived[i] if free else v[i]
            fires = x >= np.float32(20.0)
            fired[i] = fires
            v[i] = np.float32(10.0) if fires else x
            refractory[i] = 20 if fires else (0 if free else refractory[i] - 1)
            arrived[i] = np.float32(0.0)
        count += fired[0]
    return count


def measure(pattern: Pattern, threads: int, *, seed: int = 1) -> dict[str, float]:
    """Return additions and neuron steps per second and per CPU second: the best of several repeats.

    Each thread owns a part of the targets, with every row's synapses onto them.
    """
    draw = np.random.default_rng(seed)
    n, row = pattern.neurons // threads, pattern.row // threads
    share = round(row * pattern.plastic)
    parts = []
    for _ in range(threads):
        target = draw.integers(0, n * pattern.delays, (pattern.neurons, row), dtype=np.int32)
        target.sort(axis=1)
        weight = np.full(target.size, 0.1, np.float32)
        parts.append((target, weight, np.zeros(n * pattern.delays, np.float32)))
    batches = [draw.integers(0, pattern.neurons, SPIKES) for _ in range(REPEATS + 1)]

    def static(part: int, batch: int) -> None:
        target, weight, ring = parts[part]
        deliver(batches[batch], row, target.ravel(), weight, ring)

    # a plastic row is two arrays: the synapses that change, and the others
    trace = np.full(n * pattern.delays, 0.5, np.float32)
    plastic_parts = [
        (
            np.ascontiguousarray(target[:, :share]).ravel(),
            np.full(pattern.neurons * share, 0.1, np.float32),
            np.ascontiguousarray(target[:, share:]).ravel(),
            np.full(pattern.neurons * (row - share), 0.1, np.float32),
            ring,
        )
        for target, _, ring in parts
        if share
    ]

    def plastic(part: int, batch: int) -> None:
        changing, w, fixed, w_fixed, ring = plastic_parts[part]
        deliver_plastic(batches[batch], share, changing, w, ring, trace, np.float32(1e-4))
        deliver(batches[batch], row - share, fixed, w_fixed, ring)

    seconds = _best(plastic if share else static, threads)
    updated = pattern.updated // threads
    steps = max(1, 20_000_000 // max(updated, 1))
    states = [
        (
            np.full(updated, 1.0, np.float32),
            np.zeros(updated, np.int16),
            np.zeros(updated, np.float32),
            np.zeros(updated, np.uint8),
        )
        for _ in range(threads)
    ]

    def advance(part: int, _: int) -> None:
        update(*states[part], np.float32(0.995), np.float32(24.0), steps)

    update_seconds = _best(advance, threads)
    additions, neuron_steps = SPIKES * row * threads, updated * threads * steps
    return {
        "additions_per_s": additions / seconds[0],
        "neuron_steps_per_s": neuron_steps / update_seconds[0],
        "additions_per_cpu_s": additions / seconds[1],
        "neuron_steps_per_cpu_s": neuron_steps / update_seconds[1],
    }


def factor(pattern: Pattern, speed: dict[str, float], rate: float, *, per: str) -> float:
    """Return the seconds that one biological second costs at least, at a mean rate of all neurons (Hz).

    `per` is `s` for wall seconds, or `cpu_s`.
    """
    events = rate * pattern.neurons * pattern.row
    steps = pattern.updated / DT
    return events / speed[f"additions_per_{per}"] + steps / speed[f"neuron_steps_per_{per}"]


def _best(work: Callable[[int, int], None], threads: int) -> tuple[float, float]:
    """Return the shortest wall and CPU time of `work(part, batch)` on all parts at once; the first batch compiles."""
    wall, cpu = [], []
    for batch in range(REPEATS + 1):
        others = [threading.Thread(target=work, args=(i, batch)) for i in range(1, threads)]
        begin, cpu_begin = time.perf_counter(), time.process_time()
        for thread in others:
            thread.start()
        work(0, batch)
        for thread in others:
            thread.join()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - cpu_begin)
    return min(wall[1:]), min(cpu[1:])


def main() -> None:
    """Measure one pattern and print one line for `run.py`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", choices=list(PATTERNS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.0, help="mean over all neurons, Hz")
    options = parser.parse_args()
    pattern = PATTERNS[options.network]
    rate = options.rate or pattern.rate
    speed = measure(pattern, options.threads)
    result = {
        "network": options.network,
        "simulator": "floor",
        "threads": options.threads,
        "rate_hz": rate,
        "real_time_factor": round(factor(pattern, speed, rate, per="s"), 5),
        "cpu_factor": round(factor(pattern, speed, rate, per="cpu_s"), 5),
        "load": os.getloadavg()[0],
    }
    result |= {name: round(value) for name, value in speed.items()}
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
