"""Packets between cores after partitioning, ours beside Mt-KaHyPar and METIS; time and memory of mapping a large net.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/chips/mapping.py [--seeds 5] [--only NAME ...] [--quick]

`FOLDER/mapping` is an environment with `mtkahypar` 1.7.post1, `pymetis` 2025.2.2 and NumPy; without it ours runs alone.
Every run is a process of its own, one thread, CPU seconds of the partitioning alone and peak memory of the process;
KM1 of all is computed by us, from the parts. Capacity is a limit: a row that exceeds it says so.

Networks of 2000 neurons on 40 cores, rates drawn from a gamma distribution (shape 2, mean 10 Hz), neurons shuffled:
`strong` 44 clusters, 40 synapses a neuron, 80 % of them drawn inside the cluster, the others anywhere; `weak` 50
clusters, 60 synapses, 60 % inside; `dense` 44 clusters in which every pair is connected with chance 1/2, and 4 synapses
anywhere; each with 51 neurons a core at most (spare room of 2 %), and `strong` with 50 (none).

Networks of 10^5 neurons with 100 synapses each, 100 cores of 1024 neurons at most, on a mesh of 10 x 10: `distance` on
a torus of 316 x 316 places, shuffled, 95 % of the targets at a Gaussian distance of 2 % of its side along each axis,
5 % anywhere; `random` anywhere. All of mapping is timed for them, and the peers (that can) partition `distance`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from spikewright.substrates.passes.hypergraph import Hypergraph, connectivity, edge_cut

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import RESULTS, machine  # noqa: E402

PEERS = ("mtkahypar", "pymetis")
LIMIT = 1200  # s, of one run
SMALL = {
    "strong": (44, 40, 0.8, 51),
    "weak": (50, 60, 0.6, 51),
    "dense": (44, 0, 0.0, 51),
    "strong, full": (44, 40, 0.8, 50),
}
"""Name -> clusters, synapses of a neuron, share inside, neurons of a core."""
LARGE = ("distance", "random")
TARGETS = {"km1_over_mtkahypar": 1.03, "cpu_s": 60.0, "peak_mib": 4096.0}


def small(name: str) -> Hypergraph:
    """Return a network of 2000 neurons."""
    clusters, fan, inside, _ = SMALL[name]
    n, draw = 2000, np.random.default_rng(1)
    of = draw.permutation(np.arange(n) % clusters)
    members = [np.flatnonzero(of == c) for c in range(clusters)]
    rows = []
    for v in range(n):
        own = members[of[v]]
        if fan:
            near = draw.choice(own, min(draw.binomial(fan, inside), len(own)), replace=False)
            far = draw.integers(0, n, fan - len(near))
        else:
            near, far = own[draw.random(len(own)) < 0.5], draw.integers(0, n, 4)
        rows.append(np.unique(np.concatenate([near, far])))
    start = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return Hypergraph.from_synapses(start, np.concatenate(rows), n, draw.gamma(2.0, 5.0, n))


def large(name: str) -> dict[str, Any]:
    """Return the synapses of a network of 10^5 neurons."""
    draw = np.random.default_rng(1)
    fan, side = 100, 316
    n = side * side if name == "distance" else 100_000
    if name == "distance":
        at = draw.permutation(n)  # place -> neuron
        place = np.argsort(at)
        step = np.rint(draw.normal(0.0, 0.02 * side, (2, n, fan))).astype(np.int64)
        x, y = (place % side)[:, None] + step[0], (place // side)[:, None] + step[1]
        target = at[(y % side) * side + x % side].astype(np.int32)
        far = draw.random((n, fan)) < 0.05
        target[far] = draw.integers(0, n, int(far.sum()))
    else:
        target = draw.integers(0, n, (n, fan)).astype(np.int32)
    rates = draw.gamma(2.0, 5.0, n)
    return {"synapses": np.arange(n + 1) * fan, "target": target.ravel(), "n": n, "weight": rates}


def python_of(who: str) -> Path | None:
    """Return the interpreter of a partitioner, or None where there is no environment."""
    if who not in PEERS:
        return Path(sys.executable)
    root = os.environ.get("SPIKEWRIGHT_PEERS")
    found = Path(root or "").resolve() / "mapping" / "bin" / "python"
    return found if root and found.exists() else None


def asked(who: str, task: Path, **options: Any) -> dict[str, Any] | None:
    """Run a partitioner in a process of its own; None where it is not installed."""
    python = python_of(who)
    if python is None:
        return None
    variables = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        variables[name] = "1"
    if who in PEERS:
        variables.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.npz"
        words = [str(python), "mapping_worker.py", who, str(task), str(result), json.dumps(options)]
        try:
            done = subprocess.run(
                words, cwd=HERE, env=variables, capture_output=True, text=True, timeout=LIMIT
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"more than {LIMIT} s"}
        if done.returncode:
            return {"failed": done.stderr.strip()[-200:] or f"ended with {done.returncode}"}
        with np.load(result) as stored:
            return {name: stored[name] for name in stored.files}


def row_of(graph: Hypergraph, found: list[dict[str, Any]], capacity: int) -> dict[str, Any]:
    """Return what several runs of one partitioner gave."""
    failed = [f["failed"] for f in found if "failed" in f]
    if failed:
        return {"failed": failed[0]}
    parts = [f["part"] for f in found]
    cost = [connectivity(graph, p) for p in parts]
    largest = max(int(np.bincount(p).max()) for p in parts)
    row = {
        "km1_mean": statistics.mean(cost),
        "km1_best": min(cost),
        "edge_cut_mean": statistics.mean(edge_cut(graph, p) for p in parts),
        "largest_core": largest,
        "within_capacity": largest <= capacity,
        "runs": len(parts),
    }
    if "cpu" in found[0]:
        row |= {
            "cpu_s_median": statistics.median(float(f["cpu"]) for f in found),
            "cpu_s_fastest": min(float(f["cpu"]) for f in found),
            "peak_mib": max(float(f["peak"]) for f in found),
        }
    return row


def compared(
    graph: Hypergraph, k: int, capacity: int, seeds: int, peers: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return the rows of one hypergraph; runs of all are interleaved."""
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.npz"
        arrays = {name: getattr(graph, name) for name in ("start", "pins", "weight", "owner", "n")}
        np.savez(task, **arrays)
        for seed in range(seeds):
            for name, options in {"ours": {"who": "ours"}, **peers}.items():
                answer = asked(task=task, k=k, capacity=capacity, seed=seed, **options)
                if answer is not None:
                    found.setdefault(name, []).append(answer)
    draw = np.random.default_rng(0)
    order = np.arange(graph.n) * k // graph.n
    found["in order"] = [{"part": order}]
    found["random"] = [{"part": draw.permutation(order)} for _ in range(seeds)]
    rows = {name: row_of(graph, runs, capacity) for name, runs in found.items()}
    for row in rows.values():
        if "km1_mean" in row and "km1_mean" in rows["ours"]:
            row["ours_over_this"] = rows["ours"]["km1_mean"] / row["km1_mean"]
    return rows


