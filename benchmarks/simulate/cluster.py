"""The cluster engine: one result on any number of ranks, time and memory of each, and what 10^9 neurons would take.

    python benchmarks/simulate/cluster.py [--parts identity alone memory exchange] [--seconds 0.5] [--repeat 3]

Writes `results/simulate_cluster.json` (a part that is not named is kept) and `results/simulate_cluster.svg`.

`identity`: 1, 2 and 4 processes under `mpiexec`, against the engine "cpu": a digest of all spikes, seconds, memory.
`alone`: what a rank computes, without a word about waiting. The ranks run side by side as threads of one process, what
each hears is kept, and then rank 0 runs again by itself and hears the same; CPU seconds of its thread. So a machine
with two busy cores measures sixteen ranks.
`memory`: bytes of a neuron of one's own and of one of another rank, and what a spike costs that is heard;
`exchange`: a round between two processes.

Extrapolated is by the costs fitted to `alone`, for a network and an interconnect that are stated in the result.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brunel
import numpy as np
import potjans
from numba import njit

import spikewright as sw
from spikewright.engines import get
from spikewright.engines.cluster import Cluster
from spikewright.engines.cluster import exchange as unpacking
from spikewright.engines.cluster.ranks import HEAD, Ranks
from spikewright.engines.cluster.shared import Shared, meet
from spikewright.testing.ranks import on_ranks

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness import RESULTS, machine  # noqa: E402

WARM_UP = 200  # steps
NETWORKS = {
    "brunel": lambda: brunel.balanced(brunel.size(1.0), drive="poisson", seed=1),
    "potjans_0.1": lambda: potjans.microcircuit(potjans.circuit(0.1, "poisson"), 1),
    "potjans_0.3": lambda: potjans.microcircuit(potjans.circuit(0.3, "poisson"), 1),
}
SMALL = {
    "brunel": lambda: brunel.balanced(brunel.size(0.1), drive="poisson", seed=1),
    "potjans": lambda: potjans.microcircuit(potjans.circuit(0.02, "poisson"), 1),
}
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""What is freed goes back to the system at once, so that what a process has is what it uses."""
RANKS = (1, 2, 4)
MANY = (1, 2, 4, 8, 16)

# What is assumed, not measured, for the extrapolation
BRAIN: dict[str, float] = {
    "neurons": 1e9,
    "synapses_per_neuron": 1e3,
    "rate_hz": 5.0,
    "dt": 1e-4,
    "shortest_delay": 1.5e-3,
    "projections_of_a_neuron": 2,
}
NETWORK: dict[str, float] = {"latency_s": 2e-6, "bytes_per_s": 12.5e9}
SIZES = (100, 1000, 10_000, 100_000)


