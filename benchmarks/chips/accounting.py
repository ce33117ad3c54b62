"""Costs of a run, step by step: our engine and fabric beside SANA-FE 2.2.9, synaptic events per second.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/chips/accounting.py [--quick]

The same networks on the same cores with the same prices, run and accounted for: neurons fired and updated, packets,
hops, synaptic events, energy and the latency of every step. `FOLDER/sanafe` is an environment with `sanafe` 2.2.9;
without one, the rate that was measured before on such a machine is what we compare with. Counts, energies and simple
latencies of both must be equal, or the script stops. CPU seconds of one thread, fastest of interleaved rounds; building
the network on either side is told apart. `simple` latency is that of the busiest core; `detailed` estimates congestion
packet by packet.

Ours runs the network on the `cpu` engine, then accounts from its spikes; nothing of a run is kept from the one before.
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

from spikewright.engines import prepare, run
from spikewright.network import Network, Population, Projection, Sparse
from spikewright.substrates.fabric.account import Activity, account, detailed_latency
from spikewright.substrates.fabric.fabric import Fabric
from spikewright.substrates.fabric.prices import Barrier, Prices
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.testing.verify.sanafe import LINK_BUFFER, Neuron

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import RESULTS, machine  # noqa: E402

CORES, MESH, PER_CORE = 64, (8, 4), 64
LEAK = 0.875
FAN_OUT = 128
STORED = 3.3e6
"""Synaptic events per second of SANA-FE 2.2.9 that were measured before: its DVS gesture network, simple latency."""


class Case:
    """4096 neurons on 64 cores, 128 synapses each, onto `spread` cores; every neuron has a bias.

    Parameters
    ----------
    spread : cores that a neuron reaches
    drive : largest bias; decides how many fire
    """

    def __init__(self, spread: int, drive: int) -> None:
        draw = np.random.default_rng([spread, drive])
        n = CORES * PER_CORE
        self.name = f"{spread} cores per neuron, bias to {drive}"
        self.spread, self.drive = spread, drive
        self.core = np.repeat(np.arange(CORES), PER_CORE)
        self.bias = draw.integers(1, drive + 1, n).astype(np.float64)
        self.threshold = draw.integers(60, 200, n).astype(np.float64)
        self.source = np.repeat(np.arange(n), FAN_OUT)
        each = FAN_OUT // spread
        core = np.stack([draw.choice(CORES, spread, replace=False) for _ in range(n)])
        place = np.stack([draw.permuted(np.arange(PER_CORE))[:each] for _ in range(n * spread)])
        self.target = (np.repeat(core.ravel(), each) * PER_CORE + place.ravel()).astype(np.int64)
        self.weight = draw.integers(-9, 10, n * FAN_OUT).astype(np.float64)
        params = {"keep_v": LEAK, "keep_u": 0.0, "bias": self.bias, "v_th": self.threshold}
        topology = Sparse.from_edges(self.source, self.target, self.weight, n_pre=n, n_post=n)
        self.network = Network(
            dt=1.0,
            populations={"p": Population(Neuron, (n,), params)},
            projections={"w": Projection("p", "p", topology)},
            outputs=("p",),
            name=self.name,
        )
        self.position = np.stack(
            [(tile := np.arange(CORES) // 4) // MESH[1], tile % MESH[1]], axis=1
        )

    def fabric(self) -> Fabric:
        """Return where its neurons lie; synapses of weight 0 are events too, as on SANA-FE."""
        slices = {"p": slice(0, len(self.core))}
        return Fabric.of_synapses(
            self.core,
            self.position,
            MESH,
            self.source,
            self.target,
            kinds=("dense",),
            slices=slices,
        )

    def save(self, path: Path) -> None:
        """Write it for a peer."""
        np.savez(
            path,
            core=self.core,
            bias=self.bias,
            threshold=self.threshold,
            source=self.source,
            target=self.target,
            weight=self.weight,
            leak=LEAK,
        )


def prices() -> tuple[Prices, Prices, Barrier]:
    """Return the price list that both use."""
    tables = Loihi().chip.tables
    time_ = tables["time.nahuku"]
    barrier = Barrier.of_table(time_, is_stepped=True)
    return Prices.of_table(tables["energy.nahuku"]), Prices.of_table(time_), barrier


def peer() -> Path | None:
    """Return SANA-FE's interpreter, if there is one."""
    root = os.environ.get("SPIKEWRIGHT_PEERS")
    python = Path(root).resolve() / "sanafe" / "bin" / "python" if root else None
    return python if python is not None and python.exists() else None