def show(name: str, rows: dict[str, Any]) -> None:
    """Print one table."""
    print(f"\n{name}\n  {'':18} {'KM1':>12} {'best':>12} {'ours/this':>9} {'CPU s':>8} {'MiB':>7}")
    for who, row in rows.items():
        if "failed" in row:
            print(f"  {who:18} {row['failed'][:90]}")
            continue
        cpu = f"{row['cpu_s_median']:8.2f}" if "cpu_s_median" in row else " " * 8
        peak = f"{row['peak_mib']:7.0f}" if "peak_mib" in row else " " * 7
        over = "" if row["within_capacity"] else f"  exceeds the capacity: {row['largest_core']}"
        print(
            f"  {who:18} {row['km1_mean']:12.0f} {row['km1_best']:12.0f}"
            f" {row['ours_over_this']:9.3f} {cpu} {peak}{over}"
        )
    sys.stdout.flush()


def mapped(name: str) -> tuple[dict[str, Any], Hypergraph]:
    """Map a large network to the end; return what it took, and its hypergraph."""
    task = large(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        np.savez(path, **task)
        found = asked("whole", path, k=100, capacity=1024, seed=0)
    graph = Hypergraph.from_synapses(task["synapses"], task["target"], task["n"], task["weight"])
    if found is None or "failed" in found:
        raise SystemExit(f"{name}: {found}")
    row = row_of(graph, [found], 1024) | {
        "synapses": len(task["target"]),
        "steps_cpu_s": json.loads(str(found["steps"])),
        "km1_in_order": connectivity(graph, np.arange(graph.n) * 100 // graph.n),
    }
    for key in ("hop_packets", "hop_packets_in_order", "unicast_hops", "heaviest_link"):
        row[key] = float(found[key])
    return row, graph


def main(words: list[str]) -> None:
    """Measure; print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[*SMALL, *LARGE])
    parser.add_argument("--quick", action="store_true", help="one seed, small, nothing written")
    given = parser.parse_args(words)
    before, results = machine(), {}
    peers = {
        "mtkahypar QUALITY": {"who": "mtkahypar", "preset": "QUALITY"},
        "mtkahypar DEFAULT": {"who": "mtkahypar", "preset": "DEFAULT"},
        "pymetis": {"who": "pymetis"},
    }
    seeds = 1 if given.quick else given.seeds
    for name in (n for n in given.only if n in SMALL):
        capacity = SMALL[name][3]
        rows = compared(small(name), 40, capacity, seeds, peers)
        show(f"{name}: 2000 neurons, 40 cores of {capacity}", rows)
        results[name] = rows
    for name in (n for n in given.only if n in LARGE and not given.quick):
        row, graph = mapped(name)
        steps = ", ".join(f"{k} {v:.1f}" for k, v in row["steps_cpu_s"].items())
        print(
            f"\n{name}: {graph.n} neurons, {row['synapses']} synapses, mapped in"
            f" {row['cpu_s_median']:.1f} s ({steps}), {row['peak_mib']:.0f} MiB; KM1 {row['km1_mean']:.4g}"
            f" (in order {row['km1_in_order']:.4g}), multicast hops {row['hop_packets']:.4g}"
            f" (placed in order {row['hop_packets_in_order']:.4g})"
        )
        results[name] = {"whole": row}
        if name == "distance":
            large_peers = {k: v for k, v in peers.items() if k != "mtkahypar QUALITY"}
            rows = compared(graph, 100, 1024, 1, large_peers)
            show(f"{name}: partitioning alone", rows)
            results[name] |= rows
    if given.quick:
        return
    result = {
        "name": "chips_mapping",
        "note": __doc__,
        "machine": before,
        "targets": TARGETS,
        "results": results,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "chips_mapping.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
