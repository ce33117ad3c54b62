"""A recurrent population on lava-nc's fixed-point CPU models, timed. Asked by `benchmarks/chips/loihi.py`.

    $SPIKEWRIGHT_PEERS/lava/bin/python benchmarks/peers/loihi_lava.py NETWORK.npz CHECKED STEPS ROUNDS

The network is run for CHECKED steps, and its currents and voltages are kept; then ROUNDS times for STEPS steps, each
timed. Prints `RESULT {...}`. lava runs every process of a network in a process of the system, so that CPU time is that
of all of them.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import numpy as np


def main(path: str, checked: int, steps: int, rounds: int) -> None:
    """Build, check, time, print."""
    from importlib.metadata import version

    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.lif.process import LIF

    with np.load(path) as given:
        z = {name: given[name] for name in given.files}
    lif = LIF(
        shape=(len(z["weight"]),),
        du=int(z["du"]),
        dv=int(z["dv"]),
        vth=int(z["vth"]),
        bias_mant=z["bias"],
        bias_exp=int(z["bias_exp"]),
    )
    dense = Dense(weights=z["weight"])
    lif.s_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    lif.run(condition=RunSteps(num_steps=checked), run_cfg=config)
    u, v = lif.u.get(), lif.v.get()
    wall, cpu = [], []
    for _ in range(rounds):
        begin, used = time.perf_counter(), _cpu_seconds()
        lif.run(condition=RunSteps(num_steps=steps), run_cfg=config)
        wall.append((time.perf_counter() - begin) / steps)
        cpu.append((_cpu_seconds() - used) / steps)
    lif.stop()
    result = {
        "version": version("lava-nc"),
        "python": sys.version.split()[0],
        "wall_s": wall,
        "cpu_s": cpu,
        "u": np.asarray(u).astype(int).tolist(),
        "v": np.asarray(v).astype(int).tolist(),
    }
    print("RESULT " + json.dumps(result), flush=True)


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it started, as Linux counts it."""
    tick = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in (os.getpid(), *(child.pid for child in multiprocessing.active_children())):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / tick
    return total


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:5]))
