"""A diagram of the adult fly's size, for benchmarks where the measured one cannot be had: 138,639 neurons, 15 M edges.

Nothing but size and statistics are the fly's, and the statistics only as far as stated here:

    neurons      138,639: those of the model's version 783 (stored ids)
    edges        15,000,000 pairs (the size that the model's authors and FlyWire's overview give: about 15.1 M)
    out degree   lognormal, sigma 1.0      assumed: heavy-tailed; the mean, 108, follows from the two numbers above
    in degree    lognormal, sigma 1.0, correlated with the out degree by 0.7 (of logarithms)      assumed
    synapses     per edge 1 + floor(x), x Pareto with exponent 1.4 beyond 0 and scale 1.3, at most 2000: mean about
                 3.6      the mean is 54.5 M synapses over 15.1 M pairs (recalled from Dorkenwald et al. 2024); the
                 law is assumed
    signs        35 % of the neurons are inhibitory      assumed

Who is connected to whom is drawn by degree alone: no regions, no types, no reciprocity beyond chance.
"""

from __future__ import annotations

import numpy as np

from spikewright.errors import NetworkError, explain
from spikewright.network.connectome.diagram import Connectome
from spikewright.network.connectome.lists import distinct

NEURONS = 138_639
EDGES = 15_000_000
SIGMA = 1.0
CORRELATION = 0.7
TAIL, SCALE, MOST = 1.4, 1.3, 2000
INHIBITORY = 0.35
SPARE = 1.04
"""More pairs are drawn than wanted, as some are drawn twice."""


def synthetic_fly(seed: int, *, neurons: int = NEURONS, edges: int = EDGES) -> Connectome:
    """Return a random diagram with the adult fly's size and heavy-tailed degrees and counts; seconds at full size.

    Parameters
    ----------
    seed : same seed, same diagram
    neurons, edges : sizes; exactly so many different edges, none from a neuron to itself

    Raises
    ------
    NetworkError : sizes that do not fit: more than a tenth of all pairs

    Examples
    --------
    >>> small = synthetic_fly(1, neurons=500, edges=6000)
    >>> small.n, small.n_edges, bool((small.pre != small.post).all())
    (500, 6000, True)
    """
    if neurons < 2 or not 0 <= edges <= neurons * (neurons - 1) // 10:
        raise NetworkError(
            explain(
                "synthetic_fly",
                "sizes do not fit",
                found=f"{neurons} neurons, {edges} edges",
                expected="edges up to a tenth of all pairs",
            )
        )
    draw = np.random.default_rng(seed)
    common, own = draw.standard_normal((2, neurons))
    out = np.exp(SIGMA * common)
    in_ = np.exp(SIGMA * (CORRELATION * common + np.sqrt(1 - CORRELATION**2) * own))
    key = np.zeros(0, np.int64)
    while len(key) < edges:
        wanted = round((edges - len(key)) * SPARE) + 64
        pre, post = _ends(draw, out, wanted), _ends(draw, in_, wanted)
        draw.shuffle(post)
        more = (pre.astype(np.int64) * neurons + post)[pre != post]
        key = distinct(np.concatenate([key, more]))
    if len(key) > edges:
        gone = draw.choice(len(key), len(key) - edges, replace=False)
        kept = np.ones(len(key), np.bool_)
        kept[gone] = False
        key = key[kept]
    # the inverse of a Pareto law's distribution, shifted to begin at 0
    x = SCALE * ((1.0 - draw.random(edges, np.float32)) ** np.float32(-1 / TAIL) - 1.0)
    count = 1 + np.minimum(x, MOST - 1).astype(np.int16)
    inhibits = draw.random(neurons) < INHIBITORY
    pre = (key // neurons).astype(np.int32)
    post = (key - pre.astype(np.int64) * neurons).astype(np.int32)
    return Connectome(
        ids=np.arange(neurons),
        types=np.where(inhibits, "inhibitory", "excitatory"),
        pre=pre,
        post=post,
        count=count,
        sign=np.where(inhibits, -1, 1).astype(np.int8)[pre],
        kind=np.zeros(edges, np.int8),
        name=f"synthetic fly, seed {seed}",
        source="drawn; see spikewright.network.connectome.synthetic",
    )


def _ends(draw: np.random.Generator, weight: np.ndarray, n: int) -> np.ndarray:
    """Return `n` ends of edges, each neuron in proportion to its weight, as nearly as whole numbers can be."""
    bound = np.cumsum(weight)
    # one draw per stratum: degrees follow the weights to within one
    at = (np.arange(n) + draw.random()) * (bound[-1] / n)
    degree = np.diff(np.searchsorted(at, bound), prepend=0)
    return np.repeat(np.arange(len(weight), dtype=np.int32), degree)
