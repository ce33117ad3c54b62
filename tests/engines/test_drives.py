"""Compiled draws are those of `engines/draws.py`, bit for bit, however a run is cut."""

import numpy as np
import pytest

from spikewright import rng
from spikewright.engines import draws, drives
from spikewright.engines.cpu import Cpu
from spikewright.network import GaussianDrive, Network, NeuronModel, PoissonDrive, Population

Shown = NeuronModel(
    name="Shown",
    state={"v": "1"},
    params={},
    inputs={"x": "1"},
    update={"v": "x"},
    output="v",
    source="Made for these tests: shows what entered.",
)
MEANS = (0.0, 1e-6, 0.3, 5.0, 30.0, 64.0)
N, SEED, FIRST = 150, 7, 3
"""More neurons than the smallest part, so that threads share them."""


def network(drive):
    return Network(dt=1e-3, populations={"p": Population(Shown, N)}, drives={"d": drive})


def run(drive, steps=11, **options):
    options = {"seed": SEED, "first_sample": FIRST, "batch": 2} | options
    return Cpu().run(network(drive), steps=steps, record={"p": ("v",)}, **options)


def grid(steps, batch=2):
    """Neuron, step and sample of every draw, T B N."""
    step, sample, neuron = np.meshgrid(
        np.arange(steps), np.arange(batch), np.arange(N), indexing="ij"
    )
    return neuron, step, FIRST + sample


KEY = rng.key(SEED, "drive/d")


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_counts(mean):
    found = run(PoissonDrive("p", mean * 1e3, 1.0, "x")).trace("p", "v")
    expected = draws.poisson(KEY, *grid(11), draws.poisson_table(mean))
    assert np.array_equal(found, expected)
    if mean > 0.1:
        assert found.mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / found.size))


def test_a_rate_and_a_weight_of_each_neuron():
    rate, weight = np.resize(np.array(MEANS) * 1e3, N), np.linspace(-1, 1, N)
    found = run(PoissonDrive("p", rate, weight, "x")).trace("p", "v")
    neuron, step, sample = grid(11)
    for i in range(N):
        table = draws.poisson_table(rate[i] * 1e-3)
        counts = draws.poisson(KEY, neuron[..., i], step[..., i], sample[..., i], table)
        assert np.array_equal(found[..., i], weight[i] * counts)


def test_normal_values():
    mean, std = np.linspace(-1, 1, N), np.linspace(0, 3, N)
    found = run(GaussianDrive("p", mean, std, "x")).trace("p", "v")
    assert np.array_equal(found, mean + std * draws.normal(KEY, *grid(11)))


def test_quantile_of_any_word():
    words = np.concatenate(
        [
            np.random.default_rng(0).integers(0, 2**32, 3000),
            [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1],
            (np.array([0.075, 0.925]) * 2**32).astype(int)[:, None].ravel(),
        ]
    ).astype(np.uint64)
    found = np.array([drives.quantile(np.uint32(w)) for w in words])
    assert np.array_equal(found, draws.quantile(words))


@pytest.mark.parametrize("mean", MEANS)
def test_a_guide_points_at_the_count_of_its_first_word(mean):
    table = draws.poisson_table(mean)
    guide = drives.guide(table)
    for cell in np.random.default_rng(1).integers(0, drives.CELLS, 50):
        word = np.uint64(int(cell) << (32 - drives.BITS))
        assert guide[cell] == np.searchsorted(table, word, side="right")
    assert guide[0] == np.searchsorted(table, 0, side="right")


EVERY_KIND = {
    "poisson": PoissonDrive("p", 700.0, 1.0, "x"),
    "poisson of each": PoissonDrive("p", np.resize([0.0, 700.0, 5e3], N), 1.0, "x"),
    "gaussian": GaussianDrive("p", 0.0, 1.0, "x"),
}


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_a_run_may_be_cut_at_any_step(kind, first):
    drive = EVERY_KIND[kind]
    whole = run(drive, 14)
    one = run(drive, first)
    other = run(drive, 1, state=one.state)
    rest = run(drive, 13 - first, state=other.state)
    parts = [part.trace("p", "v") for part in (one, other, rest)]
    assert np.array_equal(np.concatenate(parts), whole.trace("p", "v"))


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_threads_and_batches_change_no_draw(kind):
    drive = EVERY_KIND[kind]
    whole = run(drive).trace("p", "v")
    for threads in (2, 3, 5):
        assert np.array_equal(run(drive, threads=threads).trace("p", "v"), whole)
    for b in range(2):
        alone = run(drive, first_sample=FIRST + b, batch=1, threads=2).trace("p", "v")
        assert np.array_equal(alone[:, 0], whole[:, b])


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_single_precision_draws_the_same_words(kind):
    drive = EVERY_KIND[kind]
    found = run(drive, precision="single").trace("p", "v")
    assert np.array_equal(found, run(drive).trace("p", "v").astype(np.float32))
