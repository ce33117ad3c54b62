"""Digits learned without labels: neurons that silence each other divide the images among themselves.

    python diehl_cook.py                                     # 40 neurons, scikit-learn's digits: seconds
    python diehl_cook.py --mnist FOLDER --neurons 400        # MNIST, every training image once: minutes

Pixels send Poisson spikes. The first neuron that answers an image silences all others; at each of its spikes its
weights grow where pixels were active just before, and the sum of its weights is held. A threshold that grows by
`theta_plus` with each answer gives the others their turn. Labels serve only to name the neurons, after training.

Source
------
Diehl and Cook, "Unsupervised learning of digit recognition using spike-timing-dependent plasticity", Front. Comput.
Neurosci. 9, 2015. As in BindsNET's `DiehlAndCook2015`: jumps of the membrane in place of conductances, 250 steps of
1 ms, 128 Hz for a white pixel, membranes put back to rest between images. By choice: neurons inhibit each other without
the inhibitory neurons between them, which repeat every spike; `eta`, `x_target`, `theta_plus`, `tau_theta`, `v_low`.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import spikewright as sw
from spikewright import data, ms, mV
from spikewright.network.plasticity import DiehlCook
from spikewright.rng import stream

DT, SHOWN, PAUSE = 1 * ms, 250, 50  # s, steps, steps
PERIOD = SHOWN + PAUSE
RATE = 128.0  # Hz, of a white pixel
W_SUM = 78.4 * mV  # of a neuron's weights
CHUNK = 100  # images that one run presents
NAMING = 10000  # training images that name the neurons
PUBLISHED = {100: 82.9, 400: 87.0, 1600: 91.9, 6400: 95.0}  # neurons: %, figure 2B of the paper

Excitatory = sw.NeuronModel(
    name="DigitExcitatory",
    state={"v": "V", "theta": "V"},
    params={
        "tau_m": (100 * ms, "s"),
        "v_th": (13 * mV, "V"),
        "v_low": (-120 * mV, "V"),
        "t_ref": (5 * ms, "s"),
        "theta_plus": (0.5 * mV, "V"),
        "tau_theta": (3000.0, "s"),
    },
    inputs={"spikes": "V", "wipe": "1"},
    jumps={"spikes": "v"},
    update={
        "v": "0 if wipe > 0 else maximum(v - v * dt / tau_m, v_low)",
        "theta": "theta - theta * dt / tau_theta",
    },
    threshold="v > v_th + theta",
    reset={"v": "0", "theta": "theta + theta_plus"},
    refractory=sw.Refractory("t_ref", hold=()),
    source="Diehl and Cook 2015, section 2.1, with currents; v from rest",
)


def build(n_pixels: int, n: int, *, seed: int) -> sw.Network:
    """Return the network before training, with small random weights."""
    weights = stream(seed, "weights").random((n, n_pixels))
    weights *= W_SUM / weights.sum(axis=1, keepdims=True)
    params = {"w_max": 784 / n_pixels * mV, "norm": W_SUM, "t_norm": PERIOD * DT}
    rule = sw.Rule(DiehlCook, params | {"eta": 0.01, "x_target": 0.0})
    others = sw.AllToAll(n, weights=-120 * mV, self_edges=False)
    return sw.Network(
        dt=DT,
        populations={
            "pixels": sw.Population(sw.Input, n_pixels),
            "clock": sw.Population(sw.Input, 1),
            "exc": sw.Population(Excitatory, n),
        },
        projections={
            "pixels->exc": sw.Projection("pixels", "exc", sw.Dense(weights), rule=rule),
            "exc->exc": sw.Projection("exc", "exc", others),
            "clock->exc": sw.Projection("clock", "exc", sw.AllToAll(n), port="wipe"),
        },
        outputs=("exc",),
    )


def spikes_of(images: np.ndarray, draws: np.random.Generator) -> sw.Events:
    """Return images (n, pixels) one after another as Poisson spikes, each with a pause behind it."""
    steps, addresses = [], []
    for number, image in enumerate(images):
        lit = np.flatnonzero(image)
        chance = image[lit] * np.float32(RATE * DT)
        step, which = np.nonzero(draws.random((SHOWN, lit.size), np.float32) < chance)
        steps.append(number * PERIOD + step)
        addresses.append(lit[which])
    return sw.Events(np.concatenate(steps), np.concatenate(addresses), images.shape[1:], tick=DT)


def train(network: sw.Network, images: np.ndarray, *, seed: int, threads: int = 1) -> sw.Network:
    """Present images once, in order; return the network with the weights and thresholds that it learned."""
    draws = stream(seed, "spikes/train")
    # thresholds decay by less in a step than single precision could add up
    prepared = sw.prepare(network, threads=threads)
    state = None
    for first in range(0, len(images), CHUNK):
        shown = images[first : first + CHUNK]
        end = np.arange(1, len(shown) + 1) * PERIOD - 1
        clock = sw.Events(end, np.zeros_like(end), (1,), tick=DT)
        recording = sw.run(
            prepared,
            {"pixels": spikes_of(shown, draws), "clock": clock},
            steps=PERIOD * len(shown),
            spikes=(),
            state=state,
        )
        state = recording.state
    learned = recording.learned()
    theta = state.values["exc"]["theta"][0]
    kept = sw.Population(Excitatory, theta.size, initial={"theta": theta})
    return learned.replacing(populations={"exc": kept})


def answers(network: sw.Network, images: np.ndarray, *, seed: int, threads: int = 1) -> np.ndarray:
    """Return how often each neuron answers each image, (images, neurons); nothing is learned."""
    exc = network.populations["exc"]
    fixed = sw.Population(exc.model, exc.n, {"theta_plus": 0.0}, exc.initial)
    still = network.without_rules().replacing(populations={"exc": fixed})
    draws = stream(seed, "spikes/answers")
    prepared = sw.prepare(still, precision="single", threads=threads, batch=CHUNK)
    counts = []
    for first in range(0, len(images), CHUNK):
        batch = [spikes_of(image[None], draws) for image in images[first : first + CHUNK]]
        recording = sw.run(prepared, {"pixels": batch}, steps=SHOWN, spikes=())
        counts.append(recording.count("exc"))
    return np.concatenate(counts)


def name_neurons(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for each neuron the digit that it answers most, from training images."""
    means = [counts[labels == d].mean(axis=0) if d in labels else 0 * counts[0] for d in range(10)]
    return np.argmax(means, axis=0)


