"""Loihi's integer neurons, bit for bit: our engine beside lava-nc and beside the same steps in NumPy.

    [SPIKEWRIGHT_PEERS=FOLDER] python benchmarks/chips/loihi.py [--quick]

One population of `LoihiLIF`, dense recurrent weights of 8 bits and both signs, no input: its biases set how many fire,
here about 1, 5 and 15 % of the neurons in a step.
Every network is first compared, u, v and spikes, with the reference engine and with the NumPy steps, and its state with
lava's where `FOLDER/lava` holds lava-nc 0.10 (Python 3.10). Then rounds visit all in turn. Ours and NumPy are CPU
seconds of one thread; lava's processes wait for each other, so that its wall and its CPU time both stand in the result.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import Prepared, prepare, run
from spikewright.network import Dense, Network, Population, Projection
from spikewright.substrates.loihi.model import LoihiLIF, stored

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import RESULTS, machine  # noqa: E402

DU, DV, VTH = 1024, 64, 20000
"""Time constants of 4 and 64 steps; the threshold's mantissa."""
SPREAD = 24.0
"""Standard deviation of the weights, which 8 bits and a sign then hold."""
LEVELS = {1: 390, 5: 1400, 15: 4060}
"""Per cent of the neurons that fire in a step, about -> the largest mantissa of a bias; spread evenly from 0 on."""
BIAS_EXPONENT = 7
STEPS = {1000: 20000, 4000: 2000}
CHECKED = {1000: 300, 4000: 60}
STORED = {1000: 1557.0, 4000: 54.0}
"""Steps per second of lava-nc 0.10 that were measured before on such a machine, idle."""
BATCH = 16


class Case:
    """One network: `n` neurons of which about `level` per cent fire in a step."""

    def __init__(self, n: int, level: int) -> None:
        draw = np.random.default_rng([n, level])
        self.n, self.level = n, level
        weight = np.rint(draw.normal(0.0, SPREAD, (n, n)))
        self.weight: NDArray[np.int64] = np.clip(weight, -256, 255).astype(np.int64)
        self.bias: NDArray[np.int64] = draw.integers(0, LEVELS[level] + 1, n)
        params = {"du": DU, "dv": DV, "v_th": VTH << 6, "bias": self.bias << BIAS_EXPONENT}
        self.network = Network(
            dt=1e-3,
            populations={"p": Population(LoihiLIF, n, params)},
            projections={"p->p": Projection("p", "p", Dense(stored(self.weight)), port="a")},
            name=f"{n} recurrent, {level} %",
        )


class InNumpy:
    """The same steps in NumPy; of the weights, those of the neurons that fired are summed."""

    def __init__(self, case: Case) -> None:
        self.weight = np.ascontiguousarray(stored(case.weight).T, np.int32)
        self.bias = (case.bias << BIAS_EXPONENT).astype(np.int32)
        self.u = np.zeros(case.n, np.int32)
        self.v = np.zeros(case.n, np.int32)
        self.arriving = np.zeros(case.n, np.int32)

    def step(self) -> NDArray[np.bool_]:
        """Advance a step; return who fires."""
        half = 1 << 23
        u = _decayed(self.u, 4095 - DU) + (self.arriving << 6)
        u = np.where(u > half, u - 2 * half, u)
        self.u = np.where(u <= -half, u + 2 * half, u).astype(np.int32)
        v = _decayed(self.v, 4096 - DV) + self.u + self.bias
        self.v = np.clip(v, 1 - half, half - 1).astype(np.int32)
        fired: NDArray[np.bool_] = self.v > (VTH << 6)
        self.v[fired] = 0
        self.arriving = self.weight[fired].sum(axis=0, dtype=np.int32)
        return fired


def _decayed(x: NDArray[np.int32], keep: int) -> NDArray[np.int64]:
    kept: NDArray[np.int64] = np.sign(x) * ((np.abs(x).astype(np.int64) * keep) >> 12)
    return kept


