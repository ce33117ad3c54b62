"""Unsupervised digits after Diehl and Cook: images per second and accuracy. BindsNET is the peer.

784 inputs, `--neurons` excitatory neurons with adaptive thresholds, as many inhibitory ones, STDP on the input
synapses. Each image is shown for 250 ms (steps of 1 ms) as Poisson spikes. After `--train` images every neuron is
given the digit it answered most, and `--test` images are read by the mean spike count of each digit's neurons.

    SPIKEWRIGHT_SHARED=... python diehl_cook.py bindsnet [--neurons 100] [--train 2000] [--test 1000] [--threads 1]
    SPIKEWRIGHT_SHARED=... SPIKEWRIGHT_PEERS=... python diehl_cook.py both [--rounds 3] [--neurons 400] ...

`both` runs the two in turn, each in a process and an environment of its own, and writes
`results/simulate_diehl_cook.json`. Ours is `examples/models/diehl_cook.py`. Not alike: ours inhibits directly, BindsNET
through as many inhibitory neurons; ours spends 50 more steps per image in training, a pause, where BindsNET resets.
Encoding counts for both. Neurons are named by counts of the last training images: those of training itself for
BindsNET; shown again, outside the measured time, for ours.

MNIST (four `idx` files, gzip) is read from `$SPIKEWRIGHT_SHARED/data/mnist`.

Source
------
Diehl and Cook, "Unsupervised learning of digit recognition using spike-timing-dependent plasticity", Front. Comput.
Neurosci. 9, 2015.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import os
import statistics
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from timing import Run, main, peak_memory

FOLDER = Path(__file__).resolve().parent
SHOWN, DT = 250, 1.0  # steps, ms
INTENSITY = 128.0  # Hz of a white pixel
EXC, INH, NORM, THETA_PLUS = 22.5, 120.0, 78.4, 0.05  # BindsNET's units
ASSIGNED = 5000  # last training images that decide which digit a neuron stands for


def mnist(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 784) and labels of `train` or `t10k`."""
    shared = os.environ.get("SPIKEWRIGHT_SHARED")
    if not shared:
        raise SystemExit("diehl_cook: set SPIKEWRIGHT_SHARED to the folder that holds data/mnist")
    folder = Path(shared) / "data/mnist"

    def read(kind: str, header: int) -> np.ndarray:
        with gzip.open(folder / f"{part}-{kind}-ubyte.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    return read("images-idx3", 16).reshape(-1, 784), read("labels-idx1", 8)


def learn_and_read(
    run: Run,
    learn: Callable[[np.ndarray], None],
    remembered: Callable[[np.ndarray], np.ndarray],
    answer: Callable[[np.ndarray], np.ndarray],
) -> dict[str, float]:
    """Train and test; return accuracy and speed.

    Parameters
    ----------
    run : options and clock
    learn : presents images (n, 784), 0 to 255, once
    remembered : returns the spike counts (n, neurons) of the last images that were learned
    answer : returns the spike counts of images, without learning
    """
    images, labels = mnist("train")
    test_images, test_labels = mnist("t10k")
    run.lap("build")
    learn(images[: run.train])
    run.lap("train")
    last = slice(max(0, run.train - ASSIGNED), run.train)
    counts = remembered(images[last])
    means = np.zeros((10, counts.shape[1]))
    for digit in range(10):
        mine = counts[labels[last] == digit]
        if len(mine):
            means[digit] = mine.mean(axis=0)
    stands_for = means.argmax(axis=0)
    run.lap("assign")
    answers = answer(test_images[: run.test])
    votes = np.full((10, len(answers)), -1.0)
    for digit in range(10):
        if (stands_for == digit).any():
            votes[digit] = answers[:, stands_for == digit].mean(axis=1)
    right = votes.argmax(axis=0) == test_labels[: run.test]
    run.lap("test")
    wall, cpu = run.clock.wall, run.clock.cpu
    return {
        "accuracy": float(right.mean()),
        "train_images_per_s": run.train / wall["train"],
        "test_images_per_s": run.test / wall["test"],
        "train_images_per_cpu_s": run.train / cpu["train"],
        "test_images_per_cpu_s": run.test / cpu["test"],
        "spikes_per_image": float(answers.sum(axis=1).mean()),
    }


def without_torchvision() -> None:
    """Let BindsNET import `torchvision`, which it needs for its data sets only, where it is not installed."""

    class Absent(types.ModuleType):
        __path__: tuple[str, ...] = ()

        def __getattr__(self, name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (object,), {})

    for part in ("", ".models", ".datasets", ".datasets.folder", ".datasets.utils", ".io"):
        sys.modules[f"torchvision{part}"] = Absent(f"torchvision{part}")
    for part in (".transforms", ".transforms.functional", ".utils"):
        sys.modules[f"torchvision{part}"] = Absent(f"torchvision{part}")
    top = sys.modules["torchvision"]
    for part in ("datasets", "models", "transforms"):
        setattr(top, part, sys.modules[f"torchvision.{part}"])


def bindsnet(run: Run) -> None:
    without_torchvision()
    import torch
    from bindsnet.encoding import poisson
    from bindsnet.models import DiehlAndCook2015
    from bindsnet.network.monitors import Monitor

    torch.set_num_threads(run.threads)
    torch.manual_seed(run.seed)
    run.lap("import")
    network = DiehlAndCook2015(
        n_inpt=784,
        n_neurons=run.neurons,
        exc=EXC,
        inh=INH,
        dt=DT,
        norm=NORM,
        theta_plus=THETA_PLUS,
        inpt_shape=(1, 28, 28),
    )
    monitor = Monitor(network.layers["Ae"], ["s"], time=SHOWN)
    network.add_monitor(monitor, "spikes")

    def show(image: np.ndarray) -> np.ndarray:
        rates = torch.tensor(image.astype(np.float32)) / 255 * INTENSITY
        spikes = poisson(rates, SHOWN, dt=DT).view(SHOWN, 1, 1, 28, 28)
        network.run(inputs={"X": spikes}, time=SHOWN)
        counts = monitor.get("s").reshape(SHOWN, -1).sum(0).numpy()
        network.reset_state_variables()
        return counts

    shown: list[np.ndarray] = []

    def answer(images: np.ndarray) -> np.ndarray:
        network.train(False)
        return np.stack([show(image) for image in images])

    measured = learn_and_read(
        run,
        lambda images: shown.extend(map(show, images)),
        lambda last: np.stack(shown[-len(last) :]),
        answer,
    )
    run.emit(
        {
            "network": "diehl_cook",
            "simulator": "bindsnet",
            "version": version("bindsnet"),
            "torch": torch.__version__,
            "peak_gib": round(peak_memory() / 2**30, 3),
        }
        | {name: round(value, 4) for name, value in measured.items()}
    )


def spikewright(run: Run) -> None:
    sys.path.insert(0, str(FOLDER.parents[1] / "examples" / "models"))
    import diehl_cook as example

    import spikewright as sw

    run.lap("import")
    how = {"seed": run.seed, "threads": run.threads}
    learned: list[sw.Network] = []

    def grey(images: np.ndarray) -> np.ndarray:
        return images.astype(np.float32) / 255

    def learn(images: np.ndarray) -> None:
        network = example.build(784, run.neurons, seed=run.seed)
        learned.append(example.train(network, grey(images), **how))

    def answer(images: np.ndarray) -> np.ndarray:
        return example.answers(learned[-1], grey(images), **how)

    # kernels are compiled once for all later runs
    learn(mnist("train")[0][:2])
    answer(mnist("train")[0][:2])
    measured = learn_and_read(run, learn, answer, answer)
    run.emit(
        {
            "network": "diehl_cook",
            "simulator": "spikewright",
            "version": sw.__version__,
            "peak_gib": round(peak_memory() / 2**30, 3),
        }
        | {name: round(value, 4) for name, value in measured.items()}
    )


SIMULATORS = {"bindsnet": bindsnet, "spikewright": spikewright}
MEASURES = tuple(
    f"{part}_images_per_{second}" for part in ("train", "test") for second in ("s", "cpu_s")
)


def both(arguments: list[str]) -> None:
    """Run both in turn; print and write medians and their ratio."""
    sys.path.insert(0, str(FOLDER.parent))
    from harness import RESULTS, machine

    parser = argparse.ArgumentParser(description=both.__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--neurons", type=int, default=400)
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    peers = os.environ.get("SPIKEWRIGHT_PEERS")
    if not peers:
        raise SystemExit("diehl_cook both: set SPIKEWRIGHT_PEERS to the folder of environments")
    pythons = {"bindsnet": f"{peers}/bindsnet/bin/python", "spikewright": sys.executable}
    before = machine()
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons}
    for number in range(options.rounds):
        for name, python in pythons.items():
            command = [python, str(FOLDER / "diehl_cook.py"), name, "--seed", str(number + 1)]
            for option in ("neurons", "train", "test", "threads"):
                command += [f"--{option}", str(getattr(options, option))]
            load = os.getloadavg()[0]
            threads = {"OMP_NUM_THREADS": str(options.threads)}
            text = subprocess.run(
                command, env=os.environ | threads, stdout=subprocess.PIPE, text=True, check=True
            ).stdout
            row = next(line for line in text.splitlines() if line.startswith("RESULT "))
            runs[name].append(json.loads(row.removeprefix("RESULT ")) | {"load": load})
            print(f"round {number + 1}, {name}: {runs[name][-1]}", flush=True)
    rows = {
        name: {key: statistics.median(run[key] for run in done) for key in MEASURES}
        for name, done in runs.items()
    }
    ratios = {key: rows["spikewright"][key] / rows["bindsnet"][key] for key in MEASURES}
    for key in MEASURES:
        print(
            f"{key:24} " + "  ".join(f"{name} {row[key]:8.1f}" for name, row in rows.items()),
            end="",
        )
        print(f"  {ratios[key]:6.1f} times")
    result = {
        "name": "simulate_diehl_cook",
        "note": f"{options.neurons} neurons, {SHOWN} steps per image, {options.train} training and "
        f"{options.test} test images, {options.threads} thread(s), interleaved; too few images for accuracy",
        "date": datetime.date.today().isoformat(),
        "machine": before,
        "times_faster": ratios,
        "rows": rows,
        "runs": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "simulate_diehl_cook.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["both"]:
        both(sys.argv[2:])
    else:
        main(__doc__, SIMULATORS, neurons=100, train=2000, test=1000)
