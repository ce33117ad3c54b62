"""Memory and time of one gradient of a long run: all steps at once, recomputed in segments, truncated.

    python benchmarks/train/long_runs.py [--steps 250 1000 4000]

The network is 700-256-256-20, both hidden populations recurrent, 32 samples, input density 3 %, one thread. Every case
is run twice, in processes of their own. One gives memory: the most that it held above what it held before, its kernels
being there. In it, what is freed is given back at once, since what an allocator keeps for later is not needed; that
costs time. So the other one gives CPU time, the least of three. Linux only: reads /proc.

Writes `benchmarks/results/long_runs.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SAMPLES, DENSITY = 32, 0.03
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
CASES = ("backpropagation", "recomputed", "truncated 100, joined", "truncated 100, each")


def case(name: str, steps: int) -> dict[str, float]:
    """Measure one case in this process."""
    import torch

    from spikewright.network import LIF
    from spikewright.network.chain import chain, dense, neurons, source
    from spikewright.train import (
        Backpropagation,
        CountCrossEntropy,
        Module,
        Recomputed,
        SegmentLoss,
        Truncated,
    )
    from spikewright.train.gradient import Batch

    torch.set_num_threads(1)
    gradients = (
        Backpropagation(), Recomputed(), Truncated(100), Truncated(100, SegmentLoss.EACH),
    )  # fmt: skip
    gradient = dict(zip(CASES, gradients, strict=True))[name]
    network = chain(
        source(700), dense(256, recurrent=True), neurons(LIF), dense(256, recurrent=True), neurons(LIF),
        dense(20), neurons(LIF), dt=1e-3, seed=1,
    )  # fmt: skip
    module = Module(network)
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(SAMPLES) % 20

    def batch(steps: int) -> Batch:
        inputs = (torch.rand((steps, SAMPLES, 700), generator=generator) < DENSITY).float()
        return Batch(module, inputs, labels, CountCrossEntropy())

    gradient.learn(batch(20))
    long = batch(steps)
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far, see proc(5)
    before = kibibytes("VmRSS")
    seconds = []
    for _ in range(3):
        module.zero_grad()
        begin = time.process_time()
        gradient.learn(long)
        seconds.append(time.process_time() - begin)
    return {"MiB": (kibibytes("VmHWM") - before) / 1024, "cpu_s": min(seconds)}


def kibibytes(name: str) -> int:
    """Return what the kernel says of this process's memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    """Run every case and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, nargs="+", default=[250, 1000, 4000])
    parser.add_argument("--case", choices=CASES)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(case(asked.case, asked.steps[0])))
        return
    from harness import RESULTS, machine

    rows = []
    for steps in asked.steps:
        for name in CASES:
            memory, seconds = (
                json.loads(
                    subprocess.run(
                        [sys.executable, __file__, "--case", name, "--steps", str(steps)],
                        env=os.environ | changes, capture_output=True, text=True, check=True,
                    ).stdout.splitlines()[-1]
                )
                for changes in (AT_ONCE, {})
            )  # fmt: skip
            rows.append(
                {"steps": steps, "case": name, "MiB": memory["MiB"], "cpu_s": seconds["cpu_s"]}
            )
            print("{steps:6d}  {case:<24} {MiB:8.1f} MiB  {cpu_s:8.3f} s".format(**rows[-1]))
    result = {"name": "long_runs", "machine": machine(), "rows": rows}
    text = json.dumps(result, indent=2) + "\n"
    (RESULTS / "long_runs.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
