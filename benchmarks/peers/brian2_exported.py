"""Networks that `export_brian2` wrote, run by Brian2: our export, our integrators and our step order checked at once.

    SPIKEWRIGHT_PEERS=FOLDER python benchmarks/peers/brian2_exported.py [NAME ...]

Runs in our own environment; the script that is written runs in `$SPIKEWRIGHT_PEERS/brian`. Writes
`tests/golden/simulate/exported_<name>.h5`, the network, and `exported_<name>.npz`: Brian2's spikes and the traces of
four neurons. Inputs and drives are not random, so that every spike is compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import Hz, Mohm, ms, mV, nA, nS, pA
from spikewright.network.brian2 import export_brian2

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "simulate"
PEER = Path(os.environ["SPIKEWRIGHT_PEERS"]) / "brian" / "bin" / "python"
DT, STEPS, N = 0.1 * ms, 3000, 40
TRACED, EVERY = 4, 20


def recurrent(
    model: sw.NeuronModel,
    params: dict,
    *,
    weights: dict[str, tuple[float, float]],
    current: tuple[str, float, float],
    method: sw.Method = sw.Method.AUTO,
    initial: dict | None = None,
) -> sw.Network:
    """Return two populations that reach each other, with delays of one number and of one per synapse.

    `params`: one value, or those of the first and last neuron; `weights`: population -> its port and weight;
    `current`: port, and the currents of the first and last neuron.
    """
    sizes = {"exc": 4 * N // 5, "inh": N // 5}
    populations = {}
    for n, size in sizes.items():
        own = {k: np.linspace(*v, size) if isinstance(v, tuple) else v for k, v in params.items()}
        populations[n] = sw.Population(model, size, own, initial or {}, method)
    projections = {}
    for seed, (pre, post) in enumerate((a, b) for a in sizes for b in sizes):
        port, weight = weights[pre]
        recipe = sw.FixedInDegree(
            sizes[post], sizes[pre] // 4, sw.Normal(weight, 0.2 * abs(weight)), seed=seed
        )
        delay = 1.5 * ms if pre == "exc" else sw.Uniform(0.0 * ms, 3 * ms)
        projections[f"{pre}->{post}"] = sw.Projection(pre, post, recipe, port, delay)
    port, low, high = current
    drives = {
        f"to {n}": sw.StepCurrent(
            n,
            [5 * ms, 150 * ms, 170 * ms],
            np.array([[1.0], [0.0], [0.8]]) * np.linspace(low, high, size),
            port,
        )
        for n, size in sizes.items()
    }
    net = sw.Network(dt=DT, populations=populations, projections=projections, drives=drives)
    return net.written_out()


def fed() -> sw.Network:
    """Return spikes from outside that reach neurons without a delay and with one, and a readout that never fires."""
    return sw.Network(
        dt=DT,
        populations={
            "in": sw.Population(sw.Input, 10),
            "hidden": sw.Population(
                sw.CubaLIF, 20, {"tau_m": 10 * ms, "r": 40 * Mohm, "v_th": 15 * mV, "t_ref": 1 * ms}
            ),
            "out": sw.Population(sw.LI, 3, {"r": 1.0}),
        },
        projections={
            "in->hidden": sw.Projection(
                "in", "hidden", sw.Bernoulli(20, 0.5, sw.Uniform(0.5 * nA, 2 * nA), seed=1)
            ),
            "late": sw.Projection(
                "in", "hidden", sw.Bernoulli(20, 0.2, -0.3 * nA, seed=2), delay=2 * ms
            ),
            "hidden->out": sw.Projection(
                "hidden", "out", sw.AllToAll(3, sw.Normal(0.0, 1 * mV), seed=3)
            ),
        },
    ).written_out()


def cases() -> dict[str, tuple[sw.Network, dict]]:
    """Return name -> network, and what enters it."""
    lif = {
        "tau_m": 10 * ms,
        "r": 40 * Mohm,
        "v_rest": -70 * mV,
        "v_th": -55 * mV,
        "v_reset": -65 * mV,
        "t_ref": 2 * ms,
    }
    adex = {"v_peak": -40.4 * mV, "v_reset": -60 * mV}
    volts = {"exc": ("spikes", 1 * mV), "inh": ("spikes", -2 * mV)}
    siemens = {"exc": ("exc", 2 * nS), "inh": ("inh", 10 * nS)}
    amps = {"exc": ("exc", 100 * pA), "inh": ("inh", -300 * pA)}
    spikes = (np.random.default_rng(7).random((STEPS, 1, 10)) < 100 * Hz * DT).astype(float)
    return {
        "lif": (recurrent(sw.LIF, lif, weights=volts, current=("i", 0.35 * nA, 0.6 * nA)), {}),
        "cuba": (
            recurrent(
                sw.CubaLIF,
                lif | {"tau_s": 5 * ms},
                weights={"exc": ("spikes", 60 * pA), "inh": ("spikes", -150 * pA)},
                current=("i_ext", 0.35 * nA, 0.6 * nA),
            ),
            {},
        ),
        "exp_current": (recurrent(sw.ExpCurrentLIF, {}, weights=amps, current=("i", 0.35 * nA, 0.7 * nA)), {}),
        "delta": (recurrent(sw.DeltaLIF, {}, weights=volts, current=("i", 0.35 * nA, 0.7 * nA)), {}),
        "coba": (recurrent(sw.ConductanceLIF, {}, weights=siemens, current=("i", 90 * pA, 300 * pA)), {}),
        "coba_rk4": (
            recurrent(sw.ConductanceLIF, {}, weights=siemens, current=("i", 90 * pA, 300 * pA), method=sw.Method.RK4),
            {},
        ),
        "adex": (
            recurrent(sw.AdEx, adex, weights=volts, current=("i", 0.6 * nA, 1.2 * nA), method=sw.Method.EULER),
            {},
        ),
        "cond_adex": (
            recurrent(
                sw.ConductanceAdEx,
                adex | {"t_ref": 2 * ms},
                weights=siemens,
                current=("i", 0.6 * nA, 1.2 * nA),
                method=sw.Method.RK4,
            ),
            {},
        ),
        "izhikevich": (
            recurrent(sw.Izhikevich, {}, weights=volts, current=("i", 5.0, 15.0), method=sw.Method.EULER),
            {},
        ),
        "hodgkin_huxley": (recurrent(sw.HodgkinHuxley, {}, weights=siemens, current=("i", 80 * pA, 300 * pA)), {}),
        "alif": (recurrent(sw.ALIF, {"beta": 0.1}, weights={"exc": ("spikes", 0.05), "inh": ("spikes", -0.1)},
                           current=("i", 1.2, 3.0)), {}),
        "each": (
            recurrent(
                sw.LIF,
                lif | {"tau_m": (8 * ms, 20 * ms), "t_ref": (0 * ms, 3 * ms)},
                weights=volts,
                current=("i", 0.4 * nA, 0.6 * nA),
            ),
            {},
        ),
        "sequential": (
            recurrent(
                sw.ConductanceLIF,
                {},
                weights=siemens,
                current=("i", 90 * pA, 300 * pA),
                method=sw.Method.SEQUENTIAL_EULER,
            ),
            {},
        ),
        "update": (
            recurrent(
                sw.Izhikevich2003,
                {},
                weights={"exc": ("i", 10.0), "inh": ("i", -20.0)},
                current=("i", 5.0, 15.0),
            ),
            {},
        ),
        "fed": (fed(), {"in": spikes}),
    }  # fmt: skip


def run(name: str, network: sw.Network, inputs: dict) -> None:
    """Write one network and what Brian2 makes of it; say how far ours is from it."""
    wanted = [f"{n}:{v}" for n, p in network.populations.items() for v in p.model.state]
    with tempfile.TemporaryDirectory() as folder:
        script = export_brian2(network, Path(folder) / f"{name}.py", inputs, steps=STEPS)
        out = Path(folder) / "out.npz"
        quiet = {"check": True, "stdout": subprocess.PIPE, "text": True}
        subprocess.run([PEER, script, "--out", out, "--record", *wanted], **quiet)
        found = dict(np.load(out))
        version = subprocess.run(
            [PEER, "-c", "import brian2; print(brian2.__version__)"], **quiet
        ).stdout.strip()
    record = {n: tuple(p.model.state) for n, p in network.populations.items() if p.model.state}
    ours = sw.run(network, inputs, steps=STEPS, record=record)
    kept, spikes, equal, worst = {}, 0, True, 0.0
    for n in network.populations:
        if f"{n}:step" not in found:
            continue
        order = np.lexsort((found[f"{n}:address"], found[f"{n}:step"]))
        step, address = found[f"{n}:step"][order], found[f"{n}:address"][order]
        mine = ours.spikes[n]
        equal &= np.array_equal(mine.step, step) and np.array_equal(mine.address, address)
        spikes += len(step)
        kept |= {f"{n}:step": step, f"{n}:address": address}
    for place in wanted:
        n, v = place.split(":")
        theirs = found[place]
        error = np.abs(ours.trace(n, v)[:, 0].reshape(STEPS, -1) - theirs).max() / np.ptp(theirs)
        worst = max(worst, float(error))
        kept[place] = theirs[::EVERY, :TRACED]
    kept |= {f"inputs/{n}": x.astype(np.int8) for n, x in inputs.items()}
    meta = {
        "script": "benchmarks/peers/brian2_exported.py",
        "peer": "Brian2",
        "version": version,
        "dt": DT,
        "steps": STEPS,
        "every": EVERY,
        "traces": f"the state behind every {EVERY}th step from step 0, of the first {TRACED} neurons",
    }
    kept["meta"] = np.array(json.dumps(meta))
    print(
        f"{name}: {spikes} spikes, {'equal' if equal else 'DIFFERENT'}; traces differ by {worst:.2g} of their range"
    )
    sw.save_network(network, GOLDEN / f"exported_{name}.h5")
    np.savez_compressed(GOLDEN / f"exported_{name}.npz", **kept)


def drawn() -> None:
    """Compare what is drawn, in distribution: rates of noisy neurons, Poisson and Gaussian drives, a Poisson source."""
    n = 400
    lif = {"tau_m": 10 * ms, "r": 40 * Mohm, "v_th": 15 * mV, "t_ref": 2 * ms}
    network = sw.Network(
        dt=DT,
        populations={
            "poisson": sw.Population(sw.LIF, n, lif),
            "gauss": sw.Population(sw.LIF, n, lif),
            "noisy": sw.Population(sw.NoisyLIF, n, lif | {"sigma": 10 * mV}),
            "source": sw.Population(sw.PoissonSource, n, {"rate": np.linspace(0.0, 200.0, n)}),
            "fed": sw.Population(sw.LIF, n, lif),
        },
        projections={
            "source->fed": sw.Projection("source", "fed", sw.Bernoulli(n, 0.1, 0.5 * mV, seed=1))
        },
        drives={
            "a": sw.PoissonDrive("poisson", 2000 * Hz, 0.8 * mV),
            "b": sw.GaussianDrive("gauss", 0.35 * nA, 1 * nA, "i"),
        },
    )
    steps = 10_000
    ours = sw.run(network, steps=steps, seed=3)
    with tempfile.TemporaryDirectory() as folder:
        script = export_brian2(network, Path(folder) / "drawn.py", steps=steps)
        out = Path(folder) / "out.npz"
        subprocess.run([PEER, script, "--out", out], check=True, stdout=subprocess.DEVNULL)
        found = dict(np.load(out))
    for name in network.populations:
        theirs = np.bincount(found[f"{name}:address"], minlength=n)
        mine = ours.sent[name][0]
        error = np.sqrt((theirs.var() + mine.var()) / n)
        print(
            f"drawn, {name}: {mine.mean():.2f} Hz, Brian2 {theirs.mean():.2f} Hz, "
            f"{(mine.mean() - theirs.mean()) / error:+.1f} standard errors"
        )


if __name__ == "__main__":
    chosen = cases()
    for case in sys.argv[1:] or chosen:
        run(case, *chosen[case])
    if not sys.argv[1:]:
        drawn()