def ask(python: Path, case: Case, steps: int, rounds: int) -> dict[str, Any]:
    """Return what `peers/sanafe_accounting.py` prints."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        case.save(path)
        script = HERE.parent / "peers" / "sanafe_accounting.py"
        done = subprocess.run(
            [str(python), str(script), str(path), str(steps), str(rounds)],
            capture_output=True,
            text=True,
            timeout=900,
            check=True,
        )
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found


def measure(case: Case, python: Path | None, steps: int, rounds: int) -> dict[str, Any]:
    """Return one row of the table."""
    energy, time_, barrier = prices()
    begin = time.process_time()
    fabric, ready = case.fabric(), prepare(case.network, threads=1)
    built = time.process_time() - begin
    seconds: dict[str, list[float]] = {"run": [], "account": [], "detailed": []}
    theirs: dict[str, Any] = {}
    for round_ in range(rounds + 1):
        begin = time.process_time()
        recording = run(ready, steps=steps)
        ran = time.process_time()
        activity = Activity.of_recording(fabric, recording)
        found = account(fabric, activity, energy, time_, barrier)
        joules, simple = sum(found.joules().values()), found.simple
        accounted = time.process_time()
        latency, _ = detailed_latency(fabric, activity, time_, barrier, buffer=LINK_BUFFER)
        end = time.process_time()
        if round_:
            laps = (ran - begin, accounted - ran, end - accounted)
            for name, lap in zip(seconds, laps, strict=True):
                seconds[name].append(lap)
            if python is not None:
                answer = ask(python, case, steps, 1)
                for model in ("simple", "detailed"):
                    for kind in ("cpu_s", "wall_s"):
                        theirs.setdefault(f"{model}_{kind}", []).append(answer[model][kind][0])
                theirs |= {"version": answer["version"], "build_cpu_s": answer["build_cpu_s"]}
                _compare(case, found, joules, simple, answer["simple"])
                off = latency.sum() / answer["detailed"]["sim_time"] - 1.0
                theirs["detailed_latency_ours_over_theirs"] = off
    events = float(sum(n.sum() for n in found.events.values()))
    best = {name: min(laps) for name, laps in seconds.items()}
    totals = {
        "simple": best["run"] + best["account"],
        "detailed": best["run"] + best["account"] + best["detailed"],
    }
    row: dict[str, Any] = {
        "network": case.name,
        "neurons": fabric.n,
        "synapses": len(case.source),
        "packet_rows": len(fabric.core),
        "steps": steps,
        "rounds": rounds,
        "fire_in_a_step": float(found.fired.sum()) / fabric.n / steps,
        "synaptic_events": events,
        "packets": int(found.packets.sum()),
        "build_cpu_s": built,
        "fastest_cpu_s": best,
        "median_cpu_s": {name: statistics.median(laps) for name, laps in seconds.items()},
        "events_per_s": {name: events / total for name, total in totals.items()},
        "events_per_s_accounting_alone": events / best["account"],
        "ratio_to_stored": events / totals["simple"] / STORED,
    }
    if theirs:
        for model, total in totals.items():
            fastest = min(theirs[f"{model}_cpu_s"])
            theirs[f"{model}_events_per_s"] = events / fastest
            row[f"ratio_{model}"] = fastest / total
        row["sanafe"] = theirs
    return row


def _compare(case: Case, found: Any, joules: Any, simple: Any, answer: dict[str, Any]) -> None:
    """Stop where both do not count the same."""
    ours = {
        "fired": found.fired.sum(),
        "updated": found.updated.sum(),
        "hops": found.hops.sum(),
        "spikes": sum(n.sum() for n in found.events.values()),
        "total_energy": joules.sum(),
        "sim_time": simple.sum(),
    }
    for name, value in ours.items():
        if abs(value - answer[name]) > 1e-9 * abs(value):
            raise SystemExit(f"{case.name}: {name} {value!r}, SANA-FE {answer[name]!r}")


def main(words: list[str]) -> None:
    """Measure all networks; print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--quick", action="store_true", help="few steps, one round, nothing written"
    )
    given = parser.parse_args(words)
    before, python, rows = machine(), peer(), []
    for spread, drive in ((4, 16), (4, 40), (64, 16)):
        case = Case(spread, drive)
        row = measure(case, python, 30 if given.quick else 300, 1 if given.quick else 3)
        rows.append(row)
        rate = row["events_per_s"]
        text = (
            f"{case.name}: {100 * row['fire_in_a_step']:.1f} % fire, {row['synaptic_events']:,.0f} events; ours "
            f"{rate['simple'] / 1e6:.1f} M events/s, detailed {rate['detailed'] / 1e6:.1f}, accounting alone "
            f"{row['events_per_s_accounting_alone'] / 1e6:.0f}; {row['ratio_to_stored']:.1f} x stored"
        )
        if "sanafe" in row:
            here = row["sanafe"]
            text += (
                f"; SANA-FE {here['simple_events_per_s'] / 1e6:.2f} M/s, detailed "
                f"{here['detailed_events_per_s'] / 1e6:.2f}; {row['ratio_simple']:.1f} x "
                f"and {row['ratio_detailed']:.1f} x"
            )
        print(text, flush=True)
    if given.quick:
        return
    result = {"name": "chips_accounting", "note": __doc__, "machine": before, "rows": rows}
    RESULTS.mkdir(exist_ok=True)
    written = json.dumps(result, indent=2) + "\n"
    (RESULTS / "chips_accounting.json").write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