def read(counts: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Return for each image the digit whose neurons answer most, on average."""
    means = [
        counts[:, names == d].mean(axis=1) if d in names else -np.ones(len(counts))
        for d in range(10)
    ]
    return np.argmax(means, axis=0)


def pixels(samples: data.Samples) -> np.ndarray:
    """Return the images of one part of a data set, (n, pixels)."""
    return samples.inputs.reshape(samples.n, -1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mnist", type=Path, help="folder of MNIST's four files")
    parser.add_argument("--neurons", type=int, default=40)
    parser.add_argument("--images", type=int, help="training images; default: all, once")
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    digits = data.load("mnist", options.mnist) if options.mnist else data.load("digits")
    draws = stream(options.seed, "order")
    n = options.images or digits.train.n
    rounds = [draws.permutation(digits.train.n) for _ in range(-(-n // digits.train.n))]
    order = np.concatenate(rounds)[:n]
    images, labels = pixels(digits.train)[order], digits.train.labels[order]
    how = {"seed": options.seed, "threads": options.threads}

    begin = time.perf_counter()
    network = train(build(images.shape[1], options.neurons, seed=options.seed), images, **how)
    trained = time.perf_counter()
    names = name_neurons(answers(network, images[-NAMING:], **how), labels[-NAMING:])
    named = time.perf_counter()
    part = getattr(digits, options.part)
    right = read(answers(network, pixels(part), **how), names) == part.labels
    ended = time.perf_counter()

    print(f"{options.neurons} neurons, {digits.name}, {n} training images, seed {options.seed}")
    print(f"{100 * right.mean():.2f} % of {part.n} {options.part} images")
    print(
        f"{n / (trained - begin):.0f} images/s in training, {part.n / (ended - named):.0f} in the test"
    )
    if options.mnist:
        row = ", ".join(f"{size}: {percent}" for size, percent in PUBLISHED.items())
        print(f"published (neurons: %): {row}")


if __name__ == "__main__":
    main()