class Lava:
    """lava-nc in its environment, if there is one."""

    def __init__(self) -> None:
        root = os.environ.get("SPIKEWRIGHT_PEERS")
        self.python = Path(root).resolve() / "lava" / "bin" / "python" if root else None
        if self.python is not None and not self.python.exists():
            self.python = None

    def run(self, case: Case, steps: int, rounds: int) -> dict[str, Any]:
        """Return what `peers/loihi_lava.py` prints."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.npz"
            given = {"du": DU, "dv": DV, "vth": VTH, "bias_exp": BIAS_EXPONENT}
            np.savez(path, weight=case.weight, bias=case.bias, **given)
            script = HERE.parent / "peers" / "loihi_lava.py"
            words = [str(path), str(CHECKED[case.n]), str(steps), str(rounds)]
            done = subprocess.run(
                [str(self.python), str(script), *words],
                capture_output=True,
                text=True,
                timeout=900,
                check=True,
            )
        line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
        found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
        return found


def check(case: Case, ready: Prepared) -> dict[str, Any]:
    """Compare the first steps with the reference engine and NumPy, bit for bit; return the last state."""
    steps = CHECKED[case.n]
    ours = run(ready, steps=steps, record={"p": ["u", "v"]})
    reference = run(case.network, steps=steps, record={"p": ["u", "v"]}, engine="reference")
    plain = InNumpy(case)
    spikes = ours.dense("p")[:, 0] != 0
    for name in ("u", "v"):
        if not np.array_equal(ours.trace("p", name), reference.trace("p", name)):
            raise SystemExit(f"{case.network.name}: {name} differs from the reference engine")
    for k in range(steps):
        fired = plain.step()
        same = np.array_equal(fired, spikes[k])
        for name, value in (("u", plain.u), ("v", plain.v)):
            same = same and np.array_equal(ours.trace("p", name)[k, 0], value)
        if not same:
            raise SystemExit(f"{case.network.name}: step {k} differs from NumPy")
    return {name: ours.trace("p", name)[-1, 0] for name in ("u", "v")}


def measure(case: Case, lava: Lava, rounds: int, share: float) -> dict[str, Any]:
    """Return one row of the table."""
    ready = prepare(case.network, threads=1)
    last = check(case, ready)
    steps = max(50, int(STEPS[case.n] * share))
    found: dict[str, list[float]] = {"ours": [], "numpy": [], "batch": []}
    peer: dict[str, Any] = {"wall_s": [], "cpu_s": []}
    rate = 0.0
    many = prepare(case.network, threads=1, batch=BATCH)
    few = max(20, steps // BATCH)
    fewer = max(20, steps // 40)
    for _ in range(rounds):
        begin = time.process_time()
        recording = run(ready, steps=steps, spikes=[])
        found["ours"].append((time.process_time() - begin) / steps)
        rate = float(recording.sent["p"].sum()) / case.n / steps
        begin = time.process_time()
        run(many, steps=few, batch=BATCH, spikes=[])
        found["batch"].append((time.process_time() - begin) / (few * BATCH))
        plain = InNumpy(case)
        begin = time.process_time()
        for _ in range(fewer):
            plain.step()
        found["numpy"].append((time.process_time() - begin) / fewer)
        if lava.python is not None:
            answer = lava.run(case, max(20, steps // 40), 3)
            for name in ("u", "v"):
                if not np.array_equal(answer[name], last[name]):
                    raise SystemExit(f"{case.network.name}: {name} differs from lava")
            peer["wall_s"] += answer["wall_s"]
            peer["cpu_s"] += answer["cpu_s"]
            peer |= {k: answer[k] for k in ("version", "python")}
    row: dict[str, Any] = {
        "neurons": case.n,
        "level_percent": case.level,
        "fire_in_a_step": rate,
        "steps": steps,
        "rounds": rounds,
        "steps_per_s": {name: 1 / min(times) for name, times in found.items()},
        "median_steps_per_s": {name: 1 / statistics.median(times) for name, times in found.items()},
        "lava_steps_per_s_stored": STORED[case.n],
        "ratio_to_lava_stored": 1 / min(found["ours"]) / STORED[case.n],
    }
    if peer["wall_s"]:
        row["lava"] = {
            "version": peer["version"],
            "python": peer["python"],
            "steps_per_wall_s": 1 / min(peer["wall_s"]),
            "steps_per_cpu_s": 1 / min(peer["cpu_s"]),
        }
        row["ratio_to_lava_here"] = min(peer["wall_s"]) / min(found["ours"])
    return row


def main(words: list[str]) -> None:
    """Measure all networks; print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the steps, one round")
    given = parser.parse_args(words)
    lava, rows = Lava(), []
    before = machine()
    for n in STEPS:
        for level in LEVELS:
            case = Case(n, level)
            row = measure(case, lava, 1 if given.quick else 5, 0.1 if given.quick else 1.0)
            rows.append(row)
            speed = row["steps_per_s"]
            text = (
                f"{n} neurons, {100 * row['fire_in_a_step']:.1f} % fire: {speed['ours']:,.0f} steps/s, "
                f"batch {speed['batch']:,.0f}, NumPy {speed['numpy']:,.0f}; "
                f"{row['ratio_to_lava_stored']:.0f} x lava stored"
            )
            if "lava" in row:
                here = row["lava"]["steps_per_wall_s"]
                text += f", {row['ratio_to_lava_here']:.0f} x lava here ({here:,.0f} steps/s)"
            print(text, flush=True)
    if given.quick:
        return
    result = {"name": "chips_loihi", "note": __doc__, "machine": before, "rows": rows}
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2) + "\n"
    (RESULTS / "chips_loihi.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
