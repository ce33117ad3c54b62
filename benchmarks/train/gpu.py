"""Time a training step on a GPU: ours, loops by hand, the products alone, and SpikingJelly with its own kernels.

    python benchmarks/train/gpu.py [a] [b] [c] [--rounds 20] [--only spikewright loop ...]
    python benchmarks/train/gpu.py --tiny          # without a GPU: small networks in Triton's interpreter; no result

One process; every round takes a step of each in turn. Wall time of a step between two waits for the GPU, the median of
all rounds; memory is the most that PyTorch held during a step above what it held before. Products are calculated in
float32 throughout, not in TF32. How far spikes and gradients are from those of the loop by hand is stored: a sum in
another order can move a neuron across its threshold. SpikingJelly is measured where it is installed beside PyTorch for
GPUs; `SJ_LIF_CUDA_IMPLEMENTATION=cuda|triton|torch` chooses its kernels. Writes
`benchmarks/results/train_gpu_<shape>.json`.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import loops  # noqa: E402
import ours  # noqa: E402
import peers  # noqa: E402
from case import Case  # noqa: E402
from harness import RESULTS, machine  # noqa: E402
from shapes import SHAPES, TITLES, Shape  # noqa: E402

LOOP = "loop"
WARM_UP = 3
TINY = {
    "a": {"steps": 6, "batch": 2, "n": 24},
    "b": {"steps": 4, "batch": 2},
    "c": {"steps": 3, "batch": 1},
}


def implementations(shape: str) -> dict[str, Callable[[Shape], Case]]:
    """Return name -> what makes the case of a shape."""
    found: dict[str, Callable[[Shape], Case]] = {"floor": loops.floor, LOOP: loops.loop}
    if shape != "c":
        found["spikewright"] = ours.module
    if shape != "b":
        found["spikewright_layers"] = ours.layers
    if shape == "a":
        found["spikewright_two_traces"] = ours.two_traces
    found["loop_compiled_step"] = loops.loop_compiled_step
    found["spikingjelly"] = peers.spikingjelly
    return found


def wait(device: torch.device) -> None:
    """Return when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def start(name: str, make: Callable[[Shape], Case], shape: Shape, device: torch.device) -> Any:
    """Return a case that has taken its first steps and how long the first took, or why it cannot be measured."""
    begin = time.perf_counter()
    try:
        with torch.device(device):
            case = make(shape)
        case.step()
        wait(device)
        first = time.perf_counter() - begin
        for _ in range(WARM_UP):
            case.step()
        wait(device)
    except Exception as error:  # whatever a library raises where it or its backend is missing
        print(f"  {name}: not measured: {type(error).__name__}: {str(error)[:120]}", flush=True)
        return None
    return case, first


def peak(case: Case, device: torch.device) -> float | None:
    """Return the most memory that a step holds above what is held before it, in MiB."""
    if device.type != "cuda":
        return None
    wait(device)
    torch.cuda.reset_peak_memory_stats(device)
    rest = torch.cuda.memory_allocated(device)
    case.step()
    wait(device)
    return float(torch.cuda.max_memory_allocated(device) - rest) / 2**20


def compared(case: Case, reference: Case) -> dict[str, float]:
    """Return what share of spikes differs from the reference's, and how far gradients are apart."""
    mine, its = (c.spikes(c.step()) != 0 for c in (case, reference))
    gradients = case.gradients()
    distances = [
        float(np.linalg.norm(gradients[w] - g) / np.linalg.norm(g))
        for w, g in reference.gradients().items()
        if w in gradients and np.linalg.norm(g) > 0
    ]
    return {
        "spikes_that_differ": float(np.mean(mine != its)),
        "gradients_differ_by": max(distances, default=0.0),
    }


def run_shape(key: str, options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Measure one shape; return a row per implementation."""
    shape = replace(SHAPES[key], **TINY[key]) if options.tiny else SHAPES[key]
    print(f"({key}) {TITLES[key] if not options.tiny else shape}", flush=True)
    cases: dict[str, Case] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name, make in implementations(key).items():
        if options.only and name not in options.only:
            continue
        made = start(name, make, shape, device)
        if made is not None:
            cases[name], rows[name] = made[0], {"first_s": made[1]}
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(options.rounds):
        for name, case in cases.items():
            wait(device)
            begin = time.perf_counter()
            case.step()
            wait(device)
            times[name].append(time.perf_counter() - begin)
    for name, case in cases.items():
        rows[name] |= {
            "median_ms": statistics.median(times[name]) * 1e3,
            "min_ms": min(times[name]) * 1e3,
            "peak_mib": peak(case, device),
            "rate": None if name == "floor" else float((case.spikes(case.step()) != 0).mean()),
            "times_ms": [round(x * 1e3, 4) for x in times[name]],
        }
        if LOOP in cases and name not in ("floor", "spikewright_two_traces", LOOP):
            rows[name] |= compared(case, cases[LOOP])
    return rows


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print a table, fastest first."""
    for name, row in sorted(rows.items(), key=lambda item: item[1]["median_ms"]):
        memory = "-" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
        text = f"  {name:24} {row['median_ms']:9.3f} ms  {memory:>6} MiB"
        text += "" if row["rate"] is None else f"  rate {row['rate']:.2%}"
        if "gradients_differ_by" in row:
            spikes, gradients = row["spikes_that_differ"], row["gradients_differ_by"]
            text += f"  spikes {spikes:.1e}, gradients {gradients:.0e} from {LOOP}"
        print(text, flush=True)


def where(device: torch.device) -> dict[str, Any]:
    """Return what the numbers depend on beside the code."""
    found = machine() | {"accelerator": torch.cuda.get_device_name(device)}
    found["cuda"] = torch.version.cuda
    for package in ("triton", "spikingjelly"):
        try:
            found["versions"][package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found["versions"][package] = "not installed"
    return found


def main() -> None:
    """Run the chosen shapes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=[], help="names of implementations")
    parser.add_argument("--tiny", action="store_true", help="small, and in the interpreter")
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    unknown = [s for s in options.shapes if s not in SHAPES]
    if unknown:
        parser.error(f"no shape {', '.join(unknown)}; there are {', '.join(SHAPES)}")
    if not options.tiny and not torch.cuda.is_available():
        parser.error("PyTorch finds no GPU; --tiny runs small networks in Triton's interpreter")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        os.environ["SPIKEWRIGHT_INTERPRET"] = "1"
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    for key in options.shapes or SHAPES:
        rows = run_shape(key, options, device)
        show(rows)
        if not options.tiny and not options.dry:
            result = {"shape": SHAPES[key].as_dict(), "machine": where(device), "rows": rows}
            path = RESULTS / f"train_gpu_{key}.json"
            path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            print(f"  -> {path}")


if __name__ == "__main__":
    main()