def weak(ranks: int, inputs: int = 1000, eta: float = brunel.ETA) -> sw.Network:
    """Return Brunel's network with 10,000 neurons a rank, and as many inputs a neuron at every size.

    `eta` below 1: its neurons are driven, and almost none fires.
    """
    n = brunel.Size(8000 * ranks, 2000 * ranks, 4 * inputs // 5, inputs // 5)
    return brunel.balanced(n, drive="poisson", seed=1, eta=eta)


# -- identity: processes ------------------------------------------------------------------------------------


def memory(what: str = "VmRSS") -> float:
    """Return the resident bytes of this process; "VmHWM": the most since `forget`."""
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * float(next(x for x in status if x.startswith(f"{what}:")).split()[1])


def forget() -> None:
    """Let the most resident bytes begin anew."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def process(name: str, engine: str, seconds: float) -> None:
    """Run one network in this process, and print what it found."""
    network = NETWORKS[name]()
    runner = get(engine)
    # kernels are loaded before memory is looked at
    runner.run(SMALL[name.split("_")[0]](), steps=3, precision="single", threads=1)
    forget()
    base, began = memory(), time.perf_counter()
    options: dict[str, Any] = {"precision": "single", "seed": 1}
    prepared = runner.prepare(network, precision="single", threads=1)
    built, building = time.perf_counter() - began, memory("VmHWM") - base
    forget()
    # every rank keeps what is its own; then, as by default, rank 0 gathers all of it
    if isinstance(runner, Cluster):
        runner.gather = False
    runner.run(prepared, steps=WARM_UP, **options)
    took = memory("VmHWM") - base
    ranks = None
    if isinstance(runner, Cluster):
        runner.gather, ranks = True, runner.ranks
    state = runner.run(prepared, steps=WARM_UP, **options).state
    before = (ranks.rounds, ranks.words_sent) if ranks else (0, 0)
    cpu, wall = time.process_time(), time.perf_counter()
    found = runner.run(prepared, steps=round(seconds / network.dt), state=state, **options)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    gathering = memory("VmHWM") - base
    digest = hashlib.sha256()
    for spikes in found.spikes.values():
        digest.update(spikes.step.tobytes() + spikes.address.tobytes())
    after = (ranks.rounds, ranks.words_sent) if ranks else (0, 0)
    rounds, words = (b - a for a, b in zip(before, after, strict=True))
    result = {
        "rank": ranks.rank if ranks else 0,
        "spikes": sum(s.n for s in found.spikes.values()),
        "digest": digest.hexdigest()[:16],
        "build_s": built,
        "wall_s": wall,
        "cpu_s": cpu,
        "rounds": rounds,
        "bytes_sent": 4 * words,
        "memory": took,
        "memory_building": building,
        "memory_gathering": gathering,
        "synapse_bytes": prepared.own.bytes,
    }
    print("RESULT " + json.dumps(result), flush=True)


def launched(
    name: str, engine: str, ranks: int, seconds: float, allocator: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return what each process found."""
    own = [sys.executable, __file__, "--process", name, engine, "--seconds", str(seconds)]
    place = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    if engine == "cluster":
        own = [str(shutil.which("mpiexec", path=place)), "-n", str(ranks), *own]
    done = subprocess.run(
        own, capture_output=True, text=True, check=False, env=os.environ | dict(allocator or {})
    )
    # mpiexec may put what two processes print into one line
    texts = done.stdout.split("RESULT ")[1:]
    if len(texts) != ranks:
        raise SystemExit(f"{name}, {ranks} ranks: {(done.stderr or done.stdout).strip()[-800:]}")
    rows = [json.loads(text) for text in texts]
    return sorted(rows, key=lambda row: row["rank"])


def identity(seconds: float, repeat: int) -> dict[str, Any]:
    """Return digests and costs on processes, medians of interleaved runs; exit where digests differ."""
    found: dict[str, Any] = {}
    for name in NETWORKS:
        load = os.getloadavg()[0]
        runs: dict[str, list[list[dict[str, Any]]]] = {"cpu": [], **{str(n): [] for n in RANKS}}
        for _ in range(repeat):
            for key, rows in runs.items():
                n = 1 if key == "cpu" else int(key)
                rows.append(launched(name, "cpu" if key == "cpu" else "cluster", n, seconds))
        # what gives memory back at once takes time, so that it is not what is timed
        kept = {
            key: launched(name, "cpu" if key == "cpu" else "cluster", len(of[0]), 0.1, ALLOCATOR)
            for key, of in runs.items()
        }
        digests = {key: {rows[0]["digest"] for rows in of} for key, of in runs.items()}
        if len(set().union(*digests.values())) > 1:
            raise SystemExit(f"{name}: ranks differ: {digests}")
        found[name] = {
            "seconds": seconds,
            "load": load,
            "digest": runs["cpu"][0][0]["digest"],
            # the slowest rank of each run
            "wall_s": {k: [slowest(rows) for rows in of] for k, of in runs.items()},
            # the run in the middle, with all of its ranks
            "runs": {k: sorted(of, key=slowest)[len(of) // 2] for k, of in runs.items()},
            "memory": {k: [of_rank(r) for r in rows] for k, rows in kept.items()},
        }
        middle = {k: float(np.median(x)) for k, x in found[name]["wall_s"].items()}
        found[name]["gain"] = {k: middle["1"] / middle[k] for k in map(str, RANKS)}
        for key, rows in found[name]["memory"].items():
            most = max(r["memory"] for r in rows) / 2**20
            print(f"{name}: {key} ranks, {middle[key]:.3f} s, {most:.1f} MiB", flush=True)
    return found


def of_rank(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the bytes of one process."""
    return {k: v for k, v in row.items() if "memory" in k or k == "synapse_bytes"}


def slowest(rows: list[dict[str, Any]]) -> float:
    """Return the wall seconds of the slowest rank."""
    return max(float(row["wall_s"]) for row in rows)


# -- alone: one rank that hears what it heard before ----------------------------------------------------------


class Heard:
    """A communicator that keeps what it hears."""

    def __init__(self, comm: Any) -> None:
        self.comm, self.kept = comm, []

    def Get_size(self) -> int:
        return self.comm.Get_size()

    def Get_rank(self) -> int:
        return self.comm.Get_rank()

    def Allgather(self, sent: Any, received: Any) -> None:
        self.comm.Allgather(sent, received)
        self.kept.append(received.copy())

    def Allgatherv(self, sent: Any, received: Any) -> None:
        self.comm.Allgatherv(sent, received)
        self.kept.append(received[0].copy())

    def bcast(self, value: Any, root: int) -> Any:
        return self.comm.bcast(value, root)


class Again:
    """A communicator that says what was heard, from a place on."""

    def __init__(self, size: int, rank: int, kept: list[Any]) -> None:
        self.size, self.rank, self.kept, self.place = size, rank, kept, 0

    def Get_size(self) -> int:
        return self.size

    def Get_rank(self) -> int:
        return self.rank

    def Allgather(self, sent: Any, received: Any) -> None:
        received[...] = self.kept[self.place]
        self.place += 1

    def Allgatherv(self, sent: Any, received: Any) -> None:
        received[0][...] = self.kept[self.place]
        self.place += 1


def measured(network: sw.Network, ranks: int, seconds: float, repeat: int) -> dict[str, Any]:
    """Return what rank 0 of some computes."""
    steps = round(seconds / network.dt)
    options: dict[str, Any] = {"precision": "single", "seed": 1}
    heard: dict[int, Any] = {}

    def all_of_them(comm: Any) -> Any:
        listening = Heard(comm)
        engine = Cluster(listening, gather=False)
        prepared = engine.prepare(network, precision="single")
        state = engine.run(prepared, steps=WARM_UP, **options).state
        first = len(listening.kept)
        found = engine.run(prepared, steps=steps, state=state, **options)
        heard[comm.Get_rank()] = (listening.kept, first, prepared, state)
        return {n: int(x.sum()) for n, x in found.sent.items()}

    sent = on_ranks(ranks, all_of_them)
    broken = [x for x in sent if isinstance(x, Exception)]
    if broken:
        raise broken[0]
    kept, first, prepared, state = heard[0]
    again = Again(ranks, 0, kept)
    engine = Cluster(again, gather=False)
    times = []
    for _ in range(repeat):
        again.place = first
        began = time.thread_time()
        engine.run(prepared, steps=steps, state=state, **options)
        times.append(time.thread_time() - began)
    stored = prepared.own.stored
    own = {n: parts[1][1] - parts[1][0] for n, parts in prepared.own.edges.items()}
    starts = sum(8 * (network.populations[q.pre].n + 1) for q in network.projections.values())
    synapses = sum(q.n for q in stored.values())
    spikes = {n: sum(own_part[n] for own_part in sent) for n in network.populations}
    lookups = 0.0
    for name, count in spikes.items():
        reached = np.zeros(network.populations[name].n, bool)
        outgoing = [n for n, q in network.projections.items() if q.pre == name]
        for n in outgoing:
            reached |= np.diff(stored[n].parts[0]["start"]) > 0
        lookups += count * float(reached.mean()) * len(outgoing)
    return {
        "ranks": ranks,
        "seconds": seconds,
        "cpu_s": min(times),
        "all_cpu_s": times,
        "neurons": network.n_neurons,
        "own_neurons": sum(own.values()),
        "own_synapses": synapses,
        "spikes": sum(spikes.values()),
        "lookups": lookups,
        "events": sum(spikes.values()) / network.n_neurons * synapses,
        "steps": steps,
        "rounds": steps / min(32, round(1.5e-3 / network.dt)),
        "synapse_bytes": sum(q.bytes for q in stored.values()) - starts,
        "start_bytes": starts,
    }


def alone(seconds: float, repeat: int) -> dict[str, Any]:
    """Return what a rank computes, of networks that stay and of networks that grow."""
    found: dict[str, Any] = {"strong": [], "weak": [], "quiet": [], "thin": [], "potjans_0.3": []}
    for ranks in MANY:
        cases = {"strong": NETWORKS["brunel"](), "weak": weak(ranks)}
        if ranks <= 4:
            cases["potjans_0.3"] = NETWORKS["potjans_0.3"]()
            cases["quiet"] = weak(ranks, eta=0.6)
        else:
            cases["thin"] = weak(ranks, inputs=10)
        for kind, network in cases.items():
            row = measured(network, ranks, seconds, repeat)
            found[kind].append(row)
            print(
                f"{kind}: {ranks} ranks, rank 0 computes {row['cpu_s'] / seconds:.3f} s a second",
                flush=True,
            )
    return found


# -- memory of neurons, and a round ---------------------------------------------------------------------------


class Silent:
    """A communicator of many ranks of which none has a spike to tell: all say what this one says."""

    def __init__(self, size: int) -> None:
        self.size = size

    def Get_size(self) -> int:
        return self.size

    def Get_rank(self) -> int:
        return 0

    def Allgather(self, sent: Any, received: Any) -> None:
        received[...] = sent

    def gather(self, value: Any, root: int) -> list[Any]:
        raise NotImplementedError


def neurons_process(n: int, ranks: int) -> None:
    """Print the bytes that a rank takes for a population of n neurons without synapses."""
    population = sw.Population(sw.LIF, n)
    engine = Cluster(Silent(ranks), gather=False)
    engine.run(
        sw.Network(dt=1e-4, populations={"n": sw.Population(sw.LIF, 64)}),
        steps=3,
        precision="single",
    )
    base = memory()
    network = sw.Network(dt=1e-4, populations={"n": population})
    prepared = engine.prepare(network, precision="single")
    found = engine.run(prepared, steps=40, precision="single", spikes=())
    most = memory("VmHWM")
    print("RESULT " + json.dumps({"bytes": most - base, "steps": found.steps}), flush=True)


def neuron_memory() -> dict[str, float]:
    """Return the bytes of a neuron of one's own, and of one of another rank, when most is taken."""
    n, found = 20_000_000, {}
    for ranks in (1, 1000):
        own = [sys.executable, __file__, "--neurons", str(n), str(ranks)]
        done = subprocess.run(own, capture_output=True, text=True, check=True)
        line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
        found[ranks] = json.loads(line.removeprefix("RESULT "))["bytes"] / n
    return {"own": found[1], "foreign": found[1000]}


def hearing() -> float:
    """Return the seconds of a spike that is heard and reaches nobody here: a tenth of the sources reach someone."""
    sources, steps = 10_000_000, 15
    draw = np.random.default_rng(0)
    per_step = round(sources * BRAIN["rate_hz"] * BRAIN["dt"])
    reach = np.packbits(draw.random(sources) < 0.1, bitorder="little")
    lists = [np.sort(draw.integers(0, sources, per_step)).astype(np.uint32) for _ in range(steps)]
    head = np.zeros(HEAD + steps, np.uint32)
    head[HEAD:] = per_step
    other = np.concatenate([head, *lists])
    found = np.stack([np.zeros_like(other), other])
    counts, spikes = np.zeros((1, 3, 32), np.int64), np.zeros((1, 3, 32, per_step), np.int32)
    sender = np.zeros((1, unpacking.COLUMNS), np.int64)
    sender[0, unpacking.COUNTS], sender[0, unpacking.SPIKES] = (
        counts.ctypes.data,
        spikes.ctypes.data,
    )
    sender[0, unpacking.ROOM], sender[0, unpacking.DEPTH] = per_step, 32
    sender[0, unpacking.REACH] = reach.ctypes.data
    best = np.inf
    for _ in range(7):
        began = time.thread_time()
        for _ in range(20):
            unpacking.unpack(sender, 0, 3, 1, 0, steps, found, HEAD)
        best = min(best, (time.thread_time() - began) / 20)
    return best / (per_step * steps)


@njit(nogil=True)  # type: ignore[untyped-decorator]
def meet_often(rounds: Any, rank: int, number: int, n: int, spins: int) -> None:
    """Take part in rounds number + 1 .. number + n."""
    for i in range(n):
        meet(rounds, rank, number + 1 + i, spins)


def exchange_process() -> None:
    """Print what a round of some lengths takes, through MPI, and one in shared memory."""
    comm = get("cluster").ranks.comm
    rows = {}
    for room in (512, 8192, 131072):
        ranks = Ranks(comm)
        ranks._set_room(room)
        best = np.inf
        for _ in range(20):
            comm.Barrier()
            began = time.perf_counter()
            for _ in range(20):
                ranks.swap()
            best = min(best, (time.perf_counter() - began) / 20)
        rows[str(4 * room)] = best
    # in shared memory, from compiled code, as a run does it
    memory_of_all = Shared(comm, comm.Get_size(), comm.Get_rank(), 1, 0)
    number, best = 0, np.inf
    for _ in range(20):
        comm.Barrier()
        began = time.perf_counter()
        meet_often(memory_of_all.rounds, comm.Get_rank(), number, 1000, memory_of_all.spins)
        best = min(best, (time.perf_counter() - began) / 1000)
        number += 1000
    rows["shared"] = best
    if comm.Get_rank() == 0:
        print("RESULT " + json.dumps(rows), flush=True)


def exchange() -> dict[str, float]:
    """Return bytes of a message ("shared": any, in shared memory) -> seconds of a round of two processes, the least."""
    place = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    own = [str(shutil.which("mpiexec", path=place)), "-n", "2", sys.executable, __file__]
    done = subprocess.run([*own, "--exchange"], capture_output=True, text=True, check=True)
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
    found: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return found


# -- what follows ---------------------------------------------------------------------------------------------


def costs(found: dict[str, Any], heard: float) -> dict[str, Any]:
    """Return the seconds of a neuron step, a synaptic event, a row found in a projection, a spike heard, a round."""
    from scipy.optimize import nnls

    rows = [row for kind in ("strong", "weak", "quiet", "thin") for row in found[kind]]
    parts = ("own_neurons", "events", "lookups", "spikes", "rounds")
    terms = np.array([[float(r[part]) for part in parts] for r in rows])
    terms[:, 0] *= [r["steps"] for r in rows]
    took = np.array([r["cpu_s"] for r in rows])
    # what is heard was measured by itself: here it can hardly be told from what is looked up
    known = terms[:, 3] * heard
    rest, _ = nnls(np.delete(terms, 3, 1) / took[:, None], (took - known) / took)
    solved = np.insert(rest, 3, heard)
    errors = terms @ solved / took - 1.0
    names = ("neuron_step_s", "event_s", "lookup_s", "heard_s", "round_s")
    last = found["weak"][-1]
    # a row is the dearer to find, the more rows there are: the largest table measured is the nearest to a large one
    at = len(found["strong"]) + len(found["weak"]) - 1
    beside = np.delete(terms[at] * solved, 2).sum()
    return dict(zip(names, map(float, solved), strict=True)) | {
        "lookup_in_largest_s": float((took[at] - beside) / terms[at, 2]),
        "relative_errors": [round(float(x), 3) for x in errors],
        "bytes_per_synapse": last["synapse_bytes"] / last["own_synapses"],
    }


def extrapolated(cost: dict[str, float], memory_of: dict[str, float]) -> list[dict[str, float]]:
    """Return what BRAIN takes on some numbers of ranks."""
    rows, n = [], BRAIN["neurons"]
    for ranks in SIZES:
        own, synapses = n / ranks, n * BRAIN["synapses_per_neuron"] / ranks
        spikes, rounds = n * BRAIN["rate_hz"], 1.0 / BRAIN["shortest_delay"]
        received = 4.0 * spikes + 12.0 * ranks * rounds
        # a neuron that reaches k others at random reaches none of a rank's with probability (1 - 1 / ranks)^k
        reaches = -np.expm1(BRAIN["synapses_per_neuron"] * np.log1p(-1.0 / ranks))
        rows.append(
            {
                "ranks": ranks,
                "neurons_s": cost["neuron_step_s"] * own / BRAIN["dt"],
                "events_s": cost["event_s"] * BRAIN["rate_hz"] * synapses,
                "lookups_s": cost["lookup_in_largest_s"]
                * spikes
                * reaches
                * BRAIN["projections_of_a_neuron"],
                "heard_s": cost["heard_s"] * spikes,
                "rounds_s": cost["round_s"] * rounds,
                "exchange_s": received / NETWORK["bytes_per_s"]
                + rounds * NETWORK["latency_s"] * np.log2(ranks),
                "received_bytes_per_s": received,
                "synapses_gib": cost["bytes_per_synapse"] * synapses / 2**30,
                "own_neurons_gib": memory_of["own"] * own / 2**30,
                "foreign_neurons_gib": memory_of["foreign"] * n / 2**30,
                "row_starts_gib": 8.0 * BRAIN["projections_of_a_neuron"] * n / 2**30,
            }
        )
        row = rows[-1]
        row["total_s"] = sum(v for k, v in row.items() if k.endswith("_s") and "bytes" not in k)
        row["total_gib"] = sum(v for k, v in row.items() if k.endswith("_gib"))
    return rows


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw strong and weak scaling, and the extrapolation."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "spikewright"
    from matplotlib import pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for kind in ("strong", "potjans_0.3"):
        rows = result["alone"][kind]
        ranks = [r["ranks"] for r in rows]
        left.plot(ranks, [rows[0]["cpu_s"] / r["cpu_s"] for r in rows], "o-", label=kind)
    left.plot(MANY, MANY, "k:", label="ideal")
    left.set(xlabel="ranks", ylabel="one rank's time / a rank's", xscale="log", yscale="log")
    left.set_title("the same network", fontsize=10)
    rows = result["alone"]["weak"]
    middle.plot([r["ranks"] for r in rows], [r["cpu_s"] / r["seconds"] for r in rows], "o-")
    middle.set(xlabel="ranks", ylabel="s computing per s", xscale="log", ylim=(0, None))
    middle.set_title("10,000 neurons a rank", fontsize=10)
    rows = result["extrapolated"]
    ranks = [r["ranks"] for r in rows]
    for key in ("neurons_s", "events_s", "lookups_s", "heard_s", "exchange_s", "total_s"):
        right.plot(ranks, [r[key] for r in rows], "o-", label=key.removesuffix("_s"))
    right.set(xlabel="ranks", ylabel="s per s, extrapolated", xscale="log", yscale="log")
    right.set_title("10$^9$ neurons, 10$^{12}$ synapses", fontsize=10)
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure the parts that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = ("identity", "alone", "memory", "exchange")
    parser.add_argument("--parts", nargs="*", choices=every, default=every)
    parser.add_argument("--seconds", type=float, default=0.5, help="biological time, measured")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--process", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--neurons", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--exchange", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.process:
        process(*options.process, options.seconds)
        return
    if options.neurons:
        neurons_process(*options.neurons)
        return
    if options.exchange:
        exchange_process()
        return
    path = RESULTS / "simulate_cluster.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    result["name"] = "simulate_cluster"
    for part in options.parts:
        began = machine()
        match part:
            case "identity":
                result[part] = identity(options.seconds, options.repeat)
            case "alone":
                result[part] = alone(options.seconds, options.repeat)
            case "memory":
                result[part] = neuron_memory()
                result["hearing"] = hearing()
            case "exchange":
                result[part] = exchange()
        result[f"machine_{part}"] = began
    if {"alone", "memory"} <= set(result):
        result["costs"] = costs(result["alone"], result["hearing"])
        result["assumed"] = {"network": BRAIN, "interconnect": NETWORK}
        result["extrapolated"] = extrapolated(result["costs"], result["memory"])
        draw(result, RESULTS / "simulate_cluster.svg")
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
